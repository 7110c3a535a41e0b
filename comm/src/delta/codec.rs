//! The two ends of the codec.

use std::fmt;

use super::chunk::{CHUNK_WORDS, Planes, Scratch};
use super::shadow::Shadow;
use crate::error::Malformed;
use crate::packets::Piece;

/// How the payload of a packet is to be read. It travels with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The words as they are; both ends leave their baseline alone.
    Raw,
    /// The words as they are; both ends take them as the baseline.
    Keep,
    /// Differences to the baseline; both ends take the words as the new one.
    Delta,
}

/// The sender's end towards one peer.
pub struct Encoder {
    pub(super) shadow: Shadow,
    scratch: Scratch,
    base: Vec<u32>,
}

impl Encoder {
    /// Remembers up to `baseline_words` words, 4 bytes each; the peer's [`Decoder`] must be given the same number.
    pub fn new(baseline_words: usize) -> Encoder {
        Encoder { shadow: Shadow::new(baseline_words), scratch: Scratch::new(), base: Vec::new() }
    }

    /// Writes the payload of a packet into `out`, whose content is replaced, and returns how it is to be read: as
    /// `wish` says, or [`Mode::Keep`] where differences would not be shorter.
    ///
    /// `pieces` are ranges of `segment` of the peer, `words` theirs, one after the other. The packet must be sent, and
    /// taken by the peer's decoder, in the order of the calls.
    ///
    /// # Panics
    /// When there are not as many words as the pieces say, or a piece ends beyond 2⁶⁴ words.
    pub fn encode(
        &mut self,
        wish: Mode,
        segment: u32,
        pieces: impl Iterator<Item = Piece> + Clone,
        words: &[u32],
        out: &mut Vec<u32>,
    ) -> Mode {
        let described = total(pieces.clone()).expect("pieces lie within 64 bits");
        assert_eq!(described, words.len() as u64, "words and pieces must agree");
        out.clear();
        let mut mode = wish;
        if mode == Mode::Delta && !self.differences(segment, pieces.clone(), words, out) {
            mode = Mode::Keep;
            out.clear();
        }
        if mode != Mode::Delta {
            out.extend_from_slice(words);
        }
        if stores(mode, out) {
            self.shadow.store(segment, pieces, words);
        }
        mode
    }

    /// Which share of a sample of the words, from 0 to 1, equals the baseline; [`None`] where there is none for most.
    ///
    /// # Panics
    /// As [`Encoder::encode`].
    pub fn likeness(&self, segment: u32, pieces: impl Iterator<Item = Piece>, words: &[u32]) -> Option<f64> {
        // Few enough to take a small part of the time of encoding; an odd stride meets all coordinates.
        const SAMPLES: usize = 64;
        let stride = (words.len() / SAMPLES).max(16) | 1;
        let (mut samples, mut known, mut alike) = (0, 0, 0);
        let (mut at, mut start) = (stride / 2, 0);
        for piece in pieces {
            let end = start + piece.len as usize;
            while at < end {
                samples += 1;
                if let Some(word) = self.shadow.word(segment, piece.to + (at - start) as u64) {
                    known += 1;
                    alike += u32::from(word == words[at]);
                }
                at += stride;
            }
            start = end;
        }
        (known > 0 && 2 * known >= samples).then(|| f64::from(alike) / f64::from(known))
    }

    /// Appends the chunks; whether they are shorter than the words.
    fn differences(
        &mut self,
        segment: u32,
        pieces: impl Iterator<Item = Piece> + Clone,
        words: &[u32],
        out: &mut Vec<u32>,
    ) -> bool {
        // Whole packets at rest are common, and this is the one pass over memory that they cannot do without.
        if self.shadow.is(segment, pieces.clone(), words) {
            out.resize(words.len().div_ceil(CHUNK_WORDS), 0);
            return out.len() < words.len();
        }
        self.base.resize(words.len(), 0);
        self.shadow.load(segment, pieces, &mut self.base);
        for (words, base) in words.chunks(CHUNK_WORDS).zip(self.base.chunks(CHUNK_WORDS)) {
            self.scratch.encode(words, base, out);
        }
        out.len() < words.len()
    }
}

/// The receiver's end towards one peer.
#[derive(Clone)]
pub struct Decoder {
    pub(super) shadow: Shadow,
    planes: Planes,
    words: Vec<u32>,
    packet_words: usize,
}

impl Decoder {
    /// Remembers up to `baseline_words` words, as the peer's [`Encoder`] does, and takes packets whose pieces are up to
    /// `packet_words` words long together. Units: 4 bytes.
    pub fn new(baseline_words: usize, packet_words: usize) -> Decoder {
        Decoder { shadow: Shadow::new(baseline_words), planes: Planes::new(), words: Vec::new(), packet_words }
    }

    /// The words of the pieces, one after the other.
    ///
    /// # Errors
    /// What is wrong with the packet. It had no effect then. No input panics.
    pub fn decode<'a>(
        &'a mut self,
        mode: Mode,
        segment: u32,
        pieces: impl Iterator<Item = Piece> + Clone,
        payload: &'a [u32],
    ) -> Result<&'a [u32], Malformed> {
        let described = total(pieces.clone())?;
        let limit = self.packet_words;
        let Some(words) = usize::try_from(described).ok().filter(|&words| words <= limit) else {
            return Err(Malformed::TooLarge { bytes: described.saturating_mul(4), limit: limit as u64 * 4 });
        };
        if mode != Mode::Delta {
            if payload.len() != words {
                return Err(Malformed::Length { words: payload.len(), expected: described });
            }
            if mode == Mode::Keep {
                self.shadow.store(segment, pieces, payload);
            }
            return Ok(payload);
        }
        self.words.resize(words, 0);
        self.shadow.load(segment, pieces.clone(), &mut self.words);
        let mut rest = payload;
        for (chunk, words) in self.words.chunks_mut(CHUNK_WORDS).enumerate() {
            rest = self.planes.decode(chunk, rest, words)?;
        }
        if !rest.is_empty() {
            return Err(Malformed::Length { words: payload.len(), expected: (payload.len() - rest.len()) as u64 });
        }
        if stores(mode, payload) {
            self.shadow.store(segment, pieces, &self.words);
        }
        Ok(&self.words)
    }
}

/// Whether a packet changes the baseline; both ends ask the same. Chunks without a difference are zeros, and a packet of
/// nothing else is the baseline already.
fn stores(mode: Mode, payload: &[u32]) -> bool {
    match mode {
        Mode::Raw => false,
        Mode::Keep => true,
        Mode::Delta => payload.iter().any(|&word| word != 0),
    }
}

/// Words of all pieces, each of which ends within 64 bits.
fn total(pieces: impl Iterator<Item = Piece>) -> Result<u64, Malformed> {
    let mut words = 0u64;
    for Piece { to, len } in pieces {
        to.checked_add(u64::from(len)).ok_or(Malformed::Piece { to, len })?;
        words = words.saturating_add(u64::from(len));
    }
    Ok(words)
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("shadow", &self.shadow).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("shadow", &self.shadow).finish_non_exhaustive()
    }
}
