//! Both ends together: what is sent arrives, both remember the same, and nothing that arrives does harm.

use proptest::prelude::*;

use super::shadow::PAGE_WORDS;
use super::*;
use crate::error::Malformed;
use crate::packets::Piece;

const PACKET_WORDS: usize = 1 << 16;

/// A generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }
}

/// Words that look like those of a run: resting, moving, and arbitrary bits.
fn words(dice: &mut Dice, pieces: &[Piece]) -> Vec<u32> {
    let kind = dice.below(4);
    let mut words = Vec::new();
    for piece in pieces {
        for at in piece.to..piece.to + u64::from(piece.len) {
            let rest = (at as f32).sin().to_bits();
            words.push(match kind {
                0 => rest,
                1 => rest.wrapping_add(dice.below(2000)).wrapping_sub(1000),
                2 if at % 7 > 3 => rest,
                _ => dice.next() << 1 ^ dice.next(),
            });
        }
    }
    words
}

fn pieces(dice: &mut Dice, longest: u32) -> Vec<Piece> {
    (0..dice.below(5))
        .map(|_| Piece {
            to: u64::from(dice.below(3000)),
            len: [dice.below(longest), dice.below(12)][dice.next() as usize & 1],
        })
        .collect()
}

fn mode(dice: &mut Dice) -> Mode {
    [Mode::Raw, Mode::Keep, Mode::Delta, Mode::Delta][dice.below(4) as usize]
}

fn deliver(encoder: &mut Encoder, decoder: &mut Decoder, wish: Mode, segment: u32, pieces: &[Piece], words: &[u32]) {
    let mut payload = vec![1, 2, 3];
    let mode = encoder.encode(wish, segment, pieces.iter().copied(), words, &mut payload);
    assert!(mode == wish || (wish, mode) == (Mode::Delta, Mode::Keep));
    assert!(payload.len() <= words.len(), "a payload never grows");
    let got = decoder.decode(mode, segment, pieces.iter().copied(), &payload).expect("of an encoder");
    assert_eq!(got, words);
}

#[test]
fn both_ends_stay_in_step_for_ten_thousand_packets() {
    // Room for 6 of about 20 pages, so that pages go and come back.
    let room = 6 * PAGE_WORDS + 17;
    let (mut encoder, mut decoder, mut dice) = (Encoder::new(room), Decoder::new(room, PACKET_WORDS), Dice(1));
    for packet in 0..10_000 {
        let pieces = pieces(&mut dice, 900);
        let words = words(&mut dice, &pieces);
        let (wish, segment) = (mode(&mut dice), dice.below(3));
        deliver(&mut encoder, &mut decoder, wish, segment, &pieces, &words);
        assert!(packet % 100 != 0 || encoder.shadow == decoder.shadow, "packet {packet}");
    }
    assert!(encoder.shadow == decoder.shadow);
}

proptest! {
    #[test]
    fn whatever_is_sent_arrives(seed: u64, room in 0..9 * PAGE_WORDS, packets in 1..40, longest in 1u32..12_000) {
        let (mut encoder, mut decoder, mut dice) = (Encoder::new(room), Decoder::new(room, PACKET_WORDS), Dice(seed));
        for _ in 0..packets {
            let pieces = pieces(&mut dice, longest);
            let words = words(&mut dice, &pieces);
            let (wish, segment) = (mode(&mut dice), dice.below(2));
            deliver(&mut encoder, &mut decoder, wish, segment, &pieces, &words);
        }
        prop_assert!(encoder.shadow == decoder.shadow);
    }

    #[test]
    fn whatever_arrives_is_bounded(
        payload: Vec<u32>,
        table in proptest::collection::vec((any::<u64>(), 0..20_000u32), 0..4),
        header in 0u32..256,
    ) {
        let mut decoder = Decoder::new(2 * PAGE_WORDS, 10_000);
        let pieces = table.iter().map(|&(to, len)| Piece { to, len });
        let before = decoder.shadow.clone();
        for first in [header, payload.first().copied().unwrap_or(0)] {
            let payload: Vec<u32> = std::iter::once(first).chain(payload.iter().copied()).collect();
            for mode in [Mode::Delta, Mode::Keep, Mode::Raw] {
                let mut decoder = decoder.clone();
                match decoder.decode(mode, 0, pieces.clone(), &payload) {
                    Ok(words) => prop_assert_eq!(words.len() as u64, table.iter().map(|&(_, len)| u64::from(len)).sum::<u64>()),
                    Err(_) => prop_assert!(decoder.shadow == before),
                }
            }
        }
        prop_assert!(decoder.decode(Mode::Raw, 0, std::iter::empty(), &[]).is_ok());
    }
}

/// A pair that knows the same, and a packet of differences whose planes are of all kinds.
fn sample() -> (Decoder, Vec<Piece>, Vec<u32>, Vec<u32>) {
    let (mut encoder, mut decoder) = (Encoder::new(1 << 16), Decoder::new(1 << 16, PACKET_WORDS));
    let pieces = vec![Piece { to: 40, len: 300 }, Piece { to: 1000, len: 100 }];
    let old: Vec<u32> = (0..400).map(|i| (i as f32).cos().to_bits()).collect();
    deliver(&mut encoder, &mut decoder, Mode::Keep, 0, &pieces, &old);
    let mut dice = Dice(4);
    let new: Vec<u32> = old.iter().zip(0..).map(|(w, i)| w + dice.below(250) + ((i / 100) << 16)).collect();
    let mut payload = Vec::new();
    assert_eq!(encoder.encode(Mode::Delta, 0, pieces.iter().copied(), &new, &mut payload), Mode::Delta);
    assert_eq!(payload[0], 0b00_10_10_01, "a plane left out, two compressed, one stored");
    (decoder, pieces, payload, new)
}

