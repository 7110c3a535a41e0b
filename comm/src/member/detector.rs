//! What is known of the others short of proofs: when they were heard, whether they get on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Doing, Notice, View, waits};
use crate::Rank;

/// What is known of one rank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    heard: Duration,
    /// When its steps changed last, or it began to compute.
    moved: Duration,
    steps: u64,
    doing: Doing,
}

/// Signs of life of all ranks, this one included, and whom they speak against.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Detector {
    peers: BTreeMap<Rank, Peer>,
    suspects: BTreeSet<Rank>,
    hung: BTreeSet<Rank>,
    cut: BTreeSet<Rank>,
}

impl Detector {
    /// Watches the members of `view` from now on and forgets about others. Everybody gets a full time-out, as only now this rank
    /// may have become somebody to send heartbeats to.
    pub fn watch(&mut self, view: &View, me: Rank, now: Duration) {
        let known = |rank: &Rank| *rank == me || view.contains(*rank);
        self.peers.retain(|rank, _| known(rank));
        for rank in view.members.iter().copied().chain([me]) {
            self.peer(rank, now).heard = now;
            self.peer(rank, now).moved = now;
        }
        self.suspects.clear();
        self.hung.retain(known);
        self.cut.clear();
    }

    fn peer(&mut self, rank: Rank, now: Duration) -> &mut Peer {
        let fresh = Peer { heard: now, moved: now, steps: 0, doing: Doing::Computing };
        self.peers.entry(rank).or_insert(fresh)
    }

    /// `rank` has spoken. Returns whether it was suspected until now.
    pub fn heard(&mut self, rank: Rank, now: Duration) -> bool {
        self.peer(rank, now).heard = now;
        self.suspects.remove(&rank)
    }

    /// Expects signs of life of `ranks` from now on.
    pub fn begin(&mut self, ranks: impl Iterator<Item = Rank>, now: Duration) {
        ranks.for_each(|rank| self.peer(rank, now).heard = now);
    }

    /// Leaves only `left` to `rank` to give a sign of life before `timeout` is over.
    pub fn hurry(&mut self, rank: Rank, left: Duration, timeout: Duration, now: Duration) {
        let heard = (now + left).saturating_sub(timeout);
        let peer = self.peer(rank, now);
        peer.heard = peer.heard.min(heard);
    }

    /// How `rank` gets on.
    pub fn progress(&mut self, rank: Rank, steps: u64, doing: Doing, now: Duration) {
        let peer = self.peer(rank, now);
        let begins = doing == Doing::Computing && peer.doing != Doing::Computing;
        let moves = steps != peer.steps || begins;
        if moves {
            peer.moved = now;
        }
        (peer.steps, peer.doing) = (steps, doing);
        if moves || doing != Doing::Computing {
            self.hung.remove(&rank);
        }
    }

    /// This rank was not there for `delay`: nobody shall suffer for that.
    pub fn forgive(&mut self, delay: Duration) {
        for peer in self.peers.values_mut() {
            peer.heard += delay;
            peer.moved += delay;
        }
    }

    /// `rank` is proven dead: nothing else matters about it.
    pub fn forget(&mut self, rank: Rank) {
        self.peers.remove(&rank);
        self.suspects.remove(&rank);
        self.hung.remove(&rank);
        self.cut.remove(&rank);
    }

    /// Suspects who of `watched` has been silent for `timeout`.
    pub fn expire(
        &mut self,
        watched: impl Iterator<Item = Rank>,
        timeout: Duration,
        now: Duration,
        mut tell: impl FnMut(Notice),
    ) {
        for peer in watched {
            let silent = now.saturating_sub(self.peer(peer, now).heard);
            if silent >= timeout && self.suspects.insert(peer) {
                tell(Notice::Suspected { peer, silent_ms: silent.as_millis() as u64 });
            }
        }
    }

    /// Takes for hung who of `watched` has computed for `timeout` without a step.
    pub fn stall(
        &mut self,
        watched: impl Iterator<Item = Rank>,
        timeout: Duration,
        now: Duration,
        mut tell: impl FnMut(Notice),
    ) {
        for peer in watched {
            let known = self.peer(peer, now);
            let stuck = known.doing == Doing::Computing && now.saturating_sub(known.moved) >= timeout;
            if stuck && self.hung.insert(peer) {
                tell(Notice::Hung { peer });
            }
        }
    }

    /// Finds those who must go as data does not get through between them and others for `timeout`.
    pub fn find_cut(&mut self, view: &View, timeout: Duration, mut tell: impl FnMut(Notice)) {
        let for_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let found = waits::cut(view, for_ms, |rank| self.peers.get(&rank).map(|peer| peer.doing));
        for (a, b) in found.iter().copied().filter(|(a, _)| !self.cut.contains(a)) {
            tell(Notice::Cut { a, b });
        }
        self.cut = found.into_iter().map(|(a, _)| a).collect();
    }

    /// What this rank would tell of itself.
    pub fn own(&self, me: Rank) -> (u64, Doing) {
        self.peers.get(&me).map_or((0, Doing::Computing), |peer| (peer.steps, peer.doing))
    }

    /// Whether nothing has come from `rank` for `timeout`.
    pub fn is_silent(&self, rank: Rank, timeout: Duration, now: Duration) -> bool {
        self.peers.get(&rank).is_none_or(|peer| now.saturating_sub(peer.heard) >= timeout)
    }

    /// When the next of `watched` will have been silent, or the next of them and `me` without a step, for too long.
    pub fn next(
        &self,
        watched: impl Iterator<Item = Rank>,
        me: Rank,
        timeout: Duration,
        result_timeout: Duration,
    ) -> Option<Duration> {
        let of = |rank: Rank| {
            let peer = self.peers.get(&rank)?;
            let silent = rank != me && !self.suspects.contains(&rank);
            let stuck = peer.doing == Doing::Computing && !self.hung.contains(&rank);
            let silent = silent.then_some(peer.heard + timeout);
            silent.into_iter().chain(stuck.then_some(peer.moved + result_timeout)).min()
        };
        watched.chain([me]).filter_map(of).min()
    }

    /// Who is silent.
    pub fn suspects(&self) -> &BTreeSet<Rank> {
        &self.suspects
    }

    /// Whether `rank` computes without getting on.
    pub fn is_hung(&self, rank: Rank) -> bool {
        self.hung.contains(&rank)
    }

    /// Whether `rank` lives but is of no use: hung, or cut off from others.
    pub fn is_useless(&self, rank: Rank) -> bool {
        self.hung.contains(&rank) || self.cut.contains(&rank)
    }

    /// Whether anybody but `me` is silent or of no use.
    pub fn blames(&self, me: Rank) -> bool {
        !self.suspects.is_empty() || !self.cut.is_empty() || self.hung.iter().any(|rank| *rank != me)
    }
}
