//! What a rung that moves packets provides.

use crate::error::{CommError, FailureCause, Malformed};
use crate::ids::{Rank, Rung};
use crate::transport::Unavailable;

/// Two independent streams of packets between each pair of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Packets of the engine.
    Data,
    /// Messages outside of all order with data.
    Message,
}

/// What a port hands over while it makes progress.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The connection asked for by [`Port::connect`] is there.
    Up {
        /// The peer.
        peer: Rank,
    },
    /// A packet.
    Packet {
        /// Its sender, a rank of the run.
        from: Rank,
        /// Its stream.
        lane: Lane,
        /// Its words, as sent.
        words: &'a [u32],
    },
    /// Something that is no packet.
    Garbage {
        /// Its sender, a rank of the run.
        from: Rank,
        /// What was wrong with it.
        what: Malformed,
    },
    /// The connection is lost or did not come about; everything that the peer sent before was handed over.
    Down {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
}

/// What a packet rung provides. Packets of one sender, receiver and lane arrive whole and in order. Calls never block.
pub trait Port: std::fmt::Debug {
    /// The rung that this is.
    const RUNG: Rung;
    /// The rank of this process.
    fn rank(&self) -> Rank;
    /// Ranks of the run.
    fn size(&self) -> u32;
    /// A buffer for [`Port::send`], recycled where possible. Its content is arbitrary.
    fn buffer(&mut self) -> Vec<u32>;
    /// Starts to send and returns at once.
    ///
    /// # Errors
    /// A failed call. A peer that is gone is no error but comes out of [`Port::progress`].
    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError>;
    /// Hands over what has arrived, without waiting.
    ///
    /// # Errors
    /// A failed call that concerns no single peer.
    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError>;
    /// What the peer must know to connect; opaque bytes.
    ///
    /// # Errors
    /// Why this rung cannot serve the pair.
    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable>;
    /// Connects by the peer's offer. `Ok(true)`: connected already; `Ok(false)`: [`Incoming::Up`] or
    /// [`Incoming::Down`] follows.
    ///
    /// # Errors
    /// Why this rung cannot serve the pair.
    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<bool, Unavailable>;
    /// Ends the connection to `peer`, if there is one.
    fn close(&mut self, peer: Rank);
    /// The connection in the words of its field.
    fn describe(&self, peer: Rank) -> String;
    /// Whether messages ([`Lane::Message`]) can be sent to this peer now.
    fn carries_messages(&self, peer: Rank) -> bool;
    /// Something is under way that only further calls move on.
    fn busy(&self) -> bool;
    /// A peer to whom something handed over has not left this process yet.
    fn unsent(&self) -> Option<Rank>;
}
