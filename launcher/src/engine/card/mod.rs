//! The bodies of this rank that a GPU computes: all that move.
//!
//! They are given to the card when a step begins; meanwhile the processor computes the others. The states of the step's start stay in the
//! host's memory, so that a card which fails is done without: the processor takes the same step.
//!
//! **Invariant:** a card is used only after it has taken a step of each of its forms with the bits of the processor, a body by itself and two
//! that touch; and after it has shown others what it computes, where there are others.

pub mod coupled;
mod lending;
mod proof;
mod rate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_gpu::budget::fits;
use rankzero_gpu::{Beat, GpuError};
use rankzero_gpu_solver::{Colliders, Deltas, Ended, Entrant, GRAIN, HostStates, Kernels, Renewal, Residents, Troop};
use rankzero_soft::collider::Collider;
use rankzero_soft::reach::Reach;
use rayon::prelude::*;

use super::board::Board;
use super::contacts::{Contacts, RigidPair, SoftPair, Surfaces};
use super::crew::Orders;
use super::own::{Own, Part};
use super::step::append;
use crate::scene::Scene;
use coupled::CoupledCrew;
use lending::Lending;
pub use rate::rate;

/// Why a card does not compute.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The card, its driver or its compiler.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// It gives other results than the processor.
    #[error(
        "{device} computes, shows or copies bodies of form {form} with other bits than the processor, so it is not used; please report it, \
         with the versions of driver and NVRTC (rankzero doctor)"
    )]
    Differs {
        /// The device.
        device: String,
        /// The form in the scene.
        form: usize,
    },
}

/// A form's bodies on the card.
#[derive(Debug)]
struct Squad {
    troop: Troop,
    /// Places of this step's bodies among the rank's.
    slots: Vec<u32>,
}

/// The card's part of the crew.
#[derive(Debug)]
pub struct CardCrew {
    kernels: Arc<Kernels>,
    /// By form; `None` where it has no bodies.
    squads: Vec<Option<Squad>>,
    coupled: CoupledCrew,
    /// States that stay on the card from step to step.
    residents: Residents,
    deltas: Deltas,
    /// Where it writes surfaces for others, and copies of states.
    halo: Lending,
    copies: Lending,
    /// Whether the card may be at work on copies.
    copying: bool,
    beat: Option<Beat>,
    colliders: Colliders,
    spent: Duration,
}

