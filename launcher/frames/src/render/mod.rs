//! Pictures without a display and without a GPU.
//!
//! [`render`] draws the triangles of a frame with a z-buffer, `samples`² samples a pixel, lit by a sun with soft
//! shadows and by a sky that bodies hide from each other. The same meshes, camera and options give the same bytes on
//! every machine and with any number of threads: only `+ − × ÷ sqrt` and the `libm` crate touch a colour, and each
//! tile is drawn by one task, its triangles in order.

mod camera;
mod depth;
mod image;
mod light;
mod raster;
mod run;
mod scene;
mod shade;
mod vec3;

use rayon::prelude::*;

pub use camera::{Camera, View};
pub use image::Image;
pub use run::{FrameChoice, RenderOptions, render_run};

use self::depth::Focus;
use self::light::Light;
use self::raster::{Lens, NOTHING, TILE, Tiles};
use self::scene::Scene;
use self::shade::{Shader, tone};
use self::vec3::V3;
use crate::{FrameError, Surface};

/// Longest side of a picture, pixels.
const SIDE_MAX: u32 = 16_384;

/// Radius within which there are shadows, as a multiple of the radius in view.
const SHADOWED: f32 = 2.2;

/// How a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Width, pixels, 16 … 16384.
    pub width: u32,
    /// Height, pixels, 16 … 16384.
    pub height: u32,
    /// Samples a pixel along each axis, 1 … 4. 3 is smooth, 2 takes half the time.
    pub samples: u32,
}

impl Default for Picture {
    /// 1600 × 900 with 3 × 3 samples.
    fn default() -> Self {
        Self { width: 1600, height: 900, samples: 3 }
    }
}

impl Picture {
    /// Width over height.
    pub fn aspect(&self) -> f32 {
        self.width as f32 / self.height.max(1) as f32
    }

    fn check(&self) -> Result<(), FrameError> {
        for side in [self.width, self.height] {
            if !(16..=SIDE_MAX).contains(&side) {
                let found = format!("{}x{}", self.width, self.height);
                return Err(FrameError::Option { option: "--size", found, allowed: "16x16 to 16384x16384" });
            }
        }
        if !(1..=4).contains(&self.samples) {
            let found = self.samples.to_string();
            return Err(FrameError::Option { option: "--samples", found, allowed: "1 to 4" });
        }
        Ok(())
    }
}

/// Draws `scene` as `camera` sees it. Triangles with positions that are not finite are left out, and so are pieces
/// whose arrays contradict each other ([`crate::Mesh::check`]).
///
/// # Errors
/// [`FrameError::Option`] where the camera or the size is out of range.
pub fn render(scene: &[&Surface], camera: &Camera, picture: &Picture) -> Result<Image, FrameError> {
    camera.check()?;
    picture.check()?;
    let [width, height, samples] = [picture.width, picture.height, picture.samples].map(|x| x as usize);
    let drawn = Scene::new(scene, width * height);
    let lens = Lens::new(camera, width * samples, height * samples);
    let up = V3::of(camera.up).unit_or(V3::of([0.0, 0.0, 1.0]));
    // From the camera alone, so that an animation does not flicker.
    let focus = lens.focus();
    let shadowed = Focus { radius: focus.radius * SHADOWED, ..focus };
    let light = Light::new(&drawn, up, -lens.ahead, &shadowed, width.max(height));
    let shader = Shader::new(&light, &lens, focus);
    let tiles = Tiles::new(&drawn.tris, &lens, [width, height], samples);
    let colours: Vec<Vec<u8>> = (0..tiles.columns * tiles.rows)
        .into_par_iter()
        .map(|k| draw_tile(&drawn, &shader, &tiles, k % tiles.columns, k / tiles.columns, samples))
        .collect();
    let mut rgb = vec![0; width * height * 3];
    for (y, row) in rgb.chunks_exact_mut(width * 3).enumerate() {
        for (x, part) in row.chunks_mut(TILE * 3).enumerate() {
            let tile = &colours[y / TILE * tiles.columns + x];
            let first = y % TILE * TILE * 3;
            part.copy_from_slice(&tile[first..first + part.len()]);
        }
    }
    Ok(Image { width: picture.width, height: picture.height, rgb })
}

/// Draws one tile: `3·TILE²` bytes, row by row.
fn draw_tile(scene: &Scene, shader: &Shader<'_>, tiles: &Tiles, column: usize, row: usize, samples: usize) -> Vec<u8> {
    let seen = tiles.draw(column, row);
    let side = TILE * samples;
    let shares = samples * samples;
    let mut bytes = Vec::with_capacity(TILE * TILE * 3);
    for pixel in 0..TILE * TILE {
        let (px, py) = (pixel % TILE, pixel / TILE);
        let mut sum = V3::ZERO;
        for share in 0..shares {
            let (x, y) = (px * samples + share % samples, py * samples + share / samples);
            let (gx, gy) = (column * side + x, row * side + y);
            let ray = shader.lens.ray(gx, gy);
            let colour = match seen[y * side + x] {
                NOTHING => shader.backdrop(ray),
                id => shader.colour(&scene.tris[id as usize], ray, mix(gx, gy), share, shares),
            };
            sum += tone(colour);
        }
        let mean = sum * (1.0 / shares as f32);
        bytes.extend(mean.array().map(|c| shader.byte(c)));
    }
    bytes
}

/// A number that looks random, from the place of a sample.
fn mix(x: usize, y: usize) -> u32 {
    // Wang's hash; truncation is what a hash wants.
    let mut h = (x as u32).wrapping_mul(0x9e37_79b9) ^ (y as u32).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}
