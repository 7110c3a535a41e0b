//! Writes over rungs that break and come back: none is lost, repeated or out of order, whatever breaks when.

mod flaky;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use flaky::{Switch, ladders};
use rankzero_comm::local::LocalFabric;
use rankzero_comm::{CommError, Endpoint, Event, Fabric, Limits, Policy, Put, Rank, Rung, Segment, SegmentId, Write};

const RUNGS: [Rung; 3] = [Rung::Verbs, Rung::Mpi, Rung::Tcp];
const TINY: Limits = Limits { packet_words: 64, window_words: 512, backlog_words: 8192 };
/// Words of one write at its target; a ring of so many places takes them in turn.
const WRITE_WORDS: usize = 100;
const PLACES: usize = 64;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// What rank `from` writes as its write `number` at word `at`.
fn word(from: Rank, number: u32, at: usize) -> u32 {
    number.wrapping_mul(0x9e37_79b9) ^ (from.0 << 24) ^ at as u32
}

/// A small generator of pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One rank: writes to all others and checks what comes.
struct Member {
    fabric: LocalFabric,
    source: Arc<Segment>,
    inbox: Arc<Segment>,
    source_id: SegmentId,
    inbox_id: SegmentId,
    arrived: Vec<u32>,
    completed: u64,
    changes: u64,
}

impl Member {
    fn new(mut fabric: LocalFabric) -> Self {
        let size = fabric.size() as usize;
        let source = Segment::new(PLACES * WRITE_WORDS).expect("memory");
        let inbox = Segment::new(size * PLACES * WRITE_WORDS).expect("memory");
        let source_id = fabric.register(Arc::clone(&source)).expect("registered");
        let inbox_id = fabric.register(Arc::clone(&inbox)).expect("registered");
        fabric.open(soon()).expect("opened");
        Self { fabric, source, inbox, source_id, inbox_id, arrived: vec![0; size], completed: 0, changes: 0 }
    }

    fn peers(&self) -> impl Iterator<Item = Rank> + use<> {
        let me = self.fabric.rank();
        Rank::all(self.fabric.size()).filter(move |&peer| peer != me)
    }

    /// Starts write `number` to everybody.
    fn write(&mut self, number: u32) {
        let (me, place) = (self.fabric.rank(), number as usize % PLACES);
        let words: Vec<u32> = (0..WRITE_WORDS).map(|at| word(me, number, at)).collect();
        self.source.store(place * WRITE_WORDS, &words);
        let base = (me.index() * PLACES + place) * WRITE_WORDS;
        // Two pieces, so that a write is more than one packet and may break in the middle.
        let half = WRITE_WORDS / 2;
        let from = place * WRITE_WORDS;
        let puts =
            [Put { from: from + half, to: base + half, len: WRITE_WORDS - half }, Put { from, to: base, len: half }];
        let mut events = Vec::new();
        for peer in self.peers() {
            let write = Write { source: self.source_id, target: self.inbox_id, puts: &puts, notification: number };
            self.fabric.write_notify_by(peer, &write, soon(), &mut events).expect("room in time");
        }
        self.digest(events);
    }

    fn poll(&mut self) {
        let mut events = Vec::new();
        self.fabric.poll(Instant::now() + Duration::from_millis(1), &mut events).expect("poll");
        self.digest(events);
    }

    fn digest(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Arrived { from, notification } => {
                    let expected = &mut self.arrived[from.index()];
                    assert_eq!(
                        notification,
                        *expected,
                        "{from} to {}: lost, repeated or reordered",
                        self.fabric.rank()
                    );
                    *expected += 1;
                    let base = (from.index() * PLACES + notification as usize % PLACES) * WRITE_WORDS;
                    let mut words = [0; WRITE_WORDS];
                    self.inbox.load(base, &mut words);
                    // Later writes may be there already, never older ones.
                    let theirs = |number: u32| (0..WRITE_WORDS).all(|at| words[at] == word(from, number, at));
                    assert!(
                        theirs(notification)
                            || words.iter().enumerate().all(|(at, &w)| {
                                (0..8).any(|k| w == word(from, notification + k * PLACES as u32, at))
                            }),
                        "write {notification} of {from} is not in place"
                    );
                }
                Event::Completed { .. } => self.completed += 1,
                Event::RungChanged { .. } => self.changes += 1,
                Event::PeerFailed { peer, cause } => panic!("{peer} failed: {cause}"),
            }
        }
    }
}

