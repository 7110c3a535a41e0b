//! The engine against made-up peers: what it refuses, what it drops, and how it counts.

use std::sync::Arc;

use super::compress::Compression;
use super::engine::{Engine, Limits};
use super::wire::MAGIC;
use crate::error::Malformed;
use crate::fabric::{Put, Write};
use crate::ids::{Rank, SegmentId};
use crate::segment::Segment;
use crate::transport::{Happening, Posted};

const LIMITS: Limits = Limits { packet_words: 64, window_words: 256, backlog_words: 1024 };
const PEER: Rank = Rank(1);
const ID: SegmentId = SegmentId(0);

/// An engine that is connected to a peer, which gave its side the number 40; and its segment of 16 words.
fn connected() -> (Engine, Arc<Segment>) {
    let mut engine = Engine::new(2, LIMITS);
    let segment = Segment::private(16).expect("memory");
    engine.register(Arc::clone(&segment));
    assert_eq!(engine.offer(PEER), 1);
    engine.connect(PEER, 40);
    (engine, segment)
}

/// A packet of one piece for an engine that gave its side the number `connection`.
fn packet(connection: u32, sequence: u32, acknowledged: u32, segment: u32, to: u32, len: u32) -> Vec<u32> {
    let mut words = vec![MAGIC, connection, 1, 1, sequence, 0, acknowledged, 0, segment, 7, 1, len, to, 0, len];
    words.extend(std::iter::repeat_n(0xdead_beef, len as usize));
    words
}

/// The next packet; these engines announce nothing.
fn next(engine: &mut Engine, to: Rank) -> Option<Vec<u32>> {
    engine.next_packet(to, Vec::new).map(|(packet, _)| packet)
}

fn happenings(engine: &mut Engine) -> Vec<Happening> {
    let mut all = Vec::new();
    engine.drain(&mut all);
    all
}

#[test]
fn a_refused_packet_has_no_effect() {
    let (mut engine, segment) = connected();
    let cases = [
        (vec![], Malformed::Length { words: 0, expected: 12 }),
        (vec![1; 12], Malformed::Magic(1)),
        (packet(2, 0, 0, 0, 0, 1), Malformed::Connection { theirs: 2, ours: 1 }),
        (packet(1, 1, 0, 0, 0, 1), Malformed::Sequence { got: 1, expected: 0 }),
        (packet(1, 0, 1, 0, 0, 1), Malformed::Acknowledgement { got: 1, least: 0, most: 0 }),
        (packet(1, 0, 0, 1, 0, 1), Malformed::Segment(1)),
        (packet(1, 0, 0, 0, 15, 2), Malformed::Range { segment: 0, to: 15, len: 2, words: 16 }),
    ];
    for (words, expected) in cases {
        assert_eq!(engine.take(PEER, &words), Err(expected));
    }
    assert!(happenings(&mut engine).is_empty());
    let mut all = [1u32; 16];
    segment.load(0, &mut all);
    assert_eq!(all, [0; 16]);
    assert_eq!(engine.take(PEER, &packet(1, 0, 0, 0, 15, 1)), Ok(()), "a good one is taken");
    assert_eq!(happenings(&mut engine), [Happening::Arrived { from: PEER, notification: 7 }]);
}

#[test]
fn packets_of_an_older_connection_are_dropped_in_silence() {
    let (mut engine, segment) = connected();
    assert_eq!(engine.offer(PEER), 2);
    engine.connect(PEER, 41);
    assert_eq!(engine.take(PEER, &packet(1, 0, 0, 0, 0, 4)), Ok(()));
    assert!(happenings(&mut engine).is_empty());
    engine.close(PEER);
    assert_eq!(engine.take(PEER, &packet(2, 0, 0, 0, 0, 4)), Ok(()));
    assert!(happenings(&mut engine).is_empty());
    let mut all = [1u32; 4];
    segment.load(0, &mut all);
    assert_eq!(all, [0; 4], "nothing of a closed connection is written");
}

