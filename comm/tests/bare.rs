//! Fabrics among ranks that meet in a directory, without MPI: threads of this process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rankzero_comm::rendezvous::{Rendezvous, RendezvousError};
use rankzero_comm::world::{Options, Wish, WorldFabric, equip, shutdown, start_bare};
use rankzero_comm::{
    Bootstrap, CommError, Endpoint, Event, Fabric, FailureCause, MAX_BOOTSTRAP_BYTES, Policy, Put, Rank, RunKey, Rung,
    Segment, Write,
};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// A directory that ends with its test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rankzero-bare-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Place(std::env::temp_dir().join(name))
    }

    fn start(&self, rank: u32, size: u32, deadline: Instant) -> Result<WorldFabric, CommError> {
        let at = || Rendezvous::open(&self.0, Rank(rank), size, deadline);
        start_bare(at, &Options::default(), &Wish::default(), deadline)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn soon() -> Instant {
    Instant::now() + LIMIT
}

/// Runs `role` as each of `size` ranks, started and ended as a run does.
fn together(size: u32, role: impl Fn(&mut WorldFabric) + Sync) {
    let place = Place::new();
    std::thread::scope(|scope| {
        for rank in 0..size {
            let (place, role) = (&place, &role);
            scope.spawn(move || {
                let mut fabric = place.start(rank, size, soon()).expect("all come");
                role(&mut fabric);
                shutdown(fabric, true, soon()).expect("all leave");
            });
        }
    });
}

fn open(fabric: &mut WorldFabric, only: Option<Rung>) {
    let wish = Wish { policy: Policy { only, ..Policy::default() }, ..Wish::default() };
    let key = RunKey::agree(fabric, soon()).expect("a key");
    equip(fabric, &wish, &key, soon()).expect("rungs");
    fabric.register(Segment::new(1 << 12).expect("memory")).expect("registered");
    fabric.open(soon()).expect("paths");
}

/// Writes of growing length to every peer, in both directions at once.
fn exchange(fabric: &mut WorldFabric, segment: rankzero_comm::SegmentId) {
    let (me, size) = (fabric.rank(), fabric.size());
    let mut arrived = vec![0u32; size as usize];
    for round in 1..=20 {
        for peer in Rank::all(size).filter(|&peer| peer != me) {
            let puts = [Put { from: 0, to: 0, len: round as usize }];
            let write = Write { source: segment, target: segment, puts: &puts, notification: round };
            fabric.write_notify(peer, &write).expect("posted");
        }
        let deadline = soon();
        while arrived.iter().enumerate().any(|(peer, &last)| peer != me.index() && last < round) {
            assert!(Instant::now() < deadline, "{me}: {arrived:?} of {round}");
            let mut events = Vec::new();
            fabric.poll(Instant::now() + Duration::from_millis(10), &mut events).expect("polled");
            for event in events {
                match event {
                    Event::Arrived { from, notification } => {
                        assert_eq!(notification, arrived[from.index()] + 1, "in order");
                        arrived[from.index()] = notification;
                    }
                    Event::Completed { .. } => {}
                    other => panic!("{me}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn messages_go_before_there_are_paths() {
    together(4, |fabric| {
        let me = fabric.rank();
        let all = fabric.all_gather(&[me.0 as u8; 3], soon()).expect("all answer");
        assert_eq!(all, (0..4).map(|rank| vec![rank; 3]).collect::<Vec<_>>());
        let mut bytes = if me == Rank(2) { vec![7; 100_000] } else { Vec::new() };
        fabric.broadcast(Rank(2), &mut bytes, soon()).expect("heard");
        assert!(bytes == [7; 100_000]);
    });
}

#[test]
fn the_key_of_the_run_is_that_of_the_meeting_and_goes_over_no_network() {
    let runs = std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        together(3, |fabric| {
            let key = fabric.run_key().expect("known without a word");
            assert_eq!(RunKey::agree(fabric, Instant::now()).expect("no word is waited for"), key);
            runs.lock().expect("no panic").push(key.to_bytes());
        });
    }
    let keys = runs.into_inner().expect("no panic");
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[3] == keys[4] && keys[4] == keys[5]);
    assert_ne!(keys[0], keys[3], "each run has its own");
}

#[test]
fn encrypted_ranks_meet_and_refuse_those_that_are_not() {
    let encrypted = Wish { policy: Policy { encrypted: true, ..Policy::default() }, ..Wish::default() };
    for wishes in [[&encrypted, &encrypted], [&encrypted, &Wish::default()]] {
        let agreed = wishes.iter().all(|wish| wish.policy.encrypted);
        let place = Place::new();
        let until = Instant::now() + if agreed { LIMIT } else { Duration::from_secs(2) };
        std::thread::scope(|scope| {
            for (rank, wish) in (0..2).zip(wishes) {
                let place = &place;
                scope.spawn(move || {
                    let at = || Rendezvous::open(&place.0, Rank(rank), 2, until);
                    let fabric = start_bare(at, &Options::default(), wish, until);
                    assert_eq!(fabric.is_ok(), agreed);
                    fabric.map(|fabric| shutdown(fabric, true, soon()).expect("all leave")).err();
                });
            }
        });
    }
}

#[test]
fn more_than_may_wait_towards_a_peer_is_broadcast_all_the_same() {
    together(2, |fabric| {
        for turn in 0..4u8 {
            let mut bytes = if fabric.rank() == Rank(0) { vec![turn; MAX_BOOTSTRAP_BYTES] } else { Vec::new() };
            fabric.broadcast(Rank(0), &mut bytes, soon()).expect("heard");
            assert!(bytes.len() == MAX_BOOTSTRAP_BYTES && bytes[bytes.len() / 2] == turn, "turn {turn}");
        }
    });
}

#[test]
fn the_connections_of_the_start_carry_data_and_mpi_is_missed() {
    together(3, |fabric| {
        open(fabric, Some(Rung::Tcp));
        let me = fabric.rank();
        for pick in fabric.picks() {
            assert_eq!(pick.rung, Some(Rung::Tcp), "{me}: {pick:?}");
            let mpi = pick.others.iter().find(|(rung, _)| *rung == Rung::Mpi).expect("told");
            assert_eq!(mpi.1, "the run was started without MPI");
        }
        exchange(fabric, rankzero_comm::SegmentId::nth(1));
        let tcp = fabric.traffic().into_iter().filter(|traffic| traffic.rung == Rung::Tcp).count();
        assert_eq!(tcp, 1, "one rung");
    });
}

#[test]
fn data_goes_on_when_the_rung_of_the_start_is_broken_and_comes_back() {
    together(2, |fabric| {
        open(fabric, None);
        let peer = Rank(1 - fabric.rank().0);
        let best = fabric.rung(peer).expect("a path");
        exchange(fabric, rankzero_comm::SegmentId::nth(1));
        fabric.barrier(soon()).expect("both");
        fabric.break_rung(Rung::Tcp).expect("breaks");
        exchange(fabric, rankzero_comm::SegmentId::nth(1));
        fabric.barrier(soon()).expect("messages do not care");
        fabric.mend_rung(Rung::Tcp).expect("mends");
        let deadline = soon();
        let ready = |fabric: &WorldFabric| {
            fabric.picks()[0].others.iter().any(|(rung, why)| *rung == Rung::Tcp && why == rankzero_comm::Pick::READY)
        };
        while best != Rung::Tcp && !ready(fabric) {
            assert!(Instant::now() < deadline, "{:?}", fabric.picks());
            fabric.poll(Instant::now() + Duration::from_millis(10), &mut Vec::new()).expect("polled");
        }
        fabric.barrier(soon()).expect("both");
    });
}

#[test]
fn who_does_not_come_is_named() {
    let place = Place::new();
    let in_time = Instant::now() + Duration::from_millis(1500);
    std::thread::scope(|scope| {
        for rank in [0, 2] {
            let place = &place;
            scope.spawn(move || {
                let error = place.start(rank, 4, in_time).expect_err("two are missing");
                let CommError::Rendezvous(RendezvousError::Missing { missing, .. }) = &error else { panic!("{error}") };
                assert_eq!(*missing, [Rank(1), Rank(3)]);
            });
        }
    });
}

#[test]
fn a_run_begins_where_an_earlier_one_was_cut_off() {
    let place = Place::new();
    // Both had met, as far as files tell.
    let old: Vec<Rendezvous> =
        (0..2).map(|rank| Rendezvous::open(&place.0, Rank(rank), 2, soon()).expect("a meeting")).collect();
    for meeting in &old {
        let carrier = rankzero_comm::tcp::TcpCarrier::open(meeting.rank(), 2, 0, 0..=0, meeting.key_for("tcp"));
        let carrier = carrier.expect("a port");
        meeting.publish("tcp", carrier.address()).expect("left");
    }
    std::thread::scope(|scope| {
        let early = scope.spawn(|| place.start(1, 2, soon()).map(|mut fabric| fabric.barrier(soon())));
        std::thread::sleep(Duration::from_millis(400));
        let mut zero = place.start(0, 2, soon()).expect("it comes");
        zero.barrier(soon()).expect("both");
        assert!(early.join().expect("no panic").expect("it comes").is_ok());
    });
    assert_eq!(std::fs::read_dir(&place.0).expect("it stays").count(), 0, "nothing is left when all have met");
}

#[test]
fn a_rank_that_is_gone_is_proven_dead() {
    let place = Place::new();
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| {
            let mut fabric = place.start(1, 2, soon()).expect("all come");
            open(&mut fabric, Some(Rung::Tcp));
            fabric.barrier(soon()).expect("both");
        });
        let mut fabric = place.start(0, 2, soon()).expect("all come");
        open(&mut fabric, Some(Rung::Tcp));
        fabric.barrier(soon()).expect("both");
        gone.join().expect("no panic");
        let (mut events, deadline) = (Vec::new(), soon());
        while events.is_empty() {
            assert!(Instant::now() < deadline, "no word");
            fabric.poll(Instant::now() + Duration::from_millis(10), &mut events).expect("polled");
        }
        assert_eq!(events, [Event::PeerFailed { peer: Rank(1), cause: FailureCause::Refused }]);
    });
}
