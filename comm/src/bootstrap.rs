//! Start-up exchanges over a port: a gather to rank 0 and its answer, a broadcast. Messages carry the number of their
//! operation, so that a rank that is ahead is heard in its turn and one that timed out is ignored.
//!
//! They are among the ranks that started together, whether or not there is room for more, and for the time before anybody comes later.
//!
//! Rank 0 knows who is missing and tells the others, who wait [`VERDICT_GRACE`] longer for that: so everybody names the rank
//! that is missing, and not rank 0. The exchange is flat: `size` messages each way, for a handful of operations.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::{CommError, Malformed};
use crate::fabric::{Bootstrap, Endpoint};
use crate::ids::Rank;
use crate::key::RunKey;
use crate::ladder::Ladder;
use crate::transport::Transport;

/// Longest start-up message, in bytes. A job file, addresses, keys, hashes: none comes near.
pub const MAX_BOOTSTRAP_BYTES: usize = 64 << 20;
/// How much longer than rank 0 the others wait for its word.
const VERDICT_GRACE: Duration = Duration::from_millis(500);
/// How many operations a rank may be ahead of another.
const AHEAD_MAX: u32 = 64;

pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"RZS1");
const HEADER_WORDS: usize = 4;
/// The coordinator.
const ROOT: Rank = Rank(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Broadcast = 1,
    Contribution = 2,
    Gathered = 3,
    Missing = 4,
}

impl Kind {
    fn from_word(word: u32) -> Option<Kind> {
        [Kind::Broadcast, Kind::Contribution, Kind::Gathered, Kind::Missing]
            .into_iter()
            .find(|kind| *kind as u32 == word)
    }
}

/// Messages that have arrived and not been asked for yet. One a sender and operation, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    operation: u32,
    messages: BTreeMap<(u32, Rank), (Kind, Vec<u8>)>,
    waiting_bytes: usize,
}

impl Mailbox {
    /// Takes a message of `from`.
    pub(crate) fn take(&mut self, from: Rank, words: &[u32]) -> Result<(), Malformed> {
        let Some((&[magic, kind, operation, bytes], body)) = words.split_first_chunk::<HEADER_WORDS>() else {
            return Err(Malformed::Length { words: words.len(), expected: HEADER_WORDS as u64 });
        };
        if magic != MAGIC {
            return Err(Malformed::Magic(magic));
        }
        let kind = Kind::from_word(kind).ok_or(Malformed::Kind(kind))?;
        let len = bytes as usize;
        if len.div_ceil(4) != body.len() {
            return Err(Malformed::Length { words: words.len(), expected: (HEADER_WORDS + len.div_ceil(4)) as u64 });
        }
        if operation < self.operation {
            return Ok(());
        }
        let repeated = self.messages.contains_key(&(operation, from));
        if repeated || operation - self.operation > AHEAD_MAX {
            return Err(Malformed::Bootstrap { kind: kind as u32, operation, current: self.operation });
        }
        let limit = 2 * MAX_BOOTSTRAP_BYTES;
        if self.waiting_bytes + len > limit {
            return Err(Malformed::TooLarge { bytes: (self.waiting_bytes + len) as u64, limit: limit as u64 });
        }
        self.waiting_bytes += len;
        let body: &[u8] = bytemuck::cast_slice(body);
        self.messages.insert((operation, from), (kind, body[..len].to_vec()));
        Ok(())
    }

    /// The message of `from` for the operation now under way.
    fn open(&mut self, from: Rank) -> Option<(Kind, Vec<u8>)> {
        let (kind, bytes) = self.messages.remove(&(self.operation, from))?;
        self.waiting_bytes -= bytes.len();
        Some((kind, bytes))
    }

    /// Goes on to the next operation; what was left of older ones is dropped.
    fn advance(&mut self) {
        self.operation += 1;
        let later = self.messages.split_off(&(self.operation, Rank(0)));
        self.messages = later;
        self.waiting_bytes = self.messages.values().map(|(_, bytes)| bytes.len()).sum();
    }
}

/// A start-up message as words.
fn encode(kind: Kind, operation: u32, bytes: &[u8]) -> Vec<u32> {
    let mut packet = vec![0; HEADER_WORDS + bytes.len().div_ceil(4)];
    packet[..HEADER_WORDS].copy_from_slice(&[MAGIC, kind as u32, operation, bytes.len() as u32]);
    bytemuck::cast_slice_mut::<u32, u8>(&mut packet[HEADER_WORDS..])[..bytes.len()].copy_from_slice(bytes);
    packet
}

