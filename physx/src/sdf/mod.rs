//! Signed distance fields: from a closed surface to distances over a grid, which cost a few operations to look up.
//!
//! PhysX measures the distances and decides by winding numbers what lies inside. It reports little, so the result is checked: the
//! border must lie outside, neighbours must not differ by more than their distance (a wrong sign would), and behind the triangles
//! there must be an inside (a wall thinner than the grid has none). The outcome is a function of the input alone: one thread, and
//! nothing but correctly rounded operations on distances.
//!
//! Accuracy, in spacings: on plane parts exact; on a surface of radius of curvature R, 3/8 of spacing / R; a convex edge of 90° is
//! rounded off by up to 0.35, such a corner by up to 0.5. The default of 64 cells along the longest side keeps all of it below 1 %
//! of that side.
#![forbid(unsafe_code)]

mod check;
#[cfg(test)]
mod tests;

use rankzero_mesh::SurfaceMesh;

use crate::ffi::foundation::{StartError, ensure, failures};
use crate::ffi::sdf::cook;

/// Distances to a surface over a regular grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Sdf {
    /// Samples along x, y, z; each at least 2.
    pub dims: [usize; 3],
    /// Position of sample (0, 0, 0), metres.
    pub origin: [f32; 3],
    /// Distance between neighbouring samples along each axis, metres.
    pub spacing: f32,
    /// Distance of each sample from the surface, metres, negative inside: `[z][y][x]`, x fastest.
    pub values: Vec<f32>,
}

/// How fine a field is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Cells along the longest side of the bounding box, at least.
    pub along: f32,
    /// Cells along it, at most, unless the shortest side or a thin wall asks for more: between the two, the spacing is the mesh's mean edge.
    pub along_most: f32,
    /// Cells along the shortest side of the bounding box, at least.
    pub across: f32,
    /// Samples in all, at most (4 bytes each, here and in the solver). The first to be kept.
    pub samples: usize,
}

impl Default for Resolution {
    /// 64 to 96 cells along the longest side, 6 along the shortest, 2 Mi samples (8 MiB).
    fn default() -> Self {
        Self { along: 64.0, along_most: 96.0, across: 6.0, samples: 2 << 20 }
    }
}

/// Why a surface has no field.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SdfError {
    /// PhysX is not available in this process.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nothing to measure a distance from.
    #[error("the mesh has no triangles: give it some")]
    Empty,
    /// An index names no point, or a coordinate is out of range.
    #[error("triangle {triangle} has a corner that is missing, not finite or beyond ±10⁹ m: correct the mesh")]
    Broken {
        /// Index of the first such triangle.
        triangle: usize,
    },
    /// A triangle without an area has no outside.
    #[error("triangle {triangle} has no area: remove or merge it")]
    Degenerate {
        /// Index of the first such triangle.
        triangle: usize,
    },
    /// The surface has a border, so that nothing is inside.
    #[error(
        "the mesh is not closed: {count} edges do not lie between exactly two triangles of like orientation, the first from {from:?} to \
         {to:?} ({triangles} triangles); close the holes and orient the triangles alike"
    )]
    Open {
        /// Number of such edges.
        count: usize,
        /// Start of the first, m.
        from: [f32; 3],
        /// Its end, m.
        to: [f32; 3],
        /// How many triangles have it.
        triangles: usize,
    },
    /// The triangles face inwards: the solid is what surrounds them, without end.
    #[error("the mesh encloses {volume:e} m³: turn its triangles so that they are counter-clockwise seen from outside")]
    InsideOut {
        /// The signed volume, m³.
        volume: f64,
    },
    /// Walls disappear between the samples.
    #[error(
        "behind {:.1} % of the surface there is no inside at a spacing of {spacing} m: thicken the walls to two spacings, or allow more samples",
        100.0 * share
    )]
    Thin {
        /// Share of the surface, by area.
        share: f64,
        /// The finest spacing that was tried, m.
        spacing: f32,
    },
    /// PhysX made no field of it.
    #[error("PhysX could not cook the field{detail}: mend the mesh, or use a simpler one")]
    Refused {
        /// PhysX's own words, empty if it said nothing.
        detail: String,
    },
    /// PhysX made a field that is none.
    #[error("the field that PhysX cooked {what}: look for triangles that cut through each other")]
    Unsound {
        /// In which way.
        what: &'static str,
    },
}

