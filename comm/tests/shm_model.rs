//! The queue and the doorbell of the rung over shared memory, in every order that the memory model allows.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

mod sync {
    pub use loom::sync::atomic::{Ordering, fence};

    use loom::sync::atomic::AtomicU64 as Word;

    /// An atomic of the model. loom orders an access against the last one of the same word only, whoever made it, and so
    /// passes over orders in which a thread's first look at a word comes before another's change, where that other looked
    /// at it too. A change of a second word before each access has no such gap, and synchronises nothing.
    pub struct AtomicU64 {
        word: Word,
        turn: Word,
    }

    impl AtomicU64 {
        pub fn new(value: u64) -> Self {
            Self { word: Word::new(value), turn: Word::new(0) }
        }

        fn turn(&self) -> &Word {
            self.turn.fetch_add(1, Ordering::Relaxed);
            &self.word
        }

        pub fn load(&self, order: Ordering) -> u64 {
            self.turn().load(order)
        }

        pub fn store(&self, value: u64, order: Ordering) {
            self.turn().store(value, order);
        }

        pub fn swap(&self, value: u64, order: Ordering) -> u64 {
            self.turn().swap(value, order)
        }

        pub fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
            self.turn().fetch_or(value, order)
        }

        pub fn compare_exchange(&self, old: u64, new: u64, done: Ordering, not: Ordering) -> Result<u64, u64> {
            self.turn().compare_exchange(old, new, done, not)
        }
    }
}

#[path = "../src/shm/bell.rs"]
mod bell;
#[allow(dead_code)]
#[path = "../src/shm/ring.rs"]
mod ring;

use ring::{Consumer, End, Producer, Ring};
use sync::{AtomicU64, Ordering::Relaxed};

/// Writes that are tried: one slot takes the second only once it is free, in its second lap.
const TRIES: usize = 2;

/// What two ranks share: the queue, the bell of the consumer, and a word of a segment per notification.
struct Memory {
    slots: Vec<AtomicU64>,
    taken: AtomicU64,
    bell: AtomicU64,
    words: [AtomicU32; 3],
}

impl Memory {
    fn new(slots: usize) -> Arc<Memory> {
        Arc::new(Memory {
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
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
        Ok(true)
    }

    fn check(&self, n: u32) {
        assert_eq!(self.words[n as usize].load(Relaxed), n + 1, "data before word");
    }
}

#[test]
fn words_come_before_notifications_in_order_each_once() {
    loom::model(|| {
        let memory = Memory::new(1);
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            let mut written = 0;
            for _ in 0..TRIES {
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
        let memory = Memory::new(1);
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            let mut written = 0;
            for _ in 0..TRIES {
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
        let memory = Memory::new(2);
        let writer = Arc::clone(&memory);
        let writer = thread::spawn(move || {
            let mut producer = Producer::default();
            for n in 0..2 {
                assert!(writer.write(&mut producer, n).expect("nobody ends it"));
                bell::ring(&writer.bell, 1);
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
