//! What it costs to spread a run: CPU seconds of 8 ranks over those of 1.

use super::program::{Program, Run, Summary, folder};
use crate::error::BenchError;
use crate::report::Report;
use crate::root;

const REPEATS: usize = 3;
/// The demo until much of it has landed, without files.
const SHORT: [&str; 4] =
    ["time.duration_s=null", "time.steps=90", "output.frames={geometry: none}", "network.result_timeout_ms=60000"];

/// In turns, each rank of one thread. Target: a ratio of 1.10 at most.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let cache = folder()?;
    let job = root().join("jobs/demo.yaml");
    let on = |ranks| program.run(&Run { job: &job, ranks, set: &SHORT, cache: cache.path() });
    let mut pairs: Vec<(Summary, Summary)> = Vec::new();
    for _ in 0..REPEATS {
        pairs.push((on(8)?, on(1)?));
    }
    if let Some((eight, one)) = pairs.iter().find(|(eight, one)| eight.digest != one.digest) {
        let what = format!("digest {} on 8 ranks, {} on 1", eight.digest, one.digest);
        return Err(BenchError::Unexpected { command: format!("rankzero launch {}", job.display()), what });
    }
    let both = |figure: &dyn Fn(&Summary) -> f64| pairs.iter().map(|(a, b)| (figure(a), figure(b))).collect::<Vec<_>>();
    report.paired("8 ranks, CPU (target 1.10)", "s", &both(&|s| s.cpu_steps_s), "1 rank");
    for part in ["solve", "contact", "halo", "wait", "rigid", "output"] {
        let name = format!("{part}_s");
        let seconds = both(&|s| s.time_split.get(&name).copied().unwrap_or(0.0));
        report.paired(&format!("8 ranks, main threads, {part}"), "s", &seconds, "1 rank");
    }
    Ok(())
}
