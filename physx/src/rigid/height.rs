//! Terrain: the one quantised surface that both PhysX and the soft-body solver stand on.
//!
//! PhysX stores heights as 16-bit samples times a scale. We choose a power of two for the scale, so `sample × scale` is
//! exact in `f32`, and centre the samples on the middle of the range. Whoever evaluates the surface from
//! [`HeightSurface`] gets the vertices PhysX collides with, to the bit.

use super::error::{Item, RigidError};

/// A terrain as PhysX holds it.
///
/// Sample (r, c) lies at `origin + [r · spacing[0], heights[r · columns + c], c · spacing[1]]`. Every cell is two
/// triangles, split along the diagonal from (r + 1, c) to (r, c + 1): one triangle has the vertex (r, c), the other
/// (r + 1, c + 1). The solid lies below.
#[derive(Debug, Clone, PartialEq)]
pub struct HeightSurface {
    /// Samples along x.
    pub rows: u32,
    /// Samples along z.
    pub columns: u32,
    /// Distance between samples along x and z, metres.
    pub spacing: [f32; 2],
    /// Position of sample (0, 0) at local height 0, metres: the given origin, raised by the middle of the heights.
    pub origin: [f32; 3],
    /// Height above `origin`, metres, row after row: exactly sample × scale.
    pub heights: Vec<f32>,
    /// Metres per unit of a sample: a power of two. No height is further than half of it from the one given, but for the rounding of `origin`.
    pub scale: f32,
}

/// Finest scale: PhysX refuses scales below 1.5·10⁻⁹.
const MIN_SCALE: f32 = 1.0 / (1 << 20) as f32;
const MAX_SAMPLE: f64 = 32767.0;

impl HeightSurface {
    /// Quantises `heights`; the samples come along, in the same order.
    pub(crate) fn quantise(
        item: Item,
        (rows, columns): (u32, u32),
        spacing: [f32; 2],
        origin: [f32; 3],
        heights: &[f32],
    ) -> Result<(Self, Vec<i16>), RigidError> {
        check(item, (rows, columns), spacing, origin, heights)?;
        let low = heights.iter().fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
        let high = heights.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        let middle = (f64::from(low) + f64::from(high)) * 0.5;
        let half = (f64::from(high) - f64::from(low)) * 0.5;
        let mut scale = MIN_SCALE;
        while f64::from(scale) * MAX_SAMPLE < half {
            scale *= 2.0;
        }
        let samples: Vec<i16> = heights.iter().map(|&h| sample(f64::from(h) - middle, scale)).collect();
        let heights = samples.iter().map(|&s| f32::from(s) * scale).collect();
        let origin = [origin[0], (f64::from(origin[1]) + middle) as f32, origin[2]];
        if !origin[1].is_finite() {
            return Err(RigidError::invalid(item, "origin", "plus the heights exceeds the range of f32"));
        }
        Ok((HeightSurface { rows, columns, spacing, origin, heights, scale }, samples))
    }
}

/// Nearest sample. `|offset| ≤ scale × 32767` holds by the choice of the scale, so the cast is exact.
fn sample(offset: f64, scale: f32) -> i16 {
    (offset / f64::from(scale)).round_ties_even() as i16
}

fn check(
    item: Item,
    (rows, columns): (u32, u32),
    spacing: [f32; 2],
    origin: [f32; 3],
    heights: &[f32],
) -> Result<(), RigidError> {
    if rows < 2 || columns < 2 {
        return Err(RigidError::invalid(item, "rows, columns", format!("are {rows} × {columns}; need at least 2 × 2")));
    }
    let wanted = u64::from(rows) * u64::from(columns);
    // PhysX numbers the triangles of a field in 32 bits.
    if wanted > u64::from(u32::MAX / 2) {
        return Err(RigidError::invalid(item, "rows, columns", format!("are {wanted} samples; at most 2³¹")));
    }
    if heights.len() as u64 != wanted {
        let problem = format!("has {} values; rows × columns is {wanted}", heights.len());
        return Err(RigidError::invalid(item, "heights", problem));
    }
    if let Some(bad) = spacing.iter().find(|s| !(s.is_finite() && **s >= 1e-6)) {
        return Err(RigidError::invalid(item, "spacing", format!("is {bad}; must be finite and at least 1e-6 m")));
    }
    if origin.iter().any(|x| !x.is_finite()) {
        return Err(RigidError::invalid(item, "origin", "must be finite"));
    }
    if let Some(at) = heights.iter().position(|h| !(-1e6..=1e6).contains(h)) {
        let problem = format!("[{at}] is {}; must be finite and within ±10⁶ m", heights[at]);
        return Err(RigidError::invalid(item, "heights", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantised(heights: &[f32]) -> Result<HeightSurface, RigidError> {
        let n = heights.len() as u32 / 2;
        HeightSurface::quantise(Item::Static(0), (2, n), [1.0, 1.0], [0.0, 2.0, 0.0], heights).map(|(s, _)| s)
    }

    #[test]
    fn no_height_moves_by_more_than_half_a_unit() -> Result<(), RigidError> {
        let heights: Vec<f32> = (0..2000).map(|i| ((i * 7919) % 1013) as f32 * 0.137 - 40.0).collect();
        let surface = quantised(&heights)?;
        assert!(surface.scale.to_bits().trailing_zeros() >= 23, "a power of two");
        for (&given, &kept) in heights.iter().zip(&surface.heights) {
            let error = (f64::from(surface.origin[1]) - 2.0 + f64::from(kept)) - f64::from(given);
            assert!(error.abs() <= f64::from(surface.scale) * 0.5 + 1e-5, "{given} became {kept}");
        }
        Ok(())
    }

    #[test]
    fn a_flat_field_is_exact() -> Result<(), RigidError> {
        let surface = quantised(&[3.5; 8])?;
        assert!(surface.heights.iter().all(|&h| h == 0.0));
        assert_eq!(surface.origin[1], 5.5);
        Ok(())
    }

    #[test]
    fn the_extremes_fit_the_samples() -> Result<(), RigidError> {
        for range in [1e-9f32, 1e-3, 0.03124905, 1.0, 8191.75, 9e5] {
            let surface = quantised(&[-range, range, range, -range])?;
            for (&h, sign) in surface.heights.iter().zip([-1.0, 1.0, 1.0, -1.0]) {
                assert!((h - sign * range).abs() <= surface.scale * 0.5, "{range}: {h}");
            }
        }
        Ok(())
    }
}
