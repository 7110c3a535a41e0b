//! Nodes, what lies between them, and what is to happen next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rankzero_comm::Rank;

use crate::{Death, Fault, Input, Links, Node, Output, Random};

/// A simulated process.
struct Host<N: Node> {
    node: N,
    alive: bool,
    /// How many pauses lie on it.
    paused: u32,
    /// What has come meanwhile.
    waiting: VecDeque<Input<N::Message, N::Order>>,
    /// Until when it is slow, and by how much at most.
    slow: (Duration, Duration),
    /// It deals with nothing before this.
    free: Duration,
    /// For when a tick is planned.
    tick: Duration,
}

enum Happening<N: Node> {
    Arrival { from: Rank, to: Rank, number: u32, message: N::Message },
    Input { rank: Rank, input: Input<N::Message, N::Order> },
    Tick(Rank),
    Fault(Fault<N::Order>),
    Resume(Rank),
    Connect { a: Rank, b: Rank },
    Mend { from: Vec<Rank>, to: Vec<Rank>, breaks: bool },
}

/// What has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A run on a virtual clock.
pub struct World<N: Node> {
    now: Duration,
    hosts: Vec<Host<N>>,
    links: Links<N::Message>,
    random: Random,
    queue: BTreeMap<(Duration, u64), Happening<N>>,
    /// Happenings so far, which keeps those of one moment in order.
    count: u64,
    /// No fault is left; what is broken is mended at once.
    healed: Duration,
    traffic: Traffic,
    traced: bool,
}

impl<N: Node> World<N> {
    /// Rank n is `nodes[n]`.
    pub fn new(nodes: Vec<N>, links: Links<N::Message>, random: Random, traced: bool) -> World<N> {
        let host = |node| Host {
            node,
            alive: true,
            paused: 0,
            waiting: VecDeque::new(),
            slow: (Duration::ZERO, Duration::ZERO),
            free: Duration::ZERO,
            tick: Duration::MAX,
        };
        let mut world = World {
            now: Duration::ZERO,
            hosts: nodes.into_iter().map(host).collect(),
            links,
            random,
            queue: BTreeMap::new(),
            count: 0,
            healed: Duration::MAX,
            traffic: Traffic::default(),
            traced,
        };
        Rank::all(world.size()).for_each(|rank| world.plan_tick(rank));
        world
    }

    /// How many ranks there are, dead ones included.
    pub fn size(&self) -> u32 {
        self.hosts.len() as u32
    }

    /// The time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The state machine of `rank`, if its process lives.
    pub fn node(&self, rank: Rank) -> Option<&N> {
        self.hosts.get(rank.index()).filter(|host| host.alive).map(|host| &host.node)
    }

    /// As [`World::node`], to be changed.
    pub fn node_mut(&mut self, rank: Rank) -> Option<&mut N> {
        self.hosts.get_mut(rank.index()).filter(|host| host.alive).map(|host| &mut host.node)
    }

    /// All that live.
    pub fn alive(&self) -> impl Iterator<Item = (Rank, &N)> {
        let hosts = self.hosts.iter().enumerate().filter(|(_, host)| host.alive);
        hosts.map(|(index, host)| (Rank(index as u32), &host.node))
    }

    /// What has been sent so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Plans a fault.
    pub fn add(&mut self, at: Duration, fault: Fault<N::Order>) {
        self.push(at, Happening::Fault(fault));
    }

    /// From `at` on whatever breaks is mended at once.
    pub fn heal(&mut self, at: Duration) {
        self.healed = at;
    }

