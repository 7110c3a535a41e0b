//! What is wrong with a job, for people and for programs.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::typing::MAX_FINDINGS;

/// Where a wrong value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum Origin {
    /// The text of the job file.
    File {
        /// The file's name as it was given.
        file: String,
        /// Line, from 1; `None` where the file as a whole is meant.
        line: Option<usize>,
        /// Column in characters, from 1.
        column: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// `NAME=value`.
        variable: String,
    },
    /// A `--set` on the command line.
    Set {
        /// `path=value`.
        argument: String,
    },
    /// A [`crate::Job`] made by a program.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::File { file, line: Some(line), column: Some(column) } => write!(f, "{file}:{line}:{column}"),
            Self::File { file, .. } => f.write_str(file),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Set { argument } => write!(f, "--set {argument}"),
            Self::Program => f.write_str("job"),
        }
    }
}

/// One thing that is wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where the value came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Path of the value, such as `soft_bodies[0].count`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What to do, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "error: {}: ", self.origin)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file could not be read.
    #[error("error: {}: cannot read the job file: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read, and it or what overrides it is wrong. Never empty; in the order of the file.
    #[error("{}", Report(.0))]
    Invalid(Vec<Problem>),
}

impl JobError {
    /// What is wrong, one entry each.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Read { path, source } => vec![Problem {
                origin: Origin::File { file: path.display().to_string(), line: None, column: None },
                path: String::new(),
                message: format!("cannot read the job file: {source}"),
                help: None,
            }],
            Self::Invalid(problems) => problems.clone(),
        }
    }
}

/// Problems as a person reads them.
struct Report<'a>(&'a [Problem]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.0.len() {
            0 | 1 => Ok(()),
            n @ MAX_FINDINGS.. => write!(f, "\nerror: the job has {n} problems or more"),
            n => write!(f, "\nerror: the job has {n} problems"),
        }
    }
}
