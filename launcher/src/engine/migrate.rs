//! Moving batches between ranks, between two steps.
//!
//! Every rank knows the moves; the old owner puts the states into the new owner's segment at the same offsets, and both change
//! their lists. Nothing else changes: the result does not know where a body is computed.

use rankzero_comm::{Fabric, Rank};
use rayon::prelude::*;

use super::board::Kind;
use super::{Engine, EngineError};

/// A batch and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The batch.
    pub batch: u32,
    /// Its new owner.
    pub to: Rank,
}

impl<F: Fabric> Engine<F> {
    /// Carries out moves before the next step. All ranks call it with the same moves; moves to the present owner are none.
    ///
    /// # Errors
    /// As for a step.
    pub fn migrate(&mut self, moves: &[Move]) -> Result<(), EngineError> {
        let (me, step) = (self.rank(), self.step);
        let mut givers = std::collections::BTreeSet::new();
        let mut outgoing = std::collections::BTreeMap::<Rank, Vec<(usize, usize)>>::new();
        for m in moves {
            let from = self.ownership.batches()[m.batch as usize];
            if from == m.to {
                continue;
            }
            let bodies = &self.scene.batches[m.batch as usize];
            if from == me {
                bodies.par_iter().for_each(|&body| self.board.states.bring_home(body));
                outgoing.entry(m.to).or_default().extend(bodies.iter().map(|&b| self.board.states.range_of(b)));
            }
            if m.to == me {
                givers.insert(from);
            }
        }
        self.link.settle(Kind::State, step, step)?;
        for (peer, ranges) in outgoing {
            self.link.put(peer, self.board.states.segment(), &ranges, Kind::State, step)?;
        }
        self.link.expect(givers.into_iter(), Kind::State, step, step)?;
        // What was given away must not change here before it has left.
        self.link.settle(Kind::State, step, step)?;
        for m in moves {
            self.ownership.assign(&self.scene, m.batch, m.to);
            self.forget_base(m.batch);
        }
        self.adopt();
        Ok(())
    }
}
