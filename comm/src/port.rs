//! What moves whole packets in order: the part that MPI, TCP and threads of one process do each in their own way.

use std::sync::Arc;

use crate::error::{CommError, FailureCause, Malformed};
use crate::ids::{Rank, Rung};
use crate::segment::Segment;
use crate::transport::Unavailable;

/// Two independent streams of packets between each pair of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Packets of writes.
    Data,
    /// Messages: start-up and the choice of rungs.
    Message,
}

/// A range of a segment: where a payload lies, or where it belongs. It was checked against the segment.
#[derive(Clone, Debug)]
pub struct Place {
    /// The segment.
    pub segment: Arc<Segment>,
    /// First word.
    pub at: usize,
    /// Words.
    pub len: usize,
}

/// What is to become of a payload that was announced.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is received into this place; [`Incoming::Placed`] follows unless the connection is closed before.
    Into(Place),
    /// Nothing for now: the announcement is to be handed over again when an earlier payload has been placed.
    Later,
    /// It is received and forgotten, without a word.
    Nowhere,
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
    /// A packet whose payload follows by itself, sent with [`Direct::send_announced`]. It may come while the payloads of
    /// earlier announcements are on their way; packets behind it wait until its payload has been placed.
    Announced {
        /// Its sender, a rank of the run.
        from: Rank,
        /// The words of the packet, as sent.
        words: &'a [u32],
        /// Words of the payload, as announced.
        payload: usize,
        /// What is to become of the payload; [`Verdict::Nowhere`] unless it is set.
        verdict: &'a mut Verdict,
    },
    /// The oldest payload of this sender that was to go into a place is done.
    Placed {
        /// Its sender.
        from: Rank,
        /// Whether it came as announced; otherwise the place holds any part of it.
        whole: bool,
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

/// What a port does that moves payloads without a copy of ours. [`Port::close`] then sees to it that no payload of the
/// connection is written into its place afterwards, however late it comes.
pub trait Direct {
    /// Shortest range, in words, for which this is worth its second message.
    fn words_min(&self) -> usize;

    /// Longest range, in words.
    fn words_max(&self) -> usize;

    /// Starts to send a packet of [`Lane::Data`] and, from where it lies, the payload that it announces; both keep their place
    /// in the order of packets. The range must not change before the peer has taken it.
    ///
    /// # Errors
    /// A failed call.
    fn send_announced(&mut self, to: Rank, packet: Vec<u32>, payload: Place) -> Result<(), CommError>;
}

/// What a packet rung provides. Packets of one sender, receiver and lane arrive whole and in order. Calls never block.
///
/// The defaults are those of a port that needs no connections.
pub trait Port: std::fmt::Debug {
    /// The rung that this is.
    const RUNG: Rung;

    /// The rank of this process.
    fn rank(&self) -> Rank;

    /// Ranks of the run.
    fn size(&self) -> u32;

    /// Makes room for ranks up to `size`, where this port can reach ranks that come later; nothing else changes.
    fn make_room(&mut self, _size: u32) {}

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
    /// A failed call.
    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError>;

    /// Longest packet of [`Lane::Data`] that this port moves well, in words. All ranks say the same.
    fn packet_words_max(&self) -> usize {
        usize::MAX
    }

    /// How payloads go straight from segment to segment, where this port can do that.
    fn direct(&mut self) -> Option<&mut dyn Direct> {
        None
    }

    /// What the peer must know to connect; opaque bytes.
    ///
    /// # Errors
    /// Why this port does not serve the pair.
    fn offer(&mut self, _peer: Rank) -> Result<Vec<u8>, Unavailable> {
        Ok(Vec::new())
    }

    /// Connects by the peer's offer. `true`: connected already; otherwise [`Incoming::Up`] or [`Incoming::Down`] follows.
    ///
    /// # Errors
    /// Why this port does not serve the pair.
    fn connect(&mut self, _peer: Rank, _theirs: &[u8]) -> Result<bool, Unavailable> {
        Ok(true)
    }

    /// Ends the connection to `peer`, if there is one.
    fn close(&mut self, _peer: Rank) {}

    /// The connection in the words of its field.
    fn describe(&self, peer: Rank) -> String;

    /// Whether messages can be sent to this peer now.
    fn carries_messages(&self, _peer: Rank) -> bool {
        true
    }

    /// Whether something is under way that only further calls move on.
    fn busy(&self) -> bool {
        false
    }

    /// A peer to whom something handed over has not left this process yet.
    fn unsent(&self) -> Option<Rank> {
        None
    }
}
