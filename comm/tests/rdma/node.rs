//! One rank: the rung, a segment, and what happened so far.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::verbs::{Options, Verbs};
use rankzero_comm::{CommError, FailureCause, Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

/// Longest that anything here may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A rank.
pub struct Node {
    /// The rung.
    pub verbs: Verbs,
    /// Its only segment.
    pub segment: Arc<Segment>,
    /// Its name.
    pub id: SegmentId,
    /// Notifications that arrived and were not taken.
    pub arrived: VecDeque<(Rank, u32)>,
    /// Writes posted and delivered.
    pub posted: u64,
    /// Writes known to be delivered.
    pub delivered: u64,
    /// Peers that came up and were not waited for.
    pub up: Vec<Rank>,
    /// Peers that were lost and not waited for.
    pub broken: Vec<(Rank, FailureCause)>,
}

impl Node {
    /// Rank `me` of `size`, with a segment of `words`.
    pub fn new(me: u32, size: u32, words: usize) -> Node {
        let options = Options::from_env().expect("a good environment");
        Node::with(me, size, words, options)
    }

    /// [`Node::new`] with these settings.
    pub fn with(me: u32, size: u32, words: usize, options: Options) -> Node {
        let mut verbs = Verbs::open(Rank(me), size, options).expect("an RDMA device");
        let segment = Segment::new(words).expect("memory");
        // Names of segments come from a fabric alone.
        let id = SegmentId::nth(0);
        verbs.register(id, &segment).expect("registered memory");
        Node {
            verbs,
            segment,
            id,
            arrived: VecDeque::new(),
            posted: 0,
            delivered: 0,
            up: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Makes progress once.
    pub fn poll(&mut self) {
        let mut happenings = Vec::new();
        self.verbs.progress(&mut happenings).expect("progress");
        self.take(happenings);
    }

    fn take(&mut self, happenings: Vec<Happening>) {
        for happening in happenings {
            match happening {
                Happening::Up { peer } => self.up.push(peer),
                Happening::Delivered { count, .. } => self.delivered += count,
                Happening::Arrived { from, notification } => self.arrived.push_back((from, notification)),
                Happening::Broken { peer, cause } => self.broken.push((peer, cause)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Makes progress until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Node) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < LONGEST, "still waiting for: {what}; broken: {:?}", self.broken);
            self.poll();
            std::thread::yield_now();
        }
    }

    /// Waits until the connection to `peer` is up.
    pub fn wait_up(&mut self, peer: u32) {
        self.until("up", |node| {
            assert!(node.broken.iter().all(|(of, _)| of.0 != peer), "{:?}", node.broken);
            node.up.contains(&Rank(peer))
        });
        self.up.retain(|of| of.0 != peer);
    }

    /// Waits until `peer` is reported as broken.
    pub fn wait_broken(&mut self, peer: u32) -> FailureCause {
        self.until("broken", |node| node.broken.iter().any(|(of, _)| of.0 == peer));
        let at = self.broken.iter().position(|(of, _)| of.0 == peer).expect("just seen");
        self.broken.remove(at).1
    }

    /// Starts a write; what became of it.
    pub fn try_write(&mut self, peer: u32, puts: &[Put], notification: u32) -> Result<Posted, CommError> {
        let write = Write { source: self.id, target: self.id, puts, notification };
        let posted = self.verbs.post(Rank(peer), &write);
        if matches!(posted, Ok(Posted::Queued)) {
            self.posted += 1;
        }
        posted
    }

    /// Starts a write once there is room.
    pub fn write(&mut self, peer: u32, puts: &[Put], notification: u32) {
        self.until("room", |node| match node.try_write(peer, puts, notification) {
            Ok(posted) => posted != Posted::Full,
            Err(error) => panic!("{error}"),
        });
    }

    /// Waits until all writes are delivered.
    pub fn flush(&mut self) {
        self.until("delivery", |node| node.delivered == node.posted);
    }

    /// Waits for the next notification.
    pub fn next(&mut self) -> (Rank, u32) {
        self.until("a notification", |node| !node.arrived.is_empty());
        self.arrived.pop_front().expect("just seen")
    }

    /// Closes the connection to `peer`.
    pub fn close(&mut self, peer: u32) {
        let mut happenings = Vec::new();
        self.verbs.close(Rank(peer), &mut happenings);
        self.take(happenings);
        // What is not delivered now never is.
        self.posted = self.delivered;
    }

    /// Fills `len` words from `at` on with a pattern.
    pub fn fill(&self, at: usize, len: usize, seed: u32) {
        self.segment.store(at, &pattern(len, seed));
    }

    /// Whether the pattern is there.
    pub fn holds(&self, at: usize, len: usize, seed: u32) -> bool {
        let mut words = vec![0; len];
        self.segment.load(at, &mut words);
        words == pattern(len, seed)
    }
}

/// Words that tell place and seed.
pub fn pattern(len: usize, seed: u32) -> Vec<u32> {
    (0..len as u32).map(|at| at.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)).collect()
}
