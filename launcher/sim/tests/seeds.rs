//! Thousands of runs with faults: no invariant is broken, and each comes to rest if a quorum lives.

use rankzero_sim::{Setup, run, sweep};

#[test]
fn no_fault_breaks_an_invariant_or_keeps_a_run_from_coming_to_rest() {
    let setup = Setup { ranks: 1..=8, traced: false };
    let (outcome, failures) = sweep(&setup, 0, 2000, 2);
    println!("{outcome:?}");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(outcome.changes > 2000 && outcome.settled > 1000 && outcome.stuck > 20 && outcome.admitted > 50);
}

#[test]
fn a_seed_is_repeated_exactly() {
    let setup = Setup { ranks: 3..=8, traced: false };
    for seed in 0..20 {
        let [one, other] = [0; 2].map(|_| run(&setup, seed).map_err(|failure| failure.what));
        assert_eq!(one, other, "seed {seed}");
    }
}
