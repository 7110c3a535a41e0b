//! Whatever a peer sends is taken or refused: no panic, no write outside its range, no memory beyond the limits, and a refused
//! packet changes nothing. The first byte picks the part: packets, differences, messages about rungs, or differences
//! that an encoder wrote.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::{Corpus, fuzz_target};
use rankzero_comm::delta::{Decoder, Encoder, Mode};
use rankzero_comm::mpi::Patience;
use rankzero_comm::packets::Packets;
use rankzero_comm::port::{Incoming, Lane, Port};
use rankzero_comm::{
    Bootstrap, CommError, Happening, Ladder, Limits, Piece, Policy, Rank, Rung, Segment, SegmentId, Transport,
};

const SEGMENT_WORDS: usize = 64;
const PACKET_WORDS: usize = 20_000;
const BASELINE_WORDS: usize = 4096;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&part, bytes)) = data.split_first() else { return Corpus::Reject };
    let mut input = Input(bytes);
    match part % 4 {
        0 => packets(&mut input),
        1 => differences(&mut input),
        2 => messages(&mut input),
        _ => round_trip(&mut input),
    }
    Corpus::Keep
});

/// What is left of the input; zeros beyond its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn words(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.word()).collect()
    }

    /// A word that is mostly small.
    fn number(&mut self) -> u32 {
        match self.byte() {
            255 => self.word(),
            254 => u32::from(self.byte()) << 8,
            small => u32::from(small),
        }
    }

    fn pieces(&mut self) -> Vec<Piece> {
        (0..self.byte() % 4)
            .map(|_| {
                let high = if self.byte() == 255 { self.word() } else { 0 };
                Piece { to: u64::from(self.number()) | u64::from(high) << 32, len: self.number() }
            })
            .collect()
    }
}

/// Hands over what was put into it, as sent by rank 1.
#[derive(Debug)]
struct FuzzPort(Lane, VecDeque<Vec<u32>>);

impl Port for FuzzPort {
    const RUNG: Rung = Rung::Local;

    fn rank(&self) -> Rank {
        Rank(0)
    }

    fn size(&self) -> u32 {
        2
    }

