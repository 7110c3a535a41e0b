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
    assert!(matches!(node.try_write(1, &[], 0), Err(CommError::NotConnected { .. })));
    node.close(1);
    assert!(matches!(node.try_write(1, &[], 0), Err(CommError::NotConnected { .. })));
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

#[test]
fn after_close_nothing_lands() {
    if !laboratory("after_close_nothing_lands") {
        return;
    }
    let (mut node, mut child) = pair(MIB);
    child.ask(&format!("fill 0 {MIB} 1"));
    child.tell(&format!("flood 0 {}", 16 * 1024));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        node.poll();
    }
    let seen = node.arrived.len();
    let closing = Instant::now();
    node.close(1);
    println!(
        "closed in {:.2?} after {seen} arrivals, {} more came with it",
        closing.elapsed(),
        node.arrived.len() - seen
    );
    node.segment.store(0, &vec![0; 16 * 1024]);
    let heard = child.hear();
    println!("the peer: {heard}");
    assert!(heard.starts_with("broken"), "{heard}");
    assert!(node.segment.words().iter().all(|word| word.load(std::sync::atomic::Ordering::Relaxed) == 0));

    // And again over a new connection.
    child.join(&mut node, 0);
    node.arrived.clear();
    node.fill(0, 100, 9);
    node.write(1, &[Put { from: 0, to: 500, len: 100 }], 0);
    node.flush();
    child.ask("forget");
    assert_eq!(child.ask("holds 500 100 9"), "true");
    assert_eq!(child.ask("write 0 500 700 100 4"), "ok");
    assert_eq!(node.next(), (Rank(1), 4));
    assert!(node.holds(700, 100, 9));
}

#[test]
fn an_offer_replaces_the_older_connection() {
    if !laboratory("an_offer_replaces_the_older_connection") {
        return;
    }
    let (mut node, mut child) = pair(1024);
    for round in 0..20 {
        node.write(1, &[Put { from: 0, to: 0, len: 100 }], round);
        node.flush();
        assert_eq!(child.ask(&format!("next {round}")), "ok");
        child.join(&mut node, 0);
    }
    assert!(node.broken.is_empty());
}

#[test]
fn wrong_offers_are_refused() {
    if !laboratory("wrong_offers_are_refused") {
        return;
    }
    let mut node = Node::new(0, 3, 64);
    let mut other = Node::new(1, 3, 64);
    let mut third = Node::new(2, 3, 64);
    let refused = |node: &mut Node, peer: u32, offer: &[u8]| -> String {
        let Unavailable(why) = node.verbs.connect(Rank(peer), offer).expect_err("refused");
        println!("{why}");
        why
    };
    let good = other.verbs.offer(Rank(0)).expect("an offer");
    assert!(refused(&mut node, 1, &good).contains("has made no RDMA offer"));
    node.verbs.offer(Rank(1)).expect("an offer");
    for len in 0..good.len() {
        assert!(node.verbs.connect(Rank(1), &good[..len]).is_err(), "{len} bytes");
    }
    assert!(refused(&mut node, 1, &[0xa5; 500]).contains("it is no such offer"));
    let misled = third.verbs.offer(Rank(0)).expect("an offer");
    assert!(refused(&mut node, 1, &misled).contains("is from rank 2"));
    node.verbs.connect(Rank(1), &good).expect("the good one still serves");
    assert!(refused(&mut node, 1, &good).contains("has made no RDMA offer"), "once");
    assert!(node.verbs.offer(Rank(0)).is_err() && node.verbs.offer(Rank(9)).is_err());
}