#[test]
fn a_damaged_packet_is_refused_without_a_trace_or_decodes_within_its_bounds() {
    let (decoder, pieces, payload, new) = sample();
    let try_it = |payload: &[u32]| {
        let mut after = decoder.clone();
        let outcome = after.decode(Mode::Delta, 0, pieces.iter().copied(), payload).map(<[u32]>::len);
        match outcome {
            Ok(len) => assert_eq!(len, new.len()),
            Err(_) => assert!(after.shadow == decoder.shadow),
        }
        outcome
    };
    assert!(try_it(&payload).is_ok());
    for len in 0..payload.len() {
        assert!(try_it(&payload[..len]).is_err(), "{len} words");
    }
    let mut longer = payload.clone();
    longer.push(0);
    assert!(matches!(try_it(&longer), Err(Malformed::Length { .. })));
    for bit in 0..32 * payload.len() {
        let mut changed = payload.clone();
        changed[bit / 32] ^= 1 << (bit % 32);
        let outcome = try_it(&changed);
        assert!(outcome.is_err() || bit / 32 > 0, "the word of kinds has no spare bits");
    }
}

#[test]
fn the_reason_is_named() {
    let (mut decoder, pieces, payload, _) = sample();
    let mut refuse = |mode, pieces: &[Piece], payload: &[u32]| {
        decoder.decode(mode, 0, pieces.iter().copied(), payload).expect_err("malformed")
    };
    let chunk = |why| Malformed::Chunk { chunk: 0, why };
    let with = |at: usize, word: u32| {
        let mut payload = payload.clone();
        payload[at] = word;
        payload
    };
    assert_eq!(refuse(Mode::Delta, &pieces, &[]), chunk("is missing"));
    assert_eq!(refuse(Mode::Delta, &pieces, &with(0, 3)), chunk("is of an unknown kind"));
    assert_eq!(refuse(Mode::Delta, &pieces, &with(0, 1 << 8)), chunk("is of an unknown kind"));
    assert_eq!(refuse(Mode::Delta, &pieces, &payload[..2]), chunk("ends in its lengths"));
    assert_eq!(refuse(Mode::Delta, &pieces, &with(1, u32::MAX)), chunk("ends in a plane"));
    assert_eq!(refuse(Mode::Delta, &pieces, &with(1, 1)), chunk("does not decompress to its length"));
    let far = Piece { to: u64::MAX, len: 1 };
    assert_eq!(refuse(Mode::Keep, &[far], &[0]), Malformed::Piece { to: u64::MAX, len: 1 });
    let long = [Piece { to: 0, len: u32::MAX }; 3];
    assert!(matches!(refuse(Mode::Delta, &long, &[0]), Malformed::TooLarge { .. }));
    assert_eq!(refuse(Mode::Raw, &pieces, &[0]), Malformed::Length { words: 1, expected: 400 });
}

#[test]
fn what_rests_costs_one_word_a_chunk() {
    let pieces = [Piece { to: 7, len: PACKET_WORDS as u32 }];
    let words: Vec<u32> = (0..PACKET_WORDS as u32).map(|i| (i as f32).sqrt().to_bits()).collect();
    let mut encoder = Encoder::new(1 << 20);
    let mut payload = Vec::new();
    assert_eq!(encoder.likeness(0, pieces.into_iter(), &words), None);
    encoder.encode(Mode::Keep, 0, pieces.into_iter(), &words, &mut payload);
    assert_eq!(encoder.likeness(0, pieces.into_iter(), &words), Some(1.0));
    assert_eq!(encoder.encode(Mode::Delta, 0, pieces.into_iter(), &words, &mut payload), Mode::Delta);
    assert_eq!(payload, [0; 16]);
    let other: Vec<u32> = words.iter().map(|w| !w).collect();
    assert_eq!(encoder.likeness(0, pieces.into_iter(), &other), Some(0.0));
}

#[test]
fn a_raw_packet_leaves_the_baseline_alone() {
    let (mut encoder, mut decoder) = (Encoder::new(1 << 16), Decoder::new(1 << 16, PACKET_WORDS));
    let pieces = [Piece { to: 0, len: 200 }];
    deliver(&mut encoder, &mut decoder, Mode::Raw, 0, &pieces, &[5; 200]);
    assert_eq!(encoder.likeness(0, pieces.into_iter(), &[5; 200]), None);
    deliver(&mut encoder, &mut decoder, Mode::Keep, 0, &pieces, &[6; 200]);
    deliver(&mut encoder, &mut decoder, Mode::Raw, 0, &pieces, &[7; 200]);
    assert_eq!(encoder.likeness(0, pieces.into_iter(), &[6; 200]), Some(1.0));
}
