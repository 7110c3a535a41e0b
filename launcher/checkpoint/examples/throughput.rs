//! How fast checkpoints are written and read, beside a plain write and fsync, and a plain read, of the same bytes.
//!
//! `cargo run --release -p rankzero-checkpoint --example throughput -- DIR [MIB [ROUNDS]]`, where DIR is on the disk in question.
//! Each round does both, in turns first and second, so that what else the disk does meets both alike. Reads come from the page
//! cache. `ratio` is time for the checkpoint over time for the plain file in the same round: median, least and most; first by the
//! clock, then in CPU time, which is what a writer takes from the solver.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rankzero_checkpoint::{Manifest, Store, body_hash};

/// Words of a body: a small one, a middling one, a large one.
const BODIES: [usize; 3] = [400, 8_000, 300_000];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("name a directory on the disk that is to be measured")?);
    let mib: usize = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let place = dir.join(format!("rankzero-throughput-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let result = BODIES.iter().try_for_each(|words| measure(&place, mib, *words, rounds));
    fs::remove_dir_all(&place)?;
    result
}

fn measure(place: &Path, mib: usize, words: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let count = (mib << 18) / words;
    let all: Vec<u32> = (0..words * count).map(|i| (i as u32).wrapping_mul(0x9e37_79b9) ^ (i as u32 >> 7)).collect();
    let bodies: Vec<(u32, &[u32])> = (0..).zip(all.chunks_exact(words)).collect();
    let bytes: &[u8] = bytemuck::cast_slice(&all);
    let store = Store::open(place.join("checkpoints"));
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let step = round as u64;
        let plain = || timed(|| plain_write(place, bytes));
        let ours = || {
            timed(|| {
                let part = store.write_part(step, 0, &bodies)?;
                Ok(store.commit(&Manifest::of_parts(step, vec![part]))?)
            })
        };
        writes.push(in_turns(round, plain, ours)?);
        let mut buffer = Vec::with_capacity(bytes.len());
        let plain = || {
            timed(|| {
                File::open(place.join("plain"))?.read_to_end(&mut buffer)?;
                Ok(())
            })
        };
        // What a restore does: every body is copied to its place.
        let mut state = vec![0u32; all.len()];
        let ours = || {
            timed(|| {
                let show = |id: u32, body: &[u32]| state[id as usize * words..][..words].copy_from_slice(body);
                Ok(store.load(step)?.for_each(0..count as u32, show)?)
            })
        };
        reads.push(in_turns(round, plain, ours)?);
        assert!(state == all, "what is read is what was written");
        store.remove(step)?;
        fs::remove_file(place.join("plain"))?;
    }
    let hash = timed(|| {
        bodies.iter().for_each(|(_, body)| {
            std::hint::black_box(body_hash(body));
        });
        Ok(())
    })?;
    let rate = bytes.len() as f64 / hash[1] / 1e6;
    println!("{count} bodies of {words} words, {} MB; hashing alone {rate:.0} MB/s", bytes.len() / 1_000_000);
    report("write", bytes.len(), &writes);
    report("read", bytes.len(), &reads);
    Ok(())
}

fn plain_write(place: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(place.join("plain"))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(File::open(place)?.sync_all()?)
}

/// Seconds by the clock, and of the CPU.
type Time = [f64; 2];

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Time, Box<dyn Error>> {
    let (cpu, start) = (cpu_s()?, Instant::now());
    work()?;
    Ok([start.elapsed().as_secs_f64(), cpu_s()? - cpu])
}

fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Times of the plain one and of ours, the one first in even rounds, the other in odd ones.
fn in_turns<E>(
    round: usize,
    plain: impl FnOnce() -> Result<Time, E>,
    ours: impl FnOnce() -> Result<Time, E>,
) -> Result<[Time; 2], E> {
    if round.is_multiple_of(2) {
        let plain = plain()?;
        return Ok([plain, ours()?]);
    }
    let ours = ours()?;
    Ok([plain()?, ours])
}

fn report(what: &str, bytes: usize, times: &[[Time; 2]]) {
    for (clock, name) in ["clock", "CPU"].iter().enumerate() {
        let sorted = |of: &dyn Fn(&[Time; 2]) -> f64| {
            let mut values: Vec<f64> = times.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let rate = |which: usize| bytes as f64 / sorted(&|t| t[which][clock])[times.len() / 2] / 1e6;
        let ratio = sorted(&|t| t[1][clock] / t[0][clock]);
        println!(
            "  {what:5} {name:5}  plain {:6.0} MB/s   checkpoint {:6.0} MB/s   ratio {:.2} ({:.2} to {:.2})",
            rate(0),
            rate(1),
            ratio[times.len() / 2],
            ratio[0],
            ratio[times.len() - 1]
        );
    }
}
