//! The two halves of a connection: what this rank reads, and what it writes at the peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::bell;
use super::copy;
use super::mapping::{Mapping, View};
use super::node::{FileName, Process, random};
use super::offer::Offer;
use super::ring::{Consumer, End, Producer, Ring};
use crate::error::CommError;
use crate::fabric::{Put, Write};
use crate::ids::Rank;
use crate::segment::Segment;
use crate::transport::Unavailable;

/// Notifications that a queue holds; the next one is [`Posted::Full`](crate::Posted::Full).
pub(super) const RING_SLOTS: usize = 1024;
/// The head of the file of a queue, in pairs of words: what each side writes lies two cache lines from the other's, as
/// processors fetch them in twos.
const TAKEN: usize = 16;
const SENT_BYTES: usize = 32;
const SLOTS: usize = 48;
pub(crate) const RING_WORDS: usize = 2 * (SLOTS + RING_SLOTS);

fn ring(pairs: &[AtomicU64]) -> Ring<'_> {
    Ring { slots: &pairs[SLOTS..SLOTS + RING_SLOTS], taken: &pairs[TAKEN] }
}

/// The receiving half: a queue in memory of this rank.
#[derive(Debug)]
pub(super) struct Inbox {
    memory: Mapping,
    consumer: Consumer,
    pub nonce: [u64; 2],
}

impl Inbox {
    /// An empty one.
    pub fn create() -> io::Result<Inbox> {
        let memory = Mapping::create(RING_WORDS)?;
        let nonce = random()?;
        for (word, value) in memory.pairs().iter().zip(nonce) {
            word.store(value, Relaxed);
        }
        Ok(Inbox { memory, consumer: Consumer::default(), nonce })
    }

    /// Its file.
    pub fn name(&self) -> io::Result<FileName> {
        FileName::of_file(&self.memory.file())
    }

    /// Takes notifications out, at most as many as it holds, and tells how many.
    pub fn drain(&mut self, mut take: impl FnMut(u32)) -> Result<usize, End> {
        let ring = ring(self.memory.pairs());
        let mut count = 0;
        let outcome = loop {
            match self.consumer.pop(ring) {
                Ok(Some(notification)) => take(notification),
                Ok(None) => break Ok(()),
                Err(end) => break Err(end),
            }
            count += 1;
            if count == RING_SLOTS {
                break Ok(());
            }
        };
        if count > 0 {
            self.consumer.release(ring);
        }
        outcome.map(|()| count)
    }

    /// Takes out what is left; the peer's next push fails.
    pub fn close(&mut self, take: impl FnMut(u32)) -> Result<(), End> {
        self.consumer.close(ring(self.memory.pairs()), take)
    }

    /// As a peer that does not obey the rules.
    #[cfg(test)]
    pub fn scribble(&self, slot: usize, value: u64) {
        self.memory.pairs()[SLOTS + slot].store(value, Relaxed);
    }

    /// Bytes that the peer says it has sent.
    pub fn sent_bytes(&self) -> u64 {
        self.memory.pairs()[SENT_BYTES].load(Relaxed)
    }
}

/// The sending half: memory of the peer.
#[derive(Debug)]
pub(super) struct Outbox {
    ring: View,
    producer: Producer,
    sent_bytes: u64,
    bell: View,
    bell_bit: usize,
    segments: Vec<View>,
    pub process: Process,
    watch: OwnedFd,
}

impl Outbox {
    /// Maps what the peer offers.
    pub fn open(offer: &Offer) -> Result<Outbox, Unavailable> {
        let process = offer.process;
        let watch = process.watch()?;
        let map = |name, words| {
            let file = process.open(name)?;
            View::of(&file, words).map_err(|error| {
                Unavailable::new(format!("memory of process {} cannot be mapped: {error}", process.pid))
            })
        };
        let ring = map(offer.ring, RING_WORDS)?;
        let bell = map(offer.bell, offer.bell_words as usize * 2)?;
        let mut segments = Vec::with_capacity(offer.segments.len());
        for segment in &offer.segments {
            // What does not fit an address is longer than its file too, which `map` tells.
            segments.push(map(segment.file, usize::try_from(segment.words).unwrap_or(usize::MAX))?);
        }
        let nonce = [0, 1].map(|at: usize| ring.pairs()[at].load(Relaxed));
        let unused = Producer::default().room(self::ring(ring.pairs())) == Ok(true);
        if nonce != offer.nonce || !unused {
            return Err(Unavailable::new("the offer was withdrawn or used before: a new one is needed"));
        }
        let producer = Producer::default();
        let bell_bit = offer.bell_bit as usize;
        Ok(Outbox { ring, producer, sent_bytes: 0, bell, bell_bit, segments, process, watch })
    }

    /// How many segments the peer has.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Becomes readable when the peer's process ends.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Whether a write can be announced.
    pub fn room(&mut self) -> Result<bool, End> {
        self.producer.room(ring(self.ring.pairs()))
    }

    /// Whether the pieces of a write fit both ends.
    pub fn check(&self, peer: Rank, write: &Write<'_>, source: &Segment) -> Result<(), CommError> {
        let words = self.segments.get(write.target.index()).map_or(0, |segment| segment.words().len());
        for &Put { from, to, len } in write.puts {
            if !source.holds(from, len) {
                return Err(CommError::OutOfBounds { segment: write.source, from, len, words: source.len() });
            }
            if to.checked_add(len).is_none_or(|end| end > words) {
                return Err(CommError::BeyondPeer { peer, segment: write.target, to, len, words });
            }
        }
        Ok(())
    }

    /// Copies the pieces of a write, which was checked, announces it, and tells its bytes; there was room.
    pub fn write(&mut self, write: &Write<'_>, source: &Segment) -> Result<u64, End> {
        let mut bytes = size_of::<AtomicU64>() as u64;
        if let Some(target) = self.segments.get(write.target.index()) {
            for &Put { from, to, len } in write.puts {
                copy::words(source.range(from, len), &target.words()[to..to + len]);
                bytes += 4 * len as u64;
            }
        }
        self.sent_bytes += bytes;
        self.ring.pairs()[SENT_BYTES].store(self.sent_bytes, Relaxed);
        self.producer.push(ring(self.ring.pairs()), write.notification)?;
        bell::ring(&self.bell.pairs()[self.bell_bit / 64], 1 << (self.bell_bit % 64));
        Ok(bytes)
    }
}
