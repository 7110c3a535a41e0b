//! What the site has set, where it changes what a run has to ask for.

use std::time::Instant;

use super::Slurm;
use super::error::SlurmError;

/// Settings of slurm.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whether a step ends as a whole once one of its tasks has failed, unless srun says otherwise.
    pub kill_on_bad_exit: bool,
    /// How long a step may last after the first of its tasks has ended, s; 0: without limit.
    pub wait_time_s: u64,
}

/// What `srun --mpi=` takes here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MpiPlugins {
    /// `pmix`, of any version.
    pub pmix: bool,
    /// `pmi2`.
    pub pmi2: bool,
}

impl Slurm {
    /// The site's settings.
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn site(&self, deadline: Instant) -> Result<Site, SlurmError> {
        let answer = self.ask("scontrol", &["show", "config"], deadline)?;
        let setting = |name: &'static str| {
            let found = answer.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name);
            found.map(|(_, value)| value.trim()).ok_or_else(|| answer.unknown(name, "no line of that name"))
        };
        let number = |name: &'static str| {
            let value = setting(name)?;
            // `0`, `30 sec`.
            let first = value.split_whitespace().next().unwrap_or_default();
            first.parse::<u64>().map_err(|_| answer.unknown(name, value))
        };
        Ok(Site { kill_on_bad_exit: number("KillOnBadExit")? != 0, wait_time_s: number("WaitTime")? })
    }

    /// Which ways of starting MPI srun has here, by `srun --mpi=list`.
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn mpi_plugins(&self, deadline: Instant) -> Result<MpiPlugins, SlurmError> {
        let answer = self.ask("srun", &["--mpi=list"], deadline)?;
        // Some versions print to stderr, some put `srun: ` before each line.
        let words: Vec<&str> = answer.text.split_whitespace().chain(answer.aside.split_whitespace()).collect();
        if !words.iter().any(|word| word.trim_end_matches(',') == "none") {
            return Err(answer.unknown("a list of MPI plugins with `none` in it", &words.join(" ")));
        }
        let has = |name: &str| {
            words.iter().any(|word| {
                let word = word.trim_end_matches(',');
                word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with("_v"))
            })
        };
        Ok(MpiPlugins { pmix: has("pmix"), pmi2: has("pmi2") })
    }
}
