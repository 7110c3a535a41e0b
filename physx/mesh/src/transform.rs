//! Placing meshes: scale, move, recentre. `f32` results are rounded once from `f64`.

use crate::math::{add, bounds, narrow, scale, sub, wide};
use crate::types::{SurfaceMesh, TetMesh};

fn centre(points: &[[f32; 3]]) -> [f64; 3] {
    bounds(points).map_or([0.0; 3], |(low, high)| scale(add(wide(low), wide(high)), 0.5))
}

macro_rules! placing {
    ($mesh:ty) => {
        impl $mesh {
            /// Multiplies every coordinate by `factor` (> 0: a negative one would turn the mesh inside out).
            pub fn scale(&mut self, factor: f32) {
                let factor = f64::from(factor);
                self.points.iter_mut().for_each(|p| *p = narrow(scale(wide(*p), factor)));
            }

            /// Adds `by` to every point.
            pub fn translate(&mut self, by: [f32; 3]) {
                self.points.iter_mut().for_each(|p| *p = narrow(add(wide(*p), wide(by))));
            }

            /// Moves the centre of the bounding box to the origin, and returns where it was.
            pub fn recentre(&mut self) -> [f32; 3] {
                let centre = centre(&self.points);
                self.points.iter_mut().for_each(|p| *p = narrow(sub(wide(*p), centre)));
                narrow(centre)
            }

            /// Lower and upper corner of the bounding box; `None` for no points.
            pub fn bounds(&self) -> Option<([f32; 3], [f32; 3])> {
                bounds(&self.points)
            }
        }
    };
}

placing!(SurfaceMesh);
placing!(TetMesh);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recentring_puts_the_middle_of_the_box_at_the_origin() {
        let mut mesh = SurfaceMesh { points: vec![[1.0, 2.0, 3.0], [3.0, 6.0, 5.0]], triangles: vec![] };
        assert_eq!(mesh.recentre(), [2.0, 4.0, 4.0]);
        mesh.scale(2.0);
        mesh.translate([0.0, 4.0, 0.0]);
        assert_eq!(mesh.bounds(), Some(([-2.0, 0.0, -2.0], [2.0, 8.0, 2.0])));
    }
}
