//! Self-intersection: does an edge of one triangle pass through the inside of another?
//!
//! Triangles are sorted into a uniform grid, and only those that share a cell are compared, each pair in one cell.
//! Touching counts as sound: only a strict crossing, beyond what rounding could fake, is reported.

use crate::error::MeshError;
use crate::math::{V3, bounds, length, orient, sub, wide};
use crate::types::SurfaceMesh;

/// Pairs compared before the search gives up with a note; about 20 s of work.
const MAX_PAIRS: u64 = 1 << 29;
/// Crossings counted before the search stops: the user wants to know whether, where, and roughly how many.
const MAX_FOUND: usize = 1000;
/// Largest number of cells along an axis.
const MAX_CELLS: u64 = 512;
/// Volumes below this fraction of the cube of the longest edge are rounding.
const ROUNDING: f64 = 1e-12;

/// Searches `mesh` for triangles that cross. A note says so where the search had to be cut short.
///
/// # Errors
/// [`MeshError::SelfIntersection`] with the first crossing in triangle order of the grid.
pub(super) fn check(mesh: &SurfaceMesh) -> Result<Option<String>, MeshError> {
    let boxes = Boxes::new(mesh);
    let mut pairs = 0u64;
    let mut found: Option<[u32; 2]> = None;
    let mut count = 0;
    for cell in boxes.entries.chunk_by(|a, b| a.0 == b.0) {
        for (i, &(_, a)) in cell.iter().enumerate() {
            for &(_, b) in &cell[i + 1..] {
                // A pair that shares several cells is compared in the first of them only.
                if boxes.first_shared(a, b) != cell[0].0 {
                    continue;
                }
                pairs += 1;
                if cross(mesh, a as usize, b as usize) {
                    count += 1;
                    found = found.min(Some([a, b])).or(Some([a, b]));
                }
            }
            if pairs > MAX_PAIRS || count > MAX_FOUND {
                return report(mesh, found, count, true);
            }
        }
    }
    report(mesh, found, count, false)
}

fn report(mesh: &SurfaceMesh, found: Option<[u32; 2]>, pairs: usize, cut: bool) -> Result<Option<String>, MeshError> {
    match found {
        Some(first) => {
            let at = mesh.points[mesh.triangles[first[0] as usize][0] as usize];
            Err(MeshError::SelfIntersection { pairs, first, at })
        }
        None if cut => {
            Ok(Some("self-intersection was searched for in part only: triangles are very uneven".to_owned()))
        }
        None => Ok(None),
    }
}

/// The grid: the cells of each triangle's bounding box, and all (cell, triangle), sorted.
struct Boxes {
    low: Vec<[u16; 3]>,
    entries: Vec<(u32, u32)>,
}

impl Boxes {
    fn new(mesh: &SurfaceMesh) -> Self {
        let (low, high) = bounds(&mesh.points).unwrap_or_default();
        let origin = wide(low);
        let side = sub(wide(high), origin);
        let extent = side[0].max(side[1]).max(side[2]).max(f64::MIN_POSITIVE);
        let mean = mesh.triangles.iter().map(|t| size(mesh, t)).sum::<f64>() / mesh.triangles.len().max(1) as f64;
        let mut cells = ((extent / mean.max(extent / MAX_CELLS as f64)) as u64).clamp(1, MAX_CELLS);
        loop {
            let step = extent / cells as f64;
            let at = |p: V3, axis: usize| (((p[axis] - origin[axis]) / step) as u64).min(cells - 1) as u16;
            let range = |t: &[u32; 3], axis: usize| {
                let c = t.map(|i| at(wide(mesh.points[i as usize]), axis));
                (c[0].min(c[1]).min(c[2]), c[0].max(c[1]).max(c[2]))
            };
            let spans: Vec<[(u16, u16); 3]> =
                mesh.triangles.iter().map(|t| [range(t, 0), range(t, 1), range(t, 2)]).collect();
            let total: u64 = spans.iter().map(|s| s.iter().map(|&(a, b)| u64::from(b - a) + 1).product::<u64>()).sum();
            // Long triangles fill many fine cells: coarsen until the table stays proportional to the mesh.
            if cells > 1 && total > 32 * mesh.triangles.len() as u64 {
                cells = cells.div_ceil(2).min(cells - 1);
                continue;
            }
            let mut entries = Vec::with_capacity(total as usize);
            for (t, [x, y, z]) in (0..).zip(&spans) {
                for k in z.0..=z.1 {
                    for j in y.0..=y.1 {
                        entries.extend((x.0..=x.1).map(|i| (key([i, j, k]), t)));
                    }
                }
            }
            entries.sort_unstable();
            return Self { low: spans.iter().map(|s| s.map(|(low, _)| low)).collect(), entries };
        }
    }

    /// The lowest cell that lies in both boxes.
    fn first_shared(&self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.low[a as usize], self.low[b as usize]);
        key([a[0].max(b[0]), a[1].max(b[1]), a[2].max(b[2])])
    }
}

/// Cell number; 9 bits an axis suffice for [`MAX_CELLS`], 10 are used.
fn key(c: [u16; 3]) -> u32 {
    (u32::from(c[2]) << 20) | (u32::from(c[1]) << 10) | u32::from(c[0])
}

/// Longest edge.
fn size(mesh: &SurfaceMesh, t: &[u32; 3]) -> f64 {
    let p = t.map(|i| wide(mesh.points[i as usize]));
    length(sub(p[1], p[0])).max(length(sub(p[2], p[1]))).max(length(sub(p[0], p[2])))
}

fn cross(mesh: &SurfaceMesh, a: usize, b: usize) -> bool {
    let (a, b) = (mesh.triangles[a], mesh.triangles[b]);
    let shared = a.iter().filter(|i| b.contains(i)).count();
    // Two triangles across an edge can only fold onto one another, which is no crossing.
    if shared >= 2 {
        return false;
    }
    let longest = size(mesh, &a).max(size(mesh, &b));
    let slack = ROUNDING * longest * longest * longest;
    let one_way = |from: [u32; 3], through: [u32; 3]| {
        let face = through.map(|i| wide(mesh.points[i as usize]));
        (0..3).any(|k| {
            let (p, q) = (from[k], from[(k + 1) % 3]);
            let touching = through.contains(&p) || through.contains(&q);
            !touching && pierces(wide(mesh.points[p as usize]), wide(mesh.points[q as usize]), face, slack)
        })
    };
    one_way(a, b) || one_way(b, a)
}

/// Whether the segment `pq` passes through the inside of the triangle.
fn pierces(p: V3, q: V3, [a, b, c]: [V3; 3], slack: f64) -> bool {
    let (above, below) = (orient(a, b, c, p), orient(a, b, c, q));
    let opposite = (above > slack && below < -slack) || (above < -slack && below > slack);
    if !opposite {
        return false;
    }
    let turns = [orient(p, q, a, b), orient(p, q, b, c), orient(p, q, c, a)];
    turns.iter().all(|&v| v > slack) || turns.iter().all(|&v| v < -slack)
}
