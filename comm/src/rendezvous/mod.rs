//! How ranks that nobody connects find each other: small byte strings in files of a directory that all of them see.
//!
//! Rank 0 draws the key of the run and leaves it in a file that only its user may read; who can read it belongs to the run. Every file of a
//! rank proves with that key its name, its rank, the size of the run and its bytes. A key drawn anew makes everything before it
//! worthless, so what an earlier run has left does no harm: who had read the old key is told so ([`RendezvousError::Renewed`]) and opens
//! again.
//!
//! Only what a shared file system keeps is relied on: a file appears whole under its name, and the directory is listed again and again.

mod files;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ids::Rank;

/// The file that holds the key.
pub const KEY_FILE: &str = "key";
/// Longest byte string.
pub const BYTES_MAX: usize = 1 << 20;
/// Between two looks at the directory: the first, and the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(250)];
/// Of every file of a rank.
const MAGIC: &[u8; 4] = b"RZV1";
const HEAD_BYTES: usize = 4 + 4 + 4 + 32;
/// What begins the names of files of ranks, and of files that are being written.
const PREFIX: &str = "rz-";
const DRAFT: &str = "rz-draft-";
/// What begins the name of a file that says that a rank has ended.
const ENDED: &str = "ended-";

/// Why ranks do not meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The system refused.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Its words.
        source: std::io::Error,
    },
    /// Others than the user may read the key or put files there.
    #[error("{} cannot hold the secret of the run: {why}; give a directory of your own with mode 0700", .path.display())]
    NotPrivate {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Rank 0 has left no key.
    #[error("rank 0 has not come to {} within {waited:.1?}: {why}", .dir.display())]
    NoKey {
        /// The directory.
        dir: PathBuf,
        /// Time waited.
        waited: Duration,
        /// What is there instead.
        why: String,
    },
    /// Ranks have left nothing, or nothing that proves itself.
    #[error(
        "{} did not come to {} within {waited:.1?}{}", crate::error::list(.missing), .dir.display(),
        .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// Time waited.
        waited: Duration,
        /// Who, ascending.
        missing: Vec<Rank>,
        /// What is wrong with what one of them has left.
        why: Option<String>,
    },
    /// The process of a rank has ended before it came, says who started it.
    #[error("{0} has ended before all ranks had met; its own words tell why")]
    Ended(Rank),
    /// Two processes have the same number.
    #[error("another process came to {} as {rank}: were two runs started in it, or one number twice?", .dir.display())]
    Twice {
        /// The directory.
        dir: PathBuf,
        /// The number.
        rank: Rank,
    },
    /// A rank was told another size of the run.
    #[error("{rank} was started as one of {theirs} ranks, this one as one of {ours}")]
    OtherSize {
        /// Who.
        rank: Rank,
        /// Its size.
        theirs: u32,
        /// The size told here.
        ours: u32,
    },
    /// Rank 0 has drawn another key since: another run has begun in this directory.
    #[error("another run has begun in {}", .0.display())]
    Renewed(PathBuf),
    /// More bytes than [`BYTES_MAX`], or a name that is no part of a file's.
    #[error("{0} cannot be left for other ranks")]
    Unfit(String),
}

impl RendezvousError {
    /// Whether a rank is missing, rather than something wrong with the directory.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NoKey { .. } | Self::Missing { .. } | Self::Ended(_))
    }
}

/// One rank's way to the directory.
pub struct Rendezvous {
    dir: PathBuf,
    rank: Rank,
    size: u32,
    key: [u8; 32],
    /// In the names of all files of this key.
    tag: String,
}

impl std::fmt::Debug for Rendezvous {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rendezvous({}, {} of {}, ..)", self.dir.display(), self.rank, self.size)
    }
}

