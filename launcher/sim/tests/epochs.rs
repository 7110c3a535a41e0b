//! Thousands of whole runs with faults: every state is right, no committed epoch is lost, and each run comes to its end.

use rankzero_sim::{Mutation, RunSetup, run_epochs, sweep_epochs};

fn setup(mutation: Option<Mutation>) -> RunSetup {
    RunSetup { ranks: 2..=6, mutation, traced: false }
}

#[test]
fn no_fault_changes_the_result_or_loses_a_committed_epoch() {
    let (outcome, runs, failures) = sweep_epochs(&setup(None), 0, 2000, 2, 10);
    println!("{runs} runs: {outcome:?}");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(outcome.finished > 1000 && outcome.stuck > 20);
    for what in ["commits", "recoveries", "ends at a point", "loads", "moves", "checkpoints torn", "writes failed"] {
        assert!(outcome.counts.get(what).is_some_and(|count| *count > 2), "{what}: {outcome:?}");
    }
}

#[test]
fn mistakes_on_purpose_are_found() {
    // That of who waits in silence takes tens of thousands of runs.
    for mutation in Mutation::ALL.into_iter().filter(|mutation| *mutation != Mutation::MuteWaiting) {
        let (_, runs, failures) = sweep_epochs(&setup(Some(mutation)), 0, 3000, 2, 1);
        println!("{}: found in {runs} runs", mutation.name());
        assert!(!failures.is_empty(), "{mutation:?} was not found in {runs} runs");
    }
}

#[test]
fn a_run_is_repeated_exactly() {
    for seed in 0..20 {
        let [one, other] = [0; 2].map(|_| run_epochs(&setup(None), seed).map_err(|failure| failure.what));
        assert_eq!(one, other, "seed {seed}");
    }
}
