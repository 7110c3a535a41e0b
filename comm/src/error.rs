//! What can go wrong between ranks: each error names the operation, the peer, and what to do next.

use std::time::Duration;

use crate::ids::{Rank, SegmentId};

/// Why a peer counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureCause {
    /// The peer's endpoint no longer exists: its process or thread ended.
    #[error("its endpoint is closed")]
    Closed,
    /// The kernel of this node says that its process has ended.
    #[error("its process has ended")]
    Exited,
    /// Its connection was closed or reset, and its port no longer answers.
    #[error("its connection is gone and its port refuses new ones")]
    Refused,
    /// A connection failed; the peer may live.
    #[error("the connection failed: {}", std::io::Error::from_raw_os_error(*.errno))]
    Io {
        /// Error number of the system.
        errno: i32,
    },
    /// An RDMA operation failed; the peer may live.
    #[error("an RDMA operation ended with status {status} ({})", wc_status_name(*.status))]
    Rdma {
        /// Status of the work completion, as in `enum ibv_wc_status`.
        status: u32,
    },
    /// The peer sent something that cannot be trusted any further.
    #[error("it sent what this rank refuses")]
    Protocol,
    /// It did not answer in time; it may live.
    #[error("it did not answer in time")]
    Silent,
    /// A test asked for it.
    #[error("a fault was injected")]
    Injected,
    /// The others go on without it.
    #[error("the others go on without it")]
    Excluded,
    /// Memory was moved, so that who is excluded cannot write there.
    #[error("memory was moved to fence off a rank that may still live")]
    Fenced,
    /// No rung has come about between it and this rank.
    #[error("no path to it has come about")]
    NoPath,
    /// The workload manager says that it has ended, and it can write nowhere any more.
    #[error("it is gone by the word of the workload manager")]
    Declared,
    /// MPI is not used after a death.
    #[error("MPI is not used any more, as it may hang after a death")]
    Retired,
}

impl FailureCause {
    /// Whether it proves that the process of the peer has ended, rather than that one path to it is lost.
    pub const fn proves_death(self) -> bool {
        matches!(self, FailureCause::Closed | FailureCause::Exited | FailureCause::Refused | FailureCause::Declared)
    }
}

/// The name that libibverbs gives a status of a work completion.
const fn wc_status_name(status: u32) -> &'static str {
    const NAMES: [&str; 24] = [
        "success",
        "local length error",
        "local queue pair operation error",
        "local EE context operation error",
        "local protection error",
        "flushed",
        "memory window bind error",
        "bad response",
        "local access error",
        "remote invalid request",
        "remote access error",
        "remote operation error",
        "transport retries exceeded: no acknowledgement",
        "receiver-not-ready retries exceeded",
        "local RDD violation",
        "remote invalid RD request",
        "remote aborted",
        "invalid EE context number",
        "invalid EE context state",
        "fatal error",
        "response timeout",
        "general error",
        "tag matching error",
        "tag matching rendezvous incomplete",
    ];
    if (status as usize) < NAMES.len() { NAMES[status as usize] } else { "unknown" }
}

