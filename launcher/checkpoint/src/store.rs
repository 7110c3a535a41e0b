//! A directory of checkpoints: writing, listing, keeping the newest.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, DiskFile, RealDisk};
use crate::error::{CheckpointError, is_full};
use crate::folder;
use crate::loaded::{Loaded, Verified, check_parts};
use crate::manifest::Manifest;
use crate::names;
use crate::part::{Draft, PartInfo};

/// How often a name or a folder is tried for that others may take away at the same time.
const ATTEMPTS: u32 = 1000;
/// No checkpoint was committed yet.
const NONE: u64 = u64::MAX;

/// A directory of checkpoints.
///
/// Any number of ranks may write parts at once, also of several steps. [`commit`](Store::commit), [`abandon`](Store::abandon),
/// [`retain`](Store::retain) and [`remove`](Store::remove) are for one of them, the master, and for steps of which nobody is
/// writing a part. Who reads needs no permission of anybody.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    /// The step of which this store put a manifest in place last, or [`NONE`].
    committed: AtomicU64,
}

/// A checkpoint, or what was to become one.
#[derive(Debug)]
pub struct Entry {
    /// The step.
    pub step: u64,
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Whether it can be restored.
    pub state: State,
}

/// Whether a checkpoint can be restored, by names, lengths and manifest; only [`Store::verify`] reads all of it.
#[derive(Debug)]
pub enum State {
    /// Yes.
    Whole(Box<Manifest>),
    /// No: there is no manifest.
    Unfinished(CheckpointError),
    /// No: the manifest or a part is damaged, missing, of another version, or cannot be read.
    Damaged(CheckpointError),
}

impl State {
    /// In one word: `whole`, `unfinished` or `damaged`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Whole(_) => "whole",
            Self::Unfinished(_) => "unfinished",
            Self::Damaged(_) => "damaged",
        }
    }

    /// The manifest, where it is whole.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Whole(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Why not, where it is not whole.
    pub fn error(&self) -> Option<&CheckpointError> {
        match self {
            Self::Whole(_) => None,
            Self::Unfinished(error) | Self::Damaged(error) => Some(error),
        }
    }
}

