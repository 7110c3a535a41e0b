//! What a rank knows and is about, and the order in which it deals with what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::candidate::Role;
use super::detector::Detector;
use super::{Action, Event, Message, Notice, Quorum, Settings, Status, Term, View};
use crate::Rank;

/// One rank's part in the membership of a run. See the [module](super) for how it works.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    pub(super) me: Rank,
    pub(super) settings: Settings,
    pub(super) rule: Quorum,
    /// The view in force, as far as this rank knows.
    pub(super) confirmed: View,
    /// Not yet a member of any view in force.
    pub(super) newcomer: bool,
    /// All that was accepted since `confirmed`, by term. Each may be in force without this rank knowing.
    pub(super) accepted: BTreeMap<Term, View>,
    pub(super) promised: Term,
    /// The highest round heard of.
    pub(super) top_round: u32,
    pub(super) dead: BTreeSet<Rank>,
    /// Were members, may not know that they are none any more, and are not proven dead.
    pub(super) estranged: BTreeSet<Rank>,
    pub(super) detector: Detector,
    pub(super) admits: BTreeSet<Rank>,
    pub(super) dismissed: BTreeSet<Rank>,
    /// A member has promised a higher term than ours: a change has begun elsewhere and must be brought to an end.
    pub(super) unrest: bool,
    pub(super) role: Role,
    /// When this rank tries by itself to bring about the change that is wanted.
    pub(super) next_try: Option<Duration>,
    /// Stands that were refused since the view in force.
    pub(super) refusals: u32,
    pub(super) no_quorum: bool,
    pub(super) excluded: Option<View>,
    shown: Status,
    next_heartbeat: Duration,
    pub(super) due: Duration,
}

impl Membership {
    /// Rank `me`, a member of `view`, which is in force.
    pub fn new(me: Rank, view: View, settings: Settings, now: Duration) -> Membership {
        Membership::with_rule(me, view, settings.quorum(), settings, now)
    }

    /// As [`Membership::new`], by another rule for quorums than the settings have.
    #[doc(hidden)]
    pub fn with_rule(me: Rank, view: View, rule: Quorum, settings: Settings, now: Duration) -> Membership {
        let mut detector = Detector::default();
        detector.watch(&view, me, now);
        let shown = if view.contains(me) { Status::Steady(view.clone()) } else { Status::Changing };
        Membership {
            me,
            rule,
            newcomer: !view.contains(me),
            accepted: BTreeMap::new(),
            promised: view.term,
            top_round: view.term.round,
            confirmed: view,
            dead: BTreeSet::new(),
            estranged: BTreeSet::new(),
            detector,
            admits: BTreeSet::new(),
            dismissed: BTreeSet::new(),
            unrest: false,
            role: Role::Idle,
            next_try: None,
            refusals: 0,
            no_quorum: false,
            excluded: None,
            shown,
            next_heartbeat: now,
            due: now,
            settings,
        }
    }

    /// Rank `me`, which has never been a member and is to be let into the run whose `view` is in force. Its master must be
    /// told by [`Event::Admit`].
    pub fn newcomer(me: Rank, view: View, settings: Settings, now: Duration) -> Membership {
        Membership::new(me, view, settings, now)
    }

    /// Deals with what has happened at `now`, and adds what is to be done to `out`.
    ///
    /// Nothing is done because of the time but by [`Event::Tick`].
    pub fn on(&mut self, event: Event, now: Duration, out: &mut Vec<Action>) {
        if let Some(by) = &self.excluded {
            stay_excluded(self.me, by, event, out);
            return;
        }
        self.forgive_own_absence(now);
        match event {
            Event::Tick => self.tick(now, out),
            Event::Message { from, message } => self.receive(from, message, now, out),
            Event::Connected { peer } => self.repeat_to(peer, out),
            Event::Lost { peer, proof: true } | Event::Evidence { peer, proof: true } => {
                self.prove(peer, now, out);
                self.pass_on(out);
            }
            Event::Lost { peer, proof: false } => {
                self.admits.remove(&peer);
            }
            Event::Evidence { peer, proof: false } => {
                if self.confirmed.contains(peer) && peer != self.me {
                    self.detector.hurry(peer, 2 * self.settings.heartbeat, self.settings.timeout, now);
                    self.due = now;
                }
            }
            Event::Alive { peer } => {
                if self.confirmed.contains(peer) && !self.dead.contains(&peer) && self.detector.heard(peer, now) {
                    self.note(Notice::Trusted { peer }, out);
                }
            }
            Event::Progress { steps, doing } => self.detector.progress(self.me, steps, doing, now),
            Event::Admit { rank } => {
                if self.is_master() && !self.confirmed.contains(rank) && !self.dead.contains(&rank) {
                    self.admits.insert(rank);
                }
            }
            Event::Dismiss { rank } => {
                if self.is_master() && self.confirmed.contains(rank) {
                    self.dismissed.insert(rank);
                }
            }
        }
        self.settle(now, out);
    }

    /// When [`Event::Tick`] is wanted next.
    pub fn deadline(&self) -> Duration {
        self.due
    }

    /// Where this rank stands.
    pub fn status(&self) -> Status {
        self.shown.clone()
    }

    /// The view in force, as far as this rank knows.
    pub fn view(&self) -> &View {
        &self.confirmed
    }

