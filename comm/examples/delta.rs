//! Bytes, speed and worth of sending differences: `target/release/examples/delta [--json] [REPETITIONS]`.
//!
//! Surfaces of bodies that rest, move, or do either, packed as a run packs them. Beside the codec, on the same buffers:
//! copying memory, and LZ4 without differences. Speeds are bytes of words per CPU second of one core; all that a scene
//! is measured with takes turns.

mod support;

use std::hint::black_box;

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use nix::time::{ClockId, clock_gettime};
use support::Figures;

use rankzero_comm::Piece;
use rankzero_comm::delta::{Bypass, Decoder, Encoder, Mode, Sent};

const BODIES: usize = 128;
/// Surface nodes of a body: a cube of 8 × 8 × 8 cells.
const NODES: usize = 386;
const BODY_WORDS: usize = 6 * NODES;
const EXCHANGES: usize = 10;
/// Exchanges that fill the baselines: halos have two halves, written in turn.
const WARM: usize = 2;
/// Between two exchanges, s.
const INTERVAL: f64 = 1.0 / 60.0 / 14.0;
const PACKET_WORDS: usize = (1 << 16) - 15;
const SEGMENT: u32 = 2;
const BASELINE_WORDS: usize = 16 << 20;

struct Packet {
    piece: Piece,
    words: Vec<u32>,
}

struct Scene {
    name: &'static str,
    /// By exchange.
    packets: Vec<Vec<Packet>>,
}

fn main() {
    let (figures, arguments) = Figures::from_args();
    let repetitions: usize = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(15);
    let scenes = [scene("resting", |_| false), scene("active", |_| true), scene("mixed", |body| body / 4 % 2 == 0)];
    let megabytes: f64 = scenes[0].packets[0].iter().map(|packet| packet.words.len() as f64 * 4e-6).sum();
    figures.say(&format!("{BODIES} bodies, {megabytes:.2} MB an exchange, {repetitions} repetitions"));
    for scene in &scenes {
        codec(figures, scene, repetitions);
    }
    for scene in &scenes {
        for link in [1e7, 1e8, 3e8, 1e9, 3e9, 1e10] {
            let times: Vec<f64> = (0..repetitions.min(3)).map(|_| decisions(figures, scene, link)).collect();
            let name = format!("codec, {}, time on a link of {:.0} MB/s", scene.name, link * 1e-6);
            figures.alone(&name, "of raw", &times);
        }
    }
}

/// Surfaces of all bodies for all exchanges: positions, then displacements since the exchange before.
fn scene(name: &'static str, moves: impl Fn(usize) -> bool) -> Scene {
    let total = BODIES * BODY_WORDS;
    let mut before = vec![[0f64; 3]; BODIES * NODES];
    let mut packets = Vec::new();
    for exchange in 0..=EXCHANGES {
        let mut words = Vec::with_capacity(total);
        for body in 0..BODIES {
            let time = if moves(body) { 0.4 + exchange as f64 * INTERVAL } else { 0.4 };
            let now: Vec<[f64; 3]> = (0..NODES).map(|node| place(body, node, time)).collect();
            let old = &mut before[body * NODES..][..NODES];
            words.extend(now.iter().flatten().map(|x| (*x as f32).to_bits()));
            let pairs = now.iter().flatten().zip(old.iter().flatten());
            words.extend(pairs.map(|(x, old)| ((x - old) as f32).to_bits()));
            old.copy_from_slice(&now);
        }
        let half = exchange % 2 * total;
        let cut = words.chunks(PACKET_WORDS).enumerate().map(|(i, words)| {
            let piece = Piece { to: (half + i * PACKET_WORDS) as u64, len: words.len() as u32 };
            Packet { piece, words: words.to_vec() }
        });
        // The first has no exchange before it.
        if exchange > 0 {
            packets.push(cut.collect());
        }
    }
    Scene { name, packets }
}

