//! Latency, bandwidth and CPU time of the MPI rung, pairs of ranks (0,1), (2,3), … at once:
//! `mpirun -n 2 target/release/examples/pingpong [--json] [own|shared [PACKET_WORDS]] [brief|steps]`. `make bench SUITE=fabrics`
//! runs it beside a plain MPI ping-pong of the same sizes; `brief` leaves the simulated steps out, `steps` all else.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{Figures, Outcome};

use rankzero_comm::mpi::Patience;
use rankzero_comm::world::{self, Options, WorldFabric};
use rankzero_comm::{Bootstrap, Endpoint, Event, Fabric, Limits, Put, Rank, Segment, SegmentId, Write};

/// Batches of exchanges of a size: the median tells of the machine as it is, the least of one that nobody else uses.
const BATCHES: usize = 50;
/// Bytes of a message, and exchanges with two ranks.
const SIZES: [(usize, u32); 6] = [(8, 5000), (1024, 5000), (4096, 5000), (65_536, 2000), (1 << 20, 200), (8 << 20, 50)];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn main() -> Outcome<()> {
    let (figures, arguments) = Figures::from_args();
    let asked = |word: &str| arguments.iter().any(|argument| argument == word);
    let patience = patience(arguments.first().map_or("own", String::as_str))?;
    let mut limits = Limits::default();
    if let Some(words) = arguments.get(1).and_then(|text| text.parse().ok()) {
        limits.packet_words = words;
    }
    let mut fabric = world::start(&Options { limits, patience, newcomers: 0 }, soon())?;
    let segment = Segment::new(4 << 20)?;
    let id = fabric.register(Arc::clone(&segment))?;
    fabric.open(soon())?;
    segment.store(0, &vec![1; 4 << 20]);
    let partner = Rank(fabric.rank().0 ^ 1);
    let sizes = if asked("steps") { &[][..] } else { &SIZES[..] };
    for &(bytes, exchanges) in sizes {
        let exchanges = if fabric.size() > 2 { exchanges / 20 } else { exchanges };
        fabric.barrier(soon())?;
        rounds(&mut fabric, partner, id, bytes / 4, exchanges / 10)?;
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let mut halves = [0.0; BATCHES];
        for half in &mut halves {
            let (begun, exchanges) = (Instant::now(), (exchanges / BATCHES as u32).max(1));
            rounds(&mut fabric, partner, id, bytes / 4, exchanges)?;
            *half = begun.elapsed().as_secs_f64() / f64::from(exchanges) / 2.0 * 1e6;
        }
        let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        // Whoever has posted its last write must go on to poll, or the partner waits for it.
        fabric.barrier(soon())?;
        if fabric.rank() == Rank(0) {
            figures.alone(&format!("mpi, {}, half round trip", support::size(bytes)), "us", &halves);
            figures.say(&format!("    cpu/wall {:.2}", cpu / wall));
        }
    }
    if asked("brief") {
        return Ok(world::shutdown(fabric, true, soon())?);
    }
    steps(&mut fabric, id)?;
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    fabric.poll(Instant::now() + Duration::from_secs(1), &mut Vec::new())?;
    if fabric.rank() == Rank(0) {
        let share = (cpu_seconds() - cpu) / begun.elapsed().as_secs_f64();
        println!("waiting for nothing: cpu/wall {share:.3}");
    }
    world::shutdown(fabric, true, soon())?;
    Ok(())
}

fn rounds(fabric: &mut WorldFabric, partner: Rank, id: SegmentId, words: usize, exchanges: u32) -> Outcome<()> {
    let first = fabric.rank() < partner;
    let puts = [Put { from: 0, to: 0, len: words }];
    let mut events = Vec::new();
    let deadline = soon();
    for number in 0..exchanges {
        let write = Write { source: id, target: id, puts: &puts, notification: number };
        if first {
            fabric.write_notify(partner, &write)?;
        }
        while !events.iter().any(|event| matches!(event, Event::Arrived { .. })) {
            events.clear();
            fabric.poll(deadline, &mut events)?;
            if events.is_empty() {
                return Err(format!("{partner} did not answer").into());
            }
        }
        events.clear();
        if !first {
            fabric.write_notify(partner, &write)?;
        }
    }
    Ok(())
}

/// Steps of a simulation: every rank computes for some 2 ms, by turns more and less, and exchanges 16 KiB
/// with both neighbours. What counts is the CPU time beyond the computing.
fn steps(fabric: &mut WorldFabric, id: SegmentId) -> Outcome<()> {
    const STEPS: u32 = 300;
    let (me, size) = (fabric.rank().0, fabric.size());
    let (mut events, mut arrived) = (Vec::new(), 0);
    let before = cpu_seconds();
    (0..STEPS).for_each(|step| compute(me + step));
    let computed = cpu_seconds() - before;
    fabric.barrier(soon())?;
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    for step in 0..STEPS {
        let puts = [Put { from: 0, to: 0, len: 4096 }];
        for peer in [Rank((me + 1) % size), Rank((me + size - 1) % size)] {
            let write = Write { source: id, target: id, puts: &puts, notification: step };
            fabric.write_notify_by(peer, &write, soon(), &mut events)?;
        }
        compute(me + step);
        let deadline = soon();
        while arrived < 2 * (step + 1) && Instant::now() < deadline {
            fabric.poll(deadline, &mut events)?;
            arrived += events.drain(..).filter(|event| matches!(event, Event::Arrived { .. })).count() as u32;
        }
    }
    fabric.barrier(soon())?;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let mine = [cpu.to_le_bytes(), computed.to_le_bytes()].concat();
    let sums = fabric.all_gather(&mine, soon())?.iter().fold([0.0, 0.0], |sums, bytes| {
        let (numbers, _) = bytes.as_chunks::<8>();
        [sums[0] + f64::from_le_bytes(numbers[0]), sums[1] + f64::from_le_bytes(numbers[1])]
    });
    if me == 0 {
        let [cpu, computed] = sums;
        println!(
            "steps: wall {wall:.3} s  cpu {cpu:.3} s  computing alone {computed:.3} s  ratio {:.3}",
            cpu / computed
        );
    }
    Ok(())
}

/// One, two or three milliseconds of work, by `turn`.
fn compute(turn: u32) {
    let mut value = std::hint::black_box(2.0f64);
    for _ in 0..800_000 * (1 + turn % 3) {
        value = value.mul_add(0.999_999, 1e-6);
    }
    std::hint::black_box(value);
}

/// `own`, `shared`, or `SPINS,YIELDS,SLEEP_MIN_US,SLEEP_MAX_US,TRANSFER_SLEEP_MAX_US`.
fn patience(text: &str) -> Outcome<Patience> {
    match text {
        "own" => return Ok(Patience::OWN_CORE),
        "shared" => return Ok(Patience::SHARED_CORE),
        _ => {}
    }
    let numbers = text.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    let &[spins, yields, min, max, transfer] = &numbers[..] else { return Err("five numbers are needed".into()) };
    let us = |us: u32| Duration::from_micros(u64::from(us));
    Ok(Patience { spins, yields, sleep_min: us(min), sleep_max: us(max), transfer_sleep_max: us(transfer) })
}

/// CPU time of this process, in seconds, at the kernel's clock tick.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1e-9
}
