//! The scene: everything about a simulation that the job file and its meshes determine, in the words of the solver.
//!
//! Every rank holds the same scene; which rank computes what is not part of it.

use std::sync::Arc;

use rankzero_mesh::Skin;
use rankzero_physx::rigid::{Pose, RigidDesc, StaticDesc};
use rankzero_soft::contact::Law;
use rankzero_soft::quat::{Quat, rotate};
use rankzero_soft::rule::StepRule;
use rankzero_soft::vec3::{Vec3, add, cross};
use rankzero_soft::{StateLayout, Topology};

/// A mesh as bodies share it.
#[derive(Clone, Debug)]
pub struct Form {
    /// What the solver needs.
    pub topology: Arc<Topology>,
    /// A finer surface for pictures, over the mesh's own tetrahedra and nodes.
    pub skin: Option<Arc<DrawnSkin>>,
}

/// A skin and the tetrahedra that carry it, in the mesh's node numbers.
#[derive(Clone, Debug)]
pub struct DrawnSkin {
    /// The finer surface.
    pub skin: Skin,
    /// The mesh's tetrahedra, in the solver's node numbers.
    pub tets: Vec<[u32; 4]>,
}

/// One soft body at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BodyPlan {
    /// Index of its form.
    pub form: u32,
    /// Index of its group in the job's `soft_bodies`.
    pub group: u32,
    /// Where the body frame's origin starts, m.
    pub position: Vec3,
    /// How it is turned at the start.
    pub rotation: Quat,
    /// Velocity at the start, m/s.
    pub velocity: Vec3,
    /// Angular velocity about the body frame's origin at the start, rad/s.
    pub angular: Vec3,
    /// How important it is; larger is more.
    pub priority: u8,
    /// Its colour in pictures, red green blue.
    pub colour: [u8; 3],
}

/// One rigid body.
#[derive(Clone, Debug)]
pub struct RigidPlan {
    /// As PhysX takes it.
    pub desc: RigidDesc,
    /// What a kinematic body follows.
    pub script: Option<Script>,
    /// Index of its group in the job's `rigid_bodies`.
    pub group: u32,
    /// Its colour in pictures.
    pub colour: [u8; 3],
}

/// Poses over time, linear between keyframes.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Time (s, ascending) and pose (world frame).
    pub keyframes: Vec<(f32, Pose)>,
    /// Whether it starts again after the last keyframe.
    pub repeat: bool,
}

impl Script {
    /// The pose `t` seconds after the start. Rotations are interpolated component-wise and normalised.
    pub fn pose(&self, t: f64) -> Pose {
        let at = |k: &(f32, Pose)| f64::from(k.0);
        let (first, last) = (&self.keyframes[0], &self.keyframes[self.keyframes.len() - 1]);
        let mut t = if t > at(first) { t } else { at(first) };
        let period = at(last) - at(first);
        if t >= at(last) {
            if !self.repeat || !(period > 0.0) {
                return last.1;
            }
            t -= ((t - at(first)) / period).floor() * period;
        }
        let next = self.keyframes.iter().position(|k| at(k) > t).unwrap_or(self.keyframes.len() - 1).max(1);
        let (a, b) = (&self.keyframes[next - 1], &self.keyframes[next]);
        let s = ((t - at(a)) / (at(b) - at(a))) as f32;
        let near = (0..4).map(|k| a.1.q[k] * b.1.q[k]).sum::<f32>() >= 0.0;
        let q = std::array::from_fn(|k| {
            let to = if near { b.1.q[k] } else { -b.1.q[k] };
            (to - a.1.q[k]).mul_add(s, a.1.q[k])
        });
        let p = std::array::from_fn(|k| (b.1.p[k] - a.1.p[k]).mul_add(s, a.1.p[k]));
        Pose { p, q: rankzero_soft::quat::normalized(q) }
    }
}

