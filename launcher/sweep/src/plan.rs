//! What is run, and in which order.
//!
//! The order is that of a randomised complete block design (Montgomery, "Design and Analysis of Experiments", chapter 4): every repeat
//! runs each size once, in an order of its own. So a machine that becomes slower while the sweep runs makes no size look better than
//! another, sizes are compared within a repeat, and a sweep that is cut off has whole repeats.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::SweepError;

/// The most sizes, and the most repeats: more is a slip of the finger.
const MOST: usize = 1000;
/// The most nodes of a size, and the most ranks of a node.
const MOST_NODES: u32 = 1 << 16;

/// What stays the same as the nodes grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// The job: n nodes share it.
    Strong,
    /// The load of a node: n nodes have n times the bodies.
    Weak,
}

impl Scaling {
    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scaling::Strong => "strong",
            Scaling::Weak => "weak",
        }
    }

    /// Work of the job on `nodes` nodes, in that of the job as it is written.
    pub fn work(self, nodes: u32) -> f64 {
        match self {
            Scaling::Strong => 1.0,
            Scaling::Weak => f64::from(nodes),
        }
    }
}

/// What is counted by `--nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Ranks of one machine.
    Ranks,
    /// Nodes of a cluster.
    Nodes,
}

impl Unit {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Ranks => "ranks",
            Unit::Nodes => "nodes",
        }
    }
}

/// One run of a sweep. As text `n4-r2`: 4 nodes, the second repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    /// Nodes.
    pub nodes: u32,
    /// Which repeat, from 1.
    pub repeat: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "n{}-r{}", self.nodes, self.repeat)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_prefix('n').and_then(|rest| rest.split_once("-r"));
        let numbers = parts.and_then(|(nodes, repeat)| Some((nodes.parse().ok()?, repeat.parse().ok()?)));
        let (nodes, repeat) = numbers.ok_or_else(|| format!("`{text}` is no point of a sweep, such as n4-r2"))?;
        Ok(Point { nodes, repeat })
    }
}

/// A sweep, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the job.
    pub name: String,
    /// What stays the same.
    pub scaling: Scaling,
    /// What [`Plan::nodes`] counts.
    pub unit: Unit,
    /// The sizes, rising.
    pub nodes: Vec<u32>,
    /// Ranks of each node; 1 where nodes are ranks.
    pub ranks_per_node: u32,
    /// How often each size is run.
    pub repeats: u32,
    /// Seed of the order.
    pub seed: u64,
}

impl Plan {
    /// The plan, if it makes sense; its sizes rising.
    ///
    /// # Errors
    /// [`SweepError::Plan`], which names the flag.
    pub fn checked(mut self) -> Result<Plan, SweepError> {
        let refuse = |flag, what: String, remedy| Err(SweepError::Plan { flag, what, remedy });
        let sizes: BTreeSet<u32> = self.nodes.iter().copied().collect();
        if sizes.is_empty() || sizes.contains(&0) {
            return refuse("--nodes", "a size is at least 1".to_owned(), "say, --nodes 1,2,4,8");
        }
        if sizes.len() < self.nodes.len() {
            let what = format!("a size is named twice in {:?}", self.nodes);
            return refuse("--nodes", what, "name each once; --repeat N runs each N times");
        }
        let most = sizes.last().copied().unwrap_or(1);
        if sizes.len() > MOST || most > MOST_NODES || self.ranks_per_node > MOST_NODES {
            let what = format!("{} sizes of up to {most} × {} ranks", sizes.len(), self.ranks_per_node);
            return refuse("--nodes", what, "at most 1000 sizes of 65536 nodes and 65536 ranks a node");
        }
        if self.ranks_per_node == 0 {
            return refuse("--ranks-per-node", "0 ranks".to_owned(), "at least 1 is needed");
        }
        if self.unit == Unit::Ranks && self.ranks_per_node != 1 {
            let what = format!("{} ranks a node, on one machine", self.ranks_per_node);
            return refuse("--ranks-per-node", what, "on one machine --nodes counts ranks: leave this flag out");
        }
        if self.repeats == 0 || self.repeats as usize > MOST {
            return refuse("--repeat", format!("{} repeats", self.repeats), "from 1 to 1000");
        }
        self.nodes = sizes.into_iter().collect();
        Ok(self)
    }

    /// All points, in the order in which they are run.
    pub fn points(&self) -> Vec<Point> {
        (1..=self.repeats).flat_map(|repeat| self.block(repeat)).collect()
    }

