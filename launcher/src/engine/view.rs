//! Who takes part: the view that the engine computes in.

use rankzero_comm::control::Desk;
use rankzero_comm::member::View;
use rankzero_comm::{Fabric, Left, Rank, Resident};

use super::{Engine, EngineError};

/// The number by which the ranks of a run of `capacity` tell views apart in notifications; it grows from view to view.
fn number(view: &View, capacity: u32) -> u64 {
    u64::from(view.term.round) * u64::from(capacity) + u64::from(view.term.candidate.0)
}

impl<F: Fabric> Engine<F> {
    /// From now on `desk` decides who is alive, and a step ends with [`EngineError::Disturbed`] where the view changes.
    pub fn attend(&mut self, desk: Desk) {
        self.link.set_desk(desk);
        self.beat_for_card();
    }

    /// Ranks that the run has room for.
    pub fn capacity(&self) -> u32 {
        self.link.size()
    }

    /// Who has ever taken part, this rank included.
    pub fn present(&self) -> Vec<Rank> {
        self.link.present()
    }

    /// Makes newcomers present in the fabric; [`Engine::is_ready`] tells when they are reached.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where there is no room.
    pub fn admit(&mut self, newcomers: &[Resident]) -> Result<(), EngineError> {
        self.link.admit(newcomers)
    }

    /// Makes progress without waiting; whether all who are present and live are reached.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails.
    pub fn is_ready(&mut self) -> Result<bool, EngineError> {
        self.link.is_ready()
    }

    /// Lets the fabric go on while this rank has nothing to do.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails.
    pub fn idle(&mut self) -> Result<(), EngineError> {
        self.link.look()
    }

    /// The master of the view.
    pub fn master(&self) -> Rank {
        self.master
    }

    /// Whether this rank is the master.
    pub fn is_master(&self) -> bool {
        self.rank() == self.master
    }

    /// The members of the view, ascending.
    pub fn members(&self) -> Vec<Rank> {
        let mut members: Vec<Rank> = self.link.peers().chain([self.rank()]).collect();
        members.sort_unstable();
        members
    }

    /// Ends all paths by which `left` could write into this rank's memory, for good.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where that fails: this rank must not go on then.
    pub fn exclude(&mut self, left: &[Left]) -> Result<(), EngineError> {
        self.link.exclude(left)
    }

    /// Enters a view, whose other members do the same; who is not in it was excluded before. Afterwards nothing that was written before the
    /// view reaches this rank's memory any more. The state is to be restored next.
    ///
    /// # Errors
    /// [`EngineError::Disturbed`] where the next view comes first.
    pub fn enter(&mut self, view: &View) -> Result<(), EngineError> {
        let me = self.rank();
        let mut others: Vec<Rank> = view.members.iter().copied().filter(|&rank| rank != me).collect();
        others.sort_unstable();
        self.master = view.master();
        let number = number(view, self.link.size());
        self.link.enter_view(number, others, self.board.states.segment(), self.step)
    }
}
