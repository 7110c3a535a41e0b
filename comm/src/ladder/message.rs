//! What two ladders say to each other about a pair: words, and the reading of what strangers sent.
//!
//! Layout: magic, kind, rung, attempt or question, then what the kind carries. Text and offers are bytes behind their length.

use crate::error::Malformed;
use crate::ids::Rung;
use crate::transport::OFFER_BYTES_MAX;

/// First word: "RZL" and the protocol version.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RZL1");
const HEADER_WORDS: usize = 4;

/// A message about one rung of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Connect by this rung; the receiver answers with [`Message::Answer`] or [`Message::Decline`].
    Offer { rung: Rung, attempt: u32, nonce: [u32; 2], offer: Vec<u8> },
    /// The other side's offer.
    Answer { rung: Rung, attempt: u32, nonce: [u32; 2], offer: Vec<u8> },
    /// My side is connected and can take your test.
    Ready { rung: Rung, attempt: u32 },
    /// Your test write came, with the right words.
    Verdict { rung: Rung, attempt: u32 },
    /// This connection does not come about, or is no more.
    Decline { rung: Rung, attempt: u32, reason: String },
    /// I write by `rung` from now on: how many of my writes have arrived? `closed`: I have closed that rung, close yours before you
    /// answer. `delivered`: as many have arrived for certain; answer once they have.
    Switch { rung: Rung, question: u32, closed: Option<Rung>, delivered: u64 },
    /// So many of your writes have arrived, ever.
    Resume { rung: Rung, question: u32, arrived: u64 },
}

const NO_RUNG: u32 = u32::MAX;

fn rung_word(rung: Rung) -> u32 {
    rung as u32
}

fn rung_of(word: u32) -> Option<Rung> {
    Rung::ALL.get(word as usize).copied()
}

const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

impl Message {
    /// As words.
    pub fn encode(&self) -> Vec<u32> {
        let mut words = vec![MAGIC];
        match self {
            Message::Offer { rung, attempt, nonce, offer } => {
                words.extend([1, rung_word(*rung), *attempt, nonce[0], nonce[1]]);
                push_bytes(&mut words, offer);
            }
            Message::Answer { rung, attempt, nonce, offer } => {
                words.extend([2, rung_word(*rung), *attempt, nonce[0], nonce[1]]);
                push_bytes(&mut words, offer);
            }
            Message::Ready { rung, attempt } => words.extend([3, rung_word(*rung), *attempt]),
            Message::Verdict { rung, attempt } => words.extend([4, rung_word(*rung), *attempt]),
            Message::Decline { rung, attempt, reason } => {
                words.extend([5, rung_word(*rung), *attempt]);
                push_bytes(&mut words, reason.as_bytes());
            }
            Message::Switch { rung, question, closed, delivered } => {
                words.extend([6, rung_word(*rung), *question, closed.map_or(NO_RUNG, rung_word)]);
                words.extend(halves(*delivered));
            }
            Message::Resume { rung, question, arrived } => {
                words.extend([7, rung_word(*rung), *question]);
                words.extend(halves(*arrived));
            }
        }
        words
    }