/// Runs `size` ranks that write `writes` times to all others while `chaos` plays with the switches; returns the members at the end
/// and how often a pair changed its rung.
fn run(size: u32, writes: u32, chaos: impl FnOnce(&[Switch], &dyn Fn() -> bool) + Send) -> Vec<(Member, u64)> {
    let policy = Policy { only: Some(Rung::Verbs), ..Policy::default() };
    let (fabrics, switches) = ladders(size, &RUNGS, TINY, policy);
    let ended = AtomicBool::new(false);
    let opened = Barrier::new(size as usize + 1);
    let opened = &opened;
    thread::scope(|scope| {
        let members: Vec<_> = fabrics
            .into_iter()
            .map(|fabric| {
                scope.spawn(move || {
                    let mut member = Member::new(fabric);
                    opened.wait();
                    for number in 0..writes {
                        // A place is written again only once it is free: 8 times PLACES writes may be under way at most.
                        while u64::from(number) * u64::from(size - 1) >= member.completed + PLACES as u64 / 2 {
                            member.poll();
                        }
                        member.write(number);
                    }
                    let (deadline, all) = (soon(), u64::from(writes) * u64::from(size - 1));
                    let peers: Vec<Rank> = member.peers().collect();
                    while member.completed < all || peers.iter().any(|p| member.arrived[p.index()] < writes) {
                        assert!(
                            Instant::now() < deadline,
                            "stuck: {:?} of {writes}, {} done",
                            member.arrived,
                            member.completed
                        );
                        member.poll();
                    }
                    // Others may still need answers.
                    let until = Instant::now() + Duration::from_millis(700);
                    while Instant::now() < until {
                        member.poll();
                    }
                    let changes = member.changes;
                    (member, changes)
                })
            })
            .collect();
        let player = scope.spawn(|| {
            opened.wait();
            chaos(&switches, &|| ended.load(Ordering::SeqCst));
        });
        let members = members.into_iter().map(|member| member.join().expect("member")).collect();
        ended.store(true, Ordering::SeqCst);
        player.join().expect("chaos");
        members
    })
}

#[test]
fn the_best_rung_serves_while_nothing_breaks() {
    for (member, changes) in run(3, 500, |_, _| {}) {
        assert_eq!(changes, 0);
        assert!(member.peers().all(|peer| member.fabric.rung(peer) == Some(Rung::Verbs)));
    }
}

#[test]
fn a_pair_goes_down_the_ladder_and_up_again() {
    let policy = Policy { only: Some(Rung::Verbs), ..Policy::default() };
    let (fabrics, switches) = ladders(2, &RUNGS, TINY, policy);
    let mut members: Vec<Member> = thread::scope(|scope| {
        let opens: Vec<_> = fabrics.into_iter().map(|fabric| scope.spawn(|| Member::new(fabric))).collect();
        opens.into_iter().map(|open| open.join().expect("opened")).collect()
    });
    let mut number = 0;
    let mut until = |rung: Rung, members: &mut [Member]| {
        let deadline = soon();
        while (0..2).any(|at| members[at].fabric.rung(Rank(1 - at as u32)) != Some(rung)) {
            assert!(Instant::now() < deadline, "{rung} does not come: {:?}", members[0].fabric.picks());
            for member in members.iter_mut() {
                if u64::from(number) < member.completed + 16 {
                    member.write(number);
                }
            }
            number += u32::from(members.iter().all(|member| member.completed + 16 > u64::from(number)));
            members.iter_mut().for_each(Member::poll);
        }
    };
    // Writes of both keep in step only if both wrote; so here just the routes are looked at.
    until(Rung::Verbs, &mut members);
    switches[0].break_it();
    until(Rung::Mpi, &mut members);
    switches[1].break_it();
    until(Rung::Tcp, &mut members);
    switches[0].mend();
    until(Rung::Verbs, &mut members);
    let pick = &members[0].fabric.picks()[0];
    assert_eq!(pick.rung, Some(Rung::Verbs));
    assert!(pick.others.iter().any(|(rung, why)| *rung == Rung::Mpi && why.contains("broken")), "{pick:?}");
}

