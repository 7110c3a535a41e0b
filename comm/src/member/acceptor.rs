//! The answering side: what a rank promises, accepts and tells those who are behind.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Action, Doing, Membership, Message, Notice, Term, View};
use crate::Rank;

impl Membership {
    /// Deals with a message of `from`.
    pub(super) fn receive(&mut self, from: Rank, message: Message, now: Duration, out: &mut Vec<Action>) {
        if from == self.me {
            return;
        }
        let base = message.base();
        if !self.dead.contains(&from) {
            if self.detector.heard(from, now) {
                self.note(Notice::Trusted { peer: from }, out);
            }
            self.top_round = self.top_round.max(message.highest().round);
            if let Some(dead) = message.dead() {
                self.prove_all(dead, now, out);
            }
        }
        if let Some(base) = base {
            self.learn_term(base, now);
            self.inform(from, base, out);
        }
        if self.dead.contains(&from) || self.excluded.is_some() {
            return;
        }
        let current = base.is_none_or(|base| base >= self.confirmed.term);
        match message {
            Message::Heartbeat { term, steps, doing } => self.heartbeat(from, term, (steps, doing), now, out),
            Message::Ask { base, promised, .. } if current => self.asked(from, base, promised, out),
            Message::Would { base, yes, .. } => self.answered(from, base, yes),
            Message::Stand { term, .. } if current || self.confirmed.contains(from) => self.stood(from, term, now, out),
            Message::Vote { term, confirmed, accepted, estranged, .. } => {
                self.voted(from, term, (confirmed, accepted, estranged), now);
            }
            Message::Refuse { term, promised } => self.refused(term, promised, now),
            Message::Propose { view, estranged, .. } => self.proposed(from, view, estranged, now, out),
            Message::Accept { term } => self.was_accepted(from, term),
            Message::Confirm { view } => {
                self.learn(&view, now);
            }
            Message::Excluded { view } => self.excluded_by(from, view, now, out),
            Message::Ask { .. } | Message::Stand { .. } => {}
        }
    }

    /// Tells `to`, whose view in force is that of `base`, about a newer one.
    fn inform(&self, to: Rank, base: Term, out: &mut Vec<Action>) {
        if base < self.confirmed.term && !self.newcomer {
            let view = self.confirmed.clone();
            let message = if view.contains(to) { Message::Confirm { view } } else { Message::Excluded { view } };
            out.push(Action::Send { to, message });
        }
    }

    fn heartbeat(
        &mut self,
        from: Rank,
        term: Term,
        (steps, doing): (u64, Doing),
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        if self.confirmed.contains(from) {
            self.detector.progress(from, steps, doing, now);
        }
        if term > self.confirmed.term {
            // This rank has missed something; the sender answers to an old term with its view.
            let (steps, doing) = self.detector.own(self.me);
            let message = Message::Heartbeat { term: self.confirmed.term, steps, doing };
            out.push(Action::Send { to: from, message });
        }
    }

    fn asked(&mut self, from: Rank, base: Term, promised: Term, out: &mut Vec<Action>) {
        if base == self.confirmed.term && promised > base && self.confirmed.contains(from) {
            self.unrest = true;
        }
        let yes = from == self.confirmed.master()
            || self.blames_master()
            || self.has_begun()
            || (self.is_master() && self.detector.is_hung(self.me));
        out.push(Action::Send { to: from, message: Message::Would { base, yes, dead: self.dead.clone() } });
    }

    fn stood(&mut self, from: Rank, term: Term, now: Duration, out: &mut Vec<Action>) {
        if term.candidate != from {
            return;
        }
        if term < self.promised {
            out.push(Action::Send { to: from, message: Message::Refuse { term, promised: self.promised } });
            return;
        }
        if term > self.promised {
            self.promise(term, now);
        }
        let message = Message::Vote {
            term,
            confirmed: self.confirmed.clone(),
            accepted: self.accepted.values().cloned().collect(),
            dead: self.dead.clone(),
            estranged: self.estranged.clone(),
        };
        out.push(Action::Send { to: from, message });
    }

    /// From now on nothing below `term` is followed, and its candidate has some time to bring the change about.
    fn promise(&mut self, term: Term, now: Duration) {
        self.promised = term;
        let fit_master = self.is_master() && !self.detector.is_hung(self.me);
        let wait = if fit_master { 2 * self.settings.stagger } else { self.wait_for_another() };
        self.yield_until(now + wait);
    }

    fn wait_for_another(&self) -> Duration {
        2 * self.settings.patience + self.settings.stagger * self.place()
    }

    fn proposed(&mut self, from: Rank, view: View, estranged: BTreeSet<Rank>, now: Duration, out: &mut Vec<Action>) {
        let term = view.term;
        if term.candidate != from || term <= self.confirmed.term {
            self.inform(from, term, out);
            return;
        }
        if term < self.promised || self.is_full(&view) {
            out.push(Action::Send { to: from, message: Message::Refuse { term, promised: self.promised } });
            return;
        }
        self.promised = term;
        if self.role.term().is_none_or(|own| own < term) {
            self.yield_until(now + self.wait_for_another());
        }
        self.accept(view, estranged);
        out.push(Action::Send { to: from, message: Message::Accept { term } });
    }

    /// Whether no further view can be told in a vote. Never so where messages get through now and then.
    fn is_full(&self, view: &View) -> bool {
        self.accepted.len() >= super::VIEWS_MAX && self.accepted.values().all(|known| known.members != view.members)
    }

    /// Keeps `view` for the votes to come. Of views with the same members one says all: who decides is the same.
    pub(super) fn accept(&mut self, view: View, estranged: BTreeSet<Rank>) {
        self.accepted.retain(|_, known| known.members != view.members);
        self.accepted.insert(view.term, view);
        self.estranged.extend(estranged);
    }

    /// `from` says that `view` is in force and that one of both ranks is not in it.
    fn excluded_by(&mut self, from: Rank, view: View, now: Duration, out: &mut Vec<Action>) {
        if !self.learn(&view, now) {
            out.push(Action::Send { to: from, message: Message::Excluded { view } });
        } else if !view.contains(from) {
            self.prove(from, now, out);
        }
    }
}
