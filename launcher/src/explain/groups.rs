//! Equal explanations are told once: links between ranks by what serves them and why nothing better does.

use std::collections::{BTreeMap, BTreeSet};

use rankzero_comm::Rung;

use crate::binding::list;
use crate::run::paths::{Other, Way};

/// A rank and one that it reaches.
pub type Link = (u32, u32);

/// Links with one explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The rung that serves, if one does.
    pub rung: Option<String>,
    /// Why the others do not.
    pub others: Vec<Other>,
    /// The links.
    pub links: BTreeSet<Link>,
    /// The connections, and the links of each.
    pub details: BTreeMap<String, BTreeSet<Link>>,
}

/// Groups the ways of each rank, those of most links first.
pub fn groups<'a>(ranks: impl Iterator<Item = (u32, &'a [Way])>) -> Vec<Group> {
    let mut groups: BTreeMap<(Option<String>, Vec<Other>), Group> = BTreeMap::new();
    for (me, ways) in ranks {
        for way in ways {
            let others: Vec<Other> = way.others.iter().map(|other| seen_from_nowhere(other, way.peer)).collect();
            let (rung, link) = (way.rung.clone(), (me, way.peer));
            let group = groups.entry((rung.clone(), others.clone())).or_insert_with(|| Group {
                rung,
                others,
                links: BTreeSet::new(),
                details: BTreeMap::new(),
            });
            group.links.insert(link);
            group.details.entry(way.detail.clone()).or_default().insert(link);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.links.len()));
    groups
}

/// A reason that names the peer by its number would be another one for each pair.
fn seen_from_nowhere(other: &Other, peer: u32) -> Other {
    let why = other.why.replacen(&format!("rank {peer} says: "), "the peer says: ", 1);
    Other { rung: other.rung.clone(), why }
}

/// Whether a rung is better than another one; none at all is the worst.
pub fn is_better(rung: &str, than: Option<&str>) -> bool {
    let place = |name: &str| name.parse::<Rung>().ok();
    match (place(rung), than.and_then(place)) {
        (Some(rung), Some(than)) => rung < than,
        _ => true,
    }
}

/// Names links among all that there are: `hosts` by rank. Both directions of a link are one pair.
pub fn name(links: &BTreeSet<Link>, hosts: &[&str]) -> String {
    let (pairs, single): (Vec<Link>, Vec<Link>) =
        links.iter().copied().partition(|&(from, to)| links.contains(&(to, from)));
    let pairs: BTreeSet<Link> = pairs.into_iter().filter(|(from, to)| from < to).collect();
    if !single.is_empty() {
        return format!("from {}", by_first(links, " to "));
    }
    let ranks = hosts.len() as u32;
    let all: BTreeSet<Link> = (0..ranks).flat_map(|a| (a + 1..ranks).map(move |b| (a, b))).collect();
    let inside = |&&(a, b): &&Link| hosts[a as usize] == hosts[b as usize];
    let count = pairs.len();
    if count == 1 {
        format!("the pair {}", by_first(&pairs, " and "))
    } else if pairs == all {
        format!("all {count} pairs")
    } else if pairs.iter().eq(all.iter().filter(inside)) {
        format!("all {count} pairs within a node")
    } else if pairs.iter().eq(all.iter().filter(|pair| !inside(pair))) {
        format!("all {count} pairs between nodes")
    } else {
        format!("{count} pairs: {}", by_first(&pairs, " with "))
    }
}

/// `0 with 1-3; 1 with 2`, shortened where there are many.
fn by_first(links: &BTreeSet<Link>, between: &str) -> String {
    const SHOWN: usize = 8;
    let mut by: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    links.iter().for_each(|&(first, second)| by.entry(first).or_default().push(second));
    let shown = by.iter().take(SHOWN).map(|(first, seconds)| format!("{first}{between}{}", list(seconds)));
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if by.len() > SHOWN {
        text += &format!("; and so on, {} in all", links.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(peer: u32, rung: &str, detail: &str, why: &str) -> Way {
        let others = vec![Other { rung: "verbs".to_owned(), why: why.to_owned() }];
        Way { peer, rung: Some(rung.to_owned()), detail: detail.to_owned(), others }
    }

    #[test]
    fn explanations_that_differ_only_in_the_ranks_are_one() {
        let ways = [
            vec![way(1, "shm", "map", "no device"), way(2, "mpi", "m", "rank 2 says: no device")],
            vec![way(0, "shm", "map", "no device"), way(2, "mpi", "m", "rank 2 says: no device")],
            vec![way(0, "mpi", "m", "rank 0 says: no device"), way(1, "mpi", "n", "rank 1 says: no device")],
        ];
        let groups = groups((0..).zip(ways.iter().map(Vec::as_slice)));
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].rung.as_deref(), groups[0].links.len()), (Some("mpi"), 4));
        assert_eq!(groups[0].others[0].why, "the peer says: no device");
        assert_eq!(groups[0].details.len(), 2);
        assert_eq!(name(&groups[0].links, &["a", "a", "b"]), "all 2 pairs between nodes");
        assert_eq!(name(&groups[1].links, &["a", "a", "b"]), "the pair 0 and 1");
    }

    #[test]
    fn links_are_named_as_short_as_can_be() {
        let both = |pairs: &[Link]| pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect::<BTreeSet<_>>();
        let hosts = ["a", "a", "b", "b"];
        assert_eq!(name(&both(&[(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]), &hosts), "all 6 pairs");
        assert_eq!(name(&both(&[(0, 1), (2, 3)]), &hosts), "all 2 pairs within a node");
        assert_eq!(name(&both(&[(0, 1), (0, 2), (0, 3), (1, 3)]), &hosts), "4 pairs: 0 with 1-3; 1 with 3");
        assert_eq!(name(&BTreeSet::from([(0, 1), (0, 2)]), &hosts), "from 0 to 1-2");
        let many: Vec<Link> = (1..40).step_by(2).map(|a| (a - 1, a)).collect();
        let named = name(&both(&many), &["a"; 40]);
        assert!(
            named.starts_with("20 pairs: 0 with 1; 2 with 3; ") && named.ends_with("; and so on, 20 in all"),
            "{named}"
        );
    }

    #[test]
    fn rungs_are_ordered_and_no_rung_is_the_last() {
        assert!(is_better("shm", Some("mpi")) && !is_better("tcp", Some("mpi")) && is_better("tcp", None));
    }
}
