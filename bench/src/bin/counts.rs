//! Small fixed work, for `bench/counts.sh` to count its instructions, and the comparison with the counts of before.
//!
//! `counts run WORK` does it and prints the name of the instructions that the solver used; `counts check FILE ISA WORK=COUNT…` compares, and
//! `counts update FILE ISA WORK=COUNT…` rewrites the file.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use rankzero_bench::engine::{Engine, Ours, on_threads};
use rankzero_bench::error::BenchError;
use rankzero_bench::world::{World, heap, resting_cubes};
use rankzero_soft::simd::Isa;

/// More than this above the count of before is too much.
const MOST_ABOVE: f64 = 0.03;
/// Further below than this the file is out of date.
const MOST_BELOW: f64 = 0.10;
const SUBSTEPS: u32 = 6;

/// Instructions by work, by instruction set.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", work] => work_of(work).and_then(|(world, steps)| on_threads(1, || count(&world, steps))).map(|()| true),
        ["check", file, isa, counts @ ..] => check(Path::new(file), isa, counts),
        ["update", file, isa, counts @ ..] => update(Path::new(file), isa, counts).map(|()| true),
        _ => Err(BenchError::Usage("see bench/counts.sh".to_owned())),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The scene of a work, and the steps before the counted ones.
fn work_of(name: &str) -> Result<(World, u32), BenchError> {
    match name {
        // As many as the widest registers have lanes, on the floor from the start.
        "cubes" => Ok((resting_cubes(4, false)?, 2)),
        // One on top of the other.
        "contact" => Ok((heap(1, 2)?, 20)),
        _ => Err(BenchError::Usage(format!("`{name}` is none of `cubes` and `contact`"))),
    }
}

fn count(world: &World, warm_up: u32) -> Result<(), BenchError> {
    let mut engine = Ours::of(world, SUBSTEPS)?;
    for _ in 0..warm_up {
        engine.step()?;
    }
    counted_steps(&mut engine)?;
    println!("{}", Isa::best().name());
    Ok(())
}

/// What is counted: the script names this function.
#[inline(never)]
fn counted_steps(engine: &mut Ours) -> Result<(), BenchError> {
    (0..2).try_for_each(|_| engine.step())
}

fn parsed(counts: &[&str]) -> Result<BTreeMap<String, u64>, BenchError> {
    let one = |word: &&str| {
        let (work, count) = word.split_once('=')?;
        Some((work.to_owned(), count.parse().ok()?))
    };
    let wrong = || BenchError::Usage(format!("{counts:?} are no counts"));
    counts.iter().map(one).collect::<Option<_>>().ok_or_else(wrong)
}

fn read(file: &Path) -> Result<Counts, BenchError> {
    let text = fs::read_to_string(file).map_err(BenchError::io("read", file))?;
    let wrong = |error: serde_json::Error| BenchError::Usage(format!("{}: {error}", file.display()));
    serde_json::from_str(&text).map_err(wrong)
}

/// Whether no work takes too many instructions.
fn check(file: &Path, isa: &str, counts: &[&str]) -> Result<bool, BenchError> {
    let known = read(file)?;
    let mut good = true;
    for (work, count) in parsed(counts)? {
        let Some(before) = known.get(isa).and_then(|works| works.get(&work)) else {
            println!("counts: {work}, {isa}: {count}, never counted before; run bench/counts.sh --update");
            good = false;
            continue;
        };
        let change = count as f64 / *before as f64 - 1.0;
        let verdict = match change {
            c if c > MOST_ABOVE => "too many: find out why, or accept them with bench/counts.sh --update",
            c if c < -MOST_BELOW => "fewer: keep them with bench/counts.sh --update",
            _ => "as before",
        };
        println!("counts: {work}, {isa}: {count} instructions, {:+.1} %: {verdict}", 100.0 * change);
        good &= change <= MOST_ABOVE;
    }
    Ok(good)
}

fn update(file: &Path, isa: &str, counts: &[&str]) -> Result<(), BenchError> {
    let mut known = if file.exists() { read(file)? } else { Counts::new() };
    known.insert(isa.to_owned(), parsed(counts)?);
    let text = serde_json::to_string_pretty(&known).unwrap_or_default() + "\n";
    fs::write(file, text).map_err(BenchError::io("write", file))
}
