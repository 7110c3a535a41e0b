//! All ranks of a run, and what happens to them.

use std::time::Duration;

use rankzero_comm::mpi::Patience;
use rankzero_comm::packets::{Compression, Packets};
use rankzero_comm::{CommError, Fabric, Ladder, Limits, Policy, Rank, Rung, Transport};

use super::direct::Direct;
use super::latecomers::Latecomers;
use super::member::Member;
use super::net::{Net, Post, Shared};
use super::packet::SimPort;
use super::{Choices, now, pass};

/// Small, so that windows are full and writes are several packets.
const LIMITS: Limits = Limits { packet_words: 64, window_words: 512, backlog_words: 600 };
pub const RUNGS: [Rung; 4] = [Rung::Shm, Rung::Verbs, Rung::Mpi, Rung::Tcp];
/// How long everything may take once nothing breaks any more: above all the longest wait before a rung is tried again,
/// several times, as an attempt may have to wait for the one before.
const SETTLED_BY: Duration = Duration::from_secs(200);

/// What may happen in a run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Ranks that start together.
    pub size: u32,
    /// Ranks that come later.
    pub newcomers: u32,
    /// The rungs that there are, the best first.
    pub rungs: &'static [Rung],
    pub steps: u32,
    /// The rung that never breaks, if there is one: no peer may be given up then.
    pub stable: Option<Rung>,
    /// A rank that ends in the middle.
    pub killed: Option<Rank>,
    /// Whether words change on their way.
    pub mutating: bool,
    /// What each step does is printed.
    pub traced: bool,
}

impl Setup {
    pub fn capacity(&self) -> u32 {
        self.size + self.newcomers
    }

    /// A run of any kind without changed words.
    pub fn any(choices: &mut Choices) -> Setup {
        let size = 2 + (choices.below(3) / 2) as u32;
        let kind = choices.below(8);
        let stable = match kind {
            0..5 => Some(RUNGS[choices.below(4) as usize]),
            // A death is seen only where a rung tells of it.
            5 => Some([Rung::Shm, Rung::Tcp][choices.below(2) as usize]),
            _ => None,
        };
        let newcomers = choices.below(3).min(choices.below(3)) as u32;
        let killed = (kind == 5).then(|| Rank(choices.below(u64::from(size + newcomers)) as u32));
        Setup {
            size,
            newcomers,
            rungs: &RUNGS,
            steps: 50 + choices.below(400) as u32,
            stable,
            killed,
            mutating: false,
            traced: false,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub changes: u64,
    pub arrivals: u64,
    pub failures: u64,
    pub mutations: u64,
}

#[derive(Debug)]
pub struct World {
    pub(super) setup: Setup,
    pub(super) shared: Shared,
    /// By rank; of the vacant and the dead there is none.
    pub(super) members: Vec<Option<Member>>,
    pub(super) late: Latecomers,
    /// Whether all ranks share a node.
    pub(super) one_node: bool,
    /// A rank that computes and makes no progress, and for how many more steps.
    asleep: (usize, u64),
}

impl World {
    /// All ranks, none of them open.
    pub fn new(setup: Setup, choices: Choices) -> World {
        let shared = Shared::new(setup.capacity(), choices);
        let compression = [Compression::On, Compression::Off][shared.net().choices.below(2) as usize];
        let retry = Duration::from_millis([5, 100, 1000][shared.net().choices.below(3) as usize]);
        let one_node = setup.stable != Some(Rung::Verbs) && shared.net().choices.below(2) == 0;
        let late = Latecomers::new(&setup, &mut shared.net().choices, (compression, retry));
        let mut world = World { members: Vec::new(), setup, shared, late, one_node, asleep: (0, 0) };
        let begun = Rank::all(world.setup.size).map(|me| Some(world.begin(me)));
        world.members = begun.collect();
        world.members.resize_with(world.setup.capacity() as usize, || None);
        world
    }

    /// A rank with its rungs and segments.
    pub(super) fn begin(&self, me: Rank) -> Member {
        let mut ladder = ladder(me, &self.setup, &self.shared);
        let (compression, retry) = self.late.wish;
        ladder.set_compression(compression);
        ladder.retry_first(retry);
        ladder.set_node(self.node(me));
        if self.setup.newcomers > 0 {
            ladder.set_courier(Box::new(Post { me, net: self.shared.clone() }));
        }
        let mut member = Member::new(ladder);
        member.gullible = self.setup.mutating;
        member
    }

    /// On one node RDMA is barred; between nodes all rungs of this simulation serve.
    pub(super) fn node(&self, rank: Rank) -> Vec<u8> {
        if self.one_node { Vec::new() } else { vec![rank.0 as u8] }
    }

    pub(super) fn net(&self) -> std::sync::MutexGuard<'_, Net> {
        self.shared.net()
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        self.net().choices.below(limit)
    }

    pub(super) fn live(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.members[at].is_some()).collect()
    }

