//! One line of the results: a point that was run, and on what.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::Measure;
use crate::plan::Point;

/// Stands for all that makes two runs of a size comparable: job, ranks, threads, build, way of starting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of these parts: 16 hexadecimal digits of BLAKE3.
    pub fn of(parts: &[&str]) -> Key {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            // The length first, so that no two lists of parts are one text.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Key(hasher.finalize().to_hex()[..16].to_owned())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the points ran on: the machine of rank 0 where there are several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Model of the processor.
    pub cpu: String,
    /// Hardware threads that a process may use.
    pub cpus: u32,
    /// Cores of the machine; 0 where unknown.
    pub cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Operating system and release.
    pub kernel: String,
    /// The MPI library.
    pub mpi: String,
    /// Version of Slurm, where there is one.
    pub slurm: Option<String>,
    /// Version of rankzero.
    pub rankzero: String,
    /// BLAKE3 of the program, the first digits: one number a build.
    pub build: String,
    /// What git says of the checkout that the program lies in, where it lies in one.
    pub checkout: Option<String>,
}

/// How a point ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Done {
        /// What it came to.
        measure: Measure,
    },
    /// Badly; it is run again by the next sweep in the same directory.
    Failed {
        /// How.
        why: String,
    },
}

/// A point that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Nodes and repeat.
    #[serde(flatten)]
    pub point: Point,
    /// What it may be compared with.
    pub key: Key,
    /// When it began, as in RFC 3339.
    pub began: String,
    /// Seconds that it took, from the first process to the end of the last.
    pub took_s: f64,
    /// How it was started, as a shell would take it.
    pub command: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it ran on.
    pub machine: Machine,
}

impl Record {
    /// What it came to, if it ended well.
    pub fn measure(&self) -> Option<&Measure> {
        match &self.outcome {
            Outcome::Done { measure } => Some(measure),
            Outcome::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let keys = [&["ab", "c"][..], &["a", "bc"], &["abc"], &["abc", ""]].map(Key::of);
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|other| other != key));
            assert_eq!(key.to_string().len(), 16);
        }
        assert_eq!(Key::of(&["ab", "c"]), keys[0]);
    }
}
