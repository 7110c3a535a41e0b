//! What it costs to keep copies, at the defaults: CPU of the steps, bytes of an epoch, memory.

use crate::error::BenchError;
use crate::overhead::program::{Program, Run, Summary, folder};
use crate::report::Report;
use crate::root;

const RANKS: u32 = 8;
const SHORT: [&str; 4] =
    ["time.duration_s=null", "time.steps=120", "output.frames={geometry: none}", "network.result_timeout_ms=60000"];

/// With and without copies by turns.
pub fn measure(program: &Program, repeats: usize, report: &mut Report) -> Result<(), BenchError> {
    let cache = folder()?;
    let job = root().join("jobs/demo.yaml");
    let with = |replicas: u32| {
        let replicas = format!("fault_tolerance.replicas={replicas}");
        let set: Vec<&str> = SHORT.iter().copied().chain([replicas.as_str()]).collect();
        program.run(&Run { job: &job, ranks: RANKS, set: &set, cache: cache.path() })
    };
    let mut pairs = Vec::new();
    for _ in 0..repeats {
        pairs.push((with(1)?, with(0)?));
    }
    let both = |figure: &dyn Fn(&Summary) -> f64| -> Vec<(f64, f64)> {
        pairs.iter().map(|(kept, bare)| (figure(kept), figure(bare))).collect()
    };
    report.paired(
        &format!("{RANKS} ranks, copies each 100 ms, CPU (target 1.03)"),
        "s",
        &both(&|s| s.cpu_steps_s),
        "no copies",
    );
    let resident = |s: &Summary| s.per_rank.iter().map(|rank| rank.resident_bytes as f64).sum::<f64>() / 1e6;
    report.paired(&format!("{RANKS} ranks, resident"), "MB", &both(&resident), "no copies");
    let epochs = |s: &Summary| s.per_rank.iter().map(|rank| rank.epochs).max().unwrap_or(0).max(1) as f64;
    let copied = |s: &Summary| s.per_rank.iter().map(|rank| rank.copied_bytes as f64).sum::<f64>();
    let of = |figure: &dyn Fn(&Summary) -> f64| -> Vec<f64> { pairs.iter().map(|(kept, _)| figure(kept)).collect() };
    report.quantiles(&format!("{RANKS} ranks, epochs"), "", &of(&epochs));
    report.quantiles(&format!("{RANKS} ranks, an epoch, all ranks"), "kB", &of(&|s| copied(s) / epochs(s) / 1e3));
    report.quantiles(
        &format!("{RANKS} ranks, an epoch over the state"),
        "%",
        &of(&|s| 100.0 * copied(s) / epochs(s) / s.state_bytes as f64),
    );
    Ok(())
}
