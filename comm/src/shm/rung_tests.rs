//! The rung among transports of one process, which reach each other as processes do.

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::fabric::Put;
use crate::transport::OFFER_BYTES_MAX;

const SEGMENT: SegmentId = SegmentId(0);

fn rank_of(me: u32, size: u32, words: usize) -> (Shm, Arc<Segment>) {
    let mut shm = Shm::open(Rank(me), size).expect("shared memory");
    let segment = Segment::new(words).expect("memory");
    shm.register(SEGMENT, &segment).expect("shared");
    (shm, segment)
}

fn join(a: &mut Shm, b: &mut Shm) {
    let (from_a, from_b) = (a.offer(b.me).expect("offer"), b.offer(a.me).expect("offer"));
    a.connect(b.me, &from_b).expect("same process");
    b.connect(a.me, &from_a).expect("same process");
    assert_eq!(now(a), [Happening::Up { peer: b.me }]);
    assert_eq!(now(b), [Happening::Up { peer: a.me }]);
}

fn now(shm: &mut Shm) -> Vec<Happening> {
    let mut happened = Vec::new();
    shm.progress(&mut happened).expect("progress");
    happened
}

/// What happens until something does, or for a while.
fn soon(shm: &mut Shm) -> Vec<Happening> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let happened = now(shm);
        if !happened.is_empty() || Instant::now() > end {
            return happened;
        }
    }
}

fn word(notification: u32) -> Write<'static> {
    Write { source: SEGMENT, target: SEGMENT, puts: &[], notification }
}

fn arrived(from: u32, notification: u32) -> Happening {
    Happening::Arrived { from: Rank(from), notification }
}

fn reset(peer: u32) -> Happening {
    Happening::Broken { peer: Rank(peer), cause: FailureCause::Io { errno: libc::ECONNRESET } }
}

#[test]
fn a_write_is_in_place_when_it_is_announced() {
    let ((mut a, source), (mut b, target)) = (rank_of(0, 2, 100), rank_of(1, 2, 50));
    join(&mut a, &mut b);
    source.store(10, &[1, 2, 3]);
    let puts = [Put { from: 10, to: 48, len: 2 }, Put { from: 12, to: 0, len: 1 }];
    let write = Write { source: SEGMENT, target: SEGMENT, puts: &puts, notification: 7 };
    assert_eq!(a.post(Rank(1), &write).expect("posted"), Posted::Delivered);
    assert_eq!(now(&mut b), [arrived(0, 7)]);
    let mut out = [0; 50];
    target.load(0, &mut out);
    assert_eq!((out[0], out[47], out[48], out[49]), (3, 0, 1, 2));
    let (sent, received) = (a.traffic(), b.traffic());
    assert_eq!((sent.sent_bytes, sent.sent_messages), (20, 1));
    assert_eq!((received.received_bytes, received.received_messages), (20, 1));
}

#[test]
fn ranges_beyond_either_end_are_refused() {
    let ((mut a, _source), (mut b, _target)) = (rank_of(0, 2, 100), rank_of(1, 2, 50));
    join(&mut a, &mut b);
    for (from, to, len) in [(0, 49, 2), (0, usize::MAX, 1), (0, 51, 0), (0, 0, 51)] {
        let puts = [Put { from, to, len }];
        let write = Write { source: SEGMENT, target: SEGMENT, puts: &puts, notification: 0 };
        let outcome = a.post(Rank(1), &write);
        assert!(matches!(outcome, Err(CommError::BeyondPeer { words: 50, .. })), "{outcome:?}");
        let write = Write { target: SegmentId(9), ..write };
        assert!(matches!(a.post(Rank(1), &write), Err(CommError::BeyondPeer { words: 0, .. })));
    }
    let puts = [Put { from: 99, to: 0, len: 2 }];
    let write = Write { source: SEGMENT, target: SEGMENT, puts: &puts, notification: 0 };
    assert!(matches!(a.post(Rank(1), &write), Err(CommError::OutOfBounds { .. })));
    let write = Write { source: SegmentId(1), ..write };
    assert!(matches!(a.post(Rank(1), &write), Err(CommError::UnknownSegment(_))));
    assert!(matches!(a.post(Rank(0), &word(0)), Err(CommError::NotConnected { .. })));
    assert!(matches!(a.post(Rank(9), &word(0)), Err(CommError::NotConnected { .. })));
    assert_eq!(now(&mut b), []);
}

