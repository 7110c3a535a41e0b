//! The fabric of a run: for each pair of ranks the best rung that passes its test, another when that breaks, and the
//! better one again when it is back. No write is lost, repeated or reordered on the way.
//!
//! - `pair`: what is known about a peer; `policy`: which rungs it may take;
//! - `connect`: how a rung comes up for a pair and is tested;
//! - `route`: how a pair goes from one rung to another;
//! - `intake`: what transports report, and what peers say; `make` and `open`: the start;
//! - `admit`: who comes later; `exclude`: who leaves, and what fences it off.
//!
//! **Who is there.** A ladder is made for more ranks than there are. Those that were not there at the start and were not admitted since
//! are *vacant*: nothing is said to them, nothing is written to them, and nothing looks at them; what they say waits.
//!
//! **How nothing is lost.** A write stays in the queue of its pair, as ranges of a segment, until the peer is known to have it. Both
//! sides count the writes of a pair over all rungs. To change rungs, the writer stops and asks; the reader closes the old rung, or
//! waits for what the writer knows to have been delivered, and answers how many have arrived; the writer forgets those and posts
//! the rest on the new rung.

mod admit;
pub(crate) mod connect;
mod exclude;
mod intake;
mod make;
mod message;
mod open;
mod pair;
mod policy;
mod route;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use open::node_identity;
pub use policy::{Policy, Standing};

use crate::bootstrap::Mailbox;
use crate::error::{CommError, FailureCause};
use crate::fabric::{Courier, Endpoint, Event, Fabric, Left, Pick, Put, Resident, RungTraffic, Write};
use crate::idle::Idle;
use crate::ids::{Rank, Rung, SegmentId, Token};
use crate::key::RunKey;
use crate::packets::Limits;
use crate::segment::Segment;
use crate::transport::{Happening, Posted, Transport};
use message::Message;
use pair::{Out, Pair, Pending};

/// Most segments of one fabric.
pub const SEGMENTS_MAX: usize = 1 << 16;
/// How often what is due by time is looked at.
const TICK: Duration = Duration::from_millis(1);
/// A rung that serves no pair is looked at in one pass of so many, unless something of it is awaited.
const COLD_PASSES: u32 = 16;

/// Rungs for all pairs of this rank, behind one [`Fabric`].
#[derive(Debug)]
pub struct Ladder<T: Transport + ?Sized> {
    me: Rank,
    /// Ranks that there is room for.
    size: u32,
    /// So many of them, the first, started together.
    at_start: u32,
    /// All ranks that are not vacant but this one, ascending.
    present: Vec<Rank>,
    /// Newcomers to whom no rung serves yet.
    joining: Vec<Rank>,
    /// What vacant ranks have said, the oldest first.
    early: BTreeMap<Rank, VecDeque<Vec<u32>>>,
    /// Carries messages where no rung does.
    courier: Option<Box<dyn Courier + Send>>,
    /// What tells the node of this rank from others.
    node: Vec<u8>,
    policy: Policy,
    limits: Limits,
    /// The best first.
    transports: Vec<Box<T>>,
    /// Rungs that this process cannot offer, and why.
    missing: Vec<(Rung, String)>,
    /// The rung that carries messages from the start, where there is one.
    messenger: Option<Rung>,
    /// The key of the run, where the ranks had it before they were connected.
    key: Option<RunKey>,
    /// Empty until the rungs are complete.
    segments: Vec<Arc<Segment>>,
    pairs: Vec<Pair>,
    /// By rank of the start, whether it shares a node with this one; empty until that is known.
    neighbours: Vec<bool>,
    events: VecDeque<Event>,
    /// Pairs whose writes wait for room.
    stalled: Vec<Rank>,
    /// Which transports serve a pair now.
    hot: Vec<bool>,
    /// Rungs that a test keeps broken.
    banned: Vec<Rung>,
    /// A rung whose library is not called any more.
    retired: Option<Rung>,
    happenings: Vec<Happening>,
    /// What transports, by index, have reported and was not dealt with yet.
    coming: VecDeque<(usize, Happening)>,
    pub(crate) mailbox: Mailbox,
    /// First refusal since it was last told: start-up must not fail for a data packet, nor the reverse.
    refused_data: Option<CommError>,
    refused_start: Option<CommError>,
    next_token: u64,
    next_question: u32,
    next_tick: Instant,
    passes: u32,
    /// Attempts under way.
    attempts: usize,
    /// When a test last moved on, with whichever peer.
    tested: Instant,
    /// Whether this is the start, which ends once every peer is decided.
    opening: bool,
    retry_first: Duration,
    clock: fn() -> Instant,
    idle: Idle,
}

