//! Whether ranks of different nodes reach each other by RDMA: a fallback that nobody overlooks.

use std::collections::BTreeMap;

use rankzero_comm::Rung;
use serde::{Deserialize, Serialize};

use super::paths::Way;

/// The pairs of ranks on different nodes, as far as one rank or several know them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// All of them.
    pairs: usize,
    /// Those that RDMA does not serve, by the rung that does.
    slower: BTreeMap<String, usize>,
    /// Why not RDMA, for the first of them.
    why: Option<String>,
}

impl Crossing {
    /// The pairs of rank `me` with ranks above it; `hosts` by rank.
    pub fn of(me: u32, ways: &[Way], hosts: &[&str]) -> Self {
        let host = |rank: u32| hosts.get(rank as usize);
        let mut crossing = Crossing::default();
        for way in ways.iter().filter(|way| way.peer > me && host(way.peer) != host(me)) {
            crossing.pairs += 1;
            // A pair without any rung is an error of its own.
            let Some(by) = way.rung.as_deref().filter(|rung| *rung != Rung::Verbs.name()) else { continue };
            *crossing.slower.entry(by.to_owned()).or_default() += 1;
            let verbs = way.others.iter().find(|other| other.rung == Rung::Verbs.name());
            let why = verbs.map_or("this build has no verbs rung", |other| other.why.as_str());
            crossing.why.get_or_insert_with(|| why.to_owned());
        }
        crossing
    }

    /// Adds what another rank knows.
    pub fn add(&mut self, other: Crossing) {
        self.pairs += other.pairs;
        other.slower.into_iter().for_each(|(rung, pairs)| *self.slower.entry(rung).or_default() += pairs);
        self.why = self.why.take().or(other.why);
    }

    /// The warning, where one is due.
    pub fn warning(&self) -> Option<String> {
        let why = self.why.as_deref()?;
        let slower: usize = self.slower.values().sum();
        let by = match self.slower.len() {
            1 => self.slower.keys().cloned().collect(),
            _ => self.slower.iter().map(|(rung, pairs)| format!("{rung} ({pairs})")).collect::<Vec<_>>().join(", "),
        };
        let which = match (slower, self.pairs) {
            (1, 1) => "the pair of ranks on different nodes talks".to_owned(),
            (slower, pairs) if slower == pairs => format!("all {pairs} pairs of ranks on different nodes talk"),
            (slower, pairs) => format!("{slower} of the {pairs} pairs of ranks on different nodes talk"),
        };
        Some(format!("{which} by {by}, not RDMA: {why}; `rankzero explain` tells more"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::paths::Other;
    use super::*;

    fn way(peer: u32, rung: &str) -> Way {
        let others = vec![Other { rung: "verbs".to_owned(), why: format!("no device for {peer}") }];
        Way { peer, rung: Some(rung.to_owned()), detail: String::new(), others }
    }

    #[test]
    fn ranks_of_one_node_cross_nothing() {
        let crossing = Crossing::of(0, &[way(1, "mpi"), way(2, "shm")], &["a", "a", "a"]);
        assert_eq!(crossing, Crossing::default());
        assert_eq!(crossing.warning(), None);
    }

    #[test]
    fn rdma_everywhere_is_no_warning() {
        assert_eq!(Crossing::of(0, &[way(1, "shm"), way(2, "verbs")], &["a", "a", "b"]).warning(), None);
        let unreached = Way { rung: None, ..way(1, "mpi") };
        assert_eq!(Crossing::of(0, &[unreached], &["a", "b"]).warning(), None, "what is not reached is no fallback");
    }

    #[test]
    fn every_pair_without_rdma_is_counted_once_and_the_first_reason_told() {
        let hosts = ["a", "a", "b", "c"];
        let mut all = Crossing::of(0, &[way(1, "shm"), way(2, "verbs"), way(3, "mpi")], &hosts);
        all.add(Crossing::of(1, &[way(0, "shm"), way(2, "verbs"), way(3, "tcp")], &hosts));
        all.add(Crossing::of(2, &[way(0, "verbs"), way(1, "verbs"), way(3, "mpi")], &hosts));
        let warning = all.warning().expect("a fallback");
        let told = "3 of the 5 pairs of ranks on different nodes talk by mpi (2), tcp (1), not RDMA: no device for 3; ";
        assert!(warning.starts_with(told), "{warning}");
        let two = Crossing::of(0, &[way(1, "tcp")], &["a", "b"]).warning().expect("a fallback");
        assert!(
            two.starts_with("the pair of ranks on different nodes talks by tcp, not RDMA: no device for 1"),
            "{two}"
        );
    }
}
