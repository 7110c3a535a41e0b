//! The engine: advances the bodies of this rank by steps, together with the other ranks.
//!
//! One step (see [`step`]): exchange the bounds of all bodies, agree without further words on who may touch whom, then
//! interval by interval put the surfaces that others need, compute meanwhile what needs nobody, take the others' surfaces, and
//! compute the rest. At the end PhysX moves the rigid bodies, on every rank alike.
//!
//! Invariants:
//! - **E1** What a body becomes depends on the scene alone. Ranks, threads and assignment decide where, never what.
//! - **E2** Every rank comes to the same [`couple::Coupling`] and the same rigid states.
//! - **E3** A rank writes into a peer only what the peer expects for the running step, or for the exchange after it.

pub mod board;
pub mod card;
pub mod contacts;
pub mod couple;
pub mod crew;
pub mod digest;
pub mod epoch;
mod error;
pub mod link;
pub mod migrate;
mod on_card;
pub mod own;
pub mod ownership;
pub mod rigids;
pub mod states;
pub mod step;
pub mod threads;
pub mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rankzero_comm::{Bootstrap, CommError, Fabric, Pick, Rank, Rung, RungTraffic};
use rankzero_soft::reach::Reach;
use rankzero_soft::simd::Isa;
use rayon::prelude::*;

pub use error::EngineError;
pub use link::RungChange;
pub use ownership::Ownership;
pub use step::Header;

use crate::scene::Scene;
use board::Board;
use card::{CardCrew, CardError};
use contacts::{Contacts, Remote};
use couple::Coupling;
use crew::{Crew, Floaters, Team};
use epoch::Copies;
use link::Link;
use own::Own;
use rigids::Rigids;

/// Where the time of the main thread went.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeSplit {
    /// Substeps of bodies.
    pub solve: Duration,
    /// Finding and computing contacts.
    pub contact: Duration,
    /// Packing, putting and taking surfaces, bounds and wrenches.
    pub halo: Duration,
    /// Waiting for peers.
    pub wait: Duration,
    /// PhysX.
    pub rigid: Duration,
}

impl TimeSplit {
    /// Adds the time since `start`, spent on bodies that a card computes.
    fn wait_for_card(&mut self, start: std::time::Instant) {
        self.solve += start.elapsed();
    }
}

/// How long the tests of the paths between ranks may take, at least: as long as any other part of the start. The time for a step is none for
/// it: each pair of ranks is tested, which on few cores takes longer than a step.
const OPEN_TIME: Duration = Duration::from_secs(600);

/// The engine of one rank.
#[derive(Debug)]
pub struct Engine<F> {
    scene: Arc<Scene>,
    link: Link<F>,
    board: Board,
    ownership: Ownership,
    batch_of: Vec<u32>,
    master: Rank,
    copies: Copies,
    own: Vec<Own>,
    slots: Vec<u32>,
    isa: Isa,
    /// Free bodies and coupled ones by pack.
    free: Vec<Team>,
    teams: Vec<Team>,
    crew: Crew,
    card: Option<CardCrew>,
    /// Whether it has been said that the card had too little memory for a step.
    card_was_full: bool,
    floaters: Floaters,
    rigids: Rigids,
    reaches: Vec<Reach>,
    costs_us: Vec<u32>,
    coupling: Coupling,
    contacts: Contacts,
    remote: BTreeMap<u32, Remote>,
    wrenches: Vec<rigids::Contact>,
    headers: Vec<Header>,
    rigid_reaches: Vec<couple::RigidReach>,
    /// How many soft bodies each rigid body may touch.
    sharing: Vec<u32>,
    /// Scratch memory.
    order: Vec<u32>,
    words: Vec<u32>,
    ranges: Vec<(usize, usize)>,
    step: u64,
    /// Where the time went.
    pub time: TimeSplit,
}

impl<F: Fabric + Bootstrap> Engine<F> {
    /// Registers the board, builds the rigid scene and puts the bodies of this rank at their start.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric refuses, [`EngineError::Rigid`] where PhysX does.
    pub fn new(scene: Arc<Scene>, fabric: F, owners: Vec<Rank>, timeout: Duration) -> Result<Self, EngineError> {
        Self::begin(scene, fabric, owners, timeout, |fabric| {
            fabric.open(std::time::Instant::now() + timeout.max(OPEN_TIME))
        })
    }

    /// The engine of a rank that comes later, and meets the others when it enters its first view.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn later(scene: Arc<Scene>, fabric: F, owners: Vec<Rank>, timeout: Duration) -> Result<Self, EngineError> {
        Self::begin(scene, fabric, owners, timeout, |_| Ok(()))
    }

    fn begin(
        scene: Arc<Scene>,
        mut fabric: F,
        owners: Vec<Rank>,
        timeout: Duration,
        open: impl FnOnce(&mut F) -> Result<(), CommError>,
    ) -> Result<Self, EngineError> {
        let board = Board::new(&scene, &mut fabric)?;
        let rigids = Rigids::new(&scene).map_err(|source| EngineError::Rigid { step: 0, source })?;
        open(&mut fabric)?;
        let ownership = Ownership::new(&scene, owners);
        let mut engine = Self {
            batch_of: scene.batch_of(),
            master: Rank(0),
            copies: Copies::new(rigids.states()),
            link: Link::new(fabric, timeout),
            reaches: Vec::with_capacity(scene.bodies.len()),
            costs_us: Vec::new(),
            slots: vec![u32::MAX; scene.bodies.len()],
            board,
            ownership,
            own: Vec::new(),
            isa: Isa::best(),
            free: Vec::new(),
            teams: Vec::new(),
            crew: Crew::default(),
            card: None,
            card_was_full: false,
            floaters: Floaters::default(),
            rigids,
            coupling: Coupling::default(),
            contacts: Contacts::default(),
            remote: BTreeMap::new(),
            wrenches: Vec::new(),
            headers: Vec::new(),
            rigid_reaches: Vec::new(),
            sharing: Vec::new(),
            order: Vec::new(),
            words: Vec::new(),
            ranges: Vec::new(),
            step: 0,
            time: TimeSplit::default(),
            scene,
        };
        let me = engine.rank();
        let ids: Vec<u32> = engine.ownership.bodies_of(me).collect();
        let (board, scene) = (&engine.board, &engine.scene);
        // By the worker threads, so that pages lie near a core that computes, not all near the first.
        ids.par_iter().for_each(|&id| board.states.store(id, &scene.initial_state(id)));
        engine.adopt();
        Ok(engine)
    }
}

