//! The heights of a height field, point by point.

use std::f64::consts::TAU;

use crate::model::{HeightField, Hills, Relief};
use crate::random::SplitMix;

/// How many waves the hills are made of: enough that they do not look like waves.
const WAVES: u32 = 5;

impl HeightField {
    /// Position of the grid point of row 0, column 0 at height 0, in metres.
    pub fn corner_m(&self) -> [f32; 3] {
        let half = |points: u32| -0.5 * self.spacing_m * points.saturating_sub(1) as f32;
        self.origin_m.unwrap_or([half(self.columns), 0.0, half(self.rows)])
    }

    /// `rows × columns` heights in metres, row by row, to be added to the corner's y.
    ///
    /// Hills are a sum of plane sine waves of random direction, phase and wavelength (0.8 to 1.6 times `wavelength_m`), and of the bowl's
    /// paraboloid around the middle of the field. They depend on the height field alone.
    pub fn heights_m(&self) -> Vec<f32> {
        let points = self.rows as usize * self.columns as usize;
        match &self.relief {
            Relief::FlatM(height) => vec![*height; points],
            Relief::HeightsM(heights) => heights.clone(),
            Relief::Hills(hills) => self.hills(hills),
        }
    }

    fn hills(&self, hills: &Hills) -> Vec<f32> {
        let mut random = SplitMix::new(hills.seed, 0);
        let waves: Vec<[f64; 3]> = (0..WAVES)
            .map(|_| {
                let (direction, phase) = (TAU * random.unit(), TAU * random.unit());
                let number = TAU / (f64::from(hills.wavelength_m) * random.between(0.8, 1.6));
                [number * libm::cos(direction), number * libm::sin(direction), phase]
            })
            .collect();
        let amplitude = f64::from(hills.amplitude_m) / f64::from(WAVES);
        let spacing = f64::from(self.spacing_m);
        let middle = |points: u32| 0.5 * f64::from(points.saturating_sub(1));
        let (mx, mz) = (middle(self.columns), middle(self.rows));
        let edge = spacing * if mx < mz { mx } else { mz };
        let mut heights = Vec::new();
        for row in 0..self.rows {
            for column in 0..self.columns {
                let (x, z) = (spacing * (f64::from(column) - mx), spacing * (f64::from(row) - mz));
                let sum: f64 = waves.iter().map(|[kx, kz, phase]| libm::sin(kx * x + kz * z + phase)).sum();
                let bowl = f64::from(hills.bowl_m) * (x * x + z * z) / (edge * edge);
                heights.push((amplitude * sum + bowl) as f32);
            }
        }
        heights
    }
}
