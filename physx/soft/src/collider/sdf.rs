//! A fixed solid given by its signed distances over a grid.

use std::sync::Arc;

use crate::bounds::Aabb;
use crate::vec3::{Vec3, dot, scale, sub};

/// Cells along each side of a block, which is passed over as a whole where it lies outside.
const BLOCK: usize = 4;
/// A gradient shorter than this (distance per distance; 1 where the field is one) has no direction to speak of.
const FLAT: f32 = 1e-3;

/// A solid in the world frame, by distances at grid points and trilinear interpolation between them. A clone shares the samples.
///
/// The value at a point inside a cell is never outside the range of the cell's eight corners, so that a block whose samples are all
/// outside holds no contact: one look-up settles it.
#[derive(Clone, Debug)]
pub struct SignedDistance {
    dims: [usize; 3],
    origin: Vec3,
    /// Per metre.
    cells: f32,
    spacing: f32,
    /// The last sample's place in cells.
    last: Vec3,
    values: Arc<[f32]>,
    /// Blocks along x and y.
    blocks: [usize; 2],
    /// Whether a block has a sample inside.
    solid: Arc<[bool]>,
    bounds: Aabb,
}

/// The samples of a [`SignedDistance`].
#[derive(Clone, Copy, Debug)]
pub struct DistanceGrid<'a> {
    /// Along x, y, z.
    pub samples: [usize; 3],
    /// The first sample's place, m.
    pub origin: Vec3,
    /// Cells per metre.
    pub cells: f32,
    /// Metres from one sample to the next.
    pub spacing: f32,
    /// The last sample's place, in cells.
    pub last: Vec3,
    /// Metres, negative inside, x fastest.
    pub values: &'a [f32],
    /// Blocks of four cells a side, along x and y.
    pub blocks: [usize; 2],
    /// Whether a block has an inside, x fastest.
    pub solid: &'a [bool],
}

