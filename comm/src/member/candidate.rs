//! The asking side: from the question whether others would agree to a new view in force.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ballot::Next;
use super::{Action, Membership, Message, Notice, Term, View};
use crate::Rank;

/// What a rank is about, of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing, or it leaves the change to another.
    Idle,
    /// It asks who would agree.
    Probing { since: Duration, yes: BTreeSet<Rank> },
    /// It has asked for votes.
    Standing {
        term: Term,
        since: Duration,
        voters: BTreeSet<Rank>,
        /// Views that voters have accepted.
        found: BTreeMap<Term, View>,
    },
    /// It has proposed a view, which all of `acceptors` must accept.
    Proposing { view: View, since: Duration, acceptors: BTreeSet<Rank>, accepted: BTreeSet<Rank> },
}

impl Role {
    /// The term it stands with.
    pub fn term(&self) -> Option<Term> {
        match self {
            Role::Idle | Role::Probing { .. } => None,
            Role::Standing { term, .. } => Some(*term),
            Role::Proposing { view, .. } => Some(view.term),
        }
    }

    fn since(&mut self) -> Option<&mut Duration> {
        match self {
            Role::Idle => None,
            Role::Probing { since, .. } | Role::Standing { since, .. } | Role::Proposing { since, .. } => Some(since),
        }
    }

    /// Begins `delay` later.
    pub fn forgive(&mut self, delay: Duration) {
        if let Some(since) = self.since() {
            *since += delay;
        }
    }

    /// When its patience ends.
    pub fn deadline(&self, patience: Duration) -> Option<Duration> {
        self.clone().since().map(|since| *since + patience)
    }
}

impl Membership {
    /// Whether this candidate has its votes, and all that do not vote are silent: it need not wait for the end of its patience.
    pub(super) fn waits_for_silent_only(&self, now: Duration) -> bool {
        let Role::Standing { voters, .. } = &self.role else { return false };
        let silent = |rank| self.detector.is_silent(rank, self.settings.timeout, now);
        self.misses(voters, |rank| !silent(rank)).is_none() && self.next_view().is_some()
    }

    /// The first of those who may vote that has not, and that `matters`. With many ranks this is asked with every vote.
    fn misses(&self, voters: &BTreeSet<Rank>, matters: impl Fn(Rank) -> bool) -> Option<Rank> {
        let all = self.deciding().into_iter().flat_map(|view| view.members.iter().copied());
        all.filter(|rank| !self.dead.contains(rank) && !voters.contains(rank)).find(|rank| matters(*rank))
    }

    /// What the time brings about for a candidate, or for who would be one.
    pub(super) fn act_on_time(&mut self, now: Duration, out: &mut Vec<Action>) {
        let is_over = |since: Duration| now >= since + self.settings.patience;
        match &self.role {
            Role::Idle => {
                if self.next_try.is_some_and(|at| now >= at) && self.wants_change() {
                    self.probe(now, out);
                }
            }
            Role::Probing { since, .. } => self.no_quorum |= is_over(*since),
            Role::Standing { since, .. } => {
                let over = is_over(*since);
                let proposed = (over || self.waits_for_silent_only(now)) && self.propose(now, out);
                self.no_quorum |= over && !proposed;
            }
            Role::Proposing { since, view, accepted, .. } => {
                if is_over(*since) {
                    let late =
                        view.members.iter().filter(|rank| !accepted.contains(rank) && self.admits.contains(rank));
                    for rank in late.copied().collect::<Vec<_>>() {
                        self.admits.remove(&rank);
                        self.note(Notice::NotAdmitted { rank }, out);
                    }
                    self.stand(now, out);
                }
            }
        }
    }

    /// The next step of a candidate, if all for it is there. Returns whether it was made.
    pub(super) fn advance(&mut self, now: Duration, out: &mut Vec<Action>) -> bool {
        match &self.role {
            Role::Probing { yes, .. } => {
                let yes: BTreeSet<Rank> = yes.difference(&self.dead).copied().collect();
                // Who is hung asks only to learn what the others do.
                let fit = !self.detector.is_hung(self.me);
                let agreed = fit && self.deciding().into_iter().all(|view| self.rule.holds(view, &self.dead, &yes));
                if agreed {
                    self.stand(now, out);
                }
                agreed
            }
            Role::Standing { voters, .. } => {
                let complete = self.misses(voters, |_| true).is_none();
                complete && self.propose(now, out)
            }
            Role::Proposing { acceptors, accepted, .. } => {
                let fallen = !acceptors.is_disjoint(&self.dead);
                let complete = acceptors.is_subset(accepted);
                if fallen {
                    self.stand(now, out);
                } else if complete {
                    self.confirm(now, out);
                }
                fallen || complete
            }
            Role::Idle => false,
        }
    }

    fn probe(&mut self, now: Duration, out: &mut Vec<Action>) {
        // Nobody was expected to speak to this rank but those it watches: for the others silence begins now.
        let watched: BTreeSet<Rank> = self.watched().collect();
        let asked = self.electorate();
        self.detector.begin(asked.difference(&watched).copied(), now);
        self.role = Role::Probing { since: now, yes: BTreeSet::from([self.me]) };
        self.next_try = None;
        self.repeat(out);
    }

