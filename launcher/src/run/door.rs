//! The door of a run: the folder `door/` of its run directory, by which processes that start later find their way in, and by which
//! ranks are asked to leave.
//!
//! ```text
//! RUN/door/key              the secret of the run; readable by its owner alone
//! RUN/door/run.json         what a newcomer must know: job, capacity, who was there at the start
//! RUN/door/assets           the cooked meshes
//! RUN/door/00008.claim      the number 8 is taken
//! RUN/door/00008.json       the newcomer with this number: who it is and how it is reached, with a proof that it knows the secret
//! RUN/door/00003.leave      rank 3 is asked to leave
//! ```
//! Every rank looks at the door about once a second; nothing is ever waited for. A file that is no proof of the secret counts for nothing.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rankzero_comm::{Rank, RunKey};
use rankzero_job::Job;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::fence::Claim;
use super::start::RankInfo;

/// Its name in the run directory.
const FOLDER: &str = "door";
/// Largest file that is read, bytes: a job and thousands of ranks.
const BYTES_MAX: u64 = 1 << 28;

/// Somebody who takes part, and how to reach it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Party {
    /// Who it is.
    pub info: RankInfo,
    /// What processes of one node have in common.
    pub node: Vec<u8>,
    /// How its control links are reached.
    pub offer: Vec<u8>,
}

/// What a newcomer must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// The job.
    pub job: Job,
    /// Ranks that there is room for.
    pub capacity: u32,
    /// When the run started, seconds since 1970.
    pub began_unix_s: f64,
    /// The run's claim of its directory.
    pub claim: Claim,
    /// Who was there at the start, by rank.
    pub founders: Vec<Party>,
}

/// A file with a proof.
#[derive(Serialize, Deserialize)]
struct Sealed {
    text: String,
    proof: String,
}

/// The door of a run.
#[derive(Clone, Debug)]
pub struct Door {
    dir: PathBuf,
}

impl Door {
    /// That of this run directory, whether or not it exists.
    pub fn of(run_dir: &Path) -> Self {
        Self { dir: run_dir.join(FOLDER) }
    }

    /// Opens the door, on rank 0: what is left of another run is removed.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn open(&self, key: &RunKey, notice: &Notice, assets: &[u8]) -> Result<(), RunError> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RunError::io("remove", &self.dir)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&self.dir).map_err(RunError::io("create", &self.dir))?;
        self.write("key", &key.to_bytes())?;
        self.write("assets", assets)?;
        self.seal("run.json", key, notice)
    }

    /// Shuts it: the run is over.
    pub fn shut(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, "the door stays");
        }
    }

    /// That it has not been shut, nor opened anew by another run.
    ///
    /// # Errors
    /// [`RunError::NoDoor`].
    pub fn still_open(&self, key: &RunKey) -> Result<(), RunError> {
        match self.key() {
            Ok(now) if now.to_bytes() == key.to_bytes() => Ok(()),
            Ok(_) => Err(self.closed("it is now that of another run")),
            Err(error) => Err(error),
        }
    }

    /// The secret, for who may read it.
    ///
    /// # Errors
    /// [`RunError::NoDoor`].
    pub fn key(&self) -> Result<RunKey, RunError> {
        let bytes = fs::read(self.dir.join("key")).map_err(|error| self.closed(&error.to_string()))?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| self.closed("its key is torn"))?;
        Ok(RunKey::from_bytes(bytes))
    }

    /// What a newcomer must know, and the cooked meshes.
    ///
    /// # Errors
    /// [`RunError::NoDoor`].
    pub fn notice(&self, key: &RunKey) -> Result<(Notice, Vec<u8>), RunError> {
        let notice =
            self.unseal("run.json", key).ok_or_else(|| self.closed("run.json is missing or not of this run"))?;
        let assets = fs::read(self.dir.join("assets")).map_err(|error| self.closed(&error.to_string()))?;
        Ok((notice, assets))
    }

    /// Takes a number for a newcomer: the first free one of those that are not founders'.
    ///
    /// # Errors
    /// [`RunError::NoDoor`] where there is none, or the disk refuses.
    pub fn claim(&self, notice: &Notice) -> Result<Rank, RunError> {
        for number in notice.founders.len() as u32..notice.capacity {
            let claim = self.dir.join(format!("{number:05}.claim"));
            match OpenOptions::new().write(true).create_new(true).open(&claim) {
                Ok(_) => return Ok(Rank(number)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.closed(&error.to_string())),
            }
        }
        Err(self.closed("all places for newcomers are taken (fault_tolerance.newcomers)"))
    }

    /// Announces a newcomer.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn announce(&self, key: &RunKey, party: &Party) -> Result<(), RunError> {
        self.seal(&format!("{:05}.json", party.info.rank), key, party)
    }

    /// The newcomer with this number, if it has announced itself.
    pub fn newcomer(&self, key: &RunKey, rank: Rank) -> Option<Party> {
        let party: Party = self.unseal(&format!("{:05}.json", rank.0), key)?;
        (party.info.rank == rank.0).then_some(party)
    }

    /// Asks a rank to leave.
    ///
    /// # Errors
    /// [`RunError::NoDoor`].
    pub fn ask_to_leave(&self, rank: Rank) -> Result<(), RunError> {
        if !self.dir.join("run.json").exists() {
            return Err(self.closed("there is none"));
        }
        fs::write(self.dir.join(format!("{:05}.leave", rank.0)), "").map_err(|error| self.closed(&error.to_string()))
    }

    /// Whether a rank is asked to leave.
    pub fn is_asked_to_leave(&self, rank: Rank) -> bool {
        self.dir.join(format!("{:05}.leave", rank.0)).exists()
    }

    fn closed(&self, why: &str) -> RunError {
        RunError::NoDoor { dir: self.dir.clone(), why: why.to_owned() }
    }

    /// Writes a file whole, readable by its owner alone.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.dir.join(name);
        let temporary = self.dir.join(format!(".{name}.{}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(RunError::io("write", &path))
    }

    fn seal(&self, name: &str, key: &RunKey, what: &impl Serialize) -> Result<(), RunError> {
        let text = serde_json::to_string(what).unwrap_or_default();
        let sealed = Sealed { proof: proof(key, name, &text), text };
        self.write(name, &serde_json::to_vec(&sealed).unwrap_or_default())
    }

    fn unseal<T: DeserializeOwned>(&self, name: &str, key: &RunKey) -> Option<T> {
        let path = self.dir.join(name);
        if fs::metadata(&path).ok()?.len() > BYTES_MAX {
            return None;
        }
        let sealed: Sealed = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        if sealed.proof != proof(key, name, &sealed.text) {
            tracing::warn!("{} is not of this run and counts for nothing", path.display());
            return None;
        }
        serde_json::from_str(&sealed.text).ok()
    }
}