    /// Ranks of a size.
    pub fn ranks(&self, nodes: u32) -> u32 {
        nodes.saturating_mul(self.ranks_per_node)
    }

    /// The smallest size: what the others are compared with.
    pub fn base(&self) -> u32 {
        self.nodes.first().copied().unwrap_or(1)
    }

    /// One repeat: each size once, shuffled (Fisher and Yates; Durstenfeld 1964) by bits of BLAKE3, which are the same everywhere.
    fn block(&self, repeat: u32) -> Vec<Point> {
        let mut bits = blake3::Hasher::new()
            .update(b"rankzero sweep order 1\n")
            .update(&self.seed.to_le_bytes())
            .update(&repeat.to_le_bytes())
            .finalize_xof();
        let mut points: Vec<Point> = self.nodes.iter().map(|&nodes| Point { nodes, repeat }).collect();
        for i in (1..points.len()).rev() {
            let mut word = [0; 8];
            bits.fill(&mut word);
            // 64 bits for at most 1000 places: the bias is below 1e-16.
            points.swap(i, (u64::from_le_bytes(word) % (i as u64 + 1)) as usize);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(nodes: &[u32], repeats: u32, seed: u64) -> Plan {
        let (name, unit) = ("demo".to_owned(), Unit::Nodes);
        Plan { name, scaling: Scaling::Strong, unit, nodes: nodes.to_vec(), ranks_per_node: 2, repeats, seed }
    }

    fn order(plan: &Plan) -> String {
        plan.points().iter().map(Point::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_order_is_the_same_on_every_machine_and_in_every_version() {
        let plan = plan(&[8, 1, 4, 2], 3, 0).checked().expect("a plan");
        assert_eq!(plan.nodes, [1, 2, 4, 8]);
        assert_eq!(order(&plan), "n4-r1 n1-r1 n2-r1 n8-r1 n2-r2 n4-r2 n8-r2 n1-r2 n4-r3 n8-r3 n1-r3 n2-r3");
        assert_eq!(plan.ranks(8), 16);
    }

    #[test]
    fn another_seed_is_another_order() {
        let orders: BTreeSet<String> = (0..10).map(|seed| order(&plan(&[1, 2, 4, 8], 3, seed))).collect();
        assert!(orders.len() > 8, "{orders:?}");
    }

    proptest! {
        #[test]
        fn every_repeat_runs_each_size_once(sizes in prop::collection::btree_set(1u32..5000, 1..20), repeats in 1u32..6, seed: u64) {
            let sizes: Vec<u32> = sizes.into_iter().collect();
            let points = plan(&sizes, repeats, seed).points();
            prop_assert_eq!(points.len(), sizes.len() * repeats as usize);
            for (block, repeat) in points.chunks(sizes.len()).zip(1..) {
                let mut nodes: Vec<u32> = block.iter().map(|point| point.nodes).collect();
                nodes.sort_unstable();
                prop_assert_eq!(&nodes, &sizes);
                prop_assert!(block.iter().all(|point| point.repeat == repeat));
            }
        }
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused_with_the_flag_and_a_remedy() {
        let says = |plan: Plan| plan.checked().expect_err("refused").to_string();
        assert!(says(plan(&[], 1, 0)).starts_with("--nodes: a size is at least 1; say, --nodes 1,2,4,8"));
        assert!(says(plan(&[1, 0], 1, 0)).starts_with("--nodes"));
        assert!(says(plan(&[2, 2], 1, 0)).contains("named twice in [2, 2]"));
        assert!(says(plan(&[1], 0, 0)).starts_with("--repeat: 0 repeats"));
        assert!(says(plan(&[1], 1001, 0)).starts_with("--repeat"));
        assert!(says(plan(&[u32::MAX], 1, 0)).starts_with("--nodes"));
        assert!(says(Plan { ranks_per_node: 0, ..plan(&[1], 1, 0) }).starts_with("--ranks-per-node"));
        assert!(says(Plan { unit: Unit::Ranks, ..plan(&[1], 1, 0) }).contains("leave this flag out"));
    }

    #[test]
    fn a_point_is_read_as_it_is_written() {
        let point = Point { nodes: 12, repeat: 3 };
        assert_eq!(point.to_string(), "n12-r3");
        assert_eq!("n12-r3".parse(), Ok(point));
        for bad in ["", "n", "n1", "12-r3", "n-r", "n1-rx", "n1-r99999999999"] {
            assert!(bad.parse::<Point>().is_err_and(|error| error.contains("n4-r2")), "{bad}");
        }
    }
}
