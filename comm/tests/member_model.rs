//! The membership, checked by a model checker: the code that runs, under all orders of messages, losses, deaths, proofs and
//! suspicions, as far as there is time for it.

mod model;

use std::time::Instant;

use model::walk::walk;
use model::{Setup, checks};
use rankzero_comm::member::Quorum;
use stateright::{Checker, HasDiscoveries, Model};

/// Looks at all states that `depth` steps lead to.
fn exhaust(name: &str, setup: Setup, depth: usize) {
    let begun = Instant::now();
    let checker = setup.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).target_max_depth(depth);
    let checker = checker.spawn_bfs().join();
    let (all, unique, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    println!("{name}: {all} states, {unique} of them different, to depth {depth} in {:?}", begun.elapsed());
    for (property, path) in checker.discoveries() {
        println!("  {property}: {} steps", path.into_actions().len());
    }
    checker.assert_properties();
}

fn walks(name: &str, setup: Setup, first: u64, count: u64) {
    let begun = Instant::now();
    let mut seen = std::collections::BTreeMap::new();
    let mut states = 0;
    for seed in first..first + count {
        let walk = walk(&setup, seed, 400);
        states += walk.steps.len();
        assert!(walk.broken.is_none(), "{setup:?}, seed {seed}: {walk}");
        walk.seen.into_iter().for_each(|name| *seen.entry(name).or_insert(0) += 1);
    }
    println!("{name}: {count} walks, {states} states in {:?}: {seen:?}", begun.elapsed());
    assert_eq!(seen.len(), 3);
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn three_ranks_keep_all_invariants() {
    let depth = number("DEPTH", 9);
    let setup = Setup {
        kills: number("KILLS", 1) as u32,
        rounds: number("ROUNDS", 2) as u32,
        queued: number("QUEUED", 3),
        ..Setup::of(number("RANKS", 3) as u32)
    };
    exhaust("3 ranks", setup, depth);
}

#[test]
fn more_ranks_keep_all_invariants_on_random_walks() {
    let count = number("WALKS", 2000) as u64;
    let setup = |members| Setup { kills: members - 1, losses: 3, rounds: 12, queued: 12, ..Setup::of(members) };
    let first = number("FIRST", 0) as u64;
    for members in 2..6 {
        walks(&format!("{members} ranks"), setup(members), first, count);
    }
    walks("2 ranks and 2 newcomers", Setup { newcomers: 2, dismissals: 1, kills: 3, ..setup(2) }, first, count);
    walks("3 ranks and 2 newcomers", Setup { newcomers: 2, dismissals: 1, kills: 3, ..setup(3) }, first, count);
}

#[test]
fn a_majority_of_the_living_would_let_two_runs_go_on() {
    let setup = Setup { rule: Quorum::OfTheLiving, rounds: 6, queued: 8, ..Setup::of(3) };
    let found = (0..1_000_000).map(|seed| (seed, walk(&setup, seed, 100))).find(|(_, walk)| walk.broken.is_some());
    let (seed, walk) = found.expect("a counterexample");
    println!("seed {seed}: {walk}");
    assert!(!checks::is_chain(&walk.last));
}
