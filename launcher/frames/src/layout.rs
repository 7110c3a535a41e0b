//! Where the files of a run's frames lie.
//!
//! ```text
//! RUN/frames/frames.pvd        the collection, which ParaView opens as an animation
//! RUN/frames/static.vtp        what never moves, written once, listed in every frame
//! RUN/frames/000120.r003.vtp   surfaces of the bodies that rank 3 owned at the end of step 120
//! RUN/frames/000120.r003.vtu   their volumes, where asked for
//! ```
//! All names in the collection are relative to it, so that the folder can be moved or copied as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Collection, FrameError, Stamp, Surface, Volume};

/// Name of the folder in the run directory.
const FOLDER: &str = "frames";
/// Name of the collection file in it.
const COLLECTION: &str = "frames.pvd";
/// Name of the static geometry in it.
pub(crate) const STATIC: &str = "static.vtp";

/// The `frames/` folder of a run.
#[derive(Debug, Clone)]
pub struct FrameDir {
    dir: PathBuf,
}

impl FrameDir {
    /// Makes `RUN/frames` unless it exists. Any rank may call it, in any order.
    ///
    /// # Errors
    /// [`FrameError::Io`] where the folder cannot be made.
    pub fn create(run_dir: &Path) -> Result<Self, FrameError> {
        let dir = run_dir.join(FOLDER);
        fs::create_dir_all(&dir).map_err(FrameError::io("create the folder", &dir))?;
        Ok(Self { dir })
    }

    /// The folder of an existing run, for reading; touches nothing.
    pub fn of(run_dir: &Path) -> Self {
        Self { dir: run_dir.join(FOLDER) }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Path of the collection file.
    pub fn collection_path(&self) -> PathBuf {
        self.dir.join(COLLECTION)
    }

    /// Name of the surface file of `rank` at `step`, relative to the folder.
    pub fn surface_name(step: u64, rank: u32) -> String {
        format!("{step:06}.r{rank:03}.vtp")
    }

    /// Name of the volume file of `rank` at `step`, relative to the folder.
    pub fn volume_name(step: u64, rank: u32) -> String {
        format!("{step:06}.r{rank:03}.vtu")
    }

    /// The step that the name of a surface file stands for.
    pub(crate) fn step_of(name: &str) -> Option<u64> {
        // A name of ours holds no separator, so that a forged collection cannot lead out of the folder.
        let (step, rank) = name.strip_suffix(".vtp")?.split_once(".r")?;
        rank.parse::<u32>().ok()?;
        step.parse().ok()
    }

    /// Writes the surfaces that `rank` owns; returns the file's size in bytes.
    ///
    /// # Errors
    /// [`FrameError::Mesh`] where `mesh` contradicts itself, [`FrameError::Io`] where the disk refuses.
    pub fn write_surface(&self, stamp: Stamp, rank: u32, mesh: &Surface) -> Result<u64, FrameError> {
        mesh.write(&self.dir.join(Self::surface_name(stamp.step, rank)), stamp)
    }

    /// Writes the volumes that `rank` owns; returns the file's size in bytes.
    ///
    /// # Errors
    /// As [`FrameDir::write_surface`].
    pub fn write_volume(&self, stamp: Stamp, rank: u32, mesh: &Volume) -> Result<u64, FrameError> {
        mesh.write(&self.dir.join(Self::volume_name(stamp.step, rank)), stamp)
    }

    /// Writes the geometry that never moves, once a run; returns the file's size in bytes.
    ///
    /// # Errors
    /// As [`FrameDir::write_surface`].
    pub fn write_static(&self, mesh: &Surface) -> Result<u64, FrameError> {
        mesh.write(&self.dir.join(STATIC), Stamp::default())
    }

    /// Reads the collection; one without data sets where the file does not exist yet.
    ///
    /// # Errors
    /// [`FrameError::Io`], or [`FrameError::Foreign`] where it is not a collection.
    pub fn read_collection(&self) -> Result<Collection, FrameError> {
        let path = self.collection_path();
        match Collection::read(&path) {
            Err(FrameError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Collection::default())
            }
            other => other,
        }
    }

    /// Removes the files of all frames later than `step` steps, those of all ranks.
    ///
    /// # Errors
    /// [`FrameError::Io`] where the disk refuses.
    pub fn remove_after(&self, step: u64) -> Result<(), FrameError> {
        let entries = fs::read_dir(&self.dir).map_err(FrameError::io("list the folder", &self.dir))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let surface = name.to_str().map(|name| name.replace(".vtu", ".vtp"));
            if surface.and_then(|name| Self::step_of(&name)).is_some_and(|of| of > step) {
                let path = entry.path();
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(FrameError::io("remove the file", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Replaces the collection, whole. Only the master calls it.
    ///
    /// # Errors
    /// [`FrameError::Io`] where the disk refuses.
    pub fn write_collection(&self, collection: &Collection) -> Result<(), FrameError> {
        collection.write(&self.collection_path())
    }
}
