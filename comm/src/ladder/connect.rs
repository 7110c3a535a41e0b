//! How a rung comes up for a pair: offers both ways, then a test write both ways, of which each side tells the other that it came.
//!
//! The lower rank of a pair begins. Only once both sides are connected is the test written, into words that every ladder keeps
//! for that; the first write that comes over a connection is the test.
//!
//! An attempt fails once no test of this rank has moved on for [`ATTEMPT_TIME`]. Its own age says nothing: at the start a rank tests its
//! paths to all others at once, and where many ranks share few cores that takes its time. Attempts that ended by age would begin again
//! all together, without end. For the same reason the start waits longer for a peer that no rung serves yet ([`FIRST_TIME`]), whose
//! silence means that it is slow; and rungs that have failed towards a peer that another one serves are tried again only after it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Ladder;
use super::message::Message;
use super::pair::{Out, Stage};
use crate::error::{CommError, FailureCause};
use crate::fabric::{Event, Put, Write};
use crate::ids::{Rank, Rung, SegmentId};
use crate::transport::{Happening, Posted, Transport};

/// How long an attempt may take while no other one moves on.
pub(super) const ATTEMPT_TIME: Duration = Duration::from_secs(10);
/// The same at the start, towards a peer that no rung serves yet: without any the run cannot begin.
const FIRST_TIME: Duration = Duration::from_secs(120);
/// Words that a test writes.
const TEST_WORDS: usize = 2;
/// Rungs that there can be.
const RUNGS: usize = Rung::ALL.len();
/// The segment of the tests: places to write from, then places to be written to, for each peer and rung.
pub(super) const SCRATCH: SegmentId = SegmentId(0);

/// Words that the tests of `size` ranks need.
pub(crate) const fn scratch_words(size: u32) -> usize {
    2 * size as usize * RUNGS * TEST_WORDS
}

impl<T: Transport + ?Sized> Ladder<T> {
    /// Where the test of a rung with this peer is written from, or with `theirs` where the peer's own is written to.
    fn place(&self, peer: Rank, at: usize, theirs: bool) -> usize {
        let half = self.size as usize * RUNGS * TEST_WORDS;
        let rung = self.transports[at].rung() as usize;
        (if theirs { half } else { 0 }) + (peer.index() * RUNGS + rung) * TEST_WORDS
    }

