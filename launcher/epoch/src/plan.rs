//! What is restored after a loss, and who owns what afterwards.

use std::collections::{BTreeMap, BTreeSet};

use rankzero_comm::Rank;
use serde::{Deserialize, Serialize};

use crate::{Batch, Epoch, Inventory};

/// The master's plan of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What everybody goes back to.
    pub epoch: Epoch,
    /// The owner of each batch from then on; each has a whole copy of it.
    pub owners: Vec<u32>,
}

/// No epoch is whole among the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The newest epoch that anybody has a copy of, and the batches of it that nobody has.
    pub newest: Option<(Epoch, Vec<Batch>)>,
}

/// Makes the plan: the newest epoch of which the members hold all of `owners.len()` batches. A batch stays with its owner where that has
/// a copy; else the member with a copy that owns the least gets it.
///
/// # Errors
/// [`Lost`], where there is no such epoch.
pub fn plan(owners: &[Rank], inventories: &BTreeMap<Rank, Inventory>) -> Result<Plan, Lost> {
    let epochs: BTreeSet<Epoch> =
        inventories.values().flat_map(|inventory| inventory.copies.iter().map(|(epoch, _)| *epoch)).collect();
    let mut lost = Lost { newest: None };
    for &epoch in epochs.iter().rev() {
        let holders = holders(epoch, owners.len(), inventories);
        let missing: Vec<Batch> =
            holders.iter().enumerate().filter(|(_, who)| who.is_empty()).map(|(batch, _)| batch as Batch).collect();
        if missing.is_empty() {
            return Ok(Plan { epoch, owners: settle(owners, &holders) });
        }
        lost.newest.get_or_insert((epoch, missing));
    }
    Err(lost)
}

/// By batch, the members that have a whole copy.
fn holders(epoch: Epoch, batches: usize, inventories: &BTreeMap<Rank, Inventory>) -> Vec<Vec<Rank>> {
    let mut holders = vec![Vec::new(); batches];
    for (&rank, inventory) in inventories {
        for (_, held) in inventory.copies.iter().filter(|(of, _)| *of == epoch) {
            for &batch in held {
                // A number that is no batch's comes from a peer that lies: it counts for nothing.
                if let Some(holders) = holders.get_mut(batch as usize) {
                    holders.push(rank);
                }
            }
        }
    }
    holders
}

fn settle(owners: &[Rank], holders: &[Vec<Rank>]) -> Vec<u32> {
    let mut load: BTreeMap<Rank, usize> = BTreeMap::new();
    let stays = |batch: usize| holders[batch].contains(&owners[batch]);
    (0..owners.len()).filter(|&batch| stays(batch)).for_each(|batch| *load.entry(owners[batch]).or_default() += 1);
    let mut settled = Vec::with_capacity(owners.len());
    for (batch, &owner) in owners.iter().enumerate() {
        if stays(batch) {
            settled.push(owner.0);
            continue;
        }
        let least = |rank: &&Rank| (load.get(rank).copied().unwrap_or(0), **rank);
        let heir = holders[batch].iter().min_by_key(least).copied().unwrap_or(owner);
        *load.entry(heir).or_default() += 1;
        settled.push(heir.0);
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: Epoch = Epoch { index: 1, step: 16 };
    const NEW: Epoch = Epoch { index: 2, step: 32 };

    fn inventory(copies: &[(Epoch, &[Batch])]) -> Inventory {
        Inventory { copies: copies.iter().map(|(epoch, batches)| (*epoch, batches.to_vec())).collect() }
    }

    fn owners(of: &[u32]) -> Vec<Rank> {
        of.iter().copied().map(Rank).collect()
    }

    #[test]
    fn the_newest_whole_epoch_is_restored_and_orphans_go_to_their_holders() {
        // Rank 0 has died; rank 1 kept copies of its batches 0 and 1.
        let inventories = BTreeMap::from([
            (Rank(1), inventory(&[(NEW, &[0, 1, 2]), (OLD, &[0, 1, 2])])),
            (Rank(2), inventory(&[(NEW, &[2, 3]), (OLD, &[2, 3])])),
        ]);
        let plan = plan(&owners(&[0, 0, 1, 2]), &inventories).expect("whole");
        assert_eq!(plan, Plan { epoch: NEW, owners: vec![1, 1, 1, 2] });
    }

    #[test]
    fn an_epoch_that_lacks_a_batch_gives_way_to_the_one_before() {
        let inventories = BTreeMap::from([
            (Rank(1), inventory(&[(NEW, &[1]), (OLD, &[0, 1])])),
            (Rank(2), inventory(&[(NEW, &[2]), (OLD, &[2])])),
        ]);
        let plan = plan(&owners(&[0, 1, 2]), &inventories).expect("whole");
        assert_eq!(plan, Plan { epoch: OLD, owners: vec![1, 1, 2] });
    }

    #[test]
    fn what_is_lost_is_named() {
        let inventories = BTreeMap::from([(Rank(2), inventory(&[(NEW, &[2, 77]), (OLD, &[1])]))]);
        let lost = plan(&owners(&[0, 1, 2]), &inventories).expect_err("lost");
        assert_eq!(lost.newest, Some((NEW, vec![0, 1])));
        assert_eq!(plan(&owners(&[0]), &BTreeMap::new()), Err(Lost { newest: None }));
    }

    #[test]
    fn a_batch_that_moved_after_the_epoch_goes_back_to_who_has_it() {
        let inventories =
            BTreeMap::from([(Rank(0), inventory(&[(NEW, &[0, 1])])), (Rank(1), inventory(&[(NEW, &[1])]))]);
        let plan = plan(&owners(&[1, 1]), &inventories).expect("whole");
        assert_eq!(plan.owners, [0, 1]);
    }

    proptest! {
        #[test]
        fn every_owner_of_a_plan_has_a_copy(
            owned in prop::collection::vec(0..4u32, 1..20),
            held in prop::collection::vec((0..4u32, 0..2u32, 0..20u32), 0..200),
        ) {
            let mut inventories: BTreeMap<Rank, Inventory> = BTreeMap::new();
            for (rank, half, batch) in held {
                let epoch = [OLD, NEW][half as usize];
                let copies = &mut inventories.entry(Rank(rank)).or_default().copies;
                match copies.iter_mut().find(|(of, _)| *of == epoch) {
                    Some((_, batches)) => batches.push(batch),
                    None => copies.push((epoch, vec![batch])),
                }
            }
            if let Ok(plan) = plan(&owners(&owned), &inventories) {
                prop_assert_eq!(plan.owners.len(), owned.len());
                for (batch, owner) in plan.owners.iter().enumerate() {
                    let copies = &inventories[&Rank(*owner)].copies;
                    let held = copies.iter().any(|(of, held)| *of == plan.epoch && held.contains(&(batch as Batch)));
                    prop_assert!(held);
                }
            }
        }
    }
}