impl Rendezvous {
    /// Rank 0 makes `dir` where it is not there and draws a key; the others wait for both.
    ///
    /// # Errors
    /// [`RendezvousError::NoKey`], or that the directory cannot be trusted or used.
    pub fn open(dir: &Path, rank: Rank, size: u32, deadline: Instant) -> Result<Rendezvous, RendezvousError> {
        let begun = Instant::now();
        let key = if rank == Rank(0) {
            files::make(dir)?;
            // Not what a rank that came early is writing now.
            files::remove(dir, |name| name.starts_with(PREFIX) && !name.starts_with(DRAFT))?;
            files::draw_key(dir)?
        } else {
            let mut pause = Pause::new();
            loop {
                let why = match files::read_key(dir) {
                    Ok(Some(key)) => break key,
                    Ok(None) => format!("there is no {}; is it on a file system that all nodes share?", KEY_FILE),
                    Err(error) => error.to_string(),
                };
                if Instant::now() >= deadline {
                    return Err(RendezvousError::NoKey { dir: dir.to_owned(), waited: begun.elapsed(), why });
                }
                pause.take(deadline);
            }
        };
        let tag = blake3::derive_key("rankzero rendezvous: names of files", &key);
        let tag = blake3::Hash::from_bytes(tag).to_hex()[..12].to_owned();
        Ok(Rendezvous { dir: dir.to_owned(), rank, size, key, tag })
    }