    /// The words that this rank writes to test attempt `attempt`.
    fn nonce(&self, peer: Rank, at: usize, attempt: u32) -> [u32; TEST_WORDS] {
        let seed = u64::from(self.me.0) << 40 | u64::from(peer.0) << 16 | (at as u64) << 8;
        let mixed = (seed ^ u64::from(attempt)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        [(mixed >> 32) as u32, mixed as u32 ^ attempt]
    }

    /// Makes an offer to a peer of higher rank.
    pub(super) fn begin(&mut self, peer: Rank, at: usize, now: Instant) -> Result<(), CommError> {
        let rung = self.transports[at].rung();
        let attempt = self.pairs[peer.index()].links[at].attempt + 1;
        let nonce = self.nonce(peer, at, attempt);
        match self.transports[at].offer(peer) {
            Ok(offer) => {
                self.pairs[peer.index()].links[at].begin(attempt, Stage::Offered, now + ATTEMPT_TIME);
                self.count_attempts();
                self.say(peer, &Message::Offer { rung, attempt, nonce, offer })
            }
            Err(reason) => {
                self.pairs[peer.index()].links[at].attempt = attempt;
                self.fail_link(peer, at, reason.0, now)
            }
        }
    }

    pub(super) fn hear_offer(
        &mut self,
        from: Rank,
        rung: Rung,
        attempt: u32,
        theirs: [u32; TEST_WORDS],
        offer: &[u8],
    ) -> Result<(), CommError> {
        let now = self.now();
        let reason = match self.index_of(rung) {
            None => Some(self.why_missing(rung)),
            Some(at) => match &self.pairs[from.index()].links[at].stage {
                Stage::Barred(reason) => Some(reason.clone()),
                _ if self.is_banned(at) => Some(FailureCause::Injected.to_string()),
                _ => None,
            },
        };
        if let Some(reason) = reason {
            let reason = format!("{} says: {reason}", self.me);
            return self.say(from, &Message::Decline { rung, attempt, reason });
        }
        let Some(at) = self.index_of(rung) else { return Ok(()) };
        if attempt <= self.pairs[from.index()].links[at].attempt {
            // An old offer that came late, by another rung than those after it.
            return Ok(());
        }
        if self.pairs[from.index()].links[at].stage == Stage::Verified {
            // The peer has lost the connection that this side still has.
            self.break_link(from, at, FailureCause::Silent)?;
        }
        let mine = match self.transports[at].offer(from) {
            Ok(mine) => mine,
            Err(reason) => {
                self.pairs[from.index()].links[at].attempt = attempt;
                return self.fail_link(from, at, reason.0, now);
            }
        };
        let link = &mut self.pairs[from.index()].links[at];
        link.begin(attempt, Stage::Testing, now + ATTEMPT_TIME);
        link.theirs = theirs;
        self.count_attempts();
        let nonce = self.nonce(from, at, attempt);
        self.say(from, &Message::Answer { rung, attempt, nonce, offer: mine })?;
        self.connect(from, at, offer)
    }

    pub(super) fn hear_answer(
        &mut self,
        from: Rank,
        rung: Rung,
        attempt: u32,
        theirs: [u32; TEST_WORDS],
        offer: &[u8],
    ) -> Result<(), CommError> {
        let Some(at) = self.current(from, rung, attempt) else { return Ok(()) };
        let link = &mut self.pairs[from.index()].links[at];
        if link.stage != Stage::Offered {
            return Ok(());
        }
        link.stage = Stage::Testing;
        link.theirs = theirs;
        self.connect(from, at, offer)
    }

    fn connect(&mut self, peer: Rank, at: usize, offer: &[u8]) -> Result<(), CommError> {
        match self.transports[at].connect(peer, offer) {
            Ok(()) => Ok(()),
            Err(reason) => self.fail_link(peer, at, reason.0, self.now()),
        }
    }

    /// The transport of `rung`, if `attempt` is the one under way with this peer.
    fn current(&self, peer: Rank, rung: Rung, attempt: u32) -> Option<usize> {
        let at = self.index_of(rung)?;
        (self.pairs[peer.index()].links[at].attempt == attempt).then_some(at)
    }

    /// This side is connected.
    pub(super) fn link_up(&mut self, peer: Rank, at: usize) -> Result<(), CommError> {
        let link = &mut self.pairs[peer.index()].links[at];
        if link.stage != Stage::Testing || link.up {
            return Ok(());
        }
        link.up = true;
        let attempt = link.attempt;
        let rung = self.transports[at].rung();
        self.say(peer, &Message::Ready { rung, attempt })?;
        self.post_test(peer, at)
    }

    pub(super) fn hear_ready(&mut self, from: Rank, rung: Rung, attempt: u32) -> Result<(), CommError> {
        let Some(at) = self.current(from, rung, attempt) else { return Ok(()) };
        self.tested = self.now();
        self.pairs[from.index()].links[at].peer_ready = true;
        self.post_test(from, at)
    }

    /// Writes the test once both sides are connected.
    fn post_test(&mut self, peer: Rank, at: usize) -> Result<(), CommError> {
        let link = &self.pairs[peer.index()].links[at];
        if link.stage != Stage::Testing || !link.up || !link.peer_ready || link.test_posted {
            return Ok(());
        }
        let nonce = self.nonce(peer, at, link.attempt);
        let from = self.place(peer, at, false);
        let to = self.place(self.me, at, true);
        self.segments[SCRATCH.index()].store(from, &nonce);
        let puts = [Put { from, to, len: TEST_WORDS }];
        let write = Write { source: SCRATCH, target: SCRATCH, puts: &puts, notification: nonce[0] };
        let posted = match self.transports[at].post(peer, &write) {
            Ok(posted) => posted,
            Err(error) => return self.fail_link(peer, at, error.to_string(), self.now()),
        };
        let link = &mut self.pairs[peer.index()].links[at];
        link.test_posted = posted != Posted::Full;
        link.test_delivered = posted == Posted::Delivered;
        self.end_test(peer, at)
    }

    /// Writes to the peer that were posted on this rung are in place.
    pub(super) fn delivered(&mut self, peer: Rank, at: usize, count: u64) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        let link = &mut pair.links[at];
        let mut count = count;
        if link.test_posted && !link.test_delivered && count > 0 {
            link.test_delivered = true;
            count -= 1;
            self.end_test(peer, at)?;
        }
        let pair = &mut self.pairs[peer.index()];
        for _ in 0..count.min(pair.posted as u64) {
            self.events.extend(pair.pop_delivered().map(|token| Event::Completed { token }));
        }
        self.flush(peer)?;
        self.go_on_draining(peer)
    }

