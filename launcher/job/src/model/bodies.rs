//! Groups of bodies: many bodies of one shape and material, set out by one layout.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Colour, Friction, Layout, Pin, RigidShape, Rotation, SoftShape};

/// A group of soft bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftBodies {
    /// Name of the group, for logs and output; letters, digits, `-` and `_`, unique in the job.
    pub name: String,
    /// Rest shape.
    pub shape: SoftShape,
    /// Name of an entry of `materials`.
    pub material: String,
    /// Number of bodies. Default: all places of a grid, all positions of `at`, else 1.
    #[serde(default)]
    pub count: Option<u32>,
    /// Initial positions. Default: one body at the world's origin.
    #[serde(default)]
    pub layout: Layout,
    /// Initial orientation. Default none.
    #[serde(default)]
    pub rotation: Rotation,
    /// Initial velocity, m/s. Default at rest.
    #[serde(default)]
    pub velocity_m_s: [f32; 3],
    /// Initial angular velocity about the body's origin, rad/s. Default none.
    #[serde(default)]
    pub angular_velocity_rad_s: [f32; 3],
    /// Importance for the `priority` strategy: higher goes to faster ranks first. 0 to 255, default 0. Never changes the result.
    #[serde(default)]
    pub priority: u8,
    /// Regions whose nodes never move. Default none.
    #[serde(default)]
    pub pinned: Vec<Pin>,
    /// Colour in pictures. Default: chosen from the group's place in the list.
    #[serde(default)]
    pub colour: Option<Colour>,
}

impl SoftBodies {
    /// Number of bodies in the group, from `count` or else from the layout.
    pub fn body_count(&self) -> u64 {
        self.count.map_or_else(|| self.layout.natural_count(), u64::from)
    }
}

/// A group of rigid bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigidBodies {
    /// Name of the group, for logs and output; letters, digits, `-` and `_`, unique in the job.
    pub name: String,
    /// Shape.
    pub shape: RigidShape,
    /// What moves the bodies.
    pub motion: Motion,
    /// Coulomb friction of the surface. Default 0.5.
    #[serde(default)]
    pub friction: Friction,
    /// Coefficient of restitution between rigid bodies, 0 (no bounce) to 1. Default 0.
    #[serde(default)]
    pub restitution: f32,
    /// Number of bodies. Default: all places of a grid, all positions of `at`, else 1.
    #[serde(default)]
    pub count: Option<u32>,
    /// Initial positions. Default: one body at the world's origin.
    #[serde(default)]
    pub layout: Layout,
    /// Initial orientation. Default none.
    #[serde(default)]
    pub rotation: Rotation,
    /// Initial velocity of dynamic bodies, m/s. Default at rest.
    #[serde(default)]
    pub velocity_m_s: [f32; 3],
    /// Initial angular velocity of dynamic bodies, rad/s. Default none.
    #[serde(default)]
    pub angular_velocity_rad_s: [f32; 3],
    /// Colour in pictures. Default: chosen from the group's place in the list.
    #[serde(default)]
    pub colour: Option<Colour>,
}

impl RigidBodies {
    /// Number of bodies in the group, from `count` or else from the layout.
    pub fn body_count(&self) -> u64 {
        self.count.map_or_else(|| self.layout.natural_count(), u64::from)
    }
}

/// What moves a rigid body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Nothing: it stays where the layout puts it.
    Fixed,
    /// Forces and contacts.
    Dynamic(Dynamic),
    /// A script, which nothing can push off its path.
    Kinematic(Kinematic),
}

/// A rigid body moved by forces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dynamic {
    /// Mass density, kg/m³; above 0.
    pub density_kg_m3: f32,
}

/// A rigid body moved by a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kinematic {
    /// Where the body is at which time: at least one, by rising time. Between two the pose is interpolated linearly; before the
    /// first and after the last it is held.
    pub keyframes: Vec<Keyframe>,
    /// Whether the script starts over after its last keyframe. Default no.
    #[serde(default)]
    pub repeat: bool,
}

/// One pose of a scripted motion, relative to the place that the layout and `rotation` give the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keyframe {
    /// Simulated time, s; 0 or more.
    pub time_s: f32,
    /// Displacement from the body's initial position, in metres, along the world's axes. Default none.
    #[serde(default)]
    pub offset_m: [f32; 3],
    /// Turn about the body's origin, applied after its initial orientation. Default none.
    #[serde(default)]
    pub rotation: Rotation,
}
