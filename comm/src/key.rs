//! The secret of a run: who knows it belongs to the run, also who comes later.

use std::fmt;
use std::time::Instant;

use crate::error::{CommError, Malformed};
use crate::fabric::Bootstrap;
use crate::ids::Rank;

/// Who draws the key of a run.
const MASTER: Rank = Rank(0);

/// The key of a run, from which the keys of its connections are derived, one for each use. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RunKey([u8; 32]);

impl RunKey {
    /// A fresh one.
    ///
    /// # Errors
    /// [`CommError::Io`] where the system has no random numbers.
    pub fn draw() -> Result<RunKey, CommError> {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|error| CommError::Io {
            operation: "drawing the key of the run",
            peer: None,
            source: std::io::Error::other(error),
        })?;
        Ok(RunKey(key))
    }

    /// The one that the ranks share already, or else that rank 0 draws and tells the others over the fabric; all ranks call it at the same point
    /// of the start.
    ///
    /// # Errors
    /// As [`RunKey::draw`]; [`CommError::Timeout`] or [`CommError::PeerFailed`] where rank 0 is missing.
    pub fn agree<F: Bootstrap + ?Sized>(fabric: &mut F, deadline: Instant) -> Result<RunKey, CommError> {
        if let Some(key) = fabric.run_key() {
            return Ok(key);
        }
        let mut bytes = Vec::new();
        if fabric.rank() == MASTER {
            bytes.extend(RunKey::draw()?.0);
        }
        fabric.broadcast(MASTER, &mut bytes, deadline)?;
        let what = Malformed::Length { words: bytes.len() / 4, expected: 8 };
        let sent = <[u8; 32]>::try_from(bytes.as_slice());
        sent.map(RunKey).map_err(|_| CommError::Malformed { peer: MASTER, what })
    }

    /// From its bytes, as a newcomer is told them.
    pub const fn from_bytes(bytes: [u8; 32]) -> RunKey {
        RunKey(bytes)
    }

    /// Its bytes, for who is to belong to the run.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The key of the control links.
    pub fn control(&self) -> [u8; 32] {
        blake3::derive_key("rankzero 2026 control links of a run", &self.0)
    }

    /// The key of the TCP rung.
    pub fn data(&self) -> [u8; 32] {
        blake3::derive_key("rankzero 2026 TCP rung of a run", &self.0)
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_and_each_run_has_its_own_key() {
        let (a, b) = (RunKey::draw().expect("random numbers"), RunKey::draw().expect("random numbers"));
        let keys = [a.control(), a.data(), a.to_bytes(), b.control(), b.data(), b.to_bytes()];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
        assert_eq!(RunKey::from_bytes(a.to_bytes()).control(), a.control());
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", RunKey::from_bytes([7; 32])), "RunKey(..)");
    }
}
