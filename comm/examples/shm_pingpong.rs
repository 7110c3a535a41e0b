//! What shared memory costs: latency of a small write, bandwidth against `memcpy`, and the time that an idle rank spends looking.
//!
//! `cargo run --release -p rankzero-comm --example shm_pingpong`
//!
//! The program starts itself once more as the peer, on a core of its own. Each line tells the median of the rounds and
//! their spread (10th to 90th percentile). `memcpy` copies the same number of bytes between two plain buffers of this
//! process, in turn with the writes, so that both meet the same machine. Warm: the same range again and again. Cold: ranges
//! that move through 64 MiB, so that the source is out of the inner caches at least. Where other programs run, the ratio of
//! the fastest rounds says most.

use std::error::Error;
use std::io::{BufRead, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rankzero_comm::shm::Shm;
use rankzero_comm::{Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Words of the segments: 64 MiB.
const WORDS: usize = 16 << 20;
/// The peer ends at this notification.
const END: u32 = u32::MAX;
/// Calls of `progress` that an idle rank is measured with.
const IDLE_CALLS: u32 = 1_000_000;

struct Side {
    shm: Shm,
    id: SegmentId,
    other: Rank,
}

impl Side {
    fn new(me: u32, words: usize) -> Outcome<Side> {
        let mut shm = Shm::open(Rank(me), 2)?;
        let segment = Segment::new(words)?;
        // Every page is there before anything is measured.
        segment.words().iter().for_each(|word| word.store(1, std::sync::atomic::Ordering::Relaxed));
        let id = SegmentId::nth(0);
        shm.register(id, &segment)?;
        Ok(Side { shm, id, other: Rank(1 - me) })
    }

    fn post(&mut self, puts: &[Put], notification: u32) -> Outcome {
        let write = Write { source: self.id, target: self.id, puts, notification };
        loop {
            if self.shm.post(self.other, &write)? != Posted::Full {
                return Ok(());
            }
            self.shm.progress(&mut Vec::new())?;
        }
    }

    /// The next notification; none at the end of the connection.
    fn next(&mut self, happened: &mut Vec<Happening>) -> Outcome<Option<u32>> {
        loop {
            self.shm.progress(happened)?;
            for happening in happened.drain(..) {
                match happening {
                    Happening::Arrived { notification, .. } => return Ok(Some(notification)),
                    Happening::Broken { .. } => return Ok(None),
                    _ => {}
                }
            }
            std::hint::spin_loop();
        }
    }
}

fn main() -> Outcome {
    if std::env::args().nth(1).as_deref() == Some("peer") {
        return peer();
    }
    let mut child =
        Command::new(std::env::current_exe()?).arg("peer").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut side = Side::new(0, WORDS)?;
    let offer = side.shm.offer(side.other)?;
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().ok_or("piped")?).read_line(&mut line)?;
    writeln!(child.stdin.as_mut().ok_or("piped")?, "{}", hex(&offer))?;
    side.shm.connect(side.other, &bytes(line.trim())?)?;
    latency(&mut side)?;
    bandwidth(&mut side)?;
    side.post(&[], END)?;
    child.wait()?;
    idle()
}

/// Sends each small write back, and takes large ones in.
fn peer() -> Outcome {
    let mut side = Side::new(1, WORDS)?;
    println!("{}", hex(&side.shm.offer(side.other)?));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    side.shm.connect(side.other, &bytes(line.trim())?)?;
    let mut happened = Vec::new();
    loop {
        match side.next(&mut happened)? {
            None | Some(END) => return Ok(()),
            Some(len) => side.post(&[Put { from: 0, to: 0, len: (len as usize).min(WORDS) }], len)?,
        }
    }
}

/// There and back again, halved.
fn latency(side: &mut Side) -> Outcome {
    println!("one way, half of there and back:");
    let mut happened = Vec::new();
    for len in [0usize, 2, 16, 256, 1024] {
        let calls = 2000;
        let mut rounds = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            for _ in 0..calls {
                side.post(&[Put { from: 0, to: 0, len }], len as u32)?;
                side.next(&mut happened)?;
            }
            rounds.push(start.elapsed().as_secs_f64() / f64::from(calls) / 2.0 * 1e9);
        }
        let [low, median, high] = spread(&mut rounds);
        println!("  {:6} B  {median:7.0} ns  ({low:.0} to {high:.0})", 4 * len);
    }
    Ok(())
}

