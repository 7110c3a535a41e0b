//! What a rank tells a peer so that the peer can map its memory, as bytes: little-endian, in the order of the fields.

use super::node::{FileName, Node, Process};
use crate::ids::Rank;
use crate::transport::{OFFER_BYTES_MAX, Unavailable};

/// The first bytes of an offer; the last one is the version of what follows and of the shared memory.
const MAGIC: [u8; 8] = *b"rz-shm\0\x01";
const FILE_BYTES: usize = 20;
const SEGMENT_BYTES: usize = FILE_BYTES + 8;

/// An offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub from: Rank,
    pub to: Rank,
    pub node: Node,
    pub process: Process,
    /// Also in the head of the queue: an old offer fits no new memory.
    pub nonce: [u64; 2],
    /// The queue of notifications to the offering rank.
    pub ring: FileName,
    /// Its doorbell, of so many words of 64 bits, and the bit of this pair there.
    pub bell: FileName,
    pub bell_words: u32,
    pub bell_bit: u32,
    pub segments: Vec<Offered>,
}

/// A segment of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub file: FileName,
    pub words: u64,
}

impl Offer {
    /// The bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Unavailable> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(self.from.0.to_le_bytes());
        out.extend(self.to.0.to_le_bytes());
        out.extend(self.node.boot.to_le_bytes());
        out.extend(self.node.pid_namespace.to_le_bytes());
        out.extend(self.process.pid.to_le_bytes());
        out.extend(self.process.started.to_le_bytes());
        out.extend(self.nonce.map(u64::to_le_bytes).concat());
        put_file(&mut out, self.ring);
        put_file(&mut out, self.bell);
        out.extend(self.bell_words.to_le_bytes());
        out.extend(self.bell_bit.to_le_bytes());
        out.extend((self.segments.len() as u64).to_le_bytes());
        for segment in &self.segments {
            put_file(&mut out, segment.file);
            out.extend(segment.words.to_le_bytes());
        }
        if out.len() > OFFER_BYTES_MAX {
            return Err(Unavailable::new(format!("{} segments are too many for an offer", self.segments.len())));
        }
        Ok(out)
    }

    /// Reads what a peer sent, whatever it is.
    pub fn decode(bytes: &[u8]) -> Result<Offer, Unavailable> {
        let refused =
            || Unavailable::new("the peer's offer is not of this version: start all ranks with the same build");
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or_else(refused)?;
        read(&mut rest).filter(|_| rest.is_empty()).ok_or_else(refused)
    }
}

fn put_file(out: &mut Vec<u8>, file: FileName) {
    out.extend(file.descriptor.to_le_bytes());
    out.extend(file.device.to_le_bytes());
    out.extend(file.inode.to_le_bytes());
}

fn read(rest: &mut &[u8]) -> Option<Offer> {
    let from = Rank(u32::from_le_bytes(take(rest)?));
    let to = Rank(u32::from_le_bytes(take(rest)?));
    let node = Node { boot: u128::from_le_bytes(take(rest)?), pid_namespace: u64::from_le_bytes(take(rest)?) };
    let process = Process { pid: u32::from_le_bytes(take(rest)?), started: u64::from_le_bytes(take(rest)?) };
    let nonce = [u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?)];
    let ring = take_file(rest)?;
    let bell = take_file(rest)?;
    let bell_words = u32::from_le_bytes(take(rest)?);
    let bell_bit = u32::from_le_bytes(take(rest)?);
    let count = usize::try_from(u64::from_le_bytes(take(rest)?)).ok()?;
    // What was announced must be there, before memory is set aside for it.
    if count.checked_mul(SEGMENT_BYTES)? != rest.len() || bell_bit / 64 >= bell_words {
        return None;
    }
    let mut segments = Vec::with_capacity(count);
    for _ in 0..count {
        segments.push(Offered { file: take_file(rest)?, words: u64::from_le_bytes(take(rest)?) });
    }
    Some(Offer { from, to, node, process, nonce, ring, bell, bell_words, bell_bit, segments })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

fn take_file(rest: &mut &[u8]) -> Option<FileName> {
    let descriptor = u32::from_le_bytes(take(rest)?);
    let device = u64::from_le_bytes(take(rest)?);
    let inode = u64::from_le_bytes(take(rest)?);
    Some(FileName { descriptor, device, inode })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_offer(segments: usize) -> Offer {
        let file = |n: u32| FileName { descriptor: n, device: u64::from(n) + 1, inode: u64::MAX - u64::from(n) };
        Offer {
            from: Rank(3),
            to: Rank(7),
            node: Node { boot: u128::MAX - 5, pid_namespace: 0x1234_5678_9abc },
            process: Process { pid: 4711, started: 1 << 40 },
            nonce: [1, u64::MAX],
            ring: file(5),
            bell: file(6),
            bell_words: 2,
            bell_bit: 127,
            segments: (0..segments).map(|n| Offered { file: file(n as u32), words: n as u64 * 1000 }).collect(),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for segments in [0, 1, 5] {
            let offer = an_offer(segments);
            assert_eq!(Offer::decode(&offer.encode().expect("small")), Ok(offer));
        }
    }

    #[test]
    fn a_cut_or_longer_offer_is_refused() {
        let bytes = an_offer(2).encode().expect("small");
        for len in 0..bytes.len() {
            assert!(Offer::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        assert!(Offer::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_huge_count_takes_no_memory() {
        let bytes = an_offer(0).encode().expect("small");
        let at = bytes.len() - 8;
        for count in [1, 1 << 20, u64::MAX / 28, u64::MAX] {
            let mut bytes = bytes.clone();
            bytes[at..].copy_from_slice(&count.to_le_bytes());
            assert!(Offer::decode(&bytes).is_err());
        }
    }

    #[test]
    fn too_many_segments_are_said_so() {
        let most = OFFER_BYTES_MAX / SEGMENT_BYTES;
        assert!(an_offer(most - 8).encode().is_ok());
        assert!(an_offer(most + 1).encode().is_err_and(|why| why.0.contains("too many")));
    }

    #[test]
    fn a_bit_beyond_the_bell_is_refused() {
        let offer = Offer { bell_bit: 128, ..an_offer(1) };
        assert!(Offer::decode(&offer.encode().expect("small")).is_err());
    }
}
