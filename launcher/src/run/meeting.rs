//! Where ranks meet that srun has started without PMI, and that were not told: in a directory whose name all of them can work out.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rankzero_comm::rendezvous::{RendezvousError, withdraw};
use rankzero_comm::{CommError, Rank};
use rankzero_job::Overrides;
use rankzero_slurm::launch::{Allocation, EnvError, Launch, RENDEZVOUS_VARIABLE, environment};

use super::start::Options;

/// What begins the name of a directory that was made for ranks to meet in.
pub const PREFIX: &str = ".meet-";
/// The longest that ranks may be told to wait for each other. A directory that nobody has touched for so long holds nobody who waits.
pub(super) const TIME_MAX: Duration = Duration::from_secs(86_400);

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
    forget_stale(&folder, &name);
    folder.join(name).to_str().map(str::to_owned)
}

/// Removes what was left by ranks, or by a launch, that were killed before all had met: in an earlier start of the job that is to meet
/// under this `name`, or so long ago that nobody waits there. Other jobs, and other steps of this one, may meet in the same folder now.
pub(crate) fn forget_stale(folder: &Path, name: &str) {
    let (Some((job, starts)), Ok(entries)) = (numbers(name), std::fs::read_dir(folder)) else { return };
    for entry in entries.flatten() {
        let Some((of, before)) = entry.file_name().to_str().and_then(numbers) else { continue };
        let touched = entry.metadata().and_then(|meta| meta.modified()).unwrap_or_else(|_| SystemTime::now());
        let untouched = SystemTime::now().duration_since(touched).unwrap_or_default();
        if (of == job && before < starts) || untouched > TIME_MAX {
            // Another rank may be removing it, too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The job of a directory that was made to meet in, and how often the job had begun before: names `.meet-JOB.STEP.STARTS`, or, of a launch,
/// `.meet-JOB.STARTS`.
fn numbers(name: &str) -> Option<(u64, u32)> {
    let (job, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let starts = rest.rsplit('.').next()?;
    Some((job.parse().ok()?, starts.parse().ok()?))
}

/// This rank waits no more for those that have not come: removes what it has left, and the directory with the last who gives up, where
/// it was made for this meeting alone.
pub(super) fn give_up(dir: &Path, rank: u32, why: &CommError) {
    // Under this number another process has left its word.
    let anothers = matches!(why, CommError::Rendezvous(RendezvousError::Twice { .. }));
    if is_ours(dir) && !anothers && withdraw(dir, Rank(rank)).is_ok() {
        leave(dir);
    }
}

fn is_ours(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// All ranks have met: removes a directory that was made for that alone. One that somebody has named stays.
pub(super) fn leave(dir: &Path) {
    if is_ours(dir) {
        // Who gives up may leave others behind. A launch may have put a file of its own there, and removes it itself.
        let _ = std::fs::remove_dir(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_can_wait_in_is_removed() {
        let folder = std::env::temp_dir().join(format!("rankzero-stale-{}", std::process::id()));
        for name in [".meet-7.0.0", ".meet-7.1", ".meet-7.3.2", ".meet-8.0.0", ".meet-x", ".met-7.0.0", "logs"] {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        std::fs::write(folder.join(".meet-7.0.0/key"), "old").expect("written");
        let long_ago = SystemTime::now() - TIME_MAX - Duration::from_secs(60);
        std::fs::create_dir_all(folder.join(".meet-5.0.0")).expect("a folder");
        let old = std::fs::File::open(folder.join(".meet-5.0.0")).expect("there");
        old.set_modified(long_ago).expect("our own");
        forget_stale(&folder, ".meet-7.2");
        let mut left: Vec<_> =
            std::fs::read_dir(&folder).expect("there").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, [".meet-7.3.2", ".meet-8.0.0", ".meet-x", ".met-7.0.0", "logs"]);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
