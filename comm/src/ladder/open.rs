//! The start: which rungs each pair may take, their tests, and the choice.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use super::Ladder;
use super::message::Message;
use super::pair::{Out, Stage};
use super::policy::Standing;
use crate::error::{CommError, FailureCause};
use crate::fabric::{Bootstrap, Pick};
use crate::ids::{Rank, Rung, SegmentId};
use crate::segment::Segment;
use crate::transport::Transport;

impl<T: Transport + ?Sized> Ladder<T> {
    /// Registers a segment with every rung; one that cannot take it is left out.
    pub(super) fn register_with_rungs(&mut self, id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        for at in 0..self.transports.len() {
            if let Err(error) = self.transports[at].register(id, segment) {
                let rung = self.transports[at].rung();
                if Some(rung) == self.messenger {
                    return Err(error);
                }
                tracing::warn!(%rung, %error, "a rung cannot register a segment and is not used");
                for pair in &mut self.pairs {
                    pair.links[at].stage = Stage::Barred(error.to_string());
                }
            }
        }
        Ok(())
    }

    /// See [`crate::Fabric::open`].
    pub(super) fn open_pairs(&mut self, deadline: Instant) -> Result<(), CommError> {
        self.seal()?;
        // Nobody begins before everybody has registered its segments: an offer names them.
        self.barrier(deadline)?;
        self.find_neighbours(deadline)?;
        self.decide_pairs(deadline)?;
        let outcome = self.choose();
        // Whoever found no path says so at the barrier, so that nobody waits for it.
        let verdicts = self.all_gather(outcome.as_ref().err().map_or("", String::as_str).as_bytes(), deadline)?;
        self.opening = false;
        match verdicts.iter().zip(Rank::all(self.at_start)).find(|(reasons, _)| !reasons.is_empty()) {
            Some((reasons, rank)) => {
                let reasons = String::from_utf8_lossy(reasons).into_owned();
                Err(CommError::NoPath { rank, reasons })
            }
            None => Ok(()),
        }
    }

    /// Tests all rungs with all peers, until of each rung it is known whether it serves.
    fn decide_pairs(&mut self, deadline: Instant) -> Result<(), CommError> {
        let begun = self.now();
        (self.tested, self.opening) = (begun, true);
        self.begin_pairs()?;
        while let Some(peer) = self.undecided() {
            if self.now() >= deadline {
                let operation = "self-test of the paths between ranks";
                return Err(CommError::Timeout { operation, waited: self.now() - begun, missing: vec![peer] });
            }
            self.progress(true)?;
            self.wait(deadline);
        }
        Ok(())
    }

    fn begin_pairs(&mut self) -> Result<(), CommError> {
        let now = self.now();
        for peer in self.peers() {
            self.begin_pair(peer, self.neighbours[peer.index()], now)?;
        }
        Ok(())
    }

    /// Begins the tests with a peer.
    pub(super) fn begin_pair(&mut self, peer: Rank, same_node: bool, now: Instant) -> Result<(), CommError> {
        self.pairs[peer.index()].same_node = same_node;
        self.bar_what_may_not(peer);
        if self.me < peer { self.begin_all(peer, now) } else { Ok(()) }
    }

    /// [`crate::Fabric::open`] without its exchanges and waits, for a test that moves all ranks in one thread: it says by
    /// `neighbours` who of those at the start shares a node with this one, calls [`Ladder::opened`] on all ranks in turns, and lets none write before all are
    /// open.
    ///
    /// # Errors
    /// A failed call.
    pub fn begin_open(&mut self, neighbours: Vec<bool>) -> Result<(), CommError> {
        assert_eq!(neighbours.len(), self.at_start as usize, "one for each rank");
        self.seal()?;
        self.neighbours = neighbours;
        self.begin_pairs()
    }

    /// Goes on with what [`Ladder::begin_open`] began, without waiting; whether this rank is open now.
    ///
    /// # Errors
    /// [`CommError::NoPath`], or a failed call.
    pub fn opened(&mut self) -> Result<bool, CommError> {
        self.progress(true)?;
        if self.undecided().is_some() {
            return Ok(false);
        }
        self.choose().map(|()| true).map_err(|reasons| CommError::NoPath { rank: self.me, reasons })
    }

    /// Finds out which ranks share a node; all ranks call it, once before the start or never.
    pub(crate) fn find_neighbours(&mut self, deadline: Instant) -> Result<(), CommError> {
        if self.neighbours.is_empty() {
            let nodes = self.all_gather(&self.node.clone(), deadline)?;
            self.neighbours = nodes.iter().map(|node| *node == nodes[self.me.index()]).collect();
        }
        Ok(())
    }

