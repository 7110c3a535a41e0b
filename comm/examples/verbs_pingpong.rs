//! Latency and bandwidth of RDMA writes with notification between two processes of this machine, a line a size, in the
//! manner of `ib_write_lat` and `ib_write_bw`: latency is half a round trip with both sides polling, bandwidth is one way
//! with a full queue. Run it beside them, with the same sizes and iterations:
//!
//! ```text
//! verbs_pingpong [--json] [-n ITERATIONS] [-a | -s BYTES] [--only pingpong|stream]
//! ib_write_lat -n ITERATIONS -s BYTES      ib_write_bw -n ITERATIONS -s BYTES
//! ```
//!
//! They are not quite alike: a write of the rung notifies, so that its receiver takes a completion and posts receives, as that of
//! `ib_send_lat` does, while `ib_write_lat` looks at memory. The rung has no writes that do not notify.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Figures, Outcome};

use nix::sys::resource::{UsageWho, getrusage};
use rankzero_comm::verbs::{Options, Verbs};
use rankzero_comm::{Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

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

/// What is measured: sizes in bytes, iterations, and how.
struct Plan {
    figures: Figures,
    sizes: Vec<usize>,
    iterations: u64,
    pingpong: bool,
    stream: bool,
}

impl Plan {
    fn from_args() -> Outcome<Plan> {
        let (figures, args) = Figures::from_args();
        let sizes = (3..=23).map(|power| 1 << power).collect();
        let mut plan = Plan { figures, sizes, iterations: 1000, pingpong: true, stream: true };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-n" => plan.iterations = args.next().ok_or("-n needs a number")?.parse()?,
                "-s" => plan.sizes = vec![args.next().ok_or("-s needs bytes")?.parse()?],
                "-a" => {}
                "--only" => match args.next().as_deref() {
                    Some("pingpong") => plan.stream = false,
                    Some("stream") => plan.pingpong = false,
                    _ => return Err("--only needs pingpong or stream".into()),
                },
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
    writeln!(output, "{}", support::hex(&mine))?;
    output.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    side.verbs.connect(side.peer, &support::bytes(&line)?).map_err(|why| why.0)?;
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
        for _ in 0..if plan.pingpong { count } else { 0 } {
            expected += 1;
            side.until_arrived(expected)?;
            while !side.write(bytes)? {
                side.poll()?;
            }
        }
        side.until_arrived(expected + if plan.stream { count } else { 0 })?;
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
    plan.figures.say(&side.verbs.describe(side.peer));
    for &bytes in &plan.sizes {
        let (count, name) = (plan.iterations(bytes), support::size(bytes));
        let mut expected = side.arrived;
        if plan.pingpong {
            let mut halves: Vec<f64> = Vec::new();
            for _ in 0..count {
                let start = Instant::now();
                while !side.write(bytes)? {
                    side.poll()?;
                }
                expected += 1;
                side.until_arrived(expected)?;
                halves.push(start.elapsed().as_secs_f64() * 5e5);
            }
            plan.figures.alone(&format!("verbs, {name}, half round trip"), "us", &halves);
            let least = halves.iter().copied().fold(f64::INFINITY, f64::min);
            plan.figures.alone(&format!("verbs, {name}, least half round trip"), "us", &[least]);
        }
        if plan.stream {
            let (start, before) = (Instant::now(), cpu()?);
            side.stream(bytes, count)?;
            let (took, used) = (start.elapsed(), cpu()? - before);
            let (rate, each) =
                (bytes as f64 * count as f64 / took.as_secs_f64() / 1e6, used.as_secs_f64() / count as f64);
            plan.figures.alone(&format!("verbs, {name}, stream"), "MB/s", &[rate]);
            plan.figures.alone(&format!("verbs, {name}, CPU of a streamed write"), "us", &[each * 1e6]);
        }
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
