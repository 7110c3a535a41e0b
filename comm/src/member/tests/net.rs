//! A tiny network with a clock: every message takes a millisecond, and what is cut loses everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::Rank;
use crate::member::{Action, Doing, Event, Membership, Message, Notice, Settings, Status, View};

pub const MS: Duration = Duration::from_millis(1);

pub struct Net {
    pub now: Duration,
    pub ranks: BTreeMap<Rank, Membership>,
    pub cut: BTreeSet<(Rank, Rank)>,
    pub paused: BTreeSet<Rank>,
    pub killed: BTreeSet<Rank>,
    /// Ranks whose computing thread makes a step each millisecond; of others it stands still.
    pub computing: BTreeSet<Rank>,
    pub waiting: BTreeMap<Rank, Rank>,
    pub notices: Vec<(Rank, Notice)>,
    /// Drops a message, if it says so.
    pub loses: fn(&Message) -> bool,
    air: VecDeque<(Duration, Rank, Rank, Message)>,
}

pub fn settings() -> Settings {
    Settings {
        heartbeat: 20 * MS,
        timeout: 200 * MS,
        result_timeout: 1000 * MS,
        stagger: 10 * MS,
        patience: 200 * MS,
        continue_without_quorum: false,
    }
}

impl Net {
    pub fn new(size: u32) -> Net {
        Net::with(size, &settings())
    }

    pub fn with(size: u32, settings: &Settings) -> Net {
        let rank = |me| (me, Membership::new(me, View::first(size), settings.clone(), Duration::ZERO));
        Net {
            now: Duration::ZERO,
            ranks: Rank::all(size).map(rank).collect(),
            cut: BTreeSet::new(),
            paused: BTreeSet::new(),
            killed: BTreeSet::new(),
            computing: Rank::all(size).collect(),
            waiting: BTreeMap::new(),
            notices: Vec::new(),
            loses: |_| false,
            air: VecDeque::new(),
        }
    }

    pub fn tell(&mut self, rank: u32, event: Event) {
        let me = Rank(rank);
        if self.killed.contains(&me) {
            return;
        }
        let mut out = Vec::new();
        if let Some(membership) = self.ranks.get_mut(&me) {
            membership.on(event, self.now, &mut out);
        }
        for action in out {
            match action {
                Action::Send { to, message } => {
                    let lost = self.cut.contains(&(me, to)) || (self.loses)(&message);
                    let bytes = message.encode();
                    assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
                    if !lost {
                        self.air.push_back((self.now + MS, me, to, message));
                    }
                }
                Action::Notice(notice) => self.notices.push((me, notice)),
                Action::Status(_) => {}
            }
        }
        self.check();
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.now += MS;
            self.compute();
            let mut later = VecDeque::new();
            let mut stuck = BTreeSet::new();
            for (at, from, to, message) in std::mem::take(&mut self.air) {
                if at > self.now || self.paused.contains(&to) {
                    stuck.insert((from, to));
                    later.push_back((at, from, to, message));
                } else {
                    self.tell(to.0, Event::Message { from, message });
                }
            }
            self.air.extend(later);
            let due = |(me, rank): (&Rank, &Membership)| (rank.deadline() <= self.now).then_some(*me);
            for me in self.ranks.iter().filter_map(due).collect::<Vec<_>>() {
                if !self.paused.contains(&me) {
                    self.tell(me.0, Event::Tick);
                }
            }
        }
    }

    fn compute(&mut self) {
        let steps = self.now.as_millis() as u64;
        for me in self.ranks.keys().copied().collect::<Vec<_>>() {
            if self.paused.contains(&me) {
                continue;
            }
            if let Some(on) = self.waiting.get(&me) {
                self.tell(me.0, Event::Progress { steps: 0, doing: Doing::Waiting { on: *on, for_ms: steps as u32 } });
            } else if self.computing.contains(&me) {
                self.tell(me.0, Event::Progress { steps, doing: Doing::Computing });
            }
        }
    }

    pub fn kill(&mut self, rank: u32) {
        self.killed.insert(Rank(rank));
        self.paused.insert(Rank(rank));
    }

    pub fn proof(&mut self, of: u32, to: u32) {
        self.tell(to, Event::Lost { peer: Rank(of), proof: true });
    }

    pub fn split(&mut self, one: &[u32], other: &[u32]) {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (Rank(*a), Rank(*b)))) {
            self.cut.extend([(a, b), (b, a)]);
        }
    }

    pub fn status(&self, rank: u32) -> Status {
        self.ranks[&Rank(rank)].status()
    }

    /// The members of `rank`'s view in force, if that is steady.
    pub fn steady(&self, rank: u32) -> Option<Vec<u32>> {
        match self.status(rank) {
            Status::Steady(view) => Some(view.members.iter().map(|rank| rank.0).collect()),
            _ => None,
        }
    }

    #[track_caller]
    pub fn all_steady(&self, ranks: &[u32], members: &[u32]) {
        for rank in ranks {
            assert_eq!(self.steady(*rank).as_deref(), Some(members), "rank {rank}: {:?}", self.ranks[&Rank(*rank)]);
        }
    }

    pub fn noticed(&self, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(|(_, notice)| wanted(notice))
    }

    fn check(&self) {
        for rank in self.ranks.values() {
            if let Status::Steady(view) = rank.status() {
                assert!(rank.promised() <= view.term, "M-3: {rank:?}");
            }
        }
    }
}
