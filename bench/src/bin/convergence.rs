//! `make convergence`: measures how fast errors fall with substeps and cells, draws `docs/images/convergence.svg` and prints the tables of
//! `docs/convergence.md`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use rankzero_bench::{convergence, root};

fn main() -> ExitCode {
    let plot = root().join("docs/images/convergence.svg");
    match convergence::measure(&plot) {
        Ok(tables) => {
            print!("{tables}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
