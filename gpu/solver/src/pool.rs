//! What the records of colliders refer to, on a card.

use rankzero_gpu::{ArenaId, BufferId, GpuError, Lane};

use crate::collider::Colliders;

/// The pool of a step's colliders, kept on the card from step to step.
#[derive(Debug)]
pub(crate) struct Pool {
    arena: ArenaId,
    buffer: BufferId,
    version: u64,
}

impl Pool {
    /// An empty one.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub(crate) fn new(lane: &mut Lane) -> Result<Self, GpuError> {
        Ok(Self { arena: lane.add_arena(0)?, buffer: lane.add_buffer(0)?, version: 0 })
    }

    /// Words that have to be reserved before the card has the pool of some colliders.
    pub(crate) fn more_words(&self, lane: &Lane, colliders: &Colliders) -> usize {
        if self.version == colliders.version() { 0 } else { lane.more_words(self.buffer, colliders.pool().len()) }
    }

    /// Brings the pool to the card where it has changed.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`].
    pub(crate) fn share(&mut self, lane: &mut Lane, colliders: &Colliders) -> Result<(), GpuError> {
        if self.version == colliders.version() {
            return Ok(());
        }
        let pool = colliders.pool();
        lane.grow_buffer(self.buffer, pool.len())?;
        lane.grow_arena(self.arena, pool.len())?;
        lane.words(self.arena)?[..pool.len()].copy_from_slice(pool);
        lane.upload(self.arena, 0..pool.len(), self.buffer, 0)?;
        self.version = colliders.version();
        Ok(())
    }

    /// Its address on the card.
    pub(crate) fn address(&self, lane: &Lane) -> u64 {
        lane.address(self.buffer)
    }
}
