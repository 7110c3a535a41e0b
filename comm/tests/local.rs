//! The engine, the start-up protocol and the faults, proven on the in-process hub.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rankzero_comm::local::{Faults, LocalFabric, hub, hub_with};
use rankzero_comm::{
    Bootstrap, CommError, Endpoint, Event, Fabric, FailureCause, Limits, Malformed, Put, Rank, Segment, SegmentId,
    Write,
};

const TINY: Limits = Limits { packet_words: 64, window_words: 256, backlog_words: 1024 };

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Registers a segment of `words` on every fabric.
fn with_segments(fabrics: &mut [LocalFabric], words: usize) -> (SegmentId, Vec<Arc<Segment>>) {
    let segments: Vec<_> = fabrics.iter().map(|_| Segment::new(words).expect("memory")).collect();
    let ids: Vec<_> =
        fabrics.iter_mut().zip(&segments).map(|(fabric, segment)| fabric.register(Arc::clone(segment))).collect();
    thread::scope(|scope| {
        let opens: Vec<_> = fabrics.iter_mut().map(|fabric| scope.spawn(|| fabric.open(soon()))).collect();
        opens.into_iter().for_each(|open| open.join().expect("rank").expect("opened"));
    });
    (*ids[0].as_ref().expect("registered"), segments)
}

fn pair(limits: Limits, words: usize) -> (LocalFabric, LocalFabric, SegmentId, Vec<Arc<Segment>>) {
    let (a, b, id, segments, _) = pair_with_faults(limits, words);
    (a, b, id, segments)
}

fn pair_with_faults(limits: Limits, words: usize) -> (LocalFabric, LocalFabric, SegmentId, Vec<Arc<Segment>>, Faults) {
    let (mut fabrics, faults) = hub_with(2, limits).expect("memory");
    let (id, segments) = with_segments(&mut fabrics, words);
    let second = fabrics.pop().expect("two");
    (fabrics.pop().expect("two"), second, id, segments, faults)
}

fn poll(fabric: &mut LocalFabric) -> Vec<Event> {
    let mut events = Vec::new();
    fabric.poll(Instant::now(), &mut events).expect("poll");
    events
}

fn arrived(events: &[Event]) -> Vec<u32> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Arrived { notification, .. } => Some(*notification),
            Event::Completed { .. } | Event::PeerFailed { .. } | Event::RungChanged { .. } => None,
        })
        .collect()
}

#[test]
fn a_split_write_is_in_place_before_its_notification() {
    let (mut a, mut b, id, segments) = pair(TINY, 4096);
    let values: Vec<u32> = (1..=4096).collect();
    segments[0].store(0, &values);
    let puts = [
        Put { from: 100, to: 0, len: 900 },
        Put { from: 0, to: 1000, len: 0 },
        Put { from: 3000, to: 2000, len: 1 },
        Put { from: 1000, to: 4000, len: 96 },
    ];
    let write = Write { source: id, target: id, puts: &puts, notification: 9 };
    a.write_notify(Rank(1), &write).expect("accepted");
    let begun = Instant::now();
    let mut got = Vec::new();
    while got.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        got = arrived(&poll(&mut b));
        poll(&mut a);
    }
    assert_eq!(got, [9]);
    let mut expected = vec![0u32; 4096];
    for put in puts {
        expected[put.to..put.to + put.len].copy_from_slice(&values[put.from..put.from + put.len]);
    }
    let mut actual = vec![0u32; 4096];
    segments[1].load(0, &mut actual);
    assert_eq!(actual, expected);
}

#[test]
fn notifications_of_one_sender_keep_their_order() {
    let (mut a, mut b, id, _segments) = pair(TINY, 512);
    let sender = thread::spawn(move || {
        let mut events = Vec::new();
        for number in 0..2000u32 {
            let puts = [Put { from: 0, to: 0, len: (number as usize * 7) % 500 }];
            let write = Write { source: id, target: id, puts: &puts, notification: number };
            a.write_notify_by(Rank(1), &write, soon(), &mut events).expect("room in time");
        }
        while events.iter().filter(|event| matches!(event, Event::Completed { .. })).count() < 2000 {
            a.poll(soon(), &mut events).expect("poll");
        }
        a
    });

    let (mut numbers, deadline) = (Vec::new(), soon());
    while numbers.len() < 2000 && Instant::now() < deadline {
        let mut events = Vec::new();
        b.poll(deadline, &mut events).expect("poll");
        numbers.extend(arrived(&events));
    }
    assert!(numbers.iter().copied().eq(0..2000));
    while !sender.is_finished() {
        b.poll(Instant::now() + Duration::from_millis(1), &mut Vec::new()).expect("poll");
    }
    sender.join().expect("sender");
}