/// A simulation.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Steps to compute.
    pub steps: u64,
    /// How a body takes a step.
    pub rule: StepRule,
    /// How things that can both move push each other.
    pub law: Law,
    /// The meshes.
    pub forms: Vec<Form>,
    /// The soft bodies, by id.
    pub bodies: Vec<BodyPlan>,
    /// The environment.
    pub statics: Vec<StaticDesc>,
    /// The rigid bodies, by id.
    pub rigids: Vec<RigidPlan>,
    /// Bodies of each batch, ascending.
    pub batches: Vec<Vec<u32>>,
    /// Steps between two rebuilds of the PhysX scene, after which it can be resumed bitwise.
    pub rebuild_steps: u64,
}

impl Scene {
    /// After a multiple of so many steps the state says all: what goes on from it has the same bits. That is where the scene of rigid bodies
    /// is rebuilt, and after every step where there are none.
    pub fn pace(&self) -> u64 {
        if self.rigids.is_empty() { 1 } else { self.rebuild_steps }
    }

    /// The batch of each body.
    pub fn batch_of(&self) -> Vec<u32> {
        let mut of = vec![0; self.bodies.len()];
        for (batch, members) in self.batches.iter().enumerate() {
            members.iter().for_each(|&body| of[body as usize] = batch as u32);
        }
        of
    }

    /// The topology of body `id`.
    pub fn topology(&self, id: u32) -> &Arc<Topology> {
        &self.forms[self.bodies[id as usize].form as usize].topology
    }

    /// Sizes of the state of body `id`.
    pub fn layout(&self, id: u32) -> StateLayout {
        self.topology(id).layout
    }

    /// The canonical state of body `id` at the start.
    pub fn initial_state(&self, id: u32) -> Vec<u32> {
        let plan = &self.bodies[id as usize];
        let topology = self.topology(id);
        let layout = topology.layout;
        let mut state = vec![0; layout.words()];
        for (i, rest) in topology.rest.iter().enumerate() {
            let arm = rotate(plan.rotation, *rest);
            let x = add(plan.position, arm);
            let held = topology.inverse_mass[i] == 0.0;
            let v = if held { [0.0; 3] } else { add(plan.velocity, cross(plan.angular, arm)) };
            for k in 0..3 {
                state[layout.positions().start + 3 * i + k] = x[k].to_bits();
                state[layout.velocities().start + 3 * i + k] = v[k].to_bits();
            }
        }
        state
    }

    /// Tetrahedra of all bodies.
    pub fn tets(&self) -> u64 {
        (0..self.bodies.len()).map(|b| self.topology(b as u32).tets.len() as u64).sum()
    }

    /// Nodes of all bodies.
    pub fn nodes(&self) -> u64 {
        (0..self.bodies.len()).map(|b| self.layout(b as u32).nodes as u64).sum()
    }

    /// Bytes of canonical state of all soft and rigid bodies.
    pub fn state_bytes(&self) -> u64 {
        let soft: u64 = (0..self.bodies.len()).map(|b| self.topology(b as u32).state_bytes() as u64).sum();
        soft + 4 * (rankzero_physx::rigid::RigidState::WORDS * self.rigids.len()) as u64
    }

    /// Work of a batch: tetrahedra of its bodies.
    pub fn batch_weight(&self, batch: usize) -> u64 {
        self.batches[batch].iter().map(|&b| self.topology(b).tets.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_interpolates_holds_and_repeats() {
        let at = |x: f32| Pose { p: [x, 0.0, 0.0], q: [0.0, 0.0, 0.0, 1.0] };
        let mut script = Script { keyframes: vec![(1.0, at(0.0)), (3.0, at(4.0))], repeat: false };
        assert_eq!(script.pose(0.0).p[0], 0.0);
        assert_eq!(script.pose(1.5).p[0], 1.0);
        assert_eq!(script.pose(9.0).p[0], 4.0);
        script.repeat = true;
        assert_eq!(script.pose(3.5).p[0], 1.0);
    }
}