impl<F: Fabric> Engine<F> {
    /// Computes with these instructions from now on; at first with the widest that the CPU has. The result is the same.
    ///
    /// # Panics
    /// At the next step, if the CPU does not have them.
    pub fn use_isa(&mut self, isa: Isa) {
        self.isa = isa;
        self.crew.clear();
        self.floaters = Floaters::default();
    }

    /// Has a card compute those of this rank's bodies that it can, from now on. The result is the same.
    ///
    /// # Errors
    /// [`CardError`], where it does not serve other ranks; then the processor computes.
    pub fn use_card(&mut self, mut card: CardCrew) -> Result<(), CardError> {
        if self.capacity() > 1 {
            card.serve_others(&self.scene, &self.board)?;
        }
        self.board.states.use_card(card.states().clone());
        self.card = Some(card);
        self.beat_for_card();
        Ok(())
    }

    /// The card that computes some of this rank's bodies, as long as it does not fail.
    pub fn card(&self) -> Option<&CardCrew> {
        self.card.as_ref()
    }

    /// The instructions that it computes with.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// This rank.
    pub fn rank(&self) -> Rank {
        self.link.rank()
    }

    /// The scene.
    pub fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }

    /// Who computes what.
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// The batch of each body.
    pub fn batch_of(&self) -> &[u32] {
        &self.batch_of
    }

    /// The rigid bodies.
    pub fn rigids(&self) -> &Rigids {
        &self.rigids
    }

    /// What went over each rung.
    pub fn traffic(&self) -> Vec<RungTraffic> {
        self.link.traffic()
    }

    /// How every peer is reached.
    pub fn picks(&self) -> Vec<Pick> {
        self.link.picks()
    }

    /// How often a pair of this rank changed its rung.
    pub fn rung_changes(&self) -> u64 {
        self.link.rung_changes
    }

    /// The changes of rungs between this rank and its peers since the last call.
    pub fn take_rung_changes(&mut self) -> Vec<RungChange> {
        self.link.take_changes()
    }

    /// Gives everybody's `mine` to everybody, by rank; all ranks call it at the same step.
    ///
    /// # Errors
    /// [`EngineError::Comm`] naming who is missing.
    pub fn all_gather(&mut self, mine: &[u8], deadline: std::time::Instant) -> Result<Vec<Vec<u8>>, EngineError>
    where
        F: Bootstrap,
    {
        self.link.all_gather(mine, deadline)
    }

    /// Breaks a rung between this rank and all peers, or lets it be tried again, to test what happens then.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where a call fails.
    pub fn inject(&mut self, rung: Rung, broken: bool) -> Result<(), EngineError> {
        self.link.inject(rung, broken)
    }

    /// The longest wait for a peer so far.
    pub fn longest_wait(&self) -> Option<(Duration, Rank)> {
        self.link.longest
    }

    /// Ids of this rank's bodies, ascending.
    pub fn own_ids(&self) -> impl Iterator<Item = u32> {
        self.own.iter().map(|o| o.id)
    }

    /// Soft bodies that slept through the last step, over all ranks.
    pub fn asleep(&self) -> usize {
        self.coupling.asleep.iter().filter(|&&a| a).count()
    }

    /// The canonical state of a body of this rank.
    pub fn state(&self, body: u32) -> Vec<u32> {
        let mut words = Vec::new();
        self.board.states.load(body, &mut words);
        words
    }

    /// What each soft body cost its owner in the step before the last one, µs, by body: known to every rank.
    pub fn costs_us(&self) -> &[u32] {
        &self.costs_us
    }

    /// Gives the fabric back, for the end of the run.
    pub fn into_fabric(self) -> F {
        self.link.into_fabric()
    }

    /// Makes the list of own bodies fit the ownership.
    fn adopt(&mut self) {
        let me = self.rank();
        let mut old: BTreeMap<u32, Own> = self.own.drain(..).map(|o| (o.id, o)).collect();
        self.slots.fill(u32::MAX);
        let ids: Vec<u32> = self.ownership.bodies_of(me).collect();
        for id in ids {
            self.slots[id as usize] = self.own.len() as u32;
            self.own.push(old.remove(&id).unwrap_or_else(|| Own::new(&self.scene, id, &self.state(id))));
        }
        let others = (0..self.slots.len() as u32).filter(|&body| self.slots[body as usize] == u32::MAX);
        others.for_each(|body| self.board.states.forget_card(body));
    }
}
