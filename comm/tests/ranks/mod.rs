//! What each rank does; started by the tests in `mpi.rs`, through mpirun, as `mpi-… --ignored --exact ranks::NAME`.
//! Every rank prints `rank R: NAME ok`, or fails.

mod large;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::mpi;
use rankzero_comm::world::{self, Options, WorldFabric};
use rankzero_comm::{Bootstrap, CommError, Endpoint, Event, Fabric, Malformed, Put, Rank, Segment, Write};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Runs `check` on this rank and ends MPI in good order.
fn as_rank(name: &str, check: fn(&mut WorldFabric) -> Outcome) -> Outcome {
    let mut fabric = world::start(&Options::default(), soon())?;
    let rank = fabric.rank();
    check(&mut fabric)?;
    world::shutdown(fabric, true, soon())?;
    println!("{rank}: {name} ok");
    Ok(())
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn ring() -> Outcome {
    as_rank("ring", every_word_arrives_in_its_place)
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn start() -> Outcome {
    as_rank("start", start_up)
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn malformed() -> Outcome {
    as_rank("malformed", a_write_beyond_the_segment)
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn mixed() -> Outcome {
    as_rank("mixed", large::many_sizes_at_once)
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn refused() -> Outcome {
    as_rank("refused", large::a_large_write_beyond_the_segment)
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn closing() -> Outcome {
    large::a_connection_is_closed_under_way()
}

/// What rank `rank` writes in `round` at word `at`: every word differs, so that a misplaced one is seen.
fn word(rank: Rank, round: u32, at: usize) -> u32 {
    (at as u32).wrapping_mul(0x9e37_79b9) ^ (rank.0 << 24) ^ (round << 16)
}

/// Everybody writes pieces of many sizes to both neighbours, for many rounds; every word is compared.
fn every_word_arrives_in_its_place(fabric: &mut WorldFabric) -> Outcome {
    const WORDS: usize = 300_000;
    let (me, size) = (fabric.rank(), fabric.size());
    let source = Segment::new(WORDS)?;
    let inbox = Segment::new(2 * WORDS)?;
    let source_id = fabric.register(Arc::clone(&source))?;
    let inbox_id = fabric.register(Arc::clone(&inbox))?;
    fabric.open(soon())?;
    let left = Rank((me.0 + size - 1) % size);
    let right = Rank((me.0 + 1) % size);
    for (round, len) in [1usize, 7, 1000, 16_000, 65_536, WORDS].into_iter().enumerate() {
        let round = round as u32;
        let values: Vec<u32> = (0..len).map(|at| word(me, round, at)).collect();
        source.store(0, &values);
        let mut events = Vec::new();
        let mut open = Vec::new();
        for (peer, base) in [(left, WORDS), (right, 0)] {
            let half = len / 2;
            let puts = [Put { from: half, to: base + half, len: len - half }, Put { from: 0, to: base, len: half }];
            let write = Write { source: source_id, target: inbox_id, puts: &puts, notification: round };
            open.push(fabric.write_notify_by(peer, &write, soon(), &mut events)?);
        }
        let deadline = soon();
        let mut arrived = 0;
        while arrived < 2 || !open.is_empty() {
            for event in events.drain(..) {
                match event {
                    Event::Arrived { notification, .. } if notification == round => arrived += 1,
                    Event::Completed { token } => open.retain(|other| *other != token),
                    other => return Err(format!("{me}: unexpected {other:?} in round {round}").into()),
                }
            }
            if Instant::now() >= deadline {
                return Err(format!("{me}: round {round}: {arrived} of 2 arrived, {} open", open.len()).into());
            }
            fabric.poll(Instant::now() + Duration::from_millis(10), &mut events)?;
        }
        let mut got = vec![0u32; len];
        for (from, base) in [(right, WORDS), (left, 0)] {
            inbox.load(base, &mut got);
            if let Some(at) = (0..len).find(|&at| got[at] != word(from, round, at)) {
                return Err(format!("{me}: word {at} of {from} in round {round} is {:#x}", got[at]).into());
            }
        }
        fabric.barrier(soon())?;
    }
    Ok(())
}

/// Start-up exchanges of several sizes, and the thread level.
fn start_up(fabric: &mut WorldFabric) -> Outcome {
    let me = fabric.rank();
    assert!(!mpi::library().is_empty());
    for round in 0..10usize {
        let from = Rank(round as u32 % fabric.size());
        let expected = vec![round as u8; round * 300_001];
        let mut bytes = if me == from { expected.clone() } else { Vec::new() };
        fabric.broadcast(from, &mut bytes, soon())?;
        assert_eq!(bytes, expected);
        let all = fabric.all_gather(format!("{me} in round {round}").as_bytes(), soon())?;
        for (rank, bytes) in Rank::all(fabric.size()).zip(&all) {
            assert_eq!(*bytes, format!("{rank} in round {round}").into_bytes());
        }
    }
    let twice = world::start(&Options::default(), soon());
    assert!(matches!(twice, Err(CommError::MpiUnusable(_))), "MPI starts once");
    Ok(())
}

/// Rank 0 writes beyond the segment that rank 1 has registered; rank 1 refuses it by name and keeps its memory.
fn a_write_beyond_the_segment(fabric: &mut WorldFabric) -> Outcome {
    if fabric.size() < 2 {
        return Ok(());
    }
    let segment = Segment::new(if fabric.rank() == Rank(1) { 10 } else { 100 })?;
    let id = fabric.register(Arc::clone(&segment))?;
    fabric.open(soon())?;
    segment.store(0, &[7; 10]);
    if fabric.rank() == Rank(0) {
        let puts = [Put { from: 0, to: 50, len: 10 }];
        fabric.write_notify(Rank(1), &Write { source: id, target: id, puts: &puts, notification: 1 })?;
    }
    if fabric.rank() == Rank(1) {
        let (mut events, deadline) = (Vec::new(), soon());
        let refusal = loop {
            match fabric.poll(deadline, &mut events) {
                Err(refusal) => break refusal,
                Ok(()) if Instant::now() >= deadline => return Err("nothing was refused".into()),
                Ok(()) => {}
            }
        };
        let expected = Malformed::Range { segment: 1, to: 50, len: 10, words: 10 };
        assert!(
            matches!(&refusal, CommError::Malformed { peer: Rank(0), what } if *what == expected),
            "{refusal} instead of {expected}"
        );
        assert!(events.is_empty(), "no event of a refused packet");
    }
    Ok(())
}

/// The last rank stays silent: everybody else names it, and leaves without a word to MPI.
#[test]
#[ignore = "one rank of a test, under mpirun"]
fn missing() -> Outcome {
    let mut fabric = world::start(&Options::default(), soon())?;
    let me = fabric.rank();
    let silent = Rank(fabric.size() - 1);
    if me == silent {
        std::thread::sleep(Duration::from_secs(2));
    } else {
        match fabric.barrier(Instant::now() + Duration::from_millis(300)) {
            Err(CommError::Timeout { missing, .. }) if missing == [silent] => {}
            other => return Err(format!("{me}: {other:?} instead of a timeout naming {silent}").into()),
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    world::shutdown(fabric, false, soon())?;
    println!("{me}: missing ok");
    Ok(())
}