impl SignedDistance {
    /// A field of `dims` samples along x, y, z, `spacing` metres apart, the first at `origin` (metres): `values` are metres, negative
    /// inside, `[z][y][x]` with x fastest.
    ///
    /// # Panics
    /// If the sizes disagree, there is no cell, or the spacing is not positive.
    pub fn new(dims: [usize; 3], origin: Vec3, spacing: f32, values: Vec<f32>) -> Self {
        let count = dims.iter().product::<usize>();
        assert!(dims.iter().all(|&n| n >= 2) && values.len() == count, "{dims:?} samples, {} values", values.len());
        assert!(spacing > 0.0, "a spacing of {spacing} m");
        let blocks = dims.map(|n| (n - 1).div_ceil(BLOCK));
        let mut solid = vec![false; blocks.iter().product()];
        let mut bounds = Aabb::EMPTY;
        for (i, _) in values.iter().enumerate().filter(|(_, v)| **v < 0.0) {
            let at = [i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])];
            mark(&mut solid, &blocks, dims, at);
            bounds = bounds.with(std::array::from_fn(|k| origin[k] + at[k] as f32 * spacing));
        }
        // Between a sample inside and the next outside there may still be an inside.
        let bounds = bounds.grown(spacing);
        let last = dims.map(|n| (n - 1) as f32);
        let (blocks, cells) = ([blocks[0], blocks[1]], 1.0 / spacing);
        Self { dims, origin, cells, spacing, last, values: values.into(), blocks, solid: solid.into(), bounds }
    }

    /// A box around all that is inside.
    pub fn bounds(&self) -> Aabb {
        self.bounds
    }

    /// What it is made of.
    pub fn grid(&self) -> DistanceGrid<'_> {
        DistanceGrid {
            samples: self.dims,
            origin: self.origin,
            cells: self.cells,
            spacing: self.spacing,
            last: self.last,
            values: &self.values,
            blocks: self.blocks,
            solid: &self.solid,
        }
    }

    /// Depth of `x` below the surface (m; negative outside) and the outward unit normal there: the direction in which the
    /// interpolated distance grows, or where it does not the direction of the cell's outermost corner.
    ///
    /// `None` beside the grid and in blocks that lie outside.
    #[inline(always)]
    pub fn depth(&self, x: Vec3) -> Option<(f32, Vec3)> {
        let u = scale(sub(x, self.origin), self.cells);
        // Written so that NaN is beside the grid.
        if !(0..3).all(|k| 0.0 <= u[k] && u[k] < self.last[k]) {
            return None;
        }
        self.inside_grid(u)
    }

    /// Depth and normal at `u`, in cells from the first sample, which lies within the grid.
    #[inline(always)]
    fn inside_grid(&self, u: Vec3) -> Option<(f32, Vec3)> {
        // By way of `i32`, which the CPU converts to in one instruction.
        let low = u.map(|c| c as i32 as usize);
        let block = low.map(|c| c / BLOCK);
        if !self.solid[(block[2] * self.blocks[1] + block[1]) * self.blocks[0] + block[0]] {
            return None;
        }
        let t: Vec3 = std::array::from_fn(|k| u[k] - low[k] as f32);
        let (row, layer) = (self.dims[0], self.dims[0] * self.dims[1]);
        let first = low[2] * layer + low[1] * row + low[0];
        let pair = |i: usize| [self.values[i], self.values[i + 1]];
        // Rows of the cell along x, `[y, z]` being 00, 10, 01, 11.
        let rows = [first, first + row, first + layer, first + layer + row].map(pair);
        let along = rows.map(|[a, b]| a + (b - a) * t[0]);
        let lower = along[0] + (along[1] - along[0]) * t[1];
        let upper = along[2] + (along[3] - along[2]) * t[1];
        let distance = lower + (upper - lower) * t[2];
        let slopes = rows.map(|[a, b]| b - a);
        let (near, far) = (slopes[0] + (slopes[1] - slopes[0]) * t[1], slopes[2] + (slopes[3] - slopes[2]) * t[1]);
        let (front, back) = (along[1] - along[0], along[3] - along[2]);
        let gradient = [near + (far - near) * t[2], front + (back - front) * t[2], upper - lower];
        let square = dot(gradient, gradient);
        let flat = FLAT * self.spacing;
        let normal = if square > flat * flat { scale(gradient, 1.0 / square.sqrt()) } else { outermost(&rows, t) };
        Some((-distance, normal))
    }
}

/// Marks the blocks of all cells that have sample `at` as a corner.
fn mark(solid: &mut [bool], blocks: &[usize; 3], dims: [usize; 3], at: [usize; 3]) {
    let range: [_; 3] = std::array::from_fn(|k| {
        let last = dims[k] - 2;
        at[k].saturating_sub(1).min(last) / BLOCK..=at[k].min(last) / BLOCK
    });
    for z in range[2].clone() {
        for y in range[1].clone() {
            for x in range[0].clone() {
                solid[(z * blocks[1] + y) * blocks[0] + x] = true;
            }
        }
    }
}

