//! The verbs rung between processes, on a machine with an RDMA device: run where `RANKZERO_LAB_RDMA` is set, one test at a
//! time. Elsewhere each test says that it was skipped.

mod rdma;

use std::time::{Duration, Instant};

use rankzero_comm::verbs::{Options, Verbs, device_memory, discover, route};
use rankzero_comm::{CommError, Posted, Put, Rank, Transport};
use rdma::{Child, Node, serve};

/// Whether this machine is meant to have RDMA; says so where it is not.
fn laboratory(test: &str) -> bool {
    let set = std::env::var_os("RANKZERO_LAB_RDMA").is_some_and(|value| value == "1");
    if !set {
        eprintln!("SKIPPED {test}: RANKZERO_LAB_RDMA=1 is not set; it needs an RDMA device");
    }
    set
}

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
fn a_write_arrives_with_its_word() {
    if !laboratory("a_write_arrives_with_its_word") {
        return;
    }
    let (mut node, mut child) = pair(64);
    println!("{}", node.verbs.describe(Rank(1)));
    node.fill(0, 8, 3);
    node.write(1, &[Put { from: 0, to: 32, len: 8 }], 0);
    node.flush();
    assert_eq!(child.ask("take 1"), "ok");
    assert_eq!(child.ask("holds 32 8 3"), "true");
    assert_eq!(child.ask("write 0 32 16 8 99"), "ok");
    assert_eq!(node.next(), (Rank(1), 99));
    assert!(node.holds(16, 8, 3));
    let traffic = node.verbs.traffic();
    assert_eq!((traffic.sent_messages, traffic.sent_bytes, traffic.received_bytes), (1, 36, 36));
}
