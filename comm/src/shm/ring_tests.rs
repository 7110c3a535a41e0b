//! The queue, within one thread; its interleavings are checked in `tests/shm_model.rs`.

use super::ring::{Consumer, End, Producer, Ring};
use super::sync::{AtomicU64, Ordering::Relaxed};

struct Memory {
    slots: Vec<AtomicU64>,
    taken: AtomicU64,
}

impl Memory {
    fn new(slots: usize) -> Memory {
        Memory { slots: (0..slots).map(|_| AtomicU64::new(0)).collect(), taken: AtomicU64::new(0) }
    }

    fn ring(&self) -> Ring<'_> {
        Ring { slots: &self.slots, taken: &self.taken }
    }
}

#[test]
fn it_holds_its_capacity_in_order_and_no_more() {
    let memory = Memory::new(4);
    let (mut producer, mut consumer) = (Producer::default(), Consumer::default());
    for round in 0..100u32 {
        for n in 0..4 {
            assert_eq!(producer.room(memory.ring()), Ok(true));
            producer.push(memory.ring(), round * 4 + n).expect("open");
        }
        assert_eq!(producer.room(memory.ring()), Ok(false));
        for n in 0..4 {
            assert_eq!(consumer.pop(memory.ring()), Ok(Some(round * 4 + n)));
        }
        assert_eq!(consumer.pop(memory.ring()), Ok(None));
        assert_eq!(producer.room(memory.ring()), Ok(false), "not released yet");
        consumer.release(memory.ring());
    }
}

#[test]
fn the_end_hands_out_what_was_pushed_and_refuses_the_rest() {
    for pushed in 0..=4 {
        let memory = Memory::new(4);
        let (mut producer, mut consumer) = (Producer::default(), Consumer::default());
        for n in 0..pushed {
            producer.push(memory.ring(), n).expect("room");
        }
        let mut taken = Vec::new();
        assert_eq!(consumer.close(memory.ring(), |n| taken.push(n)), Ok(()));
        assert_eq!(taken, Vec::from_iter(0..pushed));
        assert_eq!(producer.room(memory.ring()), Err(End::Closed));
        assert_eq!(producer.push(memory.ring(), 9), Err(End::Closed));
    }
}

#[test]
fn nonsense_in_a_slot_is_told_by_both_sides() {
    for value in [2 << 32, u64::MAX, 1 << 63, u64::from(u32::MAX) << 31] {
        let memory = Memory::new(4);
        memory.slots[0].store(value, Relaxed);
        assert_eq!(Consumer::default().pop(memory.ring()), Err(End::Nonsense), "{value:#x}");
        assert!(Producer::default().room(memory.ring()).is_err());
        assert!(Producer::default().push(memory.ring(), 1).is_err());
        let mut taken = 0;
        assert_eq!(Consumer::default().close(memory.ring(), |_| taken += 1), Err(End::Nonsense));
        assert_eq!(taken, 0);
        assert_eq!(Producer::default().room(memory.ring()), Err(End::Closed), "ended all the same");
    }
}

#[test]
fn a_count_that_cannot_be_is_told() {
    for taken in [5, u64::MAX, 3] {
        let memory = Memory::new(4);
        let (mut producer, mut consumer) = (Producer::default(), Consumer::default());
        for n in 0..4 {
            producer.push(memory.ring(), n).expect("room");
            consumer.pop(memory.ring()).expect("sense");
        }
        consumer.release(memory.ring());
        for n in 0..4 {
            assert_eq!(producer.room(memory.ring()), Ok(true));
            producer.push(memory.ring(), n).expect("room");
        }
        memory.taken.store(if taken == 5 { 9 } else { taken }, Relaxed);
        assert_eq!(producer.room(memory.ring()), Err(End::Nonsense), "{taken} taken of 8, after 4");
    }
}

#[test]
fn a_peer_that_fills_slots_while_they_are_taken_out_cannot_hold_the_end_up() {
    let memory = Memory::new(4);
    let mut consumer = Consumer::default();
    memory.slots[0].store(1 << 32, Relaxed);
    let mut taken = 0u64;
    let outcome = consumer.close(memory.ring(), |_| {
        taken += 1;
        // Ignores that nothing was released.
        let lap = taken / 4 + 1;
        memory.slots[(taken % 4) as usize].store(lap << 32, Relaxed);
    });
    assert_eq!(outcome, Err(End::Nonsense));
    assert!(taken <= 9);
}

#[test]
fn laps_start_again() {
    // A queue of one slot, whose laps are positions: the last lap before the count starts again, and the first after.
    let memory = Memory::new(1);
    let (mut producer, mut consumer) = (Producer::default(), Consumer::default());
    let at = (1u64 << 31) - 3;
    producer.start_at(at);
    consumer.start_at(at);
    memory.slots[0].store((at & ((1 << 31) - 1)) << 32, Relaxed);
    memory.taken.store(at, Relaxed);
    for n in 0..6 {
        assert_eq!(consumer.pop(memory.ring()), Ok(None));
        assert_eq!(producer.room(memory.ring()), Ok(true));
        producer.push(memory.ring(), n).expect("open");
        assert_eq!(consumer.pop(memory.ring()), Ok(Some(n)));
        consumer.release(memory.ring());
    }
}
