//! Which triangle each sample of the picture sees.
//!
//! The picture is cut into tiles; each tile has a z-buffer of its own and is drawn by one task, with its
//! triangles in their order. So the picture does not depend on the number of threads.

use rayon::prelude::*;

use super::camera::Camera;
use super::depth::Focus;
use super::scene::Tri;
use super::vec3::V3;

/// Side of a tile, pixels.
pub(super) const TILE: usize = 32;

/// Nearest distance that is drawn, as a share of the distance to the target.
const NEAR: f32 = 1e-3;

/// "No triangle".
pub(super) const NOTHING: u32 = u32::MAX;

/// Projection of a camera on a grid of samples.
#[derive(Debug)]
pub(super) struct Lens {
    pub eye: V3,
    pub ahead: V3,
    right: V3,
    above: V3,
    /// Half the size of the picture, samples.
    half: [f32; 2],
    /// Distance of the picture from the eye, samples.
    focal: f32,
    /// Nearest distance that is drawn, m.
    near: f32,
}

impl Lens {
    /// `width` × `height` samples. The camera was checked.
    pub fn new(camera: &Camera, width: usize, height: usize) -> Self {
        let eye = V3::of(camera.eye);
        let sight = V3::of(camera.target) - eye;
        let ahead = sight.unit_or(V3::of([0.0, 1.0, 0.0]));
        let right = ahead.cross(V3::of(camera.up)).unit_or(V3::of([1.0, 0.0, 0.0]));
        let tan = libm::tan(f64::from(camera.fov_deg).to_radians() / 2.0) as f32;
        let half = [width as f32 * 0.5, height as f32 * 0.5];
        Self { eye, ahead, right, above: right.cross(ahead), half, focal: half[1] / tan, near: sight.length() * NEAR }
    }

    /// The sphere around the target that fills the picture's height.
    pub fn focus(&self) -> Focus {
        let distance = self.near / NEAR;
        Focus { centre: self.eye + self.ahead * distance, radius: distance * self.half[1] / self.focal }
    }

    /// Unit direction of the ray through sample (`x`, `y`).
    pub fn ray(&self, x: usize, y: usize) -> V3 {
        let (dx, dy) = (x as f32 + 0.5 - self.half[0], self.half[1] - y as f32 - 0.5);
        (self.ahead * self.focal + self.right * dx + self.above * dy).unit_or(self.ahead)
    }

    /// Projects triangle `id`, cut at the near plane: none, one or two triangles.
    fn project(&self, tri: &Tri, id: u32) -> impl Iterator<Item = Projected> + use<> {
        let seen = tri.p.map(|p| {
            let d = p - self.eye;
            V3 { x: d.dot(self.right), y: d.dot(self.above), z: d.dot(self.ahead) }
        });
        let mut cut = [V3::ZERO; 4];
        let mut count = 0;
        for k in 0..3 {
            let (a, b) = (seen[k], seen[(k + 1) % 3]);
            if a.z >= self.near {
                cut[count] = a;
                count += 1;
            }
            if (a.z >= self.near) != (b.z >= self.near) {
                cut[count] = a.mix(b, (self.near - a.z) / (b.z - a.z));
                count += 1;
            }
        }
        let flat = cut.map(|p| {
            let inverse = 1.0 / p.z.max(self.near);
            [self.half[0] + self.focal * p.x * inverse, self.half[1] - self.focal * p.y * inverse, inverse]
        });
        (2..count.max(2)).map(move |k| Projected { corner: [flat[0], flat[k - 1], flat[k]], id })
    }
}

/// A triangle on the picture: x and y in samples, and 1/distance, which is linear there.
#[derive(Debug, Clone, Copy)]
struct Projected {
    corner: [[f32; 3]; 3],
    id: u32,
}

impl Projected {
    /// Least and greatest coordinate on an axis.
    fn range(&self, axis: usize) -> (f32, f32) {
        let [a, b, c] = self.corner.map(|p| p[axis]);
        (a.min(b).min(c), a.max(b).max(c))
    }
}

/// The triangles of a picture, sorted into tiles.
#[derive(Debug)]
pub(super) struct Tiles {
    flat: Vec<Projected>,
    bins: Vec<Vec<u32>>,
    /// Tiles in a row.
    pub columns: usize,
    pub rows: usize,
    /// Side of a tile, samples.
    side: usize,
}

impl Tiles {
    /// Sorts `tris` into tiles of a picture of `size` pixels with `samples`² samples each.
    pub fn new(tris: &[Tri], lens: &Lens, size: [usize; 2], samples: usize) -> Self {
        let flat: Vec<Projected> =
            tris.par_iter().enumerate().flat_map_iter(|(id, tri)| lens.project(tri, id as u32)).collect();
        let [columns, rows] = size.map(|s| s.div_ceil(TILE));
        let side = TILE * samples;
        let mut bins = vec![Vec::new(); columns * rows];
        for (index, tri) in flat.iter().enumerate() {
            // Conversion saturates: what lies left of the picture falls on its edge, what lies right, beyond.
            let span = |axis: usize, count: usize| {
                let (low, high) = tri.range(axis);
                let seen = high >= 0.0 && low.ceil() <= high.floor() + 1.0;
                let (first, last) = ((low.max(0.0) as usize) / side, (high.max(0.0) as usize) / side);
                if seen { first..count.min(last.saturating_add(1)) } else { 0..0 }
            };
            for row in span(1, rows) {
                for column in span(0, columns) {
                    bins[row * columns + column].push(index as u32);
                }
            }
        }
        Self { flat, bins, columns, rows, side }
    }

    /// Draws tile (`column`, `row`): for each of its samples, row by row, the triangle seen or [`NOTHING`].
    pub fn draw(&self, column: usize, row: usize) -> Vec<u32> {
        let side = self.side;
        let mut near = vec![0.0f32; side * side];
        let mut seen = vec![NOTHING; side * side];
        let origin = [(column * side) as f32, (row * side) as f32];
        for &index in &self.bins[row * self.columns + column] {
            draw(&self.flat[index as usize], origin, side, &mut near, &mut seen);
        }
        seen
    }
}

/// Draws one triangle into a tile whose first sample is `origin`.
fn draw(tri: &Projected, origin: [f32; 2], side: usize, near: &mut [f32], seen: &mut [u32]) {
    // Relative to the tile, so that the numbers stay small and exact.
    let [a, b, c] = tri.corner.map(|p| [p[0] - origin[0], p[1] - origin[1], p[2]]);
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if area.abs() < 1e-9 || !area.is_finite() {
        return;
    }
    let span = |axis: usize| {
        let low = a[axis].min(b[axis]).min(c[axis]) - 0.5;
        let high = a[axis].max(b[axis]).max(c[axis]) - 0.5;
        (low.ceil().max(0.0) as usize)..((high.floor() + 1.0).max(0.0) as usize).min(side)
    };
    let columns = span(0);
    let inverse = 1.0 / area;
    // Samples on an edge belong to both sides; the nearer or, at a tie, the earlier triangle wins.
    let slack = -1e-3 * inverse.abs().min(1.0);
    for y in span(1) {
        let py = y as f32 + 0.5;
        for x in columns.clone() {
            let px = x as f32 + 0.5;
            let wb = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) * inverse;
            let wc = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) * inverse;
            let wa = 1.0 - wb - wc;
            if wa >= slack && wb >= slack && wc >= slack {
                let z = wa * a[2] + wb * b[2] + wc * c[2];
                let slot = y * side + x;
                if z > near[slot] {
                    near[slot] = z;
                    seen[slot] = tri.id;
                }
            }
        }
    }
}
