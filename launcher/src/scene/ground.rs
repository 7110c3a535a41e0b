//! Heights of the ground.

use rankzero_job::{HeightField, Hills, Relief};

use super::random::Random;

/// Waves that hills are summed from.
const WAVES: usize = 9;

/// The origin of sample (0, 0): as given, else so that the field is centred on the world's origin.
pub fn origin(field: &HeightField) -> [f32; 3] {
    field.origin_m.unwrap_or_else(|| {
        let half = |n: u32| -0.5 * (n - 1) as f32 * field.spacing_m;
        [half(field.rows), 0.0, half(field.columns)]
    })
}

/// The heights, row-major, m.
pub fn heights(field: &HeightField) -> Vec<f32> {
    let count = field.rows as usize * field.columns as usize;
    match &field.relief {
        Relief::FlatM(height) => vec![*height; count],
        Relief::HeightsM(heights) => heights.clone(),
        Relief::Hills(hills) => hilly(field, hills),
    }
}

/// A sum of plane waves of random direction and phase, scaled to the amplitude, and a paraboloid.
fn hilly(field: &HeightField, hills: &Hills) -> Vec<f32> {
    let mut random = Random::new(hills.seed, 0x6869_6c6c);
    let turn = core::f64::consts::TAU;
    let waves: Vec<[f64; 3]> = (0..WAVES)
        .map(|_| {
            let (direction, phase) = (turn * random.unit(), turn * random.unit());
            // Wavelengths spread around the typical one, so that the pattern does not repeat.
            let number = turn / (f64::from(hills.wavelength_m) * (0.7 + 0.8 * random.unit()));
            [number * libm::cos(direction), number * libm::sin(direction), phase]
        })
        .collect();
    let spacing = f64::from(field.spacing_m);
    let (rows, columns) = (field.rows as usize, field.columns as usize);
    let half = |n: usize| 0.5 * (n - 1) as f64 * spacing;
    let nearest = if rows < columns { half(rows) } else { half(columns) };
    let mut waved = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let (x, z) = (row as f64 * spacing, column as f64 * spacing);
            waved.push(waves.iter().map(|w| libm::sin(w[0] * x + w[1] * z + w[2])).sum::<f64>());
        }
    }
    let largest = waved.iter().fold(1e-9, |m: f64, h| if h.abs() > m { h.abs() } else { m });
    let amplitude = f64::from(hills.amplitude_m) / largest;
    let bowl = |row: usize, column: usize| {
        let (x, z) = (row as f64 * spacing - half(rows), column as f64 * spacing - half(columns));
        f64::from(hills.bowl_m) * (x * x + z * z) / (nearest * nearest)
    };
    waved.iter().enumerate().map(|(i, h)| (h * amplitude + bowl(i / columns, i % columns)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hills_keep_their_amplitude_and_their_seed() {
        let relief = |seed| Relief::Hills(Hills { amplitude_m: 2.0, wavelength_m: 5.0, bowl_m: 0.0, seed });
        let field = |seed| HeightField {
            rows: 20,
            columns: 30,
            spacing_m: 1.0,
            origin_m: None,
            relief: relief(seed),
            friction: Default::default(),
        };
        let (a, b) = (heights(&field(1)), heights(&field(2)));
        let highest = a.iter().fold(0.0f32, |m, h| m.max(h.abs()));
        assert!((highest - 2.0).abs() < 1e-5 && a != b && a == heights(&field(1)));
        assert_eq!(origin(&field(1)), [-9.5, 0.0, -14.5]);
    }
}
