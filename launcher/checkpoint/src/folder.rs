//! The folder of one step: what is in it, and how it is emptied.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::CheckpointError;
use crate::manifest::{self, Manifest};
use crate::names;
use crate::store::{Entry, State};

/// How often a look begins anew because the checkpoint was replaced meanwhile.
const LOOKS: u32 = 3;

/// Looks into a folder, of `step` if that is known, at names and lengths only; `None` where there is no such folder, or nothing
/// of ours in it.
pub fn inspect(disk: &dyn Disk, folder: &Path, step: Option<u64>) -> Option<Entry> {
    let entry = |bytes, state: State| {
        let step = step.or(state.manifest().map(|manifest| manifest.step));
        Some(Entry { step: step.unwrap_or(0), folder: folder.to_owned(), bytes, state })
    };
    let names = match names_in(disk, folder) {
        Ok(names) => names,
        Err(error) if error.is_not_found() => return None,
        Err(error) => return entry(0, State::Damaged(error)),
    };
    let ours: Vec<&String> = names.iter().filter(|name| names::is_ours(name)).collect();
    if ours.is_empty() && !names.is_empty() {
        return None;
    }
    let bytes = ours.iter().filter_map(|name| disk.len(&folder.join(name)).ok()).sum();
    match whole(disk, folder) {
        Ok(Some(manifest)) if step.is_some_and(|step| step != manifest.step) => {
            let what = format!("it is of step {}, but its folder is that of another step", manifest.step);
            entry(bytes, State::Damaged(CheckpointError::damaged(&folder.join(names::MANIFEST), what)))
        }
        Ok(Some(manifest)) => entry(bytes, State::Whole(Box::new(manifest))),
        Ok(None) => entry(bytes, State::Unfinished(unfinished(folder, ours.len(), bytes))),
        Err(error) => entry(bytes, State::Damaged(error)),
    }
}

/// The error of a folder without a manifest.
fn unfinished(folder: &Path, files: usize, bytes: u64) -> CheckpointError {
    let what = format!("no {} beside {files} files of {bytes} bytes", names::MANIFEST);
    CheckpointError::Unfinished { path: folder.to_owned(), what }
}

/// Reads the manifest, whose parts are there with their lengths; `None` where there is no manifest.
///
/// # Errors
/// [`CheckpointError::Damaged`], [`CheckpointError::Version`] or [`CheckpointError::Io`].
fn whole(disk: &dyn Disk, folder: &Path) -> Result<Option<Manifest>, CheckpointError> {
    let mut look = 1;
    loop {
        let Some(manifest) = manifest::read(disk, folder)? else { return Ok(None) };
        match check_lengths(disk, folder, &manifest) {
            Ok(()) => return Ok(Some(manifest)),
            // Has another rank put a newer manifest in its place, and removed the parts of this one?
            Err(_) if look < LOOKS && manifest::read(disk, folder)?.as_ref() != Some(&manifest) => look += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Reads the manifest of a folder that must have one.
///
/// # Errors
/// [`CheckpointError::Unfinished`] where there is none, and as [`whole`].
pub fn manifest(disk: &dyn Disk, folder: &Path) -> Result<Manifest, CheckpointError> {
    match whole(disk, folder)? {
        Some(manifest) => Ok(manifest),
        None => {
            let names = names_in(disk, folder)?;
            let ours = || names.iter().filter(|name| names::is_ours(name));
            let bytes = ours().filter_map(|name| disk.len(&folder.join(name)).ok()).sum();
            Err(unfinished(folder, ours().count(), bytes))
        }
    }
}

fn check_lengths(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), CheckpointError> {
    for part in &manifest.parts {
        let path = folder.join(&part.file);
        match disk.len(&path) {
            Ok(bytes) if bytes == part.bytes => {}
            Ok(bytes) => {
                return Err(CheckpointError::damaged(&path, format!("{bytes} bytes long instead of {}", part.bytes)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(&path)),
            Err(error) => return Err(CheckpointError::io("look at the part", &path)(error)),
        }
    }
    Ok(())
}

/// The error of a part that the manifest names and that is not there.
pub fn missing(path: &Path) -> CheckpointError {
    CheckpointError::damaged(path, "the manifest names this part, but there is no such file")
}

/// The names in a folder that are text; others are not ours.
fn names_in(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let names = disk.list(folder).map_err(CheckpointError::io("list the folder", folder))?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// Removes what a store has written into a folder, but for the checkpoint of this manifest.
///
/// # Errors
/// [`CheckpointError::Io`] of the first file that stays although it should not; the others are gone.
pub fn sweep(disk: &dyn Disk, folder: &Path, keep: Option<&Manifest>) -> Result<(), CheckpointError> {
    let parts = keep.into_iter().flat_map(|manifest| &manifest.parts).map(|part| part.file.as_str());
    let kept: BTreeSet<&str> = parts.chain(keep.map(|_| names::MANIFEST)).collect();
    let mut result = Ok(());
    for name in names_in(disk, folder)?.iter().filter(|name| names::is_ours(name) && !kept.contains(name.as_str())) {
        result = result.and(remove_file(disk, &folder.join(name)));
    }
    result
}

/// Removes a file that may be gone already.
fn remove_file(disk: &dyn Disk, path: &Path) -> Result<(), CheckpointError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CheckpointError::io("remove the file", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes a checkpoint: its manifest first, so that from then on it is none. Files that are not ours stay, and with them the
/// folder.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn remove(disk: &dyn Disk, dir: &Path, folder: &Path) -> Result<(), CheckpointError> {
    remove_file(disk, &folder.join(names::MANIFEST))?;
    sync_dir(disk, folder)?;
    sweep(disk, folder, None)?;
    match disk.remove_dir(folder) {
        Ok(()) => sync_dir(disk, dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // So do two kinds of systems say that something else is in it.
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => Ok(()),
        Err(error) => Err(CheckpointError::io("remove the folder", folder)(error)),
    }
}

/// # Errors
/// [`CheckpointError::Io`].
pub fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), CheckpointError> {
    disk.sync_dir(dir).map_err(CheckpointError::io("make durable the folder", dir))
}

/// Makes a directory and those above it, durably.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), CheckpointError> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let make = || disk.create_dir(dir).map_err(CheckpointError::io("make the directory", dir));
    let made = match (make(), &parent) {
        (Err(error), Some(parent)) if error.is_not_found() => {
            make_dirs(disk, parent)?;
            make()
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => parent.map_or(Ok(()), |parent| sync_dir(disk, &parent)),
        Err(CheckpointError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