/// Where a node of a falling, turning, trembling body is, m.
fn place(body: usize, node: usize, time: f64) -> [f64; 3] {
    let at = |salt: usize| ((body * 7919 + salt * 104_729) % 1000) as f64 / 1000.0;
    let of = |salt: usize| ((node * 6007 + salt * 7907) % 997) as f64 / 997.0 - 0.5;
    let r = [0.36 * of(1), 0.36 * of(2), 0.36 * of(3)];
    let tremble = 1.0 + 0.02 * ((60.0 + 90.0 * at(4)) * time + 40.0 * of(4)).sin();
    let (sin, cos) = ((2.0 * at(5) - 1.0) * 4.0 * time).sin_cos();
    let drop = 2.0 * (at(6) - 0.5) * time - 4.9 * time * time;
    [
        4.0 * at(1) - 2.0 + at(7) * time + tremble * (cos * r[0] - sin * r[2]),
        3.0 * at(2) + 1.0 + drop + tremble * r[1],
        4.0 * at(3) - 2.0 - at(8) * time + tremble * (sin * r[0] + cos * r[2]),
    ]
}

/// What one repetition gave: CPU seconds of encoding and decoding, and bytes sent over bytes of the words.
struct Turn {
    encode: f64,
    decode: f64,
    share: f64,
}

/// Differences, LZ4 and copying, by turns.
fn codec(figures: Figures, scene: &Scene, repetitions: usize) {
    // Buffers are used again, as in a run.
    let mut payloads = Vec::new();
    let mut alone = Alone::new(scene);
    let (mut differences, mut lz4, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    // In the first turn memory is touched for the first time.
    for turn in 0..=repetitions {
        let three = (differ(scene, &mut payloads), alone.lz4(), alone.copy());
        if turn > 0 {
            differences.push(three.0);
            lz4.push(three.1);
            copies.push(three.2);
        }
    }
    let name = |what: &str| format!("codec, {}, {what}", scene.name);
    let shares = |of: &[Turn]| of.iter().map(|turn| 100.0 * turn.share).collect::<Vec<_>>();
    let pairs = shares(&differences).into_iter().zip(shares(&lz4)).collect::<Vec<_>>();
    figures.paired(&name("bytes of full sync"), "%", &pairs, "LZ4 alone");
    let speeds = |of: &[Turn], seconds: &dyn Fn(&Turn) -> f64| {
        of.iter().map(|turn| alone.bytes as f64 / seconds(turn) * 1e-9).collect::<Vec<_>>()
    };
    let copy = speeds(&copies, &|turn| turn.encode);
    for (what, seconds) in [("encode", (|turn| turn.encode) as fn(&Turn) -> f64), ("decode", |turn| turn.decode)] {
        let ours = speeds(&differences, &seconds);
        for (theirs, peer) in [(&copy, "memcpy"), (&speeds(&lz4, &seconds), "LZ4 alone")] {
            let pairs: Vec<_> = ours.iter().copied().zip(theirs.iter().copied()).collect();
            figures.paired(&name(what), "GB/s", &pairs, peer);
        }
    }
}

/// With fresh baselines, which the first exchanges fill.
fn differ(scene: &Scene, payloads: &mut Vec<Vec<u32>>) -> Turn {
    let all: Vec<&Packet> = scene.packets.iter().flatten().collect();
    let warm = WARM * scene.packets[0].len();
    payloads.resize(all.len(), Vec::new());
    let mut modes = vec![Mode::Raw; all.len()];
    let (mut encoder, mut decoder) = (Encoder::new(BASELINE_WORDS), Decoder::new(BASELINE_WORDS, PACKET_WORDS));
    let mut encode = |range: std::ops::Range<usize>| {
        for i in range {
            let Packet { piece, words } = all[i];
            let wish = if i < warm { Mode::Keep } else { Mode::Delta };
            modes[i] = encoder.encode(wish, SEGMENT, std::iter::once(*piece), words, &mut payloads[i]);
        }
    };
    encode(0..warm);
    let encoded = seconds(|| encode(warm..all.len()));
    let mut decode = |range: std::ops::Range<usize>, check: bool| {
        for i in range {
            let pieces = std::iter::once(all[i].piece);
            let words = decoder.decode(modes[i], SEGMENT, pieces, &payloads[i]).expect("of an encoder");
            assert!(!check || words == all[i].words, "lossless");
            black_box(words);
        }
    };
    decode(0..warm, true);
    let decoded = seconds(|| decode(warm..all.len(), false));
    let raw: usize = all[warm..].iter().map(|packet| packet.words.len()).sum();
    let sent: usize = payloads[warm..].iter().map(Vec::len).sum();
    Turn { encode: encoded, decode: decoded, share: sent as f64 / raw as f64 }
}

/// The words of a scene as they are, to be copied, or compressed without differences.
struct Alone<'a> {
    all: Vec<&'a [u8]>,
    bytes: usize,
    copies: Vec<Vec<u8>>,
    compressed: Vec<Vec<u8>>,
    lengths: Vec<usize>,
}

