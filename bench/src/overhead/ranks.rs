//! What it costs to spread a run: CPU seconds of 8 ranks over those of 1, over each rung that one machine has.

use super::program::{Program, Run, Summary, folder};
use crate::error::BenchError;
use crate::report::Report;
use crate::root;

const REPEATS: usize = 3;
/// The demo until much of it has landed, without files.
const SHORT: [&str; 4] =
    ["time.duration_s=null", "time.steps=90", "output.frames={geometry: none}", "network.result_timeout_ms=60000"];
/// What is asked for. The first is what a user gets who asks for nothing.
const FABRICS: [&str; 4] = ["auto", "shm", "mpi", "tcp"];
/// A rung that carries less than this share of the bytes is not named.
const LITTLE: f64 = 0.01;

/// In turns, each rank of one thread. Target: a ratio of 1.10 at most.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    repeated(program, report, REPEATS)
}

/// The same, so many times.
pub fn repeated(program: &Program, report: &mut Report, repeats: usize) -> Result<(), BenchError> {
    let cache = folder()?;
    let job = root().join("jobs/demo.yaml");
    let on = |ranks, fabric: &str| {
        let fabric = format!("network.fabric={fabric}");
        let set: Vec<&str> = SHORT.iter().copied().chain([fabric.as_str()]).collect();
        program.run(&Run { job: &job, ranks, set: &set, cache: cache.path() })
    };
    let (mut ones, mut eights) = (Vec::new(), FABRICS.map(|_| Vec::new()));
    for _ in 0..repeats {
        for (of_fabric, fabric) in eights.iter_mut().zip(FABRICS) {
            of_fabric.push(on(8, fabric)?);
        }
        ones.push(on(1, "auto")?);
    }
    if let Some((eight, one)) =
        eights.iter().flat_map(|eight| eight.iter().zip(&ones)).find(|(eight, one)| eight.digest != one.digest)
    {
        let what = format!("digest {} on 8 ranks, {} on 1", eight.digest, one.digest);
        return Err(BenchError::Unexpected { command: format!("rankzero launch {}", job.display()), what });
    }
    for (fabric, eight) in FABRICS.iter().zip(&eights) {
        let both = |figure: &dyn Fn(&Summary) -> f64| {
            eight.iter().zip(&ones).map(|(a, b)| (figure(a), figure(b))).collect::<Vec<_>>()
        };
        let name = format!("8 ranks, {fabric}: {}", eight.first().map_or_else(String::new, rungs));
        report.paired(&format!("{name}, CPU (target 1.10)"), "s", &both(&|s| s.cpu_steps_s), "1 rank");
        if *fabric == FABRICS[0] {
            for part in ["solve", "contact", "halo", "wait", "rigid", "output"] {
                let name = format!("{part}_s");
                let seconds = both(&|s| s.time_split.get(&name).copied().unwrap_or(0.0));
                report.paired(&format!("8 ranks, main threads, {part}"), "s", &seconds, "1 rank");
            }
        }
    }
    Ok(())
}

/// The rungs that carried it.
fn rungs(summary: &Summary) -> String {
    let all: u64 = summary.bytes_by_fabric.iter().map(|traffic| traffic.sent_bytes).sum();
    let much = summary.bytes_by_fabric.iter().filter(|traffic| traffic.sent_bytes as f64 >= LITTLE * all as f64);
    let names: Vec<&str> = much.map(|traffic| traffic.fabric.as_str()).collect();
    names.join(" and ")
}
