//! What can stop a run.

use std::time::Duration;

use rankzero_comm::{CommError, FailureCause, Rank};
use rankzero_gpu::GpuError;
use rankzero_physx::rigid::RigidError;

/// Why the engine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The fabric failed.
    #[error(transparent)]
    Comm(#[from] CommError),
    /// PhysX failed.
    #[error("step {step}: {source}")]
    Rigid {
        /// The step.
        step: u64,
        /// What PhysX said.
        source: RigidError,
    },
    /// A peer is gone.
    #[error("step {step}: {peer} failed while {me} waited for its {what}: {cause}")]
    PeerFailed {
        /// The rank that noticed.
        me: Rank,
        /// The rank that is gone.
        peer: Rank,
        /// What was expected of it.
        what: &'static str,
        /// The step.
        step: u64,
        /// The evidence.
        cause: FailureCause,
    },
    /// A peer says nothing.
    #[error(
        "step {step}: {me} has waited {waited:?} for the {what} of {peer}; it has died, hangs or is starved \
         (raise network.result_timeout_ms if the machine is merely slow)"
    )]
    Silent {
        /// The rank that waits.
        me: Rank,
        /// The rank that is silent.
        peer: Rank,
        /// What was expected of it.
        what: &'static str,
        /// The step.
        step: u64,
        /// How long.
        waited: Duration,
    },
    /// The view of who takes part has changed, or is about to: the step is to be taken again, in the next view.
    #[error("step {step}: the ranks that take part are changing")]
    Disturbed {
        /// The step.
        step: u64,
    },
    /// The numbers of a body are no longer finite.
    #[error(
        "step {step}: soft body {body} (soft_bodies[{group}]) has left the range of numbers; \
         raise time.substeps, or soften its material"
    )]
    BlewUp {
        /// The body.
        body: u32,
        /// Its group.
        group: u32,
        /// The step.
        step: u64,
    },
    /// A card hangs that may still write what others read.
    #[error("step {step}: {me} leaves the run, as what its GPU may still write is what others read: {source}")]
    CardHangs {
        /// The rank.
        me: Rank,
        /// The step.
        step: u64,
        /// The card's failure.
        source: GpuError,
    },
    /// Replicas of the rigid scene disagree.
    #[error(
        "step {step}: the rigid bodies of {peer} differ from those of {me}; \
         jobs with rigid bodies need machines of one CPU vendor"
    )]
    RigidsDiffer {
        /// This rank.
        me: Rank,
        /// The other.
        peer: Rank,
        /// The step.
        step: u64,
    },
    /// More contacts between rigid and soft bodies than the board has room for.
    #[error("step {step}: {found} contacts of rigid with soft bodies on {me}; at most {most} have room")]
    TooManyWrenches {
        /// This rank.
        me: Rank,
        /// The step.
        step: u64,
        /// How many there are.
        found: usize,
        /// How many have room.
        most: usize,
    },
}
