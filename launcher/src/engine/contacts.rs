//! The contacts that bodies of this rank are part of in a step.

use std::collections::BTreeMap;
use std::time::Instant;

use rankzero_comm::Segment;
use rankzero_soft::Topology;
use rankzero_soft::contact::Law;
use rankzero_soft::pair::{Pair, Surface, Workspace};
use rankzero_soft::reach::Reach;
use rankzero_soft::rigid::SoftRigid;
use rankzero_soft::shell::Shell;
use rankzero_soft::simd::Isa;

use super::couple::RigidReach;
use super::crew::Member;
use super::own::{Own, Part};
use super::rigids::Rigids;
use super::threads::PerThread;
use crate::scene::Scene;

/// A pair of bodies, at least one of them this rank's.
#[derive(Debug, Default)]
pub struct SoftPair {
    /// The lower id.
    pub a: u32,
    /// The higher id.
    pub b: u32,
    /// Whether the two may touch in this step.
    pub near: bool,
    /// Whether the processor computes it: the card does where it has one of the two.
    pub on_host: bool,
    /// What they do to each other.
    pub pair: Pair,
    /// Time spent on it in this step, ns.
    pub cost_ns: u64,
}

/// A rigid body and a body of this rank.
#[derive(Debug, Default)]
pub struct RigidPair {
    /// The rigid body.
    pub rigid: u32,
    /// The soft body.
    pub body: u32,
    /// Whether the two may touch in this step.
    pub near: bool,
    /// What they do to each other.
    pub contact: SoftRigid,
}

/// All contacts of this rank's bodies in a step. Entries past the counts are kept for their memory.
#[derive(Debug, Default)]
pub struct Contacts {
    /// Soft pairs, sorted.
    pub pairs: Vec<SoftPair>,
    /// Pairs with rigid bodies, sorted by (rigid, soft).
    pub rigids: Vec<RigidPair>,
    /// Pairs in use.
    pub pair_count: usize,
    /// Rigid pairs in use.
    pub rigid_count: usize,
    /// Memory to work in.
    pub work: PerThread<Workspace>,
}

/// A surface that is computed elsewhere: a peer has put it, or the card has shown it.
#[derive(Debug, Default)]
pub struct Remote {
    /// What was put.
    pub surface: Vec<f32>,
    /// What contact works out about it.
    pub shell: Shell,
}

/// The surfaces that contacts look at: this rank's own, and what peers have put.
#[derive(Clone, Copy, Debug)]
pub struct Surfaces<'a> {
    /// This rank's bodies.
    pub own: &'a [Own],
    /// Those who compute the coupled ones among them.
    pub members: &'a [Member],
    /// Position in `own` by body id, `u32::MAX` elsewhere.
    pub slots: &'a [u32],
    /// Surfaces that are computed elsewhere.
    pub remote: &'a BTreeMap<u32, Remote>,
    /// Surfaces as they were in an interval that lies behind, which count before all others.
    pub past: Option<&'a BTreeMap<u32, Remote>>,
    /// The scene.
    pub scene: &'a Scene,
    /// The instructions to compute with.
    pub isa: Isa,
}

impl<'a> Surfaces<'a> {
    /// The surface of a body.
    ///
    /// # Panics
    /// If the body is neither one of this rank that shows its surface nor expected from elsewhere.
    pub fn of(&self, body: u32) -> Surface<'a> {
        let (words, shell) = match (self.past.and_then(|past| past.get(&body)), self.part(body)) {
            (Some(past), _) => (&past.surface[..], &past.shell),
            (None, None | Some(Part::CoupledOnCard)) => (&self.remote[&body].surface[..], &self.remote[&body].shell),
            (None, Some(_)) => shown(&self.own[self.slots[body as usize] as usize], self.members),
        };
        Surface { words, topology: self.scene.topology(body), shell }
    }

    /// Whether a body sleeps, so that its surface stays as it is.
    pub fn is_still(&self, body: u32) -> bool {
        self.part(body) == Some(Part::SleepsBeside)
    }

    /// Whether the card computes a body and shows its surface.
    pub fn is_on_card(&self, body: u32) -> bool {
        self.part(body) == Some(Part::CoupledOnCard)
    }

    /// What a body of this rank does in the step.
    fn part(&self, body: u32) -> Option<Part> {
        self.own.get(self.slots[body as usize] as usize).map(|own| own.part)
    }
}

/// The surface of a body of this rank as others see it, and what contact works out about it.
///
/// # Panics
/// If the body takes the step by itself, or the card computes it.
fn shown<'a>(own: &'a Own, members: &'a [Member]) -> (&'a [f32], &'a Shell) {
    match own.part {
        Part::Coupled { member, lane } => members[member as usize].surface(lane as usize),
        Part::SleepsBeside => (&own.still, &own.shell),
        Part::Sleeps | Part::Free | Part::OnCard | Part::CoupledOnCard => {
            panic!("body {} shows nobody its surface", own.id)
        }
    }
}

impl SoftPair {
    /// Finds what may touch in the step; `work` is memory to work in.
    pub fn find(&mut self, surfaces: &Surfaces<'_>, reaches: &[Reach], work: &mut Workspace) {
        let start = Instant::now();
        let (a, b) = (surfaces.of(self.a), surfaces.of(self.b));
        let (reach_a, reach_b) = (&reaches[self.a as usize], &reaches[self.b as usize]);
        let (step, law) = (surfaces.scene.rule.step, &surfaces.scene.law);
        self.near = self.pair.find((&a, reach_a), (&b, reach_b), step, law, work, surfaces.isa);
        self.cost_ns = start.elapsed().as_nanos() as u64;
    }

    /// Computes the interval's pushes.
    pub fn push(&mut self, surfaces: &Surfaces<'_>, law: &Law, work: &mut Workspace) {
        if self.near {
            let start = Instant::now();
            self.pair.push(&surfaces.of(self.a), &surfaces.of(self.b), law, work, surfaces.isa);
            self.cost_ns += start.elapsed().as_nanos() as u64;
        } else {
            self.pair.pushes.iter_mut().for_each(Vec::clear);
        }
    }
}

impl RigidPair {
    /// Finds what may touch in the step; `reach` is the rigid body's.
    pub fn find(&mut self, surfaces: &Surfaces<'_>, rigids: &Rigids, reaches: &[Reach], reach: &RigidReach) {
        let (form, motion) = rigids.dynamic(self.rigid);
        let step = surfaces.scene.rule.step;
        let margin = reaches[self.body as usize].approach(reach.velocity, reach.spread, step);
        self.near = self.contact.find(&surfaces.of(self.body), form, motion, margin);
    }

    /// Computes the interval's pushes and wrench.
    pub fn push(&mut self, surfaces: &Surfaces<'_>, rigids: &Rigids, sharing: u32) {
        if self.near {
            let (form, motion) = rigids.dynamic(self.rigid);
            let rule = &surfaces.scene.rule;
            let ahead = form.advanced(motion, &Default::default(), rule.gravity, rule.interval());
            self.contact.push(&surfaces.of(self.body), form, &ahead, sharing, &surfaces.scene.law);
        } else {
            self.contact.pushes.clear();
            self.contact.wrench = Default::default();
        }
    }
}

/// Copies a surface that a peer or the card has put out of the board; `first` in a step's first interval.
pub fn take_remote(
    memory: &Segment,
    (at, len): (usize, usize),
    first: bool,
    topology: &Topology,
    isa: Isa,
    out: &mut Remote,
) {
    out.surface.resize(len, 0.0);
    memory.load_f32(at, &mut out.surface);
    out.shell.update(first, &out.surface, topology, isa);
}