/// Writes of one side, against `memcpy` of the same bytes.
fn bandwidth(side: &mut Side) -> Outcome {
    println!("bandwidth of writes, and ratio to memcpy of the same size in the same round:");
    let plain = vec![1u32; WORDS];
    let mut copy = vec![1u32; WORDS];
    for warm in [true, false] {
        for len in [1usize << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20] {
            let calls = ((8 << 20) / len).clamp(1, 256);
            let at = |call: usize| if warm { 0 } else { call * len % WORDS };
            let (mut speeds, mut ratios) = (Vec::new(), Vec::new());
            let mut fastest = (Duration::MAX, Duration::MAX);
            // Cold ranges go on from round to round.
            for round in 0..41 {
                let start = Instant::now();
                for call in round * calls..(round + 1) * calls {
                    let (from, to) = (at(call), at(call));
                    write_quietly(side, &[Put { from, to, len }])?;
                }
                let ours = start.elapsed();
                let start = Instant::now();
                for call in round * calls..(round + 1) * calls {
                    let range = at(call)..at(call) + len;
                    copy[range.clone()].copy_from_slice(std::hint::black_box(&plain[range]));
                    std::hint::black_box(&mut copy);
                }
                let theirs = start.elapsed();
                fastest = (fastest.0.min(ours), fastest.1.min(theirs));
                speeds.push((4 * len * calls) as f64 / ours.as_secs_f64() / 1e9);
                ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
            }
            let ([low, median, high], [least, ratio, most]) = (spread(&mut speeds[1..]), spread(&mut ratios[1..]));
            println!(
                "  {} {:5} KiB  {median:5.1} GB/s ({low:.1} to {high:.1})  ratio {ratio:.2} ({least:.2} to {most:.2}), of the fastest {:.2}",
                if warm { "warm" } else { "cold" },
                4 * len / 1024,
                fastest.1.as_secs_f64() / fastest.0.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// A write whose answer is a notification without words, which is taken in at leisure.
fn write_quietly(side: &mut Side, puts: &[Put]) -> Outcome {
    side.post(puts, 0)?;
    side.shm.progress(&mut Vec::new())?;
    Ok(())
}

/// A rank with connected peers that say nothing.
fn idle() -> Outcome {
    for peers in [1u32, 8, 64] {
        let mut hub = Shm::open(Rank(0), peers + 1)?;
        let segment = Segment::new(1)?;
        let id = SegmentId::nth(0);
        hub.register(id, &segment)?;
        let mut others = Vec::new();
        for rank in 1..=peers {
            let mut other = Shm::open(Rank(rank), peers + 1)?;
            other.register(id, &segment)?;
            let (to_other, to_hub) = (hub.offer(Rank(rank))?, other.offer(Rank(0))?);
            hub.connect(Rank(rank), &to_hub)?;
            other.connect(Rank(0), &to_other)?;
            others.push(other);
        }
        let mut happened = Vec::new();
        hub.progress(&mut happened)?;
        happened.clear();
        let mut rounds = Vec::new();
        for _ in 0..11 {
            let start = Instant::now();
            for _ in 0..IDLE_CALLS {
                hub.progress(&mut happened)?;
            }
            rounds.push(start.elapsed().as_secs_f64() / f64::from(IDLE_CALLS) * 1e9);
        }
        let [low, median, high] = spread(&mut rounds);
        println!("idle progress, {peers:2} peers: {median:.1} ns a call ({low:.1} to {high:.1})");
        // As one who sleeps between calls, with the share of an inspection in each: cold caches, and more to do.
        let mut rounds = Vec::new();
        for _ in 0..100 {
            let mut within = Duration::ZERO;
            for _ in 0..16 {
                std::thread::sleep(Duration::from_micros(100));
                let start = Instant::now();
                hub.progress(&mut happened)?;
                within += start.elapsed();
            }
            rounds.push(within.as_secs_f64() / 16.0 * 1e9);
        }
        let [low, median, high] = spread(&mut rounds);
        println!("  between sleeps of 100 us: {median:.0} ns a call ({low:.0} to {high:.0})");
        assert!(happened.is_empty());
    }
    Ok(())
}

/// 10th percentile, median, 90th.
fn spread(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values.len() / 10, values.len() / 2, values.len() * 9 / 10].map(|at| values[at])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Outcome<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| Ok(u8::from_str_radix(std::str::from_utf8(two)?, 16)?)).collect()
}
