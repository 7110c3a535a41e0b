//! Canonical states of the bodies: in a segment of the board, or, once a card has computed a body, where the card has written it.
//!
//! Peers write into the segment alone, and a card never does: what a card that hangs may still write is nothing that anybody reads. What a
//! card has written counts only for bodies of this rank.

use std::sync::Arc;

use rankzero_comm::SegmentId;
use rankzero_gpu_solver::HostStates;

use super::board::Part;

/// The states of this rank's bodies, with room for those of all.
#[derive(Debug)]
pub struct States {
    segment: Part,
    /// By body: the word at which it begins in the segment, and where the last one ends.
    starts: Vec<usize>,
    /// What a card has computed.
    of_card: Option<Arc<HostStates>>,
}

impl States {
    /// In a segment, where bodies begin at `starts`, and the last one ends.
    pub fn new(segment: Part, starts: Vec<usize>) -> Self {
        Self { segment, starts, of_card: None }
    }

    /// The segment.
    pub fn segment(&self) -> SegmentId {
        self.segment.id
    }

    /// Where the state of a body is in the segment, and its length.
    pub fn range_of(&self, body: u32) -> (usize, usize) {
        let body = body as usize;
        (self.starts[body], self.starts[body + 1] - self.starts[body])
    }

    /// Words of all states.
    pub fn words(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Copies the state of a body into `out`.
    pub fn load(&self, body: u32, out: &mut Vec<u32>) {
        let (at, words) = self.range_of(body);
        out.resize(words, 0);
        match self.with_card(body) {
            Some(card) => card.load(body, out),
            None => self.segment.memory.load(at, out),
        }
    }

    /// Copies the state of a body from `words`.
    pub fn store(&self, body: u32, words: &[u32]) {
        self.segment.memory.store(self.range_of(body).0, words);
        self.forget_card(body);
    }

    /// The state in the segment is that of the body, or will be.
    pub fn forget_card(&self, body: u32) {
        if let Some(card) = self.with_card(body) {
            card.forget(body);
        }
    }

    /// Brings the state of a body into the segment.
    pub fn bring_home(&self, body: u32) {
        if self.with_card(body).is_some() {
            let mut words = Vec::new();
            self.load(body, &mut words);
            self.store(body, &words);
        }
    }

    /// From now on a card writes the states that it comes to into this memory.
    ///
    /// # Panics
    /// If there is a card already.
    pub fn use_card(&mut self, states: Arc<HostStates>) {
        assert!(self.of_card.is_none(), "a second card");
        self.of_card = Some(states);
    }

    /// Gives the state of a body to the card, unless the card has it.
    pub fn give(&self, body: u32) {
        if let Some(card) = self.of_card.as_ref().filter(|card| !card.holds(body)) {
            let mut words = Vec::new();
            self.load(body, &mut words);
            card.store(body, &words);
        }
    }

    /// No card is used any more; all states of `bodies` are brought home.
    pub fn leave_card(&mut self, bodies: impl Iterator<Item = u32>) {
        bodies.for_each(|body| self.bring_home(body));
        self.of_card = None;
    }

    fn with_card(&self, body: u32) -> Option<&HostStates> {
        self.of_card.as_deref().filter(|card| card.holds(body))
    }
}
