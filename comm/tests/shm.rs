//! The rung over shared memory between processes.

mod shm_peers;

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rankzero_comm::{CommError, FailureCause, Happening, Posted, Put, Transport, Write};
use shm_peers::{PART, Parent, Peer, Side, WORDS, deadline};

const NUMBERS: u32 = 100_000;

#[test]
#[ignore = "the other process of a test"]
fn peer() {
    let Ok(part) = std::env::var(PART) else { return };
    let (mut parent, mut side) = (Parent::new(), Side::new(1));
    parent.connect(&mut side);
    match part.as_str() {
        "echo" => echo(&mut side),
        "exchange" => side.exchange(NUMBERS, NUMBERS),
        "receive" => {
            let count = parent.hear().parse().expect("a number");
            side.exchange(0, count);
        }
        "talk" => {
            for n in 0..10 {
                assert_eq!(side.post(&[], n), Posted::Delivered);
            }
            parent.say("talked");
            parent.hear();
        }
        "flood" => flood(&mut parent, &mut side),
        "reconnect" => reconnect(&mut parent, &mut side),
        "intrude" => intrude(&mut parent),
        other => panic!("no part {other}"),
    }
    // The test may still be connecting to this process.
    parent.say("done");
    parent.hear();
}

/// What stands at word `at` in round `round`: no two are alike within a round.
fn word(round: u32, at: usize) -> u32 {
    (at as u32).wrapping_mul(0x9e37_79b9).wrapping_add(round)
}

fn lengths() -> Vec<usize> {
    (0..22).flat_map(|log| [1 << log, (1 << log) + 1, (3 << log) / 2]).filter(|len| *len <= WORDS).collect()
}

/// The pieces of a write of `len` words, in three where there are that many, with the target's moved by `by` words.
fn pieces(len: usize, by: usize) -> Vec<Put> {
    let (a, b) = (len / 3, len / 2);
    let by = by.min(WORDS - len);
    [(b, len - b), (0, a), (a, b - a)].map(|(from, len)| Put { from, to: from + by, len }).to_vec()
}

/// Checks each write and sends what arrived back.
fn echo(side: &mut Side) {
    for (round, len) in lengths().into_iter().enumerate() {
        assert_eq!(side.next(), [Happening::Arrived { from: side.other, notification: round as u32 }]);
        let by = (round % 9).min(WORDS - len);
        let mut words = vec![0; len];
        side.inbox.load(by, &mut words);
        side.source.store(0, &words);
        assert_eq!(side.post(&[Put { from: 0, to: 0, len }], round as u32), Posted::Delivered);
    }
}

#[test]
fn every_word_arrives_in_its_place() {
    let mut side = Side::new(0);
    let peer = Peer::start("echo", &mut side);
    let beyond = [Put { from: 0, to: 1, len: WORDS }];
    let beyond = Write { source: side.ids[0], target: side.ids[1], puts: &beyond, notification: 0 };
    assert!(matches!(side.shm.post(side.other, &beyond), Err(CommError::BeyondPeer { words: WORDS, .. })));
    for (round, len) in lengths().into_iter().enumerate() {
        let words: Vec<u32> = (0..len).map(|at| word(round as u32, at)).collect();
        side.source.store(0, &words);
        assert_eq!(side.post(&pieces(len, round % 9), round as u32), Posted::Delivered);
        assert_eq!(side.next(), [Happening::Arrived { from: side.other, notification: round as u32 }]);
        let mut back = vec![0; len];
        side.inbox.load(0, &mut back);
        let wrong = back.iter().zip(&words).position(|(got, sent)| got != sent);
        assert_eq!(wrong, None, "of {len} words");
    }
    peer.ends_well();
}

#[test]
fn numbers_come_in_order_in_both_directions_at_once() {
    let mut side = Side::new(0);
    let peer = Peer::start("exchange", &mut side);
    side.exchange(NUMBERS, NUMBERS);
    peer.ends_well();
    let traffic = side.shm.traffic();
    assert_eq!((traffic.sent_messages, traffic.received_messages), (NUMBERS.into(), NUMBERS.into()));
}

#[test]
fn a_stopped_peer_fills_its_queue_and_goes_on_later() {
    const MORE: u32 = 5000;
    let mut side = Side::new(0);
    let mut peer = Peer::start("receive", &mut side);
    peer.signal(Signal::SIGSTOP);
    let mut sent = 0;
    while side.post(&[], sent) == Posted::Delivered {
        sent += 1;
    }
    assert!((100..100_000).contains(&sent), "{sent} notifications wait");
    let until = Instant::now() + Duration::from_millis(50);
    while Instant::now() < until {
        assert_eq!(side.progress(), [], "it is stopped, not gone");
        assert_eq!(side.post(&[], sent), Posted::Full);
    }
    peer.signal(Signal::SIGCONT);
    peer.say(&(sent + MORE).to_string());
    let end = deadline();
    let last = sent + MORE;
    while sent < last {
        match side.post(&[], sent) {
            Posted::Delivered => sent += 1,
            _ => assert!(Instant::now() < end),
        }
    }
    peer.ends_well();
}

