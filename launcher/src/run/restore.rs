//! Beginning at a checkpoint, of this run or another one of the same job, whatever number of ranks wrote it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rankzero_checkpoint::{CheckpointError, Entry, LATEST, Loaded, Store, resolve};
use rankzero_comm::{Bootstrap, Fabric};
use rankzero_physx::rigid::RigidState;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::drive::Drive;
use super::error::RunError;
use super::progress::say;
use super::start::Start;

/// The checkpoint that a run begins at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Restore {
    /// Its folder.
    pub folder: PathBuf,
    /// Its step.
    pub step: u64,
    /// Whether it is of the same run directory.
    pub same_run: bool,
}

/// Stands for the newest checkpoint of the run directory if there is one, else for none; a directory of that name is `./auto`.
const AUTO: &str = "auto";

impl Restore {
    /// The checkpoint that the command line means, if it means any.
    ///
    /// # Errors
    /// As [`Restore::find`].
    pub fn wanted(spec: Option<&Path>, run_dir: &Path, course: &str) -> Result<Option<Self>, RunError> {
        let Some(spec) = spec else { return Ok(None) };
        if spec != Path::new(AUTO) {
            return Self::find(spec, run_dir, course).map(Some);
        }
        match Self::find(Path::new(LATEST), run_dir, course) {
            Ok(found) => Ok(Some(found)),
            Err(RunError::Checkpoint(CheckpointError::NoCheckpoint { .. })) => Ok(None),
            Err(RunError::Checkpoint(CheckpointError::Io { source, .. })) if source.kind() == ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the checkpoint that `spec` means, which must be one of a job of this `course`.
    ///
    /// # Errors
    /// [`RunError::Checkpoint`].
    pub fn find(spec: &Path, run_dir: &Path, course: &str) -> Result<Self, RunError> {
        let Entry { step, folder, state, .. } = resolve(spec, run_dir, |step, error| {
            say(format_args!("warning: the checkpoint at step {step} is passed over: {error}"));
        })?;
        if let Some(manifest) = state.manifest() {
            manifest.check_job(course, &folder)?;
        }
        let folder = folder.canonicalize().map_err(RunError::io("find", &folder))?;
        let same_run = folder.starts_with(run_dir);
        Ok(Self { folder, step, same_run })
    }
}

impl Start {
    /// Where checkpoints of this run are.
    pub fn store(&self) -> Store {
        Store::open(self.run_dir.join(&self.job.fault_tolerance.checkpoint.directory))
    }
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// At the start: takes the state from the checkpoint that the run begins at, if there is one.
    pub(super) fn begin_at_checkpoint(&mut self) -> Result<(), RunError> {
        let Some(restore) = self.start.restore.clone() else { return Ok(()) };
        let loaded = Loaded::open(&restore.folder)?;
        self.load(&loaded)?;
        self.rewind_frames(restore.step)?;
        if let Some(journal) = &mut self.journal {
            let from = restore.folder.display().to_string();
            journal.write("restored", restore.step, json!({ "from": from, "digest": loaded.manifest.digest }))?;
            if !self.options.quiet {
                say(format_args!("restored step {} from {from}", restore.step));
            }
        }
        Ok(())
    }

    /// The newest checkpoint of this run that can be restored.
    pub(super) fn newest_checkpoint(&self) -> Option<Entry> {
        let course = &self.start.course;
        let newest = self.start.store().newest();
        let found = newest.inspect_err(|error| tracing::warn!(%error, "no checkpoint can be read")).ok().flatten();
        found.filter(|entry| entry.state.manifest().is_some_and(|manifest| manifest.fingerprint == *course))
    }

    /// Takes the state of this rank's bodies and of all rigid ones from a checkpoint.
    pub(super) fn load(&mut self, loaded: &Loaded) -> Result<(), RunError> {
        let mut states = Vec::new();
        for words in loaded.rigids().chunks(RigidState::WORDS) {
            let Ok(words) = words.try_into() else { break };
            states.push(RigidState::from_words(words));
        }
        self.outside(true);
        let engine = &self.engine;
        let ids: Vec<u32> = engine.ids_to_load().collect();
        let mut wrong = None;
        loaded.for_each(ids, |id, words| {
            if !engine.store_state(id, words) {
                wrong = Some(id);
            }
        })?;
        self.outside(false);
        if let Some(body) = wrong {
            return Err(RunError::OtherScene { path: loaded.folder().to_owned(), body });
        }
        Ok(self.engine.resume_at(loaded.manifest.step, &states)?)
    }

    /// Goes back to the frames of `step` steps.
    pub(super) fn rewind_frames(&mut self, step: u64) -> Result<(), RunError> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        if self.engine.is_master() {
            frames.forget_after(step)?;
        }
        frames.rewind(step);
        Ok(())
    }
}