impl<'a> Alone<'a> {
    fn new(scene: &'a Scene) -> Self {
        let packets = scene.packets[WARM..].iter().flatten();
        let all: Vec<&[u8]> = packets.map(|packet| bytemuck::cast_slice(&packet.words)).collect();
        let room = |of: fn(usize) -> usize| all.iter().map(|bytes| vec![0; of(bytes.len())]).collect();
        let (copies, compressed) = (room(|len| len), room(get_maximum_output_size));
        Alone { bytes: all.iter().map(|bytes| bytes.len()).sum(), lengths: vec![0; all.len()], all, copies, compressed }
    }

    fn lz4(&mut self) -> Turn {
        let encode = seconds(|| {
            for ((from, to), length) in self.all.iter().zip(&mut self.compressed).zip(&mut self.lengths) {
                *length = compress_into(from, to).expect("room for the worst");
            }
        });
        let decode = seconds(|| {
            for ((from, length), to) in self.compressed.iter().zip(&self.lengths).zip(&mut self.copies) {
                decompress_into(&from[..*length], to).expect("of a compressor");
            }
        });
        Turn { encode, decode, share: self.lengths.iter().sum::<usize>() as f64 / self.bytes as f64 }
    }

    fn copy(&mut self) -> Turn {
        let time = seconds(|| {
            for (from, to) in self.all.iter().zip(&mut self.copies) {
                to.copy_from_slice(black_box(from));
            }
        });
        Turn { encode: time, decode: time, share: 1.0 }
    }
}

/// What [`Bypass`] makes of the scene on a link, over many times its exchanges: the modelled time of encoding, sending and
/// decoding over that of sending all as it is.
fn decisions(figures: Figures, scene: &Scene, link: f64) -> f64 {
    const ROUNDS: usize = 30;
    let (mut encoder, mut decoder) = (Encoder::new(BASELINE_WORDS), Decoder::new(BASELINE_WORDS, PACKET_WORDS));
    let mut bypass = Bypass::new(link);
    let (mut modes, mut time, mut raw, mut payload) = ([0u32; 3], 0.0, 0.0, Vec::new());
    // There and back, so that bodies never jump.
    let there = 0..scene.packets.len();
    let order: Vec<usize> = there.clone().chain(there.rev()).collect();
    for exchange in order.iter().cycle().take(ROUNDS * order.len()) {
        for Packet { piece, words } in &scene.packets[*exchange] {
            let pieces = std::iter::once(*piece);
            let (mut wish, mut mode) = (Mode::Raw, Mode::Raw);
            let (raw_bytes, like) = (4 * words.len(), pieces.clone());
            let spent = seconds(|| {
                wish = bypass.plan(SEGMENT, raw_bytes, || encoder.likeness(SEGMENT, like, words));
                mode = encoder.encode(wish, SEGMENT, pieces.clone(), words, &mut payload);
            });
            // The copy that a raw packet needs as well is not the codec's.
            let copy = seconds(|| {
                black_box(black_box(words).clone());
            });
            let encode = if wish == Mode::Raw { 0.0 } else { (spent - copy).max(0.0) };
            let taken = seconds(|| {
                black_box(decoder.decode(mode, SEGMENT, pieces, &payload).expect("of an encoder"));
            });
            let decode = if mode == Mode::Raw { 0.0 } else { taken };
            let sent_bytes = 4 * payload.len();
            bypass.sent(SEGMENT, Sent { wish, raw_bytes, sent_bytes, seconds: encode });
            modes[mode as usize] += 1;
            time += encode + decode + sent_bytes as f64 / link;
            raw += raw_bytes as f64 / link;
        }
    }
    let [as_is, keep, delta] = modes;
    figures.say(&format!("{}: {as_is} packets raw, {keep} kept, {delta} differences", scene.name));
    time / raw
}

/// CPU time of this thread for `work`, s.
fn seconds(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock");
    time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9
}
