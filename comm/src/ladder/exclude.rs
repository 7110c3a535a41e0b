//! Who leaves the run, and what fences it off.

use super::Ladder;
use super::pair::Pair;
use crate::error::{CommError, FailureCause};
use crate::fabric::Left;
use crate::ids::{Rank, Rung};
use crate::transport::Transport;

impl<T: Transport + ?Sized> Ladder<T> {
    /// See [`crate::Fabric::exclude`].
    pub(super) fn exclude_all(&mut self, left: &[Left]) -> Result<(), CommError> {
        for &Left { rank, .. } in left {
            if rank.index() >= self.pairs.len() || rank == self.me {
                continue;
            }
            if self.is_vacant(rank) {
                self.write_off(rank, FailureCause::Excluded);
            } else {
                self.give_up(rank, FailureCause::Excluded)?;
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        self.retire(Rung::Mpi)?;
        if left.iter().any(|left| !left.dead && self.shares_memory(left.rank)) {
            self.fence()?;
        }
        Ok(())
    }

    /// Whether a rank may have mapped this one's memory.
    fn shares_memory(&self, rank: Rank) -> bool {
        self.index_of(Rung::Shm).is_some() && self.pairs.get(rank.index()).is_some_and(|pair| pair.same_node)
    }

    /// A call into the library of a rung has failed. Once pairs are open MPI's is called no more, as if a rank had died: that is what it may have
    /// noticed (ULFM), and the run can do without it. Everything else ends the run.
    ///
    /// # Errors
    /// The failure, where it ends the run.
    pub(super) fn distrust(&mut self, at: usize, failure: CommError) -> Result<(), CommError> {
        let rung = self.transports[at].rung();
        let serves = |pair: &Pair| pair.out.rung().is_some();
        if rung != Rung::Mpi || !matches!(failure, CommError::Mpi { .. }) || !self.pairs.iter().any(serves) {
            return Err(failure);
        }
        tracing::warn!(%failure, "MPI is called no more");
        self.retire(rung)
    }

    /// Takes all pairs off a rung whose library is not to be called any more, not even for its progress.
    fn retire(&mut self, rung: Rung) -> Result<(), CommError> {
        let Some(at) = self.index_of(rung).filter(|_| self.retired != Some(rung)) else { return Ok(()) };
        self.banned.push(rung);
        for peer in self.peers() {
            self.break_link(peer, at, FailureCause::Retired)?;
        }
        self.retired = Some(rung);
        Ok(())
    }

    /// Closes every connection by which memory is written from outside and moves the memory. The rungs come up again by themselves.
    fn fence(&mut self) -> Result<(), CommError> {
        for rung in [Rung::Shm, Rung::Verbs] {
            let Some(at) = self.index_of(rung) else { continue };
            for peer in self.peers() {
                self.break_link(peer, at, FailureCause::Fenced)?;
            }
        }
        // Shared memory first: it moves what RDMA registers anew.
        for rung in [Rung::Shm, Rung::Verbs] {
            let Some(at) = self.index_of(rung) else { continue };
            self.transports[at].fence()?;
        }
        Ok(())
    }
}
