//! What a body's nodes must stay out of within a step: the environment and kinematic rigid bodies.
//!
//! Once a step, [`Near::gather`] picks what each body of a pack may reach; in each substep [`Near::resolve`] pushes the nodes
//! out and applies friction, with arithmetic only.

mod height_field;
mod mesh;
mod near;
mod sdf;
mod shape;

pub use height_field::{HeightField, HeightGrid};
pub use mesh::{MeshSurface, TriangleMesh};
pub(crate) use near::recoverable;
pub use near::{Moment, Near, Nodes};
pub use sdf::{DistanceGrid, SignedDistance};
pub use shape::Shape;

use crate::bounds::Aabb;
use crate::material::Friction;
use crate::quat::{Quat, rotate, rotate_back, turned};
use crate::simd::Real;
use crate::vec3::{Vec3, add, add_scaled, cross, dot, splat, sub};

/// A rigid body that follows a script, over one step.
#[derive(Clone, Debug)]
pub struct Moving {
    /// Its form in its own frame.
    pub shape: Shape,
    /// Position at the step's start, m.
    pub position: Vec3,
    /// Orientation at the step's start.
    pub rotation: Quat,
    /// Velocity over the step, m/s.
    pub linear: Vec3,
    /// Angular velocity over the step, rad/s.
    pub angular: Vec3,
    /// Length of the step, s.
    pub step: f32,
}

/// One thing to stay out of.
#[derive(Clone, Debug)]
pub enum Geometry {
    /// The half-space `normal · x ≤ offset`.
    Plane {
        /// Unit normal, out of the solid.
        normal: Vec3,
        /// Distance of the surface from the origin along the normal, m.
        offset: f32,
    },
    /// Ground given by heights over a grid.
    HeightField(HeightField),
    /// A triangle surface, solid behind its triangles.
    Mesh(TriangleMesh),
    /// A closed solid given by distances over a grid.
    Field(SignedDistance),
    /// A scripted rigid body.
    Moving(Moving),
}

/// A collider: geometry and the friction of its surface. A clone shares what is large.
#[derive(Clone, Debug)]
pub struct Collider {
    /// Where it is.
    pub geometry: Geometry,
    /// Friction of its surface.
    pub friction: Friction,
}

/// Contacts of a node with a collider, a body a lane.
#[derive(Clone, Copy)]
pub(crate) struct Touch<R> {
    /// Depth inside, m; not positive where there is no contact.
    depth: R,
    normal: Vec3<R>,
    /// Velocity of the collider's surface there, m/s.
    velocity: Vec3<R>,
}

/// Whether any collider meets `reach`.
pub fn supports(all: &[Collider], reach: &Aabb) -> bool {
    all.iter().any(|c| c.geometry.reaches(reach))
}

/// Whether a collider that moves meets `reach`.
pub fn wakes(all: &[Collider], reach: &Aabb) -> bool {
    all.iter().any(|c| c.geometry.moves() && c.geometry.reaches(reach))
}

impl Geometry {
    fn moves(&self) -> bool {
        matches!(self, Geometry::Moving(m) if m.linear != [0.0; 3] || m.angular != [0.0; 3])
    }

    fn reaches(&self, reach: &Aabb) -> bool {
        match self {
            Geometry::Plane { normal, offset } => {
                let lowest: Vec3 = std::array::from_fn(|k| if normal[k] > 0.0 { reach.min[k] } else { reach.max[k] });
                dot(*normal, lowest) <= *offset
            }
            Geometry::HeightField(field) => field.bounds().meets(reach),
            Geometry::Mesh(mesh) => mesh.bounds().meets(reach),
            Geometry::Field(field) => field.bounds().meets(reach),
            Geometry::Moving(m) => m.bounds().meets(reach),
        }
    }
}

impl Moving {
    /// Position and orientation `t` seconds after the step's start.
    fn pose(&self, t: f32) -> (Vec3, Quat) {
        (add_scaled(self.position, self.linear, t), turned(self.rotation, self.angular, t))
    }

    #[inline(always)]
    fn touch<R: Real>(&self, x: Vec3<R>, (centre, rotation): (Vec3, Quat)) -> Touch<R> {
        let arm = sub(x, splat(centre));
        let (gap, normal) = self.shape.distance(rotate_back(rotation, arm));
        let velocity = add(splat(self.linear), cross(splat(self.angular), arm));
        Touch { depth: -gap, normal: rotate(rotation, normal), velocity }
    }

    /// A box around the body wherever it turns and moves in the step.
    pub fn bounds(&self) -> Aabb {
        let end = add_scaled(self.position, self.linear, self.step);
        Aabb::EMPTY.with(self.position).with(end).grown(self.shape.radius())
    }
}
