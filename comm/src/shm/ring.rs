//! The queue of notifications of one pair of ranks: one producer, one consumer, in memory that both can write.
//!
//! A slot holds the notification, the lap of the queue that put it there, and a bit that ends the queue. The lap tells
//! full from empty without a second word, so that a notification costs the consumer one cache line. The producer fills a
//! slot by exchanging exactly what the lap before left there; the consumer ends the queue the same way at the first empty
//! slot. So each push is either taken out or refused, whenever the end comes: nothing is lost between the two.
//!
//! Neither side believes what it reads: a lap or a count that cannot be is [`End::Nonsense`], positions are this side's
//! own, and every loop is bounded by the capacity.

use super::sync::{AtomicU64, Ordering};

/// Set in the slot at which the queue has ended.
const CLOSED: u64 = 1 << 63;
/// Laps count up to this and start again.
const LAPS: u64 = (1 << 31) - 1;

/// Why a queue serves no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The consumer ended it.
    Closed,
    /// The memory holds what neither side writes.
    Nonsense,
}

/// The shared memory of a queue: all zero at the start.
#[derive(Clone, Copy)]
pub(super) struct Ring<'a> {
    /// A power of two of them.
    pub slots: &'a [AtomicU64],
    /// How many the consumer has taken out.
    pub taken: &'a AtomicU64,
}

impl<'a> Ring<'a> {
    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, at: u64) -> &'a AtomicU64 {
        &self.slots[(at & (self.capacity() - 1)) as usize]
    }

    /// What the lap of position `at` leaves in the upper half of its slot.
    fn full(&self, at: u64) -> u64 {
        (at / self.capacity() + 1) & LAPS
    }

    /// What the lap before that of position `at` left there.
    fn empty(&self, at: u64) -> u64 {
        (at / self.capacity()) & LAPS
    }
}

/// The producer's side.
#[derive(Debug, Default)]
pub(super) struct Producer {
    next: u64,
    /// The consumer has taken out at least so many.
    taken: u64,
}

impl Producer {
    /// Whether there is room for one more; [`End`] where the queue takes no more at all.
    pub fn room(&mut self, ring: Ring<'_>) -> Result<bool, End> {
        if self.next - self.taken == ring.capacity() {
            // Acquire: what was read out of a slot was read before it is filled again.
            let taken = ring.taken.load(Ordering::Acquire);
            if !(self.taken..=self.next).contains(&taken) {
                return Err(End::Nonsense);
            }
            self.taken = taken;
            if self.next - taken == ring.capacity() {
                return Ok(false);
            }
        }
        self.emptied(ring).map(|_| true)
    }

    /// Puts a notification in; there was [`Producer::room`]. All that this thread wrote before is seen by whoever takes it.
    pub fn push(&mut self, ring: Ring<'_>, notification: u32) -> Result<(), End> {
        let left = self.emptied(ring)?;
        let filled = ring.full(self.next) << 32 | u64::from(notification);
        match ring.slot(self.next).compare_exchange(left, filled, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => {
                self.next += 1;
                Ok(())
            }
            Err(found) if found & CLOSED != 0 => Err(End::Closed),
            Err(_) => Err(End::Nonsense),
        }
    }

    /// As if it had put in so many.
    #[cfg(test)]
    pub fn start_at(&mut self, next: u64) {
        (self.next, self.taken) = (next, next);
    }

    /// What lies in the next slot, which is empty.
    fn emptied(&self, ring: Ring<'_>) -> Result<u64, End> {
        let found = ring.slot(self.next).load(Ordering::Relaxed);
        if found & CLOSED != 0 {
            Err(End::Closed)
        } else if found >> 32 == ring.empty(self.next) {
            Ok(found)
        } else {
            Err(End::Nonsense)
        }
    }
}

/// The consumer's side.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    next: u64,
}

impl Consumer {
    /// Takes the oldest notification out.
    pub fn pop(&mut self, ring: Ring<'_>) -> Result<Option<u32>, End> {
        self.look(ring).map(|found| {
            found.ok().inspect(|_| {
                self.next += 1;
            })
        })
    }

    /// Makes the slots of what was taken out free.
    pub fn release(&self, ring: Ring<'_>) {
        ring.taken.store(self.next, Ordering::Release);
    }

    /// Takes out what is left and ends the queue: what `take` does not get was refused to its producer.
    pub fn close(&mut self, ring: Ring<'_>, mut take: impl FnMut(u32)) -> Result<(), End> {
        // A producer that obeys the rules fills the free slots at most, each of which can make one exchange fail.
        for _ in 0..2 * ring.slots.len() + 1 {
            match self.look(ring) {
                Ok(Ok(notification)) => {
                    self.next += 1;
                    take(notification);
                }
                Ok(Err(left)) => {
                    let slot = ring.slot(self.next);
                    let ended = slot.compare_exchange(left, left | CLOSED, Ordering::AcqRel, Ordering::Relaxed);
                    if ended.is_ok() {
                        self.release(ring);
                        return Ok(());
                    }
                }
                Err(_) => break,
            }
        }
        for slot in ring.slots {
            slot.store(CLOSED, Ordering::Release);
        }
        Err(End::Nonsense)
    }

    /// As if it had taken out so many.
    #[cfg(test)]
    pub fn start_at(&mut self, next: u64) {
        self.next = next;
    }

    /// The notification in the next slot, or what lies there while it is empty.
    fn look(&self, ring: Ring<'_>) -> Result<Result<u32, u64>, End> {
        // Acquire: whoever sees the notification sees the words that were written before it.
        let found = ring.slot(self.next).load(Ordering::Acquire);
        if found >> 32 == ring.full(self.next) {
            Ok(Ok(found as u32))
        } else if found >> 32 == ring.empty(self.next) {
            Ok(Err(found))
        } else {
            Err(End::Nonsense)
        }
    }
}