impl<T: Transport + ?Sized> Ladder<T> {
    /// The rung that carries messages from the start; none for who came later.
    pub(crate) fn messenger(&self) -> Option<Rung> {
        self.messenger
    }

    /// Peers to whom no rung carries messages now.
    pub(crate) fn unheard(&self) -> Vec<Rank> {
        self.peers().filter(|&to| !self.transports.iter().any(|transport| transport.carries_messages(to))).collect()
    }

    /// Why `peer` counts as gone, if it does.
    pub(crate) fn failure(&self, peer: Rank) -> Option<FailureCause> {
        self.pairs.get(peer.index()).and_then(|pair| pair.failed)
    }

    /// The first refused start-up message since the last call, as an error.
    pub(crate) fn refused_start(&mut self) -> Result<(), CommError> {
        self.refused_start.take().map_or(Ok(()), Err)
    }

    /// Sends a message by the best rung that carries any to `to`, or else by the courier. That nothing does is no error: what is asked is
    /// asked again.
    pub(crate) fn send_message(&mut self, to: Rank, words: &[u32]) -> Result<(), CommError> {
        // Our own connections first, once they stand: they tell of a peer's end, which MPI does not.
        let usable = |at: &usize| {
            let transport = &self.transports[*at];
            self.is_in_use(transport) && transport.carries_messages(to)
        };
        let carrier = (0..self.transports.len()).rev().find(usable);
        match (carrier, &self.courier) {
            (Some(at), _) => self.transports[at].send_message(to, words).or_else(|failure| self.distrust(at, failure)),
            (None, Some(courier)) => {
                courier.send(to, words);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn say(&mut self, to: Rank, message: &Message) -> Result<(), CommError> {
        tracing::trace!(%to, ?message, "says");
        self.send_message(to, &message.encode())
    }

    /// All ranks that are not vacant but this one.
    fn peers(&self) -> impl Iterator<Item = Rank> + use<T> {
        self.present.clone().into_iter()
    }

    /// Whether nobody is there under this number yet.
    fn is_vacant(&self, rank: Rank) -> bool {
        self.pairs.get(rank.index()).is_none_or(|pair| pair.vacant)
    }

    /// Whether the library of a rung may be called.
    fn is_in_use(&self, transport: &T) -> bool {
        Some(transport.rung()) != self.retired
    }

    fn index_of(&self, rung: Rung) -> Option<usize> {
        self.transports.iter().position(|transport| transport.rung() == rung)
    }

    /// Makes progress on every rung that serves, and on all of them if `all` or if something is awaited; what is due by time is done.
    pub(crate) fn progress(&mut self, all: bool) -> Result<(), CommError> {
        self.passes = self.passes.wrapping_add(1);
        let all = all || self.attempts > 0 || self.passes.is_multiple_of(COLD_PASSES);
        for at in 0..self.transports.len() {
            if (all || self.hot[at]) && self.is_in_use(&self.transports[at]) {
                let mut happenings = std::mem::take(&mut self.happenings);
                if let Err(error) = self.transports[at].progress(&mut happenings) {
                    self.distrust(at, error)?;
                }
                self.coming.extend(happenings.drain(..).map(|happening| (at, happening)));
                self.happenings = happenings;
                self.take_in()?;
            }
        }
        if all {
            self.take_from_courier()?;
        }
        for peer in std::mem::take(&mut self.stalled) {
            self.pairs[peer.index()].stalled = false;
            self.flush(peer)?;
        }
        // Not while there are events: the clock takes as long as a small packet.
        if self.events.is_empty() || self.passes.is_multiple_of(COLD_PASSES) {
            let now = self.now();
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.look_at_links(now)?;
            }
        }
        self.take_in()
    }

    /// Gives the core away for a moment, at most until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) {
        let busy = self.attempts > 0 || self.transports.iter().any(|transport| transport.busy());
        self.idle.wait(deadline, busy);
    }

    /// Hands writes of the pair to its rung as long as that takes them.
    fn flush(&mut self, peer: Rank) -> Result<(), CommError> {
        let Ladder { pairs, transports, events, stalled, .. } = self;
        let pair = &mut pairs[peer.index()];
        let Out::On(at) = pair.out else { return Ok(()) };
        while let Some(write) = pair.queue.get(pair.posted) {
            let posted = match transports[at].post(peer, &write.write()) {
                // It broke, and will say so at its next progress.
                Err(CommError::NotConnected { .. }) => Posted::Full,
                Err(failure) => return self.distrust(at, failure),
                Ok(posted) => posted,
            };
            match posted {
                Posted::Delivered if pair.posted == 0 => {
                    events.extend(pair.pop_delivered().map(|token| Event::Completed { token }));
                }
                // A rung that delivers at once has nothing under way; if one ever had, this one waits its turn.
                Posted::Delivered | Posted::Queued => pair.posted += 1,
                Posted::Full => {
                    if !pair.stalled {
                        pair.stalled = true;
                        stalled.push(peer);
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Checks a write against this side and gives its length in words, as far as the backlog counts.
    fn check(&self, peer: Rank, write: &Write<'_>) -> Result<u64, CommError> {
        let unknown = |id: SegmentId| CommError::UnknownSegment(id);
        let source = self.segments.get(write.source.index()).ok_or_else(|| unknown(write.source))?;
        let target = self.segments.get(write.target.index()).ok_or_else(|| unknown(write.target))?;
        let mut words = 16u64;
        for put in write.puts {
            let Put { from, to, len } = *put;
            if !source.holds(from, len) || to.checked_add(len).is_none() {
                return Err(CommError::OutOfBounds { segment: write.source, from, len, words: source.len() });
            }
            words = words.saturating_add(len as u64 + 4);
        }
        let unknown_peer = CommError::UnknownPeer { peer, size: self.size };
        let pair = self.pairs.get(peer.index()).filter(|pair| !pair.vacant).ok_or(unknown_peer)?;
        if peer == self.me
            && let Some(&Put { from, len, .. }) = write.puts.iter().find(|put| !target.holds(put.to, put.len))
        {
            return Err(CommError::OutOfBounds { segment: write.target, from, len, words: target.len() });
        }
        if let Some(cause) = pair.failed {
            return Err(CommError::PeerFailed { peer, cause });
        }
        if !pair.queue.is_empty() && pair.queued_words.saturating_add(words) > self.limits.backlog_words {
            return Err(CommError::Backpressure {
                peer,
                backlog_words: pair.queued_words,
                limit_words: self.limits.backlog_words,
            });
        }
        Ok(words)
    }

    /// A write of this rank to itself.
    fn write_here(&self, write: &Write<'_>) {
        let (source, target) = (&self.segments[write.source.index()], &self.segments[write.target.index()]);
        for &Put { from, to, len } in write.puts {
            let mut words = vec![0; len];
            source.load(from, &mut words);
            target.store(to, &words);
        }
    }

    /// Makes progress until everything that was handed over has left this process.
    pub(crate) fn flush_all(&mut self, deadline: Instant) -> Result<(), CommError> {
        let begun = self.now();
        loop {
            self.progress(true)?;
            let mut used = self.transports.iter().filter(|transport| self.is_in_use(transport));
            let Some(peer) = used.find_map(|transport| transport.unsent()) else { return Ok(()) };
            if self.now() >= deadline {
                let (operation, missing) = ("last messages", vec![peer]);
                return Err(CommError::Timeout { operation, waited: begun.elapsed(), missing });
            }
            self.wait(deadline);
        }
    }
}

impl<T: Transport + ?Sized> Endpoint for Ladder<T> {
    fn rank(&self) -> Rank {
        self.me
    }

    fn size(&self) -> u32 {
        self.size
    }
}

impl<T: Transport + ?Sized> Fabric for Ladder<T> {
    fn rung(&self, peer: Rank) -> Option<Rung> {
        let at = self.pairs.get(peer.index())?.out.rung()?;
        Some(self.transports[at].rung())
    }

    fn picks(&self) -> Vec<Pick> {
        self.peers().map(|peer| self.pick(peer)).collect()
    }

    fn register(&mut self, segment: Arc<Segment>) -> Result<SegmentId, CommError> {
        self.seal()?;
        let id = u16::try_from(self.segments.len()).map_err(|_| CommError::TooManySegments(SEGMENTS_MAX))?;
        let id = SegmentId(id);
        self.register_with_rungs(id, &segment)?;
        self.segments.push(segment);
        Ok(id)
    }

    fn open(&mut self, deadline: Instant) -> Result<(), CommError> {
        self.open_pairs(deadline)
    }

    fn write_notify(&mut self, peer: Rank, write: &Write<'_>) -> Result<Token, CommError> {
        let words = self.check(peer, write)?;
        let token = Token(self.next_token);
        if peer == self.me {
            self.next_token += 1;
            self.write_here(write);
            self.events.push_back(Event::Arrived { from: peer, notification: write.notification });
            self.events.push_back(Event::Completed { token });
            return Ok(token);
        }
        let pair = &mut self.pairs[peer.index()];
        pair.queue.push_back(Pending {
            token,
            source: write.source,
            target: write.target,
            puts: write.puts.to_vec(),
            notification: write.notification,
            words,
        });
        pair.queued_words += words;
        if let Err(error) = self.flush(peer) {
            let pair = &mut self.pairs[peer.index()];
            if matches!(error, CommError::BeyondPeer { .. }) && pair.posted + 1 == pair.queue.len() {
                pair.queue.pop_back();
                pair.queued_words -= words;
            }
            return Err(error);
        }
        self.next_token += 1;
        Ok(token)
    }

    fn poll(&mut self, deadline: Instant, events: &mut Vec<Event>) -> Result<(), CommError> {
        loop {
            self.progress(false)?;
            if let Some(refused) = self.refused_data.take() {
                return Err(refused);
            }
            if !self.events.is_empty() {
                events.extend(self.events.drain(..));
                return Ok(());
            }
            if self.now() >= deadline {
                return Ok(());
            }
            self.wait(deadline);
        }
    }

    fn break_rung(&mut self, rung: Rung) -> Result<(), CommError> {
        self.ban(rung)
    }

    fn mend_rung(&mut self, rung: Rung) -> Result<(), CommError> {
        self.lift_ban(rung);
        Ok(())
    }

    fn exclude(&mut self, left: &[Left]) -> Result<(), CommError> {
        self.exclude_all(left)
    }

    fn set_courier(&mut self, courier: Box<dyn Courier + Send>) {
        self.courier = Some(courier);
    }

    fn admit(&mut self, newcomers: &[Resident]) -> Result<(), CommError> {
        self.admit_all(newcomers)
    }

    fn ready(&mut self) -> Result<bool, CommError> {
        self.all_joined()
    }

    fn present(&self) -> Vec<Rank> {
        let mut all = self.present.clone();
        all.insert(all.partition_point(|&peer| peer < self.me), self.me);
        all
    }

    fn traffic(&self) -> Vec<RungTraffic> {
        self.transports.iter().map(|transport| transport.traffic()).collect()
    }
}
