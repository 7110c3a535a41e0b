//! What bodies have come to at a step's end. Their states are where the host has them ([`HostStates`](crate::HostStates)).

use rankzero_soft::reach::{REACH_WORDS, Reach};

use crate::step::NEXT_REACH_WORDS;

/// The bodies of a step after it. Many threads may look at it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    reaches: &'a [[u32; NEXT_REACH_WORDS]],
}

/// A body after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Its reach.
    pub reach: Reach,
    /// Whether all of it is finite.
    pub finite: bool,
}

impl<'a> Ended<'a> {
    /// Of nobody.
    pub fn none() -> Self {
        Self { reaches: &[] }
    }

    /// From the words of reaches.
    pub(crate) fn new(words: &'a [u32]) -> Self {
        Self { reaches: words.as_chunks().0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.reaches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.reaches.is_empty()
    }

    /// The body with this number in the step.
    ///
    /// # Panics
    /// If there is none.
    pub fn body(&self, body: usize) -> Outcome {
        let words = &self.reaches[body];
        Outcome { reach: Reach::from_words(&std::array::from_fn(|i| words[i])), finite: words[REACH_WORDS] != 0 }
    }
}
