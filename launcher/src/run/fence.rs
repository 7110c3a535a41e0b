//! Who may write in a run directory: the newest claim counts, and who is named as dead may not.
//!
//! ```text
//! RUN/fence/00003.claim     the third run that has begun in this directory: who it is
//! RUN/fence/00003.00004     rank 4 of that run counts as dead by the word of Slurm, and may not write any more
//! ```
//! A run that was put back into the queue may begin while ranks of its former start still run on a node that Slurm cannot reach; a rank that
//! Slurm has given up with its node may live on behind a cut. Neither is told by the network. What they share with those that go on is this
//! directory, so they are told here: every rank looks at it about once a second and before what must not be written twice, and
//! stops when it is no longer its own.
//!
//! **Invariant.** Claims are numbered, each number is taken once (by `O_EXCL`), and the highest counts; so of two that begin at once one stops.
//! Who claims a directory that had another claim waits [`GRACE`], several times as long as it takes to look, before it reads or writes.
//! A rank that stood still for longer looks before it goes on, as it looks before each step at which it may write.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rankzero_slurm::launch::Launch;
use serde::{Deserialize, Serialize};

use super::error::RunError;

/// Its name in the run directory.
const FOLDER: &str = "fence";
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long who takes a directory over leaves the former owner to notice.
pub const GRACE: Duration = Duration::from_secs(4);
/// Most claims of one directory.
const CLAIMS_MAX: u32 = 1_000_000;

/// Who claims a directory; for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claimant {
    /// The host of rank 0.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// The Slurm job.
    pub job: Option<u64>,
    /// How often that job was put back into the queue.
    pub restarts: Option<u32>,
}

impl Claimant {
    /// This process.
    pub fn this(launch: &Launch) -> Claimant {
        let allocation = launch.allocation.as_ref();
        Claimant {
            host: super::host(),
            pid: std::process::id(),
            job: allocation.map(|allocation| allocation.job),
            restarts: allocation.map(|allocation| allocation.restarts),
        }
    }
}

impl std::fmt::Display for Claimant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)?;
        match (self.job, self.restarts) {
            (Some(job), Some(restarts @ 1..)) => write!(f, " (Slurm job {job}, restart {restarts})"),
            (Some(job), _) => write!(f, " (Slurm job {job})"),
            (None, _) => Ok(()),
        }
    }
}

/// A run's claim of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim(u32);

impl Claim {
    /// Claims `run_dir` for the run of `who`; waits where it may still be somebody else's. Also tells whose it was.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn take(run_dir: &Path, who: &Claimant) -> Result<(Claim, Option<String>), RunError> {
        let folder = run_dir.join(FOLDER);
        fs::create_dir_all(&folder).map_err(RunError::io("create", &folder))?;
        let before = newest(&folder).map_err(RunError::io("read", &folder))?;
        let text = serde_json::to_string(who).unwrap_or_default();
        for number in before + 1..CLAIMS_MAX {
            let path = folder.join(claim_name(number));
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(RunError::io("create", &path)(error)),
            };
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(RunError::io("write", &path))?;
            // Another one may have come in between.
            let before = number - 1;
            let former = (before > 0 && !is_released(&folder, before)).then(|| owner(&folder, before));
            if former.is_some() {
                std::thread::sleep(GRACE);
            }
            return Ok((Claim(number), former));
        }
        let full = std::io::Error::other("too many runs have begun here");
        Err(RunError::io("claim", folder)(full))
    }

    /// A look at whether `rank` may still write.
    ///
    /// # Errors
    /// [`RunError::Superseded`], [`RunError::Banned`]. A directory that cannot be read is none: whatever cannot be read cannot be written.
    fn look(self, run_dir: &Path, rank: u32) -> Result<(), RunError> {
        let folder = run_dir.join(FOLDER);
        let Ok(names) = names(&folder) else { return Ok(()) };
        let last = names.iter().filter_map(|name| number_of(name)).max().unwrap_or(0);
        if last > self.0 {
            return Err(RunError::Superseded { dir: run_dir.to_owned(), by: owner(&folder, last) });
        }
        if names.contains(&self.ban_name(rank)) {
            let why = fs::read_to_string(folder.join(self.ban_name(rank))).unwrap_or_default();
            return Err(RunError::Banned { me: rankzero_comm::Rank(rank), why });
        }
        Ok(())
    }

    /// Forbids `rank` to write from now on: it counts as dead.
    ///
    /// # Errors
    /// [`RunError::Io`]: then it must not count as dead.
    pub fn ban(self, run_dir: &Path, rank: u32, why: &str) -> Result<(), RunError> {
        let path = run_dir.join(FOLDER).join(self.ban_name(rank));
        fs::write(&path, why).map_err(RunError::io("write", path))
    }

    /// Says that nobody of this run writes any more.
    pub fn release(self, run_dir: &Path) {
        let path = run_dir.join(FOLDER).join(format!("{:05}.released", self.0));
        // Without it the next run waits a little.
        if let Err(error) = fs::write(&path, "") {
            tracing::debug!(%error, "the claim is not released");
        }
    }

    fn ban_name(self, rank: u32) -> String {
        format!("{:05}.{rank:05}", self.0)
    }
}

