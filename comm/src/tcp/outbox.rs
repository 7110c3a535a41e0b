//! Packets on their way to the socket, in order. A packet is never copied: its header and its words are given to the
//! system side by side. Where the connection is sealed, that happens in the packet's own place, a little ahead of what
//! leaves, so that the system sends while more is sealed.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::frame::{HEADER_BYTES, Kind, header};
use super::seal::{CHUNK_BYTES, Numbers, SEALED_HEADER_BYTES, Sealer, TAG_BYTES, chunks};
use super::spares::Spares;

/// Most pieces given to the system by one call.
pub const SLICES_MAX: usize = 32;

/// How far sealing goes ahead of what has left, in bytes.
const AHEAD_BYTES: usize = 8 * CHUNK_BYTES;

#[derive(Debug)]
enum Frame {
    Plain { header: [u8; HEADER_BYTES], packet: Vec<u32> },
    Sealed { header: [u8; SEALED_HEADER_BYTES], packet: Vec<u32>, numbers: Numbers, tags: Vec<[u8; TAG_BYTES]> },
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Frame::Plain { packet, .. } => HEADER_BYTES + packet.len() * 4,
            Frame::Sealed { packet, .. } => SEALED_HEADER_BYTES + packet.len() * 4 + chunks(packet.len()) * TAG_BYTES,
        }
    }

    /// Of those bytes, how many may leave.
    fn ready_bytes(&self) -> usize {
        match self {
            Frame::Plain { .. } => self.bytes(),
            Frame::Sealed { packet, tags, .. } => {
                SEALED_HEADER_BYTES + (tags.len() * CHUNK_BYTES).min(packet.len() * 4) + tags.len() * TAG_BYTES
            }
        }
    }

    /// Seals one more chunk.
    fn seal_next(&mut self, sealer: &Sealer) {
        let Frame::Sealed { packet, numbers, tags, .. } = self else { return };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(packet);
        if let Some(chunk) = bytes.chunks_mut(CHUNK_BYTES).nth(tags.len()) {
            tags.push(sealer.seal(numbers, tags.len(), chunk));
        }
    }

    /// Its parts that may leave, in order, until `take` wants no more; whether it wants more.
    fn each_part<'a>(&'a self, take: &mut impl FnMut(&'a [u8]) -> bool) -> bool {
        match self {
            Frame::Plain { header, packet } => take(header) && take(bytemuck::cast_slice(packet)),
            Frame::Sealed { header, packet, tags, .. } => {
                let bytes: &[u8] = bytemuck::cast_slice(packet);
                take(header) && bytes.chunks(CHUNK_BYTES).zip(tags).all(|(chunk, tag)| take(chunk) && take(tag))
            }
        }
    }

    fn into_packet(self) -> Vec<u32> {
        match self {
            Frame::Plain { packet, .. } | Frame::Sealed { packet, .. } => packet,
        }
    }
}

/// What is to be sent over one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Frame>,
    /// Of the first frame, the bytes that have left.
    sent_bytes: usize,
    words: u64,
    /// Where the connection is sealed.
    sealer: Option<Sealer>,
}

impl Outbox {
    /// One that seals what leaves, if so.
    pub fn sealed_by(sealer: Option<Sealer>) -> Outbox {
        Outbox { sealer, ..Outbox::default() }
    }

    /// Whether everything has left.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Words waiting, those of a packet that has left in part included.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// Queues a packet of at most 2³² - 1 words.
    pub fn push(&mut self, kind: Kind, packet: Vec<u32>) {
        self.words += packet.len() as u64;
        let header = header(kind, packet.len() as u32);
        self.frames.push_back(match &mut self.sealer {
            None => Frame::Plain { header, packet },
            Some(sealer) => {
                let (numbers, header) = sealer.begin(header, packet.len());
                Frame::Sealed { header, tags: Vec::with_capacity(chunks(packet.len())), packet, numbers }
            }
        });
    }

    /// Seals what [`Outbox::slices`] is to give next; before it, each time.
    pub fn seal_ahead(&mut self) {
        let Some(sealer) = &self.sealer else { return };
        let (goal, mut before) = (self.sent_bytes + AHEAD_BYTES, 0);
        for frame in self.frames.iter_mut().take(SLICES_MAX / 2) {
            while frame.ready_bytes() < frame.bytes() && before + frame.ready_bytes() < goal {
                frame.seal_next(sealer);
            }
            before += frame.ready_bytes();
            if before >= goal {
                return;
            }
        }
    }

    /// The bytes that are to leave next; returns how many slices were set.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let (mut count, mut skip) = (0, self.sent_bytes);
        let mut take = |part: &'a [u8]| {
            let rest = part.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(part.len());
            if !rest.is_empty() {
                into[count] = IoSlice::new(rest);
                count += 1;
            }
            count < SLICES_MAX
        };
        for frame in &self.frames {
            // What follows on a chunk that is not sealed yet may not leave.
            if !frame.each_part(&mut take) || frame.ready_bytes() < frame.bytes() {
                break;
            }
        }
        count
    }

    /// The next `bytes` have left. Buffers that are free go to `spares`.
    pub fn advance(&mut self, bytes: usize, spares: &mut Spares) {
        self.sent_bytes += bytes;
        while let Some(first) = self.frames.front()
            && first.bytes() <= self.sent_bytes
            && let Some(done) = self.frames.pop_front()
        {
            self.sent_bytes -= done.bytes();
            let packet = done.into_packet();
            self.words -= packet.len() as u64;
            spares.put(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Lane;

    #[test]
    fn partial_writes_of_any_length_give_the_stream() {
        let packets: Vec<Vec<u32>> = (0..40u32).map(|len| (0..len % 5).map(|word| word + len).collect()).collect();
        let stream: Vec<u8> = packets
            .iter()
            .flat_map(|packet| {
                let head = header(Kind::Packet(Lane::Data), packet.len() as u32);
                [&head[..], bytemuck::cast_slice(packet)].concat()
            })
            .collect();
        for step in 1..100 {
            let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
            packets.iter().for_each(|packet| outbox.push(Kind::Packet(Lane::Data), packet.clone()));
            let mut sent = Vec::new();
            while !outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let count = outbox.slices(&mut slices);
                let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                let len = step.min(bytes.len());
                assert!(len > 0, "an outbox with frames has bytes");
                sent.extend_from_slice(&bytes[..len]);
                outbox.advance(len, &mut spares);
            }
            assert!(sent == stream, "step {step}");
            assert_eq!((outbox.words(), outbox.sent_bytes), (0, 0));
        }
    }
}
