//! States that stay on a card from step to step.
//!
//! The host has all states as well: what a step comes to is brought to it. What stays here need not be given to the card again.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use rankzero_gpu::{Card, GpuError, Lane, Memory, grown};

/// Where a body is between steps, as `Place` of `body.cuh`: addresses in device memory.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Place {
    /// Its canonical state.
    pub from: u64,
    /// Where the state goes at the step's end to be brought to the host.
    pub out: u64,
    /// Where it goes to stay, or 0.
    pub resident: u64,
    /// Its reach, read and written.
    pub reach: u64,
}
const _: () = assert!(size_of::<Place>() == 32);

/// A body's place among those that stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Its address, 0 where it has none.
    pub(crate) address: u64,
    /// Whether the state there is the one that the step begins with.
    pub(crate) current: bool,
}

impl Home {
    /// Whether the state has to be given to the card.
    pub fn is_stale(self) -> bool {
        !self.current
    }

    /// Whether a state of so many words has its home in memory that a lane shares, or none at all.
    pub(crate) fn is_in(self, lane: &Lane, words: usize) -> bool {
        (self.address == 0 && !self.current) || lane.shares(self.address, 4 * words as u64)
    }

    /// The place of a body whose state is brought to the host from `out`, where it lies if it was given.
    pub(crate) fn place(self, out: u64, reach: u64) -> Place {
        Place { from: if self.current { self.address } else { out }, out, resident: self.address, reach }
    }
}

/// The states of bodies, numbered, that stay on a card.
#[derive(Debug)]
pub struct Residents {
    card: Arc<Card>,
    memory: Arc<Memory>,
    /// By body: the word at which it begins.
    places: Vec<Option<usize>>,
    /// By body: the step whose start the state belongs to.
    steps: Vec<Option<u64>>,
    end: usize,
}

impl Residents {
    /// None yet, of so many bodies.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, bodies: usize) -> Result<Self, GpuError> {
        let memory = Arc::new(Memory::new(card, 0)?);
        Ok(Self { card: card.clone(), memory, places: vec![None; bodies], steps: vec![None; bodies], end: 0 })
    }

    /// Makes room for bodies with so many words each. Nothing may be going on on the card.
    ///
    /// # Errors
    /// [`GpuError::Driver`]; then nobody has a home.
    pub fn admit(&mut self, bodies: impl Iterator<Item = (u32, usize)> + Clone) -> Result<(), GpuError> {
        if self.needs_room(bodies.clone()) {
            // Who has left makes room for others.
            self.forget();
            self.places.fill(None);
            self.end = 0;
            let words = bodies.clone().map(|(_, words)| words).sum();
            if words > self.memory.words() {
                self.memory = Arc::new(Memory::new(&self.card, grown(words))?);
            }
        }
        for (body, words) in bodies {
            if self.places[body as usize].is_none() {
                self.places[body as usize] = Some(self.end);
                self.end += words;
            }
        }
        Ok(())
    }

    /// Bytes of device memory that have to be reserved before bodies that need so many words are admitted.
    pub fn more_bytes(&self, bodies: impl Iterator<Item = (u32, usize)> + Clone) -> u64 {
        let words: usize = bodies.clone().map(|(_, words)| words).sum();
        let grows = self.needs_room(bodies) && words > self.memory.words();
        if grows { 4 * grown(words) as u64 } else { 0 }
    }

    fn needs_room(&self, bodies: impl Iterator<Item = (u32, usize)>) -> bool {
        let homeless = bodies.filter(|(body, _)| self.places[*body as usize].is_none());
        self.end + homeless.map(|(_, words)| words).sum::<usize>() > self.memory.words()
    }

    /// The home of a body at the start of a step, which is about to be taken: what is there is not relied on again before
    /// [`Residents::ended`].
    pub fn take(&mut self, body: u32, step: u64) -> Home {
        let Some(place) = self.places[body as usize] else { return Home::default() };
        let current = self.steps[body as usize].take() == Some(step);
        Home { address: self.memory.address() + 4 * place as u64, current }
    }

    /// Notes that a body's state is the one with which a step begins.
    pub fn ended(&mut self, body: u32, step: u64) {
        self.steps[body as usize] = Some(step);
    }

    /// Forgets all states, whose bodies have become others.
    pub fn forget(&mut self) {
        self.steps.fill(None);
    }

    /// Where they are.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}
