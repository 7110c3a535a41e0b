//! Times and choices of the membership.

use std::time::Duration;

use super::Quorum;

/// What a run may choose. All ranks have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Time between two heartbeats, and between two repetitions of what was not answered.
    pub heartbeat: Duration,
    /// Silence after which a rank is suspected.
    pub timeout: Duration,
    /// Time without a step after which a rank that computes is taken for hung.
    pub result_timeout: Duration,
    /// By how much the second in line waits longer than the first before it asks for a new view, the third than the second.
    pub stagger: Duration,
    /// How long a candidate with a quorum waits for members that are neither proven dead nor answer.
    pub patience: Duration,
    /// Go on without a quorum. Dangerous: two parts of a run that do not see each other go on both.
    pub continue_without_quorum: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            heartbeat: Duration::from_millis(250),
            timeout: Duration::from_secs(2),
            result_timeout: Duration::from_secs(30),
            stagger: Duration::from_millis(50),
            patience: Duration::from_secs(2),
            continue_without_quorum: false,
        }
    }
}

impl Settings {
    pub(super) fn quorum(&self) -> Quorum {
        if self.continue_without_quorum { Quorum::Anybody } else { Quorum::Sound }
    }
}
