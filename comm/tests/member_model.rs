//! The membership, checked by a model checker: the code that runs, under all orders of messages, losses, deaths, proofs and
//! suspicions, as far as there is time for it.
//!
//! `RANKZERO_MODEL_DEPTH=n` looks n steps deeper where the states are too many for all; `RANKZERO_MODEL_WALKS=n` takes n random
//! walks of each kind, from seed `RANKZERO_MODEL_SEED` on.

mod model;

use std::collections::BTreeMap;
use std::time::Instant;

use model::walk::walk;
use model::{Setup, checks};
use rankzero_comm::member::Quorum;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Looks at all states, or at those to which `depth` steps lead.
fn exhaust(name: &str, setup: Setup, depth: Option<usize>) {
    let begun = Instant::now();
    let deeper = variable("RANKZERO_MODEL_DEPTH").unwrap_or(0) as usize;
    let depth = depth.map_or(1000, |depth| depth + deeper);
    let checker = setup.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).target_max_depth(depth);
    let checker = checker.spawn_bfs().join();
    let (all, unique, reached) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    let whole = if reached < depth { "all of them" } else { "no further" };
    println!("{name}: {all} states, {unique} different, to depth {reached}, {whole}, in {:?}", begun.elapsed());
    for property in checker.model().properties() {
        match property.expectation {
            Expectation::Always => checker.assert_no_discovery(property.name),
            _ if reached < depth => drop(checker.assert_any_discovery(property.name)),
            _ => {}
        }
    }
}

#[test]
fn two_ranks_keep_all_invariants_in_all_states() {
    let setup = Setup { losses: 1, rounds: 4, queued: 4, ..Setup::of(2) };
    exhaust("2 ranks, 1 death, 1 loss, 4 rounds", setup, None);
}

#[test]
fn a_rank_and_a_newcomer_keep_all_invariants_in_all_states() {
    let setup = Setup { newcomers: 1, kills: 1, losses: 1, dismissals: 1, rounds: 3, ..Setup::of(1) };
    exhaust("1 rank and 1 newcomer, 1 death, 1 loss, 1 dismissal, 3 rounds", setup, None);
}

#[test]
fn two_ranks_and_a_newcomer_keep_all_invariants() {
    let setup = Setup { newcomers: 1, kills: 2, asks: false, rounds: 3, ..Setup::of(2) };
    exhaust("2 ranks and 1 newcomer, 2 deaths, 3 rounds, all agree to ask", setup, Some(14));
}

#[test]
fn three_ranks_keep_all_invariants() {
    let setup = Setup { kills: 2, ..Setup::of(3) };
    exhaust("3 ranks, 2 deaths, 2 rounds", setup, Some(14));
    let setup = Setup { asks: false, ..Setup::of(3) };
    exhaust("3 ranks, 1 death, 2 rounds, all agree to ask", setup, Some(14));
}

fn walks(name: &str, setup: Setup) {
    let begun = Instant::now();
    let first = variable("RANKZERO_MODEL_SEED").unwrap_or(0);
    let count = variable("RANKZERO_MODEL_WALKS").unwrap_or(2000);
    let mut seen: BTreeMap<_, u64> = BTreeMap::new();
    let mut states = 0;
    for seed in first..first + count {
        let walk = walk(&setup, seed, 400);
        states += walk.steps.len();
        assert!(walk.broken.is_none(), "{setup:?}, RANKZERO_MODEL_SEED={seed}: {walk}");
        walk.seen.into_iter().for_each(|name| *seen.entry(name).or_default() += 1);
    }
    println!("{name}: {count} walks, {states} states in {:?}: {seen:?}", begun.elapsed());
}

#[test]
fn more_ranks_keep_all_invariants_on_random_walks() {
    let setup = |members| Setup { kills: members - 1, losses: 3, rounds: 12, queued: 12, ..Setup::of(members) };
    for members in 2..6 {
        walks(&format!("{members} ranks"), setup(members));
    }
    for members in 1..4 {
        let setup = Setup { newcomers: 2, dismissals: 1, kills: members, ..setup(members) };
        walks(&format!("{members} ranks and 2 newcomers"), setup);
    }
}

#[test]
fn a_majority_of_the_living_would_let_two_runs_go_on() {
    let setup = Setup { rule: Quorum::OfTheLiving, rounds: 6, queued: 8, ..Setup::of(3) };
    let found = (0..100_000).map(|seed| (seed, walk(&setup, seed, 100))).find(|(_, walk)| walk.broken.is_some());
    let (seed, walk) = found.expect("a counterexample");
    println!("seed {seed}: {walk}");
    assert!(!checks::is_chain(&walk.last));
}
