//! What can go wrong in a run, and the exit code of each.

use std::path::PathBuf;

use rankzero_comm::CommError;
use rankzero_frames::FrameError;
use rankzero_job::JobError;
use rankzero_slurm::launch::EnvError;

use crate::binding::BindingError;
use crate::engine::EngineError;
use crate::scene::SceneError;

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
    /// The exit code: 2 the job or its meshes, 3 the environment, 4 a peer, 1 everything else.
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
            | RunError::Faults(_)
            | RunError::Engine(EngineError::Comm(CommError::NoPath { .. }))
            | RunError::Threads(_) => 3,
            RunError::Engine(EngineError::PeerFailed { .. } | EngineError::Silent { .. } | EngineError::Comm(_))
            | RunError::Comm(_) => 4,
            RunError::Engine(_) | RunError::Frame(_) | RunError::Io { .. } => 1,
        }
    }

    /// Wraps an error of the system.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| RunError::Io { what, path, source }
    }
}
