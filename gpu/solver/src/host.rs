//! The host's memory of states that a card computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use rankzero_gpu::{Card, GpuError, Pinned};

/// The states of bodies, numbered, in host memory that a card reads and writes by itself.
///
/// Each body has two places. A step reads the state in one and writes the other, so nothing is copied, and what the step began with is there
/// until the next one begins.
#[derive(Debug)]
pub struct HostStates {
    pinned: Arc<Pinned>,
    /// By body: the word at which it begins in either half; then the words of a half.
    starts: Vec<usize>,
    /// By body: how many words its state has.
    words: Vec<usize>,
    /// By body: where its newest state is.
    newest: Vec<AtomicU8>,
}

/// Words that a card writes at once: places begin at such, so that none are written in two halves.
const LINE: usize = 32;
const NOWHERE: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;

impl HostStates {
    /// Room for bodies with so many words each.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, words: impl IntoIterator<Item = usize>) -> Result<Self, GpuError> {
        let mut starts = vec![0];
        let words: Vec<usize> = words.into_iter().collect();
        starts.extend(words.iter().scan(0, |end, words| {
            *end += words.next_multiple_of(LINE);
            Some(*end)
        }));
        let bodies = words.len();
        let pinned = Arc::new(Pinned::new(card, 2 * starts[bodies])?);
        Ok(Self { pinned, starts, words, newest: (0..bodies).map(|_| AtomicU8::new(NOWHERE)).collect() })
    }

    /// How many bodies it has room for.
    pub fn len(&self) -> usize {
        self.newest.len()
    }

    /// Whether it has room for none.
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// Words of a body's state.
    pub fn words_of(&self, body: u32) -> usize {
        self.words[body as usize]
    }

    /// Whether a body's state is here.
    pub fn holds(&self, body: u32) -> bool {
        self.newest(body) != NOWHERE
    }

    /// Takes the state of a body. No step of it may be under way.
    ///
    /// # Panics
    /// If it is not as long as the body's states are.
    pub fn store(&self, body: u32, state: &[u32]) {
        let words = self.words(body, FIRST);
        assert_eq!(words.len(), state.len(), "a state of another length");
        words.iter().zip(state).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
        self.newest[body as usize].store(FIRST, Ordering::Relaxed);
    }

    /// Copies the newest state of a body.
    ///
    /// # Panics
    /// If none is here, or `state` is not as long.
    pub fn load(&self, body: u32, state: &mut [u32]) {
        assert!(self.holds(body), "the state of body {body} is not here");
        let words = self.words(body, self.newest(body));
        assert_eq!(words.len(), state.len(), "a state of another length");
        state.iter_mut().zip(words).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
    }

    /// Has the state of a body here no longer.
    pub fn forget(&self, body: u32) {
        self.newest[body as usize].store(NOWHERE, Ordering::Relaxed);
    }

    /// The addresses, for the card, of a body's newest state and of where its next one goes.
    ///
    /// # Panics
    /// If none is here.
    pub(crate) fn places(&self, body: u32) -> (u64, u64) {
        assert!(self.holds(body), "the state of body {body} was not given");
        let at = |half: u8| self.pinned.address() + 4 * self.start(body, half) as u64;
        let newest = self.newest(body);
        (at(newest), at(FIRST + SECOND - newest))
    }

    /// A step of a body has ended: its newest state is the other one.
    pub(crate) fn turn(&self, body: u32) {
        let newest = self.newest(body);
        assert!(newest != NOWHERE, "a step of nobody");
        self.newest[body as usize].store(FIRST + SECOND - newest, Ordering::Relaxed);
    }

    pub(crate) fn pinned(&self) -> &Arc<Pinned> {
        &self.pinned
    }

    fn newest(&self, body: u32) -> u8 {
        self.newest[body as usize].load(Ordering::Relaxed)
    }

    fn start(&self, body: u32, half: u8) -> usize {
        let first = self.starts[body as usize];
        if half == SECOND { self.starts[self.newest.len()] + first } else { first }
    }

    fn words(&self, body: u32, half: u8) -> &[AtomicU32] {
        &self.pinned.words()[self.start(body, half)..][..self.words_of(body)]
    }
}
