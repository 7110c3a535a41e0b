//! States that stay on a card from step to step.
//!
//! The host has all states as well ([`HostStates`]): the card writes there what a step comes to. What stays need not be read from there again.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use rankzero_gpu::{Card, GpuError, Lane, Memory, Region, grown};

use crate::host::HostStates;

/// Where a body is between steps, as `Place` of `body.cuh`: addresses as the card has them.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Place {
    /// Its canonical state.
    pub from: u64,
    /// Where the state goes at the step's end for the host.
    pub out: u64,
    /// Where it goes to stay on the card, or 0.
    pub resident: u64,
    /// Its reach, read and written.
    pub reach: u64,
}
const _: () = assert!(size_of::<Place>() == 32);

/// Where a body's state is in a step: on the card and with the host. The default is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Its address on the card, 0 where it has none.
    address: u64,
    /// Whether the state there is the one that the step begins with.
    current: bool,
    /// The host's places: of the state that the step begins with, and of the one that it comes to.
    from: u64,
    to: u64,
}

impl Home {
    /// Whether the card has to read the state from the host.
    pub fn is_stale(self) -> bool {
        !self.current
    }

    /// Whether a state of so many words is in memory that a lane shares.
    pub(crate) fn is_in(self, lane: &Lane, words: usize) -> bool {
        let shared = |address: u64| lane.shares(address, 4 * words as u64);
        let at_home = if self.address == 0 { !self.current } else { shared(self.address) };
        at_home && shared(self.from) && shared(self.to)
    }

    pub(crate) fn place(self, reach: u64) -> Place {
        let from = if self.current { self.address } else { self.from };
        Place { from, out: self.to, resident: self.address, reach }
    }
}

/// The states of bodies, numbered, that stay on a card.
#[derive(Debug)]
pub struct Residents {
    card: Arc<Card>,
    memory: Arc<Memory>,
    host: Arc<HostStates>,
    /// By body: the word at which it begins.
    places: Vec<Option<usize>>,
    /// By body: the step whose start the state belongs to.
    steps: Vec<Option<u64>>,
    end: usize,
}

impl Residents {
    /// None yet of the host's.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, host: &Arc<HostStates>) -> Result<Self, GpuError> {
        let memory = Arc::new(Memory::new(card, 0)?);
        let (places, steps) = (vec![None; host.len()], vec![None; host.len()]);
        Ok(Self { card: card.clone(), memory, host: host.clone(), places, steps, end: 0 })
    }

    /// These, which a card has to read from the host in their first step and which stay with it then.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn of_states(card: &Arc<Card>, states: &[Vec<u32>]) -> Result<Self, GpuError> {
        let host = HostStates::new(card, states.iter().map(Vec::len))?;
        states.iter().zip(0..).for_each(|(state, body)| host.store(body, state));
        let mut residents = Self::new(card, &Arc::new(host))?;
        residents.admit(&(0..states.len() as u32).collect::<Vec<_>>())?;
        Ok(residents)
    }

    /// The host's memory of them.
    pub fn host(&self) -> &Arc<HostStates> {
        &self.host
    }

    /// Makes room for bodies. Nothing may be going on on the card.
    ///
    /// # Errors
    /// [`GpuError::Driver`]; then nobody has a home.
    pub fn admit(&mut self, bodies: &[u32]) -> Result<(), GpuError> {
        if self.needs_room(bodies) {
            // Who has left makes room for others.
            self.forget();
            self.places.fill(None);
            self.end = 0;
            let words = self.words_of(bodies);
            if words > self.memory.words() {
                self.memory = Arc::new(Memory::new(&self.card, grown(words))?);
            }
        }
        for &body in bodies {
            if self.places[body as usize].is_none() {
                self.places[body as usize] = Some(self.end);
                self.end += self.host.words_of(body);
            }
        }
        Ok(())
    }

    /// Bytes of device memory that have to be reserved before bodies are admitted.
    pub fn more_bytes(&self, bodies: &[u32]) -> u64 {
        let words = self.words_of(bodies);
        let grows = self.needs_room(bodies) && words > self.memory.words();
        if grows { 4 * grown(words) as u64 } else { 0 }
    }

    fn needs_room(&self, bodies: &[u32]) -> bool {
        let homeless = bodies.iter().filter(|body| self.places[**body as usize].is_none());
        self.end + homeless.map(|&body| self.host.words_of(body)).sum::<usize>() > self.memory.words()
    }

    fn words_of(&self, bodies: &[u32]) -> usize {
        bodies.iter().map(|&body| self.host.words_of(body)).sum()
    }

    /// The home of a body at the start of a step, which is about to be taken: what is on the card is not relied on again before
    /// [`Residents::ended`].
    ///
    /// # Panics
    /// If the host does not hold its state.
    pub fn take(&mut self, body: u32, step: u64) -> Home {
        let (from, to) = self.host.places(body);
        let current = self.steps[body as usize].take() == Some(step);
        match self.places[body as usize] {
            Some(place) => Home { address: self.memory.address() + 4 * place as u64, current, from, to },
            None => Home { address: 0, current: false, from, to },
        }
    }

    /// A step of a body has ended: its state is the one with which this step begins.
    pub fn ended(&mut self, body: u32, step: u64) {
        self.host.turn(body);
        self.steps[body as usize] = Some(step);
    }

    /// Whether the state with which a step begins is on the card.
    pub fn has(&self, body: u32, step: u64) -> bool {
        self.steps[body as usize] == Some(step) && self.places[body as usize].is_some()
    }

    /// The address of that state.
    ///
    /// # Panics
    /// If it is not on the card.
    pub(crate) fn address(&self, body: u32, step: u64) -> u64 {
        assert!(self.has(body, step), "the state of body {body} is not on the card");
        self.memory.address() + 4 * self.places[body as usize].map_or(0, |place| place as u64)
    }

    /// Forgets all states, whose bodies have become others.
    pub fn forget(&mut self) {
        self.steps.fill(None);
    }

    /// The memory in which they and the host's are.
    pub(crate) fn regions(&self) -> [Region; 2] {
        [Region::Device(self.memory.clone()), Region::Host(self.host.pinned().clone())]
    }
}