/// The direction from `t` (in cells, within the cell) to the corner with the greatest distance, up where it is that corner.
#[cold]
fn outermost(rows: &[[f32; 2]; 4], t: Vec3) -> Vec3 {
    let value = |corner: usize| rows[corner / 2][corner % 2];
    let best = (1..8).fold(0, |best, corner| if value(corner) > value(best) { corner } else { best });
    let place: Vec3 = std::array::from_fn(|k| (best >> k & 1) as f32);
    crate::vec3::normalized(sub(place, t)).unwrap_or([0.0, 1.0, 0.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vec3::length;

    /// A ball of radius 1 around (0.1, 0, 0).
    fn ball(dims: [usize; 3]) -> SignedDistance {
        let (origin, spacing) = ([-1.3, -1.25, -1.2], 2.5 / (dims[0] - 1) as f32);
        sampled(dims, origin, spacing, |x| length(sub(x, [0.1, 0.0, 0.0])) - 1.0)
    }

    fn sampled(dims: [usize; 3], origin: Vec3, spacing: f32, distance: impl Fn(Vec3) -> f32) -> SignedDistance {
        let at = |i: usize| [i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])];
        let place = |i: usize| -> Vec3 { std::array::from_fn(|k| origin[k] + at(i)[k] as f32 * spacing) };
        let values = (0..dims.iter().product()).map(|i| distance(place(i))).collect();
        SignedDistance::new(dims, origin, spacing, values)
    }

    /// `count` points of a cube of half edge `half`, none of them special.
    fn points(count: usize, half: f32) -> Vec<Vec3> {
        let mut seed = 7u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * half
        };
        (0..count).map(|_| [random(), random(), random()]).collect()
    }

    #[test]
    fn depth_and_normal_are_those_of_the_solid() {
        let field = ball([51, 51, 50]);
        let mut inside = 0;
        for x in points(20_000, 1.3) {
            let arm = sub(x, [0.1, 0.0, 0.0]);
            let exact = 1.0 - length(arm);
            let Some((depth, normal)) = field.depth(x) else {
                assert!(exact < 0.05 * 0.05, "{x:?} is inside");
                continue;
            };
            if exact < 0.9 {
                assert!((depth - exact).abs() < 0.05 * 0.05 / (1.0 - exact), "{x:?}: {depth}, not {exact}");
                assert!(
                    dot(normal, arm) > 0.95 * length(arm) && (length(normal) - 1.0).abs() < 1e-6,
                    "{x:?}: {normal:?}"
                );
            }
            inside += usize::from(depth > 0.0);
        }
        assert!(inside > 4_000, "{inside}");
        assert!((field.bounds().max[0] - 1.1).abs() < 0.11 && (field.bounds().min[1] + 1.0).abs() < 0.11);
    }

    #[test]
    fn blocks_are_passed_over_only_where_nothing_is_inside() {
        let field = ball([18, 19, 21]);
        let whole = SignedDistance { solid: vec![true; field.solid.len()].into(), ..field.clone() };
        let mut passed = 0;
        for x in points(20_000, 1.4) {
            match (field.depth(x), whole.depth(x)) {
                (None, Some((depth, _))) => {
                    assert!(depth <= 0.0, "{x:?} is {depth} deep");
                    passed += 1;
                }
                (some, all) => assert_eq!(some, all),
            }
        }
        assert!(passed > 1_000, "{passed}");
    }

    #[test]
    fn what_is_beside_the_grid_or_no_number_has_no_depth() {
        let field = sampled([3, 4, 5], [0.0; 3], 0.5, |_| -1.0);
        assert!(field.depth([0.5; 3]).is_some());
        for x in [[-0.01, 0.5, 0.5], [0.5, 1.51, 0.5], [0.5, 0.5, 2.0], [f32::NAN, 0.5, 0.5], [0.5, 0.5, f32::INFINITY]]
        {
            assert!(field.depth(x).is_none(), "{x:?}");
        }
    }

    #[test]
    fn where_the_gradient_vanishes_the_way_out_is_to_the_outermost_corner() {
        // Half a metre thick, its middle in a layer of cells: the gradient is 0 there.
        let mut slab = sampled([4, 4, 4], [0.0; 3], 0.5, |x| (x[1] - 0.75).abs() - 0.5);
        let (depth, normal) = slab.depth([0.75, 0.75, 0.75]).unwrap();
        assert!(depth > 0.0 && (length(normal) - 1.0).abs() < 1e-6, "{normal:?}");
        slab.values = vec![-1.0; 64].into();
        assert_eq!(slab.depth([0.0; 3]), Some((1.0, [0.0, 1.0, 0.0])));
    }
}
