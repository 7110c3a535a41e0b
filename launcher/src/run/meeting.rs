//! Where ranks meet that srun has started without PMI, and that were not told: in a directory whose name all of them can work out.

use std::path::{Path, PathBuf};

use rankzero_job::Overrides;
use rankzero_slurm::launch::{Allocation, EnvError, Launch, RENDEZVOUS_VARIABLE, environment};

use super::start::Options;

/// What begins the name of a directory that was made for ranks to meet in.
pub const PREFIX: &str = ".meet-";

/// Who this process is. Several tasks of srun without PMI meet in the run directory if the command line or the job names one, else in
/// the current directory.
///
/// # Errors
/// As [`Launch::detect`].
pub(super) fn detect(options: &Options) -> Result<Launch, EnvError> {
    let mut environment = environment();
    let refused = match Launch::detect(&environment) {
        Err(refused @ EnvError::NoPmi { .. }) => refused,
        outcome => return outcome,
    };
    let Some(dir) = Allocation::detect(&environment)?.and_then(|allocation| place(options, &allocation)) else {
        return Err(refused);
    };
    environment.insert(RENDEZVOUS_VARIABLE.to_owned(), dir);
    Launch::detect(&environment)
}

/// One directory for each start of each step.
fn place(options: &Options, allocation: &Allocation) -> Option<String> {
    let name = format!("{PREFIX}{}.{}.{}", allocation.job, allocation.step?, allocation.restarts);
    let of_job = || {
        let loaded = rankzero_job::load(&options.job, &Overrides::from_process(options.set.clone())).ok()?;
        loaded.job.output.directory
    };
    let folder = options.run_dir.clone().or_else(of_job).unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder).ok()?;
    folder.join(name).to_str().map(str::to_owned)
}

/// All ranks have met: removes a directory that was made for that alone. One that somebody has named stays.
pub(super) fn leave(dir: &Path) {
    if dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
        // A launch may have put a file of its own there, and removes it itself.
        let _ = std::fs::remove_dir(dir);
    }
}
