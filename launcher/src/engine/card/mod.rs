//! The bodies of this rank that a GPU computes: those that are free in a step, and those that touch no dynamic rigid body.
//!
//! They are given to the card when a step begins and taken back at its end; meanwhile the processor computes the others. Their states
//! stay on the board, so that a card which fails is done without: the processor takes the same step.
//!
//! **Invariant:** a card is used only after it has taken a step of each of its forms with the bits of the processor, a body by itself and two
//! that touch.

pub mod coupled;
mod proof;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_gpu::GpuError;
use rankzero_gpu::budget::fits;
use rankzero_gpu_solver::{Colliders, Kernels, Troop};
use rankzero_soft::collider::Collider;
use rankzero_soft::reach::Reach;

use super::contacts::{Contacts, Remote, SoftPair, Surfaces};
use super::crew::Orders;
use super::own::{Own, Part};
use crate::scene::Scene;
use coupled::CoupledCrew;

/// Why a card does not compute.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The card, its driver or its compiler.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// It gives other results than the processor.
    #[error(
        "{device} computes a step of form {form} with other bits than the processor, so it is not used; please report it, with the \
         versions of driver and NVRTC (rankzero doctor)"
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
    colliders: Colliders,
    /// Whether it has been said that a collider keeps bodies from the card.
    told: bool,
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
            if !(proof::alone(&mut troop, scene, body as u32)? && proof::together(&kernels, scene, body as u32)?) {
                return Err(CardError::Differs { device: kernels.card().device().to_string(), form: index });
            }
            squads.push(Some(Squad { troop, slots: Vec::new() }));
        }
        let coupled = CoupledCrew::new(&kernels, scene)?;
        Ok(Self { kernels, squads, coupled, colliders: Colliders::default(), told: false, spent: Duration::ZERO })
    }

    /// The bodies that touch others.
    pub fn coupled(&self) -> &CoupledCrew {
        &self.coupled
    }

    /// The device, for people.
    pub fn name(&self) -> &str {
        &self.kernels.card().device().name
    }

    /// Takes the bodies that it computes in this step.
    pub fn claim(
        &mut self,
        own: &mut [Own],
        slots: &[u32],
        contacts: &mut Contacts,
        reaches: &[Reach],
        colliders: &[Collider],
    ) {
        self.squads.iter_mut().flatten().for_each(|squad| squad.slots.clear());
        self.coupled.clear();
        if let Err(unsupported) = self.colliders.set(colliders) {
            if !self.told {
                tracing::info!("{unsupported}");
                self.told = true;
            }
            return;
        }
        for (slot, own) in own.iter_mut().enumerate().filter(|(_, own)| own.part == Part::Free) {
            if let Some(squad) = &mut self.squads[own.form as usize] {
                own.part = Part::OnCard;
                squad.slots.push(slot as u32);
            }
        }
        self.coupled.claim(own, slots, contacts, reaches);
    }

    /// Begins the step of the bodies that were claimed; the card computes while this returns.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were.
    pub fn start(&mut self, orders: &Orders<'_>) -> Result<(), GpuError> {
        let began = Instant::now();
        let card = self.kernels.card();
        for squad in self.squads.iter_mut().flatten().filter(|squad| !squad.slots.is_empty()) {
            let more = squad.troop.more_bytes(squad.slots.len(), self.colliders.len());
            if more > 0 {
                fits(card.free_bytes()?, 0, &vec![more / squad.slots.len() as u64; squad.slots.len()])
                    .map_err(GpuError::Memory)?;
            }
            let slots = &squad.slots;
            let give = |body: usize, words: &mut [u32]| {
                let id = orders.own[slots[body] as usize].id;
                orders.board.state.memory.load(orders.board.state_of(id).0, words);
                orders.reaches[id as usize]
            };
            squad.troop.start(&orders.scene.rule, &self.colliders, slots.len(), give)?;
        }
        self.coupled.start(&self.colliders, orders, &self.kernels)?;
        self.spent = began.elapsed();
        Ok(())
    }

    /// Takes the surfaces that others look at, in the running interval; `first` in a step's first. `update` works out what contact needs.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn show(
        &mut self,
        first: bool,
        surfaces: &mut BTreeMap<u32, Remote>,
        update: impl FnMut(u32, &mut Remote),
    ) -> Result<(), GpuError> {
        let began = Instant::now();
        let outcome = self.coupled.show(first, surfaces, update);
        self.spent += began.elapsed();
        outcome
    }

    /// Gives the card the surfaces that it needs, has it resolve the interval's contacts, and go on to the next ones.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn contacts(&mut self, interval: u32, surfaces: &Surfaces<'_>, pairs: &[SoftPair]) -> Result<(), GpuError> {
        let began = Instant::now();
        let outcome = self.coupled.contacts(interval, surfaces, pairs);
        self.spent += began.elapsed();
        outcome
    }

    /// Notes which of its pairs may touch in the step, after the first interval's contacts were begun.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are as they were when the step began.
    pub fn near(&mut self, pairs: &mut [SoftPair]) -> Result<(), GpuError> {
        self.coupled.near(pairs)
    }

    /// Ends the step: the states go to the board. Returns the first body that blew up.
    ///
    /// # Errors
    /// [`GpuError`]; the bodies are then as they were when the step began, all of them.
    pub fn finish(&mut self, orders: &Orders<'_>, slots: &[u32]) -> Result<Option<u32>, GpuError> {
        let began = Instant::now();
        // All are waited for before any state is taken: what fails, fails for all.
        self.squads.iter_mut().flatten().try_for_each(|squad| squad.troop.wait())?;
        self.coupled.wait()?;
        let mut blown = self.coupled.finish(orders, slots)?;
        for squad in self.squads.iter_mut().flatten() {
            let slots = &squad.slots;
            squad.troop.finish(|body, state, reach, finite| {
                let own = &orders.own[slots[body] as usize];
                orders.board.store_state(own.id, state);
                own.set_reach(reach);
                if !finite {
                    blown = Some(blown.map_or(own.id, |first: u32| first.min(own.id)));
                }
            })?;
        }
        // What the bodies cost this rank is what it waited for them, not what they cost the card.
        let spent = (self.spent + began.elapsed()).as_nanos() as u64;
        let free = self.squads.iter().flatten().flat_map(|squad| squad.slots.iter().copied());
        let touching = self.coupled.movers().iter().map(|&body| slots[body as usize]);
        let all: Vec<u32> = free.chain(touching).collect();
        for &slot in &all {
            orders.own[slot as usize].spend(spent / all.len() as u64);
        }
        Ok(blown)
    }
}
