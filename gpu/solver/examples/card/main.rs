//! What a card can do: whether it has the CPU's bits, and how fast it is. Run by bench/gpu.sh; writes JSON.
//!
//! `card bits [SEEDS]` steps random scenes on the card and on the CPU and compares every word: of bodies by themselves, of crowds that touch, of
//! what is written for others, and of copies that an epoch renews.
//! `card time [BODIES…]` times steps of boxes, by themselves and in pairs that touch, and the ways between card and host.
//! `--kernels DIR` loads kernels that the laboratory compiled (`lab DIR`), for machines without NVRTC.
#![deny(unsafe_code)]

mod bits;
#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(unsafe_code)]
#[path = "../../tests/common/memory.rs"]
mod memory;
mod time;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use rankzero_gpu::cache::Cache;
use rankzero_gpu::{Card, GpuError};
use rankzero_gpu_solver::{Coupled, Kernels};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut kernels = None;
    if let Some(at) = arguments.iter().position(|a| a == "--kernels") {
        let mut taken = arguments.drain(at..(at + 2).min(arguments.len())).skip(1);
        kernels = taken.next().map(PathBuf::from);
    }
    let numbers: Result<Vec<usize>, _> = arguments.iter().skip(1).map(|a| a.parse()).collect();
    let (Some(task), Ok(numbers)) = (arguments.first(), numbers) else {
        eprintln!("usage: card bits [SEEDS] | card time [BODIES…]   [--kernels DIR]");
        return ExitCode::from(2);
    };
    let outcome = open(kernels.as_deref()).and_then(|loaded| match task.as_str() {
        "bits" => bits::all(&loaded, numbers.first().copied().unwrap_or(100)),
        _ => {
            let counts = if numbers.is_empty() { vec![1, 10, 100, 1000, 10_000, 100_000] } else { numbers };
            time::all(&loaded, kernels.as_deref(), &counts)?;
            Ok(true)
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("card: {error}");
            ExitCode::from(3)
        }
    }
}

fn open(compiled: Option<&Path>) -> Result<Arc<Kernels>, GpuError> {
    let card = Card::open(0)?;
    match compiled {
        Some(folder) => Kernels::compiled(&card, folder),
        None => Ok(Kernels::load(&card, &Cache::new(None))?.0),
    }
}

/// All intervals of a step in which only the card's bodies take part.
fn go_through(coupled: &mut Coupled, intervals: u32) -> Result<(), GpuError> {
    (0..intervals).try_for_each(|interval| {
        coupled.contacts(interval, &[], |_, _| ())?;
        coupled.go_on(interval, &[])
    })
}