    /// A secret of all ranks of the run for one purpose, of which nothing can be learnt about that of another purpose.
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, purpose.as_bytes()).as_bytes()
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The rank that opened it.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Ranks of the run.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Leaves `bytes` under `name`, a word of letters and digits, for all ranks to collect; once.
    ///
    /// # Errors
    /// [`RendezvousError::Twice`], [`RendezvousError::Unfit`], or what the system says.
    pub fn publish(&self, name: &str, bytes: &[u8]) -> Result<(), RendezvousError> {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || bytes.len() > BYTES_MAX {
            return Err(RendezvousError::Unfit(format!("`{name}` of {} bytes", bytes.len())));
        }
        let mut record = MAGIC.to_vec();
        record.extend(self.size.to_le_bytes());
        record.extend((bytes.len() as u32).to_le_bytes());
        record.extend(self.proof(name, self.rank, self.size, bytes).as_bytes());
        record.extend(bytes);
        let draft = self.dir.join(format!("{DRAFT}{}-{}-{name}", std::process::id(), self.rank.0));
        let place = self.dir.join(self.file(name, self.rank));
        match files::put(&draft, &place, &record)? {
            true => Ok(()),
            false => Err(RendezvousError::Twice { dir: self.dir.clone(), rank: self.rank }),
        }
    }

    /// What every rank has left under `name`, by rank; waits for those that have not.
    ///
    /// # Errors
    /// [`RendezvousError::Missing`] or [`RendezvousError::Ended`] naming who, [`RendezvousError::Renewed`],
    /// [`RendezvousError::OtherSize`].
    pub fn collect(&self, name: &str, deadline: Instant) -> Result<Vec<Vec<u8>>, RendezvousError> {
        let begun = Instant::now();
        let mut got: Vec<Option<Vec<u8>>> = Rank::all(self.size).map(|_| None).collect();
        let mut pause = Pause::new();
        loop {
            let names = self.look()?;
            let mut why = None;
            for rank in Rank::all(self.size) {
                let file = self.file(name, rank);
                if got[rank.index()].is_none() && names.contains(&file) {
                    let path = self.dir.join(&file);
                    match files::read(&path, HEAD_BYTES + BYTES_MAX).and_then(|record| self.check(name, rank, &record))
                    {
                        Ok((size, bytes)) if size == self.size => got[rank.index()] = Some(bytes),
                        Ok((theirs, _)) => return Err(RendezvousError::OtherSize { rank, theirs, ours: self.size }),
                        Err(reason) => why = Some(format!("{file}: {reason}")),
                    }
                }
            }
            let missing: Vec<Rank> = Rank::all(self.size).filter(|rank| got[rank.index()].is_none()).collect();
            if missing.is_empty() {
                return Ok(got.into_iter().flatten().collect());
            }
            self.lives(&names, &missing)?;
            if Instant::now() >= deadline {
                return Err(RendezvousError::Missing { dir: self.dir.clone(), waited: begun.elapsed(), missing, why });
            }
            pause.take(deadline);
        }
    }

    /// Whether the key still counts and none of `awaited` is said to have ended.
    ///
    /// # Errors
    /// [`RendezvousError::Renewed`], [`RendezvousError::Ended`], or what the system says.
    pub fn check_on(&self, awaited: &[Rank]) -> Result<(), RendezvousError> {
        let names = self.look()?;
        self.lives(&names, awaited)
    }

    /// Removes the key and all files of ranks: when all have met. Rank 0 does it; what it leaves is an empty directory.
    pub fn clear(&self) {
        // What remains is worthless to the next run.
        let _ = files::remove(&self.dir, |name| name == KEY_FILE || name.starts_with(PREFIX));
    }

    /// The names in the directory, while the key counts.
    fn look(&self) -> Result<BTreeSet<String>, RendezvousError> {
        // A key that cannot be read now may be about to be replaced; it counts until there is another.
        if let Ok(Some(key)) = files::read_key(&self.dir)
            && key != self.key
        {
            return Err(RendezvousError::Renewed(self.dir.clone()));
        }
        files::list(&self.dir)
    }

    fn lives(&self, names: &BTreeSet<String>, awaited: &[Rank]) -> Result<(), RendezvousError> {
        match awaited.iter().find(|rank| names.contains(&format!("{ENDED}{}", rank.0))) {
            Some(&rank) => Err(RendezvousError::Ended(rank)),
            None => Ok(()),
        }
    }

    fn file(&self, name: &str, rank: Rank) -> String {
        format!("{PREFIX}{}-{name}-{}", self.tag, rank.0)
    }

    fn proof(&self, name: &str, rank: Rank, size: u32, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // Parts of variable length come behind their lengths, so that no two records are one text.
        hasher.update(b"rankzero rendezvous");
        hasher.update(&[rank.0, size, name.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat());
        hasher.update(name.as_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }

    /// The size of the run that the writer was told, and its bytes.
    fn check(&self, name: &str, rank: Rank, record: &[u8]) -> Result<(u32, Vec<u8>), String> {
        let Some((head, bytes)) = record.split_first_chunk::<HEAD_BYTES>() else {
            return Err(format!("it is {} bytes long", record.len()));
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[..4] != *MAGIC || word(8) as usize != bytes.len() {
            return Err("it is not of this version, or not whole".to_owned());
        }
        let size = word(4);
        let theirs = blake3::Hash::from_bytes(std::array::from_fn(|at| head[12 + at]));
        if self.proof(name, rank, size, bytes) != theirs {
            return Err("it does not prove that its writer has the key".to_owned());
        }
        Ok((size, bytes.to_vec()))
    }
}

/// Removes what `rank` has left in a directory where it does not wait any more, and, for rank 0, the key. Others may wait there still: they have
/// read what they know of this rank, or will miss it.
///
/// # Errors
/// What the system says.
pub fn withdraw(dir: &Path, rank: Rank) -> Result<(), RendezvousError> {
    let (word, draft) = (format!("-{}", rank.0), format!("{DRAFT}{}-", std::process::id()));
    files::remove(dir, |name| {
        let published = name.starts_with(PREFIX) && !name.starts_with(DRAFT) && name.ends_with(&word);
        published || name.starts_with(&draft) || (rank == Rank(0) && name == KEY_FILE)
    })
}

/// Tells who waits for `rank` that its process has ended: for who starts the ranks of one machine.
///
/// # Errors
/// What the system says.
pub fn tell_ended(dir: &Path, rank: Rank) -> Result<(), RendezvousError> {
    let path = dir.join(format!("{ENDED}{}", rank.0));
    std::fs::write(&path, []).map_err(files::failed("write", &path))
}

/// Takes back what [`tell_ended`] said in an earlier run, before any rank of this one starts.
///
/// # Errors
/// What the system says.
pub fn forget_ended(dir: &Path) -> Result<(), RendezvousError> {
    files::remove(dir, |name| name.starts_with(ENDED))
}

/// Makes a directory that only its user may use, or checks the one that is there; whether it was made.
///
/// # Errors
/// [`RendezvousError::NotPrivate`], or what the system says.
pub fn make_private(dir: &Path) -> Result<bool, RendezvousError> {
    files::make(dir)
}

/// Waits that grow: a shared file system serves many.
struct Pause(Duration);

impl Pause {
    fn new() -> Pause {
        Pause(PAUSE[0])
    }

    fn take(&mut self, deadline: Instant) {
        std::thread::sleep(self.0.min(deadline.saturating_duration_since(Instant::now())));
        self.0 = (self.0 * 3 / 2).min(PAUSE[1]);
    }
}
