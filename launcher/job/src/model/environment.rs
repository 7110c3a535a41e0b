//! What does not move: planes, height fields, triangle meshes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::one;
use super::{Friction, Rotation};

/// The immovable surroundings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// Infinite planes. Default none.
    pub planes: Vec<Plane>,
    /// A ground given by heights over a regular grid. Default none.
    pub height_field: Option<HeightField>,
    /// Surfaces read from files. Default none.
    pub triangle_meshes: Vec<TriangleMesh>,
}

/// A half space that bodies stay out of: the points where `normal · x < offset_m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plane {
    /// Direction out of the solid; any length but 0. Default up.
    #[serde(default = "up")]
    pub normal: [f32; 3],
    /// Distance of the plane from the world's origin along the normal, in metres. Default 0.
    #[serde(default)]
    pub offset_m: f32,
    /// Coulomb friction of the surface. Default 0.5.
    #[serde(default)]
    pub friction: Friction,
}

/// A ground over a regular grid in x (columns) and z (rows); y is the height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeightField {
    /// Number of grid points along z, 2 to 1024.
    pub rows: u32,
    /// Number of grid points along x, 2 to 1024.
    pub columns: u32,
    /// Distance between neighbouring grid points, in metres; above 0.
    pub spacing_m: f32,
    /// Position of the grid point of row 0, column 0 at height 0, in metres. Default: the grid is centred on the world's origin.
    #[serde(default)]
    pub origin_m: Option<[f32; 3]>,
    /// The heights.
    pub relief: Relief,
    /// Coulomb friction of the surface. Default 0.5.
    #[serde(default)]
    pub friction: Friction,
}

/// The heights of a [`HeightField`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relief {
    /// The same height everywhere, in metres.
    FlatM(f32),
    /// One height per grid point, row by row, in metres: `rows × columns` numbers.
    HeightsM(Vec<f32>),
    /// Smooth random hills.
    Hills(Hills),
}

/// Smooth random hills, optionally in a bowl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hills {
    /// Greatest height of a hill above or below the mean, in metres; 0 or more.
    pub amplitude_m: f32,
    /// Typical distance from hill to hill, in metres; above 0.
    pub wavelength_m: f32,
    /// Height that the ground gains from the centre of the field to the middle of its nearest edge, as a paraboloid, in metres. Default 0.
    #[serde(default)]
    pub bowl_m: f32,
    /// Seed of the hills. Default 0.
    #[serde(default)]
    pub seed: u64,
}

/// An immovable surface read from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriangleMesh {
    /// Path of the mesh, relative to the directory of the job file.
    pub file: PathBuf,
    /// Factor on the file's coordinates that makes them metres; above 0. Default 1.
    #[serde(default = "one")]
    pub scale: f32,
    /// Position of the mesh's origin, in metres. Default the world's origin.
    #[serde(default)]
    pub position_m: [f32; 3],
    /// Orientation. Default none.
    #[serde(default)]
    pub rotation: Rotation,
    /// Coulomb friction of the surface. Default 0.5.
    #[serde(default)]
    pub friction: Friction,
}

fn up() -> [f32; 3] {
    [0.0, 1.0, 0.0]
}