#[test]
fn a_peer_that_does_not_poll_bounds_what_is_sent_to_it() {
    let (mut a, mut b, id, _segments) = pair(TINY, 512);
    let puts = [Put { from: 0, to: 0, len: 100 }];
    let write = Write { source: id, target: id, puts: &puts, notification: 0 };
    let opening = a.traffic()[0].sent_bytes / 4;
    let mut accepted = 0;
    let refusal = loop {
        match a.write_notify(Rank(1), &write) {
            Ok(_) => accepted += 1,
            Err(refusal) => break refusal,
        }
        assert!(accepted < 1000, "no bound");
    };
    assert!(matches!(refusal, CommError::Backpressure { peer: Rank(1), .. }), "{refusal}");
    let sent_words = a.traffic()[0].sent_bytes / 4 - opening;
    assert!(sent_words <= TINY.window_words, "{sent_words} words are in flight");
    let mut events = Vec::new();
    let late = a.write_notify_by(Rank(1), &write, Instant::now(), &mut events);
    assert!(matches!(late, Err(CommError::Backpressure { .. })));

    // Once the peer takes them, all go through.
    let (mut got, deadline) = (0, soon());
    while got < accepted && Instant::now() < deadline {
        got += arrived(&poll(&mut b)).len();
        poll(&mut a);
    }
    assert_eq!(got, accepted);
    a.write_notify(Rank(1), &write).expect("room again");
}

#[test]
fn a_write_larger_than_every_limit_goes_through_alone() {
    let (mut a, mut b, id, _segments) = pair(TINY, 100_000);
    let puts = [Put { from: 0, to: 0, len: 100_000 }];
    a.write_notify(Rank(1), &Write { source: id, target: id, puts: &puts, notification: 5 }).expect("accepted");
    let deadline = soon();
    let mut got = Vec::new();
    while got.is_empty() && Instant::now() < deadline {
        got = arrived(&poll(&mut b));
        poll(&mut a);
    }
    assert_eq!(got, [5]);
}

#[test]
fn wrong_writes_are_errors_that_send_nothing() {
    let (mut a, _b, id, _segments) = pair(TINY, 16);
    let sent = a.traffic()[0].sent_messages;
    let mut attempt = |peer, puts: &[Put]| {
        a.write_notify(peer, &Write { source: id, target: id, puts, notification: 0 }).expect_err("wrong").to_string()
    };
    assert_eq!(attempt(Rank(2), &[]), "rank 2 does not exist, or not yet, in a run of up to 2 ranks");
    let beyond = attempt(Rank(1), &[Put { from: 10, to: 0, len: 7 }]);
    assert_eq!(beyond, "range of 7 words at 10 exceeds the 16 words of segment 1");
    attempt(Rank(1), &[Put { from: usize::MAX, to: 0, len: 2 }]);
    attempt(Rank(1), &[Put { from: 0, to: usize::MAX, len: 2 }]);
    assert_eq!(a.traffic()[0].sent_messages, sent);
}

#[test]
fn a_malformed_packet_is_refused_by_name_and_changes_nothing() {
    let (mut a, mut b, id, segments, faults) = pair_with_faults(TINY, 16);
    faults.inject(Rank(0), Rank(1), vec![1; 12]);
    let outcome = b.poll(Instant::now(), &mut Vec::new());
    assert!(matches!(&outcome, Err(CommError::Malformed { peer: Rank(0), what: Malformed::Magic(1) })), "{outcome:?}");
    let mut all = [1u32; 16];
    segments[1].load(0, &mut all);
    assert_eq!(all, [0; 16]);
    a.write_notify(Rank(1), &Write { source: id, target: id, puts: &[], notification: 3 }).expect("accepted");
    assert_eq!(arrived(&poll(&mut b)), [3], "a good packet still arrives");
}

