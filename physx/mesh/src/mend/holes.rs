//! Small holes: boundary loops are closed by the triangulation of least area.
//!
//! Source: G. Barequet, M. Sharir, "Filling gaps in the boundary of a polyhedron" (1995): dynamic programming over
//! sub-polygons, O(n³) in the loop's edges, which is why [`MAX_HOLE_EDGES`] bounds it.

use super::topology::{HalfEdge, by_edge};
use crate::error::MeshError;
use crate::math::{double_area, wide};
use crate::types::SurfaceMesh;

/// Longest boundary loop that is closed.
const MAX_HOLE_EDGES: usize = 512;
/// Largest area of a hole relative to the surface around it.
const MAX_HOLE_AREA: f64 = 0.1;

/// Closes every hole of a consistently oriented surface. Returns how many holes and with how many triangles.
///
/// # Errors
/// [`MeshError::Open`] where a hole is too long or too wide to be guessed.
pub(super) fn fill(mesh: &mut SurfaceMesh, edges: &[HalfEdge]) -> Result<(usize, usize), MeshError> {
    let loops = boundary_loops(&mesh.triangles, edges)?;
    let corner = |i: u32| wide(mesh.points[i as usize]);
    let area: f64 = mesh.triangles.iter().map(|t| double_area(corner(t[0]), corner(t[1]), corner(t[2]))).sum();
    let mut patches = Vec::new();
    for rim in &loops {
        if rim.len() > MAX_HOLE_EDGES {
            let what =
                format!("a hole with {} edges at point {}, over the limit of {MAX_HOLE_EDGES}", rim.len(), rim[0]);
            return Err(MeshError::Open { what });
        }
        let (patch, patch_area) = least_area(mesh, rim);
        if patch_area > MAX_HOLE_AREA * area {
            let what = format!(
                "a hole with {} edges at point {} would need a patch of {:.0} % of the surface, over the limit of {:.0} %",
                rim.len(),
                rim[0],
                100.0 * patch_area / area,
                100.0 * MAX_HOLE_AREA
            );
            return Err(MeshError::Open { what });
        }
        patches.extend(patch);
    }
    let added = patches.len();
    mesh.triangles.extend(patches);
    Ok((loops.len(), added))
}

/// The rims of the holes, each running against the triangles beside it, so that patches along them fit.
fn boundary_loops(triangles: &[[u32; 3]], edges: &[HalfEdge]) -> Result<Vec<Vec<u32>>, MeshError> {
    let mut next: Vec<(u32, u32)> = by_edge(edges)
        .filter(|same| same.len() == 1)
        .map(|same| {
            let t = triangles[same[0].triangle as usize];
            let corner = same[0].corner as usize;
            (t[(corner + 1) % 3], t[corner])
        })
        .collect();
    next.sort_unstable();
    if let Some(fork) = next.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let what = format!("several holes meet in point {}", fork[0].0);
        return Err(MeshError::Open { what });
    }
    let mut seen = vec![false; next.len()];
    let mut loops = Vec::new();
    for start in 0..next.len() {
        let mut rim = Vec::new();
        let mut at = start;
        while !seen[at] {
            seen[at] = true;
            rim.push(next[at].0);
            match next.binary_search_by_key(&next[at].1, |edge| edge.0) {
                Ok(following) => at = following,
                Err(_) => return Err(MeshError::Open { what: format!("a torn edge at point {}", next[at].1) }),
            }
        }
        if !rim.is_empty() {
            loops.push(rim);
        }
    }
    Ok(loops)
}

/// Triangulation of least area of a closed loop, and twice that area.
fn least_area(mesh: &SurfaceMesh, rim: &[u32]) -> (Vec<[u32; 3]>, f64) {
    let n = rim.len();
    let at: Vec<_> = rim.iter().map(|&i| wide(mesh.points[i as usize])).collect();
    // best[i * n + k]: least area between corners i and k; via[i * n + k]: the corner that completes the triangle.
    let mut best = vec![0.0; n * n];
    let mut via = vec![0usize; n * n];
    for span in 2..n {
        for i in 0..n - span {
            let k = i + span;
            let mut least = f64::INFINITY;
            for j in i + 1..k {
                let total = best[i * n + j] + best[j * n + k] + double_area(at[i], at[j], at[k]);
                if total < least {
                    least = total;
                    via[i * n + k] = j;
                }
            }
            best[i * n + k] = least;
        }
    }
    let mut patch = Vec::with_capacity(n.saturating_sub(2));
    let mut stack = vec![(0, n - 1)];
    while let Some((i, k)) = stack.pop() {
        if k - i >= 2 {
            let j = via[i * n + k];
            patch.push([rim[i], rim[j], rim[k]]);
            stack.push((i, j));
            stack.push((j, k));
        }
    }
    (patch, best[n - 1])
}
