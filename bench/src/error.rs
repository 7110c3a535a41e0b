//! What can go wrong while measuring.

use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system refused something with a file or a process.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A program that is measured failed.
    #[error("`{command}` ended with {status}:\n{stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// The command line asks for what there is not.
    #[error("{0}")]
    Usage(String),
    /// A scene was refused.
    #[error("the job `{job}`: {what}")]
    Job {
        /// Its name.
        job: String,
        /// What is wrong with it.
        what: String,
    },
    /// An engine gave up.
    #[error("{engine}: {what}")]
    Engine {
        /// Which.
        engine: &'static str,
        /// What it says.
        what: String,
    },
    /// A plot could not be drawn.
    #[error("cannot draw {}: {what}", path.display())]
    Plot {
        /// Its file.
        path: PathBuf,
        /// The plotter's words.
        what: String,
    },
    /// A program said something else than expected.
    #[error("`{command}` printed something unexpected: {what}")]
    Unexpected {
        /// The command line.
        command: String,
        /// What is missing or malformed.
        what: String,
    },
}

impl BenchError {
    /// Wraps an error of the system.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| BenchError::Io { what, path, source }
    }
}