    fn stand(&mut self, now: Duration, out: &mut Vec<Action>) {
        let round = self.top_round.max(self.promised.round) + 1;
        let term = Term { round, candidate: self.me }; // M-1
        self.top_round = round;
        self.promised = term;
        self.no_quorum = false;
        self.next_try = None;
        self.role =
            Role::Standing { term, since: now, voters: BTreeSet::from([self.me]), found: self.accepted.clone() };
        self.note(Notice::Standing { term }, out);
        self.repeat(out);
    }

    /// Proposes the next view, if the votes are enough for one. Returns whether it has.
    fn propose(&mut self, now: Duration, out: &mut Vec<Action>) -> bool {
        let Some(Next { view, acceptors, estranged }) = self.next_view() else { return false };
        let after = self.deciding().into_iter().map(|view| view.term).collect();
        self.note(Notice::Proposing { view: view.clone(), after }, out);
        self.accept(view.clone(), estranged);
        self.no_quorum = false;
        self.role = Role::Proposing { view, since: now, acceptors, accepted: BTreeSet::from([self.me]) };
        self.repeat(out);
        true
    }

    fn confirm(&mut self, now: Duration, out: &mut Vec<Action>) {
        let role = std::mem::replace(&mut self.role, Role::Idle);
        let Role::Proposing { view, acceptors, .. } = role else { return };
        let concerned: BTreeSet<Rank> = self.confirmed.members.iter().copied().chain(acceptors).collect();
        for to in concerned.into_iter().filter(|rank| *rank != self.me && !self.dead.contains(rank)) {
            let view = view.clone();
            let message = if view.contains(to) { Message::Confirm { view } } else { Message::Excluded { view } };
            out.push(Action::Send { to, message });
        }
        if !self.learn(&view, now) {
            // It leaves by its own proposal: all shall know that it knows.
            let farewell = |to: &Rank| Action::Send { to: *to, message: Message::Excluded { view: view.clone() } };
            out.extend(view.members.iter().map(farewell));
        }
    }

    /// What this candidate waits for, and from whom. Where that takes long, those who have answered are asked again, too: they
    /// may have gone on without this rank, and will tell.
    fn open_question(&self) -> Option<(Message, BTreeSet<Rank>)> {
        let dead = self.dead.clone();
        let base = self.confirmed.term;
        let besides = |answered: &BTreeSet<Rank>| -> BTreeSet<Rank> {
            let open = |rank: &Rank| *rank != self.me && (self.no_quorum || !answered.contains(rank));
            self.electorate().into_iter().filter(open).collect()
        };
        match &self.role {
            Role::Idle => None,
            Role::Probing { yes, .. } => Some((Message::Ask { base, promised: self.promised, dead }, besides(yes))),
            Role::Standing { term, voters, .. } => Some((Message::Stand { term: *term, base, dead }, besides(voters))),
            Role::Proposing { view, acceptors, accepted, .. } => {
                let estranged = self.estranged.clone();
                let message = Message::Propose { view: view.clone(), dead, estranged };
                Some((message, acceptors.difference(accepted).copied().collect()))
            }
        }
    }

    /// Asks those who have not answered, perhaps again.
    pub(super) fn repeat(&self, out: &mut Vec<Action>) {
        if let Some((message, to)) = self.open_question() {
            out.extend(to.into_iter().map(|to| Action::Send { to, message: message.clone() }));
        }
    }

    /// Asks `peer`, to whom there is a connection again.
    pub(super) fn repeat_to(&self, peer: Rank, out: &mut Vec<Action>) {
        if let Some((message, _)) = self.open_question().filter(|(_, to)| to.contains(&peer)) {
            out.push(Action::Send { to: peer, message });
        }
    }

    /// `from` has answered whether it would agree.
    pub(super) fn answered(&mut self, from: Rank, base: Term, agrees: bool) {
        if let Role::Probing { yes, .. } = &mut self.role
            && base == self.confirmed.term
        {
            if agrees {
                yes.insert(from)
            } else {
                yes.remove(&from)
            };
        }
    }

    /// `from` has voted, and told its view in force, what it has accepted since, and who is estranged.
    pub(super) fn voted(
        &mut self,
        from: Rank,
        term: Term,
        (confirmed, accepted, estranged): (View, Vec<View>, BTreeSet<Rank>),
        now: Duration,
    ) {
        if self.role.term() != Some(term) || !self.learn(&confirmed, now) {
            return;
        }
        if let Role::Standing { voters, found, .. } = &mut self.role {
            voters.insert(from);
            found.extend(accepted.into_iter().map(|view| (view.term, view)));
            self.estranged.extend(estranged);
        }
    }

    /// Somebody has promised more than this rank stands with: it tries again later, with a higher round.
    pub(super) fn refused(&mut self, term: Term, promised: Term, now: Duration) {
        if self.role.term() != Some(term) || promised <= term {
            return;
        }
        let longer = 1 << self.refusals.min(6);
        self.refusals += 1;
        self.yield_until(now + self.settings.stagger * (self.place() + 1) * longer);
    }

    pub(super) fn was_accepted(&mut self, from: Rank, term: Term) {
        if let Role::Proposing { view, accepted, .. } = &mut self.role
            && view.term == term
        {
            accepted.insert(from);
        }
    }
}
