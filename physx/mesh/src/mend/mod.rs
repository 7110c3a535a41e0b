//! Mending: from whatever a file holds to a mesh that PhysX and the solver can rely on, or a reason why not.
//!
//! Repairs are small and each leaves a note; whatever would need guessing the shape is refused with a remedy.

mod flat;
mod holes;
mod intersect;
mod orient;
mod surface;
#[cfg(test)]
mod tests;
mod tets;
mod topology;

pub use surface::surface;
pub use tets::tets;

use crate::MAX_NODES;
use crate::error::MeshError;
use crate::math::{bounds, extent, wide};

/// Whether every edge of the surface has exactly two triangles that run along it in opposite directions.
pub(crate) fn is_closed(triangles: &[[u32; 3]]) -> bool {
    let edges = topology::half_edges(triangles);
    topology::by_edge(&edges).all(|same| same.len() == 2 && same[0].reversed != same[1].reversed)
}

/// Merges points with equal coordinates.
pub(crate) fn weld(mesh: &mut crate::SurfaceMesh) {
    compact(&mut mesh.points, &mut mesh.triangles);
}

/// Checks what every mesh must satisfy before anything is computed from it.
fn check_points(points: &[[f32; 3]]) -> Result<f64, MeshError> {
    if points.is_empty() {
        return Err(MeshError::Empty { what: "no points" });
    }
    if points.len() > MAX_NODES {
        return Err(MeshError::TooMany { what: "points", count: points.len() as u64, limit: MAX_NODES as u64 });
    }
    if let Some(point) = points.iter().position(|p| !p.iter().all(|x| x.is_finite())) {
        return Err(MeshError::NotFinite { point, value: points[point] });
    }
    let extent = extent(points);
    let reach = bounds(points).map_or(0.0, |(low, high)| {
        wide(low).into_iter().chain(wide(high)).fold(0.0, |far, x| if x.abs() > far { x.abs() } else { far })
    });
    // f32 squares must neither overflow nor vanish, and the shape must be resolved by f32 where it lies.
    let what = if reach > 1e9 {
        "coordinates beyond 1e9 overflow single precision"
    } else if extent > 0.0 && extent < 1e-9 {
        "sizes below 1e-9 vanish in single precision"
    } else if extent * 1e5 < reach {
        "so far from the origin single precision cannot resolve its shape"
    } else {
        return Ok(extent);
    };
    Err(MeshError::BadExtent { extent, reach, what })
}

/// Checks that every element names existing points.
fn check_indices<const N: usize>(element: &'static str, elements: &[[u32; N]], points: usize) -> Result<(), MeshError> {
    for (index, corners) in elements.iter().enumerate() {
        if let Some(&point) = corners.iter().find(|&&i| i as usize >= points) {
            return Err(MeshError::IndexOutOfRange { element, index, point, points });
        }
    }
    Ok(())
}

/// Merges points with equal coordinates and drops those that no element uses; the first of each keeps its order.
/// Returns how many were merged and how many dropped.
fn compact<const N: usize>(points: &mut Vec<[f32; 3]>, elements: &mut [[u32; N]]) -> (usize, usize) {
    const UNUSED: u32 = u32::MAX;
    // Adding zero turns −0 into +0, so that equal numbers have equal bits.
    let bits = |i: u32| points[i as usize].map(|x| (x + 0.0).to_bits());
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    order.sort_unstable_by_key(|&i| (bits(i), i));
    let mut first = vec![UNUSED; points.len()];
    for same in order.chunk_by(|&a, &b| bits(a) == bits(b)) {
        same.iter().for_each(|&i| first[i as usize] = same[0]);
    }
    let merged = (0..).zip(&first).filter(|(i, first)| i != *first).count();
    let mut used = vec![false; points.len()];
    for corner in elements.iter_mut().flatten() {
        *corner = first[*corner as usize];
        used[*corner as usize] = true;
    }
    let mut place = vec![UNUSED; points.len()];
    let mut kept = 0;
    for (i, point) in used.iter().enumerate() {
        if *point {
            place[i] = kept;
            points[kept as usize] = points[i];
            kept += 1;
        }
    }
    let dropped = points.len() - merged - kept as usize;
    points.truncate(kept as usize);
    elements.iter_mut().flatten().for_each(|corner| *corner = place[*corner as usize]);
    (merged, dropped)
}