/// Breaks and mends rungs at random, for as long as there are writes; the one that carries messages stays.
fn chaos(seed: u64, switches: &[Switch], ended: &dyn Fn() -> bool) {
    let mut random = Random(seed | 1);
    while !ended() {
        let switch = &switches[random.below(2) as usize];
        if random.below(2) == 0 {
            switch.break_it()
        } else {
            switch.mend()
        }
        thread::sleep(Duration::from_micros(200 + random.below(10_000)));
    }
}

#[test]
fn nothing_is_lost_whatever_breaks() {
    for seed in 1..=6u64 {
        let outcomes = run(3, 1500, |switches, ended| chaos(seed * 0x1234_5677, switches, ended));
        let changes: u64 = outcomes.iter().map(|(_, changes)| changes).sum();
        assert!(changes > 0, "seed {seed}: nothing broke, so nothing was tested");
    }
}

/// What MPI says of the death of a process, say: the run goes on without it.
#[test]
fn a_library_that_fails_is_called_no_more() {
    let (fabrics, switches) = ladders(2, &[Rung::Mpi, Rung::Tcp], TINY, Policy::default());
    let members: Vec<_> = fabrics.into_iter().map(|fabric| thread::spawn(|| Member::new(fabric))).collect();
    let mut members: Vec<Member> = members.into_iter().map(|member| member.join().expect("opened")).collect();
    assert_eq!(members[0].fabric.rung(Rank(1)), Some(Rung::Mpi));
    members.iter_mut().for_each(|member| member.write(0));
    switches[0].fail_calls();
    let deadline = soon();
    let on_tcp = |member: &Member, peer| member.fabric.rung(peer) == Some(Rung::Tcp);
    let done = |members: &[Member]| {
        on_tcp(&members[0], Rank(1))
            && on_tcp(&members[1], Rank(0))
            && members.iter().all(|member| member.completed == 1)
    };
    while !done(&members) {
        assert!(Instant::now() < deadline, "{:?}", members[0].fabric.picks());
        members.iter_mut().for_each(Member::poll);
    }
}

#[test]
fn a_peer_is_given_up_when_its_last_rung_breaks() {
    let (fabrics, switches) = ladders(2, &[Rung::Tcp], TINY, Policy::default());
    let members: Vec<_> = fabrics.into_iter().map(|fabric| thread::spawn(|| Member::new(fabric))).collect();
    let mut members: Vec<Member> = members.into_iter().map(|member| member.join().expect("opened")).collect();
    switches[0].break_it();
    let (mut events, deadline) = (Vec::new(), soon());
    while events.is_empty() && Instant::now() < deadline {
        members[0].fabric.poll(Instant::now() + Duration::from_millis(1), &mut events).expect("poll");
    }
    assert!(matches!(events[..], [Event::PeerFailed { peer: Rank(1), .. }]), "{events:?}");
}

#[test]
fn a_policy_that_cannot_be_met_is_an_error_on_every_rank_that_says_why() {
    let policy = Policy { only: Some(Rung::Verbs), ..Policy::default() };
    let (fabrics, switches) = ladders(3, &RUNGS, TINY, policy);
    switches[0].break_it();
    let opens: Vec<_> = fabrics
        .into_iter()
        .map(|mut fabric| thread::spawn(move || (fabric.open(soon()).expect_err("no verbs"), fabric)))
        .collect();
    for open in opens {
        let (error, _) = open.join().expect("rank");
        assert!(matches!(&error, CommError::NoPath { .. }), "{error}");
        assert!(error.to_string().contains("verbs: ") && error.to_string().contains("a test has broken it"), "{error}");
    }
}
