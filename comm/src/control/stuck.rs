//! A wait that does not go round any more.
//!
//! A thread that waits for a peer says at every turn for how long it has waited. One that hangs within the wait, in a call that does not
//! return, goes on looking as if it waited for that peer; after a while it counts as one that computes, and so is found to hang.

use std::time::{Duration, Instant};

use crate::member::Doing;

/// What the computing thread was last seen to do.
#[derive(Debug)]
pub struct Stuck {
    last: (Doing, Instant),
    /// For how long a wait may stand still.
    patience: Duration,
}

impl Stuck {
    /// Of a thread whose wait may stand still for `patience`.
    pub fn new(patience: Duration) -> Stuck {
        Stuck { last: (Doing::Computing, Instant::now()), patience }
    }

    /// What a thread does that says that it does `doing`.
    pub fn judge(&mut self, doing: Doing, now: Instant) -> Doing {
        if doing != self.last.0 {
            self.last = (doing, now);
        }
        if now.duration_since(self.last.1) < self.patience { doing } else { Doing::Computing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Rank;

    #[test]
    fn a_wait_that_goes_round_is_one_and_another_is_not() {
        let patience = Duration::from_secs(1);
        let (mut stuck, begun) = (Stuck::new(patience), Instant::now());
        let wait = |for_ms| Doing::Waiting { on: Rank(1), for_ms };
        // However long it takes.
        for ms in (0..10_000).step_by(100) {
            let now = begun + Duration::from_millis(u64::from(ms));
            assert_eq!(stuck.judge(wait(ms), now), wait(ms));
        }
        let last = begun + Duration::from_millis(9_900);
        assert_eq!(stuck.judge(wait(9_900), last + patience / 2), wait(9_900));
        assert_eq!(stuck.judge(wait(9_900), last + patience), Doing::Computing);
        assert_eq!(stuck.judge(wait(9_901), last + 2 * patience), wait(9_901), "it was only slow");
    }
}
