//! Which Slurm answers.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Instant;

use super::error::SlurmError;
use super::{Slurm, shortened};

/// A release, such as 22.05.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The year, since 2000.
    pub major: u32,
    /// The month.
    pub minor: u32,
    /// The patch.
    pub patch: u32,
}

impl Version {
    /// Majors whose options and output this crate knows.
    pub const KNOWN: RangeInclusive<u32> = 21..=25;

    /// Whether it is one that this crate knows. Of another one it still tries: what it does not understand, it refuses.
    pub fn is_known(self) -> bool {
        Version::KNOWN.contains(&self.major)
    }

    /// From `slurm 23.02.6`, `slurm-wlm 22.05.8`, `slurm 24.05.0-0rc1`.
    fn read(line: &str) -> Option<Version> {
        let mut words = line.split_whitespace();
        let (name, number) = (words.next()?, words.next()?);
        let mut parts = number.split(['.', '-']).map(str::parse::<u32>);
        let mut part = || parts.next()?.ok();
        let version = Version { major: part()?, minor: part()?, patch: part()? };
        name.starts_with("slurm").then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}.{}", self.major, self.minor, self.patch)
    }
}

impl Slurm {
    /// The version of the commands, by `sbatch --version`.
    ///
    /// # Errors
    /// [`SlurmError`]; also where the command finds no configuration.
    pub fn version(&self, deadline: Instant) -> Result<Version, SlurmError> {
        let answer = self.ask("sbatch", &["--version"], deadline)?;
        let line = answer.lines().next().unwrap_or_default();
        Version::read(line).ok_or_else(|| answer.unknown("a version such as `slurm 23.02.6`", &shortened(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_packagers_write_them() {
        let read = |line: &str| Version::read(line).map(|version| version.to_string());
        assert_eq!(read("slurm-wlm 22.05.8").as_deref(), Some("22.05.8"));
        assert_eq!(read("slurm 21.08.8-2").as_deref(), Some("21.08.8"));
        assert_eq!(read("slurm 24.05.0-0rc1").as_deref(), Some("24.05.0"));
        for other in ["", "slurm", "slurm 23", "slurm 23.2", "slurm x.y.z", "bash 22.05.8", "slurm 23.-1.0"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn known_are_those_that_the_documentation_names() {
        let of = |major| Version { major, minor: 5, patch: 0 };
        assert_eq!([20, 21, 25, 26].map(|major| of(major).is_known()), [false, true, true, false]);
    }
}
