//! Contact forces between a soft body and a rigid body that moves freely.
//!
//! The soft body's nodes are tested against the rigid form, and sample points of the rigid form (corners, centres with their
//! radius) against the soft triangles, so that neither slips between the other's nodes. What acts on the rigid body is summed to
//! one [`Wrench`] per soft body; wrenches are added in the order of the soft bodies' ids.

use crate::bounds::Aabb;
use crate::candidates::{Faces, Nearest, Sought};
use crate::collider::Shape;
use crate::contact::{Contact, Law};
use crate::material::Friction;
use crate::pair::{Pushes, Surface, touch};
use crate::quat::{Quat, multiply, rotate, rotate_back, turned};
use crate::vec3::{Vec3, ZERO, add, add_scaled, cross, dot, normalized, scale, sub};

/// What is fixed about a dynamic rigid body.
#[derive(Clone, Debug)]
pub struct RigidForm {
    /// Its form in the actor's frame.
    pub shape: Shape,
    /// Points of it, actor's frame, with the radius of the ball that they carry, m.
    pub samples: Vec<(Vec3, f32)>,
    /// Friction of its surface.
    pub friction: Friction,
    /// 1/kg.
    pub inverse_mass: f32,
    /// Inverse principal moments of inertia in the mass frame, 1/(kg m²).
    pub inverse_inertia: Vec3,
    /// Centre of mass in the actor's frame, m.
    pub centre: Vec3,
    /// Orientation of the mass frame in the actor's frame.
    pub axes: Quat,
}

/// How a rigid body moves at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RigidMotion {
    /// Position of the actor's frame, m.
    pub position: Vec3,
    /// Orientation of the actor's frame.
    pub rotation: Quat,
    /// Velocity of the centre of mass, m/s.
    pub linear: Vec3,
    /// Angular velocity, rad/s.
    pub angular: Vec3,
}

/// An impulse (N·s) and an angular impulse about the centre of mass (N·m·s).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wrench {
    /// Linear part.
    pub linear: Vec3,
    /// Angular part.
    pub angular: Vec3,
}

impl Wrench {
    /// The sum of two wrenches.
    pub fn plus(self, other: Wrench) -> Wrench {
        Wrench { linear: add(self.linear, other.linear), angular: add(self.angular, other.angular) }
    }
    fn apply(&mut self, arm: Vec3, impulse: Vec3) {
        self.linear = add(self.linear, impulse);
        self.angular = add(self.angular, cross(arm, impulse));
    }
}

impl RigidForm {
    /// World position of the centre of mass.
    pub fn centre_of(&self, motion: &RigidMotion) -> Vec3 {
        add(motion.position, rotate(motion.rotation, self.centre))
    }

    /// Change of angular velocity by an angular impulse.
    pub fn spin(&self, motion: &RigidMotion, angular: Vec3) -> Vec3 {
        let frame = multiply(motion.rotation, self.axes);
        let local = rotate_back(frame, angular);
        rotate(frame, std::array::from_fn(|k| local[k] * self.inverse_inertia[k]))
    }

    /// Inverse effective mass of the body at `arm` from its centre along `normal`, 1/kg.
    fn inverse_mass_at(&self, motion: &RigidMotion, arm: Vec3, normal: Vec3) -> f32 {
        let lever = cross(arm, normal);
        dot(lever, self.spin(motion, lever)) + self.inverse_mass
    }

    /// The motion after `t` seconds: first the wrench and gravity change the velocities, then the pose follows.
    pub fn advanced(&self, motion: &RigidMotion, wrench: &Wrench, gravity: Vec3, t: f32) -> RigidMotion {
        let linear = add_scaled(add_scaled(motion.linear, wrench.linear, self.inverse_mass), gravity, t);
        let angular = add(motion.angular, self.spin(motion, wrench.angular));
        let rotation = turned(motion.rotation, angular, t);
        let centre = add_scaled(self.centre_of(motion), linear, t);
        RigidMotion { position: sub(centre, rotate(rotation, self.centre)), rotation, linear, angular }
    }

    /// A box around the body however it turns.
    pub fn bounds(&self, motion: &RigidMotion) -> Aabb {
        Aabb::EMPTY.with(motion.position).grown(self.shape.radius())
    }
}

/// A soft and a rigid body that may touch in this step.
#[derive(Clone, Debug, Default)]
pub struct SoftRigid {
    nodes: Vec<u32>,
    samples: Nearest,
    hits: Vec<Hit>,
    shares: Vec<f32>,
    /// What the contacts do to the soft body, m.
    pub pushes: Pushes,
    /// What the contacts do to the rigid body.
    pub wrench: Wrench,
}

