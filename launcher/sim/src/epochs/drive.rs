//! From phase to phase.

use super::node::{Phase, RunNode};

impl RunNode {
    /// Does the next thing, if it can. Whether it has.
    pub(super) fn turn(&mut self) -> bool {
        match self.phase.clone() {
            Phase::Begin => self.begin_step(),
            Phase::Moving(sent) => self.migrate(sent),
            Phase::Ready(header) => self.exchange(header),
            Phase::Exchange => self.gather(),
            Phase::Computing { until, next } => self.end_step(until, &next),
            Phase::Opening(epoch) => self.open_epoch(epoch),
            Phase::Hashing { end } => self.hash(end),
            Phase::Await => self.next_view(),
            Phase::Entering(view) => self.enter(view),
            Phase::Leading(view, inventories) => self.lead(view, inventories),
            Phase::Following(view) => self.follow(view),
            Phase::Loading { until, view, recovery } => self.load_checkpoint(until, view, recovery),
            Phase::Concluding { hashed } => self.conclude(hashed),
            Phase::HandedIn => self.await_end(),
            Phase::Done | Phase::Out => false,
        }
    }
}
