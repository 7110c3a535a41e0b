//! The board: what ranks write to one another, and where.
//!
//! Six segments, laid out by body id and rank alone, so that every rank computes the same offsets and a write goes to the
//! offset that it came from:
//!
//! | segment | holds | doubled by |
//! |---|---|---|
//! | state  | the canonical state of each body, valid where the body is owned, but for what a card has ([`States`]) | |
//! | reach  | per rank a header, per body its reach and cost | step parity |
//! | halo   | per body its surface | exchange parity |
//! | wrench | per rank a list of what soft bodies do to rigid ones | exchange parity |
//! | digest | per body the hash of its state | epoch parity |
//! | copy   | per body the state at an epoch | epoch parity |
//!
//! Pages that nobody touches cost nothing, so a rank pays for what it owns and what it meets, unless RDMA or a card has them locked.

use std::sync::Arc;

use rankzero_comm::{CommError, Fabric, Rank, Segment, SegmentId};
use rankzero_soft::reach::REACH_WORDS;

use super::states::States;
use crate::scene::Scene;

/// Words of a rank's header in the reach segment.
pub const HEADER_WORDS: usize = 64;
/// Words of a body in the reach segment: its [`Reach`](rankzero_soft::reach::Reach), then what its last step cost, µs.
pub const ENTRY_WORDS: usize = REACH_WORDS + 1;
/// Words of a wrench: rigid, body, impulse, angular impulse.
pub const WRENCH_WORDS: usize = 8;
/// Words of a digest.
pub const DIGEST_WORDS: usize = 8;
/// No run may have more contacts of rigid with soft bodies than this, evenly spread over its ranks.
pub const WRENCHES_MAX: usize = 1 << 20;
/// But a rank may always have so many.
pub const WRENCHES_OF_A_RANK: usize = 1 << 14;

/// What a notification announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Header and reaches of a step.
    Reach = 0,
    /// Surfaces of an exchange.
    Halo = 1,
    /// Wrenches of an exchange.
    Wrench = 2,
    /// States of moved bodies.
    State = 3,
    /// Hashes of states.
    Digest = 4,
    /// Copies of an epoch.
    Epoch = 5,
    /// Nothing older than this view follows.
    View = 6,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// The name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Reach => "bounds",
            Kind::Halo => "halo",
            Kind::Wrench => "rigid contacts",
            Kind::State => "moved bodies",
            Kind::Digest => "digests",
            Kind::Epoch => "copies",
            Kind::View => "word that it has entered the view",
        }
    }
}

/// A notification: kind in the upper 4 bits, a sequence number modulo 2²⁸ below.
pub fn notification(kind: Kind, sequence: u64) -> u32 {
    (kind as u32) << 28 | (sequence & 0x0fff_ffff) as u32
}

/// The kind's index and the sequence number of a notification.
pub fn parse(notification: u32) -> (usize, u32) {
    ((notification >> 28) as usize, notification & 0x0fff_ffff)
}

/// A registered segment.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its memory.
    pub memory: Arc<Segment>,
    /// Its id in the fabric.
    pub id: SegmentId,
}

/// The segments and their layout.
#[derive(Debug)]
pub struct Board {
    /// Canonical states.
    pub states: States,
    /// Headers and reaches.
    pub reach: Part,
    /// Surfaces.
    pub halo: Part,
    /// Wrenches.
    pub wrench: Part,
    /// Hashes, of odd and even epochs.
    pub digest: Part,
    /// Copies of states, of odd and even epochs: of this rank's bodies and of those that it keeps for others.
    pub copy: Part,
    halo_at: Vec<usize>,
    ranks: usize,
    bodies: usize,
    wrench_room: usize,
}

impl Board {
    /// Lays the board out for a scene and registers it.
    ///
    /// # Errors
    /// [`CommError`] where memory or registration is refused.
    pub fn new(scene: &Scene, fabric: &mut impl Fabric) -> Result<Self, CommError> {
        let starts = |words: &dyn Fn(u32) -> usize| -> Vec<usize> {
            let mut at = vec![0];
            for body in 0..scene.bodies.len() as u32 {
                at.push(at[at.len() - 1] + words(body));
            }
            at
        };
        let state_at = starts(&|b| scene.layout(b).words());
        let halo_at = starts(&|b| scene.layout(b).halo_words());
        let (ranks, bodies) = (fabric.size() as usize, scene.bodies.len());
        // RDMA locks whole segments into memory, so what grows with the ranks is kept small.
        let room = (WRENCHES_MAX / ranks).max(WRENCHES_OF_A_RANK);
        let wrench_room = (scene.rigids.len() * bodies).min(room);
        let mut part = |words: usize| -> Result<Part, CommError> {
            let memory = Segment::new(words.max(1))?;
            let id = fabric.register(memory.clone())?;
            Ok(Part { memory, id })
        };
        Ok(Self {
            // Address space alone, until it is written.
            copy: part(2 * state_at[bodies])?,
            states: States::new(part(state_at[bodies])?, state_at),
            reach: part(2 * (ranks * HEADER_WORDS + bodies * ENTRY_WORDS))?,
            halo: part(2 * halo_at[bodies])?,
            wrench: part(2 * ranks * (1 + wrench_room * WRENCH_WORDS))?,
            digest: part(2 * bodies * DIGEST_WORDS)?,
            halo_at,
            ranks,
            bodies,
            wrench_room,
        })
    }

    /// Where the surface of a body in exchange `exchange` is, and its length.
    pub fn halo_of(&self, body: u32, exchange: u64) -> (usize, usize) {
        let (at, len) = run(&self.halo_at, body);
        (at + parity(exchange) * self.halo_at[self.bodies], len)
    }

    /// Where the header of a rank in a step is.
    pub fn header_of(&self, rank: Rank, step: u64) -> usize {
        self.reach_half(step) + rank.index() * HEADER_WORDS
    }

    /// Where the reach of a body in a step is.
    pub fn reach_of(&self, body: u32, step: u64) -> usize {
        self.reach_half(step) + self.ranks * HEADER_WORDS + body as usize * ENTRY_WORDS
    }

    /// Where the wrenches of a rank in an exchange are: a count, then the entries.
    pub fn wrenches_of(&self, rank: Rank, exchange: u64) -> usize {
        (parity(exchange) * self.ranks + rank.index()) * (1 + self.wrench_room * WRENCH_WORDS)
    }

    /// How many wrenches a rank may have.
    pub fn wrench_room(&self) -> usize {
        self.wrench_room
    }

    /// Where the digest of a body in the epoch with this index is.
    pub fn digest_of(&self, body: u32, index: u64) -> usize {
        (parity(index) * self.bodies + body as usize) * DIGEST_WORDS
    }

    /// Where the copy of a body in the epoch with this index is, and its length.
    pub fn copy_of(&self, body: u32, index: u64) -> (usize, usize) {
        let (at, words) = self.states.range_of(body);
        (at + parity(index) * self.states.words(), words)
    }

    fn reach_half(&self, step: u64) -> usize {
        parity(step) * (self.ranks * HEADER_WORDS + self.bodies * ENTRY_WORDS)
    }
}

fn parity(count: u64) -> usize {
    (count & 1) as usize
}

fn run(starts: &[usize], body: u32) -> (usize, usize) {
    let b = body as usize;
    (starts[b], starts[b + 1] - starts[b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_carry_kind_and_sequence() {
        assert_eq!(parse(notification(Kind::Wrench, (1 << 28) + 5)), (Kind::Wrench as usize, 5));
        assert_eq!(parse(notification(Kind::Reach, 7)), (0, 7));
    }
}
