//! What a body's nodes must stay out of within a step: the environment and kinematic rigid bodies.
//!
//! Once a step and body, [`Near::gather`] picks what the body may reach; in each substep [`Near::resolve`] pushes a node out
//! and applies friction, with arithmetic only.

mod height_field;
mod mesh;
mod sdf;
mod shape;

pub use height_field::HeightField;
pub use mesh::TriangleMesh;
pub use sdf::SignedDistance;
pub use shape::Shape;

use crate::bounds::Aabb;
use crate::candidates::Nearest;
use crate::contact::recoverable;
use crate::material::Friction;
use crate::quat::{Quat, rotate, rotate_back};
use crate::vec3::{Vec3, add_scaled, cross, dot, length, sub};

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

/// A contact of a node with a collider.
struct Touch {
    depth: f32,
    normal: Vec3,
    /// Velocity of the collider's surface there, m/s.
    velocity: Vec3,
}

/// The colliders that one body may reach in one step.
#[derive(Clone, Debug, Default)]
pub struct Near {
    /// Collider index and combined friction.
    colliders: Vec<(u32, Friction)>,
    /// For each mesh collider among them, the triangles near each node.
    triangles: Vec<Nearest>,
    /// For each moving collider among them, where it is in the running substep.
    poses: Vec<(Vec3, Quat)>,
}

impl Near {
    /// Picks the colliders that meet `reach`, the box of a body's motion over the step.
    ///
    /// `nodes` are the body's surface nodes at the step's start (world frame); `margin` is how far a node may move.
    pub fn gather(&mut self, all: &[Collider], reach: &Aabb, nodes: &[Vec3], margin: f32, friction: Friction) {
        self.colliders.clear();
        let mut meshes = 0;
        for (i, collider) in all.iter().enumerate() {
            if !collider.geometry.reaches(reach) {
                continue;
            }
            self.colliders.push((i as u32, collider.friction.between(friction)));
            if let Geometry::Mesh(mesh) = &collider.geometry {
                if self.triangles.len() == meshes {
                    self.triangles.push(Nearest::default());
                }
                mesh.candidates(reach, nodes, margin, &mut self.triangles[meshes]);
                meshes += 1;
            }
        }
    }

    /// Whether the body can touch nothing.
    pub fn is_empty(&self) -> bool {
        self.colliders.is_empty()
    }

    /// Moves the moving colliders to where they are `t` seconds after the step's start.
    pub fn move_to(&mut self, all: &[Collider], t: f32) {
        self.poses.clear();
        for (i, _) in &self.colliders {
            if let Geometry::Moving(m) = &all[*i as usize].geometry {
                self.poses.push((add_scaled(m.position, m.linear, t), crate::quat::turned(m.rotation, m.angular, t)));
            }
        }
    }

    /// Pushes surface node `node` out of all colliders, in their order, with friction against its motion since `before`.
    ///
    /// `x` and `before` are world positions, `h` the substep in seconds, `most` how
    /// much of a depth that was there before is taken back at once (m); [`Near::move_to`] comes before.
    #[inline]
    pub fn resolve(&self, all: &[Collider], node: usize, mut x: Vec3, before: Vec3, h: f32, most: f32) -> Vec3 {
        let (mut meshes, mut moving) = (0, 0);
        for &(i, friction) in &self.colliders {
            let touch = match &all[i as usize].geometry {
                Geometry::Plane { normal, offset } => {
                    let depth = offset - dot(*normal, x);
                    Touch { depth, normal: *normal, velocity: [0.0; 3] }
                }
                Geometry::HeightField(field) => {
                    let Some((depth, normal)) = field.depth(x) else {
                        continue;
                    };
                    Touch { depth, normal, velocity: [0.0; 3] }
                }
                Geometry::Mesh(mesh) => {
                    let near = self.triangles[meshes].of(node);
                    meshes += 1;
                    let Some((depth, normal)) = mesh.depth(near, x) else {
                        continue;
                    };
                    Touch { depth, normal, velocity: [0.0; 3] }
                }
                Geometry::Field(field) => {
                    let Some((depth, normal)) = field.depth(x) else {
                        continue;
                    };
                    Touch { depth, normal, velocity: [0.0; 3] }
                }
                Geometry::Moving(m) => {
                    let pose = self.poses[moving];
                    moving += 1;
                    let Some(touch) = m.touch(x, pose) else { continue };
                    touch
                }
            };
            if touch.depth > 0.0 {
                x = push_out(x, before, &touch, friction, (h, most));
            }
        }
        x
    }
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
    fn touch(&self, x: Vec3, (centre, rotation): (Vec3, Quat)) -> Option<Touch> {
        let arm = sub(x, centre);
        let radius = self.shape.radius();
        if dot(arm, arm) > radius * radius {
            return None;
        }
        let (gap, normal) = self.shape.distance(rotate_back(rotation, arm));
        let velocity = crate::vec3::add(self.linear, cross(self.angular, arm));
        Some(Touch { depth: -gap, normal: rotate(rotation, normal), velocity })
    }

