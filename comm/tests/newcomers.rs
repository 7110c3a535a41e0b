//! Ranks that come while the others are at work, in one thread: they are tested and served, nothing of the others is disturbed, and nobody who is
//! not there costs anything.

mod flaky;
mod sim;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flaky::columns;
use rankzero_comm::local::{Faults, LocalFabric};
use rankzero_comm::mpi::Patience;
use rankzero_comm::packets::Compression;
use rankzero_comm::{
    Bootstrap, CommError, Courier, Endpoint, Event, Fabric, FailureCause, Ladder, Left, Limits, Policy, Rank, Resident,
    Rung, SegmentId, Transport, Write, node_identity,
};
use sim::Member;

const TINY: Limits = Limits { packet_words: 64, window_words: 512, backlog_words: 8192 };
/// Second word of a message that is an offer.
const OFFER: u32 = 1;

/// Mail between ranks: what waits, by receiver and sender, and how much was sent.
#[derive(Clone, Debug, Default)]
struct Mail(Arc<Mutex<Letters>>);

#[derive(Debug, Default)]
struct Letters {
    waiting: BTreeMap<(Rank, Rank), VecDeque<Vec<u32>>>,
    sent: u32,
    /// By sender, receiver and rung.
    offers: BTreeMap<(Rank, Rank, u32), u32>,
}

#[derive(Debug)]
struct Carrier(Rank, Mail);

impl Courier for Carrier {
    fn send(&self, to: Rank, words: &[u32]) {
        let mut letters = self.1.0.lock().expect("not poisoned");
        letters.sent += 1;
        if words.get(1) == Some(&OFFER) {
            *letters.offers.entry((self.0, to, words.get(2).copied().unwrap_or(0))).or_default() += 1;
        }
        letters.waiting.entry((to, self.0)).or_default().push_back(words.to_vec());
    }

    fn take(&self) -> Option<(Rank, Vec<u32>)> {
        let mut letters = self.1.0.lock().expect("not poisoned");
        let (&(_, from), queue) = letters.waiting.iter_mut().find(|(at, queue)| at.0 == self.0 && !queue.is_empty())?;
        queue.pop_front().map(|words| (from, words))
    }
}

/// A run whose ranks this thread moves in turns.
struct Run {
    start: u32,
    /// By rank; `None`: vacant or gone.
    members: Vec<Option<Member>>,
    /// Of those that have not come.
    columns: BTreeMap<Rank, Vec<Box<dyn Transport + Send>>>,
    mail: Mail,
    faults: Vec<Faults>,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn resident(rank: u32) -> Resident {
    Resident { rank: Rank(rank), node: vec![rank as u8] }
}

impl Run {
    /// `start` ranks, each on a node of its own, that reach each other by RDMA, MPI and TCP, with room for more.
    fn new(start: u32, room: u32) -> Run {
        let capacity = start + room;
        let rungs = [(Rung::Verbs, capacity), (Rung::Mpi, start), (Rung::Tcp, capacity)];
        let (columns, _, faults) = columns(capacity, &rungs, &[Rung::Mpi], TINY);
        let columns: BTreeMap<Rank, _> = Rank::all(capacity).zip(columns).collect();
        let mut run =
            Run { start, members: (0..capacity).map(|_| None).collect(), columns, mail: Mail::default(), faults };
        for me in Rank::all(start) {
            let mut column = run.columns.remove(&me).expect("a column");
            let mpi = column.remove(1);
            let ladder = Ladder::new(me, start, mpi, Policy::default(), TINY, Patience::SHARED_CORE);
            let mut ladder = ladder.expect("memory");
            ladder.make_room(room);
            run.take_in(me, ladder, column);
        }
        for at in 0..start as usize {
            run.member(at).ladder.begin_open((0..start as usize).map(|peer| peer == at).collect()).expect("begun");
        }
        let deadline = soon();
        // Each has its turn.
        while (0..start as usize).filter(|&at| !run.member(at).ladder.opened().expect("a path")).count() > 0 {
            assert!(Instant::now() < deadline, "they do not open");
        }
        run
    }

