//! Who may touch whom in a step: computed by every rank from what every rank knows, so that all agree without asking.

use rankzero_physx::rigid::RigidState;
use rankzero_soft::bounds::{Aabb, Sweep};
use rankzero_soft::collider::{Collider, supports, wakes};
use rankzero_soft::reach::Reach;
use rankzero_soft::rigid::{RigidForm, RigidMotion};
use rankzero_soft::rule::StepRule;
use rankzero_soft::vec3::{Vec3, length};

/// A rigid body as the coupling sees it.
#[derive(Clone, Copy, Debug)]
pub struct RigidReach {
    /// Its id.
    pub rigid: u32,
    /// The box around it at the step's start, however it turns.
    pub bounds: Aabb,
    /// Velocity of its centre, m/s.
    pub velocity: Vec3,
    /// How far a point of it may move from where that velocity would take it, plus the margin, m.
    pub spread: f32,
    /// Whether PhysX has put it to sleep.
    pub asleep: bool,
}

impl RigidReach {
    /// The reach of a dynamic rigid body.
    pub fn of(rigid: u32, form: &RigidForm, motion: &RigidMotion, state: &RigidState, rule: &StepRule) -> Self {
        let turning = length(motion.angular) * form.shape.radius();
        let fall = 2.0 * length(rule.gravity) * rule.step;
        let spread = (turning + fall) * rule.step + rule.margin;
        RigidReach { rigid, bounds: form.bounds(motion), velocity: motion.linear, spread, asleep: state.asleep }
    }

    fn may_meet(&self, body: &Reach, step: f32) -> bool {
        body.bounds.grown(body.approach(self.velocity, self.spread, step)).meets(&self.bounds)
    }
}

/// Whether two bodies may touch within a step of `step` seconds.
fn may_meet(a: &Reach, b: &Reach, step: f32) -> bool {
    a.bounds.grown(a.approach(b.velocity, b.spread, step)).meets(&b.bounds)
}

/// The contacts that a step has to look at.
#[derive(Clone, Debug, Default)]
pub struct Coupling {
    /// Per body whether it sleeps through the step.
    pub asleep: Vec<bool>,
    /// Pairs of soft bodies, not both asleep, sorted.
    pub pairs: Vec<(u32, u32)>,
    /// Pairs (rigid, soft), not both asleep, sorted.
    pub rigid_pairs: Vec<(u32, u32)>,
    sweep: Sweep,
    boxes: Vec<Aabb>,
    meeting: Vec<(u32, u32)>,
    held: Vec<bool>,
}

impl Coupling {
    /// Works the step's coupling out from the reaches of all bodies.
    ///
    /// A body sleeps if it has been quiet long enough and so has everybody that it may touch, if nothing in its reach moves, and if
    /// something holds it: a neighbour, the environment, or pinned nodes (`pinned`, by body). A body that hangs in the air at the top
    /// of its flight is quiet, too. The rule has no memory and is the same on every rank.
    pub fn update(
        &mut self,
        reaches: &[Reach],
        rigids: &[RigidReach],
        colliders: &[Collider],
        pinned: impl Fn(u32) -> bool,
        rule: &StepRule,
    ) {
        // Swept boxes find who may come near whom; bodies that fly alike are then told apart by their relative motion.
        self.boxes.clear();
        self.boxes.extend(reaches.iter().map(|r| r.swept(rule.step)));
        self.sweep.pairs(&self.boxes, &mut self.meeting);
        self.meeting.retain(|&(a, b)| may_meet(&reaches[a as usize], &reaches[b as usize], rule.step));
        self.rigid_pairs.clear();
        for rigid in rigids {
            let meets = reaches.iter().enumerate().filter(|(_, body)| rigid.may_meet(body, rule.step));
            self.rigid_pairs.extend(meets.map(|(b, _)| (rigid.rigid, b as u32)));
        }
        let quiet = |b: u32| reaches[b as usize].quiet >= rule.sleep.steps;
        self.asleep.clear();
        self.asleep.extend((0..reaches.len() as u32).map(quiet));
        let held = &mut self.held;
        held.clear();
        held.resize(reaches.len(), false);
        for &(a, b) in &self.meeting {
            self.asleep[a as usize] &= quiet(b);
            self.asleep[b as usize] &= quiet(a);
            (held[a as usize], held[b as usize]) = (true, true);
        }
        let awake = |rigid: u32| {
            let found = rigids.binary_search_by_key(&rigid, |r| r.rigid);
            found.is_ok_and(|i| !rigids[i].asleep)
        };
        for (rigid, body) in &self.rigid_pairs {
            self.asleep[*body as usize] &= !awake(*rigid);
            held[*body as usize] = true;
        }
        for (body, (asleep, bounds)) in self.asleep.iter_mut().zip(&self.boxes).enumerate() {
            let rests = || self.held[body] || pinned(body as u32) || supports(colliders, bounds);
            *asleep = *asleep && rests() && !wakes(colliders, bounds);
        }
        let asleep = &self.asleep;
        self.pairs.clear();
        self.pairs.extend(self.meeting.iter().filter(|(a, b)| !(asleep[*a as usize] && asleep[*b as usize])));
        self.rigid_pairs.retain(|(r, b)| awake(*r) || !asleep[*b as usize]);
    }

