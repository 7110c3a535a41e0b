//! Who keeps copies for whom.

use rankzero_comm::Rank;

/// The members that keep copies for `owner`, at most `replicas`: the next ones in the order of ranks, those of other nodes first.
///
/// `members` ascending or not, `node_of` any number that two ranks share if and only if they share a node. A ring spreads the
/// copies evenly, and as everybody's copies lie with few others, few pairs of deaths lose anything (Cidon et al., *Copysets*, 2013).
pub fn buddies(owner: Rank, members: &[Rank], node_of: impl Fn(Rank) -> u32, replicas: usize) -> Vec<Rank> {
    let mut ring: Vec<Rank> = members.iter().copied().filter(|&member| member != owner).collect();
    ring.sort_unstable();
    let first = ring.partition_point(|&member| member < owner);
    ring.rotate_left(first);
    // A stable sort: within each kind the order of the ring stays.
    ring.sort_by_key(|&member| node_of(member) == node_of(owner));
    ring.truncate(replicas);
    ring
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(numbers: &[u32]) -> Vec<Rank> {
        numbers.iter().copied().map(Rank).collect()
    }

    #[test]
    fn the_next_in_the_ring_keeps_the_copies() {
        let members = ranks(&[4, 0, 2, 7]);
        let one_node = |_| 0;
        assert_eq!(buddies(Rank(2), &members, one_node, 2), ranks(&[4, 7]));
        assert_eq!(buddies(Rank(7), &members, one_node, 1), ranks(&[0]));
        assert_eq!(buddies(Rank(0), &members, one_node, 9), ranks(&[2, 4, 7]));
        assert_eq!(buddies(Rank(0), &ranks(&[0]), one_node, 1), []);
    }

    #[test]
    fn another_node_is_preferred() {
        let members = ranks(&[0, 1, 2, 3]);
        let node = |rank: Rank| rank.0 / 2;
        assert_eq!(buddies(Rank(0), &members, node, 1), ranks(&[2]));
        assert_eq!(buddies(Rank(1), &members, node, 2), ranks(&[2, 3]));
        assert_eq!(buddies(Rank(3), &members, node, 3), ranks(&[0, 1, 2]));
    }

    #[test]
    fn everybody_carries_the_same() {
        for size in 2..9 {
            let members: Vec<Rank> = Rank::all(size).collect();
            for node in [|_: Rank| 0, |rank: Rank| rank.0 % 2, |rank: Rank| rank.0] {
                let mut load = vec![0; size as usize];
                members.iter().flat_map(|&m| buddies(m, &members, node, 1)).for_each(|b| load[b.index()] += 1);
                assert!(load.iter().all(|&n| n <= 2), "{size}: {load:?}");
            }
        }
    }
}
