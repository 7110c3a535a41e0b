//! Quorums and waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::Rank;
use crate::member::{Doing, Quorum, View, waits};

fn set(ranks: &[u32]) -> BTreeSet<Rank> {
    ranks.iter().copied().map(Rank).collect()
}

#[test]
fn a_quorum_is_the_living_or_a_majority_or_the_half_with_the_master() {
    let view = View::of(View::first(1).term, Rank(2), (0..4).map(Rank));
    let holds = |dead: &[u32], agreeing: &[u32]| Quorum::Sound.holds(&view, &set(dead), &set(agreeing));
    assert!(holds(&[], &[0, 1, 3]), "a majority");
    assert!(holds(&[], &[2, 3]), "half with the master");
    assert!(!holds(&[], &[0, 1]), "half without it");
    assert!(!holds(&[], &[2]));
    assert!(holds(&[0, 1, 2], &[3]), "all that live");
    assert!(!holds(&[0, 2], &[3]), "not all that live, and few");
    assert!(!holds(&[], &[7, 8, 9]), "strangers");
}

fn cut(waits: &[(u32, u32, u32)]) -> Vec<(u32, u32)> {
    let waits: BTreeMap<_, _> = waits.iter().map(|(a, b, ms)| (Rank(*a), (Rank(*b), *ms))).collect();
    let doing = |rank| {
        let waiting = waits.get(&rank).map(|(on, for_ms)| Doing::Waiting { on: *on, for_ms: *for_ms });
        Some(waiting.unwrap_or(Doing::Computing))
    };
    waits::cut(&View::first(6), 100, doing).into_iter().map(|(a, b)| (a.0, b.0)).collect()
}

#[test]
fn a_chain_of_waits_is_nobodys_fault() {
    assert_eq!(cut(&[(0, 1, 200), (1, 2, 200), (2, 3, 200), (4, 3, 200)]), []);
}

#[test]
fn of_a_cycle_of_waits_the_last_member_goes_never_the_master() {
    assert_eq!(cut(&[(0, 1, 200), (1, 0, 200)]), [(1, 0)]);
    assert_eq!(cut(&[(0, 3, 200), (1, 3, 200), (3, 2, 200), (2, 5, 200), (5, 3, 200), (4, 1, 200)]), [(5, 3)]);
    assert_eq!(cut(&[(1, 2, 200), (2, 1, 200), (3, 4, 200), (4, 3, 200)]), [(2, 1), (4, 3)]);
    assert_eq!(cut(&[(0, 0, 200), (1, 1, 200)]), [(1, 1)]);
    assert_eq!(cut(&[(1, 2, 200), (2, 1, 100)]), [], "a wait that is not long yet");
    assert_eq!(cut(&[(1, 9, 200)]), [], "on a stranger");
}