#[derive(Clone, Debug)]
struct Hit {
    /// One soft node, or the corners of a soft triangle, with their weights.
    soft: [(u32, f32); 3],
    count: usize,
    arm: Vec3,
    /// A is the soft body.
    contact: Contact,
}

impl SoftRigid {
    /// Finds, once a step, what may touch; `margin` is how far the two may approach within the step, m.
    pub fn find(&mut self, soft: &Surface<'_>, form: &RigidForm, motion: &RigidMotion, margin: f32) -> bool {
        let region = form.bounds(motion).grown(margin);
        let reach = margin + form.shape.radius();
        self.nodes.clear();
        self.nodes.extend(soft.nodes_in(region).filter_map(|(i, x)| {
            let (gap, _) = form.shape.distance(rotate_back(motion.rotation, sub(x, motion.position)));
            (gap < margin).then_some(i)
        }));
        let mut faces = Faces::default();
        soft.triangles_in(&region, &mut faces);
        let world = form.samples.iter().enumerate().map(|(i, (p, radius))| {
            let arm = rotate(motion.rotation, *p);
            // A ball looks in all directions, a corner away from the middle.
            let normal = if *radius > 0.0 { ZERO } else { normalized(arm).unwrap_or(ZERO) };
            Sought { node: i as u32, x: add(motion.position, arm), normal, outside: reach, inside: reach }
        });
        self.samples.find(world, &mut faces);
        !(self.nodes.is_empty() && self.samples.is_empty())
    }

    /// Resolves the contacts; `motion` is the rigid body's at the interval's end if nothing touched it. `sharing` is how many soft
    /// bodies the rigid one may touch at once.
    pub fn push(&mut self, soft: &Surface<'_>, form: &RigidForm, motion: &RigidMotion, sharing: u32, law: &Law) {
        self.collect(soft, form, motion, law.interval);
        self.pushes.clear();
        self.wrench = Wrench::default();
        self.shares.clear();
        self.shares.resize(soft.topology.layout.surface, 0.0);
        for (node, weight) in self.hits.iter().flat_map(|h| &h.soft[..h.count]) {
            self.shares[*node as usize] += weight.abs();
        }
        let rigid_share = sharing as f32 * self.hits.len() as f32;
        let friction = form.friction.between(soft.topology.material.friction);
        let inverse_mass = |n: u32| soft.topology.inverse_mass[n as usize];
        for hit in &self.hits {
            let corners = hit.soft[..hit.count].iter();
            let soft_w = corners.fold(0.0, |w, &(n, b)| w + b.abs() * self.shares[n as usize] * inverse_mass(n));
            let w = soft_w + rigid_share * form.inverse_mass_at(motion, hit.arm, hit.contact.normal);
            let Some(push) = law.push(&hit.contact, w, friction) else { continue };
            self.pushes.extend(hit.soft[..hit.count].iter().map(|&(n, b)| (n, scale(push, b * inverse_mass(n)))));
            self.wrench.apply(hit.arm, scale(push, -1.0 / law.interval));
        }
    }

    fn collect(&mut self, soft: &Surface<'_>, form: &RigidForm, motion: &RigidMotion, interval: f32) {
        self.hits.clear();
        let centre = form.centre_of(motion);
        let moved = |arm: Vec3| scale(add(motion.linear, cross(motion.angular, arm)), interval);
        for &node in &self.nodes {
            let x = soft.x(node);
            let (gap, local) = form.shape.distance(rotate_back(motion.rotation, sub(x, motion.position)));
            if gap < 0.0 {
                let arm = sub(x, centre);
                let normal = rotate(motion.rotation, local);
                let contact = Contact { normal, depth: -gap, slip: sub(soft.moved(node), moved(arm)) };
                self.hits.push(Hit { soft: [(node, 1.0), (0, 0.0), (0, 0.0)], count: 1, arm, contact });
            }
        }
        for (sample, near) in self.samples.iter() {
            let (point, radius) = form.samples[sample as usize];
            let arm = sub(add(motion.position, rotate(motion.rotation, point)), centre);
            let Some((seen, nodes, weights)) = touch(soft, near, add(centre, arm), moved(arm), radius) else {
                continue;
            };
            // Seen from the soft body as A, normal and slip turn round.
            let contact = Contact { normal: seen.normal.map(|c| -c), depth: seen.depth, slip: seen.slip.map(|c| -c) };
            let soft = std::array::from_fn(|k| (nodes[k], weights[k]));
            self.hits.push(Hit { soft, count: 3, arm: add_scaled(arm, seen.normal, -radius), contact });
        }
    }
}
