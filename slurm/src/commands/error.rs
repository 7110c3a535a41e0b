//! Why a command of Slurm did not answer.

use std::time::Duration;

/// Why a command of Slurm did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// It is not installed here.
    #[error("there is no `{program}` on PATH: this machine has no Slurm, or its module is not loaded")]
    Absent {
        /// The program.
        program: &'static str,
    },
    /// The system refused to start or to wait for it.
    #[error("cannot run `{command}`: {source}")]
    System {
        /// The command line.
        command: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It did not end in time and was killed.
    #[error("`{command}` did not answer within {waited:.1?}; is slurmctld up? (`scontrol ping`)")]
    TimedOut {
        /// The command line.
        command: String,
        /// Time waited.
        waited: Duration,
    },
    /// It ended with a failure.
    #[error("`{command}` failed{}: {says}", .code.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Refused {
        /// The command line.
        command: String,
        /// Its exit code; none where a signal ended it.
        code: Option<i32>,
        /// Its words, in one line.
        says: String,
    },
    /// It said more than anybody reads.
    #[error("`{command}` printed more than {limit_bytes} bytes; it was stopped")]
    TooLong {
        /// The command line.
        command: String,
        /// The limit, bytes.
        limit_bytes: usize,
    },
    /// It said something that this version of rankzero does not know. Nothing is guessed.
    #[error(
        "`{command}` printed `{found}`, where {expected} was expected; Slurm 21 to 25 are known, and this may be another one"
    )]
    Unknown {
        /// The command line.
        command: String,
        /// What should have been there.
        expected: &'static str,
        /// What was there, shortened.
        found: String,
    },
}

/// As much of a text as a message shows, in one line.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