fn claim_name(number: u32) -> String {
    format!("{number:05}.claim")
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_suffix(".claim")?.parse().ok()
}

fn is_released(folder: &Path, number: u32) -> bool {
    folder.join(format!("{number:05}.released")).exists()
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    // Listed, not asked for by name: a shared file system remembers for long what was not there.
    Ok(fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn newest(folder: &Path) -> std::io::Result<u32> {
    Ok(names(folder)?.iter().filter_map(|name| number_of(name)).max().unwrap_or(0))
}

/// Who has claimed a directory, in words.
fn owner(folder: &Path, number: u32) -> String {
    let read = fs::read(folder.join(claim_name(number))).ok();
    let claimant = read.and_then(|bytes| serde_json::from_slice::<Claimant>(&bytes).ok());
    claimant.map_or_else(|| "another run".to_owned(), |claimant| claimant.to_string())
}

/// One rank's look at the fence, now and then.
#[derive(Debug)]
pub struct Fence {
    claim: Claim,
    run_dir: PathBuf,
    rank: u32,
    looked: Instant,
}

impl Fence {
    /// Of a run that has claimed its directory.
    pub fn new(claim: Claim, run_dir: &Path, rank: u32) -> Fence {
        Fence { claim, run_dir: run_dir.to_owned(), rank, looked: Instant::now() }
    }

    /// Whether this rank may still write, as far as it has looked of late.
    ///
    /// # Errors
    /// As [`Fence::look_now`].
    pub fn look(&mut self) -> Result<(), RunError> {
        if self.looked.elapsed() < LOOK_EVERY { Ok(()) } else { self.look_now() }
    }

    /// Whether this rank may still write.
    ///
    /// # Errors
    /// [`RunError::Superseded`], [`RunError::Banned`].
    pub fn look_now(&mut self) -> Result<(), RunError> {
        self.looked = Instant::now();
        self.claim.look(&self.run_dir, self.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(job: u64, restarts: u32) -> Claimant {
        Claimant { host: "n1".to_owned(), pid: 5, job: Some(job), restarts: Some(restarts) }
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let dir = std::env::temp_dir().join(format!("rankzero-fence-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a folder");
            Folder(dir)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_newest_claim_counts_and_the_former_is_told_who_has_it() {
        let dir = Folder::new("newest");
        let (first, former) = Claim::take(&dir.0, &who(7, 0)).expect("claimed");
        assert_eq!((first, former), (Claim(1), None));
        let mut fence = Fence::new(first, &dir.0, 0);
        fence.look_now().expect("its own");
        let begun = Instant::now();
        let (second, former) = Claim::take(&dir.0, &who(7, 1)).expect("claimed");
        assert_eq!((second, former.as_deref()), (Claim(2), Some("process 5 on n1 (Slurm job 7)")));
        assert!(begun.elapsed() >= GRACE);
        let told = fence.look_now().expect_err("superseded").to_string();
        assert!(told.contains("process 5 on n1 (Slurm job 7, restart 1)"), "{told}");
        Fence::new(second, &dir.0, 3).look_now().expect("its own");
    }

    #[test]
    fn who_ended_in_order_is_not_waited_for() {
        let dir = Folder::new("released");
        let (first, _) = Claim::take(&dir.0, &who(7, 0)).expect("claimed");
        first.release(&dir.0);
        let (second, former) = Claim::take(&dir.0, &who(8, 0)).expect("claimed");
        assert_eq!((second, former), (Claim(2), None));
    }

    #[test]
    fn who_is_banned_is_told_so_and_nobody_else() {
        let dir = Folder::new("banned");
        let (claim, _) = Claim::take(&dir.0, &who(7, 0)).expect("claimed");
        claim.ban(&dir.0, 4, "node n5 is down").expect("banned");
        let told = Fence::new(claim, &dir.0, 4).look_now().expect_err("banned").to_string();
        assert!(told.contains("rank 4") && told.contains("node n5 is down"), "{told}");
        Fence::new(claim, &dir.0, 3).look_now().expect("not banned");
        let (next, _) = Claim::take(&dir.0, &who(7, 1)).expect("claimed");
        Fence::new(next, &dir.0, 4).look_now().expect("a ban is of one run");
    }

    #[test]
    fn of_many_that_claim_at_once_one_is_the_newest() {
        let dir = Folder::new("race");
        let claims: Vec<Claim> = std::thread::scope(|scope| {
            let take = || Claim::take(&dir.0, &who(1, 0)).expect("claimed").0;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let may = claims.iter().filter(|claim| claim.look(&dir.0, 0).is_ok()).count();
        assert_eq!(may, 1, "{claims:?}");
    }
}