/// What was wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header, or than the header says, or longer.
    #[error("{words} words long, {expected} expected")]
    Length {
        /// Words received.
        words: usize,
        /// Words that the header implies, or the header's own length.
        expected: u64,
    },
    /// Not a packet of this program and protocol version, or of a machine of the other byte order.
    #[error("magic {0:#010x} is not of this protocol version")]
    Magic(u32),
    /// A kind of packet that this version does not know.
    #[error("unknown kind {0}")]
    Kind(u32),
    /// Flags that this version does not know.
    #[error("unknown flags {0:#x}")]
    Flags(u32),
    /// A connection that this rank has not made.
    #[error("connection {theirs}, this rank is at {ours}")]
    Connection {
        /// Of the packet.
        theirs: u32,
        /// Of this rank.
        ours: u32,
    },
    /// A packet was lost, repeated or reordered.
    #[error("packet number {got}, {expected} expected")]
    Sequence {
        /// Of the packet.
        got: u64,
        /// Next in order.
        expected: u64,
    },
    /// It acknowledges what was never sent, or takes an acknowledgement back.
    #[error("acknowledges {got} words, between {least} and {most} possible")]
    Acknowledgement {
        /// Of the packet.
        got: u64,
        /// Acknowledged before.
        least: u64,
        /// Sent so far.
        most: u64,
    },
    /// A segment that was not registered here.
    #[error("segment {0} is not registered on this rank")]
    Segment(u32),
    /// A range beyond the end of the segment.
    #[error("range of {len} words at {to} exceeds the {words} words of segment {segment}")]
    Range {
        /// Target segment.
        segment: u32,
        /// First word.
        to: u64,
        /// Words.
        len: u32,
        /// Length of the segment, in words.
        words: usize,
    },
    /// A start-up message that fits no operation of the start-up protocol.
    #[error("start-up message of kind {kind} for operation {operation} while at {current}")]
    Bootstrap {
        /// Kind field of the message.
        kind: u32,
        /// Operation that it belongs to.
        operation: u32,
        /// Operation that this rank is at.
        current: u32,
    },
    /// A piece whose end cannot be counted.
    #[error("{len} words at {to} end beyond 64 bits")]
    Piece {
        /// First word.
        to: u64,
        /// Words.
        len: u32,
    },
    /// A chunk of differences that no encoder writes.
    #[error("chunk {chunk} of the differences {why}")]
    Chunk {
        /// Its number in the packet, from 0.
        chunk: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A record of an encrypted connection that was changed, repeated, left out or cut on its way.
    #[error("an encrypted record is not what the peer has sent")]
    Seal,
    /// A message larger than any that a peer may send.
    #[error("{bytes} bytes exceed the limit of {limit}")]
    TooLarge {
        /// Announced size.
        bytes: u64,
        /// Largest size taken.
        limit: u64,
    },
}

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommError {
    /// A call into the MPI library failed.
    #[error("{call} failed{}: {text} (code {code})", .peer.map(|p| format!(" towards {p}")).unwrap_or_default())]
    Mpi {
        /// Name of the MPI function.
        call: &'static str,
        /// The peer concerned, if one.
        peer: Option<Rank>,
        /// Return code.
        code: i32,
        /// The library's own words.
        text: String,
    },
    /// MPI cannot be started, or was started twice.
    #[error("MPI cannot be used: {0}")]
    MpiUnusable(String),
    /// A peer sent something that this rank refuses. The packet had no effect.
    #[error("refused a packet of {peer}: {what}; all ranks must run the same build of rankzero")]
    Malformed {
        /// The sender.
        peer: Rank,
        /// What was wrong.
        what: Malformed,
    },
    /// Too much towards this peer is unacknowledged: poll, then try again.
    #[error("{peer} lags behind: {backlog_words} words towards it are unacknowledged, the limit is {limit_words}")]
    Backpressure {
        /// The slow peer.
        peer: Rank,
        /// Words waiting or in flight.
        backlog_words: u64,
        /// Most that may wait.
        limit_words: u64,
    },
    /// The peer is gone; nothing can be sent to it any more.
    #[error("{peer} has failed: {cause}")]
    PeerFailed {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
    /// Some ranks did not answer in time.
    #[error("{operation}: no answer within {waited:.1?} from {}", list(.missing))]
    Timeout {
        /// What was being done.
        operation: &'static str,
        /// Time waited.
        waited: Duration,
        /// Who did not answer, ascending.
        missing: Vec<Rank>,
    },
    /// A rank outside `0..size`, or one that has not come yet.
    #[error("{peer} does not exist, or not yet, in a run of up to {size} ranks")]
    UnknownPeer {
        /// The rank asked for.
        peer: Rank,
        /// Ranks of the run.
        size: u32,
    },
    /// A segment that this fabric did not register.
    #[error("{0} is not registered on this fabric")]
    UnknownSegment(SegmentId),
    /// A range to be sent that exceeds its segment.
    #[error("range of {len} words at {from} exceeds the {words} words of {segment}")]
    OutOfBounds {
        /// Source segment.
        segment: SegmentId,
        /// First word.
        from: usize,
        /// Words.
        len: usize,
        /// Length of the segment, in words.
        words: usize,
    },
    /// A range to be written that exceeds the peer's segment.
    #[error("range of {len} words at {to} exceeds the {words} words of {segment} on {peer}")]
    BeyondPeer {
        /// The peer.
        peer: Rank,
        /// Target segment.
        segment: SegmentId,
        /// First word.
        to: usize,
        /// Words.
        len: usize,
        /// Length of the segment there, in words.
        words: usize,
    },
    /// A rung is not connected to a peer, or no longer.
    #[error("{rung} is not connected to {peer}")]
    NotConnected {
        /// The peer.
        peer: Rank,
        /// The rung.
        rung: crate::ids::Rung,
    },
    /// No rung serves a pair of ranks, or none that is allowed.
    #[error("{rank} reports: {reasons} (`network.fabric: auto` takes the best path that there is)")]
    NoPath {
        /// Who does not reach a peer.
        rank: Rank,
        /// Whom, and for each rung that may serve why it does not.
        reasons: String,
    },
    /// A call of the system failed.
    #[error("{operation} failed{}: {source}", .peer.map(|p| format!(" towards {p}")).unwrap_or_default())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The peer concerned, if one.
        peer: Option<Rank>,
        /// What the system said.
        source: std::io::Error,
    },
    /// No more segments can be registered.
    #[error("more than {0} segments")]
    TooManySegments(usize),
    /// A start-up message larger than the limit.
    #[error("start-up message of {bytes} bytes exceeds the limit of {limit}")]
    BootstrapTooLarge {
        /// Its size.
        bytes: usize,
        /// Largest size sent.
        limit: usize,
    },
    /// The ranks do not meet.
    #[error(transparent)]
    Rendezvous(#[from] crate::rendezvous::RendezvousError),
    /// The system refused memory for a segment.
    #[error(
        "cannot reserve {bytes} bytes for a segment; use more nodes, or raise the memory limit of the job or container"
    )]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u128,
    },
}

pub(crate) fn list(ranks: &[Rank]) -> String {
    const SHOWN: usize = 16;
    let mut text: Vec<String> = ranks.iter().take(SHOWN).map(Rank::to_string).collect();
    if ranks.len() > SHOWN {
        text.push(format!("{} more", ranks.len() - SHOWN));
    }
    text.join(", ")
}