#[test]
fn a_peer_that_takes_nothing_out_fills_its_queue() {
    let ((mut a, _), (mut b, _)) = (rank_of(0, 2, 1), rank_of(1, 2, 1));
    join(&mut a, &mut b);
    for n in 0..RING_SLOTS as u32 {
        assert_eq!(a.post(Rank(1), &word(n)).expect("posted"), Posted::Delivered);
    }
    assert_eq!(a.post(Rank(1), &word(0)).expect("posted"), Posted::Full);
    let expected: Vec<_> = (0..RING_SLOTS as u32).map(|n| arrived(0, n)).collect();
    assert_eq!(now(&mut b), expected);
    assert_eq!(a.post(Rank(1), &word(5)).expect("posted"), Posted::Delivered);
}

#[test]
fn more_peers_than_a_word_of_the_bell_are_all_heard() {
    const PEERS: u32 = 70;
    let (mut hub, _kept) = rank_of(0, PEERS + 1, 1);
    let mut peers: Vec<_> = (1..=PEERS).map(|rank| rank_of(rank, PEERS + 1, 1)).collect();
    for (peer, _) in &mut peers {
        join(&mut hub, peer);
    }
    now(&mut hub);
    for round in 0..3 {
        for (peer, _) in &mut peers {
            assert_eq!(peer.post(Rank(0), &word(round)).expect("posted"), Posted::Delivered);
        }
        let mut heard = now(&mut hub);
        heard.sort_by_key(|happening| match happening {
            Happening::Arrived { from, .. } => from.0,
            _ => 0,
        });
        assert_eq!(heard, (1..=PEERS).map(|rank| arrived(rank, round)).collect::<Vec<_>>());
    }
    // A queue that held all it can is looked at once more without a ring of its peer.
    for n in 0..RING_SLOTS as u32 {
        peers[69].0.post(Rank(0), &word(n)).expect("posted");
    }
    assert_eq!(now(&mut hub).len(), RING_SLOTS);
    // Who wipes the bell delays others, and no more.
    peers[3].0.post(Rank(0), &word(9)).expect("posted");
    hub.bell.pairs()[0].store(0, Relaxed);
    assert_eq!(soon(&mut hub), [arrived(4, 9)]);
}

#[test]
fn what_arrived_before_the_end_is_handed_out_and_the_peer_learns_of_it() {
    let ((mut a, _), (mut b, _)) = (rank_of(0, 2, 1), rank_of(1, 2, 1));
    join(&mut a, &mut b);
    a.post(Rank(1), &word(1)).expect("posted");
    b.post(Rank(0), &word(2)).expect("posted");
    let mut left = Vec::new();
    b.close(Rank(0), &mut left);
    assert_eq!(left, [arrived(0, 1)]);
    assert_eq!(a.post(Rank(1), &word(3)).expect("refused quietly"), Posted::Full);
    assert_eq!(now(&mut a), [arrived(1, 2), reset(1)]);
    assert_eq!(soon_nothing(&mut a), []);
    left.clear();
    b.close(Rank(0), &mut left);
    a.close(Rank(1), &mut left);
    assert_eq!(left, []);
}

/// What happens within a few inspections.
fn soon_nothing(shm: &mut Shm) -> Vec<Happening> {
    let end = Instant::now() + 5 * INSPECTION_EVERY;
    let mut happened = Vec::new();
    while Instant::now() < end {
        happened.append(&mut now(shm));
    }
    happened
}

#[test]
fn an_idle_peer_learns_of_the_end_too_and_all_can_begin_again() {
    let ((mut a, _), (mut b, target)) = (rank_of(0, 2, 1), rank_of(1, 2, 1));
    let mut ignored = Vec::new();
    for round in 0..3 {
        join(&mut a, &mut b);
        a.post(Rank(1), &word(round)).expect("posted");
        assert_eq!(now(&mut b), [arrived(0, round)]);
        b.close(Rank(0), &mut ignored);
        assert_eq!(soon(&mut a), [reset(1)]);
    }
    drop(b);
    assert_eq!(Arc::strong_count(&target), 1);
}

