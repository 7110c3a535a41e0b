//! What the launch does about steps that end and ranks that are lost: the decisions alone, without processes or clocks.
//!
//! The run itself says whom it has lost, in its journal; that srun has ended, or not, proves little. A lost rank is replaced on its own node
//! if that is up and others of its ranks live, else on a node that stands by, else on its own node once Slurm has it up again. Every
//! replacement has a time in which it must have joined, and each lost rank has a bounded number of tries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rankzero_slurm::commands::NodeState;

use super::layout::Layout;

/// How often it is tried to replace a rank.
const TRIES_MAX: u32 = 3;
/// How long a replacement may take to join: it builds the whole scene first.
const JOIN_TIME: Duration = Duration::from_secs(150);
/// Between two looks at a node that is not up.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long the steps may take to end once the run is over.
const LEAVE_TIME: Duration = Duration::from_secs(45);

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The run goes on without these ranks.
    Lost(Vec<u32>),
    /// A rank has joined, on a host of this name.
    Joined(u32, String),
    /// What Slurm says of a node, or nothing where it does not answer.
    Node(String, Option<NodeState>),
    /// A replacement has ended before it joined.
    Failed(u64),
    /// The run is over, by its own word.
    Over,
    /// Time passes.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask Slurm about a node.
    Ask(String),
    /// Start a replacement for a rank.
    Replace {
        /// Its number among replacements.
        number: u64,
        /// Which rank is replaced.
        rank: u32,
        /// Where.
        node: String,
    },
    /// A replacement has not joined in time.
    GiveUp(u64),
    /// No more is tried for this rank.
    Forgo(u32, &'static str),
    /// The steps have had time enough to end.
    EndAll,
}

/// A rank that is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    rank: u32,
    home: Option<String>,
    tries: u32,
    not_before: Duration,
    asked: bool,
}

/// A replacement that has not joined yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Underway {
    gap: Gap,
    node: String,
    until: Duration,
}

/// The supervisor of a run.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Where ranks are.
    homes: BTreeMap<u32, String>,
    nodes: BTreeSet<String>,
    /// Nodes without a rank, the next to be taken first.
    spares: VecDeque<String>,
    gaps: Vec<Gap>,
    underway: BTreeMap<u64, Underway>,
    next: u64,
    /// When the run was over.
    over: Option<Duration>,
    ended: bool,
}

impl Supervisor {
    /// Of a run that begins.
    pub fn new(layout: &Layout) -> Supervisor {
        let mut homes = BTreeMap::new();
        for share in &layout.shares {
            homes.extend((share.first..share.first + share.ranks).map(|rank| (rank, share.node.clone())));
        }
        let nodes = homes.values().chain(&layout.spares).cloned().collect();
        Supervisor {
            homes,
            nodes,
            spares: layout.spares.iter().cloned().collect(),
            gaps: Vec::new(),
            underway: BTreeMap::new(),
            next: 0,
            over: None,
            ended: false,
        }
    }

