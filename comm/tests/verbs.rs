//! The verbs rung between processes, on a machine with an RDMA device: run where `RANKZERO_LAB_RDMA` is set, one test at a
//! time. Elsewhere each test says that it was skipped.

mod rdma;

use std::process::Command;
use std::time::{Duration, Instant};

use rankzero_comm::verbs::{Options, Verbs, device_memory, discover, route};
use rankzero_comm::{CommError, FailureCause, Posted, Put, Rank, Transport, Unavailable};
use rdma::{Child, Node, serve};

/// Whether this machine is meant to have RDMA; says so where it is not.
fn laboratory(test: &str) -> bool {
    let set = std::env::var_os("RANKZERO_LAB_RDMA").is_some_and(|value| value == "1");
    if !set {
        eprintln!("SKIPPED {test}: RANKZERO_LAB_RDMA=1 is not set; it needs an RDMA device");
    }
    set
}

/// Words of 1 MiB.
const MIB: usize = 1 << 18;

fn pair(words: usize) -> (Node, Child) {
    let mut node = Node::new(0, 2, words);
    let mut child = Child::start(1, 2, words);
    child.join(&mut node, 0);
    (node, child)
}

#[test]
#[ignore = "the other rank of the tests here"]
fn the_other_rank() {
    serve();
}

#[test]
fn every_word_arrives_with_its_notification() {
    if !laboratory("every_word_arrives_with_its_notification") {
        return;
    }
    let (mut node, mut child) = pair(16 * MIB);
    println!("{}", node.verbs.describe(Rank(1)));
    for (round, len) in [1, 7, 55, 256, 1000, 16 * 1024, MIB, 2 * MIB].into_iter().enumerate() {
        let seed = round as u32 + 1;
        node.fill(3, len, seed);
        node.write(1, &[Put { from: 3, to: 8 * MIB + 5, len }], 0);
        node.flush();
        assert_eq!(child.ask("take 1"), "ok");
        assert_eq!(child.ask(&format!("holds {} {len} {seed}", 8 * MIB + 5)), "true", "{len} words");
        assert_eq!(child.ask(&format!("write 0 {} {} {len} 99", 8 * MIB + 5, 4 * MIB)), "ok");
        assert_eq!(node.next(), (Rank(1), 99));
        assert!(node.holds(4 * MIB, len, seed), "{len} words");
    }
    let traffic = node.verbs.traffic();
    assert_eq!((traffic.sent_messages, traffic.received_messages), (8, 8));
    assert_eq!(traffic.sent_bytes, traffic.received_bytes);
}

#[test]
fn more_ranges_than_the_queue_holds_are_one_write() {
    if !laboratory("more_ranges_than_the_queue_holds_are_one_write") {
        return;
    }
    let (mut node, mut child) = pair(MIB);
    node.fill(0, 40_000, 8);
    // Every other word of the target is skipped by no write: pairs of words trade places, so that nothing can be joined.
    let puts: Vec<Put> = (0..10_000).map(|at| Put { from: 2 * at, to: 100_000 + 2 * (at ^ 1), len: 2 }).collect();
    for round in 0..3 {
        node.write(1, &puts, round);
        node.write(1, &[], 100 + round);
    }
    node.flush();
    for round in 0..3 {
        assert_eq!(child.ask(&format!("next {round}")), "ok");
        assert_eq!(child.ask(&format!("next {}", 100 + round)), "ok");
    }
    // Traded back on the way home.
    let back = child.ask("swap 100000 20000");
    assert_eq!(back, "ok");
    assert_eq!(child.ask("holds 100000 20000 8"), "true");
}

#[test]
fn notifications_keep_their_order() {
    if !laboratory("notifications_keep_their_order") {
        return;
    }
    let (mut node, mut child) = pair(MIB);
    child.tell("take 10000");
    let start = Instant::now();
    for number in 0..10_000 {
        let len = (number % 300) as usize;
        node.write(1, &[Put { from: 0, to: 1000, len }], number);
    }
    node.flush();
    assert_eq!(child.hear(), "ok");
    println!("10000 notifications in {:.2?}", start.elapsed());
}

