//! What shared memory costs: latency of a small write, bandwidth against `memcpy`, and the time that an idle rank spends looking.
//!
//! `cargo run --release -p rankzero-comm --example shm_pingpong -- [--json] [ROUNDS]`
//!
//! The program starts itself once more as the peer, on a core of its own. Each line tells the median of the rounds (41) and
//! their spread (10th to 90th percentile). `memcpy` copies the same number of bytes between two plain buffers of this
//! process, in turn with the writes, so that both meet the same machine. Warm: the same range again and again. Cold: ranges
//! that move through 64 MiB, so that the source is out of the inner caches at least. Where other programs run, the ratio of
//! the best rounds says most.

mod support;

use std::io::{BufRead, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Figures, Outcome, bytes, hex, size};

use rankzero_comm::shm::Shm;
use rankzero_comm::{Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

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
    let (figures, arguments) = Figures::from_args();
    let rounds = match arguments.first().map(String::as_str) {
        Some("peer") => return peer(),
        Some(text) => text.parse()?,
        None => 41,
    };
    let mut child =
        Command::new(std::env::current_exe()?).arg("peer").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut side = Side::new(0, WORDS)?;
    let offer = side.shm.offer(side.other)?;
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().ok_or("piped")?).read_line(&mut line)?;
    writeln!(child.stdin.as_mut().ok_or("piped")?, "{}", hex(&offer))?;
    side.shm.connect(side.other, &bytes(&line)?)?;
    latency(&mut side, figures, rounds)?;
    bandwidth(&mut side, figures, rounds)?;
    side.post(&[], END)?;
    child.wait()?;
    idle(figures)
}

/// Sends each small write back, and takes large ones in.
fn peer() -> Outcome {
    let mut side = Side::new(1, WORDS)?;
    println!("{}", hex(&side.shm.offer(side.other)?));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    side.shm.connect(side.other, &bytes(&line)?)?;
    let mut happened = Vec::new();
    loop {
        match side.next(&mut happened)? {
            None | Some(END) => return Ok(()),
            Some(len) => side.post(&[Put { from: 0, to: 0, len: (len as usize).min(WORDS) }], len)?,
        }
    }
}

/// There and back again, halved.
fn latency(side: &mut Side, figures: Figures, rounds: usize) -> Outcome {
    let mut happened = Vec::new();
    for len in [0usize, 2, 16, 256, 1024] {
        let calls = 2000;
        let mut halves = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            for _ in 0..calls {
                side.post(&[Put { from: 0, to: 0, len }], len as u32)?;
                side.next(&mut happened)?;
            }
            halves.push(start.elapsed().as_secs_f64() / f64::from(calls) / 2.0 * 1e9);
        }
        figures.alone(&format!("shm, {}, one way", size(4 * len)), "ns", &halves);
    }
    Ok(())
}

/// Writes of one side, against `memcpy` of the same bytes.
fn bandwidth(side: &mut Side, figures: Figures, rounds: usize) -> Outcome {
    let plain = vec![1u32; WORDS];
    let mut copy = vec![1u32; WORDS];
    for warm in [true, false] {
        for len in [1usize << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 2 << 20] {
            let calls = ((8 << 20) / len).clamp(1, 256);
            let at = |call: usize| if warm { 0 } else { call * len % WORDS };
            let mut pairs = Vec::new();
            // Cold ranges go on from round to round. The first round touches what is touched never again.
            for round in 0..=rounds {
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
                let speed = |time: Duration| (4 * len * calls) as f64 / time.as_secs_f64() / 1e9;
                pairs.push((speed(ours), speed(start.elapsed())));
            }
            let name = format!("shm, {}, {}", size(4 * len), if warm { "warm" } else { "cold" });
            figures.paired(&name, "GB/s", &pairs[1..], "memcpy");
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
fn idle(figures: Figures) -> Outcome {
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
        figures.alone(&format!("shm, {peers} connected, a call that finds nothing"), "ns", &rounds);
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
        figures.alone(&format!("shm, {peers} connected, a call between sleeps"), "ns", &rounds);
        assert!(happened.is_empty());
    }
    Ok(())
}
