//! Whole ladders in one thread: everything that a network, the time and a user may decide is decided by one list of choices,
//! so that a run is repeated exactly by its seed.
//!
//! - `net`: what lies between the ranks, and its faults;
//! - `direct`: rungs that write into the peer's memory by themselves; `packet`: rungs that move packets and messages;
//! - `member`: a rank that writes and checks what comes; `world`: all of them, and what happens to them; `latecomers`: those that come
//!   in the middle.

// Each user of this module needs another part of it.
#![allow(dead_code, unused_imports)]

mod direct;
mod latecomers;
mod member;
mod net;
mod packet;
mod world;

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub use member::Member;
pub use world::{Outcome, RUNGS, Setup, World};

/// Where choices come from: a list, and behind its end a generator of pseudo-random numbers (xorshift).
#[derive(Debug)]
pub struct Choices {
    list: VecDeque<u8>,
    state: u64,
}

impl Choices {
    pub fn seed(seed: u64) -> Choices {
        Choices::list(&[], seed)
    }

    pub fn list(bytes: &[u8], seed: u64) -> Choices {
        // Neighbouring seeds must not give runs that begin alike; zero would stay zero.
        let state = (seed ^ 0x2545_f491_4f6c_dd1d).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Choices { list: bytes.iter().copied().collect(), state }
    }

    /// A number below `limit`. Zero is what a healthy network does.
    pub fn below(&mut self, limit: u64) -> u64 {
        let state = &mut self.state;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let byte = self.list.pop_front().map(u64::from);
        byte.filter(|_| limit <= 256).unwrap_or(*state >> 16) % limit
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == count - 1
    }
}

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The time of the simulation on this thread.
pub fn now() -> Instant {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGIN + ELAPSED.get()
}

fn pass(time: Duration) {
    ELAPSED.set(ELAPSED.get() + time);
}
