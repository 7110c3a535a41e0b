//! Which rungs a pair of ranks may take, and in which order they are preferred.

use crate::ids::Rung;

/// What the user asks of the paths between ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rung that must serve every pair at the start; `None`: the best that passes its test.
    pub only: Option<Rung>,
    /// Whether ranks of different nodes must reach each other by RDMA, at all times.
    pub require_rdma: bool,
    /// Whether what goes between nodes must be encrypted: TCP is then, and what cannot be does not serve there.
    pub encrypted: bool,
}

/// What a policy says of one rung for one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may serve the pair.
    Allowed,
    /// It may not, for this reason.
    Barred(&'static str),
}

impl Policy {
    /// Whether a pair may take `rung`; `same_node`: the two ranks share a node.
    pub fn standing(&self, rung: Rung, same_node: bool) -> Standing {
        if self.require_rdma && !same_node && rung != Rung::Verbs {
            return Standing::Barred("RDMA is required between nodes");
        }
        if self.encrypted && !same_node && matches!(rung, Rung::Verbs | Rung::Mpi) {
            return Standing::Barred("network.tls: all asks for encryption, which this path has not");
        }
        match (self.only, rung) {
            (None, Rung::Verbs) if same_node => Standing::Barred("on one node shared memory is faster"),
            (None, _) => Standing::Allowed,
            (Some(only), rung) if only == rung => Standing::Allowed,
            // Below the one asked for, for when that fails.
            (Some(only), rung) if rung > only => Standing::Allowed,
            (Some(_), _) => Standing::Barred("the job asks for another rung"),
        }
    }

    /// Whether a pair may start on `rung`.
    pub fn may_start_on(&self, rung: Rung, same_node: bool) -> bool {
        let asked = self.only.is_none_or(|only| only == rung || (only == Rung::Shm && !same_node));
        asked && (self.standing(rung, same_node) == Standing::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: Policy, same_node: bool) -> Vec<Rung> {
        Rung::ALL.into_iter().filter(|&rung| policy.standing(rung, same_node) == Standing::Allowed).collect()
    }

    #[test]
    fn left_to_itself_a_node_shares_memory_and_nodes_use_rdma() {
        let policy = Policy::default();
        assert_eq!(allowed(policy, true), [Rung::Local, Rung::Shm, Rung::Mpi, Rung::Tcp]);
        assert_eq!(allowed(policy, false), Rung::ALL);
    }

    #[test]
    fn what_is_asked_for_serves_at_the_start_and_what_is_below_later() {
        let policy = Policy { only: Some(Rung::Verbs), ..Policy::default() };
        assert_eq!(allowed(policy, true), [Rung::Verbs, Rung::Mpi, Rung::Tcp]);
        assert!(policy.may_start_on(Rung::Verbs, true));
        assert!(!policy.may_start_on(Rung::Tcp, true));
    }

    #[test]
    fn where_rdma_is_required_nothing_less_serves_between_nodes() {
        let policy = Policy { require_rdma: true, ..Policy::default() };
        assert_eq!(allowed(policy, false), [Rung::Verbs]);
        assert!(allowed(policy, true).contains(&Rung::Shm));
    }

    #[test]
    fn where_encryption_is_asked_for_nothing_in_the_clear_serves_between_nodes() {
        let policy = Policy { encrypted: true, ..Policy::default() };
        assert_eq!(allowed(policy, true), [Rung::Local, Rung::Shm, Rung::Mpi, Rung::Tcp]);
        let Standing::Barred(why) = policy.standing(Rung::Mpi, false) else { panic!("in the clear") };
        assert!(why.contains("network.tls"), "{why}");
        // Shared memory does not reach another node; its own test says so.
        assert_eq!(allowed(policy, false), [Rung::Local, Rung::Shm, Rung::Tcp]);
        let both = Policy { require_rdma: true, ..policy };
        assert_eq!(allowed(both, false), []);
        for only in [Rung::Verbs, Rung::Mpi] {
            assert!(!Policy { only: Some(only), ..policy }.may_start_on(only, false));
        }
    }
}