    pub(super) fn member(&mut self, at: usize) -> &mut Member {
        self.members[at].as_mut().expect("alive")
    }

    /// The run from the start to the end.
    pub fn run(mut self) -> Outcome {
        self.open();
        self.net().mutating = self.setup.mutating;
        let slow = self.below(3) == 2;
        self.net().slow = slow;
        for step in 0..self.setup.steps {
            self.come_and_go(step);
            self.step();
        }
        if !self.setup.mutating {
            self.settle();
        }
        let mut outcome = Outcome { mutations: self.net().mutations, ..Outcome::default() };
        for member in self.members.iter().flatten() {
            outcome.changes += member.changes;
            outcome.arrivals += member.arrived.iter().map(|&count| u64::from(count)).sum::<u64>();
            outcome.failures += member.failed.iter().filter(|&&failed| failed).count() as u64;
        }
        outcome
    }

    fn open(&mut self) {
        let size = self.setup.size as usize;
        for at in 0..size {
            let neighbours = (0..size).map(|peer| peer == at || self.one_node).collect();
            self.member(at).ladder.begin_open(neighbours).expect("begun");
        }
        let mut opened = vec![false; size];
        let deadline = now() + SETTLED_BY;
        while !opened.iter().all(|&opened| opened) {
            assert!(now() < deadline, "the ranks do not open: {:?}", self.picks());
            for at in 0..size {
                if opened[at] {
                    self.member(at).poll();
                } else {
                    opened[at] = self.member(at).ladder.opened().expect("a path");
                }
            }
            pass(Duration::from_millis(1));
        }
    }

    /// One of the things that may happen.
    fn step(&mut self) {
        if self.asleep.1 == 0 && self.net().choices.one_in(32) {
            self.asleep = (self.below(self.members.len() as u64) as usize, self.below(60));
        }
        self.asleep.1 = self.asleep.1.saturating_sub(1);
        let awake = |at: &usize| self.asleep.1 == 0 || *at != self.asleep.0;
        let live: Vec<usize> = self.live().into_iter().filter(awake).collect();
        if live.is_empty() {
            return;
        }
        let at = live[self.below(live.len() as u64) as usize];
        match self.below(16) {
            0..7 => {
                self.member(at).poll();
            }
            7..11 => {
                let peer = self.other(at);
                for _ in 0..=self.below(4) {
                    self.write(at, peer);
                }
            }
            11 => {
                let long = self.below(24);
                pass(match long {
                    0..16 => Duration::from_micros(700),
                    16..22 => Duration::from_millis(20),
                    22 => Duration::from_millis(510),
                    _ => Duration::from_millis(5100),
                });
            }
            12 => (0..4).for_each(|_| {
                for &at in &live {
                    self.member(at).poll();
                }
                pass(Duration::from_millis(1));
            }),
            13 | 14 => self.fault(at),
            _ => self.mend_some(at),
        }
    }

