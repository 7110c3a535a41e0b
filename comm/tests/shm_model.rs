//! The queue and the doorbell of the rung over shared memory, in every order that the memory model allows.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[path = "../src/shm/bell.rs"]
mod bell;
#[allow(dead_code)]
#[path = "../src/shm/ring.rs"]
mod ring;

use ring::{Consumer, End, Producer, Ring};
use sync::{AtomicU64, Ordering::Relaxed};

const SLOTS: usize = 2;

/// What two ranks share: the queue, the bell of the consumer, and a word of a segment per notification.
struct Memory {
    slots: [AtomicU64; SLOTS],
    taken: AtomicU64,
    bell: AtomicU64,
    words: [AtomicU32; 3],
}

impl Memory {
    fn new() -> Arc<Memory> {
        Arc::new(Memory {
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
            taken: AtomicU64::new(0),
            bell: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU32::new(0)),
        })
    }

    fn ring(&self) -> Ring<'_> {
        Ring { slots: &self.slots, taken: &self.taken }
    }

    /// Writes a word and announces it; tells whether that was taken.
    fn write(&self, producer: &mut Producer, n: u32) -> Result<bool, End> {
        if !producer.room(self.ring())? {
            return Ok(false);
        }
        self.words[n as usize].store(n + 1, Relaxed);
        producer.push(self.ring(), n)?;
        bell::ring(&self.bell, 1);
        Ok(true)
    }

    fn check(&self, n: u32) {
        assert_eq!(self.words[n as usize].load(Relaxed), n + 1, "data before word");
    }
}

#[test]
fn words_come_before_notifications_in_order_each_once() {
    loom::model(|| {
        let memory = Memory::new();
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            let mut written = 0;
            for _ in 0..3 {
                written += u32::from(writer.write(&mut producer, written).expect("nobody ends it"));
            }
            written
        });
        let mut consumer = Consumer::default();
        let mut next = 0;
        for _ in 0..2 {
            while let Some(n) = consumer.pop(memory.ring()).expect("sense") {
                assert_eq!(n, next);
                memory.check(n);
                next += 1;
            }
            consumer.release(memory.ring());
        }
        let written = writer.join().expect("the writer");
        while let Some(n) = consumer.pop(memory.ring()).expect("sense") {
            assert_eq!(n, next);
            memory.check(n);
            next += 1;
        }
        assert_eq!(next, written);
    });
}

#[test]
fn what_was_accepted_is_handed_out_by_the_end_and_nothing_else() {
    loom::model(|| {
        let memory = Memory::new();
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            let mut written = 0;
            for _ in 0..3 {
                match writer.write(&mut producer, written) {
                    Ok(true) => written += 1,
                    Ok(false) => {}
                    Err(end) => {
                        assert_eq!(end, End::Closed);
                        break;
                    }
                }
            }
            written
        });
        let mut consumer = Consumer::default();
        let mut taken = Vec::new();
        if let Some(n) = consumer.pop(memory.ring()).expect("sense") {
            taken.push(n);
            consumer.release(memory.ring());
        }
        consumer.close(memory.ring(), |n| taken.push(n)).expect("sense");
        for n in &taken {
            memory.check(*n);
        }
        let written = writer.join().expect("the writer");
        assert_eq!(taken, Vec::from_iter(0..written));
    });
}

#[test]
fn no_notification_is_left_without_a_ring() {
    loom::model(|| {
        let memory = Memory::new();
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            for n in 0..2 {
                assert!(writer.write(&mut producer, n).expect("nobody ends it"));
            }
        });
        let mut consumer = Consumer::default();
        let mut count = 0;
        let mut look = || {
            if bell::answer(&memory.bell) & 1 != 0 {
                while consumer.pop(memory.ring()).expect("sense").is_some() {
                    count += 1;
                }
            }
        };
        look();
        look();
        writer.join().expect("the writer");
        look();
        assert_eq!(count, 2);
    });
}
