//! How good a tetrahedral mesh is for the solver: its stable time step falls with the smallest altitude.

use crate::math::{length, min_altitude, orient, sub};
use crate::types::TetMesh;

/// Shape of the tetrahedra of a mesh; lengths in units of the mesh (metres).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Smallest altitude of any tetrahedron: the distance that limits the time step.
    pub min_altitude: f64,
    /// Mean over the tetrahedra of their smallest altitude.
    pub mean_altitude: f64,
    /// Smallest volume of a tetrahedron.
    pub min_volume: f64,
    /// Largest volume of a tetrahedron.
    pub max_volume: f64,
    /// Longest edge.
    pub max_edge: f64,
    /// Shortest edge.
    pub min_edge: f64,
    /// Smallest altitude over longest edge within one tetrahedron; 0.816 for a regular one, 0 for a flat one.
    pub min_shape: f64,
    /// Number of tetrahedra.
    pub tets: usize,
    /// Number of nodes.
    pub nodes: usize,
}

/// Measures `mesh`. All values are 0 for a mesh without tetrahedra.
pub fn quality(mesh: &TetMesh) -> Quality {
    let mut out = Quality {
        min_altitude: f64::INFINITY,
        mean_altitude: 0.0,
        min_volume: f64::INFINITY,
        max_volume: f64::NEG_INFINITY,
        max_edge: 0.0,
        min_edge: f64::INFINITY,
        min_shape: f64::INFINITY,
        tets: mesh.tets.len(),
        nodes: mesh.points.len(),
    };
    let mut measured = 0.0;
    for p in (0..mesh.tets.len()).filter_map(|i| mesh.corners(i)) {
        let altitude = min_altitude(p);
        let volume = orient(p[0], p[1], p[2], p[3]) / 6.0;
        let mut longest: f64 = 0.0;
        for (i, j) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let edge = length(sub(p[j], p[i]));
            longest = longest.max(edge);
            out.min_edge = out.min_edge.min(edge);
        }
        out.max_edge = out.max_edge.max(longest);
        out.min_altitude = out.min_altitude.min(altitude);
        out.mean_altitude += altitude;
        out.min_volume = out.min_volume.min(volume);
        out.max_volume = out.max_volume.max(volume);
        out.min_shape = out.min_shape.min(if longest > 0.0 { altitude / longest } else { 0.0 });
        measured += 1.0;
    }
    if measured == 0.0 {
        let nothing = 0.0;
        return Quality {
            min_altitude: nothing,
            min_volume: nothing,
            max_volume: nothing,
            min_edge: nothing,
            min_shape: nothing,
            ..out
        };
    }
    out.mean_altitude /= measured;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_tetrahedron_has_the_textbook_altitude() {
        let mesh = TetMesh {
            points: vec![[1., 1., 1.], [1., -1., -1.], [-1., 1., -1.], [-1., -1., 1.]],
            tets: vec![[0, 1, 3, 2]],
        };
        let measured = quality(&mesh);
        let edge = 8f64.sqrt();
        assert!((measured.max_edge - edge).abs() < 1e-12);
        assert!((measured.min_altitude - edge * (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn no_tetrahedra_measure_zero() {
        assert_eq!(quality(&TetMesh::default()).min_altitude, 0.0);
    }
}