    /// Lets the next thing happen, if there is one until `end`. Returns whom it has touched, if anybody.
    pub fn step(&mut self, end: Duration) -> Option<Option<Rank>> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= end)?;
        let ((at, _), happening) = entry.remove_entry();
        self.now = at;
        Some(match happening {
            Happening::Arrival { from, to, number, message } => self.arrive(from, to, number, message),
            Happening::Input { rank, input } => self.take(rank, input),
            Happening::Tick(rank) => self.tick(rank),
            Happening::Fault(fault) => {
                self.begin(fault);
                None
            }
            Happening::Resume(rank) => {
                self.resume(rank);
                None
            }
            Happening::Connect { a, b } => {
                self.connect(a, b);
                None
            }
            Happening::Mend { from, to, breaks } => {
                self.mend(&from, &to, breaks);
                None
            }
        })
    }

    fn push(&mut self, at: Duration, happening: Happening<N>) {
        self.count += 1;
        self.queue.insert((at.max(self.now), self.count), happening);
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        if self.traced {
            println!("{:>10.6} {}", self.now.as_secs_f64(), line());
        }
    }

    fn arrive(&mut self, from: Rank, to: Rank, number: u32, message: N::Message) -> Option<Rank> {
        if self.links.number(from, to) != number || !self.hosts[to.index()].alive {
            return None;
        }
        if self.links.is_cut(from, to) {
            self.links.hold(from, to, message);
            return None;
        }
        self.give(to, Input::Message { from, message })
    }

    /// `input` reaches a process, which may be slow.
    fn give(&mut self, rank: Rank, input: Input<N::Message, N::Order>) -> Option<Rank> {
        let now = self.now;
        let host = &mut self.hosts[rank.index()];
        let late = if now < host.slow.0 { host.slow.1.as_micros() as u64 } else { 0 };
        let at = host.free.max(now + self.random.micros(0..late));
        if at > now {
            host.free = at;
            self.push(at, Happening::Input { rank, input });
            return None;
        }
        self.take(rank, input)
    }

    fn take(&mut self, rank: Rank, input: Input<N::Message, N::Order>) -> Option<Rank> {
        let host = &mut self.hosts[rank.index()];
        if !host.alive {
            return None;
        }
        if host.paused > 0 {
            host.waiting.push_back(input);
            return None;
        }
        self.tell(|| format!("{rank} <- {input:?}"));
        let mut out = Vec::new();
        let host = &mut self.hosts[rank.index()];
        host.node.on(input, self.now, &mut out);
        for output in out {
            match output {
                Output::Send { to, message } => self.send(rank, to, message),
                Output::Note(note) => self.tell(|| format!("{rank}: {note}")),
            }
        }
        self.plan_tick(rank);
        Some(rank)
    }

    fn send(&mut self, from: Rank, to: Rank, message: N::Message) {
        self.traffic.messages += 1;
        self.traffic.bytes += N::size(&message) as u64;
        if self.links.is_down(from, to) || !self.hosts.get(to.index()).is_some_and(|host| host.alive) {
            return;
        }
        let at = self.links.arrival(from, to, self.now, &mut self.random);
        let number = self.links.number(from, to);
        self.push(at, Happening::Arrival { from, to, number, message });
    }

    fn plan_tick(&mut self, rank: Rank) {
        let host = &mut self.hosts[rank.index()];
        let due = host.node.deadline();
        if due == Duration::MAX || !host.alive {
            return;
        }
        let late = if self.now < host.slow.0 { host.slow.1.as_micros() as u64 } else { 0 };
        let at = due.max(self.now) + self.random.micros(0..late);
        if at < host.tick {
            host.tick = at;
            self.push(at, Happening::Tick(rank));
        }
    }

    fn tick(&mut self, rank: Rank) -> Option<Rank> {
        let host = &mut self.hosts[rank.index()];
        if host.tick != self.now || !host.alive || host.paused > 0 {
            return None;
        }
        host.tick = Duration::MAX;
        if host.node.deadline() > self.now {
            self.plan_tick(rank);
            return None;
        }
        self.take(rank, Input::Tick)
    }

    fn begin(&mut self, fault: Fault<N::Order>) {
        self.tell(|| format!("-- {fault:?}"));
        let now = self.now;
        match fault {
            Fault::Kill { rank, how } => self.kill(rank, how),
            Fault::Pause { rank, lasts } => {
                self.hosts[rank.index()].paused += 1;
                self.push(now + lasts, Happening::Resume(rank));
            }
            Fault::Slow { rank, lasts, late } => self.hosts[rank.index()].slow = (now + lasts, late),
            Fault::Break { a, b, lasts } => self.tear(a, b, lasts),
            Fault::Cut { from, to, lasts, both, breaks } => {
                if both {
                    self.cut(to.clone(), from.clone(), lasts, false);
                }
                self.cut(from, to, lasts, breaks);
            }
            Fault::Doubt { at, of } => {
                self.give(at, Input::Evidence { peer: of, proof: false });
            }
            Fault::Order { at, order } => {
                let leader = || self.alive().filter_map(|(rank, node)| Some((node.leads()?, rank))).max();
                if let Some(rank) = at.or_else(|| leader().map(|(_, rank)| rank)) {
                    self.give(rank, Input::Order(order));
                }
            }
        }
    }

    fn kill(&mut self, rank: Rank, how: Death) {
        if !std::mem::replace(&mut self.hosts[rank.index()].alive, false) {
            return;
        }
        let others: Vec<Rank> = self.alive().map(|(rank, _)| rank).collect();
        for to in others {
            let cut = self.links.is_cut(rank, to) || self.links.is_down(rank, to);
            let (told, delay) = match how {
                Death::Seen if cut => (self.healed < Duration::MAX, self.healed.saturating_sub(self.now)),
                Death::Seen => (true, self.random.micros(50..20_000)),
                Death::Heard => (self.random.one_in(3), self.random.millis(1..3000)),
                Death::Silent => (false, Duration::ZERO),
            };
            if told {
                let proof = Input::Evidence { peer: rank, proof: true };
                let seen = Input::Lost { peer: rank, proof: true };
                let input = if how == Death::Seen { seen } else { proof };
                self.push(self.now + delay, Happening::Input { rank: to, input });
            }
        }
    }

    fn tear(&mut self, a: Rank, b: Rank, lasts: Duration) {
        if a != b && self.links.tear(a, b) {
            for (rank, peer) in [(a, b), (b, a)] {
                self.give(rank, Input::Lost { peer, proof: false });
            }
            self.push(self.now + lasts, Happening::Connect { a, b });
        }
    }

    fn connect(&mut self, a: Rank, b: Rank) {
        if !self.hosts[a.index()].alive || !self.hosts[b.index()].alive {
            return;
        }
        if self.links.connect(a, b) {
            for (rank, peer) in [(a, b), (b, a)] {
                self.give(rank, Input::Connected { peer });
            }
        } else if self.links.is_down(a, b) {
            self.push(self.now + Duration::from_millis(100), Happening::Connect { a, b });
        }
    }

    fn cut(&mut self, from: Vec<Rank>, to: Vec<Rank>, lasts: Duration, breaks: bool) {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            self.links.cut(from, to);
        }
        self.push(self.now + lasts, Happening::Mend { from, to, breaks });
    }

    fn mend(&mut self, from: &[Rank], to: &[Rank], breaks: bool) {
        self.tell(|| format!("-- mended: {from:?} to {to:?}"));
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            for message in self.links.mend(from, to) {
                let at = self.links.arrival(from, to, self.now, &mut self.random);
                let number = self.links.number(from, to);
                self.push(at, Happening::Arrival { from, to, number, message });
            }
            if breaks {
                let lasts = self.random.millis(1..200);
                self.tear(from, to, lasts);
            }
        }
    }

    /// A process runs again. What has come meanwhile may be found before the clock is looked at, or after.
    fn resume(&mut self, rank: Rank) {
        let host = &mut self.hosts[rank.index()];
        host.paused -= 1;
        if host.paused > 0 || !host.alive {
            return;
        }
        let mut waiting = std::mem::take(&mut host.waiting);
        host.tick = Duration::MAX;
        if self.random.one_in(2) {
            waiting.push_front(Input::Tick);
        }
        host_queue(self, rank, waiting);
        self.plan_tick(rank);
    }
}

/// Plans `inputs` for now, in order.
fn host_queue<N: Node>(world: &mut World<N>, rank: Rank, inputs: VecDeque<Input<N::Message, N::Order>>) {
    for input in inputs {
        world.push(world.now, Happening::Input { rank, input });
    }
}