    /// A write of the peer came by this rung.
    pub(super) fn arrived(&mut self, from: Rank, at: usize, notification: u32) -> Result<(), CommError> {
        let place = self.place(from, at, true);
        let pair = &mut self.pairs[from.index()];
        let link = &mut pair.links[at];
        if link.stage == Stage::Testing && !link.test_seen {
            if link.closing {
                return Ok(());
            }
            let words = self.segments[SCRATCH.index()].range(place, TEST_WORDS);
            let right = notification == link.theirs[0]
                && words.iter().zip(link.theirs).all(|(word, theirs)| word.load(Relaxed) == theirs);
            if !right {
                let reason = "its test write brought other words than it should".to_owned();
                return self.fail_link(from, at, reason, self.now());
            }
            link.test_seen = true;
            let attempt = link.attempt;
            let rung = self.transports[at].rung();
            self.say(from, &Message::Verdict { rung, attempt })?;
            return self.end_test(from, at);
        }
        if !matches!(link.stage, Stage::Testing | Stage::Verified) || pair.failed.is_some() {
            return Ok(());
        }
        pair.arrived += 1;
        let changed = pair.came_by.replace(at) != Some(at);
        self.events.push_back(Event::Arrived { from, notification });
        if changed {
            self.find_hot();
        }
        self.answer_if_due(from)
    }

    pub(super) fn hear_verdict(&mut self, from: Rank, rung: Rung, attempt: u32) -> Result<(), CommError> {
        let Some(at) = self.current(from, rung, attempt) else { return Ok(()) };
        self.tested = self.now();
        self.pairs[from.index()].links[at].verdict = true;
        self.end_test(from, at)
    }

    fn end_test(&mut self, peer: Rank, at: usize) -> Result<(), CommError> {
        let link = &mut self.pairs[peer.index()].links[at];
        if link.stage != Stage::Testing || link.closing || !link.passed() {
            return Ok(());
        }
        link.stage = Stage::Verified;
        link.backoff = self.retry_first;
        self.count_attempts();
        tracing::debug!(%peer, rung = %self.transports[at].rung(), "a rung has passed its test");
        self.promote(peer)
    }

    /// Closes a connection and counts what had come by it: first what was reported and not dealt with yet, as it may be a
    /// message of the same moment that closes the connection.
    pub(super) fn close(&mut self, peer: Rank, at: usize) -> Result<(), CommError> {
        self.pairs[peer.index()].links[at].closing = true;
        let before = std::mem::take(&mut self.coming);
        let mut left = Vec::new();
        self.transports[at].close(peer, &mut left);
        let left = left.into_iter().map(|happening| (at, happening));
        let mut writes = Vec::new();
        for (by, happening) in before.into_iter().chain(left) {
            match &happening {
                Happening::Arrived { from: who, .. } | Happening::Delivered { peer: who, .. }
                    if (by, *who) == (at, peer) =>
                {
                    writes.push(happening);
                }
                Happening::Up { peer: who } | Happening::Broken { peer: who, .. } if (by, *who) == (at, peer) => {}
                _ => self.coming.push_back((by, happening)),
            }
        }
        writes.into_iter().try_for_each(|happening| self.take(at, happening))
    }

