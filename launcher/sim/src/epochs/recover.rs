//! When the view changes, as `launcher/src/run/recover.rs` and `launcher/src/engine/view.rs` have it.

use std::collections::BTreeMap;
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Status, View};
use rankzero_epoch::{Epoch, Inventory, Ledger, Plan, plan};

use super::node::{Phase, Point, RunNode};
use super::words::{Decision, Recovery, What};

impl RunNode {
    /// Waits until a view is in force again, fences off who is not in it, and sends the markers.
    pub(super) fn next_view(&mut self) -> bool {
        let view = match &self.status {
            Status::Steady(view) => view.clone(),
            Status::Excluded { .. } => {
                self.phase = Phase::Out;
                return true;
            }
            Status::Changing | Status::NoQuorum => return false,
        };
        self.attended = view.term;
        if self.pass(Point::View) {
            return true;
        }
        self.fence(&view);
        let me = self.me;
        let mut others: Vec<Rank> = view.members.iter().copied().filter(|rank| *rank != me).collect();
        others.sort_unstable();
        self.master = view.master();
        let capacity = self.truth.borrow().rules.capacity;
        let number = u64::from(view.term.round) * u64::from(capacity) + u64::from(view.term.candidate.0);
        self.link.enter(number, others);
        self.phase = Phase::Entering(view);
        true
    }

    fn fence(&mut self, view: &View) {
        let new = |rank: &Rank| *rank != self.me && !view.contains(*rank) && !self.fenced.contains(rank);
        let left: Vec<Rank> = self.view.members.iter().copied().filter(new).collect();
        self.link.exclude(&left);
        self.fenced.extend(left);
    }

    /// Waits for the markers of all others.
    pub(super) fn enter(&mut self, view: View) -> bool {
        if let Some(peer) = self.link.entering() {
            return self.wait_for(peer);
        }
        if self.pass(Point::Entered) {
            return true;
        }
        let inventory = self.inventory();
        self.phase = if self.is_master() {
            Phase::Leading(view, BTreeMap::from([(self.me, inventory)]))
        } else {
            self.post(view.master(), view.term, What::Inventory(inventory));
            Phase::Following(view)
        };
        true
    }

    /// The master's part: from everybody's copies to a plan.
    pub(super) fn lead(&mut self, view: View, mut inventories: BTreeMap<Rank, Inventory>) -> bool {
        if inventories.len() < view.members.len() {
            if self.leave_if_disturbed() {
                return true;
            }
            while let Some((from, word)) = self.inbox.pop_front() {
                if let What::Inventory(inventory) = word.what
                    && word.term == view.term
                    && view.contains(from)
                {
                    inventories.insert(from, inventory);
                }
            }
            let moved = inventories.len() == view.members.len();
            self.phase = Phase::Leading(view, inventories);
            return moved;
        }
        if self.pass(Point::Gathered) {
            return true;
        }
        let recovery = match plan(&self.owners, &inventories) {
            Ok(plan) => Recovery { plan, checkpoint: None },
            Err(_) => Recovery { plan: heirs(&self.owners, &view), checkpoint: self.newest_checkpoint() },
        };
        for &peer in view.members.iter().filter(|&&peer| peer != self.me) {
            let what = What::Plan(recovery.clone());
            self.link.post(peer, super::words::Word { term: view.term, what }, &mut self.out);
        }
        self.truth.borrow_mut().count("recoveries");
        self.begin_restore(view, recovery)
    }

    /// Everybody else's part.
    pub(super) fn follow(&mut self, view: View) -> bool {
        while let Some((from, word)) = self.inbox.pop_front() {
            if let What::Plan(recovery) = word.what
                && word.term == view.term
                && from == view.master()
            {
                return self.begin_restore(view, recovery);
            }
        }
        self.leave_if_disturbed()
    }

    fn begin_restore(&mut self, view: View, recovery: Recovery) -> bool {
        let step = recovery.checkpoint.unwrap_or(recovery.plan.epoch.step);
        self.note(|| format!("goes back to step {step}: {recovery:?}"));
        if self.is_master() {
            self.truth.borrow_mut().planned(&view, step);
        }
        if self.pass(Point::Planned) {
            return true;
        }
        if recovery.checkpoint.is_some() {
            let until = self.now + self.random.millis(1..300);
            self.phase = Phase::Loading { until, view, recovery };
            return true;
        }
        self.restore(&recovery.plan);
        self.go_on_in(view, &recovery)
    }

    /// A checkpoint is read, which takes its time.
    pub(super) fn load_checkpoint(&mut self, until: Duration, view: View, recovery: Recovery) -> bool {
        if self.now < until {
            return false;
        }
        self.works();
        if let Some(step) = recovery.checkpoint {
            self.resume_at(step, &recovery.plan.owners);
            self.truth.borrow_mut().count("loads");
        }
        self.go_on_in(view, &recovery)
    }

    fn go_on_in(&mut self, view: View, recovery: &Recovery) -> bool {
        if self.pass(Point::Restored) {
            return true;
        }
        self.ledger = Ledger::resume(recovery.plan.epoch);
        self.epoch_owners.clone_from(&self.owners);
        (self.heard, self.heard_replicated, self.pending) = (Decision::default(), 0, None);
        self.handed_in.clear();
        self.checkpoints.forget();
        self.resuming = true;
        self.view = view;
        self.knows(Epoch { step: self.step, ..recovery.plan.epoch });
        self.phase = Phase::Begin;
        true
    }
}

/// Batches without an owner go to who has the fewest.
fn heirs(owners: &[Rank], view: &View) -> Plan {
    let mut load: BTreeMap<Rank, usize> = view.members.iter().map(|&member| (member, 0)).collect();
    for owner in owners {
        load.entry(*owner).and_modify(|load| *load += 1);
    }
    let mut settled = Vec::with_capacity(owners.len());
    for &owner in owners {
        let least = load.iter().min_by_key(|&(rank, load)| (*load, *rank)).map_or(owner, |(rank, _)| *rank);
        let heir = if view.contains(owner) { owner } else { least };
        if heir != owner {
            load.entry(heir).and_modify(|load| *load += 1);
        }
        settled.push(heir.0);
    }
    Plan { epoch: Epoch::START, owners: settled }
}
