//! The traits that the rest of the program sees.

use std::sync::Arc;
use std::time::Instant;

use crate::error::{CommError, FailureCause};
use crate::ids::{Rank, Rung, SegmentId, Token};
use crate::key::RunKey;
use crate::segment::Segment;

/// One contiguous piece of a write. Units: 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// First word in the source segment of this rank.
    pub from: usize,
    /// First word in the target segment of the peer.
    pub to: usize,
    /// Words.
    pub len: usize,
}

/// A write into memory of a peer, with the word that it is there.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Segment of this rank that is read.
    pub source: SegmentId,
    /// Segment of the peer that is written.
    pub target: SegmentId,
    /// The pieces, in any order; they should not overlap at the target. Empty: the notification alone.
    pub puts: &'a [Put],
    /// Given to the peer once every piece is in place. Its meaning is the caller's; with RDMA it is the immediate.
    pub notification: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A write of a peer is in place.
    Arrived {
        /// The writer.
        from: Rank,
        /// What it said.
        notification: u32,
    },
    /// A write of this rank is in place at its peer; its source ranges may be changed again.
    Completed {
        /// The write.
        token: Token,
    },
    /// A peer is gone. Reported once; its unfinished writes never complete.
    PeerFailed {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
    /// Writes to a peer take another rung from now on; none was lost or repeated.
    RungChanged {
        /// The peer.
        peer: Rank,
        /// The rung until now.
        from: Rung,
        /// The rung from now on.
        to: Rung,
        /// What was wrong with the old one; `None`: nothing, the new one is better.
        cause: Option<FailureCause>,
    },
}

/// What went over one rung since the start, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RungTraffic {
    /// The rung.
    pub rung: Rung,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Messages received.
    pub received_messages: u64,
}

impl RungTraffic {
    /// Nothing yet.
    pub const fn new(rung: Rung) -> Self {
        Self { rung, sent_bytes: 0, sent_messages: 0, received_bytes: 0, received_messages: 0 }
    }
}

/// How a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The peer.
    pub peer: Rank,
    /// The rung that serves it now.
    pub rung: Option<Rung>,
    /// Device, port, addresses: the connection in the words of its field.
    pub detail: String,
    /// The other rungs, the best first, and why they do not serve.
    pub others: Vec<(Rung, String)>,
}

impl Pick {
    /// Why a rung that has passed its test does not serve: there is a better one.
    pub const READY: &'static str = "ready, should the one above fail";

    /// The rungs that would take over, the best first.
    pub fn ready(&self) -> impl Iterator<Item = Rung> + '_ {
        self.others.iter().filter(|(_, why)| why == Pick::READY).map(|&(rung, _)| rung)
    }
}

/// A rank that no longer takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub rank: Rank,
    /// Whether its process has ended for certain: then it writes nothing any more. Otherwise its memory is to be fenced off.
    pub dead: bool,
}

/// A rank and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Which.
    pub rank: Rank,
    /// What [`crate::node_identity`] says there.
    pub node: Vec<u8>,
}

/// Carries messages between ranks before any rung does: each piece once, those of one sender in order, as long as both live.
pub trait Courier: std::fmt::Debug {
    /// Sends words to a rank and returns at once.
    fn send(&self, to: Rank, words: &[u32]);

    /// The oldest words that have come, and who sent them. Asked often.
    fn take(&self) -> Option<(Rank, Vec<u32>)>;
}

/// Who this process is within the run.
pub trait Endpoint {
    /// The rank of this process.
    fn rank(&self) -> Rank;
    /// Ranks of the run, room for those that may come later included.
    fn size(&self) -> u32;
}

/// Registered memory, writes with a notification, events.
///
/// Progress is made inside the calls and nowhere else: a rank that computes for long without a [`Fabric::poll`] delays
/// whoever waits for a large write of its own. Between pieces of work, poll with a deadline that has passed.
pub trait Fabric: Endpoint {
    /// The rung that serves `peer` now; `None` for this rank itself, and for a peer that cannot be reached.
    fn rung(&self, peer: Rank) -> Option<Rung>;

    /// How every peer is reached, and why not better.
    fn picks(&self) -> Vec<Pick>;

    /// Makes a segment known. Every rank registers the same segments in the same order, lengths may differ; afterwards all
    /// ranks call [`Fabric::open`].
    ///
    /// # Errors
    /// [`CommError::TooManySegments`], or what the rung says when it cannot pin the memory.
    fn register(&mut self, segment: Arc<Segment>) -> Result<SegmentId, CommError>;

    /// Finds and tests the paths to all peers; all ranks call it after the last [`Fabric::register`] and before the first
    /// write. Returns once all ranks are ready for writes.
    ///
    /// # Errors
    /// [`CommError::NoPath`] naming a rank and a peer that it does not reach, or not by what the policy asks for; [`CommError::Timeout`].
    fn open(&mut self, deadline: Instant) -> Result<(), CommError>;

