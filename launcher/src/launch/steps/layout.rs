//! Which ranks go on which node of an allocation.

use rankzero_slurm::Allocation;

/// The ranks of one node: one step of Slurm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The node, by Slurm's name.
    pub node: String,
    /// The first of its ranks; the others follow.
    pub first: u32,
    /// How many; at least 1.
    pub ranks: u32,
}

/// All ranks, by node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Nodes with ranks, by rising rank.
    pub shares: Vec<Share>,
    /// Nodes without: they stand by.
    pub spares: Vec<String>,
    /// Whether some node has more ranks than the allocation has room for.
    pub crowded: bool,
}

impl Layout {
    /// Fills the nodes one after the other with as many ranks as each has room for, so that nodes which are not needed stand by. More ranks
    /// than room are spread evenly. `ranks`: as many as there is room for, where absent.
    pub fn new(allocation: &Allocation, ranks: Option<u32>) -> Layout {
        let room = &allocation.tasks_per_node;
        let ranks = ranks.unwrap_or_else(|| allocation.tasks());
        let nodes = room.len() as u32;
        let crowded = ranks > allocation.tasks();
        let mut layout = Layout { shares: Vec::new(), spares: Vec::new(), crowded };
        let mut first = 0;
        for (place, (node, room)) in (0u32..).zip(allocation.job_nodes.iter().zip(room)) {
            let even = ranks / nodes + u32::from(place < ranks % nodes);
            let here = if crowded { even } else { (*room).min(ranks - first) };
            if here == 0 {
                layout.spares.push(node.clone());
            } else {
                layout.shares.push(Share { node: node.clone(), first, ranks: here });
            }
            first += here;
        }
        layout
    }

    /// All ranks.
    pub fn size(&self) -> u32 {
        self.shares.iter().map(|share| share.ranks).sum()
    }

    /// The node of a rank.
    pub fn node_of(&self, rank: u32) -> Option<&str> {
        let share = self.shares.iter().find(|share| (share.first..share.first + share.ranks).contains(&rank));
        share.map(|share| share.node.as_str())
    }
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::*;

    pub fn allocation(room: &[u32]) -> Allocation {
        let nodes: Vec<String> = (1..=room.len()).map(|node| format!("n{node}")).collect();
        Allocation {
            job: 7,
            step: None,
            restarts: 0,
            nodes: nodes.clone(),
            job_nodes: nodes,
            tasks_per_node: room.to_vec(),
            cpus_per_task: None,
            here: Some("n1".to_owned()),
            ends_at_s: None,
        }
    }

    fn shares(layout: &Layout) -> Vec<(&str, u32, u32)> {
        layout.shares.iter().map(|share| (share.node.as_str(), share.first, share.ranks)).collect()
    }

    #[test]
    fn without_a_number_every_place_of_the_allocation_is_taken() {
        let layout = Layout::new(&allocation(&[2, 2, 1]), None);
        assert_eq!(shares(&layout), [("n1", 0, 2), ("n2", 2, 2), ("n3", 4, 1)]);
        assert!(layout.spares.is_empty() && !layout.crowded);
        assert_eq!((layout.size(), layout.node_of(3), layout.node_of(5)), (5, Some("n2"), None));
    }

    #[test]
    fn nodes_that_are_not_needed_stand_by() {
        let layout = Layout::new(&allocation(&[2, 2, 2, 2]), Some(5));
        assert_eq!(shares(&layout), [("n1", 0, 2), ("n2", 2, 2), ("n3", 4, 1)]);
        assert_eq!(layout.spares, ["n4"]);
    }

    #[test]
    fn more_ranks_than_room_are_spread_evenly() {
        let layout = Layout::new(&allocation(&[1, 1, 1]), Some(8));
        assert_eq!(shares(&layout), [("n1", 0, 3), ("n2", 3, 3), ("n3", 6, 2)]);
        assert!(layout.crowded);
    }
}