    fn take_in(&mut self, me: Rank, mut ladder: LocalFabric, rungs: Vec<Box<dyn Transport + Send>>) {
        rungs.into_iter().for_each(|rung| ladder.add(rung));
        ladder.set_compression(Compression::On);
        ladder.set_node(vec![me.0 as u8]);
        ladder.set_courier(Box::new(Carrier(me, self.mail.clone())));
        self.members[me.index()] = Some(Member::new(ladder));
    }

    /// A newcomer, which has not admitted anybody yet.
    fn come(&mut self, me: Rank) {
        let capacity = self.members.len() as u32;
        let ladder = Ladder::newcomer(me, capacity, Policy::default(), TINY, Patience::SHARED_CORE);
        let rungs = self.columns.remove(&me).expect("comes once");
        self.take_in(me, ladder, rungs);
    }

    fn member(&mut self, at: usize) -> &mut Member {
        self.members[at].as_mut().expect("there")
    }

    fn live(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.members[at].is_some()).collect()
    }

    fn admit(&mut self, at: usize, ranks: &[u32]) {
        let newcomers: Vec<Resident> = ranks.iter().copied().map(resident).collect();
        self.member(at).ladder.admit(&newcomers).expect("admitted");
    }

    /// All of `at` write to each other, and everybody looks what has come.
    fn work(&mut self, at: &[usize]) {
        for &from in at {
            for &to in at.iter().filter(|&&to| to != from) {
                let seen = self.member(to).arrived[from];
                self.member(from).write(Rank(to as u32), seen);
            }
        }
        for at in self.live() {
            self.member(at).poll();
        }
    }

    /// Works until each of `at` has had `count` more writes of each other.
    fn exchange(&mut self, at: &[usize], count: u32) {
        let wanted: Vec<Vec<u32>> = at.iter().map(|&to| self.member(to).arrived.clone()).collect();
        let deadline = soon();
        let done = |run: &mut Run| {
            at.iter().zip(&wanted).all(|(&to, before)| {
                let now = &run.member(to).arrived;
                at.iter().all(|&from| from == to || now[from] >= before[from] + count)
            })
        };
        while !done(self) {
            assert!(Instant::now() < deadline, "stuck");
            self.work(at);
        }
    }

    /// Works until all of `at` are ready.
    fn until_ready(&mut self, at: &[usize], writers: &[usize]) {
        let deadline = soon();
        // Each has its turn.
        while at.iter().filter(|&&at| !self.member(at).ladder.ready().expect("progress")).count() > 0 {
            assert!(Instant::now() < deadline, "not ready: {:#?}", self.member(at[0]).ladder.picks());
            self.work(writers);
        }
    }

    fn offers(&self) -> BTreeMap<(Rank, Rank, u32), u32> {
        self.mail.0.lock().expect("not poisoned").offers.clone()
    }

    fn sent(&self) -> u32 {
        self.mail.0.lock().expect("not poisoned").sent
    }
}

#[test]
fn a_newcomer_is_served_by_the_best_rung_while_the_others_write() {
    for start in [1, 2, 4] {
        let mut run = Run::new(start, 3);
        let before: Vec<usize> = (0..start as usize).collect();
        run.exchange(&before, 20);
        let newcomer = start as usize;
        run.come(Rank(start));
        run.admit(newcomer, &(0..start).collect::<Vec<u32>>());
        for at in 0..start as usize {
            // Each of them some time later than the one before.
            run.exchange(&before, 5);
            run.admit(at, &[start]);
        }
        let all = run.live();
        run.until_ready(&all, &before);
        run.exchange(&all, 100);
        for at in all {
            let member = run.member(at);
            assert_eq!(member.changes, 0, "{start} ranks: nobody goes another way");
            for pick in member.ladder.picks() {
                assert_eq!(pick.rung, Some(Rung::Verbs), "{start} ranks: {pick:?}");
            }
        }
        let pick = run.member(0).ladder.picks().into_iter().find(|pick| pick.peer == Rank(start)).expect("a pick");
        assert!(
            pick.others.iter().any(|(rung, why)| *rung == Rung::Mpi && why.contains("it joined after the start")),
            "{pick:?}"
        );
        // Its rungs were offered once each, all by the lower ranks.
        let offers = run.offers();
        assert_eq!(offers.len(), 2 * start as usize, "{offers:?}");
        assert!(offers.iter().all(|(&(from, to, _), &count)| from < to && count == 1), "{offers:?}");
    }
}