#[test]
fn a_peer_that_connects_late_is_waited_for() {
    if !laboratory("a_peer_that_connects_late_is_waited_for") {
        return;
    }
    let mut node = Node::new(0, 2, 64);
    let mut child = Child::start(1, 2, 64);
    let mine = node.verbs.offer(Rank(1)).expect("an offer");
    let theirs = child.ask("offer 0");
    node.verbs.connect(Rank(1), &rdma::unhex(&theirs)).expect("a connection");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1700) {
        node.poll();
    }
    assert!(node.up.is_empty() && node.broken.is_empty(), "{:?}", node.broken);
    assert_eq!(child.ask(&format!("connect 0 {}", rdma::hex(&mine))), "ok");
    child.tell("up 0");
    node.wait_up(1);
    println!("up {:.2?} after a connection that was 1.7 s late", start.elapsed());
    assert_eq!(child.hear(), "up");
    node.write(1, &[], 0);
    assert_eq!(child.ask("take 1"), "ok");
}

#[test]
fn a_peer_that_never_connects_is_silent() {
    if !laboratory("a_peer_that_never_connects_is_silent") {
        return;
    }
    let soon = Options { connect_within: Duration::from_secs(1), ..Options::default() };
    // The one that greets and the one that waits for the greeting.
    for (me, peer) in [(0, 1), (1, 0)] {
        let mut node = Node::with(me, 2, 64, soon.clone());
        let mut other = Node::new(peer, 2, 64);
        node.verbs.offer(Rank(peer)).expect("an offer");
        let theirs = other.verbs.offer(Rank(me)).expect("an offer");
        let start = Instant::now();
        node.verbs.connect(Rank(peer), &theirs).expect("a connection");
        let cause = node.wait_broken(peer);
        println!("rank {me} gives up after {:.2?}: {cause}", start.elapsed());
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}

#[test]
fn three_ranks_write_to_one_another() {
    if !laboratory("three_ranks_write_to_one_another") {
        return;
    }
    let mut node = Node::new(0, 3, 4096);
    let mut children = [Child::start(1, 3, 4096), Child::start(2, 3, 4096)];
    for child in &mut children {
        child.join(&mut node, 0);
    }
    let [one, two] = &mut children;
    one.join_child(two);
    node.fill(0, 1000, 5);
    for round in 0..10 {
        node.write(1, &[Put { from: 0, to: 0, len: 1000 }], round);
        assert_eq!(one.ask(&format!("next {round}")), "ok");
        two.tell(&format!("next {round}"));
        assert_eq!(one.ask(&format!("write 2 0 1000 1000 {round}")), "ok");
        assert_eq!(two.hear(), "ok");
        two.tell(&format!("write 0 1000 2000 1000 {round}"));
        assert_eq!(node.next(), (Rank(2), round));
        assert_eq!(two.hear(), "ok");
        assert!(node.holds(2000, 1000, 5));
        node.segment.store(2000, &[0; 1000]);
    }
}

#[test]
fn large_writes_spread_over_two_rails() {
    if !laboratory("large_writes_spread_over_two_rails") {
        return;
    }
    // A second device beside the first.
    shell("ip link add rail1 type dummy && ip addr add 10.78.0.1/24 dev rail1 && ip link set rail1 up");
    shell("rdma link add rxe1 type rxe netdev rail1");
    let two = Options { stripe_bytes: 64 << 10, ..Options::default() };
    let mut node = Node::with(0, 2, 8 * MIB, two);
    let mut child = Child::start(1, 2, 8 * MIB);
    child.join(&mut node, 0);
    println!("{}", node.verbs.describe(Rank(1)));
    assert!(node.verbs.describe(Rank(1)).ends_with("2 rails"));
    // Large and small mixed: each must be in place when its word comes, and words keep their order.
    let sizes = [MIB, 1, 20 * 1024, 0, 2 * MIB, 3, 16 * 1024 + 1, 1];
    let mut puts = Vec::new();
    let mut to = 4 * MIB;
    for len in sizes {
        puts.push(Put { from: to - 4 * MIB, to, len });
        to += len;
    }
    node.fill(0, to - 4 * MIB, 6);
    child.tell(&format!("take {}", 3 * sizes.len()));
    for round in 0..3 {
        for (at, put) in puts.iter().enumerate() {
            node.write(1, &[*put], (round * sizes.len() + at) as u32);
        }
    }
    node.flush();
    assert_eq!(child.hear(), "ok");
    assert_eq!(child.ask(&format!("holds {} {} 6", 4 * MIB, to - 4 * MIB)), "true");
    // Each write alone, looked at as soon as its word is there.
    for (round, seed) in (0..5).zip(20..) {
        node.fill(0, MIB, seed);
        child.tell(&format!("next {round}"));
        node.write(1, &[Put { from: 0, to: 4 * MIB, len: MIB }], round);
        node.flush();
        assert_eq!(child.hear(), "ok");
        assert_eq!(child.ask(&format!("holds {} {MIB} {seed}", 4 * MIB)), "true");
    }
    // One rail goes: the connection breaks, and what is left serves.
    shell("ip link set rail1 down");
    let start = Instant::now();
    node.wait_broken(1);
    println!("a port that went down is seen after {:.2?}", start.elapsed());
    child.join(&mut node, 0);
    assert!(node.verbs.describe(Rank(1)).ends_with("1 rail"), "{}", node.verbs.describe(Rank(1)));
    node.write(1, &[], 0);
    assert_eq!(child.ask("next 0"), "ok");
    drop((node, child));
    shell("rdma link delete rxe1 && ip link delete rail1");
}

#[test]
fn the_kernel_says_which_port_leads_to_an_address() {
    if !laboratory("the_kernel_says_which_port_leads_to_an_address") {
        return;
    }
    let ports = discover::ports().expect("ports");
    let gid = ports[0].gids.iter().find(|entry| entry.gid.is_ipv4()).expect("an IPv4 address").gid.0;
    let own = std::net::Ipv4Addr::new(gid[12], gid[13], gid[14], gid[15]);
    // A neighbour; nobody has to be there, as the dummy device asks nobody.
    let near = std::net::Ipv4Addr::new(gid[12], gid[13], gid[14], gid[15].wrapping_add(1));
    for address in [own, near] {
        println!("towards {address}: {:?}", route::towards(address.into()));
    }
    assert_eq!(route::towards(near.into()), Ok((ports[0].device.clone(), ports[0].port)));
    let Unavailable(why) = route::towards(std::net::Ipv4Addr::new(192, 0, 2, 1).into()).expect_err("no route");
    println!("{why}");
    let narrowed = Options { towards: Some(near.into()), ..Options::default() };
    assert!(Verbs::open(Rank(0), 2, narrowed).is_ok());
    println!("GPU memory: {:?}", device_memory::probe(&ports[0].device, true));
}

#[test]
fn a_removed_device_breaks_its_connections() {
    if !laboratory("a_removed_device_breaks_its_connections") {
        return;
    }
    let (mut node, mut child) = pair(MIB);
    let device = discover::ports().expect("ports")[0].device.clone();
    child.tell(&format!("flood 0 {}", 16 * 1024));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(200) {
        node.poll();
    }
    // The removal waits until all have let go.
    let mut removal = Command::new("rdma").args(["link", "delete", &device]).spawn().expect("rdma");
    let removed = Instant::now();
    let cause = node.wait_broken(1);
    println!("a removed device is seen after {:.2?}: {cause}", removed.elapsed());
    println!("the peer: {}", child.hear());
    assert!(node.try_write(1, &[], 0).is_err());
    assert_eq!(node.verbs.describe(Rank(1)), "its device is lost");
    node.close(1);
    let Unavailable(why) = node.verbs.offer(Rank(1)).expect_err("no device");
    println!("{why}");
    assert!(removal.wait().expect("rdma").success());
    println!("it is gone after {:.2?}", removed.elapsed());
    let Unavailable(why) = Verbs::open(Rank(0), 2, Options::default()).expect_err("no device");
    assert!(why.contains("no RDMA device"), "{why}");
    drop((node, child));

    shell(&format!("rdma link add {device} type rxe netdev eth0"));
    let (mut node, mut child) = pair(64);
    node.write(1, &[], 0);
    assert_eq!(child.ask("take 1"), "ok");
}

fn shell(script: &str) {
    let done = Command::new("sh").args(["-ec", script]).status().expect("a shell");
    assert!(done.success(), "{script}");
}
