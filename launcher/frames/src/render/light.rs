//! The light on a scene: a low sun with soft shadows, and a sky that bodies hide from each other.
//!
//! The sky is a set of weak suns spread evenly over the upper hemisphere, each with a small depth map; what they
//! miss is ambient occlusion. Each sample of a pixel asks a share of them, so that the pixel has asked all.

use rayon::prelude::*;

use super::depth::{DepthMap, Focus};
use super::scene::Scene;
use super::vec3::V3;

/// Directions of the sky; a multiple of the squares of 1, 2 and 3.
const SKY: usize = 72;
/// Cells on a side of a map of the sky: at most, and for how many pixels of the picture's longer side one.
const SKY_CELLS_MAX: usize = 512;
const SKY_PIXELS_PER_CELL: usize = 2;
/// Cells on a side of the sun's map: at most, and for each pixel of the picture's longer side.
const SUN_CELLS_MAX: usize = 4096;
const SUN_CELLS_PER_PIXEL: usize = 3;
/// Tangent of the sun's apparent radius: larger than the real one, for soft edges.
const SUN_RADIUS: f32 = 0.035;
/// Points of the sun that each sample asks.
const TAPS: usize = 8;
/// Golden angle, rad: consecutive multiples fill a disk evenly (Vogel 1979).
const GOLDEN: f64 = 2.399_963_229_728_653;
/// Turns of the pattern of taps.
const TURNS: usize = 64;

/// The light on a scene.
#[derive(Debug)]
pub(super) struct Light {
    pub up: V3,
    /// Unit vector to the sun.
    pub sun: V3,
    sun_map: DepthMap,
    sky: Vec<(V3, DepthMap)>,
    /// Greatest width of a penumbra, m.
    blur_max: f32,
    taps: [(f32, f32); TAPS],
    turns: Vec<(f32, f32)>,
}

fn unit_circle(angle: f64) -> (f32, f32) {
    (libm::cos(angle) as f32, libm::sin(angle) as f32)
}

impl Light {
    /// Light from `up` and from behind the viewer's `side`, with shadows within `focus`, for a
    /// picture whose longer side has `pixels`.
    pub fn new(scene: &Scene, up: V3, side: V3, focus: &Focus, pixels: usize) -> Self {
        let (u, v) = up.frame();
        let flat = (side - up * side.dot(up)).unit_or(u);
        let sun = (up * 0.80 + flat * 0.45 + up.cross(flat) * 0.75).unit_or(up);
        let cells = (pixels / SKY_PIXELS_PER_CELL).clamp(64, SKY_CELLS_MAX);
        let sky = (0..SKY)
            .into_par_iter()
            .map(|k| {
                // Even in height means even on the sphere (Archimedes).
                let height = (k as f32 + 0.5) / SKY as f32;
                let (c, s) = unit_circle(k as f64 * GOLDEN);
                let wide = (1.0 - height * height).sqrt();
                let toward = (up * height + u * (c * wide) + v * (s * wide)).unit_or(up);
                (toward, DepthMap::new(&scene.coarse, toward, focus, cells))
            })
            .collect();
        let corners: Vec<_> = scene.tris.par_iter().map(|t| t.p).collect();
        let taps = std::array::from_fn(|k| {
            let (c, s) = unit_circle(k as f64 * GOLDEN);
            let r = ((k as f32 + 0.5) / TAPS as f32).sqrt();
            (c * r, s * r)
        });
        let turns = (0..TURNS).map(|k| unit_circle(k as f64 * std::f64::consts::TAU / TURNS as f64)).collect();
        let cells = (pixels * SUN_CELLS_PER_PIXEL).min(SUN_CELLS_MAX);
        let sun_map = DepthMap::new(&corners, sun, focus, cells);
        Self { up, sun, sun_map, sky, blur_max: focus.radius * 0.014, taps, turns }
    }

    /// Share of the sun that reaches `p` with normal `n`: percentage-closer soft shadows (Fernando 2005).
    /// `turn` is any number that differs between neighbouring samples.
    pub fn sunlight(&self, p: V3, n: V3, turn: u32) -> f32 {
        let map = &self.sun_map;
        let cell = map.cell();
        let spot = map.spot(p + n * (1.5 * cell));
        let (c, s) = self.turns[turn as usize % TURNS];
        // Surfaces rise towards grazing light, the more the wider the search.
        let cosine = n.dot(self.sun);
        let slope = ((1.0 - cosine * cosine).max(0.0).sqrt() / cosine.max(0.15)).min(4.0);
        // What hides the sun within `radius`: how many of the taps, and how far above in sum.
        let hidden = |radius: f32| {
            let bias = (cell + radius * slope * 0.7).min(4.0 * self.blur_max);
            let r = radius / cell;
            self.taps.iter().fold((0u32, 0.0f32), |(count, sum), &(x, y)| {
                let above = map.at(spot.u + (x * c - y * s) * r, spot.v + (x * s + y * c) * r) - spot.height;
                if above > bias { (count + 1, sum + above) } else { (count, sum) }
            })
        };
        let (mut count, mut sum) = hidden(self.blur_max);
        if count == TAPS as u32 {
            return 0.0;
        }
        let near = map.at(spot.u, spot.v) - spot.height;
        if near > cell {
            count += 1;
            sum += near;
        }
        if count == 0 {
            return 1.0;
        }
        let radius = (sum / count as f32 * SUN_RADIUS).clamp(1.5 * cell, self.blur_max.max(1.5 * cell));
        1.0 - hidden(radius).0 as f32 / TAPS as f32
    }

    /// Light of the sky on `p` with normal `n`, 1 for an open plane under the whole sky, asked in share `share`
    /// of `shares`. The second number is the mean visibility of the sky asked: 0 … 1. `turn` is as above.
    pub fn skylight(&self, p: V3, n: V3, turn: u32, share: usize, shares: usize) -> (f32, f32) {
        let (mut sum, mut open, mut count) = (0.0, 0.0, 0.0f32);
        // Off by up to a cell, differently in each sample: it blurs the maps' cells away.
        let (c, s) = self.turns[turn as usize % TURNS];
        for (toward, map) in self.sky.iter().skip(share).step_by(shares) {
            let cosine = n.dot(*toward);
            count += 1.0;
            if cosine > 0.0 {
                let cell = map.cell();
                let spot = map.spot(p + n * (1.2 * cell));
                if map.at(spot.u + c, spot.v + s) <= spot.height + cell {
                    sum += cosine;
                    open += 1.0;
                }
            }
        }
        (sum * 2.0 / count.max(1.0), open / count.max(1.0))
    }
}
