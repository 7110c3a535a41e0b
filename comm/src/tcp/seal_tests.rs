use std::io::IoSlice;

use proptest::prelude::*;

use super::*;
use crate::ids::Rank;
use crate::tcp::frame::{DATA_WORDS_MAX, Kind};
use crate::tcp::handshake::Parties;
use crate::tcp::outbox::{Outbox, SLICES_MAX};

const KEY: Key = Key([7; 32]);

fn session() -> Session {
    let parties = Parties { from: Rank(1), to: Rank(2), from_generation: 3, to_generation: 4 };
    Session { parties, connector: [5; 32], acceptor: [6; 32], sealed: true }
}

fn seals(side: Side) -> Seals {
    Seals::of(&KEY, &session(), side).expect("sealed")
}

/// A packet of so many words, told from others by `mark`.
fn packet(len: usize, mark: u32) -> (Lane, Vec<u32>) {
    let lane = if len.is_multiple_of(2) { Lane::Data } else { Lane::Message };
    (lane, (0..len as u32).map(|word| word.wrapping_mul(0x9e37_79b9) ^ mark).collect())
}

/// What leaves an outbox that is given these packets, in writes of at most `step` bytes.
fn sealed(side: Side, packets: &[(Lane, Vec<u32>)], step: usize) -> Vec<u8> {
    let mut outbox = Outbox::sealed_by(Some(seals(side).sealer));
    packets.iter().for_each(|(lane, words)| outbox.push(Kind::Packet(*lane), words.clone()));
    outbox.push(Kind::Goodbye, Vec::new());
    let (mut spares, mut sent) = (Spares::default(), Vec::new());
    while !outbox.is_empty() {
        outbox.seal_ahead();
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let len = step.min(bytes.len());
        assert!(len > 0, "an outbox with frames has bytes");
        sent.extend_from_slice(&bytes[..len]);
        outbox.advance(len, &mut spares);
    }
    assert_eq!(outbox.words(), 0);
    sent
}

/// The receiving end.
struct Ear {
    opener: Opener,
    decoder: Decoder,
    spares: Spares,
    got: Vec<(Lane, Vec<u32>)>,
}

impl Ear {
    fn at(side: Side) -> Ear {
        Ear { opener: seals(side).opener, decoder: Decoder::default(), spares: Spares::default(), got: Vec::new() }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Flow, Malformed> {
        let Ear { opener, decoder, spares, got } = self;
        opener.take(bytes, decoder, spares, &mut |lane, words| got.push((lane, words.to_vec())))
    }
}

fn sample() -> Vec<(Lane, Vec<u32>)> {
    let chunk = CHUNK_BYTES / 4;
    let lengths = [0, 1, 2, 7, 0, 33, chunk - 1, chunk, chunk + 1, 3 * chunk, 20 * chunk + 5, 1];
    lengths.iter().zip(0..).map(|(&len, mark)| packet(len, mark)).collect()
}

#[test]
fn packets_of_all_sizes_pass_in_both_directions_whatever_the_pieces() {
    for (from, to) in [(Side::Connector, Side::Acceptor), (Side::Acceptor, Side::Connector)] {
        for (write, read) in [(usize::MAX, usize::MAX), (1000, 1 << 16), (1 << 20, 1), (77, 4093), (16_399, 16_401)] {
            let bytes = sealed(from, &sample(), write);
            let mut ear = Ear::at(to);
            let flows: Vec<_> = bytes.chunks(read).map(|piece| ear.hear(piece).expect("as sent")).collect();
            assert_eq!(flows.last(), Some(&Flow::Goodbye), "{write} {read}");
            assert!(ear.got == sample() && !ear.opener.amid_record(), "{write} {read}");
        }
    }
}

#[test]
fn the_longest_packet_passes() {
    let packets = [packet(DATA_WORDS_MAX, 3)];
    let mut ear = Ear::at(Side::Acceptor);
    let bytes = sealed(Side::Connector, &packets, 1 << 18);
    assert_eq!(ear.hear(&bytes), Ok(Flow::Goodbye));
    assert!(ear.got == packets);
}

#[test]
fn every_flipped_bit_is_noticed_and_nothing_of_its_packet_is_handed_over() {
    let packets = [packet(2, 1), packet(9, 2), packet(0, 3)];
    let bytes = sealed(Side::Connector, &packets, usize::MAX);
    // Where each packet is complete.
    let ends = [24 + 8 + 16, 24 + 8 + 16 + 24 + 36 + 16, 24 + 8 + 16 + 24 + 36 + 16 + 24];
    assert_eq!(bytes.len(), ends[2] + 24);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let mut ear = Ear::at(Side::Acceptor);
        assert_eq!(ear.hear(&changed), Err(Malformed::Seal), "bit {bit}");
        let before = ends.iter().filter(|&&end| end <= bit / 8).count();
        assert!(ear.got == packets[..before], "bit {bit}");
    }
}