#[test]
fn an_offer_serves_once_and_only_whom_it_was_made_for() {
    let ((mut a, _), (mut b, _), (mut c, _)) = (rank_of(0, 3, 1), rank_of(1, 3, 1), rank_of(2, 3, 1));
    let to_b = a.offer(Rank(1)).expect("offer");
    let says = |outcome: Result<(), Unavailable>, words: &str| {
        assert!(outcome.as_ref().is_err_and(|why| why.0.contains(words)), "{outcome:?}")
    };
    says(b.connect(Rank(0), &to_b), "no offer was made");
    b.offer(Rank(0)).expect("offer");
    b.offer(Rank(2)).expect("offer");
    c.offer(Rank(0)).expect("offer");
    says(b.connect(Rank(2), &to_b), "came as one of");
    says(c.connect(Rank(0), &to_b), "came as one of");
    b.connect(Rank(0), &to_b).expect("same process");
    says(b.connect(Rank(0), &to_b), "connected already");
    b.post(Rank(0), &word(4)).expect("posted");
    b.offer(Rank(0)).expect("offer");
    says(b.connect(Rank(0), &to_b), "a new one is needed");
    // It never connected, but what was accepted is not lost.
    let mut left = Vec::new();
    a.close(Rank(1), &mut left);
    assert_eq!(left, [arrived(1, 4)]);
    says(b.connect(Rank(0), &to_b), "withdrawn");
    assert!(a.offer(Rank(3)).is_err());
}

#[test]
fn no_bytes_do_harm_as_an_offer() {
    let ((mut a, _), (mut b, _)) = (rank_of(0, 2, 4), rank_of(1, 2, 4));
    let good = a.offer(Rank(1)).expect("offer");
    b.offer(Rank(0)).expect("offer");
    for len in 0..good.len() {
        assert!(b.connect(Rank(0), &good[..len]).is_err());
    }
    assert!(b.connect(Rank(0), &vec![0xff; OFFER_BYTES_MAX]).is_err());
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..3000 {
        let mut bytes = good.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        if b.connect(Rank(0), &bytes).is_ok() {
            // A bit of the bell, or the number of words: nothing that reaches beyond the memory.
            b.offer(Rank(0)).expect("offer");
        }
    }
    for flip in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[flip / 8] ^= 1 << (flip % 8);
        if b.connect(Rank(0), &bytes).is_ok() {
            b.offer(Rank(0)).expect("offer");
        }
    }
    b.connect(Rank(0), &good).expect("the offer itself");
}

#[test]
fn nonsense_in_shared_memory_ends_the_connection() {
    let ((mut a, _), (mut b, _)) = (rank_of(0, 2, 1), rank_of(1, 2, 1));
    let protocol = |peer| Happening::Broken { peer: Rank(peer), cause: FailureCause::Protocol };
    join(&mut a, &mut b);
    a.post(Rank(1), &word(1)).expect("posted");
    b.pairs[0].as_ref().expect("connected").inbox.scribble(1, u64::MAX);
    assert_eq!(now(&mut b), [arrived(0, 1), protocol(0)]);
    assert_eq!(soon_nothing(&mut b), []);
    assert_eq!(a.post(Rank(1), &word(2)).expect("refused quietly"), Posted::Full);
    let mut left = Vec::new();
    b.close(Rank(0), &mut left);
    assert_eq!(left, []);
}

#[test]
fn private_memory_and_gaps_are_not_registered() {
    let mut shm = Shm::open(Rank(0), 1).expect("shared memory");
    assert!(shm.register(SEGMENT, &Segment::private(4).expect("memory")).is_err());
    assert!(shm.register(SegmentId(1), &Segment::new(4).expect("memory")).is_err());
}

#[test]
fn a_fence_cuts_everybody_off_and_keeps_the_words() {
    let ((mut a, source), (mut b, target)) = (rank_of(0, 2, 4), rank_of(1, 2, 4));
    join(&mut a, &mut b);
    target.store(0, &[1, 2, 3, 4]);
    a.post(Rank(1), &word(5)).expect("posted");
    let mut left = Vec::new();
    b.fence(&mut left).expect("memory");
    assert_eq!(left, [arrived(0, 5)]);
    source.store(0, &[9; 4]);
    let puts = [Put { from: 0, to: 0, len: 4 }];
    let write = Write { source: SEGMENT, target: SEGMENT, puts: &puts, notification: 6 };
    // As a peer that does not look at its queue before it writes.
    let outbox = a.pairs[0].as_mut().and_then(|pair| pair.outbox.as_mut()).expect("connected");
    assert_eq!(outbox.write(&write, &source), Err(End::Closed));
    let mut out = [0; 4];
    target.load(0, &mut out);
    assert_eq!(out, [1, 2, 3, 4]);
    join(&mut a, &mut b);
    a.post(Rank(1), &write).expect("posted");
    assert_eq!(now(&mut b), [arrived(0, 6)]);
    target.load(0, &mut out);
    assert_eq!(out, [9; 4]);
}