#[test]
fn a_dead_peer_is_reported_once_after_all_that_it_sent() {
    let (mut a, mut b, id, _segments, faults) = pair_with_faults(TINY, 16);
    let write = Write { source: id, target: id, puts: &[], notification: 1 };
    a.write_notify(Rank(1), &write).expect("accepted");
    faults.kill(Rank(0));
    assert!(a.write_notify(Rank(1), &write).is_err(), "the dead do not write");
    let mut events = poll(&mut b);
    events.extend(poll(&mut b));
    let failed = Event::PeerFailed { peer: Rank(0), cause: FailureCause::Closed };
    assert_eq!(events, [Event::Arrived { from: Rank(0), notification: 1 }, failed]);
    let refusal = b.write_notify(Rank(0), &write).expect_err("dead");
    assert_eq!(refusal.to_string(), "rank 0 has failed: its endpoint is closed");
}

#[test]
fn a_drop_wakes_a_peer_that_waits() {
    let (a, mut b, _id, _segments) = pair(TINY, 16);
    let waiter = thread::spawn(move || {
        let mut events = Vec::new();
        b.poll(soon(), &mut events).expect("poll");
        events
    });
    drop(a);
    assert!(matches!(waiter.join().expect("waiter")[..], [Event::PeerFailed { peer: Rank(0), .. }]));
}

#[test]
fn a_rank_may_write_to_itself() {
    let mut fabrics = hub(1).expect("memory");
    let (id, segments) = with_segments(&mut fabrics, 8);
    segments[0].store(0, &[5, 6]);
    let puts = [Put { from: 0, to: 4, len: 2 }];
    fabrics[0]
        .write_notify(Rank(0), &Write { source: id, target: id, puts: &puts, notification: 2 })
        .expect("accepted");
    let mut events = Vec::new();
    while arrived(&events).is_empty() {
        fabrics[0].poll(soon(), &mut events).expect("poll");
    }
    let mut out = [0; 2];
    segments[0].load(4, &mut out);
    assert_eq!(out, [5, 6]);
}

#[test]
fn start_up_exchanges_agree_on_every_rank() {
    let ranks: Vec<_> = hub(5)
        .expect("memory")
        .into_iter()
        .map(|mut fabric| {
            thread::spawn(move || {
                let me = fabric.rank();
                for round in 0..20u32 {
                    let from = Rank(round % 5);
                    let mut bytes = if me == from { vec![round as u8; round as usize * 1000] } else { vec![9] };
                    fabric.broadcast(from, &mut bytes, soon()).expect("broadcast");
                    assert_eq!(bytes, vec![round as u8; round as usize * 1000]);
                    let all = fabric.all_gather(&vec![me.0 as u8; me.index()], soon()).expect("gather");
                    assert!(all.iter().enumerate().all(|(rank, bytes)| *bytes == vec![rank as u8; rank]));
                    fabric.barrier(soon()).expect("barrier");
                }
            })
        })
        .collect();
    for rank in ranks {
        rank.join().expect("rank");
    }
}

#[test]
fn every_rank_names_the_one_that_is_missing_at_start_up() {
    let mut fabrics = hub(4).expect("memory");
    let silent = fabrics.remove(2);
    let deadline = Instant::now() + Duration::from_millis(200);
    let ranks: Vec<_> = fabrics
        .into_iter()
        .map(|mut fabric| thread::spawn(move || (fabric.barrier(deadline).expect_err("one is missing"), fabric)))
        .collect();
    // The fabrics are kept until all have spoken: a rank that ended would be named for that.
    let outcomes: Vec<_> = ranks.into_iter().map(|rank| rank.join().expect("rank")).collect();
    for (error, fabric) in &outcomes {
        assert!(
            matches!(error, CommError::Timeout { missing, .. } if *missing == [Rank(2)]),
            "{} says: {error}",
            fabric.rank()
        );
    }
    drop(silent);
}

#[test]
fn a_death_at_start_up_ends_the_wait_at_once() {
    let mut fabrics = hub(3).expect("memory");
    drop(fabrics.remove(1));
    let begun = Instant::now();
    let ranks: Vec<_> = fabrics
        .into_iter()
        .map(|mut fabric| thread::spawn(move || (fabric.barrier(soon()).expect_err("one is dead").to_string(), fabric)))
        .collect();
    let outcomes: Vec<_> = ranks.into_iter().map(|rank| rank.join().expect("rank")).collect();
    assert!(outcomes.iter().all(|(text, _)| text.contains("rank 1")), "{:?}", outcomes[0].0);
    assert!(begun.elapsed() < Duration::from_secs(10), "waited for the deadline");
}
