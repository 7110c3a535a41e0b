//! From what a person says to the checkpoint that is meant.

use std::path::Path;

use crate::disk::RealDisk;
use crate::error::CheckpointError;
use crate::folder;
use crate::names;
use crate::store::{Entry, State, Store};

/// The word for the newest checkpoint of a run directory.
pub const LATEST: &str = "latest";

/// Finds the checkpoint that is meant by `spec`: the folder of one checkpoint, whatever its name; or the newest that verifies
/// in a directory of checkpoints, or in a run directory, in its folder `checkpoints`. [`LATEST`] stands for `run_dir`; a
/// directory of that name is `./latest`. `tell` hears of each newer one that is passed over, and why.
///
/// The bodies of a checkpoint whose folder is named are not read here.
///
/// # Errors
/// [`CheckpointError::NoCheckpoint`]; [`CheckpointError::Io`] where there is no such directory; why it cannot be restored, where
/// the folder of one is named.
pub fn resolve(
    spec: &Path,
    run_dir: &Path,
    mut tell: impl FnMut(u64, &CheckpointError),
) -> Result<Entry, CheckpointError> {
    let place = if spec == Path::new(LATEST) { run_dir } else { spec };
    if is_checkpoint(place) {
        let mut entries = look(place)?;
        let none = || CheckpointError::NoCheckpoint { dir: place.to_owned(), found: String::new() };
        return entries.pop().ok_or_else(none).and_then(Entry::into_whole);
    }
    let store = Store::in_place(place)?;
    let mut passed = 0;
    let newest = store.newest_telling(|step, error| {
        passed += 1;
        tell(step, error);
    })?;
    newest.ok_or_else(|| CheckpointError::NoCheckpoint {
        dir: store.dir().to_owned(),
        found: if passed == 0 { String::new() } else { format!(" ({passed} are damaged or unfinished)") },
    })
}

/// What is in a place: the folder of one checkpoint, a directory of checkpoints, or a run directory. Names, lengths and
/// manifests are looked at, bodies are not read.
///
/// # Errors
/// [`CheckpointError::Io`] where there is no such directory, or it cannot be read.
pub fn look(place: &Path) -> Result<Vec<Entry>, CheckpointError> {
    if !is_checkpoint(place) {
        return Store::in_place(place)?.list();
    }
    let step = place.file_name().and_then(|name| names::step_of(name.to_str()?));
    Ok(folder::inspect(&RealDisk, place, step).into_iter().collect())
}

/// Whether this is the folder of one checkpoint, whole or not, rather than one in which checkpoints are.
pub fn is_checkpoint(place: &Path) -> bool {
    let name = place.file_name().and_then(|name| name.to_str());
    place.join(names::MANIFEST).is_file() || (name.and_then(names::step_of).is_some() && place.is_dir())
}

impl Entry {
    fn into_whole(self) -> Result<Self, CheckpointError> {
        match self.state {
            State::Whole(_) => Ok(self),
            State::Unfinished(error) | State::Damaged(error) => Err(error),
        }
    }
}

impl Store {
    /// The checkpoints in a directory of checkpoints, or of a run directory, in its folder `checkpoints`.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] where there is no such directory.
    pub fn in_place(place: &Path) -> Result<Self, CheckpointError> {
        std::fs::read_dir(place).map_err(CheckpointError::io("look for checkpoints in the directory", place))?;
        let below = place.join(names::CHECKPOINTS);
        Ok(Self::open(if below.is_dir() { below } else { place.to_owned() }))
    }
}