#[test]
fn a_peer_that_does_not_look_fills_its_queue() {
    if !laboratory("a_peer_that_does_not_look_fills_its_queue") {
        return;
    }
    let (mut node, mut child) = pair(1024);
    child.tell("pause 2500");
    let start = Instant::now();
    let mut posted = 0;
    while start.elapsed() < Duration::from_secs(2) {
        match node.try_write(1, &[Put { from: 0, to: 0, len: 16 }], posted).expect("no error") {
            Posted::Full => node.poll(),
            _ => posted += 1,
        }
    }
    println!("{posted} writes towards a peer that does not look");
    assert!((256..=256 + 512).contains(&posted), "{posted}");
    assert!(node.broken.is_empty());
    assert_eq!(child.hear(), "ok");
    child.tell(&format!("take {posted}"));
    node.flush();
    assert_eq!(child.hear(), "ok");
}

#[test]
fn a_write_beyond_the_peer_is_refused() {
    if !laboratory("a_write_beyond_the_peer_is_refused") {
        return;
    }
    let mut node = Node::new(0, 2, 2000);
    let mut child = Child::start(1, 2, 1000);
    child.join(&mut node, 0);
    for (to, len) in [(1000, 1), (0, 1001), (usize::MAX, 2)] {
        match node.try_write(1, &[Put { from: 0, to, len }], 5) {
            Err(CommError::BeyondPeer { peer: Rank(1), words: 1000, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    let beyond = node.try_write(1, &[Put { from: 1999, to: 0, len: 2 }], 5);
    assert!(matches!(beyond, Err(CommError::OutOfBounds { .. })), "{beyond:?}");
    node.write(1, &[Put { from: 0, to: 999, len: 1 }], 0);
    assert_eq!(child.ask("take 1"), "ok");
}

#[test]
fn a_killed_peer_is_seen() {
    if !laboratory("a_killed_peer_is_seen") {
        return;
    }
    let (mut node, mut child) = pair(MIB);
    child.tell("take 1000000");
    let flood = |node: &mut Node| {
        let _ = node.try_write(1, &[Put { from: 0, to: 0, len: 16 * 1024 }], node.posted as u32);
        node.poll();
    };
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        flood(&mut node);
    }
    child.signal("KILL");
    let killed = Instant::now();
    while node.broken.is_empty() {
        assert!(killed.elapsed() < Duration::from_secs(5), "nothing is seen");
        flood(&mut node);
    }
    let cause = node.wait_broken(1);
    println!("a killed peer is seen after {:.2?}: {cause}", killed.elapsed());
    assert!(matches!(cause, FailureCause::Rdma { status: 12 }), "{cause}");
    assert!(matches!(node.try_write(1, &[], 0), Err(CommError::PeerFailed { .. })));
    node.close(1);
    assert!(matches!(node.try_write(1, &[], 0), Err(CommError::NoPath { .. })));
}

#[test]
fn a_stopped_peer_is_waited_for() {
    if !laboratory("a_stopped_peer_is_waited_for") {
        return;
    }
    let (mut node, mut child) = pair(1024);
    child.tell("take 3000");
    let mut number = 0;
    let mut flood = |node: &mut Node, until: u32| {
        let start = Instant::now();
        while number < until && start.elapsed() < Duration::from_secs(2) {
            match node.try_write(1, &[Put { from: 0, to: 0, len: 8 }], number).expect("no error") {
                Posted::Full => node.poll(),
                _ => number += 1,
            }
        }
    };
    flood(&mut node, 500);
    child.signal("STOP");
    flood(&mut node, 3000);
    assert!(node.broken.is_empty(), "{:?}", node.broken);
    child.signal("CONT");
    flood(&mut node, 3000);
    node.flush();
    assert_eq!(child.hear(), "ok");
}