#[test]
fn a_write_is_delivered_once_its_last_word_is_acknowledged() {
    let (mut engine, _segment) = connected();
    let puts = [Put { from: 0, to: 0, len: 4 }];
    let write = Write { source: ID, target: ID, puts: &puts, notification: 3 };
    assert_eq!([engine.accept(PEER, &write), engine.accept(PEER, &write)], [Posted::Queued; 2]);
    let first = next(&mut engine, PEER).expect("a packet").len() as u32;
    let second = next(&mut engine, PEER).expect("a packet").len() as u32;
    assert!(next(&mut engine, PEER).is_none());
    let acknowledge = |words: u32| vec![MAGIC, 1, 2, 0, 0, 0, words, 0, 0, 0, 0, 0];
    assert_eq!(engine.take(PEER, &acknowledge(first - 1)), Ok(()));
    assert!(happenings(&mut engine).is_empty());
    assert_eq!(engine.take(PEER, &acknowledge(first + second)), Ok(()));
    assert_eq!(happenings(&mut engine), [Happening::Delivered { peer: PEER, count: 2 }]);
}

#[test]
fn what_was_taken_is_acknowledged_when_it_is_time() {
    let (mut engine, _segment) = connected();
    assert_eq!(engine.take(PEER, &packet(1, 0, 0, 0, 0, 4)), Ok(()));
    assert!(next(&mut engine, PEER).is_none(), "too little for a packet of its own");
    engine.owe_acknowledgements();
    let packet = next(&mut engine, PEER).expect("an acknowledgement");
    assert_eq!((packet[1], packet[2], packet[6]), (40, 2, 19), "to the peer's connection, of all words");
    engine.owe_acknowledgements();
    assert!(next(&mut engine, PEER).is_none(), "it was said");
}

#[test]
fn nothing_is_taken_towards_a_peer_that_is_not_connected() {
    let mut engine = Engine::new(2, LIMITS);
    engine.register(Segment::private(16).expect("memory"));
    let write = Write { source: ID, target: ID, puts: &[], notification: 3 };
    assert_eq!(engine.accept(PEER, &write), Posted::Full);
    engine.offer(PEER);
    assert_eq!(engine.accept(PEER, &write), Posted::Full);
}

/// Two engines that are connected to each other, and the segment of the second.
fn two(compression: Compression) -> ([Engine; 2], [Arc<Segment>; 2]) {
    let limits = Limits { packet_words: 4096, window_words: 16_384, backlog_words: 1 << 20 };
    let segments = [0; 2].map(|_| Segment::private(8192).expect("memory"));
    let mut engines = [0; 2].map(|_| Engine::new(2, limits));
    for (engine, segment) in engines.iter_mut().zip(&segments) {
        engine.register(Arc::clone(segment));
        engine.set_compression(compression);
    }
    let numbers = [engines[0].offer(Rank(1)), engines[1].offer(Rank(0))];
    engines[0].connect(Rank(1), numbers[1]);
    engines[1].connect(Rank(0), numbers[0]);
    (engines, segments)
}

#[test]
fn differences_arrive_as_the_words_that_they_stand_for() {
    let ([mut a, mut b], [source, target]) = two(Compression::On);
    let mut words: Vec<u32> = (0..8192u32).map(|at| (at as f32 * 0.37).to_bits()).collect();
    let puts = [Put { from: 0, to: 100, len: 5000 }, Put { from: 6000, to: 6000, len: 2000 }];
    let (mut first, mut last) = (0, 0);
    for round in 0..20u32 {
        for at in (round as usize..8192).step_by(97) {
            words[at] = words[at].wrapping_add(round);
        }
        source.store(0, &words);
        let write = Write { source: ID, target: ID, puts: &puts, notification: round };
        assert_eq!(a.accept(Rank(1), &write), Posted::Queued);
        let mut sent = 0;
        while let Some(packet) = next(&mut a, Rank(1)) {
            sent += packet.len();
            assert_eq!(b.take(Rank(0), &packet), Ok(()));
            while let Some(packet) = next(&mut b, Rank(0)) {
                assert_eq!(a.take(Rank(1), &packet), Ok(()));
            }
        }
        for put in &puts {
            let mut got = vec![0; put.len];
            target.load(put.to, &mut got);
            assert_eq!(got, words[put.from..put.from + put.len], "round {round}");
        }
        b.owe_acknowledgements();
        // Less than a quarter of the window, if anything, was not acknowledged on the way.
        if let Some(packet) = next(&mut b, Rank(0)) {
            assert_eq!(a.take(Rank(1), &packet), Ok(()));
        }
        if round == 0 {
            first = sent;
        }
        last = sent;
    }
    assert!(last * 5 < first, "{last} words after {first}: what rests costs next to nothing");
}
