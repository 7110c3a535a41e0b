//! `rankzero-sim`: looks for seeds whose runs break an invariant, and replays them.

#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use rankzero_comm::member::Settings;
use rankzero_sim::{Mutation, RunSetup, Setup, run, run_epochs, scale, sweep, sweep_epochs};

/// Simulates runs of many ranks, with faults that a seed decides.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Number of runs
    #[arg(long, default_value_t = 2000)]
    runs: u64,
    /// Seed of the first run
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Ranks of a run, a number or a range
    #[arg(long, default_value = "1-8", value_parser = ranks)]
    ranks: RangeInclusive<u32>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Run the one of --seed alone and print all that happens
    #[arg(long)]
    trace: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measures what the membership costs
    Scale {
        /// Ranks of the run
        #[arg(long, default_value_t = 1024)]
        ranks: u32,
    },
    /// Simulates whole runs: epochs, copies, commit and recovery on top of the membership
    Run {
        /// Number of runs
        #[arg(long, default_value_t = 2000)]
        runs: u64,
        /// Seed of the first run
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Ranks of a run, a number or a range
        #[arg(long, default_value = "2-6", value_parser = ranks)]
        ranks: RangeInclusive<u32>,
        /// Threads
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Run the one of --seed alone and print all that happens
        #[arg(long)]
        trace: bool,
        /// With a mistake on purpose: commit-and-begin, old-half-claimed, no-markers, commit-early or mute-waiting
        #[arg(long, value_parser = mutation)]
        mutation: Option<Mutation>,
    },
}

fn mutation(text: &str) -> Result<Mutation, String> {
    Mutation::ALL.into_iter().find(|mutation| mutation.name() == text).ok_or_else(|| "no such mistake".to_owned())
}

/// Whole runs.
fn runs(setup: &RunSetup, seed: u64, count: u64, jobs: usize) -> ExitCode {
    if setup.traced {
        let result = run_epochs(setup, seed);
        match &result {
            Ok(outcome) => println!("{outcome:?}"),
            Err(failure) => println!("{}", failure.what),
        }
        return if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let begun = Instant::now();
    let (outcome, done, failures) = sweep_epochs(setup, seed, count, jobs, 20);
    let seconds = begun.elapsed().as_secs_f64();
    let mutation = setup.mutation.map_or(String::new(), |mutation| format!(" --mutation {}", mutation.name()));
    for failure in &failures {
        let (least, most) = (setup.ranks.start(), setup.ranks.end());
        println!("seed {}: {}", failure.seed, failure.what);
        println!("  replay: rankzero-sim run --ranks {least}-{most} --seed {}{mutation} --trace", failure.seed);
    }
    let counts: Vec<String> = outcome.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!(
        "{done} runs, {} failures, {:.0} runs a minute; finished {}, without a quorum {}, slowest end {:.1} s after the last fault; {}",
        failures.len(),
        done as f64 / seconds * 60.0,
        outcome.finished,
        outcome.stuck,
        outcome.slowest.as_secs_f64(),
        counts.join(", "),
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn ranks(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let (least, most) = (number(least)?, number(most)?);
    if least == 0 || most < least { Err("at least 1, ascending".to_owned()) } else { Ok(least..=most) }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Some(Command::Scale { ranks }) => {
            println!("{:#?}", scale(ranks, &Settings::default()));
            return ExitCode::SUCCESS;
        }
        Some(Command::Run { runs: count, seed, ranks, jobs, trace, mutation }) => {
            return runs(&RunSetup { ranks, mutation, traced: trace }, seed, count, jobs);
        }
        None => {}
    }
    let setup = Setup { ranks: args.ranks.clone(), traced: args.trace };
    if args.trace {
        let result = run(&setup, args.seed);
        println!("{result:?}");
        return if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let begun = Instant::now();
    let (outcome, failures) = sweep(&setup, args.seed, args.runs, args.jobs);
    let seconds = begun.elapsed().as_secs_f64();
    for failure in failures.iter().take(20) {
        let (least, most) = (args.ranks.start(), args.ranks.end());
        println!("seed {}: {}", failure.seed, failure.what);
        println!("  replay: rankzero-sim --ranks {least}-{most} --seed {} --trace", failure.seed);
    }
    println!(
        "{} runs, {} failures, {:.0} runs a minute; {outcome:?}",
        args.runs,
        failures.len(),
        args.runs as f64 / seconds * 60.0
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
