//! Latency and bandwidth of RDMA writes with notification between two processes of this machine, a line a size, in the
//! manner of `ib_write_lat` and `ib_write_bw`: latency is half a round trip with both sides polling, bandwidth is one way
//! with a full queue. Run it beside them, with the same sizes and iterations:
//!
//! ```text
//! verbs_pingpong [-n ITERATIONS] [-a | -s BYTES]
//! ib_write_lat -n ITERATIONS -s BYTES      ib_write_bw -n ITERATIONS -s BYTES
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rankzero_comm::verbs::{Options, Verbs};
use rankzero_comm::{Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Longest size, in bytes.
const MOST: usize = 8 << 20;

struct Side {
    verbs: Verbs,
    id: SegmentId,
    peer: Rank,
    happenings: Vec<Happening>,
    arrived: u64,
    delivered: u64,
    up: bool,
}

impl Side {
    fn new(me: u32) -> Outcome<Side> {
        let options = Options::from_env().map_err(|why| why.0)?;
        let mut verbs = Verbs::open(Rank(me), 2, options).map_err(|why| why.0)?;
        let segment = Segment::new(2 * MOST / 4)?;
        let id = SegmentId::nth(0);
        verbs.register(id, &segment)?;
        let peer = Rank(1 - me);
        Ok(Side { verbs, id, peer, happenings: Vec::new(), arrived: 0, delivered: 0, up: false })
    }

    fn poll(&mut self) -> Outcome<()> {
        self.verbs.progress(&mut self.happenings)?;
        for happening in self.happenings.drain(..) {
            match happening {
                Happening::Arrived { .. } => self.arrived += 1,
                Happening::Delivered { count, .. } => self.delivered += count,
                Happening::Up { .. } => self.up = true,
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(())
    }

    /// Starts one write; `false` where there is no room.
    fn write(&mut self, bytes: usize) -> Outcome<bool> {
        let put = [Put { from: 0, to: MOST / 4, len: bytes / 4 }];
        let write = Write { source: self.id, target: self.id, puts: &put, notification: 1 };
        Ok(self.verbs.post(self.peer, &write)? != Posted::Full)
    }

    fn until_arrived(&mut self, count: u64) -> Outcome<()> {
        while self.arrived < count {
            self.poll()?;
        }
        Ok(())
    }

    /// Sends `count` writes and waits until they are delivered.
    fn stream(&mut self, bytes: usize, count: u64) -> Outcome<()> {
        let end = self.delivered + count;
        let mut left = count;
        while self.delivered < end {
            while left > 0 && self.write(bytes)? {
                left -= 1;
            }
            self.poll()?;
        }
        Ok(())
    }
}

/// What is measured: sizes in bytes and iterations.
struct Plan {
    sizes: Vec<usize>,
    iterations: u64,
}

impl Plan {
    fn from_args() -> Outcome<Plan> {
        let mut plan = Plan { sizes: (3..=23).map(|power| 1 << power).collect(), iterations: 1000 };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-n" => plan.iterations = args.next().ok_or("-n needs a number")?.parse()?,
                "-s" => plan.sizes = vec![args.next().ok_or("-s needs bytes")?.parse()?],
                "-a" => {}
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        if plan.sizes.iter().any(|size| size % 4 != 0 || *size > MOST || *size == 0) {
            return Err(format!("sizes are multiples of 4 up to {MOST}").into());
        }
        Ok(plan)
    }

    /// Fewer of what takes long: at most 256 MiB a size.
    fn iterations(&self, bytes: usize) -> u64 {
        self.iterations.min(((256 << 20) / bytes) as u64).max(4)
    }
}

fn main() -> Outcome<()> {
    let plan = Plan::from_args()?;
    if std::env::var_os("RANKZERO_PINGPONG_CHILD").is_some() { answer(&plan) } else { measure(&plan) }
}

fn connect(side: &mut Side, mut input: impl BufRead, mut output: impl std::io::Write) -> Outcome<()> {
    let mine = side.verbs.offer(side.peer).map_err(|why| why.0)?;
    writeln!(output, "{}", mine.iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
    output.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.trim();
    let theirs = (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16));
    side.verbs.connect(side.peer, &theirs.collect::<Result<Vec<u8>, _>>()?).map_err(|why| why.0)?;
    while !side.up {
        side.poll()?;
    }
    Ok(())
}

/// The side that answers.
fn answer(plan: &Plan) -> Outcome<()> {
    let mut side = Side::new(1)?;
    connect(&mut side, std::io::stdin().lock(), std::io::stdout())?;
    for &bytes in &plan.sizes {
        let count = plan.iterations(bytes);
        let mut expected = side.arrived;
        for _ in 0..count {
            expected += 1;
            side.until_arrived(expected)?;
            while !side.write(bytes)? {
                side.poll()?;
            }
        }
        side.until_arrived(expected + count)?;
        side.stream(4, 1)?;
    }
    Ok(())
}

/// The side that measures.
fn measure(plan: &Plan) -> Outcome<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .env("RANKZERO_PINGPONG_CHILD", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut side = Side::new(0)?;
    let output = BufReader::new(child.stdout.take().ok_or("no output")?);
    connect(&mut side, output, child.stdin.take().ok_or("no input")?)?;
    println!("{}", side.verbs.describe(side.peer));
    println!("{:>9} {:>7} {:>12} {:>12} {:>12} {:>12}", "bytes", "n", "median us", "p99 us", "MB/s", "cpu us/write");
    for &bytes in &plan.sizes {
        let count = plan.iterations(bytes);
        let mut halves: Vec<f64> = Vec::new();
        let mut expected = side.arrived;
        for _ in 0..count {
            let start = Instant::now();
            while !side.write(bytes)? {
                side.poll()?;
            }
            expected += 1;
            side.until_arrived(expected)?;
            halves.push(start.elapsed().as_secs_f64() * 5e5);
        }
        halves.sort_by(f64::total_cmp);
        let (start, before) = (Instant::now(), cpu()?);
        side.stream(bytes, count)?;
        let (took, used) = (start.elapsed(), cpu()? - before);
        println!(
            "{bytes:>9} {count:>7} {:>12.2} {:>12.2} {:>12.2} {:>12.2}",
            halves[halves.len() / 2],
            halves[halves.len() * 99 / 100],
            bytes as f64 * count as f64 / took.as_secs_f64() / 1e6,
            used.as_secs_f64() * 1e6 / count as f64,
        );
        side.until_arrived(expected + 1)?;
    }
    child.wait()?;
    Ok(())
}

/// Processor time of this process, its part of the kernel included.
fn cpu() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64;
    Ok(Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}
