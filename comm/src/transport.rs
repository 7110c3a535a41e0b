//! What a rung must do to serve pairs of ranks. [`Ladder`](crate::Ladder) picks among transports, pair by pair, and keeps
//! writes until they are delivered, so that a transport may break at any time and lose nothing.
//!
//! A **connection** is what one pair of ranks has between two `connect`s. Within it:
//! - *Data before word*: `Arrived` is reported once every range of that write is in place.
//! - *In order, once*: writes of one sender arrive in the order in which they were posted, each once, until it breaks.
//! - *Nothing after the end*: once [`Transport::close`] has returned, nothing of that peer is written here any more.
//!
//! Everything is bounded: a peer that is slow or stopped fills its queue, and [`Posted::Full`] says so.

use std::fmt;
use std::sync::Arc;

use crate::error::{CommError, FailureCause};
use crate::fabric::{RungTraffic, Write};
use crate::ids::{Rank, Rung, SegmentId};
use crate::packets::Compression;
use crate::segment::Segment;

/// Most bytes of an offer.
pub const OFFER_BYTES_MAX: usize = 1 << 20;

/// Why a rung does not serve a pair, in words for the user, with the remedy where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl Unavailable {
    /// For this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// What became of a write that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is in place and announced at the peer already; no [`Happening::Delivered`] follows for it.
    Delivered,
    /// It is on its way; [`Happening::Delivered`] follows. Its source ranges must not change until then.
    Queued,
    /// There was no room; nothing was sent. To be tried again after [`Transport::progress`].
    Full,
}

/// What a transport reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The pair is connected: writes may be posted. Follows every successful [`Transport::connect`], at once or later.
    Up {
        /// The peer.
        peer: Rank,
    },
    /// The `count` oldest queued writes to this peer are in place there.
    Delivered {
        /// The peer.
        peer: Rank,
        /// How many; at least 1.
        count: u64,
    },
    /// A write of this peer is in place here.
    Arrived {
        /// The writer.
        from: Rank,
        /// What it said.
        notification: u32,
    },
    /// A message of this peer, sent with [`Transport::send_message`].
    Message {
        /// The sender.
        from: Rank,
        /// Its words.
        words: Vec<u32>,
    },
    /// The connection to this peer is lost, or did not come about. What had arrived has been reported; to be closed.
    Broken {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
    /// The peer sent something that was refused; it had no effect.
    Refused {
        /// The peer.
        peer: Rank,
        /// What was wrong.
        what: crate::error::Malformed,
    },
}

/// One rung. Calls never block.
pub trait Transport: fmt::Debug {
    /// Which rung it is.
    fn rung(&self) -> Rung;

    /// Says when connections that are made from now on carry differences, where the rung can.
    fn set_compression(&mut self, _compression: Compression) {}

    /// Why this rung never serves `peer`, if that is known from the start.
    ///
    /// # Errors
    /// The reason.
    fn reaches(&self, _peer: Rank) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Tells among how many ranks what is remembered of connections is to be shared out, from the next connection on.
    fn share_among(&mut self, _ranks: u32) {}

    /// Makes room for ranks up to `size`, where this rung can reach ranks that come later; before the first segment.
    fn make_room(&mut self, _size: u32) {}

    /// Makes a segment known; segments come in the order of their ids, and all before the first offer.
    ///
    /// # Errors
    /// What keeps the memory from being registered. The rung then serves nobody.
    fn register(&mut self, id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError>;

    /// Makes this side of a new connection and tells what `peer` must know of it, at most [`OFFER_BYTES_MAX`]. What was
    /// left of an older connection to this peer is closed.
    ///
    /// # Errors
    /// Why this rung cannot serve the pair.
    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable>;

    /// Connects to `peer`, which made `theirs` with its own [`Transport::offer`]; this rank made its offer before. Any
    /// bytes may come here: what is no offer is refused. [`Happening::Up`] or [`Happening::Broken`] follows.
    ///
    /// # Errors
    /// Why this rung cannot serve the pair.
    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable>;

    /// Starts a write to a connected peer. The source ranges lie within their segment.
    ///
    /// # Errors
    /// [`CommError::BeyondPeer`] where the target is known to be too short, or a failed call; nothing was sent then.
    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError>;

    /// Makes progress without waiting and appends what happened.
    ///
    /// # Errors
    /// A failed call that concerns no single peer.
    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError>;

    /// Ends the connection to `peer`: afterwards nothing of this peer is written into this rank's memory, and nothing of
    /// this rank leaves. Arrivals that were complete before are appended to `into`; `Delivered` likewise where it is
    /// known. Closing what is not open does nothing.
    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>);

    /// Moves all segments to memory that nobody else has mapped, or, where another rung has moved them, takes note of that: registers them anew.
    /// All connections were closed before. What only copies words has nothing to do.
    ///
    /// # Errors
    /// What the system says; the rung then serves nobody.
    fn fence(&mut self) -> Result<(), CommError> {
        Ok(())
    }

    /// The connection in the words of its field, for `explain` and the log: device, port, GID, MTU; addresses.
    fn describe(&self, peer: Rank) -> String;

    /// Whether messages can be sent to this peer now.
    fn carries_messages(&self, _peer: Rank) -> bool {
        false
    }

    /// Sends a small message outside of all order with writes; messages of one sender arrive in order while the transport
    /// is up. They need no connection where the transport carries them without one.
    ///
    /// # Errors
    /// A failed call.
    fn send_message(&mut self, _to: Rank, _words: &[u32]) -> Result<(), CommError> {
        Ok(())
    }

    /// Whether something is under way that only further calls move on: waits stay short then.
    fn busy(&self) -> bool {
        false
    }

    /// Whether something that was handed over has not left this process yet.
    fn unsent(&self) -> Option<Rank> {
        None
    }

    /// What went over this rung since the start.
    fn traffic(&self) -> RungTraffic;
}