    /// Starts a write and returns at once. The source ranges must not change before [`Event::Completed`].
    ///
    /// # Errors
    /// [`CommError::Backpressure`] when too much towards this peer is unacknowledged (see [`Fabric::write_notify_by`]),
    /// [`CommError::PeerFailed`], [`CommError::UnknownPeer`], [`CommError::UnknownSegment`],
    /// [`CommError::OutOfBounds`] for a source range, or a failed call. Nothing was sent then.
    fn write_notify(&mut self, peer: Rank, write: &Write<'_>) -> Result<Token, CommError>;

    /// Makes progress and appends what happened to `events`; returns once at least one event was appended or the
    /// deadline has passed. A deadline in the past just polls.
    ///
    /// # Errors
    /// [`CommError::Malformed`] when a peer sent a packet that was refused, or a failed call. Events that happened
    /// before the error are kept for the next poll.
    fn poll(&mut self, deadline: Instant, events: &mut Vec<Event>) -> Result<(), CommError>;

    /// Breaks a rung between this rank and all peers and keeps it broken, to test what happens then.
    ///
    /// # Errors
    /// A failed call.
    fn break_rung(&mut self, rung: Rung) -> Result<(), CommError>;

    /// Lets a rung that [`Fabric::break_rung`] broke be tried again.
    ///
    /// # Errors
    /// A failed call.
    fn mend_rung(&mut self, rung: Rung) -> Result<(), CommError>;

    /// Ends all paths between this rank and `left`, for good: afterwards nothing that they write reaches this rank's memory. Where one of them may
    /// live and shares this node, the segments move to other memory, which no longer is theirs; pairs that used shared memory or RDMA
    /// take another rung for a while. MPI, which may hang after a death, carries nothing any more.
    ///
    /// # Errors
    /// A failed call; where memory cannot be moved, this rank must not go on.
    fn exclude(&mut self, left: &[Left]) -> Result<(), CommError>;

    /// Gives messages to the courier where no rung carries them, as towards a rank that has just come.
    fn set_courier(&mut self, courier: Box<dyn Courier + Send>);

    /// Makes ranks present that were not: starts the tests of all rungs with them and returns at once. They do the same towards this rank,
    /// sooner or later; what they said before is heard now. From now on writes to them are taken, and go out once a rung serves.
    ///
    /// The segments are registered before, on both sides, and there is a courier. Ranks that are present change nothing; of one that is known to
    /// be gone, [`Event::PeerFailed`] is told again.
    ///
    /// # Errors
    /// [`CommError::UnknownPeer`] for a rank that there is no room for, or a failed call.
    fn admit(&mut self, newcomers: &[Resident]) -> Result<(), CommError>;

    /// Makes progress without waiting; whether to every present peer that has not failed a rung serves. A newcomer of which all rungs have
    /// failed for long is given up ([`FailureCause::NoPath`]); until then, whoever waits decides how long.
    ///
    /// # Errors
    /// A failed call.
    fn ready(&mut self) -> Result<bool, CommError>;

    /// The ranks that were there at the start or were admitted since, this one and those that have failed included; ascending.
    fn present(&self) -> Vec<Rank>;

    /// What went over each rung since the start.
    fn traffic(&self) -> Vec<RungTraffic>;

    /// [`Fabric::write_notify`], making progress until there is room or the deadline has passed. What happens
    /// meanwhile is appended to `events`.
    ///
    /// # Errors
    /// As [`Fabric::write_notify`] and [`Fabric::poll`]; [`CommError::Backpressure`] only at the deadline.
    fn write_notify_by(
        &mut self,
        peer: Rank,
        write: &Write<'_>,
        deadline: Instant,
        events: &mut Vec<Event>,
    ) -> Result<Token, CommError> {
        loop {
            match self.write_notify(peer, write) {
                Err(CommError::Backpressure { .. }) if Instant::now() < deadline => {
                    // A short wait: what makes room is an acknowledgement, and that is no event.
                    let soon = Instant::now() + std::time::Duration::from_micros(200);
                    self.poll(deadline.min(soon), events)?;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Start-up: few, small, blocking exchanges among all ranks that started together, before anybody comes later. Every rank calls the same operations in the same order.
///
/// Built from point-to-point messages with a deadline, so that a rank that died during start-up yields an error that
/// names it where a collective would hang.
pub trait Bootstrap: Endpoint {
    /// Gives `bytes` of rank `from` to all ranks; elsewhere the old content is replaced.
    ///
    /// # Errors
    /// [`CommError::Timeout`] or [`CommError::PeerFailed`] naming `from`, [`CommError::BootstrapTooLarge`].
    fn broadcast(&mut self, from: Rank, bytes: &mut Vec<u8>, deadline: Instant) -> Result<(), CommError>;

    /// Gives everybody's `mine` to everybody, by rank.
    ///
    /// # Errors
    /// [`CommError::Timeout`] or [`CommError::PeerFailed`] naming who is missing, [`CommError::BootstrapTooLarge`].
    fn all_gather(&mut self, mine: &[u8], deadline: Instant) -> Result<Vec<Vec<u8>>, CommError>;

    /// The key of the run, where all ranks have it from elsewhere.
    fn run_key(&self) -> Option<RunKey> {
        None
    }

    /// Returns once every rank has called it.
    ///
    /// # Errors
    /// [`CommError::Timeout`] or [`CommError::PeerFailed`] naming who is missing.
    fn barrier(&mut self, deadline: Instant) -> Result<(), CommError> {
        self.all_gather(&[], deadline).map(drop)
    }
}
