//! Shapes of bodies. All are centred on the body's local origin; capsules and tori stand along local y.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AutoOr;

/// The rest shape of a soft body, meshed into tetrahedra.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoftShape {
    /// A cuboid.
    Box(SoftBox),
    /// A ball.
    Sphere(SoftSphere),
    /// A ring around the local y axis.
    Torus(SoftTorus),
    /// A cylinder along local y, closed by two hemispheres.
    Capsule(SoftCapsule),
    /// A body read from a file: a closed surface (OBJ, STL, PLY) or tetrahedra (MSH, VTK, VTU).
    Mesh(SoftMesh),
}

impl SoftShape {
    /// Target edge length of the tetrahedra, in metres; `None` for a mesh file, whose edges are its own.
    ///
    /// `edge_m: auto` is a third of the smallest extent, which gives the solver at least three elements
    /// across every part that can bend.
    pub fn edge_m(&self) -> Option<f32> {
        let (edge, thinnest) = match self {
            Self::Box(b) => (b.edge_m, b.size_m.into_iter().fold(f32::INFINITY, |a, x| if x < a { x } else { a })),
            Self::Sphere(s) => (s.edge_m, 2.0 * s.radius_m),
            Self::Torus(t) => (t.edge_m, 2.0 * t.minor_m),
            Self::Capsule(c) => (c.edge_m, 2.0 * c.radius_m),
            Self::Mesh(_) => return None,
        };
        Some(edge.or(thinnest / 3.0))
    }

    /// The mesh file that this shape reads, as written in the job.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Mesh(mesh) => Some(&mesh.file),
            _ => None,
        }
    }
}

/// A soft cuboid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftBox {
    /// Full extents along x, y, z, in metres; above 0.
    pub size_m: [f32; 3],
    /// Target edge length of the tetrahedra, in metres. `auto`: a third of the smallest extent.
    #[serde(default)]
    pub edge_m: AutoOr<f32>,
    /// Number of cells along x, y, z, instead of `edge_m`; each cell becomes five tetrahedra.
    #[serde(default)]
    pub cells: Option<[u32; 3]>,
}

/// A soft ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftSphere {
    /// Radius, in metres; above 0.
    pub radius_m: f32,
    /// Target edge length of the tetrahedra, in metres. `auto`: a third of the diameter.
    #[serde(default)]
    pub edge_m: AutoOr<f32>,
}

/// A soft ring around the local y axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftTorus {
    /// Distance from the centre of the ring to the centre of its tube, in metres; above `minor_m`.
    pub major_m: f32,
    /// Radius of the tube, in metres; above 0.
    pub minor_m: f32,
    /// Target edge length of the tetrahedra, in metres. `auto`: a third of the tube's diameter.
    #[serde(default)]
    pub edge_m: AutoOr<f32>,
}

/// A soft capsule along local y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftCapsule {
    /// Radius of the cylinder and of its caps, in metres; above 0.
    pub radius_m: f32,
    /// Half the length of the cylinder, without the caps, in metres; above 0.
    pub half_height_m: f32,
    /// Target edge length of the tetrahedra, in metres. `auto`: a third of the diameter.
    #[serde(default)]
    pub edge_m: AutoOr<f32>,
}

/// A soft body read from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftMesh {
    /// Path of the mesh, relative to the directory of the job file.
    pub file: PathBuf,
    /// Factor on the file's coordinates that makes them metres; above 0. Default 1.
    #[serde(default = "one")]
    pub scale: f32,
    /// How a surface becomes tetrahedra. A file that holds tetrahedra is taken as it is.
    #[serde(default)]
    pub tetrahedra: Tetrahedra,
}

/// How the tetrahedra of a closed surface are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tetrahedra {
    /// The tetrahedra fill the surface exactly and share its vertices. Needs a clean surface.
    #[default]
    Conforming,
    /// The tetrahedra fill a voxel grid that covers the surface, which is embedded in it. Takes almost any surface.
    Voxel(VoxelTetrahedra),
}

/// The voxel grid of [`Tetrahedra::Voxel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VoxelTetrahedra {
    /// Number of voxels along the longest axis, 1 to 512.
    pub resolution: u32,
}

/// The shape of a rigid body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RigidShape {
    /// A cuboid.
    Box(RigidBox),
    /// A ball.
    Sphere(RigidSphere),
    /// A cylinder along local y, closed by two hemispheres.
    Capsule(RigidCapsule),
    /// The convex hull of a surface file.
    Convex(RigidConvex),
}

impl RigidShape {
    /// The mesh file that this shape reads, as written in the job.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Convex(convex) => Some(&convex.file),
            _ => None,
        }
    }
}

/// A rigid cuboid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigidBox {
    /// Full extents along x, y, z, in metres; above 0.
    pub size_m: [f32; 3],
}

/// A rigid ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigidSphere {
    /// Radius, in metres; above 0.
    pub radius_m: f32,
}

/// A rigid capsule along local y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigidCapsule {
    /// Radius of the cylinder and of its caps, in metres; above 0.
    pub radius_m: f32,
    /// Half the length of the cylinder, without the caps, in metres; above 0.
    pub half_height_m: f32,
}

/// The convex hull of a surface file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigidConvex {
    /// Path of the mesh, relative to the directory of the job file.
    pub file: PathBuf,
    /// Factor on the file's coordinates that makes them metres; above 0. Default 1.
    #[serde(default = "one")]
    pub scale: f32,
}

pub(super) fn one() -> f32 {
    1.0
}