#[test]
fn two_newcomers_at_once_reach_everybody_and_each_other() {
    let mut run = Run::new(2, 2);
    for me in [2, 3] {
        run.come(Rank(me));
    }
    for at in [3, 0, 2, 1] {
        let others: Vec<u32> = (0..4).filter(|&rank| rank as usize != at).collect();
        // Of those that are present admission changes nothing.
        run.admit(at, &others);
        run.exchange(&[0, 1], 3);
    }
    run.until_ready(&[0, 1, 2, 3], &[0, 1]);
    run.exchange(&[0, 1, 2, 3], 100);
    assert!(run.offers().values().all(|&count| count == 1), "{:?}", run.offers());
}

#[test]
fn what_is_offered_before_it_is_admitted_is_not_lost() {
    let mut run = Run::new(2, 2);
    run.come(Rank(2));
    run.come(Rank(3));
    for at in [0, 1, 2] {
        let others: Vec<u32> = (0..4).filter(|&rank| rank as usize != at).collect();
        run.admit(at, &others);
    }
    // The last one hears of all of them, though it does not know them yet.
    for _ in 0..200 {
        run.work(&[0, 1]);
    }
    assert_eq!(run.member(3).ladder.present(), [Rank(3)]);
    run.admit(3, &[0, 1, 2]);
    run.until_ready(&[0, 1, 2, 3], &[0, 1]);
    run.exchange(&[0, 1, 2, 3], 20);
    assert!(run.offers().values().all(|&count| count == 1), "an offer was made again: {:?}", run.offers());
}

#[test]
fn a_newcomer_that_dies_at_any_moment_of_its_tests_is_given_up_and_disturbs_nobody() {
    for turns in 0..24 {
        let mut run = Run::new(2, 1);
        run.come(Rank(2));
        run.admit(0, &[2]);
        run.admit(2, &[0, 1]);
        run.admit(1, &[2]);
        for _ in 0..turns {
            run.work(&[0, 1]);
        }
        run.members[2] = None;
        run.until_ready(&[0, 1], &[0, 1]);
        run.exchange(&[0, 1], 20);
        for at in [0, 1] {
            assert_eq!(run.member(at).failed, [false, false, true], "after {turns} turns");
            assert_eq!(run.member(at).ladder.rung(Rank(2)), None);
        }
    }
}

#[test]
fn a_newcomer_that_is_excluded_before_it_is_admitted_does_not_come_in() {
    let mut run = Run::new(2, 1);
    run.member(0).ladder.exclude(&[Left { rank: Rank(2), dead: true }]).expect("excluded");
    run.admit(0, &[2]);
    assert!(run.member(0).ladder.ready().expect("progress"));
    run.exchange(&[0, 1], 20);
    assert_eq!(run.member(0).failed, [false, false, true]);
    assert!(run.offers().is_empty(), "{:?}", run.offers());
}

#[test]
fn of_a_newcomer_that_died_before_it_was_admitted_the_end_is_told_then() {
    let mut run = Run::new(1, 1);
    run.come(Rank(1));
    run.faults[0].kill(Rank(1));
    run.members[1] = None;
    for _ in 0..50 {
        run.work(&[0]);
    }
    let mut events = Vec::new();
    let ladder = &mut run.member(0).ladder;
    ladder.poll(Instant::now(), &mut events).expect("progress");
    assert_eq!(events, [], "of one that nobody knows nothing is told");
    ladder.admit(&[resident(1)]).expect("admitted");
    ladder.poll(Instant::now(), &mut events).expect("progress");
    assert_eq!(events, [Event::PeerFailed { peer: Rank(1), cause: FailureCause::Closed }]);
    assert!(ladder.ready().expect("progress"));
}

