//! What bodies have come to at a step's end.

use std::ops::Range;

use rankzero_soft::reach::{REACH_WORDS, Reach};

use crate::step::NEXT_REACH_WORDS;

/// The bodies of a step after it. Many threads may look at it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    words: &'a [u32],
    states: &'a [Range<usize>],
    reaches: usize,
}

/// A body after a step.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Its canonical state.
    pub state: &'a [u32],
    /// Its reach.
    pub reach: Reach,
    /// Whether all of it is finite.
    pub finite: bool,
}

impl<'a> Ended<'a> {
    /// Of nobody.
    pub fn none() -> Self {
        Self::new(&[], &[], 0)
    }

    /// From where states and reaches lie in some words.
    pub(crate) fn new(words: &'a [u32], states: &'a [Range<usize>], reaches: usize) -> Self {
        Self { words, states, reaches }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The body with this number in the step.
    ///
    /// # Panics
    /// If there is none.
    pub fn body(&self, body: usize) -> Outcome<'a> {
        let reach = &self.words[self.reaches + body * NEXT_REACH_WORDS..][..NEXT_REACH_WORDS];
        Outcome {
            state: &self.words[self.states[body].clone()],
            reach: Reach::from_words(&std::array::from_fn(|i| reach[i])),
            finite: reach[REACH_WORDS] != 0,
        }
    }
}

/// Where states of so many words each lie from `at` on, those that are to be uploaded first; and how many words these have.
pub(crate) fn lay_out(at: usize, bodies: impl Iterator<Item = (usize, bool)> + Clone) -> (Vec<Range<usize>>, usize) {
    let stale: usize = bodies.clone().filter(|(_, stale)| *stale).map(|(words, _)| words).sum();
    let (mut first, mut rest) = (at, at + stale);
    let place = |(words, stale): (usize, bool)| {
        let next = if stale { &mut first } else { &mut rest };
        *next += words;
        *next - words..*next
    };
    (bodies.map(place).collect(), stale)
}