    /// Whether all ranks that there can be share one node, as far as that is known.
    pub(crate) fn is_one_node(&self) -> bool {
        self.at_start == self.size && self.neighbours.iter().all(|&neighbour| neighbour)
    }

    /// Begins to connect to a peer of higher rank by every rung, or tells it why not.
    fn begin_all(&mut self, peer: Rank, now: Instant) -> Result<(), CommError> {
        for rung in Rung::ALL {
            let reason = match self.index_of(rung) {
                None => self.why_missing(rung),
                Some(at) => match &self.pairs[peer.index()].links[at].stage {
                    Stage::Barred(reason) => reason.clone(),
                    _ if self.is_banned(at) => {
                        self.fail_link(peer, at, FailureCause::Injected.to_string(), now)?;
                        continue;
                    }
                    _ => {
                        self.begin(peer, at, now)?;
                        continue;
                    }
                },
            };
            let reason = format!("{} says: {reason}", self.me);
            self.say(peer, &Message::Decline { rung, attempt: 0, reason })?;
        }
        Ok(())
    }

    fn bar_what_may_not(&mut self, peer: Rank) {
        let Ladder { pairs, transports, policy, .. } = self;
        let pair = &mut pairs[peer.index()];
        for (link, transport) in pair.links.iter_mut().zip(transports) {
            if link.stage != Stage::Untried {
                continue;
            }
            if let Err(reason) = transport.reaches(peer) {
                link.stage = Stage::Barred(reason.0);
            } else if let Standing::Barred(reason) = policy.standing(transport.rung(), pair.same_node) {
                link.stage = Stage::Barred(reason.to_owned());
            }
        }
    }

    /// A peer of which some rung is neither verified nor failed.
    fn undecided(&self) -> Option<Rank> {
        self.present.iter().copied().find(|peer| self.pairs[peer.index()].is_undecided())
    }

    /// Puts every pair on its best rung; what is wrong where there is none, or not the one asked for.
    fn choose(&mut self) -> Result<(), String> {
        let mut wrong = String::new();
        for peer in self.peers() {
            let pair = &mut self.pairs[peer.index()];
            let best = pair.best();
            let allowed = best.is_some_and(|at| self.policy.may_start_on(self.transports[at].rung(), pair.same_node));
            if allowed {
                pair.out = best.map_or(Out::Nowhere, Out::On);
            } else {
                // A String takes what is written to it.
                let _ = write!(wrong, "{} does not reach {peer}: {}. ", self.me, self.reasons(peer));
            }
        }
        self.find_hot();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.trim_end().to_owned()) }
    }

    /// Why each rung that the policy would start on does not serve a peer.
    fn reasons(&self, peer: Rank) -> String {
        let same_node = self.pairs[peer.index()].same_node;
        let asked = self.pick(peer).others.into_iter().filter(|&(rung, _)| self.policy.may_start_on(rung, same_node));
        asked.map(|(rung, why)| format!("{rung}: {why}")).collect::<Vec<_>>().join("; ")
    }

    /// How a peer is reached, and why not better.
    pub(super) fn pick(&self, peer: Rank) -> Pick {
        let pair = &self.pairs[peer.index()];
        let serving = pair.out.rung();
        let mut others: Vec<(Rung, String)> = self.missing.clone();
        for (at, link) in pair.links.iter().enumerate().filter(|&(at, _)| Some(at) != serving) {
            let why = match &link.stage {
                Stage::Barred(reason) | Stage::Failed(reason) => reason.clone(),
                Stage::Verified => Pick::READY.to_owned(),
                Stage::Untried => "not tried".to_owned(),
                Stage::Offered | Stage::Testing => "being tested".to_owned(),
            };
            others.push((self.transports[at].rung(), why));
        }
        others.sort_by_key(|&(rung, _)| rung);
        let detail = serving.map_or_else(String::new, |at| self.transports[at].describe(peer));
        Pick { peer, rung: self.pair_rung(peer), detail, others }
    }

    fn pair_rung(&self, peer: Rank) -> Option<Rung> {
        self.pairs[peer.index()].out.rung().map(|at| self.transports[at].rung())
    }

    pub(super) fn why_missing(&self, rung: Rung) -> String {
        let known = self.missing.iter().find(|&&(missing, _)| missing == rung);
        known.map_or_else(|| format!("it has no {rung} rung"), |(_, reason)| reason.clone())
    }
}

/// What processes of one node have in common, and those of others have not.
pub fn node_identity() -> Vec<u8> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{}/{namespace}/{host}", boot.trim()).into_bytes()
}