impl CardCrew {
    /// Puts the forms of a scene on a card and has it prove itself.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn new(kernels: Arc<Kernels>, scene: &Scene) -> Result<Self, CardError> {
        let mut squads = Vec::with_capacity(scene.forms.len());
        for (index, form) in scene.forms.iter().enumerate() {
            let body = scene.bodies.iter().position(|body| body.form as usize == index);
            // A form without bodies needs no place there.
            let Some(body) = body else {
                squads.push(None);
                continue;
            };
            let mut troop = Troop::new(&kernels, &form.topology)?;
            if !(proof::alone(&kernels, &mut troop, scene, body as u32)?
                && proof::together(&kernels, scene, body as u32, false)?)
            {
                return Err(CardError::Differs { device: kernels.card().device().to_string(), form: index });
            }
            squads.push(Some(Squad { troop, slots: Vec::new() }));
        }
        let coupled = CoupledCrew::new(&kernels, scene)?;
        let words = (0..scene.bodies.len() as u32).map(|body| scene.layout(body).words());
        let residents = Residents::new(kernels.card(), &Arc::new(HostStates::new(kernels.card(), words)?))?;
        Ok(Self {
            deltas: Deltas::new(&kernels)?,
            kernels,
            squads,
            coupled,
            residents,
            halo: Lending::default(),
            copies: Lending::default(),
            copying: false,
            beat: None,
            colliders: Colliders::default(),
            spent: Duration::ZERO,
        })
    }

    /// Has the card prove that it shows others what it computes, and lends it the board's halo.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn serve_others(&mut self, scene: &Scene, board: &Board) -> Result<(), CardError> {
        for form in (0..self.squads.len()).filter(|&form| self.squads[form].is_some()) {
            let body = scene.bodies.iter().position(|body| body.form as usize == form);
            let body = body.map_or(0, |body| body as u32);
            if !proof::together(&self.kernels, scene, body, true)? {
                return Err(CardError::Differs { device: self.kernels.card().device().to_string(), form });
            }
        }
        self.halo.of(self.kernels.card(), &board.halo.memory, self.beat.as_ref())?;
        Ok(())
    }

    /// Lends the card the board's copies of states.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn lend_copies(&mut self, board: &Board) -> Result<(), GpuError> {
        self.copies.of(self.kernels.card(), &board.copy.memory, self.beat.as_ref()).map(drop)
    }

    /// Whether the card may be at work on what others read.
    pub fn is_public(&self) -> bool {
        self.copying || self.coupled.is_public()
    }

    /// Waits, after a failure, for all that the card was given; whether that comes to an end.
    pub fn comes_to_rest_after(&mut self, error: &GpuError) -> bool {
        !matches!(error, GpuError::Deadline { .. }) && !hangs(&self.wait())
    }

    /// Forgets what the card knows of states, which have become others.
    pub fn forget_states(&mut self) {
        self.residents.forget();
    }

    /// Where it writes states.
    pub fn states(&self) -> &Arc<HostStates> {
        self.residents.host()
    }

    /// The bodies that touch others.
    pub fn coupled(&self) -> &CoupledCrew {
        &self.coupled
    }

    /// The device, for people.
    pub fn name(&self) -> &str {
        &self.kernels.card().device().name
    }

    /// Has `beat` called while the card is waited for.
    pub fn set_beat(&mut self, beat: &Beat) {
        self.squads.iter_mut().flatten().for_each(|squad| squad.troop.set_beat(beat.clone()));
        self.coupled.set_beat(beat.clone());
        self.deltas.set_beat(beat.clone());
        self.beat = Some(beat.clone());
    }

    /// Has a card taken for one that hangs where it has not finished after `limit`, in place of a minute.
    pub fn give_up_after(&mut self, limit: Duration) {
        self.squads.iter_mut().flatten().for_each(|squad| squad.troop.give_up_after(limit));
        self.coupled.give_up_after(limit);
        self.deltas.give_up_after(limit);
    }

    /// Has it compute nobody in this step.
    pub fn clear(&mut self) {
        self.squads.iter_mut().flatten().for_each(|squad| squad.slots.clear());
        self.coupled.clear();
    }

    /// Takes the bodies that it computes in this step.
    pub fn claim(
        &mut self,
        own: &mut [Own],
        slots: &[u32],
        contacts: &mut Contacts,
        reaches: &[Reach],
        scene: &Scene,
        colliders: &[Collider],
    ) {
        self.clear();
        self.colliders.set(colliders);
        for (slot, own) in own.iter_mut().enumerate().filter(|(_, own)| own.part == Part::Free) {
            if let Some(squad) = &mut self.squads[own.form as usize] {
                own.part = Part::OnCard;
                squad.slots.push(slot as u32);
            }
        }
        self.coupled.claim(own, slots, contacts, reaches, scene);
    }

    /// Begins step `step` of the bodies that were claimed; the card computes while this returns.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were.
    pub fn start(&mut self, step: u64, orders: &Orders<'_>) -> Result<(), GpuError> {
        let began = Instant::now();
        // What a step that was broken off has left undone would still write where states stay.
        self.wait()?;
        let free =
            self.squads.iter().flatten().flat_map(|squad| &squad.slots).map(|&slot| orders.own[slot as usize].id);
        let bodies: Vec<u32> = free.chain(self.coupled.movers().iter().copied()).collect();
        self.reserve(&bodies)?;
        self.residents.admit(&bodies)?;
        bodies.par_iter().for_each(|&body| orders.board.states.give(body));
        // All, so that nobody keeps memory that is not used any more.
        self.squads.iter_mut().flatten().try_for_each(|squad| squad.troop.share(&self.residents))?;
        let segment = &orders.board.halo.memory;
        if self.halo.is_stale(segment) {
            self.coupled.share(&self.residents, None)?;
        }
        let halo = if self.coupled.shows() {
            Some(self.halo.of(self.kernels.card(), segment, self.beat.as_ref())?)
        } else {
            None
        };
        self.coupled.share(&self.residents, halo.as_ref())?;
        for squad in self.squads.iter_mut().flatten().filter(|squad| !squad.slots.is_empty()) {
            let slots = &squad.slots;
            let residents = &mut self.residents;
            let entrant = |&slot: &u32| {
                let id = orders.own[slot as usize].id;
                Entrant { reach: orders.reaches[id as usize], home: residents.take(id, step) }
            };
            let entrants: Vec<Entrant> = slots.iter().map(entrant).collect();
            squad.troop.start(&orders.scene.rule, &self.colliders, &entrants)?;
        }
        self.coupled.start(&self.colliders, orders, &mut self.residents, step)?;
        self.spent = began.elapsed();
        Ok(())
    }

    /// Whether there is memory for a step of `bodies`.
    fn reserve(&self, bodies: &[u32]) -> Result<(), GpuError> {
        let squads = self.squads.iter().flatten().filter(|squad| !squad.slots.is_empty());
        let troops: u64 = squads.map(|squad| squad.troop.more_bytes(squad.slots.len(), &self.colliders)).sum();
        let coupled = self.coupled.more_bytes(&self.colliders);
        let more = troops + coupled + self.residents.more_bytes(bodies);
        if more > 0 {
            let each = vec![more / bodies.len() as u64; bodies.len()];
            fits(self.kernels.card().free_bytes()?, 0, &each).map_err(GpuError::Memory)?;
        }
        Ok(())
    }

    /// Adds the time that something takes to what the card's bodies cost.
    fn timed<T>(&mut self, work: impl FnOnce(&mut CoupledCrew) -> T) -> T {
        let began = Instant::now();
        let outcome = work(&mut self.coupled);
        self.spent += began.elapsed();
        outcome
    }

    /// Waits for all that the card was given. Where some of it has failed the rest is waited for as well, unless it hangs, which is the worst. What
    /// others read comes first, so that it is known of that.
    fn wait(&mut self) -> Result<(), GpuError> {
        let mut outcome = self.coupled.wait();
        if !hangs(&outcome) {
            let copied = self.deltas.wait();
            self.copying &= copied.is_err();
            outcome = worse(outcome, copied);
        }
        for squad in self.squads.iter_mut().flatten() {
            if !hangs(&outcome) {
                outcome = worse(outcome, squad.troop.wait());
            }
        }
        outcome
    }

    /// Waits until the surfaces that others look at are in the board's halo, in the running interval. Tells whose surfaces rigid bodies may touch.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn show(&mut self) -> Result<BTreeSet<u32>, GpuError> {
        self.timed(CoupledCrew::show)
    }

    /// Gives the card the surfaces that it needs, and has it work out what pairs do.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn contacts(&mut self, interval: u32, surfaces: &Surfaces<'_>, pairs: &[SoftPair]) -> Result<(), GpuError> {
        self.timed(|coupled| coupled.contacts(interval, surfaces, pairs))
    }

    /// Tells the card what rigid bodies do to its bodies, and has it go on to the next interval.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn push_rigids(&mut self, interval: u32, contacts: &[RigidPair]) -> Result<(), GpuError> {
        self.timed(|coupled| coupled.push_rigids(interval, contacts))
    }

    /// Notes which of its pairs may touch in the step, after the first interval's contacts were begun.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn near(&mut self, pairs: &mut [SoftPair]) -> Result<(), GpuError> {
        self.coupled.near(pairs)
    }

    /// Whether the state of a body with which step `step` begins is on the card.
    pub fn has(&self, body: u32, step: u64) -> bool {
        self.residents.has(body, step)
    }

    /// Renews the copies of such bodies in the epoch with this index, each `fresh` if what is there is of no use for comparison. Returns for each
    /// the ranges that have changed.
    ///
    /// # Errors
    /// [`GpuError`]; then any of the copies may have changed.
    pub fn renew(
        &mut self,
        step: u64,
        board: &Board,
        index: u64,
        bodies: &[(u32, bool)],
    ) -> Result<Vec<Vec<(usize, usize)>>, GpuError> {
        let lent = self.copies.of(self.kernels.card(), &board.copy.memory, self.beat.as_ref())?;
        let place = |body: u32| board.copy_of(body, index);
        let renewal = |&(body, fresh): &(u32, bool)| Renewal { body, at: place(body).0, fresh };
        let renewals: Vec<Renewal> = bodies.iter().map(renewal).collect();
        self.copying = true;
        let changed = self.deltas.renew(&self.residents, step, &lent, &renewals)?;
        self.copying = false;
        Ok(bodies.iter().zip(&changed).map(|((body, _), changed)| ranges(changed, place(*body))).collect())
    }

    /// Ends step `step`: the states that the card has written are those of the bodies. Returns the first body that blew up.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are then as they were when the step began, all of them.
    pub fn finish(&mut self, step: u64, orders: &Orders<'_>, slots: &[u32]) -> Result<Option<u32>, GpuError> {
        let began = Instant::now();
        // All are waited for before any state counts: what fails, fails for all.
        self.wait()?;
        let mut ends = Vec::new();
        for squad in self.squads.iter_mut().flatten().filter(|squad| !squad.slots.is_empty()) {
            ends.push((squad.slots.clone(), squad.troop.finish()?));
        }
        let touching = self.coupled.movers().iter().map(|&body| slots[body as usize]).collect();
        ends.push((touching, self.coupled.finish()?));
        let blown = ends.iter().filter_map(|(slots, ended)| note(slots, *ended, orders.own)).min();
        let all: Vec<u32> = ends.into_iter().flat_map(|(slots, _)| slots).collect();
        // What the bodies cost this rank is what it waited for them, not what they cost the card; a large one more than a small one.
        let spent = (self.spent + began.elapsed()).as_nanos() as f64;
        let size = |slot: u32| orders.scene.layout(orders.own[slot as usize].id).nodes as f64;
        let total: f64 = all.iter().map(|&slot| size(slot)).sum();
        for &slot in &all {
            let own = &orders.own[slot as usize];
            own.spend((spent * size(slot) / total) as u64);
            self.residents.ended(own.id, step + 1);
        }
        Ok(blown)
    }
}

fn hangs(outcome: &Result<(), GpuError>) -> bool {
    matches!(outcome, Err(GpuError::Deadline { .. }))
}

fn worse(one: Result<(), GpuError>, other: Result<(), GpuError>) -> Result<(), GpuError> {
    if one.is_ok() || hangs(&other) { other } else { one }
}

/// The words of a copy that have changed, by grain; it begins at `at`.
fn ranges(changed: &[bool], (at, words): (usize, usize)) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    for (grain, _) in changed.iter().enumerate().filter(|(_, changed)| **changed) {
        let first = grain * GRAIN;
        append(&mut ranges, (at + first, GRAIN.min(words - first)));
    }
    ranges
}

/// Notes what bodies have come to. Returns the first that blew up.
fn note(slots: &[u32], ended: Ended<'_>, own: &[Own]) -> Option<u32> {
    assert_eq!(slots.len(), ended.len(), "a step of other bodies");
    let blown = slots.par_iter().enumerate().filter_map(|(body, &slot)| {
        let (own, outcome) = (&own[slot as usize], ended.body(body));
        own.set_reach(outcome.reach);
        (!outcome.finite).then_some(own.id)
    });
    blown.min()
}
