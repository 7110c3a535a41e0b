//! What can go wrong with a sweep, with the file, line or flag it concerns, and what to do about it.

use std::path::{Path, PathBuf};

/// An error of planning a sweep, or of reading and writing what it leaves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// A sweep that cannot be.
    #[error("{flag}: {what}; {remedy}")]
    Plan {
        /// The flag that asked for it.
        flag: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was tried, as a verb phrase ("write the results").
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The system's own word, with its errno.
        source: std::io::Error,
    },
    /// A line of the results that is whole, and nothing that rankzero writes.
    #[error("{}:{line}: not a result of a sweep: {what}; remove the line, and that point is run again", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A file that describes a sweep or a run, and makes no sense.
    #[error("{}: {what}; {remedy}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process has the sweep.
    #[error("{}: another sweep is at work in this directory; wait for its end, or name another one by --dir", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// A plot could not be drawn.
    #[error(
        "plot `{name}` cannot be drawn: {what}; the results are safe, and `rankzero sweep --report DIR` tries again"
    )]
    Plot {
        /// The plot.
        name: &'static str,
        /// What its library said.
        what: String,
    },
}

impl SweepError {
    /// Wraps an I/O error; for use with `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
