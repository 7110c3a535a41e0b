//! Bytes, speed and worth of sending differences: `target/release/examples/delta [REPETITIONS]`.
//!
//! Surfaces of bodies that rest, move, or do either, packed as a run packs them. Beside the codec, on the same buffers:
//! copying memory, and LZ4 without differences. Speeds are bytes of words per CPU second of one core: median, and range.

use std::hint::black_box;

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use nix::time::{ClockId, clock_gettime};
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
    let repetitions: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(15);
    let scenes = [scene("resting", |_| false), scene("active", |_| true), scene("mixed", |body| body / 4 % 2 == 0)];
    println!(
        "{BODIES} bodies, {:.2} MB an exchange, {repetitions} repetitions, GB/s",
        megabytes(&scenes[0].packets[0])
    );
    println!("scene    what                bytes of full sync   encode                decode");
    for scene in &scenes {
        differences(scene, repetitions);
        alone(scene, repetitions);
    }
    println!("\nscene    link MB/s   raw keep delta packets   time of encoding, sending and decoding, of raw");
    for scene in &scenes {
        for link in [1e7, 1e8, 3e8, 1e9, 3e9, 1e10] {
            decisions(scene, link);
        }
    }
}

fn megabytes(packets: &[Packet]) -> f64 {
    packets.iter().map(|packet| packet.words.len() as f64 * 4e-6).sum()
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

fn differences(scene: &Scene, repetitions: usize) {
    let all: Vec<&Packet> = scene.packets.iter().flatten().collect();
    let warm = WARM * scene.packets[0].len();
    let mut payloads = vec![Vec::new(); all.len()];
    let mut modes = vec![Mode::Raw; all.len()];
    let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
    for _ in 0..=repetitions {
        let (mut encoder, mut decoder) = (Encoder::new(BASELINE_WORDS), Decoder::new(BASELINE_WORDS, PACKET_WORDS));
        let mut encode = |range: std::ops::Range<usize>| {
            for i in range {
                let Packet { piece, words } = all[i];
                let wish = if i < warm { Mode::Keep } else { Mode::Delta };
                modes[i] = encoder.encode(wish, SEGMENT, std::iter::once(*piece), words, &mut payloads[i]);
            }
        };
        encode(0..warm);
        encoded.push(seconds(|| encode(warm..all.len())));
        let mut decode = |range: std::ops::Range<usize>, check: bool| {
            for i in range {
                let pieces = std::iter::once(all[i].piece);
                let words = decoder.decode(modes[i], SEGMENT, pieces, &payloads[i]).expect("of an encoder");
                assert!(!check || words == all[i].words, "lossless");
                black_box(words);
            }
        };
        decode(0..warm, true);
        decoded.push(seconds(|| decode(warm..all.len(), false)));
    }
    let raw: usize = all[warm..].iter().map(|packet| packet.words.len()).sum();
    let sent: usize = payloads[warm..].iter().map(Vec::len).sum();
    line(scene.name, "differences", sent as f64 / raw as f64, 4 * raw, &mut encoded, &mut decoded);
}

/// Copying, and LZ4 of the words as they are.
fn alone(scene: &Scene, repetitions: usize) {
    let all: Vec<&[u8]> = scene.packets[WARM..].iter().flatten().map(|packet| bytes(&packet.words)).collect();
    let raw: usize = all.iter().map(|bytes| bytes.len()).sum();
    let mut copies: Vec<Vec<u8>> = all.iter().map(|bytes| vec![0; bytes.len()]).collect();
    let mut compressed: Vec<Vec<u8>> = all.iter().map(|bytes| vec![0; get_maximum_output_size(bytes.len())]).collect();
    let mut lengths = vec![0; all.len()];
    let (mut copied, mut back, mut encoded, mut decoded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=repetitions {
        copied.push(seconds(|| {
            for (from, to) in all.iter().zip(&mut copies) {
                to.copy_from_slice(black_box(from));
            }
        }));
        encoded.push(seconds(|| {
            for ((from, to), length) in all.iter().zip(&mut compressed).zip(&mut lengths) {
                *length = compress_into(from, to).expect("room for the worst");
            }
        }));
        decoded.push(seconds(|| {
            for ((from, length), to) in compressed.iter().zip(&lengths).zip(&mut copies) {
                decompress_into(&from[..*length], to).expect("of a compressor");
            }
        }));
        back.push(*copied.last().expect("pushed"));
    }
    line(scene.name, "LZ4 alone", lengths.iter().sum::<usize>() as f64 / raw as f64, raw, &mut encoded, &mut decoded);
    line(scene.name, "copy", 1.0, raw, &mut copied, &mut back);
}

fn bytes(words: &[u32]) -> &[u8] {
    bytemuck::cast_slice(words)
}

fn line(scene: &str, what: &str, share: f64, bytes: usize, encoded: &mut Vec<f64>, decoded: &mut Vec<f64>) {
    let (encode, decode) = (spread(bytes, encoded), spread(bytes, decoded));
    println!("{scene:8} {what:12} {:22.2} %   {encode:20}  {decode}", 100.0 * share);
}

/// Median and range of the speeds but the first, in which memory is touched for the first time.
fn spread(bytes: usize, seconds: &mut Vec<f64>) -> String {
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let speed = |at: usize| bytes as f64 / seconds[at] * 1e-9;
    let last = seconds.len() - 1;
    format!("{:5.2} ({:.2} to {:.2})", speed(last / 2), speed(last), speed(0))
}

/// What [`Bypass`] makes of the scene on a link, over many times its exchanges.
fn decisions(scene: &Scene, link: f64) {
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
    println!("{:8} {:9.0} {as_is:9} {keep:4} {delta:5}   {:23.3}", scene.name, link * 1e-6, time / raw);
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