impl Store {
    /// The checkpoints in this directory, which need not exist; touches nothing.
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(RealDisk), dir)
    }

    /// As [`Store::open`], on a disk of the caller's.
    pub fn on(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), disk, committed: AtomicU64::new(NONE) }
    }

    /// Makes the directory, and tries whether a file can be written there, so that a run learns at its start what would go
    /// wrong at its first checkpoint. Any rank may call it.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn prepare(&self) -> Result<(), CheckpointError> {
        folder::make_dirs(&*self.disk, &self.dir)?;
        let (path, mut file) = self.temporary(&self.dir, "part-trial")?;
        let written = file.write_all(b"rankzero").and_then(|()| file.sync());
        let removed = self.disk.remove_file(&path);
        written.and(removed).map_err(|error| self.io("write a trial file", &path, error))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of a step, whether or not it exists.
    pub fn folder(&self, step: u64) -> PathBuf {
        names::folder(&self.dir, step)
    }

    /// All checkpoints, the newest last. Those that are damaged or unfinished say why; a directory that does not exist has
    /// none.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] where the directory itself cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, CheckpointError> {
        let names = match self.disk.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(CheckpointError::io("list the checkpoints", &self.dir))?,
        };
        let mut steps: Vec<u64> = names.iter().filter_map(|name| names::step_of(name.to_str()?)).collect();
        steps.sort_unstable();
        Ok(steps.into_iter().filter_map(|step| folder::inspect(&*self.disk, &self.folder(step), Some(step))).collect())
    }

    /// Writes the bodies that `writer` owns; the order of `bodies` does not matter. When this returns, the part outlasts a loss
    /// of power. It belongs to no checkpoint until a manifest names it.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], after which nothing of it is left; [`CheckpointError::Refused`] where a body is there twice.
    pub fn write_part(&self, step: u64, writer: u32, bodies: &[(u32, &[u32])]) -> Result<PartInfo, CheckpointError> {
        let draft = Draft::new(step, writer, bodies)?;
        let folder = self.folder(step);
        self.put(&folder, &format!("part-{writer:05}"), &draft.info.file, |file| draft.write(file))?;
        Ok(draft.info)
    }

    /// Makes a checkpoint of parts that all are written, in place of one of the same step, if there is one. When this returns,
    /// it outlasts a loss of power; where it fails, the one that was there before is there still, or the new one is.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] where a part is not what the manifest says, a body is missing or there twice, the digest is
    /// another one, or the manifest contradicts itself; [`CheckpointError::Io`].
    pub fn commit(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        let folder = self.folder(manifest.step);
        let path = folder.join(names::MANIFEST);
        let refused = |what: String| CheckpointError::refused(manifest.step, what);
        if let Some(what) = manifest.contradiction() {
            return Err(refused(what));
        }
        let text = manifest.to_text().map_err(|error| refused(format!("the manifest is no JSON: {error}")))?;
        // What cannot be read back (values nested too deeply, say) must not be noticed when it is needed.
        let not_damaged = |error: CheckpointError| match error {
            CheckpointError::Damaged { path, what } => refused(format!("{}: {what}", path.display())),
            other => other,
        };
        Manifest::from_bytes(text.as_bytes(), &path).map_err(not_damaged)?;
        check_parts(&*self.disk, &folder, manifest).map_err(not_damaged)?;
        if !manifest.parts.is_empty() {
            folder::sync_dir(&*self.disk, &folder)?;
        }
        self.put(&folder, "manifest", names::MANIFEST, |file| file.write_all(text.as_bytes()))?;
        folder::sync_dir(&*self.disk, &self.dir)?;
        self.committed.store(manifest.step, Ordering::Release);
        Ok(())
    }

    /// Removes what an unfinished checkpoint has left. One that is whole stays, with nothing beside it.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; [`CheckpointError::Damaged`] and [`CheckpointError::Version`] where there is a manifest that
    /// cannot be read, so that nobody knows what is left over.
    pub fn abandon(&self, step: u64) -> Result<(), CheckpointError> {
        let folder = self.folder(step);
        match crate::manifest::read(&*self.disk, &folder)? {
            Some(manifest) => folder::sweep(&*self.disk, &folder, Some(&manifest)),
            None => match folder::remove(&*self.disk, &self.dir, &folder) {
                Err(error) if error.is_not_found() => Ok(()),
                removed => removed,
            },
        }
    }

    /// Removes all whole checkpoints but the newest `keep`, and, of what is older than the one that is sure, all that is
    /// unfinished or left over; returns the steps removed. Sure is the one that this store has committed last, or else the
    /// newest that verifies: it is never removed, and where there is none, nothing is. Damaged ones are left to a person.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] of the first that cannot be removed; the others are.
    pub fn retain(&self, keep: u32) -> Result<Vec<u64>, CheckpointError> {
        let entries = self.list()?;
        let whole: Vec<u64> = entries.iter().filter(|e| e.state.manifest().is_some()).map(|e| e.step).collect();
        let older = &whole[..whole.len().saturating_sub(keep.max(1) as usize)];
        let partial = |entry: &Entry| matches!(entry.state, State::Unfinished(_));
        let committed = Some(self.committed.load(Ordering::Acquire)).filter(|step| whole.contains(step));
        if older.is_empty() && committed.is_none() && !entries.iter().any(partial) {
            return Ok(Vec::new());
        }
        let newest = || self.newest().map(|entry| entry.map(|entry| entry.step));
        let Some(sure) = committed.map_or_else(newest, |step| Ok(Some(step)))? else { return Ok(Vec::new()) };
        let (mut removed, mut result) = (Vec::new(), Ok(()));
        for entry in entries.iter().filter(|entry| entry.step != sure) {
            let before = entry.step < sure;
            if older.contains(&entry.step) || (partial(entry) && before) {
                match folder::remove(&*self.disk, &self.dir, &entry.folder) {
                    Ok(()) => removed.push(entry.step),
                    error => result = result.and(error),
                }
            } else if let Some(manifest) = entry.state.manifest().filter(|_| before) {
                result = result.and(folder::sweep(&*self.disk, &entry.folder, Some(manifest)));
            }
        }
        result.map(|()| removed)
    }

    /// The newest checkpoint that verifies, which is read in full.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] where the directory itself cannot be read.
    pub fn newest(&self) -> Result<Option<Entry>, CheckpointError> {
        self.newest_telling(|_, _| {})
    }

    /// As [`Store::newest`]; `tell` hears of each newer one that is passed over, and why.
    ///
    /// # Errors
    /// As [`Store::newest`].
    pub fn newest_telling(
        &self,
        mut tell: impl FnMut(u64, &CheckpointError),
    ) -> Result<Option<Entry>, CheckpointError> {
        for entry in self.list()?.into_iter().rev() {
            let found = match entry.state.error() {
                Some(error) => {
                    tell(entry.step, error);
                    continue;
                }
                None => self.verify(entry.step),
            };
            match found {
                Ok(_) => return Ok(Some(entry)),
                Err(error) => tell(entry.step, &error),
            }
        }
        Ok(None)
    }

    /// Opens the checkpoint of a step.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchStep`], and as [`Loaded::open`].
    pub fn load(&self, step: u64) -> Result<Loaded, CheckpointError> {
        self.check_step(step)?;
        let folder = self.folder(step);
        let loaded = Loaded::open_on(Arc::clone(&self.disk), &folder)?;
        if loaded.manifest.step != step {
            let what = format!("it is of step {}, but its folder is that of another step", loaded.manifest.step);
            return Err(CheckpointError::damaged(&folder.join(names::MANIFEST), what));
        }
        Ok(loaded)
    }

    /// Reads all of a checkpoint, and checks all of its hashes.
    ///
    /// # Errors
    /// As [`Store::load`] and [`Loaded::body`].
    pub fn verify(&self, step: u64) -> Result<Verified, CheckpointError> {
        self.load(step)?.verify()
    }

    /// Removes a checkpoint, whole or not. Files that a store has not written stay, and with them the folder.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchStep`] and [`CheckpointError::Io`].
    pub fn remove(&self, step: u64) -> Result<(), CheckpointError> {
        self.check_step(step)?;
        folder::remove(&*self.disk, &self.dir, &self.folder(step))
    }

    fn check_step(&self, step: u64) -> Result<(), CheckpointError> {
        match self.disk.list(&self.folder(step)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Ok(()),
        }
        let steps: Vec<u64> = self.list()?.iter().map(|entry| entry.step).collect();
        Err(CheckpointError::no_such_step(&self.dir, step, &steps))
    }

    /// Makes a file in a folder, whole or not at all.
    fn put(
        &self,
        folder: &Path,
        stem: &str,
        name: &str,
        write: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
    ) -> Result<(), CheckpointError> {
        let (temporary, mut file) = self.temporary(folder, stem)?;
        let written = write(&mut *file).and_then(|()| file.sync());
        drop(file);
        let path = folder.join(name);
        let result = match written {
            Ok(()) => {
                self.disk.rename(&temporary, &path).map_err(|error| self.io("put in place the file", &path, error))
            }
            Err(error) => Err(self.io("write the file", &path, error)),
        };
        if result.is_err() {
            // It may hold what the disk now lacks; the error to tell of is the first one.
            let _ = self.disk.remove_file(&temporary);
        }
        result.and_then(|()| folder::sync_dir(&*self.disk, folder))
    }

    /// Makes a file that nobody else has, and the folder where it is missing.
    fn temporary(&self, folder: &Path, stem: &str) -> Result<(PathBuf, Box<dyn DiskFile>), CheckpointError> {
        let mut path = PathBuf::new();
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..ATTEMPTS {
            path = folder.join(names::temporary(stem, std::process::id(), attempt));
            last = match self.disk.create(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) => error,
            };
            match last.kind() {
                io::ErrorKind::AlreadyExists => {}
                // The first to write into it, or somebody has just removed it as unfinished.
                io::ErrorKind::NotFound => folder::make_dirs(&*self.disk, folder)?,
                _ => break,
            }
        }
        Err(self.io("make the file", &path, last))
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> CheckpointError {
        let free = is_full(&source).then(|| self.disk.free_bytes(&self.dir)).flatten();
        CheckpointError::Io { action, path: path.to_owned(), source, free }
    }
}