    /// The attempt of a rung has failed, or its connection: it is closed, the peer is told, and it is tried again later.
    pub(super) fn fail_link(&mut self, peer: Rank, at: usize, reason: String, now: Instant) -> Result<(), CommError> {
        let rung = self.transports[at].rung();
        tracing::debug!(%peer, %rung, %reason, "a rung does not serve");
        self.close(peer, at)?;
        let pair = &mut self.pairs[peer.index()];
        let link = &mut pair.links[at];
        let attempt = link.attempt;
        link.fail(reason.clone(), now);
        self.count_attempts();
        self.say(peer, &Message::Decline { rung, attempt, reason: format!("{} says: {reason}", self.me) })
    }

    pub(super) fn hear_decline(
        &mut self,
        from: Rank,
        rung: Rung,
        attempt: u32,
        reason: String,
    ) -> Result<(), CommError> {
        let Some(at) = self.index_of(rung) else { return Ok(()) };
        let link = &mut self.pairs[from.index()].links[at];
        if link.stage == Stage::Untried {
            // The peer, which would have begun, cannot.
            link.attempt = attempt;
            link.fail(reason, (self.clock)());
            return Ok(());
        }
        if link.attempt != attempt {
            return Ok(());
        }
        match link.stage {
            Stage::Verified => self.break_link(from, at, FailureCause::Silent),
            Stage::Offered | Stage::Testing => {
                self.close(from, at)?;
                let now = self.now();
                self.pairs[from.index()].links[at].fail(reason, now);
                self.count_attempts();
                Ok(())
            }
            Stage::Barred(_) | Stage::Untried | Stage::Failed(_) => Ok(()),
        }
    }

    /// What is due by time: attempts that took too long, rungs to be tried again, questions without an answer.
    pub(super) fn look_at_links(&mut self, now: Instant) -> Result<(), CommError> {
        for nth in 0..self.present.len() {
            let peer = self.present[nth];
            if self.pairs[peer.index()].failed.is_some() {
                continue;
            }
            for at in 0..self.transports.len() {
                let link = &self.pairs[peer.index()].links[at];
                if now < link.due {
                    continue;
                }
                let served = self.pairs[peer.index()].best().is_some();
                if link.under_way() {
                    let patience = if self.opening && !served { FIRST_TIME } else { ATTEMPT_TIME };
                    let until = self.tested + patience;
                    if now < until {
                        self.pairs[peer.index()].links[at].due = until.min(now + ATTEMPT_TIME);
                        continue;
                    }
                    let reason = format!("its self-test did not end within {patience:?}");
                    self.fail_link(peer, at, reason, now)?;
                } else if self.opening && served {
                    // Else a peer of which one rung fails again and again would never be decided.
                    continue;
                } else if let Stage::Failed(reason) = &link.stage {
                    if self.me > peer {
                        // The peer begins, but only if it knows: the word of the failure may have been lost.
                        let reason = reason.clone();
                        self.fail_link(peer, at, reason, now)?;
                    } else if !self.is_banned(at) {
                        self.begin(peer, at, now)?;
                    }
                }
            }
            if let Out::Asking { ask_again, .. } = self.pairs[peer.index()].out
                && now >= ask_again
            {
                self.ask(peer, now)?;
            }
        }
        self.look_at_newcomers(now)
    }

    /// Whether a test keeps this rung broken.
    pub(super) fn is_banned(&self, at: usize) -> bool {
        self.banned.contains(&self.transports[at].rung())
    }

    pub(super) fn count_attempts(&mut self) {
        self.attempts = self.pairs.iter().flat_map(|pair| &pair.links).filter(|link| link.under_way()).count();
    }
}