    fn buffer(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn send(&mut self, _: Rank, _: Lane, _: Vec<u32>) -> Result<(), CommError> {
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        if let Some(words) = self.1.pop_front() {
            sink(Incoming::Packet { from: Rank(1), lane: self.0, words: &words });
        }
        Ok(())
    }

    fn describe(&self, _: Rank) -> String {
        String::new()
    }
}

/// The number of the first segment, which only a fabric gives.
fn first() -> SegmentId {
    let mut ladder = rankzero_comm::local::hub(1).expect("memory").remove(0);
    rankzero_comm::Fabric::register(&mut ladder, Segment::private(1).expect("memory")).expect("a segment")
}

/// Packets that are nearly right, so that every check is reached; each word may be another.
fn packets(input: &mut Input<'_>) {
    const MAGIC: u32 = u32::from_le_bytes(*b"RZP3");
    let mut queue = VecDeque::new();
    for sequence in 0..1 + input.byte() % 4 {
        let pieces = input.pieces();
        let payload = pieces.iter().map(|piece| piece.len as usize).fold(0, usize::saturating_add).min(256);
        let (kind, flags) = (1 + u32::from(input.byte() % 3), u32::from(input.byte() % 8));
        let mut packet =
            vec![MAGIC, 1, kind, flags, sequence.into(), 0, 0, 0, 0, 77, pieces.len() as u32, payload as u32];
        for Piece { to, len } in pieces {
            packet.extend([to as u32, (to >> 32) as u32, len]);
        }
        packet.resize(packet.len() + payload, 5);
        for _ in 0..input.byte() % 4 {
            let at = input.number() as usize;
            let value = input.number();
            if let Some(word) = packet.get_mut(at) {
                *word = value;
            } else {
                packet.truncate(value as usize);
            }
        }
        queue.push_back(packet);
    }
    let rest = input.0.len() / 4;
    queue.push_back(input.words(rest));
    let count = queue.len();
    let mut rung = Packets::new(FuzzPort(Lane::Data, queue), Limits::default());
    let segment = Segment::private(SEGMENT_WORDS).expect("memory");
    rung.register(first(), &segment).expect("the first segment");
    rung.offer(Rank(1)).expect("an offer");
    let mut happenings = Vec::new();
    for _ in 0..count {
        happenings.clear();
        // One call may place packets that are good before it comes to one that is refused.
        rung.progress(&mut happenings).expect("nothing of a peer is an error of ours");
        match &happenings[..] {
            [] | [Happening::Arrived { from: Rank(1), .. } | Happening::Refused { peer: Rank(1), .. }] => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Messages that nobody sent, to a ladder in the middle of its start.
fn messages(input: &mut Input<'_>) {
    const MAGIC: u32 = u32::from_le_bytes(*b"RZL1");
    let mut queue = VecDeque::new();
    for _ in 0..1 + input.byte() % 8 {
        let (kind, rung, number) = (input.number(), u32::from(input.byte() % 6), u32::from(input.byte() % 3));
        let mut message = vec![MAGIC, kind, rung, number];
        let more = usize::from(input.byte() % 8);
        message.extend(input.words(more));
        queue.push_back(message);
    }
    let rung: Box<dyn Transport> = Box::new(Packets::new(FuzzPort(Lane::Message, queue), Limits::default()));
    let ladder = Ladder::new(Rank(0), 2, rung, Policy::default(), Limits::default(), Patience::SHARED_CORE);
    // Nobody answers, so this waits until its deadline, which has passed; whatever came is heard on the way.
    let mut ladder = ladder.expect("memory");
    let segment = Segment::private(SEGMENT_WORDS).expect("memory");
    rankzero_comm::Fabric::register(&mut ladder, segment).expect("a segment");
    for _ in 0..8 {
        let _ = ladder.barrier(std::time::Instant::now());
    }
}

/// Differences that nobody wrote, against a baseline.
fn differences(input: &mut Input<'_>) {
    let mut decoder = Decoder::new(BASELINE_WORDS, PACKET_WORDS);
    let all = [Piece { to: 0, len: 600 }];
    let baseline: Vec<u32> = (0..600).map(|word| word << 20).collect();
    assert!(decoder.decode(Mode::Keep, 0, all.into_iter(), &baseline).is_ok());
    let pieces = input.pieces();
    let payload = input.words(input.0.len() / 4);
    let described: u64 = pieces.iter().map(|piece| u64::from(piece.len)).sum();
    match decoder.decode(Mode::Delta, 0, pieces.into_iter(), &payload) {
        Ok(words) => {
            assert!(words.len() <= PACKET_WORDS);
            assert_eq!(words.len() as u64, described);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let unchanged = [0u32; 1];
            let kept = decoder.decode(Mode::Delta, 0, all.into_iter(), &unchanged);
            assert_eq!(kept.ok(), Some(&baseline[..]));
        }
    }
}

/// What an encoder writes is read, whatever the words, pieces and room.
fn round_trip(input: &mut Input<'_>) {
    let room = usize::from(input.byte()) * 64;
    let (mut encoder, mut decoder) = (Encoder::new(room), Decoder::new(room, PACKET_WORDS));
    let mut payload = Vec::new();
    while !input.0.is_empty() {
        let wish = [Mode::Raw, Mode::Keep, Mode::Delta][usize::from(input.byte() % 3)];
        let mut pieces = input.pieces();
        for piece in &mut pieces {
            (piece.to, piece.len) = (piece.to / 2, piece.len % 6000);
        }
        let count = pieces.iter().map(|piece| piece.len as usize).sum();
        let pattern = input.words(4);
        let words: Vec<u32> =
            (0..count).map(|at| pattern[at % 4].wrapping_mul(at as u32 >> (pattern[0] & 15))).collect();
        let mode = encoder.encode(wish, 0, pieces.iter().copied(), &words, &mut payload);
        let got = decoder.decode(mode, 0, pieces.iter().copied(), &payload);
        assert_eq!(got.ok(), Some(&words[..]));
    }
}
