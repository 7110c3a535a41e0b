//! Ladders of several ranks in one thread, with everything that may happen between them decided by a seed: no write is
//! lost, repeated, reordered or wrong, none completes twice, no pair is stuck, and the best rung serves once all is mended.
//!
//! A failure prints its seed. `RANKZERO_SIM_SEED=n` runs that one alone and tells what happens; `RANKZERO_SIM_SECONDS=n` looks
//! for new ones that long.

mod sim;

use std::time::{Duration, Instant};

use sim::{Choices, Outcome, Setup, World};

/// Says which seed it was, should the run fail.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("replay: RANKZERO_SIM_SEED={seed} cargo test --release -p rankzero-comm --test ladder_sim");
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn run(seed: u64, traced: bool) -> Outcome {
    let seed = Seed(seed);
    let mut choices = Choices::seed(seed.0);
    let setup = Setup { traced, ..Setup::any(&mut choices) };
    if traced {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr);
        log.without_time().with_target(false).with_ansi(false).init();
        eprintln!("{setup:?}");
    }
    World::new(setup, choices).run()
}

#[test]
fn nothing_is_lost_whatever_happens() {
    if let Some(seed) = variable("RANKZERO_SIM_SEED") {
        eprintln!("{:?}", run(seed, true));
        return;
    }
    let (begun, seconds) = (Instant::now(), variable("RANKZERO_SIM_SECONDS"));
    let first = seconds.map_or(0, |_| u64::from(std::process::id()) << 32);
    let mut sum = Outcome::default();
    let mut runs = 0;
    while seconds.map_or(runs < 5000, |seconds| begun.elapsed() < Duration::from_secs(seconds)) {
        let outcome = run(first + runs, false);
        sum.changes += outcome.changes;
        sum.arrivals += outcome.arrivals;
        sum.failures += outcome.failures;
        runs += 1;
    }
    eprintln!("{runs} runs in {:?}: {sum:?}", begun.elapsed());
    assert!(sum.changes > runs && sum.arrivals > 10 * runs, "hardly anything happened: {sum:?}");
}

#[test]
fn a_seed_is_repeated_exactly() {
    for seed in 1..20 {
        let runs = [0; 2].map(|_| format!("{:?}", run(seed, false)));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}
