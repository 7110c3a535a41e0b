//! Names of things: ranks, segments, tokens, rungs. Newtypes, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

/// The number of a process within the run, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u32);

impl Rank {
    /// This rank as an index into per-rank arrays.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All ranks of a run of `size`, ascending.
    pub fn all(size: u32) -> impl DoubleEndedIterator<Item = Rank> + ExactSizeIterator {
        (0..size).map(Rank)
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {}", self.0)
    }
}

/// The number of a registered segment; the same on every rank, as all register in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub(crate) u16);

impl SegmentId {
    /// The segment that is registered as number `nth`, from 0: for those who drive a [`crate::Transport`] by themselves.
    pub const fn nth(nth: u16) -> SegmentId {
        SegmentId(nth)
    }

    /// The position in the order of registration, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", self.0)
    }
}

/// Identifies one write of this rank until its `Completed` event. Never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(crate) u64);

/// One way to move data between two ranks; the better, the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rung {
    /// Threads of one process.
    Local,
    /// Shared memory, among processes of one node.
    Shm,
    /// RDMA through libibverbs.
    Verbs,
    /// Point-to-point messages of an MPI library.
    Mpi,
    /// TCP connections of our own.
    Tcp,
}

impl Rung {
    /// All of them, the best first.
    pub const ALL: [Rung; 5] = [Rung::Local, Rung::Shm, Rung::Verbs, Rung::Mpi, Rung::Tcp];

    /// The name used in job files, logs and `summary.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Rung::Local => "local",
            Rung::Shm => "shm",
            Rung::Verbs => "verbs",
            Rung::Mpi => "mpi",
            Rung::Tcp => "tcp",
        }
    }
}

impl FromStr for Rung {
    type Err = UnknownRung;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Rung::ALL.into_iter().find(|rung| rung.name() == name).ok_or_else(|| UnknownRung(name.to_owned()))
    }
}

/// A name that is no rung's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rung; there are local, shm, verbs, mpi and tcp")]
pub struct UnknownRung(pub String);

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
