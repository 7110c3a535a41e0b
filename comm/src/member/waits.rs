//! Who waits for whom, and who must go so that the others get on.

use std::collections::BTreeSet;

use super::{Doing, View};
use crate::Rank;

/// Where nobody gets on, as all wait for each other: who is to be left out, and for whom that one waits.
///
/// `doing` tells what a member does, `for_ms` is the time that a wait must have lasted. A chain of waits that ends with a
/// rank that computes is nobody's fault here: that rank is slow, or hung, which its steps tell. Of a cycle the member of the
/// highest position goes, never the master.
pub fn cut(view: &View, for_ms: u32, doing: impl Fn(Rank) -> Option<Doing>) -> Vec<(Rank, Rank)> {
    let next = |rank: Rank| match doing(rank) {
        Some(Doing::Waiting { on, for_ms: waited }) if waited > for_ms && view.contains(on) => Some(on),
        _ => None,
    };
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for &start in &view.members {
        let mut path = Vec::new();
        let mut at = start;
        while seen.insert(at) {
            path.push(at);
            match next(at) {
                Some(on) => at = on,
                None => break,
            }
        }
        // A walk ends where nobody is waited for, where an earlier one has been, or where it has been itself: a cycle.
        let Some(begin) = path.iter().position(|rank| *rank == at).filter(|_| next(at).is_some()) else { continue };
        let last = path[begin..].iter().copied().max_by_key(|rank| view.position(*rank));
        let out = last.filter(|rank| *rank != view.master());
        found.extend(out.and_then(|rank| next(rank).map(|on| (rank, on))));
    }
    found
}
