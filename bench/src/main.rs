//! `make bench`: what rankzero costs beyond the simulation itself, measured on this machine in one go.
//!
//! Every measure runs the built program on a small job, several times, and takes its figures from `summary.json`. What is
//! compared is measured in turns, so that a machine that gets slower or faster meanwhile does so for both. Result:
//! a table, and `target/bench/overhead.json` with the same rows ([`report`]).
#![forbid(unsafe_code)]

mod error;
mod measure;
mod program;
mod report;
mod stats;

use error::BenchError;
use program::Program;
use report::Report;

fn main() -> std::process::ExitCode {
    match bench() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), BenchError> {
    let program = Program::find()?;
    let mut report = Report::default();
    for (what, measure) in measure::ALL {
        eprintln!("measuring {what}");
        measure(&program, &mut report)?;
    }
    print!("{}", report.table());
    let file = report.write(program.target())?;
    println!("\n{}", file.display());
    Ok(())
}
