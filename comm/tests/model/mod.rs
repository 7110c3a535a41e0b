//! The real [`Membership`] of a few ranks as a model with few states: time stands still, all time-outs are zero, and so each
//! `Tick` finds that everything which could expire has expired. What happens, and in which order, is the checker's choice.

pub mod checks;
pub mod walk;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Action, Event, Membership, Message, Notice, Quorum, Settings, Status, Term, View};
use stateright::{Model, Property};

/// Which ranks there are and how much may happen to them.
#[derive(Clone, Debug)]
pub struct Setup {
    pub members: u32,
    pub newcomers: u32,
    pub rule: Quorum,
    pub kills: u32,
    /// Connections that break and come back, with the loss of all that was under way.
    pub losses: u32,
    pub dismissals: u32,
    /// The highest round that is looked at.
    pub rounds: u32,
    /// Whether it is asked first who would agree. If not, all do at once: that promises nothing, and saves many states.
    pub asks: bool,
    /// Messages under way from one rank to another, at most.
    pub queued: usize,
}

impl Setup {
    pub fn of(members: u32) -> Setup {
        let rule = Quorum::Sound;
        Setup { members, newcomers: 0, rule, kills: 1, losses: 0, dismissals: 0, rounds: 2, asks: true, queued: 3 }
    }
}

/// All ranks, what is between them, and what has been seen so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// By rank; `None` once killed.
    pub ranks: Vec<Option<Membership>>,
    pub air: BTreeMap<(u32, u32), VecDeque<Message>>,
    pub asks: bool,
    /// Who is dead, and who has no proof of it yet.
    pub unproven: BTreeSet<(u32, u32)>,
    pub kills: u32,
    pub losses: u32,
    pub dismissals: u32,
    /// Of each proposed view: the view and the terms it descends from.
    pub proposed: BTreeMap<Term, (View, BTreeSet<Term>)>,
    /// Terms of views that are, or were, in force for somebody.
    pub confirmed: BTreeSet<Term>,
    /// What a step has broken that cannot be seen in a state.
    pub broken: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Deliver { from: u32, to: u32 },
    Tick(u32),
    Kill(u32),
    Prove { dead: u32, to: u32 },
    Lose(u32, u32),
    Admit { at: u32, rank: u32 },
    Dismiss { at: u32, rank: u32 },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Deliver { from, to } => write!(f, "{from}>{to}"),
            Step::Tick(rank) => write!(f, "tick {rank}"),
            Step::Kill(rank) => write!(f, "kill {rank}"),
            Step::Prove { dead, to } => write!(f, "prove {dead} to {to}"),
            Step::Lose(a, b) => write!(f, "lose {a}-{b}"),
            Step::Admit { at, rank } => write!(f, "admit {rank} at {at}"),
            Step::Dismiss { at, rank } => write!(f, "dismiss {rank} at {at}"),
        }
    }
}

fn settings() -> Settings {
    Settings {
        // Heartbeats would fill the queues with what says nothing new.
        heartbeat: Duration::from_secs(1_000_000),
        timeout: Duration::ZERO,
        result_timeout: Duration::from_secs(1_000_000),
        stagger: Duration::ZERO,
        patience: Duration::ZERO,
        continue_without_quorum: false,
    }
}

impl World {
    fn start(setup: &Setup) -> World {
        let view = View::first(setup.members);
        let of = |me| Some(Membership::with_rule(me, view.clone(), setup.rule, settings(), Duration::ZERO));
        let mut world = World {
            ranks: Rank::all(setup.members + setup.newcomers).map(of).collect(),
            air: BTreeMap::new(),
            asks: setup.asks,
            unproven: BTreeSet::new(),
            kills: 0,
            losses: 0,
            dismissals: 0,
            proposed: BTreeMap::from([(view.term, (view.clone(), BTreeSet::new()))]),
            confirmed: BTreeSet::from([view.term]),
            broken: None,
        };
        // The first heartbeats, which clear the suspicions that a tick brings about here.
        (0..setup.members).for_each(|rank| world.tell(rank, Event::Tick));
        while let Some(&(from, to)) = world.air.keys().next() {
            world.deliver(from, to);
        }
        let steady = |rank: &Membership| rank.status() == Status::Steady(view.clone()) && rank.suspects().is_empty();
        assert!(world.ranks[..setup.members as usize].iter().flatten().all(steady));
        world
    }

    pub fn tell(&mut self, rank: u32, event: Event) {
        let Some(membership) = self.ranks.get_mut(rank as usize).and_then(Option::as_mut) else { return };
        let before = membership.status();
        let mut out = Vec::new();
        membership.on(event, Duration::ZERO, &mut out);
        let was_excluded = matches!(before, Status::Excluded { .. });
        if was_excluded && membership.status() != before {
            self.broken = Some("M-4: no longer excluded");
        }
        self.confirmed.insert(membership.view().term);
        for action in out {
            match action {
                Action::Send { to, message: Message::Ask { base, .. } } if !self.asks => {
                    let message = Message::Would { base, yes: true, dead: BTreeSet::new() };
                    self.tell(rank, Event::Message { from: to, message });
                }
                Action::Send { to, message } => self.send(rank, to.0, message, was_excluded),
                Action::Notice(Notice::Proposing { view, after }) => self.propose(rank, view, &after),
                Action::Status(_) | Action::Notice(_) => {}
            }
        }
    }

