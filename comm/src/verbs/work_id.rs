//! The 64 bits that a completion brings back: whose operation it was, of which connection, and which.

use crate::ids::Rank;

/// Most ranks of a run that this rung tells apart.
pub const RANKS_MAX: u32 = 1 << 20;

/// Names one work request, or all receives of one queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkId {
    /// The peer.
    pub peer: Rank,
    /// Low bits of the connection's life: completions of an older one are ignored.
    pub life: u16,
    /// Which queue pair of the connection; below 8.
    pub lane: u8,
    /// Number of the send, modulo 2^24; receives have none.
    pub send: Option<u32>,
}

const RECEIVE: u64 = 1 << 63;

/// Numbers of sends are counted modulo this.
pub const SENDS_MODULO: u32 = 1 << 24;

impl WorkId {
    /// Packs it.
    pub fn pack(self) -> u64 {
        let kind = if self.send.is_some() { 0 } else { RECEIVE };
        let send = u64::from(self.send.unwrap_or(0) % SENDS_MODULO);
        let peer = u64::from(self.peer.0 % RANKS_MAX);
        kind | u64::from(self.lane & 7) << 60 | peer << 40 | u64::from(self.life) << 24 | send
    }

    /// Unpacks it; every value is a valid one.
    pub fn unpack(bits: u64) -> WorkId {
        WorkId {
            peer: Rank((bits >> 40) as u32 % RANKS_MAX),
            life: (bits >> 24) as u16,
            lane: (bits >> 60) as u8 & 7,
            send: (bits & RECEIVE == 0).then_some(bits as u32 % SENDS_MODULO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        for send in [None, Some(0), Some(1), Some(SENDS_MODULO - 1)] {
            for (peer, life, lane) in [(0, 0, 0), (RANKS_MAX - 1, u16::MAX, 7), (12345, 999, 3)] {
                let id = WorkId { peer: Rank(peer), life, lane, send };
                assert_eq!(WorkId::unpack(id.pack()), id);
            }
        }
    }
}
