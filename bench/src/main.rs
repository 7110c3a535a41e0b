//! `make bench`: runs the suites named on the command line, or all of them.
//!
//! `rankzero-bench [overhead] [fabrics] [recovery] [solver] [--quick] [--mesh FILE]`
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use rankzero_bench::allocations::Counting;
use rankzero_bench::error::BenchError;
use rankzero_bench::report::Report;
use rankzero_bench::{fabrics, overhead, recovery, solver, target};

/// Counts what the suites allocate.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    suites: Vec<String>,
    options: solver::Options,
}

fn main() -> ExitCode {
    match wanted().and_then(|wanted| bench(&wanted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted() -> Result<Wanted, BenchError> {
    let mut wanted = Wanted::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "overhead" | "fabrics" | "recovery" | "solver" => wanted.suites.push(word),
            "--quick" => wanted.options.quick = true,
            "--mesh" => {
                let file = words.next().ok_or_else(|| BenchError::Usage("--mesh wants a file".to_owned()))?;
                wanted.options.mesh = Some(PathBuf::from(file));
            }
            _ => {
                let known = "`overhead`, `fabrics`, `recovery`, `solver`, `--quick` and `--mesh FILE`";
                return Err(BenchError::Usage(format!("`{word}` is none of {known}")));
            }
        }
    }
    Ok(wanted)
}

fn bench(wanted: &Wanted) -> Result<(), BenchError> {
    let runs = |suite: &str| wanted.suites.is_empty() || wanted.suites.iter().any(|name| name == suite);
    if runs("overhead") {
        finish(&overhead::measure()?, "overhead.json")?;
    }
    if runs("fabrics") {
        let mut report = Report::default();
        let outcome = fabrics::measure(wanted.options.quick, &mut report);
        finish(&report, "fabrics.json")?;
        outcome?;
    }
    if runs("recovery") {
        let mut report = Report::default();
        let outcome = recovery::measure(wanted.options.quick, &mut report);
        finish(&report, "recovery.json")?;
        outcome?;
    }
    if runs("solver") {
        finish(&solver::measure(&wanted.options)?, "solver.json")?;
    }
    Ok(())
}

fn finish(report: &Report, name: &str) -> Result<(), BenchError> {
    print!("{}", report.table());
    println!("\n{}\n", report.write(&target()?, name)?.display());
    Ok(())
}
