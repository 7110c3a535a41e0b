//! Ground: heights over a regular grid in the x–z plane, two triangles a cell.

use std::sync::Arc;

use crate::bounds::Aabb;
use crate::vec3::{Vec3, cross, dot, normalized, sub};

/// A grid of heights; sample (row, column) lies at `origin + (row × spacing.0, height, column × spacing.1)`.
///
/// Each cell is split from (row + 1, column) to (row, column + 1), as PhysX has it.
#[derive(Clone, Debug)]
pub struct HeightField {
    rows: usize,
    columns: usize,
    spacing: [f32; 2],
    origin: Vec3,
    heights: Arc<[f32]>,
    bounds: Aabb,
}

/// The samples of a [`HeightField`].
#[derive(Clone, Copy, Debug)]
pub struct HeightGrid<'a> {
    /// Rows and columns.
    pub samples: [usize; 2],
    /// Metres from one to the next.
    pub spacing: [f32; 2],
    /// The first sample's place, were its height 0; m.
    pub origin: Vec3,
    /// Metres, row by row.
    pub heights: &'a [f32],
}

impl HeightField {
    /// A field of `rows × columns` samples (row-major, metres above the origin's y).
    ///
    /// # Panics
    /// If the sizes disagree or there is no cell.
    pub fn new([rows, columns]: [usize; 2], spacing: [f32; 2], origin: Vec3, heights: Vec<f32>) -> Self {
        assert!(rows >= 2 && columns >= 2 && heights.len() == rows * columns, "{rows} × {columns} samples");
        let (low, high) = heights
            .iter()
            .fold((f32::MAX, f32::MIN), |(l, h), &y| (if y < l { y } else { l }, if y > h { y } else { h }));
        let far = [(rows - 1) as f32 * spacing[0], high, (columns - 1) as f32 * spacing[1]];
        // A body that has sunk in is still pushed out: the box reaches far below the ground.
        let deep = origin[1] + low - 10.0 * (1.0 + high - low);
        let bounds = Aabb { min: [origin[0], deep, origin[2]], max: std::array::from_fn(|k| origin[k] + far[k]) };
        Self { rows, columns, spacing, origin, heights: heights.into(), bounds }
    }

    /// The box of the ground and what lies under it.
    pub fn bounds(&self) -> Aabb {
        self.bounds
    }

    /// What it is made of.
    pub fn grid(&self) -> HeightGrid<'_> {
        let samples = [self.rows, self.columns];
        HeightGrid { samples, spacing: self.spacing, origin: self.origin, heights: &self.heights }
    }

    /// Depth of `x` below the triangle above or below it (negative above the ground) and that triangle's normal;
    /// `None` beside the field.
    pub fn depth(&self, x: Vec3) -> Option<(f32, Vec3)> {
        let u = (x[0] - self.origin[0]) / self.spacing[0];
        let w = (x[2] - self.origin[2]) / self.spacing[1];
        if !(u >= 0.0 && w >= 0.0 && u <= (self.rows - 1) as f32 && w <= (self.columns - 1) as f32) {
            return None;
        }
        let row = (u as usize).min(self.rows - 2);
        let column = (w as usize).min(self.columns - 2);
        let (fu, fw) = (u - row as f32, w - column as f32);
        let corner = |r: usize, c: usize| -> Vec3 {
            let y = self.heights[(row + r) * self.columns + column + c];
            [
                self.origin[0] + (row + r) as f32 * self.spacing[0],
                self.origin[1] + y,
                self.origin[2] + (column + c) as f32 * self.spacing[1],
            ]
        };
        let third = if fu + fw < 1.0 { corner(0, 0) } else { corner(1, 1) };
        let (a, b, c) = (corner(1, 0), corner(0, 1), third);
        let normal = normalized(cross(sub(b, a), sub(c, a)))?;
        let up = if normal[1] < 0.0 { normal.map(|k| -k) } else { normal };
        Some((dot(up, sub(a, x)), up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_measured_from_the_triangle_under_the_point() {
        let field = HeightField::new([3, 3], [1.0, 2.0], [0.0; 3], vec![0., 0., 0., 1., 1., 1., 2., 2., 2.]);
        let (depth, normal) = field.depth([0.5, 0.5, 1.3]).unwrap();
        assert!(depth.abs() < 1e-6 && (normal[1] - 0.5f32.sqrt()).abs() < 1e-6);
        assert!(field.depth([1.5, 2.5, 3.9]).unwrap().0 < 0.0);
        assert!(field.depth([2.5, 0.0, 0.0]).is_none());
        assert!(field.depth([f32::NAN, 0.0, 0.0]).is_none());
    }
}
