//! Sealed connections: what they carry is encrypted and authenticated by ChaCha20-Poly1305 (RFC 8439).
//!
//! **Keys.** Both sides derive a secret from the key of the run and from all that the handshake has proven, the fresh
//! nonces of both included, and from that one key for each direction. So no two connections share a key, and nothing of
//! one counts on another, or the other way round. Who learns the key of the run can open what was recorded.
//!
//! **Records.** The header of a frame is a record of its own, and so is every [`CHUNK_BYTES`] of its packet; behind each
//! record comes its tag. The nonce is the number of the record in its direction, which is never sent: a record that was
//! changed, repeated, left out or moved does not verify, and the connection ends with it. A length is believed only
//! once the header has verified, and nothing is handed over before the whole of a packet has.
//!
//! Nothing here does I/O.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce, Tag};

use super::frame::{Decoder, Flow, HEADER_BYTES, parse};
use super::handshake::{Key, Session, shared_secret};
use super::spares::Spares;
use crate::error::Malformed;
use crate::port::Lane;

/// Length of what a record is known by, in bytes.
pub const TAG_BYTES: usize = 16;
/// Most bytes of a packet in one record: what the nearest cache holds beside everything else.
pub const CHUNK_BYTES: usize = 16 << 10;
/// Length of a header with its tag.
pub const SEALED_HEADER_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It has connected.
    Connector,
    /// It has accepted.
    Acceptor,
}

/// The keys of one connection, at one of its ends.
#[derive(Debug)]
pub struct Seals {
    /// For what leaves.
    pub sealer: Sealer,
    /// For what arrives.
    pub opener: Opener,
}

impl Seals {
    /// Those of a connection; none where it is not to be sealed.
    pub fn of(key: &Key, session: &Session, side: Side) -> Option<Seals> {
        if !session.sealed {
            return None;
        }
        let secret = shared_secret(key, session);
        let forth = blake3::derive_key("rankzero 2026 TCP records from connector to acceptor", &secret);
        let back = blake3::derive_key("rankzero 2026 TCP records from acceptor to connector", &secret);
        let (out, back) = match side {
            Side::Connector => (forth, back),
            Side::Acceptor => (back, forth),
        };
        Some(Seals { sealer: Sealer { cipher: Cipher::new(&out), next: 0 }, opener: Opener::new(&back) })
    }
}

/// A key at work. Never shown; wiped when it is dropped.
struct Cipher(ChaCha20Poly1305);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(..)")
    }
}

impl Cipher {
    fn new(key: &[u8; 32]) -> Cipher {
        Cipher(ChaCha20Poly1305::new(&(*key).into()))
    }

    /// Never the same for two records of a direction: there are 2⁶⁴ of them.
    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_le_bytes());
        nonce.into()
    }

    fn seal(&self, number: u64, bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self.0.encrypt_inout_detached(&Cipher::nonce(number), &[], bytes.into());
        // The cipher refuses from 256 GiB on.
        tag.expect("a record is short").into()
    }

    fn open(&self, number: u64, bytes: &mut [u8], tag: [u8; TAG_BYTES]) -> Result<(), Malformed> {
        let opened = self.0.decrypt_inout_detached(&Cipher::nonce(number), &[], bytes.into(), &Tag::from(tag));
        opened.map_err(|_| Malformed::Seal)
    }
}

/// Seals what leaves. Records are numbered when their frame is queued, and sealed when they are about to leave.
#[derive(Debug)]
pub struct Sealer {
    cipher: Cipher,
    next: u64,
}

/// The numbers of a frame's records.
#[derive(Debug)]
pub struct Numbers {
    first: u64,
}

impl Sealer {
    /// Seals the header of a frame with a packet of `words` words; the numbers of its records are taken.
    pub fn begin(&mut self, header: [u8; HEADER_BYTES], words: usize) -> (Numbers, [u8; SEALED_HEADER_BYTES]) {
        let numbers = Numbers { first: self.next };
        self.next += 1 + chunks(words) as u64;
        let mut sealed = [0; SEALED_HEADER_BYTES];
        let (head, tag) = sealed.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header);
        tag.copy_from_slice(&self.cipher.seal(numbers.first, head));
        (numbers, sealed)
    }

    /// Seals a chunk of a packet in its place; each once.
    pub fn seal(&self, numbers: &Numbers, chunk: usize, bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        self.cipher.seal(numbers.first + 1 + chunk as u64, bytes)
    }
}

/// How many records the packet of a frame takes.
pub fn chunks(words: usize) -> usize {
    (words * 4).div_ceil(CHUNK_BYTES)
}

/// Opens what arrives, in pieces of any length, and gives it to the decoder of frames.
#[derive(Debug)]
pub struct Opener {
    cipher: Cipher,
    next: u64,
    /// One record with its tag, at the alignment of words.
    record: Box<[u32]>,
    filled: usize,
    /// Length of the record that is under way, without its tag.
    len: usize,
    /// Of the packet that is under way, the bytes from this record on; 0: the record is a header.
    packet_left: usize,
}

impl Opener {
    fn new(key: &[u8; 32]) -> Opener {
        let record = vec![0; (CHUNK_BYTES + TAG_BYTES) / 4].into_boxed_slice();
        Opener { cipher: Cipher::new(key), next: 0, record, filled: 0, len: HEADER_BYTES, packet_left: 0 }
    }

    /// Whether part of a record has arrived.
    pub fn amid_record(&self) -> bool {
        self.filled > 0
    }

    /// Takes the bytes that came next; the decoder hands over the packets that are whole.
    ///
    /// # Errors
    /// [`Malformed::Seal`], and what the decoder refuses. The stream is of no use then.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        decoder: &mut Decoder,
        spares: &mut Spares,
        sink: &mut dyn FnMut(Lane, &[u32]),
    ) -> Result<Flow, Malformed> {
        while !bytes.is_empty() {
            let record: &mut [u8] = bytemuck::cast_slice_mut(&mut self.record);
            let record = &mut record[..self.len + TAG_BYTES];
            let (now, later) = bytes.split_at((record.len() - self.filled).min(bytes.len()));
            record[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled < record.len() {
                break;
            }
            let (opened, tag) = record.split_at_mut(self.len);
            let mut expected = [0; TAG_BYTES];
            expected.copy_from_slice(tag);
            self.cipher.open(self.next, opened, expected)?;
            self.next += 1;
            self.filled = 0;
            if self.packet_left == 0 {
                let mut header = [0; HEADER_BYTES];
                header.copy_from_slice(opened);
                self.packet_left = parse(header)?.1 * 4;
            } else {
                self.packet_left -= self.len;
            }
            if decoder.take(opened, spares, sink)? == Flow::Goodbye {
                return Ok(Flow::Goodbye);
            }
            self.len = if self.packet_left == 0 { HEADER_BYTES } else { self.packet_left.min(CHUNK_BYTES) };
        }
        Ok(Flow::Open)
    }
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