#[test]
fn records_that_are_repeated_left_out_moved_or_cut_are_noticed() {
    let chunk = CHUNK_BYTES / 4;
    let packets = [packet(0, 1), packet(0, 2), packet(2 * chunk, 3), packet(2 * chunk, 4)];
    let bytes = sealed(Side::Connector, &packets, usize::MAX);
    let (head, record) = (SEALED_HEADER_BYTES, CHUNK_BYTES + TAG_BYTES);
    let refused = |pieces: &[&[u8]], whole: usize| {
        let mut ear = Ear::at(Side::Acceptor);
        assert_eq!(ear.hear(&pieces.concat()), Err(Malformed::Seal));
        assert!(ear.got == packets[..whole]);
    };
    let (first, rest) = bytes.split_at(head);
    let (second, rest) = rest.split_at(head);
    // Equal packets are other records each.
    assert_ne!(first, second);
    refused(&[first, first], 1);
    refused(&[second, first], 0);
    refused(&[first, rest], 1);
    let (third, rest) = rest.split_at(head + 2 * record);
    let (header, body) = third.split_at(head);
    refused(&[first, second, header, &body[record..], &body[..record]], 2);
    refused(&[first, second, header, &body[..record], &body[..record]], 2);
    refused(&[first, second, third, third], 3);
    refused(&[first, second, third, header, &rest[head..]], 3);
    // What is cut short is not taken for less: more is waited for, and the next record is none.
    let mut ear = Ear::at(Side::Acceptor);
    assert_eq!(ear.hear(&bytes[..bytes.len() - head - 1]), Ok(Flow::Open));
    assert!(ear.got == packets[..3] && ear.opener.amid_record());
    assert_eq!(ear.hear(&bytes[bytes.len() - head..]), Err(Malformed::Seal));
}

#[test]
fn no_direction_connection_or_key_opens_what_another_has_sealed() {
    let bytes = sealed(Side::Connector, &[packet(3, 1)], usize::MAX);
    let refuses = |key: &Key, session: &Session, side| {
        let opener = Seals::of(key, session, side).expect("sealed").opener;
        Ear { opener, ..Ear::at(side) }.hear(&bytes) == Err(Malformed::Seal)
    };
    assert!(!refuses(&KEY, &session(), Side::Acceptor));
    assert!(refuses(&KEY, &session(), Side::Connector), "its own words come back");
    assert!(refuses(&Key([8; 32]), &session(), Side::Acceptor));
    let parties = Parties { from_generation: 4, ..session().parties };
    let others = [
        Session { connector: [9; 32], ..session() },
        Session { acceptor: [9; 32], ..session() },
        Session { parties, ..session() },
    ];
    assert!(others.iter().all(|other| refuses(&KEY, other, Side::Acceptor)));
    assert!(Seals::of(&KEY, &Session { sealed: false, ..session() }, Side::Acceptor).is_none());
}

#[test]
fn a_header_that_verifies_is_bounded_like_any_other() {
    let mut outbox = Outbox::sealed_by(Some(seals(Side::Connector).sealer));
    outbox.push(Kind::Packet(Lane::Data), vec![0; 1025]);
    outbox.seal_ahead();
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    outbox.slices(&mut slices);
    let mut ear = Ear { decoder: Decoder::up_to(1024), ..Ear::at(Side::Acceptor) };
    assert_eq!(ear.hear(&slices[0]), Err(Malformed::TooLarge { bytes: 4100, limit: 4096 }));
}

#[test]
fn keys_are_not_shown() {
    let text = format!("{:?} {:?}", seals(Side::Connector).sealer, seals(Side::Acceptor).opener.cipher);
    assert_eq!(text, "Sealer { cipher: Cipher(..), next: 0 } Cipher(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_hands_nothing_over(noise in proptest::collection::vec(any::<u8>(), 0..40_000), step in 1usize..20_000) {
        let mut ear = Ear::at(Side::Acceptor);
        let mut outcome = Ok(Flow::Open);
        for piece in noise.chunks(step) {
            outcome = ear.hear(piece);
            if outcome.is_err() {
                break;
            }
        }
        prop_assert!(ear.got.is_empty());
        prop_assert_eq!(outcome.is_err(), noise.len() >= SEALED_HEADER_BYTES);
    }

    #[test]
    fn a_stream_that_is_spoilt_anywhere_gives_the_packets_before_and_no_other(
        lengths in proptest::collection::vec(0usize..12_000, 1..6),
        write in 1usize..50_000,
        read in 1usize..50_000,
        at in any::<prop::sample::Index>(),
        spoil in prop_oneof![(1u8..=255).prop_map(Some), Just(None)],
    ) {
        let packets: Vec<_> = lengths.iter().zip(0..).map(|(&len, mark)| packet(len, mark)).collect();
        let mut bytes = sealed(Side::Acceptor, &packets, write);
        let at = at.index(bytes.len());
        // A byte is changed, or left out.
        match spoil {
            Some(change) => bytes[at] ^= change,
            None => drop(bytes.remove(at)),
        }
        let mut ear = Ear::at(Side::Connector);
        let flows: Vec<_> = bytes.chunks(read).map(|piece| ear.hear(piece)).take_while(|flow| flow.is_ok()).collect();
        prop_assert!(ear.got.len() <= packets.len() && ear.got == packets[..ear.got.len()]);
        prop_assert!(!flows.contains(&Ok(Flow::Goodbye)));
    }
}