/// The parts one after the other, each behind its length.
fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        joined.extend((part.len() as u32).to_le_bytes());
        joined.extend(part);
    }
    joined
}

/// The reverse of [`join`]; `None` when the bytes are no such list.
fn split(mut joined: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    while !joined.is_empty() {
        let (len, rest) = joined.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        parts.push(part.to_vec());
        joined = rest;
    }
    Some(parts)
}

impl<T: Transport + ?Sized> Ladder<T> {
    /// Sends a message, once no more than may waits towards `to`.
    fn post(&mut self, to: Rank, kind: Kind, bytes: &[u8], deadline: Instant) -> Result<(), CommError> {
        let message = encode(kind, self.mailbox.operation, bytes);
        loop {
            match self.send_message(to, &message) {
                Err(CommError::Backpressure { .. }) if self.now() < deadline => {
                    self.progress(true)?;
                    self.wait(deadline);
                }
                outcome => return outcome,
            }
        }
    }

    /// The messages of all `missing` for this operation, in that order.
    fn await_messages(
        &mut self,
        operation: &'static str,
        missing: &[Rank],
        deadline: Instant,
    ) -> Result<Vec<(Kind, Vec<u8>)>, CommError> {
        let begun = self.now();
        let mut got: Vec<Option<(Kind, Vec<u8>)>> = missing.iter().map(|_| None).collect();
        loop {
            self.progress(true)?;
            self.refused_start()?;
            for (slot, &from) in got.iter_mut().zip(missing) {
                if slot.is_none() {
                    *slot = self.mailbox.open(from);
                }
            }
            let absent: Vec<Rank> =
                missing.iter().zip(&got).filter(|(_, slot)| slot.is_none()).map(|(&rank, _)| rank).collect();
            if absent.is_empty() {
                return Ok(got.into_iter().flatten().collect());
            }
            let dead = absent.iter().find_map(|&peer| Some((peer, self.failure(peer)?)));
            if let Some((peer, cause)) = dead {
                return Err(CommError::PeerFailed { peer, cause });
            }
            if self.now() >= deadline {
                return Err(CommError::Timeout { operation, waited: begun.elapsed(), missing: absent });
            }
            self.wait(deadline);
        }
    }

    fn gather_at_root(&mut self, mine: &[u8], deadline: Instant) -> Result<Vec<Vec<u8>>, CommError> {
        let others: Vec<Rank> = Rank::all(self.at_start()).skip(1).collect();
        let messages = match self.await_messages("start-up exchange", &others, deadline) {
            Ok(messages) => messages,
            Err(error) => {
                let missing = match &error {
                    CommError::Timeout { missing, .. } => missing.clone(),
                    CommError::PeerFailed { peer, .. } => vec![*peer],
                    _ => Vec::new(),
                };
                let named: Vec<u8> = missing.iter().flat_map(|rank| rank.0.to_le_bytes()).collect();
                for &peer in others.iter().filter(|peer| !missing.contains(peer)) {
                    self.post(peer, Kind::Missing, &named, deadline)?;
                }
                return Err(error);
            }
        };
        let mut parts = vec![mine.to_vec()];
        for (&peer, (kind, bytes)) in others.iter().zip(messages) {
            if kind != Kind::Contribution {
                return Err(self.out_of_step(peer, kind));
            }
            parts.push(bytes);
        }
        let joined = join(&parts);
        for &peer in &others {
            self.post(peer, Kind::Gathered, &joined, deadline)?;
        }
        Ok(parts)
    }

    fn gather_elsewhere(&mut self, mine: &[u8], deadline: Instant) -> Result<Vec<Vec<u8>>, CommError> {
        let begun = self.now();
        self.post(ROOT, Kind::Contribution, mine, deadline)?;
        let answer = self.await_messages("start-up exchange", &[ROOT], deadline + VERDICT_GRACE)?;
        let (kind, bytes) = answer.into_iter().next().unwrap_or((Kind::Missing, Vec::new()));
        match kind {
            Kind::Gathered => {
                let parts = split(&bytes).filter(|parts| parts.len() == self.at_start() as usize);
                parts.ok_or_else(|| self.out_of_step(ROOT, kind))
            }
            Kind::Missing => {
                let (ranks, _) = bytes.as_chunks::<4>();
                let missing = ranks.iter().map(|bytes| Rank(u32::from_le_bytes(*bytes))).collect();
                Err(CommError::Timeout { operation: "start-up exchange", waited: begun.elapsed(), missing })
            }
            Kind::Broadcast | Kind::Contribution => Err(self.out_of_step(ROOT, kind)),
        }
    }

