//! Compiles every kernel for every architecture that it is written for, with this machine's NVRTC, and looks at what came out.
//!
//! No GPU is needed. `make lab-gpu` fetches an NVRTC and runs this; the last line is "N passed, N failed". With a folder as argument, the
//! machine code goes there, as `UNIT.sm_XY`, for machines that have no NVRTC.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rankzero_gpu::GpuError;
use rankzero_gpu::compile::{Capability, Compiled, Target, Unit, compile};
use rankzero_gpu_solver::{HEADERS, Source, UNITS};

/// Ampere, Hopper, Blackwell.
const TARGETS: [Target; 3] =
    [Target::Machine(Capability(8, 0)), Target::Machine(Capability(9, 0)), Target::Machine(Capability(10, 0))];

/// Registers of a thread, at most: with these a multiprocessor's 65536 serve two of the largest blocks.
const REGISTERS_MAX: u32 = 128;

/// Every explicit fused multiply-add as two operations: what is fused then, the compiler has contracted by itself.
const NOTHING_FUSED: &str = "-Dfmaf(a,b,c)=((a)*(b)+(c))";

#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    fn count(&mut self, what: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(words) => {
                self.passed += 1;
                println!("PASS {what}: {words}");
            }
            Err(words) => {
                self.failed += 1;
                println!("FAIL {what}: {words}");
            }
        }
    }
}

fn main() -> ExitCode {
    let headers: Vec<(&str, &str)> = HEADERS.iter().map(|h| (h.name, h.text)).collect();
    let mut tally = Tally::default();
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    for (Source { name, text }, kernels) in UNITS {
        let unit = Unit { name, text, headers: &headers };
        for target in TARGETS {
            let what = format!("{name} for {target}");
            tally.count(&what, lawful(&unit, target, kernels, folder.as_deref()));
            tally.count(&format!("{what}, nothing contracted"), uncontracted(&unit, target));
        }
    }
    let (Source { name, text }, _) = UNITS[0];
    let unit = Unit { name, text, headers: &headers };
    tally.count("contraction is noticed", contraction_shows(&unit));
    tally.count("approximation is noticed", approximation_shows(&unit));
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn words(error: GpuError) -> String {
    error.to_string()
}

/// The law is kept, all kernels are there, and they fit.
fn lawful(unit: &Unit<'_>, target: Target, kernels: &[&str], folder: Option<&Path>) -> Result<String, String> {
    let Compiled { census, usage, image, .. } = compile(unit, target, &[]).map_err(words)?;
    let mut found: Vec<&str> = usage.iter().map(|usage| usage.kernel.as_str()).collect();
    let mut listed = kernels.to_vec();
    found.sort_unstable();
    listed.sort_unstable();
    if found != listed || census.kernels != kernels.len() {
        return Err(format!("kernels {found:?}, not {listed:?}"));
    }
    let bad = usage.iter().find(|u| u.spilled > 0 || u.stack > 0 || u.registers > REGISTERS_MAX || u.registers == 0);
    if let Some(usage) = bad {
        return Err(format!("{usage:?}, where at most {REGISTERS_MAX} registers are wanted and no local memory"));
    }
    if let Some(folder) = folder {
        let file = folder.join(format!("{}.{target}", unit.name));
        std::fs::write(&file, &image).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let usage: Vec<String> = usage.iter().map(|u| format!("{} {} registers", u.kernel, u.registers)).collect();
    let (fused, divisions, barriers) = (census.fused, census.divisions, census.barriers);
    Ok(format!("{}; {fused} fused, {divisions} divided, {barriers} barriers; {} bytes", usage.join(", "), image.len()))
}

/// Where the source fuses nothing, nothing is fused.
fn uncontracted(unit: &Unit<'_>, target: Target) -> Result<String, String> {
    match compile(unit, target, &[NOTHING_FUSED]).map_err(words)?.census.fused {
        0 => Ok("no fused operation without fmaf".into()),
        fused => Err(format!("{fused} fused operations that the source does not ask for")),
    }
}

/// The check above can fail: told to contract, the compiler does.
fn contraction_shows(unit: &Unit<'_>) -> Result<String, String> {
    match compile(unit, TARGETS[1], &[NOTHING_FUSED, "--fmad=true"]) {
        Ok(compiled) if compiled.census.fused > 0 => Ok(format!("{} with --fmad=true", compiled.census.fused)),
        // Older compilers leave contraction to the assembler, which the law's keeper sees.
        Err(GpuError::Unlawful { breach, .. }) => Ok(breach.to_string()),
        Ok(_) => Err("with --fmad=true nothing is fused".into()),
        Err(error) => Err(words(error)),
    }
}

/// The law's keeper can fail: told to be fast, the compiler approximates.
fn approximation_shows(unit: &Unit<'_>) -> Result<String, String> {
    match compile(unit, TARGETS[1], &["--prec-div=false"]) {
        Err(GpuError::Unlawful { breach, .. }) => Ok(breach.to_string()),
        Ok(_) => Err("with --prec-div=false the law is kept".into()),
        Err(error) => Err(words(error)),
    }
}
