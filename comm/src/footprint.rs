//! What connections take of one rank, from the constants that they are made with. Arithmetic alone: nothing is opened.
//!
//! `cargo run -p rankzero-comm --example footprint` prints it as the tables of `docs/fabrics.md`.

use rdma_sys as sys;

use crate::ladder::connect::scratch_words;
use crate::packets::{Limits, compress::baseline_words};
use crate::shm::pair::RING_WORDS;
use crate::verbs::Options;
use crate::verbs::opened::{PAIRS_A_QUEUE, entries_a_pair};
use crate::verbs::queue_pair::Sizes;

/// Queues of RDMA towards some peers over one rail, on a device without narrower bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Queue pairs.
    pub pairs: u64,
    /// Work requests that all send queues hold.
    pub sends: u64,
    /// Work requests that all receive queues hold; they are posted from the start, without memory.
    pub receives: u64,
    /// Completion queues.
    pub completion_queues: u64,
    /// Entries of all completion queues.
    pub completions: u64,
    /// Bytes in which this process prepares work requests.
    pub prepared_bytes: u64,
}

/// The sizes that a queue pair is asked for with default options, and entries of one completion queue.
pub fn sizes() -> (Sizes, u64) {
    let Options { sends, receives, inline_bytes, .. } = Options::default();
    let sizes = Sizes { sends, receives, inline_bytes };
    (sizes, u64::from(PAIRS_A_QUEUE * entries_a_pair(sizes)))
}

/// Queues towards `peers`.
pub fn queues(peers: u64) -> Queues {
    let (sizes, entries) = sizes();
    let completion_queues = peers.div_ceil(u64::from(PAIRS_A_QUEUE));
    let request = size_of::<sys::ibv_send_wr>() + size_of::<sys::ibv_sge>();
    let sends = peers * u64::from(sizes.sends);
    Queues {
        pairs: peers,
        sends,
        receives: peers * u64::from(sizes.receives),
        completion_queues,
        completions: completion_queues * entries,
        prepared_bytes: sends * request as u64,
    }
}

/// Bytes of the queue of notifications that a rank has for each peer of its node.
pub const fn ring_bytes() -> u64 {
    4 * RING_WORDS as u64
}

/// Bytes of the segment that the ladder keeps for its tests, in a run of `ranks`.
pub const fn scratch_bytes(ranks: u32) -> u64 {
    4 * scratch_words(ranks) as u64
}

/// Most bytes of packets of one packet rung on their way to `peers`.
pub fn window_bytes(peers: u64) -> u64 {
    peers * 4 * Limits::default().window_words
}

/// Most bytes that one packet rung remembers of what went to `peers` and came from them.
pub const fn baseline_bytes(peers: u64) -> u64 {
    peers * 2 * 4 * baseline_words(peers as usize + 1) as u64
}