/// That whoever wrote a file knows the secret.
fn proof(key: &RunKey, name: &str, text: &str) -> String {
    let key = blake3::derive_key("rankzero 2026 files at the door of a run", &key.to_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(name.as_bytes()).update(&[0]).update(text.as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(rank: u32) -> Party {
        let info = RankInfo {
            rank,
            pid: 1,
            host: "here".to_owned(),
            threads: 1,
            tet_substeps_per_s: None,
            binding: String::new(),
            scene: String::new(),
            sees_run_dir: true,
            slurm: None,
        };
        Party { info, node: vec![1], offer: vec![2] }
    }

    #[test]
    fn numbers_are_given_once_and_strangers_count_for_nothing() {
        let dir = std::env::temp_dir().join(format!("rankzero-door-{}", std::process::id()));
        let door = Door::of(&dir);
        let key = RunKey::from_bytes([7; 32]);
        let text = include_str!("../../../jobs/two-blocks.yaml");
        let job = rankzero_job::parse(text, "a.yaml", &rankzero_job::Overrides::none()).expect("a job").job;
        let claim = serde_json::from_str("1").expect("a claim");
        let notice = Notice { job, capacity: 4, began_unix_s: 0.0, claim, founders: vec![party(0), party(1)] };
        door.open(&key, &notice, b"meshes").expect("opened");
        assert_eq!(door.key().expect("a key").to_bytes(), [7; 32]);
        let (read, assets) = door.notice(&key).expect("a notice");
        assert_eq!((read.capacity, read.founders.len(), assets.as_slice()), (4, 2, &b"meshes"[..]));
        assert!(door.notice(&RunKey::from_bytes([8; 32])).is_err());
        assert_eq!(door.claim(&notice).expect("a number"), Rank(2));
        assert_eq!(door.claim(&notice).expect("a number"), Rank(3));
        assert!(door.claim(&notice).is_err());
        door.announce(&key, &party(2)).expect("announced");
        assert!(door.newcomer(&key, Rank(2)).is_some() && door.newcomer(&key, Rank(3)).is_none());
        // A proof holds for its own file alone.
        fs::copy(dir.join("door/00002.json"), dir.join("door/00003.json")).expect("copied");
        assert!(door.newcomer(&key, Rank(3)).is_none());
        door.ask_to_leave(Rank(1)).expect("asked");
        assert!(door.is_asked_to_leave(Rank(1)) && !door.is_asked_to_leave(Rank(0)));
        door.shut();
        assert!(door.key().is_err());
        fs::remove_dir_all(&dir).expect("removed");
    }
}
