//! Whether the host at the other end still answers while something is on its way to it.
//!
//! The system's own limit (`TCP_USER_TIMEOUT`) does not serve: it also ends a connection whose peer is merely slow,
//! that is, whose host answers every test but whose process has not read for that long. A rank that computes for a
//! while must not be cut off. So the unanswered time is measured here, from what the system knows of the connection
//! ([`super::diag`]). Idle connections are tested by the system (keepalive).

use std::time::{Duration, Instant};

/// How long the host of a peer may leave everything unanswered.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The system's own limit, set where it does not tell: a rank may compute for as long.
pub const SILENCE_MAX_BLIND: Duration = Duration::from_secs(60);
/// How often a connection is looked at.
pub const PERIOD: Duration = Duration::from_millis(500);

/// What the system knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Something was sent, data or a test of a closed window, and is not acknowledged.
    pub unanswered: bool,
    /// Since the last acknowledgement arrived.
    pub since_answer: Duration,
}

/// Measures the unanswered time of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Watch {
    /// Whether the host has been silent for too long.
    pub fn lost(&mut self, now: Instant, signs: Signs) -> bool {
        // After a long break nobody knows whether what is unanswered now is what was unanswered then.
        let seen = self.last.is_some_and(|last| now.saturating_duration_since(last) < 2 * PERIOD);
        self.last = Some(now);
        if !signs.unanswered {
            self.since = None;
            return false;
        }
        let answered = now.checked_sub(signs.since_answer);
        let begun = if seen { self.since.unwrap_or(now) } else { now };
        let since = answered.map_or(begun, |answered| begun.max(answered));
        self.since = Some(since);
        now.saturating_duration_since(since) >= SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time at which the connection counts as lost, in steps of `period`, if within a minute.
    fn lost_after(period: Duration, mut signs: impl FnMut(Duration) -> Signs) -> Option<Duration> {
        let mut watch = Watch::default();
        let begun = Instant::now() + Duration::from_secs(100);
        let mut after = Duration::ZERO;
        while after < Duration::from_secs(60) {
            if watch.lost(begun + after, signs(after)) {
                return Some(after);
            }
            after += period;
        }
        None
    }

    #[test]
    fn silence_is_noticed_in_time() {
        let silent = |after| Signs { unanswered: true, since_answer: after };
        assert_eq!(lost_after(PERIOD, silent), Some(SILENCE_MAX));
        // The last answer before something was sent may be long ago.
        let idle = |after| Signs { unanswered: true, since_answer: after + Duration::from_secs(50) };
        assert_eq!(lost_after(PERIOD, idle), Some(SILENCE_MAX));
    }

    #[test]
    fn who_answers_is_not_lost() {
        let busy = |_| Signs { unanswered: true, since_answer: Duration::from_millis(3) };
        assert_eq!(lost_after(PERIOD, busy), None);
        let idle = |after| Signs { unanswered: false, since_answer: after };
        assert_eq!(lost_after(PERIOD, idle), None);
        // A closed window is tested ever more rarely; each test is answered.
        let slow = |after: Duration| Signs { unanswered: after.as_secs().is_multiple_of(20), since_answer: after };
        assert_eq!(lost_after(PERIOD, slow), None);
    }

    #[test]
    fn who_looks_rarely_does_not_judge() {
        let fresh = |after| Signs { unanswered: true, since_answer: after };
        assert_eq!(lost_after(Duration::from_secs(10), fresh), None);
    }
}