#[test]
fn who_is_not_there_is_left_alone() {
    let mut run = Run::new(2, 30);
    run.exchange(&[0, 1], 50);
    assert_eq!(run.sent(), 0, "nothing is said to the vacant");
    let ladder = &mut run.member(0).ladder;
    assert_eq!((ladder.size(), ladder.at_start(), ladder.present()), (32, 2, vec![Rank(0), Rank(1)]));
    assert_eq!(ladder.picks().len(), 1);
    assert_eq!(ladder.rung(Rank(5)), None);
    assert!(ladder.ready().expect("progress"));
    let id = SegmentId::nth(1);
    let write = Write { source: id, target: id, puts: &[], notification: 0 };
    let refused = ladder.write_notify(Rank(5), &write);
    assert!(matches!(refused, Err(CommError::UnknownPeer { peer: Rank(5), size: 32 })), "{refused:?}");
    let refused = ladder.admit(&[resident(32)]);
    assert!(matches!(refused, Err(CommError::UnknownPeer { peer: Rank(32), .. })), "{refused:?}");
    assert!(run.start == 2 && run.offers().is_empty());
}

#[test]
fn what_the_vacant_say_takes_bounded_memory_and_nonsense_does_no_harm() {
    let mut run = Run::new(1, 1);
    let stranger = Carrier(Rank(1), run.mail.clone());
    for number in 0..2000u32 {
        stranger.send(Rank(0), &vec![number; 1 + number as usize % 5000]);
        let magic = u32::from_le_bytes(*b"RZL1");
        stranger.send(Rank(0), &[magic, number % 9, number % 7, number, 0, 0, 0]);
        run.work(&[0]);
    }
    run.admit(0, &[1]);
    run.come(Rank(1));
    run.admit(1, &[0]);
    run.until_ready(&[0, 1], &[]);
    run.exchange(&[0, 1], 20);
}

#[test]
fn exchanges_are_among_those_at_the_start() {
    let (mut columns, ..) = columns(4, &[(Rung::Tcp, 4)], &[Rung::Tcp], TINY);
    let mut late = columns.split_off(2);
    let ranks = Rank::all(2).zip(columns).map(|(me, mut column)| {
        std::thread::spawn(move || {
            let first = column.remove(0);
            let ladder = Ladder::new(me, 2, first, Policy::default(), TINY, Patience::SHARED_CORE);
            let mut ladder: LocalFabric = ladder.expect("memory");
            ladder.make_room(2);
            let all = ladder.all_gather(&[me.0 as u8], soon()).expect("both");
            assert_eq!(all, [[0], [1]]);
            ladder.open(soon()).expect("opened");
            ladder.barrier(soon()).expect("both");
            let mut bytes = vec![me.0 as u8];
            let refused = ladder.broadcast(Rank(2), &mut bytes, soon());
            assert!(matches!(refused, Err(CommError::UnknownPeer { peer: Rank(2), size: 2 })), "{refused:?}");
            ladder
        })
    });
    let ranks: Vec<_> = ranks.collect();
    let _ladders: Vec<LocalFabric> = ranks.into_iter().map(|rank| rank.join().expect("rank")).collect();
    let mut newcomer: LocalFabric = Ladder::newcomer(Rank(2), 4, Policy::default(), TINY, Patience::SHARED_CORE);
    newcomer.add(late.remove(0).remove(0));
    assert!(matches!(newcomer.barrier(soon()), Err(CommError::UnknownPeer { peer: Rank(2), size: 0 })));
    assert!(!node_identity().is_empty());
}
