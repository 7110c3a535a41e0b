//! What can go wrong in a run, and the exit code of each.

use std::path::PathBuf;

use rankzero_checkpoint::CheckpointError;
use rankzero_comm::CommError;
use rankzero_frames::FrameError;
use rankzero_job::JobError;
use rankzero_slurm::launch::EnvError;

use crate::binding::BindingError;
use crate::engine::EngineError;
use crate::scene::SceneError;

/// The exit code of a rank without which the others go on.
pub const EXCLUDED: i32 = 6;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The launcher's environment makes no sense.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// Threads cannot be placed.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The job file is wrong.
    #[error("{0}")]
    Job(#[from] JobError),
    /// The job cannot be simulated.
    #[error("error: {file}: {source}", file = .file.display())]
    Scene {
        /// The job file.
        file: PathBuf,
        /// What is wrong.
        source: SceneError,
    },
    /// Rank 0 could not start.
    #[error("rank 0 could not start the run; its message is above")]
    MasterRefused,
    /// The time that ranks without MPI may take to meet is none.
    #[error("environment variable {variable} is `{text}`, not a number of seconds from 1 to 86400", variable = super::MEETING_TIME_VARIABLE)]
    MeetingTime {
        /// Its value.
        text: String,
    },
    /// The fabric failed at the start or the end.
    #[error(transparent)]
    Comm(#[from] CommError),
    /// The faults to inject cannot be read.
    #[error("{0}")]
    Faults(String),
    /// The GPU that was asked for cannot be used.
    #[error("--device gpu: {0}")]
    Device(String),
    /// The fabric that was asked for is not there.
    #[error("network.fabric asks for {asked}, but {why}")]
    Fabric {
        /// What the job wants.
        asked: String,
        /// What keeps it from being used.
        why: String,
    },
    /// Ranks disagree on what they run.
    #[error("{rank} on {host} has built another scene than rank 0: are all nodes running the same rankzero?")]
    Disagreement {
        /// The rank.
        rank: rankzero_comm::Rank,
        /// Its host.
        host: String,
    },
    /// The run directory is not shared.
    #[error(
        "the run directory {dir} of rank 0 cannot be seen on {host}: choose a --run-dir on a file system that all nodes share",
        dir = .dir.display()
    )]
    NotShared {
        /// The directory.
        dir: PathBuf,
        /// Where it is missing.
        host: String,
    },
    /// The run directory cannot be made.
    #[error("cannot create the run directory {}: {source}; choose another --run-dir", dir.display())]
    RunDir {
        /// The directory.
        dir: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// MPI does not know of the ranks that the environment speaks of.
    #[error(
        "the environment says that this is one of {told} ranks, MPI says one of {found}: were the launcher's variables \
         inherited, or is it the launcher of another MPI? (`rankzero doctor` shows both)"
    )]
    OtherWorld {
        /// Ranks by the launcher's environment variables.
        told: u32,
        /// Ranks by MPI.
        found: u32,
    },
    /// The ranks cannot watch over each other.
    #[error("no control links between the ranks: {0}")]
    NoLinks(String),
    /// The others go on without this rank.
    #[error(
        "{me} was left out: the others took it for lost ({term}) and go on without it; it has written nothing since. \
         Was its process stopped, its node cut off or starved? (network.heartbeat_timeout_ms)"
    )]
    Excluded {
        /// This rank.
        me: rankzero_comm::Rank,
        /// The term of the view without it.
        term: String,
    },
    /// Another run has begun in the same run directory.
    #[error(
        "another run has taken over {}: {by}; this rank stops and writes nothing any more (was the job put back into the queue \
         while this part of it could not be reached?)", dir.display()
    )]
    Superseded {
        /// The run directory.
        dir: PathBuf,
        /// Who it is.
        by: String,
    },
    /// The others go on without this rank, by the word of the workload manager.
    #[error("{me} counts as dead, {why}; the others go on without it, it has written nothing since")]
    Banned {
        /// This rank.
        me: rankzero_comm::Rank,
        /// Why.
        why: String,
    },
    /// A run cannot be joined, or told something, by its door.
    #[error(
        "{}: {why}; is the run directory the right one, is the run still going on, and is it yours? (a run of one rank has no door, \
         nor has one with fault_tolerance.newcomers: 0)",
        dir.display()
    )]
    NoDoor {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A newcomer was not let in.
    #[error("{me} was not let in within {waited_s} s; the run may be over, or its ranks are not reached from here")]
    NotLetIn {
        /// The number that this process had taken.
        me: rankzero_comm::Rank,
        /// How long it has waited.
        waited_s: u64,
    },
    /// No majority, and the job says to stop then.
    #[error(
        "{me} finds no majority of the ranks and stops, as fault_tolerance.on_lost_quorum says; what it knows is in {dir}",
        dir = .dir.display()
    )]
    NoQuorum {
        /// This rank.
        me: rankzero_comm::Rank,
        /// The run directory.
        dir: PathBuf,
    },
    /// A step that was computed twice came out differently.
    #[error(
        "step {step} was computed again and came out differently: digest {before} before, {now} now; this is a bug or a \
         broken machine: keep the run directory and report it"
    )]
    LawBroken {
        /// The step.
        step: u64,
        /// Its digest in the journal.
        before: String,
        /// Its digest now.
        now: String,
    },
    /// A checkpoint cannot be restored.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint holds another scene, though its job looks the same.
    #[error("{}: body {body} has another size than in this job; was the checkpoint written by another version?", path.display())]
    OtherScene {
        /// The checkpoint.
        path: PathBuf,
        /// The body.
        body: u32,
    },
    /// A step failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A frame could not be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A file of the run directory could not be written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The thread pool could not be made.
    #[error("cannot start worker threads: {0}; raise the limit on processes (ulimit -u) or lower --threads")]
    Threads(String),
}

impl RunError {
    /// The exit code: 2 the job or its meshes, 3 the environment, 4 a peer, 6 left out by the others or gone from them, 1 everything else.
    pub fn exit_code(&self) -> i32 {
        match self {
            RunError::Job(_) | RunError::Scene { .. } | RunError::MasterRefused => 2,
            RunError::Comm(CommError::Rendezvous(error)) if !error.is_absence() => 3,
            RunError::Environment(_)
            | RunError::MeetingTime { .. }
            | RunError::Binding(_)
            | RunError::NotShared { .. }
            | RunError::RunDir { .. }
            | RunError::OtherWorld { .. }
            | RunError::Disagreement { .. }
            | RunError::Fabric { .. }
            | RunError::Device(_)
            | RunError::Faults(_)
            | RunError::NoLinks(_)
            | RunError::NoDoor { .. }
            | RunError::NotLetIn { .. }
            | RunError::Engine(EngineError::Comm(CommError::NoPath { .. }))
            | RunError::Threads(_) => 3,
            RunError::Engine(EngineError::PeerFailed { .. } | EngineError::Silent { .. } | EngineError::Comm(_))
            | RunError::NoQuorum { .. }
            | RunError::Comm(_) => 4,
            RunError::Excluded { .. }
            | RunError::Superseded { .. }
            | RunError::Banned { .. }
            | RunError::Engine(EngineError::CardHangs { .. }) => EXCLUDED,
            RunError::Engine(_)
            | RunError::Frame(_)
            | RunError::Io { .. }
            | RunError::LawBroken { .. }
            | RunError::Checkpoint(_)
            | RunError::OtherScene { .. } => 1,
        }
    }

    /// Wraps an error of the system.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| RunError::Io { what, path, source }
    }
}