    /// Another rank that has come, dead or alive.
    fn other(&self, at: usize) -> Rank {
        let came = |&rank: &Rank| rank.index() != at && self.late.has_come(rank);
        let others: Vec<Rank> = Rank::all(self.setup.capacity()).filter(came).collect();
        others[self.below(others.len() as u64) as usize]
    }

    pub(super) fn is_asleep(&self, at: usize) -> bool {
        self.asleep.1 > 0 && at == self.asleep.0
    }

    fn write(&mut self, at: usize, to: Rank) {
        let me = Rank(at as u32);
        if !self.member(at).ladder.present().contains(&to) {
            return;
        }
        let seen = self.members[to.index()].as_ref().map(|peer| peer.arrived[me.index()]);
        // Of one that is gone nothing is known; its places do not matter any more.
        self.member(at).write(to, seen.unwrap_or(u32::MAX / 2));
    }

    /// A rung that may break.
    fn breakable(&self) -> Rung {
        let rungs: Vec<Rung> =
            self.setup.rungs.iter().copied().filter(|&rung| Some(rung) != self.setup.stable).collect();
        rungs[self.below(rungs.len() as u64) as usize]
    }

    /// Something breaks.
    fn fault(&mut self, at: usize) {
        let (me, peer, rung) = (Rank(at as u32), self.other(at), self.breakable());
        if let Some(stable) = self.setup.stable {
            // Only once there is something to fall back on.
            let stands = |a: Rank, b: Rank| {
                // Nothing is given up where nothing serves yet.
                let stands = |m: &Member| m.ladder.rung(b).is_none() || m.stands(b, stable);
                self.members[a.index()].as_ref().is_none_or(stands) || self.members[b.index()].is_none()
            };
            let ranks = || Rank::all(self.setup.capacity());
            if !ranks().all(|a| ranks().all(|b| a == b || !self.is_steady(a, b) || stands(a, b))) {
                return;
            }
        }
        let kind = self.below(10);
        self.trace(|| format!("fault {kind} of {rung} between {me} and {peer}"));
        match kind {
            // One side alone; the other learns of it by what it gets, or does not get.
            0 | 1 => self.net().fail(rung, me, peer),
            2 | 3 => self.fail_both(rung, me, peer),
            4 => {
                self.net().set_down(rung, me, peer, true);
                self.fail_both(rung, me, peer);
            }
            5 => {
                let stable = self.setup.stable;
                for &rung in self.setup.rungs.iter().filter(|&&rung| Some(rung) != stable) {
                    self.fail_both(rung, me, peer);
                }
            }
            6 => {
                for a in Rank::all(self.setup.capacity()) {
                    for b in Rank::all(self.setup.capacity()).filter(|&b| a < b) {
                        self.net().set_down(rung, a, b, true);
                        self.fail_both(rung, a, b);
                    }
                }
            }
            7 => [Rung::Mpi, Rung::Tcp].into_iter().for_each(|rung| self.net().lose_messages(rung, me, peer)),
            8 => {
                self.fail_both(rung, me, peer);
                self.net().lose_messages(Rung::Mpi, me, peer);
            }
            _ => self.member(at).ladder.break_rung(rung).expect("broken"),
        }
    }

    fn fail_both(&mut self, rung: Rung, a: Rank, b: Rank) {
        self.net().fail(rung, a, b);
        self.net().fail(rung, b, a);
    }

    fn mend_some(&mut self, at: usize) {
        let (me, peer, rung) = (Rank(at as u32), self.other(at), self.breakable());
        self.trace(|| format!("mend {rung} between {me} and {peer}"));
        self.net().set_down(rung, me, peer, false);
        self.member(at).ladder.mend_rung(rung).expect("mended");
    }

    pub(super) fn kill(&mut self) {
        let Some(rank) = self.setup.killed else { return };
        self.trace(|| format!("{rank} ends"));
        self.shared.net().kill(rank);
        self.members[rank.index()] = None;
    }

