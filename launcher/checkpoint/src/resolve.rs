//! From what a person says to the checkpoint that is meant.

use std::path::Path;

use crate::error::CheckpointError;
use crate::loaded::Loaded;
use crate::names;
use crate::store::{Entry, State, Store};

/// The word for the newest checkpoint of a run directory.
pub const LATEST: &str = "latest";

/// Finds the checkpoint that is meant by `spec`: the folder of one checkpoint, whatever its name; or the newest that verifies
/// in a directory of checkpoints, or in a run directory, in its folder `checkpoints`. [`LATEST`] stands for `run_dir`; a
/// directory of that name is `./latest`. `tell` hears of each newer one that is passed over, and why.
///
/// # Errors
/// [`CheckpointError::NoCheckpoint`], [`CheckpointError::Io`] where there is no such directory, and as [`Loaded::open`] for the
/// folder of one checkpoint, whose bodies are not read here.
pub fn resolve(spec: &Path, run_dir: &Path, tell: impl FnMut(u64, &CheckpointError)) -> Result<Entry, CheckpointError> {
    let place = if spec == Path::new(LATEST) { run_dir } else { spec };
    if is_checkpoint(place) {
        let manifest = Loaded::open(place)?.manifest;
        let bytes = manifest.part_bytes();
        let state = State::Whole(Box::new(manifest));
        let step = state.manifest().map_or(0, |manifest| manifest.step);
        return Ok(Entry { step, folder: place.to_owned(), bytes, state });
    }
    let store = Store::in_place(place)?;
    let (mut tell, mut passed) = (tell, 0);
    let newest = store.newest_telling(|step, error| {
        passed += 1;
        tell(step, error);
    })?;
    newest.ok_or_else(|| CheckpointError::NoCheckpoint {
        dir: store.dir().to_owned(),
        found: if passed == 0 { String::new() } else { format!(" ({passed} are damaged or unfinished)") },
    })
}

/// Whether this is the folder of one checkpoint, whole or not, rather than one in which checkpoints are.
pub fn is_checkpoint(place: &Path) -> bool {
    let name = place.file_name().and_then(|name| name.to_str());
    place.join(names::MANIFEST).is_file() || (name.and_then(names::step_of).is_some() && place.is_dir())
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