    /// How many soft bodies each of `rigids` rigid bodies may touch, by rigid id, into `count`.
    pub fn sharing(&self, rigids: usize, count: &mut Vec<u32>) {
        count.clear();
        count.resize(rigids, 0);
        for &(rigid, _) in &self.rigid_pairs {
            count[rigid as usize] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_soft::rule::SleepRule;

    fn rule() -> StepRule {
        let sleep = SleepRule { speed: 0.01, steps: 10 };
        StepRule {
            step: 0.01,
            substeps: 1,
            per_interval: 1,
            gravity: [0.0; 3],
            margin: 0.0,
            recovery_speed_max: 1.0,
            sleep,
        }
    }

    fn reach(x: f32, quiet: u32) -> Reach {
        let bounds = Aabb { min: [x, 0.0, 0.0], max: [x + 1.0, 1.0, 1.0] };
        Reach { bounds, velocity: [0.0; 3], spread: 0.0, quiet }
    }

    #[test]
    fn a_body_sleeps_only_beside_quiet_ones() {
        let mut coupling = Coupling::default();
        let reaches = [reach(0.0, 10), reach(0.9, 10), reach(1.8, 3), reach(5.0, 99)];
        coupling.update(&reaches, &[], &[], |_| true, &rule());
        assert_eq!(coupling.asleep, [true, false, false, true]);
        assert_eq!(coupling.pairs, [(0, 1), (1, 2)]);
    }

    #[test]
    fn a_body_with_nothing_near_does_not_sleep() {
        let mut coupling = Coupling::default();
        coupling.update(&[reach(0.0, 99)], &[], &[], |_| false, &rule());
        assert_eq!(coupling.asleep, [false]);
    }

    #[test]
    fn bodies_that_fly_alike_are_no_pair_however_fast() {
        let mut coupling = Coupling::default();
        let fly = |x: f32, vx: f32| Reach { velocity: [vx, 0.0, 0.0], ..reach(x, 0) };
        coupling.update(&[fly(0.0, 100.0), fly(1.5, 100.0)], &[], &[], |_| true, &rule());
        assert!(coupling.pairs.is_empty());
        coupling.update(&[fly(0.0, 100.0), fly(1.5, 0.0)], &[], &[], |_| true, &rule());
        assert_eq!(coupling.pairs, [(0, 1)]);
    }

    #[test]
    fn an_awake_rigid_body_keeps_its_neighbour_awake() {
        let rigid =
            |asleep| RigidReach { rigid: 0, bounds: reach(0.5, 0).bounds, velocity: [0.0; 3], spread: 0.0, asleep };
        let mut coupling = Coupling::default();
        coupling.update(&[reach(0.0, 10)], &[rigid(false)], &[], |_| false, &rule());
        assert_eq!((coupling.asleep[0], coupling.rigid_pairs.len()), (false, 1));
        coupling.update(&[reach(0.0, 10)], &[rigid(true)], &[], |_| false, &rule());
        assert_eq!((coupling.asleep[0], coupling.rigid_pairs.len()), (true, 0));
    }
}