    /// Everything is mended: all that was written arrives, and the best rungs serve again.
    fn settle(&mut self) {
        self.trace(|| "mends all".to_owned());
        self.admit_the_rest();
        self.net().slow = false;
        for rung in RUNGS {
            for a in Rank::all(self.setup.capacity()) {
                for b in Rank::all(self.setup.capacity()).filter(|&b| a != b) {
                    self.net().set_down(rung, a, b, false);
                }
            }
            for member in self.members.iter_mut().flatten() {
                member.ladder.mend_rung(rung).expect("mended");
            }
        }
        let deadline = now() + SETTLED_BY;
        while let Some(why) = self.unsettled() {
            assert!(now() < deadline, "stuck: {why}\n{}", self.picks());
            let before = self.net().moves;
            let mut some = false;
            for at in self.live() {
                some |= (0..3).fold(false, |some, _| some | self.member(at).poll());
            }
            let quiet = !some && self.net().moves == before;
            pass(if quiet { Duration::from_millis(100) } else { Duration::from_millis(1) });
        }
    }

    /// What is still missing, in words.
    fn unsettled(&self) -> Option<String> {
        for (at, member) in self.members.iter().enumerate() {
            let (me, Some(member)) = (Rank(at as u32), member) else { continue };
            for peer in Rank::all(self.setup.capacity()).filter(|&peer| peer != me && self.late.has_come(peer)) {
                let failed = member.failed[peer.index()];
                let Some(theirs) = &self.members[peer.index()] else {
                    if !failed && self.must_notice(me, peer) {
                        return Some(format!("{me} does not notice the end of {peer}"));
                    }
                    continue;
                };
                let lost = failed || theirs.failed[at];
                assert!(!lost || !self.is_steady(me, peer), "{me} and {peer} lose each other, though a rung stands");
                if lost {
                    continue;
                }
                if !member.is_done_with(peer) || theirs.arrived[at] != member.begun[peer.index()] {
                    let (begun, open, there) = (member.begun[peer.index()], member.under_way(peer), theirs.arrived[at]);
                    return Some(format!("{me} to {peer}: {begun} begun, {open} not completed, {there} arrived"));
                }
                if member.ladder.rung(peer) != Some(self.setup.rungs[0]) {
                    return Some(format!("{me} to {peer} goes by {:?}", member.ladder.rung(peer)));
                }
            }
        }
        None
    }

    fn picks(&self) -> String {
        let picks = self.members.iter().flatten().map(|member| format!("{:#?}", member.ladder.picks()));
        picks.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        if self.setup.traced {
            eprintln!("{}", what());
        }
    }
}

fn ladder(me: Rank, setup: &Setup, shared: &Shared) -> Ladder<dyn Transport + Send> {
    let size = setup.capacity();
    let net = || shared.clone();
    let mut mpi = Packets::new(SimPort::<{ Rung::Mpi as usize }> { me, size: setup.size, net: net() }, LIMITS);
    let mut tcp = Packets::new(SimPort::<{ Rung::Tcp as usize }> { me, size, net: net() }, LIMITS);
    mpi.set_clock(now);
    tcp.set_clock(now);
    let patience = Patience { spins: u32::MAX, ..Patience::SHARED_CORE };
    let mut ladder: Ladder<dyn Transport + Send> = if me.0 < setup.size {
        let first: Box<dyn Transport + Send> = Box::new(mpi);
        let made: Result<_, CommError> = Ladder::new(me, setup.size, first, Policy::default(), LIMITS, patience);
        let mut ladder = made.expect("memory");
        ladder.make_room(setup.newcomers);
        ladder
    } else {
        Ladder::newcomer(me, size, Policy::default(), LIMITS, patience)
    };
    ladder.set_clock(now);
    ladder.add(Box::new(tcp));
    for rung in [Rung::Verbs, Rung::Shm].into_iter().filter(|rung| setup.rungs.contains(rung)) {
        ladder.add(Box::new(Direct::new(rung, me, size, net())));
    }
    ladder
}
