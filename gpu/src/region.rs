//! Memory that several lanes work on.

use std::ops::Range;
use std::sync::Arc;

use crate::card::Memory;
use crate::lent::Lent;
use crate::pinned::Pinned;

/// Memory that several lanes work on.
#[derive(Clone, Debug)]
pub enum Region {
    /// The card's.
    Device(Arc<Memory>),
    /// The host's.
    Host(Arc<Pinned>),
    /// Somebody else's.
    Lent(Arc<Lent>),
}

impl Region {
    /// From its first byte to its end, as the card has it.
    pub(crate) fn addresses(&self) -> Range<u64> {
        let (start, words) = match self {
            Region::Device(memory) => (memory.address(), memory.words()),
            Region::Host(pinned) => (pinned.address(), pinned.len()),
            Region::Lent(lent) => (lent.address(), lent.words()),
        };
        start..start + 4 * words as u64
    }
}

impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Region::Device(a), Region::Device(b)) => Arc::ptr_eq(a, b),
            (Region::Host(a), Region::Host(b)) => Arc::ptr_eq(a, b),
            (Region::Lent(a), Region::Lent(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}
