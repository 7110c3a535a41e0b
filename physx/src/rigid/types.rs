//! The description of a rigid scene and the canonical state of a rigid body: plain data.

/// A rigid placement: rotate by `q`, then translate by `p`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Position, metres.
    pub p: [f32; 3],
    /// Unit quaternion, in the order x, y, z, w.
    pub q: [f32; 4],
}

impl Pose {
    /// No rotation, no translation.
    pub const IDENTITY: Pose = Pose { p: [0.0; 3], q: [0.0, 0.0, 0.0, 1.0] };

    /// A translation by `p` metres.
    pub const fn at(p: [f32; 3]) -> Pose {
        Pose { p, q: Self::IDENTITY.q }
    }
}

/// The shape of a rigid body, in the body's own frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A box about the origin.
    Box {
        /// Half its edges, metres.
        half: [f32; 3],
    },
    /// A ball about the origin.
    Sphere {
        /// Metres.
        radius: f32,
    },
    /// A segment along the x axis, thickened: PhysX's convention.
    Capsule {
        /// Metres.
        radius: f32,
        /// Half the length of the segment, without the caps, metres.
        half_height: f32,
    },
    /// The convex hull of a cloud of points, at most 255 vertices after cooking.
    Convex {
        /// Metres; at least four, not all in one plane.
        points: Vec<[f32; 3]>,
    },
}

/// How a surface rubs and bounces. Where two surfaces meet, PhysX takes the average of each coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Material {
    /// Coefficient of static friction, ≥ 0.
    pub static_friction: f32,
    /// Coefficient of dynamic friction, ≥ 0.
    pub dynamic_friction: f32,
    /// 0 (no bounce) to 1. Contacts slower than 2 m/s never bounce.
    pub restitution: f32,
}

/// Who decides where a rigid body goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Motion {
    /// Gravity, contacts and impulses.
    Dynamic {
        /// kg/m³, > 0.
        density: f32,
        /// Initial velocity of the centre of mass, m/s.
        linear: [f32; 3],
        /// Initial angular velocity, rad/s, world frame. PhysX limits it to 100 rad/s.
        angular: [f32; 3],
    },
    /// The caller, through [`RigidWorld::set_kinematic_target`](super::RigidWorld::set_kinematic_target).
    Kinematic,
}

/// One rigid body.
#[derive(Debug, Clone, PartialEq)]
pub struct RigidDesc {
    /// Its shape.
    pub shape: Shape,
    /// Where it starts. The quaternion is normalised.
    pub pose: Pose,
    /// What moves it.
    pub motion: Motion,
    /// Its surface.
    pub material: Material,
}

/// Something that never moves.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticDesc {
    /// Its shape, in the world frame.
    pub shape: StaticShape,
    /// Its surface.
    pub material: Material,
}

/// The shape of something that never moves.
#[derive(Debug, Clone, PartialEq)]
pub enum StaticShape {
    /// The half-space `normal · x ≤ offset`.
    Plane {
        /// Points out of the solid; normalised, together with `offset`.
        normal: [f32; 3],
        /// Metres, for a unit `normal`.
        offset: f32,
    },
    /// A terrain whose heights run along +y. See [`HeightSurface`](super::HeightSurface) for the surface it becomes.
    HeightField {
        /// Samples along x, ≥ 2.
        rows: u32,
        /// Samples along z, ≥ 2.
        columns: u32,
        /// Distance between samples along x and z, metres.
        spacing: [f32; 2],
        /// Position of sample (0, 0) at height 0, metres.
        origin: [f32; 3],
        /// `rows × columns` heights, metres, row after row: `heights[row * columns + column]`.
        heights: Vec<f32>,
    },
    /// A surface of triangles, solid on the side their normals (counter-clockwise) point away from.
    TriangleMesh {
        /// Metres.
        points: Vec<[f32; 3]>,
        /// Indices into `points`.
        triangles: Vec<[u32; 3]>,
    },
}

/// Mass and inertia of a rigid body, for whoever computes impulses on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MassProperties {
    /// 1/kg; 0 for a kinematic body.
    pub inv_mass: f32,
    /// Inverse principal moments, 1/(kg·m²), in the frame `mass_pose`; 0 for a kinematic body.
    pub inv_inertia: [f32; 3],
    /// The frame of the principal axes, its origin the centre of mass, in the body's own frame.
    pub mass_pose: Pose,
}

/// Everything about a rigid body that outlives a step: the canonical state, to the bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RigidState {
    /// The body's frame in the world (not its centre of mass).
    pub pose: Pose,
    /// Velocity of the centre of mass, m/s.
    pub linear: [f32; 3],
    /// Angular velocity, rad/s, world frame.
    pub angular: [f32; 3],
    /// Seconds of rest left before the body may fall asleep; 0 for a kinematic body.
    pub wake_counter: f32,
    /// True if the body rests and costs nothing; false for a kinematic body.
    pub asleep: bool,
}

impl RigidState {
    /// Length of the state in words.
    pub const WORDS: usize = 15;

    /// The state as words, for digests and checkpoints: p, q, linear, angular, wake counter, asleep (0 or 1).
    pub fn to_words(&self) -> [u32; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        let floats = self.pose.p.iter().chain(&self.pose.q).chain(&self.linear).chain(&self.angular);
        for (word, value) in words.iter_mut().zip(floats.chain([&self.wake_counter])) {
            *word = value.to_bits();
        }
        words[14] = u32::from(self.asleep);
        words
    }

    /// The inverse of [`to_words`](Self::to_words). Any words are accepted here; a rebuild checks the values.
    pub fn from_words(words: &[u32; Self::WORDS]) -> Self {
        let f = |i: usize| f32::from_bits(words[i]);
        let v = |i: usize| [f(i), f(i + 1), f(i + 2)];
        RigidState {
            pose: Pose { p: v(0), q: [f(3), f(4), f(5), f(6)] },
            linear: v(7),
            angular: v(10),
            wake_counter: f(13),
            asleep: words[14] != 0,
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        let p = &self.pose;
        let all = p.p.iter().chain(&p.q).chain(&self.linear).chain(&self.angular);
        all.chain([&self.wake_counter]).all(|x| x.is_finite())
    }
}
