//! Packets on their way to the socket, in order. A packet is never copied: its header and its words are given to the
//! system side by side.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::frame::{HEADER_BYTES, Kind, header};
use super::spares::Spares;

/// Most pieces given to the system by one call.
pub const SLICES_MAX: usize = 32;

#[derive(Debug)]
struct Frame {
    header: [u8; HEADER_BYTES],
    packet: Vec<u32>,
}

impl Frame {
    fn bytes(&self) -> usize {
        HEADER_BYTES + self.packet.len() * 4
    }
}

/// What is to be sent over one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Frame>,
    /// Of the first frame, the bytes that have left.
    sent_bytes: usize,
    words: u64,
}

impl Outbox {
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
        self.frames.push_back(Frame { header: header(kind, packet.len() as u32), packet });
    }

    /// The bytes that are to leave next; returns how many slices were set.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let (mut count, mut skip) = (0, self.sent_bytes);
        for frame in self.frames.iter().take(SLICES_MAX / 2) {
            for part in [&frame.header[..], bytemuck::cast_slice(&frame.packet)] {
                let rest = part.get(skip..).unwrap_or_default();
                skip = skip.saturating_sub(part.len());
                if !rest.is_empty() {
                    into[count] = IoSlice::new(rest);
                    count += 1;
                }
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
            self.words -= done.packet.len() as u64;
            spares.put(done.packet);
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