    /// Takes in what happens at `now`, the time since any fixed start.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Lost(ranks) => self.lost(&ranks, now),
            Event::Joined(rank, host) => self.joined(rank, &host),
            Event::Node(node, state) => self.node(&node, state, now, &mut actions),
            Event::Failed(number) => self.failed(number, now),
            Event::Over => drop(self.over.get_or_insert(now)),
            Event::Tick => {}
        }
        if let Some(since) = self.over {
            if !self.ended && now >= since + LEAVE_TIME {
                self.ended = true;
                actions.push(Action::EndAll);
            }
            return actions;
        }
        let late: Vec<u64> =
            self.underway.iter().filter(|(_, way)| now >= way.until).map(|(number, _)| *number).collect();
        for number in late {
            actions.push(Action::GiveUp(number));
            self.failed(number, now);
        }
        self.fill(now, &mut actions);
        actions
    }

    fn lost(&mut self, ranks: &[u32], now: Duration) {
        for &rank in ranks {
            let home = self.homes.remove(&rank);
            self.gaps.push(Gap { rank, home, tries: 0, not_before: now, asked: false });
        }
    }

    fn joined(&mut self, rank: u32, host: &str) {
        let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        // The one on that host, else the oldest: hosts may be called otherwise than nodes.
        let there = self.underway.iter().find(|(_, way)| short(&way.node) == short(host)).map(|(number, _)| *number);
        let number = there.or_else(|| self.underway.keys().next().copied());
        if let Some(way) = number.and_then(|number| self.underway.remove(&number)) {
            self.homes.insert(rank, way.node);
        }
    }

    /// Whether ranks live on a node.
    fn is_inhabited(&self, node: &str) -> bool {
        self.homes.values().any(|home| home == node)
    }

    /// Finds a place for each gap whose time has come.
    fn fill(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let mut waiting = Vec::new();
        for mut gap in std::mem::take(&mut self.gaps) {
            if gap.tries >= TRIES_MAX {
                actions.push(Action::Forgo(gap.rank, "it was tried often enough"));
                continue;
            }
            if now < gap.not_before || gap.asked {
                waiting.push(gap);
                continue;
            }
            let home = gap.home.clone().filter(|home| self.nodes.contains(home));
            match home {
                // The node is there: its other ranks live.
                Some(home) if self.is_inhabited(&home) => self.start(gap, home, now, actions),
                home => match (self.spares.pop_front(), home) {
                    (Some(spare), _) => self.start(gap, spare, now, actions),
                    (None, Some(home)) => {
                        gap.asked = true;
                        actions.push(Action::Ask(home));
                        waiting.push(gap);
                    }
                    (None, None) => actions.push(Action::Forgo(gap.rank, "no node stands by")),
                },
            }
        }
        self.gaps.extend(waiting);
    }

    fn start(&mut self, mut gap: Gap, node: String, now: Duration, actions: &mut Vec<Action>) {
        let number = self.next;
        self.next += 1;
        gap.tries += 1;
        gap.asked = false;
        actions.push(Action::Replace { number, rank: gap.rank, node: node.clone() });
        self.underway.insert(number, Underway { gap, node, until: now + JOIN_TIME });
    }

    /// Slurm's word on the home of gaps.
    fn node(&mut self, node: &str, state: Option<NodeState>, now: Duration, actions: &mut Vec<Action>) {
        let (asked, rest): (Vec<Gap>, Vec<Gap>) =
            std::mem::take(&mut self.gaps).into_iter().partition(|gap| gap.asked && gap.home.as_deref() == Some(node));
        self.gaps = rest;
        for mut gap in asked {
            gap.asked = false;
            if state == Some(NodeState::Up) {
                self.start(gap, node.to_owned(), now, actions);
            } else {
                gap.not_before = now + LOOK_AGAIN;
                self.gaps.push(gap);
            }
        }
    }

    fn failed(&mut self, number: u64, now: Duration) {
        let Some(Underway { mut gap, node, .. }) = self.underway.remove(&number) else { return };
        if gap.home.as_deref() != Some(node.as_str()) {
            // It may do for another one; the next try takes another node first.
            self.spares.push_back(node);
        }
        gap.not_before = now + LOOK_AGAIN;
        self.gaps.push(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::allocation;
    use super::*;

    fn supervisor(room: &[u32], ranks: u32) -> Supervisor {
        Supervisor::new(&Layout::new(&allocation(room), Some(ranks)))
    }

    const NOW: Duration = Duration::from_secs(100);

    fn replaces(number: u64, rank: u32, node: &str) -> Vec<Action> {
        vec![Action::Replace { number, rank, node: node.to_owned() }]
    }

    #[test]
    fn a_rank_whose_neighbours_live_is_replaced_beside_them() {
        let mut core = supervisor(&[2, 2, 2], 4);
        assert_eq!(core.on(Event::Lost(vec![1]), NOW), replaces(0, 1, "n1"));
        assert_eq!(core.on(Event::Joined(4, "n1.cluster".to_owned()), NOW), []);
        // The newcomer is known to be there.
        assert_eq!(core.on(Event::Lost(vec![4]), NOW), replaces(1, 4, "n1"));
    }

    #[test]
    fn a_lost_node_is_replaced_by_one_that_stands_by() {
        let mut core = supervisor(&[2, 2, 2], 4);
        let actions = core.on(Event::Lost(vec![2, 3]), NOW);
        assert_eq!(actions[0], Action::Replace { number: 0, rank: 2, node: "n3".to_owned() });
        assert_eq!(actions[1], Action::Ask("n2".to_owned()));
    }

    #[test]
    fn without_a_spare_node_its_own_is_awaited() {
        let mut core = supervisor(&[1, 1], 2);
        assert_eq!(core.on(Event::Lost(vec![1]), NOW), [Action::Ask("n2".to_owned())]);
        assert_eq!(core.on(Event::Tick, NOW), []);
        assert_eq!(core.on(Event::Node("n2".to_owned(), Some(NodeState::Silent)), NOW), []);
        assert_eq!(core.on(Event::Tick, NOW + LOOK_AGAIN), [Action::Ask("n2".to_owned())]);
        assert_eq!(core.on(Event::Node("n2".to_owned(), Some(NodeState::Up)), NOW + LOOK_AGAIN), replaces(0, 1, "n2"));
    }

    #[test]
    fn the_tries_are_bounded_and_what_does_not_join_is_given_up() {
        let mut core = supervisor(&[1, 1, 1], 2);
        let mut now = NOW;
        let mut starts = 0;
        let mut actions = core.on(Event::Lost(vec![1]), now);
        for _ in 0..100 {
            for action in std::mem::take(&mut actions) {
                match action {
                    Action::Replace { .. } => starts += 1,
                    Action::Ask(node) => drop(core.on(Event::Node(node, None), now)),
                    Action::Forgo(rank, _) => {
                        assert_eq!((rank, starts), (1, TRIES_MAX));
                        return;
                    }
                    Action::GiveUp(_) => {}
                    Action::EndAll => panic!("the run is not over"),
                }
            }
            now += JOIN_TIME;
            actions = core.on(Event::Tick, now);
        }
        panic!("never given up");
    }

    #[test]
    fn once_the_run_is_over_nothing_is_replaced_and_what_is_left_is_ended_once() {
        let mut core = supervisor(&[1, 1, 1], 2);
        assert_eq!(core.on(Event::Over, NOW), []);
        assert_eq!(core.on(Event::Lost(vec![1]), NOW), []);
        assert_eq!(core.on(Event::Tick, NOW + LEAVE_TIME), [Action::EndAll]);
        assert_eq!(core.on(Event::Tick, NOW + 2 * LEAVE_TIME), []);
    }
}