#[test]
fn a_killed_peer_is_noticed_after_all_it_said() {
    let mut side = Side::new(0);
    let mut peer = Peer::start("talk", &mut side);
    assert_eq!(peer.hear(), "talked");
    peer.signal(Signal::SIGKILL);
    let killed = Instant::now();
    let mut heard = Vec::new();
    while !matches!(heard.last(), Some(Happening::Broken { .. })) {
        heard.extend(side.next());
    }
    let waited = killed.elapsed();
    let mut expected: Vec<_> =
        (0..10).map(|notification| Happening::Arrived { from: side.other, notification }).collect();
    expected.push(Happening::Broken { peer: side.other, cause: FailureCause::Exited });
    assert_eq!(heard, expected);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert_eq!(side.post(&[], 0), Posted::Full);
    let mut left = Vec::new();
    side.shm.close(side.other, &mut left);
    assert_eq!(left, []);
    let offer = side.shm.offer(side.other).expect("there is always an offer");
    assert!(!offer.is_empty());
}

/// Writes as much as it can until the connection ends, then begins again and writes one word.
fn flood(parent: &mut Parent, side: &mut Side) {
    parent.say("flooding");
    let mut round = 0;
    while side.progress().is_empty() {
        round += 1;
        side.source.words().iter().for_each(|word| word.store(round, std::sync::atomic::Ordering::Relaxed));
        for _ in 0..20 {
            side.post(&[Put { from: 0, to: 0, len: WORDS }], round);
        }
    }
    let mut left = Vec::new();
    side.shm.close(side.other, &mut left);
    parent.connect(side);
    side.source.store(0, &[u32::MAX]);
    assert_eq!(side.post(&[Put { from: 0, to: 7, len: 1 }], 1), Posted::Delivered);
}

#[test]
fn after_a_fence_nothing_of_a_writing_peer_shows() {
    let mut side = Side::new(0);
    let mut peer = Peer::start("flood", &mut side);
    assert_eq!(peer.hear(), "flooding");
    side.next();
    // Most likely in the midst of a copy, which it ends when it goes on.
    peer.signal(Signal::SIGSTOP);
    let mut left = Vec::new();
    side.shm.fence(&mut left).expect("memory");
    let mut before = vec![0; WORDS];
    side.inbox.load(0, &mut before);
    assert_ne!(before[0], 0, "the content stays");
    peer.signal(Signal::SIGCONT);
    peer.connect(&mut side);
    assert_eq!(side.next(), [Happening::Arrived { from: side.other, notification: 1 }]);
    let mut after = vec![0; WORDS];
    side.inbox.load(0, &mut after);
    before[7] = u32::MAX;
    assert_eq!(before.iter().zip(&after).position(|(before, after)| before != after), None);
    peer.ends_well();
}

/// Keeps writing into a file of the parent for as long as it is told.
fn intrude(parent: &mut Parent) {
    let file = std::fs::File::options().write(true).open(parent.hear()).expect("a file of the same user");
    parent.say("inside");
    let until = Instant::now() + Duration::from_millis(300);
    let mut value = 1u32;
    while Instant::now() < until {
        file.write_all_at(&value.to_ne_bytes(), 0).expect("written");
        value = value.wrapping_add(1).max(1);
    }
}

#[test]
fn after_a_fence_a_hostile_peer_writes_into_the_void() {
    // No other file of this process has that size.
    const OWN: usize = 54_321;
    let mut side = Side::with_words(0, OWN);
    let mut peer = Peer::start("intrude", &mut side);
    // The inbox is the second file of its size.
    let mut files: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .expect("procfs")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .filter(|fd| std::fs::metadata(format!("/proc/self/fd/{fd}")).is_ok_and(|file| file.len() == 4 * OWN as u64))
        .collect();
    files.sort_unstable();
    assert_eq!(files.len(), 2);
    peer.say(&format!("/proc/{}/fd/{}", std::process::id(), files[1]));
    assert_eq!(peer.hear(), "inside");
    let first = || side.inbox.words()[0].load(std::sync::atomic::Ordering::Relaxed);
    let end = deadline();
    while first() == 0 {
        assert!(Instant::now() < end, "it does write into this memory");
    }
    side.shm.fence(&mut Vec::new()).expect("memory");
    let first = || side.inbox.words()[0].load(std::sync::atomic::Ordering::Relaxed);
    let kept = first();
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        assert_eq!(first(), kept);
    }
    peer.ends_well();
}

/// Takes the parent's end of a connection for an invitation to the next one.
fn reconnect(parent: &mut Parent, side: &mut Side) {
    for round in 0..5 {
        assert_eq!(side.next(), [Happening::Arrived { from: side.other, notification: round }]);
        assert_eq!(side.post(&[], round), Posted::Delivered);
        let over = side.next();
        assert!(matches!(over[..], [Happening::Broken { cause: FailureCause::Io { .. }, .. }]), "{over:?}");
        side.shm.close(side.other, &mut Vec::new());
        parent.connect(side);
    }
}

#[test]
fn an_ended_connection_can_begin_again() {
    let mut side = Side::new(0);
    let mut peer = Peer::start("reconnect", &mut side);
    for round in 0..5 {
        assert_eq!(side.post(&[], round), Posted::Delivered);
        assert_eq!(side.next(), [Happening::Arrived { from: side.other, notification: round }]);
        side.shm.close(side.other, &mut Vec::new());
        peer.connect(&mut side);
    }
    peer.ends_well();
}