    /// Who is proven dead.
    pub fn dead(&self) -> &BTreeSet<Rank> {
        &self.dead
    }

    /// Who has been silent for too long, of those that this rank watches.
    pub fn suspects(&self) -> &BTreeSet<Rank> {
        self.detector.suspects()
    }

    /// What this rank has accepted since its view in force, ascending: views that may be in force without it knowing.
    pub fn accepted(&self) -> impl Iterator<Item = &View> {
        self.accepted.values()
    }

    /// The highest term that this rank has promised.
    pub fn promised(&self) -> Term {
        self.promised
    }

    /// Which rank this is.
    pub fn me(&self) -> Rank {
        self.me
    }

    pub(super) fn is_master(&self) -> bool {
        self.confirmed.master() == self.me
    }

    /// Whom this rank expects signs of life from.
    pub(super) fn watched(&self) -> impl Iterator<Item = Rank> + use<> {
        let all = if self.is_master() { &self.confirmed.members[..] } else { &self.confirmed.members[..1] };
        let others = all.iter().copied().filter(|rank| *rank != self.me && !self.dead.contains(rank));
        others.collect::<Vec<_>>().into_iter()
    }

    fn forgive_own_absence(&mut self, now: Duration) {
        let late = now.saturating_sub(self.due);
        if late > self.settings.heartbeat {
            self.detector.forgive(late);
            self.role.forgive(late);
            self.next_try = self.next_try.map(|at| at + late);
            self.due = now;
        }
    }

    fn tick(&mut self, now: Duration, out: &mut Vec<Action>) {
        let Settings { heartbeat, timeout, result_timeout, .. } = self.settings;
        let mut notices = Vec::new();
        // Nobody sends heartbeats to a newcomer.
        let watched: Vec<Rank> = self.watched().filter(|_| !self.newcomer).collect();
        let watched = || watched.iter().copied();
        self.detector.expire(watched(), timeout, now, |notice| notices.push(notice));
        self.detector.stall(watched().chain([self.me]), result_timeout, now, |notice| notices.push(notice));
        if self.is_master() {
            self.detector.find_cut(&self.confirmed, result_timeout, |notice| notices.push(notice));
        }
        out.extend(notices.into_iter().map(Action::Notice));
        if now >= self.next_heartbeat {
            self.send_heartbeats(out);
            self.repeat(out);
            self.next_heartbeat = now + heartbeat;
        }
        self.act_on_time(now, out);
        let next = self.detector.next(watched(), self.me, timeout, result_timeout);
        self.due = next.map_or(self.next_heartbeat, |at| at.min(self.next_heartbeat)).max(now);
    }

    fn send_heartbeats(&self, out: &mut Vec<Action>) {
        let (steps, doing) = self.detector.own(self.me);
        let message = Message::Heartbeat { term: self.confirmed.term, steps, doing };
        out.extend(self.watched().map(|to| Action::Send { to, message: message.clone() }));
        if self.newcomer && self.dead.iter().any(|rank| self.confirmed.contains(*rank)) {
            self.pass_on(out);
        }
        if !self.admits.is_empty() {
            // A newcomer has to wait until those who were left out know it.
            let unaware = self.estranged.difference(&self.dead).copied();
            let message = Message::Excluded { view: self.confirmed.clone() };
            out.extend(unaware.map(|to| Action::Send { to, message: message.clone() }));
        }
    }

    /// What follows from the state as it is now, whatever has led to it.
    fn settle(&mut self, now: Duration, out: &mut Vec<Action>) {
        while self.excluded.is_none() && self.advance(now, out) {}
        if self.excluded.is_some() {
            self.due = Duration::MAX;
        } else {
            self.plan(now);
            if self.waits_for_silent_only(now) {
                self.due = now;
            }
            let at = self.role.deadline(self.settings.patience).filter(|_| !self.no_quorum).into_iter();
            self.due = at.chain(self.next_try).fold(self.due, Duration::min).max(now);
        }
        let status = self.judge();
        if status != self.shown {
            self.shown = status.clone();
            out.push(Action::Status(status));
        }
    }

    fn judge(&self) -> Status {
        match &self.excluded {
            Some(view) => Status::Excluded { by: view.term },
            None if self.newcomer => Status::Changing,
            None if self.no_quorum => Status::NoQuorum,
            None if self.promised > self.confirmed.term => Status::Changing, // M-3
            None => Status::Steady(self.confirmed.clone()),
        }
    }

    pub(super) fn note(&self, notice: Notice, out: &mut Vec<Action>) {
        out.push(Action::Notice(notice));
    }
}

/// Who is excluded only says so, to whom may not know (M-4).
fn stay_excluded(me: Rank, by: &View, event: Event, out: &mut Vec<Action>) {
    match event {
        Event::Message { from: to, message: Message::Excluded { view } } if view.contains(to) && !view.contains(me) => {
            out.push(Action::Send { to, message: Message::Excluded { view } });
        }
        Event::Message { message: Message::Excluded { .. } | Message::Confirm { .. }, .. } => {}
        Event::Message { from: to, .. } => {
            out.push(Action::Send { to, message: Message::Excluded { view: by.clone() } })
        }
        _ => {}
    }
}