/// No spacing is tried more often than this: each is half of the one before.
const TRIES: usize = 4;
/// A field may lose this share of the surface: a thin fin of a solid, the tips of sharp edges.
const LOST: f64 = 0.02;

/// Cooks the field of a closed surface: `triangles` over `points` (metres), counter-clockwise seen from outside. Points in the same
/// place count as one.
///
/// The spacing is chosen by `resolution` and halved where walls are too thin for it, as far as the number of samples allows.
///
/// # Errors
/// [`SdfError`] where the mesh is not closed, has no inside, or PhysX fails.
pub fn cook_sdf(points: &[[f32; 3]], triangles: &[[u32; 3]], resolution: &Resolution) -> Result<Sdf, SdfError> {
    let physics = ensure()?;
    let frame = check::surface(points, triangles)?;
    let finest = finest(frame.size, resolution.samples);
    let wanted = spacing(&frame.surface, frame.size, resolution);
    let mut spacing = if wanted > finest { wanted } else { finest };
    let mut tries = 1;
    loop {
        let refused = |reports: Vec<_>| SdfError::Refused { detail: failures(&reports) };
        let raw = cook(physics, &frame.surface.points, &frame.surface.triangles, spacing).map_err(refused)?;
        let sdf =
            Sdf { dims: raw.dims.map(|n| n as usize), origin: raw.origin, spacing: raw.spacing, values: raw.values };
        check::field(&sdf)?;
        let share = check::lost(&sdf, &frame.surface);
        if share <= LOST {
            return Ok(frame.restore(sdf));
        }
        if tries == TRIES || 0.5 * spacing < finest {
            return Err(SdfError::Thin { share, spacing: spacing * frame.unit });
        }
        spacing *= 0.5;
        tries += 1;
    }
}

/// The spacing that the resolution asks for, whatever the number of samples.
fn spacing(surface: &SurfaceMesh, size: [f32; 3], resolution: &Resolution) -> f32 {
    let smaller = |a: f32, b: f32| if a < b { a } else { b };
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let longest = size.into_iter().fold(0.0, larger);
    let shortest = size.into_iter().fold(longest, smaller);
    let detail = larger(check::mean_edge(surface), longest / resolution.along_most);
    smaller(smaller(longest / resolution.along, detail), shortest / resolution.across)
}

/// The finest spacing that keeps a box of this size within so many samples, to one part in a thousand.
fn finest(size: [f32; 3], samples: usize) -> f32 {
    // PhysX adds four samples a side; the fifth is for what it rounds.
    let count = |spacing: f32| size.iter().map(|&s| f64::from(s / spacing) + 5.0).product::<f64>();
    let mut spacing = 1e-4 * size.into_iter().fold(0.0, |a: f32, b| if a > b { a } else { b });
    while count(spacing) > samples as f64 && spacing < 1e6 {
        spacing *= 1.001;
    }
    spacing
}

impl Sdf {
    /// The interpolated distance at `x` (metres), negative inside; beside the grid that of its nearest point.
    pub fn at(&self, x: [f32; 3]) -> f32 {
        let mut low = [0; 3];
        let mut share = [0.0; 3];
        for k in 0..3 {
            let u = ((x[k] - self.origin[k]) / self.spacing).clamp(0.0, (self.dims[k] - 1) as f32);
            low[k] = (u as usize).min(self.dims[k] - 2);
            share[k] = u - low[k] as f32;
        }
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let value = |y: usize, z: usize| {
            let first = ((low[2] + z) * self.dims[1] + low[1] + y) * self.dims[0] + low[0];
            mix(self.values[first], self.values[first + 1], share[0])
        };
        let row = |z: usize| mix(value(0, z), value(1, z), share[1]);
        mix(row(0), row(1), share[2])
    }
}