    fn send(&mut self, from: u32, to: u32, message: Message, was_excluded: bool) {
        if was_excluded && matches!(message, Message::Vote { .. } | Message::Accept { .. }) {
            self.broken = Some("M-4: an excluded rank has voted");
        }
        if self.ranks.get(to as usize).is_some_and(Option::is_some) {
            let queue = self.air.entry((from, to)).or_default();
            // To say a thing twice changes nothing here.
            if queue.back() != Some(&message) {
                queue.push_back(message);
            }
        }
    }

    fn propose(&mut self, by: u32, view: View, after: &[Term]) {
        let older = after.iter().filter_map(|term| self.proposed.get(term)).flat_map(|(_, ancestors)| ancestors);
        let ancestors: BTreeSet<Term> = older.chain(after).copied().collect();
        let term = view.term;
        if term.candidate != Rank(by) || self.proposed.insert(term, (view, ancestors)).is_some() {
            self.broken = Some("M-1: a term is used twice");
        }
    }

    fn deliver(&mut self, from: u32, to: u32) {
        let Some(queue) = self.air.get_mut(&(from, to)) else { return };
        let message = queue.pop_front();
        if queue.is_empty() {
            self.air.remove(&(from, to));
        }
        if let Some(message) = message {
            self.tell(to, Event::Message { from: Rank(from), message });
        }
    }

    fn kill(&mut self, rank: u32) {
        self.ranks[rank as usize] = None;
        self.kills += 1;
        // What it has sent may still arrive.
        self.air.retain(|(_, to), _| *to != rank);
        self.unproven.retain(|(_, to)| *to != rank);
        self.unproven.extend(self.alive().into_iter().map(|to| (rank, to)));
    }

    fn lose(&mut self, a: u32, b: u32) {
        self.losses += 1;
        for (one, other) in [(a, b), (b, a)] {
            self.air.remove(&(one, other));
            self.tell(one, Event::Lost { peer: Rank(other), proof: false });
        }
        for (one, other) in [(a, b), (b, a)] {
            self.tell(one, Event::Connected { peer: Rank(other) });
        }
    }

    pub fn alive(&self) -> Vec<u32> {
        (0..self.ranks.len() as u32).filter(|rank| self.ranks[*rank as usize].is_some()).collect()
    }

    pub fn after(&self, step: &Step) -> World {
        let mut next = self.clone();
        match *step {
            Step::Deliver { from, to } => next.deliver(from, to),
            Step::Tick(rank) => next.tell(rank, Event::Tick),
            Step::Kill(rank) => next.kill(rank),
            Step::Prove { dead, to } => {
                next.unproven.remove(&(dead, to));
                next.tell(to, Event::Lost { peer: Rank(dead), proof: true });
            }
            Step::Lose(a, b) => next.lose(a, b),
            Step::Admit { at, rank } => next.tell(at, Event::Admit { rank: Rank(rank) }),
            Step::Dismiss { at, rank } => {
                next.dismissals += 1;
                next.tell(at, Event::Dismiss { rank: Rank(rank) });
            }
        }
        next
    }
}

impl Model for Setup {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::start(self)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let alive = world.alive();
        steps.extend(world.air.keys().map(|(from, to)| Step::Deliver { from: *from, to: *to }));
        steps.extend(alive.iter().map(|rank| Step::Tick(*rank)));
        steps.extend(world.unproven.iter().map(|(dead, to)| Step::Prove { dead: *dead, to: *to }));
        if world.kills < self.kills {
            steps.extend(alive.iter().map(|rank| Step::Kill(*rank)));
        }
        if world.losses < self.losses {
            let loaded = world.air.keys().map(|(a, b)| (*a.min(b), *a.max(b))).collect::<BTreeSet<_>>();
            steps.extend(loaded.into_iter().map(|(a, b)| Step::Lose(a, b)));
        }
        for master in world.ranks.iter().flatten().filter(|rank| rank.view().master() == rank.me()) {
            let at = master.me().0;
            steps.extend((self.members..self.members + self.newcomers).map(|rank| Step::Admit { at, rank }));
            if world.dismissals < self.dismissals {
                steps.extend(master.view().members.iter().map(|rank| Step::Dismiss { at, rank: rank.0 }));
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        Some(world.after(&step)).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Setup>> {
        checks::properties()
    }

    fn within_boundary(&self, world: &World) -> bool {
        let round = |rank: &Membership| rank.promised().round;
        world.ranks.iter().flatten().all(|rank| round(rank) <= self.rounds)
            && world.air.values().all(|queue| queue.len() <= self.queued)
    }
}