    /// Reads a message. No input panics, and none makes more memory than it has itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(words: &[u32]) -> Result<Message, Malformed> {
        let Some((&[magic, kind, rung, number], rest)) = words.split_first_chunk::<HEADER_WORDS>() else {
            return Err(Malformed::Length { words: words.len(), expected: HEADER_WORDS as u64 });
        };
        if magic != MAGIC {
            return Err(Malformed::Magic(magic));
        }
        let rung = rung_of(rung).ok_or(Malformed::Kind(rung))?;
        let length = |expected: usize| Malformed::Length { words: words.len(), expected: expected as u64 };
        match kind {
            1 | 2 => {
                let (&nonce, rest) = rest.split_first_chunk::<2>().ok_or(length(HEADER_WORDS + 3))?;
                let offer = take_bytes(rest, words.len())?;
                Ok(if kind == 1 {
                    Message::Offer { rung, attempt: number, nonce, offer }
                } else {
                    Message::Answer { rung, attempt: number, nonce, offer }
                })
            }
            3 | 4 if !rest.is_empty() => Err(length(HEADER_WORDS)),
            3 => Ok(Message::Ready { rung, attempt: number }),
            4 => Ok(Message::Verdict { rung, attempt: number }),
            5 => {
                let reason = String::from_utf8_lossy(&take_bytes(rest, words.len())?).into_owned();
                Ok(Message::Decline { rung, attempt: number, reason })
            }
            6 => {
                let &[closed, low, high] = rest else { return Err(length(HEADER_WORDS + 3)) };
                let closed =
                    if closed == NO_RUNG { None } else { Some(rung_of(closed).ok_or(Malformed::Kind(closed))?) };
                Ok(Message::Switch { rung, question: number, closed, delivered: whole(low, high) })
            }
            7 => {
                let &[low, high] = rest else { return Err(length(HEADER_WORDS + 2)) };
                Ok(Message::Resume { rung, question: number, arrived: whole(low, high) })
            }
            other => Err(Malformed::Kind(other)),
        }
    }
}

const fn whole(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

fn push_bytes(words: &mut Vec<u32>, bytes: &[u8]) {
    words.push(bytes.len() as u32);
    let at = words.len();
    words.resize(at + bytes.len().div_ceil(4), 0);
    bytemuck::cast_slice_mut::<u32, u8>(&mut words[at..])[..bytes.len()].copy_from_slice(bytes);
}

fn take_bytes(words: &[u32], all: usize) -> Result<Vec<u8>, Malformed> {
    let Some((&len, body)) = words.split_first() else {
        return Err(Malformed::Length { words: all, expected: all as u64 + 1 });
    };
    let len = len as usize;
    if len > OFFER_BYTES_MAX {
        return Err(Malformed::TooLarge { bytes: len as u64, limit: OFFER_BYTES_MAX as u64 });
    }
    if body.len() != len.div_ceil(4) {
        return Err(Malformed::Length { words: all, expected: (all - body.len() + len.div_ceil(4)) as u64 });
    }
    Ok(bytemuck::cast_slice::<u32, u8>(body)[..len].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Message> {
        let (rung, attempt, nonce) = (Rung::Verbs, 7, [1, u32::MAX]);
        vec![
            Message::Offer { rung, attempt, nonce, offer: vec![1, 2, 3, 4, 5] },
            Message::Answer { rung: Rung::Shm, attempt, nonce, offer: Vec::new() },
            Message::Ready { rung, attempt },
            Message::Verdict { rung, attempt },
            Message::Decline { rung: Rung::Tcp, attempt, reason: "naïve".to_owned() },
            Message::Switch { rung: Rung::Mpi, question: 9, closed: Some(Rung::Verbs), delivered: 1 << 40 },
            Message::Switch { rung: Rung::Mpi, question: 9, closed: None, delivered: 0 },
            Message::Resume { rung: Rung::Mpi, question: 9, arrived: u64::MAX },
        ]
    }

    #[test]
    fn what_is_said_is_heard() {
        for message in samples() {
            assert_eq!(Message::parse(&message.encode()).as_ref(), Ok(&message));
        }
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        for message in samples() {
            let mut words = message.encode();
            for len in 0..words.len() {
                assert!(Message::parse(&words[..len]).is_err(), "{message:?} cut to {len}");
            }
            words.push(0);
            assert!(Message::parse(&words).is_err(), "{message:?} with a word more");
        }
    }

    #[test]
    fn no_change_of_one_word_panics() {
        for message in samples() {
            let words = message.encode();
            for at in 0..words.len() {
                for value in [0, 1, 5, 6, 255, 0x7fff_ffff, u32::MAX, !words[at]] {
                    let mut changed = words.clone();
                    changed[at] = value;
                    let _ = Message::parse(&changed);
                }
            }
        }
    }
}
