//! Embedding a surface in a tetrahedral mesh: for each point the tetrahedron that holds it and the weights of its corners.
//!
//! Tetrahedra are hashed into a uniform grid of about one tetrahedron a cell; a point asks its own cell, and rings of
//! cells around it where none holds it. A point outside every tetrahedron takes the one from which it sticks out least.

use crate::error::MeshError;
use crate::math::{V3, bounds, orient, sub, wide};
use crate::types::TetMesh;

/// A point counts as inside while its smallest weight is above this.
const INSIDE: f64 = -1e-9;
/// Rings of cells that are searched before the whole mesh is.
const MAX_RING: i64 = 3;

/// Embeds `points` in `mesh`: per point a tetrahedron and four barycentric weights that sum to 1.
///
/// # Errors
/// [`MeshError::Empty`] for a mesh without tetrahedra; [`MeshError::FlatTet`] where weights cannot be computed.
pub fn embed(points: &[[f32; 3]], mesh: &TetMesh) -> Result<Vec<(u32, [f32; 4])>, MeshError> {
    let grid = Grid::new(mesh)?;
    points
        .iter()
        .map(|&p| {
            let (tet, weights) = grid.locate(wide(p));
            if weights.iter().all(|w| w.is_finite()) {
                Ok((tet, weights.map(|w| w as f32)))
            } else {
                Err(MeshError::FlatTet { tet: tet as usize, volume: 0.0, edge: 0.0 })
            }
        })
        .collect()
}

/// Tetrahedra by grid cell: `entries[starts[c]..starts[c + 1]]` are those whose box meets cell `c`.
struct Grid<'a> {
    mesh: &'a TetMesh,
    low: V3,
    cell: V3,
    cells: [i64; 3],
    starts: Vec<u32>,
    entries: Vec<u32>,
}

impl<'a> Grid<'a> {
    fn new(mesh: &'a TetMesh) -> Result<Self, MeshError> {
        let (low, high) = bounds(&mesh.points).ok_or(MeshError::Empty { what: "no nodes" })?;
        if mesh.tets.is_empty() {
            return Err(MeshError::Empty { what: "no tetrahedra" });
        }
        let (low, side) = (wide(low), sub(wide(high), wide(low)));
        // Cells of equal sides, about as many as tetrahedra; at most 512 along an axis.
        let volume = (side[0] * side[1] * side[2]).max(f64::MIN_POSITIVE);
        let target = libm::cbrt(volume / mesh.tets.len() as f64);
        let cells = side.map(|s| ((s / target) as i64).clamp(1, 512));
        let cell = std::array::from_fn(|axis| (side[axis] / cells[axis] as f64).max(f64::MIN_POSITIVE));
        let mut grid = Self { mesh, low, cell, cells, starts: Vec::new(), entries: Vec::new() };
        let count = (cells[0] * cells[1] * cells[2]) as usize;
        let mut starts = vec![0u32; count + 1];
        (0..mesh.tets.len()).for_each(|tet| grid.each_cell(tet, |cell| starts[cell + 1] += 1));
        (0..count).for_each(|i| starts[i + 1] += starts[i]);
        let mut next = starts.clone();
        let mut entries = vec![0; starts[count] as usize];
        for tet in 0..mesh.tets.len() {
            grid.each_cell(tet, |cell| {
                entries[next[cell] as usize] = tet as u32;
                next[cell] += 1;
            });
        }
        (grid.starts, grid.entries) = (starts, entries);
        Ok(grid)
    }

    fn coordinate(&self, p: V3) -> [i64; 3] {
        std::array::from_fn(|axis| {
            (((p[axis] - self.low[axis]) / self.cell[axis]) as i64).clamp(0, self.cells[axis] - 1)
        })
    }

    fn index(&self, c: [i64; 3]) -> usize {
        ((c[2] * self.cells[1] + c[1]) * self.cells[0] + c[0]) as usize
    }

