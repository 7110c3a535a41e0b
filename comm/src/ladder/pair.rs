//! What a ladder knows about one peer: writes that are not delivered, and how far each rung to it has come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::FailureCause;
use crate::fabric::{Put, Write};
use crate::ids::{SegmentId, Token};

/// First wait before a broken rung is tried again; each further one is twice as long.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A write that is not known to be in place. Its words lie in the segment.
#[derive(Debug)]
pub struct Pending {
    pub token: Token,
    pub source: SegmentId,
    pub target: SegmentId,
    pub puts: Vec<Put>,
    pub notification: u32,
    /// Words, for the bound of the backlog.
    pub words: u64,
}

impl Pending {
    /// As it is handed to a transport.
    pub fn write(&self) -> Write<'_> {
        Write { source: self.source, target: self.target, puts: &self.puts, notification: self.notification }
    }
}

/// Where writes to the peer go. Rungs are named by their index among the transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// Nowhere: this rank itself, or nothing is open yet.
    Nowhere,
    /// By this rung.
    On(usize),
    /// By `from` until all that was posted is delivered; then `to` takes over.
    Draining { from: usize, to: usize },
    /// Nowhere until the peer has said how many have arrived; then by `on`.
    Asking { on: usize, question: u32, closed: Option<usize>, ask_again: Instant },
}

impl Out {
    /// The rung that serves, or is about to.
    pub fn rung(self) -> Option<usize> {
        match self {
            Out::Nowhere => None,
            Out::On(at) | Out::Asking { on: at, .. } => Some(at),
            Out::Draining { from, .. } => Some(from),
        }
    }
}

/// How far a rung has come for this pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It will not serve, and why.
    Barred(String),
    /// Not tried yet.
    Untried,
    /// An offer was sent.
    Offered,
    /// Both offers are known: it connects, then it is tested.
    Testing,
    /// It has passed its test.
    Verified,
    /// It failed, and why; tried again later.
    Failed(String),
}

/// One rung of a pair.
#[derive(Debug)]
pub struct Link {
    pub stage: Stage,
    pub attempt: u32,
    /// When an attempt under way counts as failed, or, after a failure, when the next one begins.
    pub due: Instant,
    pub backoff: Duration,
    pub theirs: [u32; 2],
    pub up: bool,
    pub peer_ready: bool,
    pub test_posted: bool,
    pub test_delivered: bool,
    pub test_seen: bool,
    pub verdict: bool,
    /// It is being closed: what comes with that is no test any more.
    pub closing: bool,
}

impl Link {
    fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Untried,
            attempt: 0,
            due: now,
            backoff: RETRY_FIRST,
            theirs: [0; 2],
            up: false,
            peer_ready: false,
            test_posted: false,
            test_delivered: false,
            test_seen: false,
            verdict: false,
            closing: false,
        }
    }

    /// Starts an attempt, which must have succeeded by `due`.
    pub fn begin(&mut self, attempt: u32, stage: Stage, due: Instant) {
        *self = Link { stage, attempt, due, backoff: self.backoff, ..Link::new(due) };
    }

    /// The attempt, or the connection that it led to, has failed.
    pub fn fail(&mut self, reason: String, now: Instant) {
        self.stage = Stage::Failed(reason);
        self.due = now + self.backoff;
        self.backoff = (self.backoff * 2).min(RETRY_MAX);
    }

    /// Whether an attempt is under way.
    pub fn under_way(&self) -> bool {
        matches!(self.stage, Stage::Offered | Stage::Testing)
    }

    /// Whether everything that the test asks for has been seen.
    pub fn passed(&self) -> bool {
        self.test_delivered && self.test_seen && self.verdict
    }
}

/// One peer.
#[derive(Debug)]
pub struct Pair {
    /// Whether nobody is there under this number yet.
    pub vacant: bool,
    /// When it was admitted, if it came after the start.
    pub admitted: Option<Instant>,
    /// The rung that served last and broke when no other was ready.
    pub broken: Option<usize>,
    /// Writes in order; the first `posted` of them were handed to the rung.
    pub queue: VecDeque<Pending>,
    pub posted: usize,
    pub queued_words: u64,
    /// Writes to the peer that are in place, ever.
    pub delivered: u64,
    /// Writes of the peer that are in place here, ever.
    pub arrived: u64,
    pub out: Out,
    /// The rung by which the last write came.
    pub came_by: Option<usize>,
    /// A question of the peer that waits for so many arrivals: rung, question, arrivals.
    pub asked: Option<(usize, u32, u64)>,
    /// The peer's last question.
    pub heard: Option<u32>,
    /// One for each transport.
    pub links: Vec<Link>,
    /// Whether it is being given up.
    pub closing: bool,
    pub failed: Option<FailureCause>,
    pub same_node: bool,
    /// Whether it is in the list of pairs whose writes wait for room.
    pub stalled: bool,
}

impl Pair {
    /// A peer to which nothing is open.
    pub fn new(transports: usize, vacant: bool, now: Instant) -> Self {
        Self {
            vacant,
            admitted: None,
            broken: None,
            queue: VecDeque::new(),
            posted: 0,
            queued_words: 0,
            delivered: 0,
            arrived: 0,
            out: Out::Nowhere,
            came_by: None,
            asked: None,
            heard: None,
            links: Pair::untried(transports, now),
            closing: false,
            failed: None,
            same_node: false,
            stalled: false,
        }
    }

    /// Links that were not tried yet.
    pub fn untried(transports: usize, now: Instant) -> Vec<Link> {
        (0..transports).map(|_| Link::new(now)).collect()
    }

    /// Whether some rung is neither verified nor failed.
    pub fn is_undecided(&self) -> bool {
        let open = |stage: &Stage| matches!(stage, Stage::Untried | Stage::Offered | Stage::Testing);
        self.failed.is_none() && self.links.iter().any(|link| open(&link.stage))
    }

    /// The best rung that has passed its test.
    pub fn best(&self) -> Option<usize> {
        self.links.iter().position(|link| link.stage == Stage::Verified)
    }

    /// Takes the oldest write out as delivered.
    pub fn pop_delivered(&mut self) -> Option<Token> {
        let write = self.queue.pop_front()?;
        self.posted = self.posted.saturating_sub(1);
        self.queued_words -= write.words;
        self.delivered += 1;
        Some(write.token)
    }
}
