//! Balancing by migration: when the slowest rank is too far above the mean, batches move from it to the fastest.
//!
//! A state machine without clocks: it is fed each step's costs and answers with moves. Migration costs a step something, so
//! it waits for a threshold to be passed and then for a cooldown.

use std::collections::BTreeMap;

use rankzero_comm::Rank;

use crate::engine::migrate::Move;

/// At most so many batches move at once: a header has room for them.
pub const MOVES_MAX: usize = 16;

/// When to balance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Ratio of the largest to the mean load above which batches move; above 1.
    pub threshold: f64,
    /// Steps between two decisions.
    pub cooldown_steps: u64,
}

/// Watches the load and decides.
#[derive(Clone, Debug)]
pub struct Balancer {
    rule: Rule,
    since: u64,
    /// Seconds spent on each batch since the last decision.
    costs: BTreeMap<u32, f64>,
}

impl Balancer {
    /// A balancer that has seen nothing.
    pub fn new(rule: Rule) -> Self {
        Self { rule, since: 0, costs: BTreeMap::new() }
    }

    /// Adds what a batch has cost, in seconds.
    pub fn spent(&mut self, batch: u32, seconds: f64) {
        *self.costs.entry(batch).or_default() += seconds;
    }

    /// Ends a step; returns the moves to be carried out, if any, given each batch's owner and the ranks that take part.
    pub fn step(&mut self, owners: &[Rank], ranks: &[Rank]) -> Vec<Move> {
        self.since += 1;
        if self.since < self.rule.cooldown_steps.max(1) {
            return Vec::new();
        }
        let moves = self.decide(owners, ranks);
        self.since = 0;
        self.costs.clear();
        moves
    }

    fn decide(&self, owners: &[Rank], ranks: &[Rank]) -> Vec<Move> {
        let place = |owner: Rank| ranks.iter().position(|&rank| rank == owner);
        let Some(mut owners) = owners.iter().map(|&owner| place(owner)).collect::<Option<Vec<usize>>>() else {
            return Vec::new();
        };
        let mut loads = vec![0.0; ranks.len()];
        for (&batch, &cost) in &self.costs {
            loads[owners[batch as usize]] += cost;
        }
        let mean = loads.iter().sum::<f64>() / ranks.len() as f64;
        let mut moves: Vec<Move> = Vec::new();
        while moves.len() < MOVES_MAX {
            let (high, low) = extremes(&loads);
            if !(mean > 0.0 && loads[high] > self.rule.threshold * mean) {
                break;
            }
            // The batch that brings the two nearest to each other; a batch as large as the gap would only swap them.
            let gap = loads[high] - loads[low];
            let fits = |&(_, &cost): &(&u32, &f64)| cost > 0.0 && cost < gap;
            let mine = self.costs.iter().filter(|(b, _)| owners[**b as usize] == high).filter(fits);
            let aim = |cost: f64| (cost - 0.5 * gap).abs();
            let Some((&batch, &cost)) = mine.min_by(|a, b| aim(*a.1).total_cmp(&aim(*b.1))) else { break };
            loads[high] -= cost;
            loads[low] += cost;
            owners[batch as usize] = low;
            moves.retain(|m| m.batch != batch);
            moves.push(Move { batch, to: ranks[low] });
        }
        moves
    }
}

fn extremes(loads: &[f64]) -> (usize, usize) {
    let higher = |best: usize, r: usize| if loads[r] > loads[best] { r } else { best };
    let lower = |best: usize, r: usize| if loads[r] < loads[best] { r } else { best };
    ((0..loads.len()).fold(0, higher), (0..loads.len()).fold(0, lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(costs: &[f64], owners: &mut [Rank], ranks: u32, rounds: usize) -> f64 {
        for _ in 0..rounds {
            let mut balancer = Balancer::new(Rule { threshold: 1.1, cooldown_steps: 1 });
            costs.iter().enumerate().for_each(|(b, &c)| balancer.spent(b as u32, c));
            for m in balancer.step(owners, &Rank::all(ranks).collect::<Vec<_>>()) {
                owners[m.batch as usize] = m.to;
            }
        }
        let mut loads = vec![0.0; ranks as usize];
        costs.iter().zip(owners.iter()).for_each(|(c, o)| loads[o.index()] += c);
        let mean = loads.iter().sum::<f64>() / f64::from(ranks);
        loads.iter().fold(0.0f64, |m, &l| m.max(l)) / mean
    }

    #[test]
    fn three_rounds_bring_the_largest_load_within_a_tenth_of_the_mean() {
        let costs: Vec<f64> = (0..64).map(|b| 1.0 + f64::from(b * 7919 % 13) * 0.2).collect();
        let mut owners = vec![Rank(0); 64];
        assert!(balanced(&costs, &mut owners, 4, 3) <= 1.1);
    }

    #[test]
    fn a_balanced_load_stays_and_one_huge_batch_is_not_tossed_about() {
        let mut owners: Vec<Rank> = (0..8).map(|b| Rank(b % 4)).collect();
        let before = owners.clone();
        balanced(&[1.0; 8], &mut owners, 4, 3);
        assert_eq!(owners, before);
        let mut owners = vec![Rank(0), Rank(1)];
        balanced(&[10.0, 0.1], &mut owners, 2, 5);
        assert_eq!(owners, [Rank(0), Rank(1)]);
    }

    #[test]
    fn nothing_moves_before_the_cooldown() {
        let mut balancer = Balancer::new(Rule { threshold: 1.1, cooldown_steps: 3 });
        let owners = [Rank(0), Rank(0)];
        for step in 1..=6u64 {
            balancer.spent(0, 1.0);
            balancer.spent(1, 1.0);
            assert_eq!(!balancer.step(&owners, &[Rank(0), Rank(1)]).is_empty(), step % 3 == 0);
        }
    }
}
