//! Epochs: which rank holds which copy of which batch, when an epoch is committed, and what is restored after a loss.
//!
//! An **epoch** is a step at whose end the state of every batch is copied: by its owner for itself, and into the memory of the owner's
//! **buddies**. Copies lie in two halves that are used in turns, so that a copy which is being overwritten is never the only one.
//! Everything here is bookkeeping without I/O: the words are moved by who calls it.
//!
//! - [`buddies`]: who keeps copies for whom;
//! - [`Shelf`]: what one rank holds, in both halves;
//! - [`Ledger`]: the master's side: what is under way, what is committed;
//! - [`Bases`]: what the buddies hold already, so that only differences are sent;
//! - [`plan`]: from everybody's [`Inventory`] to what is restored, and who owns what afterwards.
//!
//! Invariants:
//! - **X-1** At most one epoch is under way. The next one begins only after the commit of the one before was announced *in an earlier
//!   step*: so everybody has put the older copy out of its books before anybody writes over it.
//! - **X-2** A copy is in the books only while nobody may be writing to it, and from the moment on at which it is whole.
//! - **X-3** An epoch is committed once every owner's words are in place at all of its buddies; until then the one before is kept.
//! - **X-4** What is restored is the newest epoch of which the members hold every batch whole; it need not have been committed.

#![forbid(unsafe_code)]

mod bases;
mod buddies;
mod ledger;
mod plan;
mod shelf;

use serde::{Deserialize, Serialize};

pub use bases::Bases;
pub use buddies::buddies;
pub use ledger::Ledger;
pub use plan::{Lost, Plan, plan};
pub use shelf::{Inventory, Shelf};

/// The number of a batch.
pub type Batch = u32;

/// A state of the whole simulation that is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts the epochs of a lineage: one more than that of the epoch before.
    pub index: u32,
    /// Steps done.
    pub step: u64,
}

impl Epoch {
    /// The initial state, of which nobody needs a copy: the job says it.
    pub const START: Epoch = Epoch { index: 0, step: 0 };

    /// The epoch after this one, at the end of `step` steps.
    pub fn next(self, step: u64) -> Epoch {
        Epoch { index: self.index + 1, step }
    }

    /// The half that its copies lie in.
    pub fn half(self) -> usize {
        (self.index & 1) as usize
    }
}