    fn out_of_step(&self, peer: Rank, kind: Kind) -> CommError {
        let operation = self.mailbox.operation;
        CommError::Malformed { peer, what: Malformed::Bootstrap { kind: kind as u32, operation, current: operation } }
    }
}

impl<T: Transport + ?Sized> Bootstrap for Ladder<T> {
    fn run_key(&self) -> Option<RunKey> {
        self.shared_key()
    }

    fn broadcast(&mut self, from: Rank, bytes: &mut Vec<u8>, deadline: Instant) -> Result<(), CommError> {
        let size = self.at_start();
        if let Some(peer) = [from, self.rank()].into_iter().find(|rank| rank.0 >= size) {
            return Err(CommError::UnknownPeer { peer, size });
        }
        let outcome = if from == self.rank() {
            check_length(bytes.len(), MAX_BOOTSTRAP_BYTES).and_then(|()| {
                Rank::all(size)
                    .filter(|&peer| peer != from)
                    .try_for_each(|peer| self.post(peer, Kind::Broadcast, bytes, deadline))
            })
        } else {
            self.await_messages("broadcast", &[from], deadline).and_then(|messages| {
                for (kind, received) in messages {
                    if kind != Kind::Broadcast {
                        return Err(self.out_of_step(from, kind));
                    }
                    *bytes = received;
                }
                Ok(())
            })
        };
        self.mailbox.advance();
        outcome
    }

    fn all_gather(&mut self, mine: &[u8], deadline: Instant) -> Result<Vec<Vec<u8>>, CommError> {
        let (peer, size) = (self.rank(), self.at_start());
        if peer.0 >= size {
            return Err(CommError::UnknownPeer { peer, size });
        }
        let limit = MAX_BOOTSTRAP_BYTES / size as usize - 4;
        let outcome = check_length(mine.len(), limit).and_then(|()| {
            if self.rank() == ROOT {
                self.gather_at_root(mine, deadline)
            } else {
                self.gather_elsewhere(mine, deadline)
            }
        });
        self.mailbox.advance();
        outcome
    }
}

fn check_length(bytes: usize, limit: usize) -> Result<(), CommError> {
    if bytes > limit { Err(CommError::BootstrapTooLarge { bytes, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_the_journey() {
        let parts = vec![vec![], vec![1, 2, 3], vec![0; 9]];
        assert_eq!(split(&join(&parts)), Some(parts));
        assert_eq!(split(&[1, 0, 0]), None);
        assert_eq!(split(&[255, 255, 255, 255, 1]), None);
    }

    #[test]
    fn bad_messages_are_refused_and_old_ones_dropped() {
        let mut mailbox = Mailbox::default();
        mailbox.advance();
        let message = |kind, operation, bytes: &[u8]| encode(kind, operation, bytes);
        assert_eq!(mailbox.take(Rank(1), &message(Kind::Contribution, 0, b"late")), Ok(()));
        assert!(mailbox.messages.is_empty());
        assert_eq!(mailbox.take(Rank(1), &message(Kind::Contribution, 1, b"hello")), Ok(()));
        assert!(matches!(
            mailbox.take(Rank(1), &message(Kind::Contribution, 1, b"again")),
            Err(Malformed::Bootstrap { .. })
        ));
        assert!(matches!(
            mailbox.take(Rank(2), &message(Kind::Contribution, 1000, b"far")),
            Err(Malformed::Bootstrap { operation: 1000, .. })
        ));
        let good = message(Kind::Broadcast, 1, b"abcde");
        for len in 0..good.len() {
            assert!(matches!(mailbox.take(Rank(3), &good[..len]), Err(Malformed::Length { .. })));
        }
        assert_eq!(mailbox.open(Rank(1)), Some((Kind::Contribution, b"hello".to_vec())));
        assert_eq!(mailbox.waiting_bytes, 0);
    }
}
