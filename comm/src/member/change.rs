//! When a change is wanted and whose turn it is; how a view comes into force; what a proof of death does.

use std::collections::BTreeSet;
use std::time::Duration;

use super::candidate::Role;
use super::{Action, Membership, Message, Notice, Term, View};
use crate::Rank;

impl Membership {
    /// Whether the view in force should give way to another one.
    pub(super) fn wants_change(&self) -> bool {
        if self.newcomer {
            return false;
        }
        let died = self.dead.iter().any(|rank| self.confirmed.contains(*rank));
        let leaves = !self.dismissed.is_empty() && self.confirmed.members.len() > 1;
        died || self.has_begun()
            || (self.is_master() && (self.detector.blames(self.me) || leaves || self.can_admit()))
            || self.blames_master()
    }

    /// Whether somebody has promised a higher term than that of the view in force.
    pub(super) fn has_begun(&self) -> bool {
        self.unrest || self.promised > self.confirmed.term
    }

    /// Whether this rank itself holds something against the master.
    pub(super) fn blames_master(&self) -> bool {
        let master = self.confirmed.master();
        self.dead.contains(&master) || self.detector.suspects().contains(&master) || self.detector.is_hung(master)
    }

    /// Whether a newcomer would be let in, if everybody agrees (M-2).
    fn can_admit(&self) -> bool {
        !self.admits.is_empty() && self.estranged.is_subset(&self.dead)
    }

    /// How many come before this rank in standing for master: of those not blamed, the master, then the others, ascending.
    pub(super) fn place(&self) -> u32 {
        let fit = |rank: &&Rank| {
            !self.dead.contains(rank) && !self.detector.suspects().contains(rank) && !self.detector.is_useless(**rank)
        };
        self.confirmed.members.iter().filter(fit).take_while(|rank| **rank != self.me).count() as u32
    }

    /// Decides when this rank tries, where it wants a change and leaves the beginning to others as yet.
    pub(super) fn plan(&mut self, now: Duration) {
        if !self.wants_change() {
            self.next_try = None;
            self.no_quorum = false;
            if matches!(self.role, Role::Probing { .. }) {
                self.role = Role::Idle;
            }
        } else if matches!(self.role, Role::Idle) && self.next_try.is_none() {
            self.next_try = Some(now + self.settings.stagger * self.place());
        }
    }

    /// Leaves the change to another for some time.
    pub(super) fn yield_until(&mut self, at: Duration) {
        self.role = Role::Idle;
        self.next_try = Some(at);
        self.no_quorum = false;
    }

    /// `view`, which has this rank as a member, is in force.
    pub(super) fn install(&mut self, view: View, now: Duration) {
        debug_assert!(view.term > self.confirmed.term && view.contains(self.me));
        let before = std::mem::replace(&mut self.confirmed, view);
        let view = &self.confirmed;
        self.estranged.extend(before.members);
        self.estranged.retain(|rank| !view.contains(*rank) && !self.dead.contains(rank));
        self.accepted.retain(|term, _| *term > view.term);
        self.admits.retain(|rank| !view.contains(*rank));
        self.dismissed.retain(|rank| view.contains(*rank));
        if view.master() != self.me {
            self.admits.clear();
            self.dismissed.clear();
        }
        self.promised = self.promised.max(view.term);
        self.top_round = self.top_round.max(view.term.round);
        self.newcomer = false;
        self.unrest = false;
        self.no_quorum = false;
        self.refusals = 0;
        self.detector.watch(view, self.me, now);
        if self.role.term().is_none_or(|term| term <= view.term) {
            self.role = Role::Idle;
            self.next_try = None;
        }
        self.due = now;
    }

    /// `view`, which is in force, does not have this rank as a member.
    pub(super) fn leave(&mut self, view: &View) {
        self.excluded = Some(view.clone());
        self.role = Role::Idle;
        self.next_try = None;
    }

    /// `view` is in force for somebody. Returns whether this rank takes part still.
    pub(super) fn learn(&mut self, view: &View, now: Duration) -> bool {
        if view.term <= self.confirmed.term {
            return true;
        }
        if view.contains(self.me) {
            self.install(view.clone(), now);
        } else if self.newcomer {
            // It only follows the run until it is let in.
            self.accepted.retain(|term, _| *term > view.term);
            self.confirmed = view.clone();
        } else {
            self.leave(view);
            return false;
        }
        true
    }

    /// `term` is that of a view in force for somebody; if this rank has accepted that, it is so for this rank, too.
    pub(super) fn learn_term(&mut self, term: Term, now: Duration) {
        if term > self.confirmed.term
            && let Some(view) = self.accepted.get(&term).cloned()
        {
            self.learn(&view, now);
        }
    }

    /// `peer` takes no part any more, for certain.
    pub(super) fn prove(&mut self, peer: Rank, now: Duration, out: &mut Vec<Action>) {
        if peer == self.me || !self.dead.insert(peer) {
            return;
        }
        self.note(Notice::ProvenDead { peer }, out);
        self.detector.forget(peer);
        self.admits.remove(&peer);
        self.dismissed.remove(&peer);
        if self.promised.candidate == peer && matches!(self.role, Role::Idle) {
            let at = now + self.settings.stagger * self.place();
            self.next_try = self.next_try.map(|planned| planned.min(at));
        }
    }

    /// Merges the proofs of another.
    pub(super) fn prove_all(&mut self, dead: &BTreeSet<Rank>, now: Duration, out: &mut Vec<Action>) {
        dead.iter().for_each(|peer| self.prove(*peer, now, out));
    }

    /// Tells the one whose turn it is about a proof that this rank has found. A newcomer, which asks nobody, tells all.
    pub(super) fn pass_on(&self, out: &mut Vec<Action>) {
        let fit = |rank: &Rank| !self.dead.contains(rank) && !self.detector.suspects().contains(rank);
        let fit = self.confirmed.members.iter().copied().filter(fit);
        let message = Message::Would { base: self.confirmed.term, yes: true, dead: self.dead.clone() };
        let to = fit.take(if self.newcomer { usize::MAX } else { 1 }).filter(|rank| *rank != self.me);
        out.extend(to.map(|to| Action::Send { to, message: message.clone() }));
    }
}
