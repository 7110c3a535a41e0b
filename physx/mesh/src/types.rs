//! The mesh types. They are plain data: whoever makes one by hand passes it through [`crate::mend`] before use.

use crate::math::{orient, wide};

/// The four faces of a positively oriented tetrahedron, each turning outwards; face *i* lies opposite corner *i*.
const FACES: [[usize; 3]; 4] = [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]];

/// A triangle mesh.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SurfaceMesh {
    /// Vertex positions, in metres unless the user scales them.
    pub points: Vec<[f32; 3]>,
    /// Corners of each triangle as indices into `points`, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// A tetrahedral mesh, positively oriented: `(p1 − p0) · ((p2 − p0) × (p3 − p0)) > 0`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TetMesh {
    /// Node positions, in metres unless the user scales them.
    pub points: Vec<[f32; 3]>,
    /// Corners of each tetrahedron as indices into `points`.
    pub tets: Vec<[u32; 4]>,
}

/// A finer surface that rides on a tetrahedral mesh, for pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skin {
    /// Corners of each triangle as indices into `embedding`.
    pub triangles: Vec<[u32; 3]>,
    /// For each skin point, its tetrahedron and its barycentric weights (they sum to 1; a point just outside its
    /// tetrahedron has a negative one).
    pub embedding: Vec<(u32, [f32; 4])>,
}

/// A mesh ready for the solver.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CookedMesh {
    /// What is simulated.
    pub tets: TetMesh,
    /// What is drawn, where that is finer than the boundary of `tets`.
    pub skin: Option<Skin>,
    /// What was repaired on the way, one sentence each, for the user.
    pub notes: Vec<String>,
}

impl SurfaceMesh {
    /// Signed volume enclosed by the triangles (divergence theorem); positive when they turn outwards.
    /// Triangles that name a missing point count as nothing.
    pub fn volume(&self) -> f64 {
        let Some(&first) = self.points.first() else { return 0.0 };
        // Measured from a point of the mesh: far from the origin the sum would cancel badly.
        let origin = wide(first);
        let point = |i: u32| self.points.get(i as usize).map(|&p| wide(p));
        let six: f64 =
            self.triangles.iter().filter_map(|t| Some(orient(origin, point(t[0])?, point(t[1])?, point(t[2])?))).sum();
        six / 6.0
    }
}

impl TetMesh {
    /// Triangles used by one tetrahedron only, turned outwards, ordered by tetrahedron and then by face.
    pub fn boundary(&self) -> Vec<[u32; 3]> {
        let corner = |id: usize| {
            let tet = self.tets[id / 4];
            FACES[id % 4].map(|i| tet[i])
        };
        let mut keyed: Vec<([u32; 3], usize)> = (0..self.tets.len() * 4)
            .map(|id| {
                let mut key = corner(id);
                key.sort_unstable();
                (key, id)
            })
            .collect();
        keyed.sort_unstable();
        let mut single: Vec<usize> =
            keyed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1).map(|same| same[0].1).collect();
        single.sort_unstable();
        single.into_iter().map(corner).collect()
    }

    /// Sum of the signed volumes of the tetrahedra; those that name a missing point count as nothing.
    pub fn volume(&self) -> f64 {
        (0..self.tets.len()).filter_map(|i| self.corners(i)).map(|[a, b, c, d]| orient(a, b, c, d) / 6.0).sum()
    }

    /// Corner positions of tetrahedron `i`; `None` where it or one of its points does not exist.
    pub(crate) fn corners(&self, i: usize) -> Option<[[f64; 3]; 4]> {
        let tet = self.tets.get(i)?;
        let point = |k: usize| self.points.get(tet[k] as usize).map(|&p| wide(p));
        Some([point(0)?, point(1)?, point(2)?, point(3)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tets() -> TetMesh {
        TetMesh {
            points: vec![[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 1.]],
            tets: vec![[0, 1, 2, 3], [4, 1, 3, 2]],
        }
    }

    #[test]
    fn boundary_leaves_out_the_shared_face_and_encloses_the_volume() {
        let mesh = two_tets();
        let triangles = mesh.boundary();
        assert_eq!(triangles.len(), 6);
        let surface = SurfaceMesh { points: mesh.points.clone(), triangles };
        assert!((surface.volume() - mesh.volume()).abs() < 1e-12);
        assert!(mesh.volume() > 0.0);
    }

    #[test]
    fn volume_far_from_the_origin_is_exact() {
        let mut mesh = two_tets();
        let near = SurfaceMesh { points: mesh.points.clone(), triangles: mesh.boundary() }.volume();
        mesh.points.iter_mut().for_each(|p| p[0] += 4096.0);
        let far = SurfaceMesh { points: mesh.points.clone(), triangles: mesh.boundary() }.volume();
        assert_eq!(near, far);
    }
}