    /// A box around the body wherever it turns and moves in the step.
    fn bounds(&self) -> Aabb {
        let end = add_scaled(self.position, self.linear, self.step);
        Aabb::EMPTY.with(self.position).with(end).grown(self.shape.radius())
    }
}

/// Moves a node to the surface and takes back sliding: all of it while friction holds, else the dynamic share.
fn push_out(x: Vec3, before: Vec3, touch: &Touch, friction: Friction, (h, most): (f32, f32)) -> Vec3 {
    let approach = add_scaled(sub(x, before), touch.velocity, -h);
    let depth = recoverable(touch.depth, -dot(approach, touch.normal), most);
    let out = add_scaled(x, touch.normal, depth);
    let motion = add_scaled(sub(out, before), touch.velocity, -h);
    let slide = add_scaled(motion, touch.normal, -dot(motion, touch.normal));
    let len = length(slide);
    if len <= friction.static_ * depth {
        sub(out, slide)
    } else {
        add_scaled(out, slide, -(friction.dynamic * depth / len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUGH: Friction = Friction { static_: 0.5, dynamic: 0.4 };

    fn floor() -> Collider {
        Collider { geometry: Geometry::Plane { normal: [0.0, 1.0, 0.0], offset: 0.0 }, friction: ROUGH }
    }

    #[test]
    fn a_plane_stops_a_node_and_friction_holds_or_slows_it() {
        let all = [floor()];
        let mut near = Near::default();
        let reach = Aabb::EMPTY.with([0.0; 3]).grown(1.0);
        near.gather(&all, &reach, &[[0.0; 3]], 0.1, ROUGH);
        let held = near.resolve(&all, 0, [0.04, -0.1, 0.0], [0.0, 0.0, 0.0], 0.01, 1.0);
        assert_eq!(held, [0.0, 0.0, 0.0]);
        let slid = near.resolve(&all, 0, [0.1, -0.1, 0.0], [0.0, 0.0, 0.0], 0.01, 1.0);
        assert!((slid[0] - 0.06).abs() < 1e-6 && slid[1] == 0.0);
        near.gather(&all, &Aabb::EMPTY.with([0.0, 2.0, 0.0]).grown(1.0), &[[0.0; 3]], 0.1, ROUGH);
        assert!(near.is_empty());
    }

    #[test]
    fn a_moving_box_carries_a_node_with_it() {
        let shape = Shape::Box { half: [1.0, 1.0, 1.0] };
        let moving = Moving {
            shape,
            position: [0.0; 3],
            rotation: crate::quat::IDENTITY,
            linear: [1.0, 0.0, 0.0],
            angular: [0.0; 3],
            step: 0.01,
        };
        let all = [Collider { geometry: Geometry::Moving(moving), friction: ROUGH }];
        let mut near = Near::default();
        near.gather(&all, &Aabb::EMPTY.with([0.0, 1.0, 0.0]).grown(0.1), &[[0.0, 1.0, 0.0]], 0.1, ROUGH);
        assert!(wakes(&all, &Aabb::EMPTY.with([0.0, 1.0, 0.0])) && !wakes(&all, &Aabb::EMPTY.with([9.0; 3])));
        near.move_to(&all, 0.01);
        let x = near.resolve(&all, 0, [0.0, 0.95, 0.0], [0.0, 1.0, 0.0], 0.01, 1.0);
        assert!((x[1] - 1.0).abs() < 1e-6 && (x[0] - 0.01).abs() < 1e-6, "{x:?}");
    }
}
