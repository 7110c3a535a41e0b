//! Who comes to a run that is under way: every member admits the newcomer, the newcomer admits every member, and each pair tests all of its
//! rungs as at the start, while the others go on. The courier carries what has to be said until a rung does.
//!
//! Neither side waits for the other. The lower rank begins whenever it admits; what comes of a rank that is vacant here still is kept, as an
//! offer is not repeated, and heard once that rank is admitted.
//!
//! At the start a pair is open once the verdict on each of its rungs is known. A newcomer is not waited for so long: its pairs begin with what there is,
//! and so for a while a rung may break when the others are not ready. Such a pair is not given up but waits again.

use std::time::{Duration, Instant};

use super::Ladder;
use super::message::MAGIC;
use super::pair::{Out, Stage};
use crate::error::{CommError, FailureCause};
use crate::fabric::{Event, Resident};
use crate::ids::Rank;
use crate::transport::Transport;

/// How long a pair waits for better rungs once one has passed its test. One that comes up later takes over then.
const BETTER_WITHIN: Duration = Duration::from_millis(250);
/// For how long all rungs to a newcomer may fail before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most messages of a vacant rank that are kept, and most words of them; the oldest are dropped.
const EARLY_MESSAGES: usize = 64;
const EARLY_WORDS: usize = 1 << 20;

impl<T: Transport + ?Sized> Ladder<T> {
    /// See [`crate::Fabric::admit`].
    pub(super) fn admit_all(&mut self, newcomers: &[Resident]) -> Result<(), CommError> {
        if let Some(newcomer) = newcomers.iter().find(|newcomer| newcomer.rank.0 >= self.size) {
            return Err(CommError::UnknownPeer { peer: newcomer.rank, size: self.size });
        }
        self.seal()?;
        let now = self.now();
        let mut fresh = Vec::new();
        for Resident { rank, node } in newcomers {
            if self.is_vacant(*rank) {
                self.seat(*rank);
                fresh.push((*rank, *node == self.node));
            } else if let Some(cause) = self.failure(*rank) {
                self.events.push_back(Event::PeerFailed { peer: *rank, cause });
            }
        }
        self.share_out();
        for (rank, same_node) in fresh {
            if let Some(cause) = self.failure(rank) {
                self.events.push_back(Event::PeerFailed { peer: rank, cause });
                continue;
            }
            tracing::debug!(%rank, same_node, "admits a rank");
            self.joining.push(rank);
            self.pairs[rank.index()].admitted = Some(now);
            self.begin_pair(rank, same_node, now)?;
            for words in self.early.remove(&rank).unwrap_or_default() {
                self.take_message(rank, &words)?;
            }
        }
        Ok(())
    }

    /// Makes a rank present.
    fn seat(&mut self, rank: Rank) {
        self.pairs[rank.index()].vacant = false;
        let at = self.present.partition_point(|&peer| peer < rank);
        self.present.insert(at, rank);
    }

    /// See [`crate::Fabric::ready`].
    pub(super) fn all_joined(&mut self) -> Result<bool, CommError> {
        self.progress(true)?;
        self.look_at_newcomers(self.now())?;
        Ok(self.joining.is_empty())
    }

    /// Puts pairs with newcomers on their best rung, once that is known, and gives up those that have none.
    pub(super) fn look_at_newcomers(&mut self, now: Instant) -> Result<(), CommError> {
        for peer in std::mem::take(&mut self.joining) {
            let pair = &self.pairs[peer.index()];
            let (None, Some(since)) = (pair.failed, pair.admitted) else { continue };
            let (decided, waited) = (!pair.is_undecided(), now.saturating_duration_since(since));
            let hopeless = pair.links.iter().all(|link| matches!(link.stage, Stage::Barred(_)));
            match pair.best() {
                Some(at) if decided || waited >= BETTER_WITHIN => self.begin_to_serve(peer, at)?,
                None if hopeless || decided && waited >= PATIENCE => self.give_up(peer, FailureCause::NoPath)?,
                _ => self.joining.push(peer),
            }
        }
        Ok(())
    }

    fn begin_to_serve(&mut self, peer: Rank, at: usize) -> Result<(), CommError> {
        tracing::info!(%peer, rung = %self.transports[at].rung(), "reaches a rank that has come");
        let pair = &mut self.pairs[peer.index()];
        if let Some(broken) = pair.broken.take() {
            // Where it is up anew, nothing is left of what it was.
            let closed = (pair.links[broken].stage != Stage::Verified).then_some(broken);
            return self.switch(peer, at, closed, None);
        }
        pair.out = Out::On(at);
        self.find_hot();
        self.flush(peer)
    }

    /// Whether some rungs to a peer may not have been tried yet.
    pub(super) fn is_new(&self, peer: Rank) -> bool {
        let admitted = self.pairs[peer.index()].admitted;
        admitted.is_some_and(|since| self.now().saturating_duration_since(since) < PATIENCE)
    }

    /// The rung of a pair has broken and no other is ready yet: waits for one.
    pub(super) fn wait_again(&mut self, peer: Rank, broken: usize) {
        let pair = &mut self.pairs[peer.index()];
        (pair.out, pair.broken) = (Out::Nowhere, Some(broken));
        self.joining.push(peer);
        self.find_hot();
    }

    /// Takes what the courier has brought.
    pub(super) fn take_from_courier(&mut self) -> Result<(), CommError> {
        while let Some((from, words)) = self.courier.as_ref().and_then(|courier| courier.take()) {
            if from != self.me && from.0 < self.size {
                self.idle.reset();
                self.take_message(from, &words)?;
            }
        }
        Ok(())
    }

    /// Keeps what a vacant rank says.
    pub(super) fn keep_for_later(&mut self, from: Rank, words: &[u32]) {
        if words.first() != Some(&MAGIC) {
            return;
        }
        let kept = self.early.entry(from).or_default();
        kept.push_back(words.to_vec());
        let mut words: usize = kept.iter().map(Vec::len).sum();
        while kept.len() > EARLY_MESSAGES || words > EARLY_WORDS {
            words -= kept.pop_front().map_or(0, |oldest| oldest.len());
        }
    }

    /// Takes note that a rank that is vacant here will not come any more.
    pub(super) fn write_off(&mut self, rank: Rank, cause: FailureCause) {
        self.early.remove(&rank);
        let pair = &mut self.pairs[rank.index()];
        pair.closing = true;
        pair.failed.get_or_insert(cause);
    }
}
