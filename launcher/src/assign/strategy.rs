//! The four strategies of a first assignment.

use rankzero_comm::Rank;
use rankzero_job::Strategy;

/// What a batch asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Its work, in tetrahedra.
    pub weight: u64,
    /// The highest priority among its bodies.
    pub priority: u8,
}

/// What a rank can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capability {
    /// Work a second, in whatever unit is the same for all ranks.
    pub rate: f64,
}

/// The rank of each batch.
///
/// - **round-robin**: batch *i* to rank *i* mod *n*;
/// - **least-loaded**: the curve along which batches are numbered is cut into runs of equal weight, a run a rank: all carry the same,
///   and neighbours mostly share a rank, so that few contacts have to be computed on two;
/// - **capability**: as least-loaded, with runs in proportion to the ranks' rates;
/// - **priority**: important batches first, each to the rank with the least load for its rate, so that no rank computes two of
///   them while another has none.
///
/// # Panics
/// If there is no rank.
pub fn assign(strategy: Strategy, batches: &[Demand], ranks: &[Capability]) -> Vec<Rank> {
    assert!(!ranks.is_empty(), "no rank to assign to");
    let even: Vec<f64> = vec![1.0; ranks.len()];
    let rates: Vec<f64> = ranks.iter().map(|r| if r.rate > 0.0 { r.rate } else { 1e-9 }).collect();
    match strategy {
        Strategy::RoundRobin => (0..batches.len()).map(|b| Rank((b % ranks.len()) as u32)).collect(),
        Strategy::LeastLoaded => runs(batches, &even),
        Strategy::Capability => runs(batches, &rates),
        Strategy::Priority => {
            let mut order: Vec<usize> = (0..batches.len()).collect();
            order.sort_by_key(|&b| (std::cmp::Reverse((batches[b].priority, batches[b].weight)), b));
            greedy(batches, order, &rates)
        }
    }
}

/// Cuts the batches, in their order, into runs whose weights are as the rates: a batch goes where its middle falls.
fn runs(batches: &[Demand], rates: &[f64]) -> Vec<Rank> {
    let weight: f64 = batches.iter().map(|d| d.weight as f64).sum();
    let rate: f64 = rates.iter().sum();
    let (mut before, mut rank, mut end) = (0.0, 0, rates[0]);
    batches
        .iter()
        .map(|demand| {
            let middle = (before + 0.5 * demand.weight as f64) / weight.max(1.0) * rate;
            before += demand.weight as f64;
            while middle > end && rank + 1 < rates.len() {
                rank += 1;
                end += rates[rank];
            }
            Rank(rank as u32)
        })
        .collect()
}

/// Gives each batch in turn to the rank that would finish it first; the lower rank on a tie.
fn greedy(batches: &[Demand], order: Vec<usize>, rates: &[f64]) -> Vec<Rank> {
    let mut loads = vec![0.0; rates.len()];
    let mut owners = vec![Rank(0); batches.len()];
    for b in order {
        let weight = batches[b].weight as f64;
        let finish = |r: usize| (loads[r] + weight) / rates[r];
        let best = (0..rates.len()).fold(0, |best, r| if finish(r) < finish(best) { r } else { best });
        loads[best] += weight;
        owners[b] = Rank(best as u32);
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands(weights: &[u64]) -> Vec<Demand> {
        weights.iter().map(|&weight| Demand { weight, priority: 0 }).collect()
    }

    fn load(owners: &[Rank], batches: &[Demand], ranks: usize) -> Vec<u64> {
        let mut loads = vec![0; ranks];
        owners.iter().zip(batches).for_each(|(r, d)| loads[r.index()] += d.weight);
        loads
    }

    const EVEN: [Capability; 3] = [Capability { rate: 1.0 }; 3];

    #[test]
    fn round_robin_counts_batches() {
        let owners = assign(Strategy::RoundRobin, &demands(&[9, 1, 1, 1]), &EVEN);
        assert_eq!(owners, [Rank(0), Rank(1), Rank(2), Rank(0)]);
    }

    #[test]
    fn least_loaded_evens_weights_out_and_keeps_neighbours_together() {
        let batches = demands(&[9, 3, 3, 3, 6, 3]);
        let owners = assign(Strategy::LeastLoaded, &batches, &EVEN);
        assert_eq!(load(&owners, &batches, 3), [9, 9, 9]);
        assert!(owners.is_sorted());
    }

    #[test]
    fn capability_gives_the_fast_rank_more() {
        let ranks = [Capability { rate: 3.0 }, Capability { rate: 1.0 }];
        let batches = demands(&[1; 40]);
        assert_eq!(load(&assign(Strategy::Capability, &batches, &ranks), &batches, 2), [30, 10]);
        let stuck = [Capability { rate: 1.0 }, Capability { rate: 0.0 }];
        assert_eq!(load(&assign(Strategy::Capability, &batches, &stuck), &batches, 2), [40, 0]);
    }

    #[test]
    fn priority_spreads_the_important_batches() {
        let mut batches = demands(&[5, 5, 5, 5, 5, 5]);
        for b in [0, 1, 2] {
            batches[b].priority = 9;
        }
        let owners = assign(Strategy::Priority, &batches, &EVEN);
        let mut important: Vec<Rank> = owners[..3].to_vec();
        important.sort();
        assert_eq!(important, [Rank(0), Rank(1), Rank(2)]);
    }

    #[test]
    fn more_ranks_than_batches_is_no_problem() {
        for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded, Strategy::Capability, Strategy::Priority] {
            assert_eq!(assign(strategy, &demands(&[1]), &EVEN).len(), 1);
            assert!(assign(strategy, &[], &EVEN).is_empty());
        }
    }
}
