//! How a rank waits for its peers when the library offers no way to block: spin, then yield, then sleep.
//!
//! Spinning answers within a microsecond but takes the core that a peer on the same machine may need to answer at all;
//! so the spin is short, the yields let a runnable peer go first, and a long wait costs next to no CPU: a sleep lasts an
//! eighth of what was waited already, so that it delays the answer by an eighth at most, within fixed bounds.
//!
//! A library without a progress thread moves a large message in many small turns of both sides. A side that sleeps long
//! between turns delays every turn, and the turns are nothing that is seen to happen. So while a transfer is under way, sleeps stay short for [`TRANSFER_TIME_MAX`];
//! beyond that the peer is stopped rather than slow, and waiting for it must not cost a core.

use std::time::{Duration, Instant};

/// How long a transfer under way keeps the sleeps short.
const TRANSFER_TIME_MAX: Duration = Duration::from_millis(50);

/// How long each stage of a wait lasts.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Calls that return at once.
    pub spins: u32,
    /// Calls that yield the core.
    pub yields: u32,
    /// Shortest sleep. The kernel adds its timer slack, which [`crate::mpi::start`] sets to a microsecond.
    pub sleep_min: Duration,
    /// Longest sleep.
    pub sleep_max: Duration,
    /// Longest sleep while a transfer is under way.
    pub transfer_sleep_max: Duration,
}

impl Patience {
    /// For ranks that have a core each.
    pub const OWN_CORE: Patience = Patience {
        spins: 2000,
        yields: 200,
        sleep_min: Duration::from_micros(5),
        sleep_max: Duration::from_micros(100),
        transfer_sleep_max: Duration::from_micros(20),
    };
    /// For more ranks than cores. Measured with 8 ranks on 2 cores (`examples/pingpong`): a rank that waits for nothing
    /// takes 2 to 4 % of a core, against 6 to 10 % with `OWN_CORE`; steps of 2 ms with 16 KiB to both neighbours cost 0 to 8 % of CPU
    /// beyond the computing with either, within the spread of the machine. The peer that is waited for may need this very core.
    pub const SHARED_CORE: Patience = Patience {
        spins: 0,
        yields: 20,
        sleep_min: Duration::from_micros(10),
        sleep_max: Duration::from_micros(500),
        transfer_sleep_max: Duration::from_micros(50),
    };
}

/// One wait after the other.
#[derive(Debug)]
pub struct Idle {
    patience: Patience,
    waits: u32,
    /// When the first sleep of this wait began.
    asleep_since: Option<Instant>,
}

impl Idle {
    /// Starts eager.
    pub fn new(patience: Patience) -> Idle {
        Idle { patience, waits: 0, asleep_since: None }
    }

    /// Something happened: the next wait starts eager again.
    pub fn reset(&mut self) {
        self.waits = 0;
        self.asleep_since = None;
    }

    /// Gives the core away, for longer each time, never beyond `deadline`; `transfer` tells that a message is under way.
    pub fn wait(&mut self, deadline: Instant, transfer: bool) {
        let Patience { spins, yields, sleep_min, sleep_max, transfer_sleep_max } = self.patience;
        let waits = self.waits;
        self.waits = waits.saturating_add(1);
        if waits < spins {
            std::hint::spin_loop();
        } else if waits < spins.saturating_add(yields) {
            std::thread::yield_now();
        } else {
            let now = Instant::now();
            let waited = now.saturating_duration_since(*self.asleep_since.get_or_insert(now));
            let sleep_max = if transfer && waited < TRANSFER_TIME_MAX { transfer_sleep_max } else { sleep_max };
            let sleep = (waited / 8).max(sleep_min).min(sleep_max);
            std::thread::sleep(sleep.min(deadline.saturating_duration_since(now)));
        }
    }
}
