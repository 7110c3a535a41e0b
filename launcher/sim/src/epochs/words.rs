//! What ranks of a run send to each other.

use rankzero_comm::Rank;
use rankzero_comm::member::{Message, Term};
use rankzero_epoch::{Batch, Inventory, Plan};

/// What a notification announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Header and states at the start of a step.
    Reach,
    /// The state of batches that move.
    State,
    /// Hashes of own batches.
    Digest,
    /// Copies of an epoch.
    Epoch,
    /// The marker of a view.
    View,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A remote write: a piece of one, and with the last piece the notification.
#[derive(Clone, Debug)]
pub struct Data {
    /// Words and where they go.
    pub writes: Vec<(usize, Vec<u64>)>,
    /// Behind the last piece.
    pub note: Option<(Kind, u64)>,
    /// The put that it completes.
    pub put: u64,
}

/// What is restored.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Epoch and owners.
    pub plan: Plan,
    /// The step of the checkpoint, where no epoch in memory is whole.
    pub checkpoint: Option<u64>,
}

/// What computing threads say beside the steps.
#[derive(Clone, Debug)]
pub enum What {
    /// What a rank holds.
    Inventory(Inventory),
    /// What is restored.
    Plan(Recovery),
    /// A rank has done all steps.
    Figures,
    /// A part of a checkpoint is written, or not.
    Part(u64, bool),
    /// The run has ended.
    Done,
}

/// A word, for the view of its term alone.
#[derive(Clone, Debug)]
pub struct Word {
    /// The view's.
    pub term: Term,
    /// What is said.
    pub what: What,
}

/// All that goes over a connection.
#[derive(Clone, Debug)]
pub enum RunMessage {
    /// Of the membership.
    Member(Message),
    /// A piece of a write, numbered.
    Data(u64, Data),
    /// Mail, numbered.
    Mail(u64, Word),
    /// So many pieces have come.
    DataAck(u64),
    /// So much mail has come.
    MailAck(u64),
    /// A connection is new: so much of both has come by the old ones.
    Resume {
        /// Pieces.
        data: u64,
        /// Mail.
        mail: u64,
    },
}

/// The master's word on a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The state after the step is an epoch.
    pub epoch: bool,
    /// That also goes to disk.
    pub checkpoint: bool,
    /// The index of the newest committed epoch.
    pub committed: u32,
    /// A batch to be moved after the step.
    pub moved: Option<(Batch, Rank)>,
}

/// Words of a header.
pub const HEADER_WORDS: usize = 4;

/// A header.
pub fn encode(replicated: u32, decision: Option<Decision>) -> [u64; HEADER_WORDS] {
    let decision = decision.unwrap_or_default();
    let flags = u64::from(decision.epoch) | u64::from(decision.checkpoint) << 1;
    let moved = decision.moved.map_or(0, |(batch, to)| 1 << 63 | u64::from(batch) << 32 | u64::from(to.0));
    [u64::from(replicated), flags, u64::from(decision.committed), moved]
}

/// What a header says.
pub fn decode(words: &[u64]) -> (u32, Decision) {
    let moved = words[3];
    let decision = Decision {
        epoch: words[1] & 1 != 0,
        checkpoint: words[1] & 2 != 0,
        committed: words[2] as u32,
        moved: (moved >> 63 != 0).then_some(((moved >> 32) as u32 & 0x7fff_ffff, Rank(moved as u32))),
    };
    (words[0] as u32, decision)
}