    fn each_cell(&self, tet: usize, mut visit: impl FnMut(usize)) {
        let Some(corners) = self.mesh.corners(tet) else { return };
        let at = corners.map(|p| self.coordinate(p));
        let range = |axis: usize| {
            let values = at.map(|c| c[axis]);
            values.into_iter().min().unwrap_or(0)..=values.into_iter().max().unwrap_or(-1)
        };
        for z in range(2) {
            for y in range(1) {
                range(0).for_each(|x| visit(self.index([x, y, z])));
            }
        }
    }

    /// The best tetrahedron for `p` and its weights: the first that holds it, else the least exceeded one nearby.
    fn locate(&self, p: V3) -> (u32, [f64; 4]) {
        let centre = self.coordinate(p);
        let mut best = (f64::NEG_INFINITY, 0, [f64::NAN; 4]);
        for ring in 0..=MAX_RING {
            self.each_in_ring(centre, ring, |tet| self.improve(p, tet, &mut best));
            // One ring beyond the first find: the nearest tetrahedron may sit in the next cell.
            if best.0 >= INSIDE || (ring > 0 && best.0 > -1.0) {
                return (best.1, best.2);
            }
        }
        (0..self.mesh.tets.len() as u32).for_each(|tet| self.improve(p, tet, &mut best));
        (best.1, best.2)
    }

    fn each_in_ring(&self, centre: [i64; 3], ring: i64, mut visit: impl FnMut(u32)) {
        let span = |axis: usize| (centre[axis] - ring).max(0)..=(centre[axis] + ring).min(self.cells[axis] - 1);
        for z in span(2) {
            for y in span(1) {
                for x in span(0) {
                    let away = [x, y, z].iter().zip(centre).map(|(a, b)| (a - b).abs()).max();
                    if away == Some(ring) {
                        let cell = self.index([x, y, z]);
                        let range = self.starts[cell] as usize..self.starts[cell + 1] as usize;
                        self.entries[range].iter().for_each(|&tet| visit(tet));
                    }
                }
            }
        }
    }

    fn improve(&self, p: V3, tet: u32, best: &mut (f64, u32, [f64; 4])) {
        // The first holder wins, so that the answer does not depend on which cells were asked before.
        if best.0 >= INSIDE {
            return;
        }
        if let Some(weights) = self.mesh.corners(tet as usize).and_then(|corners| barycentric(p, corners)) {
            let least = weights.iter().fold(f64::INFINITY, |a, &b| if b < a { b } else { a });
            if least > best.0 {
                *best = (least, tet, weights);
            }
        }
    }
}

/// Weights of `p` over the corners of a tetrahedron; `None` where that is flat.
fn barycentric(p: V3, [a, b, c, d]: [V3; 4]) -> Option<[f64; 4]> {
    let whole = orient(a, b, c, d);
    let weights = [orient(p, b, c, d) / whole, orient(a, p, c, d) / whole, orient(a, b, p, d) / whole];
    let all = [weights[0], weights[1], weights[2], 1.0 - weights[0] - weights[1] - weights[2]];
    all.iter().all(|w| w.is_finite()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives;

    #[test]
    fn embedded_points_are_rebuilt_from_their_weights() {
        let mesh = primitives::boxed([1.0, 2.0, 1.0], [4, 8, 4]).unwrap();
        let points = vec![[0.1, 0.3, -0.2], [0.5, 1.0, 0.5], [-0.49, -0.99, 0.01], [0.55, 0.0, 0.0], [3.0, 0.0, 0.0]];
        let found = embed(&points, &mesh).unwrap();
        for (p, (tet, weights)) in points.iter().zip(found) {
            let corners = mesh.tets[tet as usize];
            for axis in 0..3 {
                let x: f32 = (0..4).map(|k| weights[k] * mesh.points[corners[k] as usize][axis]).sum();
                assert!((x - p[axis]).abs() < 1e-4, "{p:?} rebuilt as {x} on axis {axis}");
            }
        }
    }

    #[test]
    fn nothing_to_embed_in_is_an_error() {
        assert!(embed(&[[0.0; 3]], &TetMesh::default()).is_err());
    }
}
