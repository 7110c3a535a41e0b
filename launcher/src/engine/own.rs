//! The bodies that this rank computes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rankzero_soft::pack::still_surface;
use rankzero_soft::reach::Reach;
use rankzero_soft::shell::Shell;
use rankzero_soft::simd::Isa;

use super::board::Board;
use crate::scene::Scene;

/// A body of this rank.
#[derive(Debug)]
pub struct Own {
    /// Its id.
    pub id: u32,
    /// Its form in the scene.
    pub form: u32,
    /// What it is part of in this step.
    pub part: Part,
    /// Contacts that push it: pairs by partner, then rigid bodies by id.
    pub pushed_by: Vec<Pusher>,
    /// Its surface, where it sleeps beside somebody who is awake.
    pub still: Vec<f32>,
    /// What contact works out about that.
    pub shell: Shell,
    outcome: Mutex<Reach>,
    cost_ns: AtomicU64,
}

/// What a body does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing; its state stays.
    Sleeps,
    /// Nothing, but somebody who is awake may touch it.
    SleepsBeside,
    /// It moves without touching anything that moves freely: the whole step at once.
    Free,
    /// The same, and the card computes it.
    OnCard,
    /// It moves interval by interval.
    Coupled {
        /// The crew member that computes it.
        member: u32,
        /// Its lane there.
        lane: u32,
    },
    /// The same, and the card computes it.
    CoupledOnCard,
}

impl Part {
    /// A coupled body that no crew member has taken yet.
    pub const COUPLED: Part = Part::Coupled { member: u32::MAX, lane: 0 };

    /// Whether the processor moves the body interval by interval.
    pub fn is_coupled(self) -> bool {
        matches!(self, Part::Coupled { .. })
    }
}

/// A contact that pushes a body.
#[derive(Clone, Copy, Debug)]
pub enum Pusher {
    /// Index into the pairs, and the body's side there.
    Soft(u32, u8),
    /// Index into the contacts with rigid bodies.
    Rigid(u32),
}

impl Own {
    /// A body in canonical state `state`.
    pub fn new(scene: &Scene, id: u32, state: &[u32]) -> Self {
        Self {
            id,
            form: scene.bodies[id as usize].form,
            part: Part::Sleeps,
            pushed_by: Vec::new(),
            still: Vec::new(),
            shell: Shell::default(),
            outcome: Mutex::new(Reach::of_state(state, scene.layout(id), &scene.rule)),
            cost_ns: AtomicU64::new(0),
        }
    }

    /// Its reach at the start of the next step.
    pub fn reach(&self) -> Reach {
        // Nothing panics while it holds the lock; a poisoned one holds a whole reach all the same.
        *self.outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes the reach after a step.
    pub fn set_reach(&self, reach: Reach) {
        *self.outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = reach;
    }

    /// Adds time that was spent on it.
    pub fn spend(&self, ns: u64) {
        self.cost_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Time spent on it since it was last asked, µs.
    pub fn take_cost_us(&self) -> u32 {
        u32::try_from(self.cost_ns.swap(0, Ordering::Relaxed) / 1000).unwrap_or(u32::MAX)
    }

    /// Shows the surface of a body that sleeps.
    pub fn show_still(&mut self, scene: &Scene, board: &Board, isa: Isa, state: &mut Vec<u32>) {
        let layout = scene.layout(self.id);
        board.states.load(self.id, state);
        self.still.resize(layout.halo_words(), 0.0);
        still_surface(state, layout, &mut self.still);
        self.shell.update(true, &self.still, scene.topology(self.id), isa);
    }
}
