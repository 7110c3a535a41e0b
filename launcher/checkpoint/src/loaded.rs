//! A checkpoint that is being read: which body lies where, and the bodies, checked one after the other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::disk::{Disk, DiskFile, RealDisk};
use crate::error::CheckpointError;
use crate::folder;
use crate::manifest::Manifest;
use crate::names;
use crate::part::{self, PartInfo, Row};
use crate::state::{body_hash, from_bytes, state_digest};

/// Words that are read at once, where bodies are small.
const RUN_WORDS: u64 = 1 << 19;

/// A checkpoint whose manifest and tables are read and agree; its bodies are read, and checked, as they are asked for.
pub struct Loaded {
    /// The manifest.
    pub manifest: Manifest,
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// By id.
    places: Vec<Place>,
}

/// Where a body lies.
#[derive(Clone, Debug)]
struct Place {
    /// Position of the part in the manifest.
    part: usize,
    row: Row,
}

/// What a verification has found whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The step.
    pub step: u64,
    /// Parts read.
    pub parts: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Bodies in them.
    pub bodies: u32,
    /// Words of these.
    pub words: u64,
    /// The digest that the manifest gives, and that the bodies have.
    pub digest: Option<String>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded({}, step {})", self.folder.display(), self.manifest.step)
    }
}

impl Loaded {
    /// Reads manifest and tables of the checkpoint in this folder, whatever the folder's name.
    ///
    /// # Errors
    /// [`CheckpointError::Unfinished`] without a manifest, [`CheckpointError::Damaged`], [`CheckpointError::Version`] and
    /// [`CheckpointError::Io`].
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        Self::open_on(Arc::new(RealDisk), folder)
    }

    pub(crate) fn open_on(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, CheckpointError> {
        let manifest = folder::manifest(&*disk, folder)?;
        let places = places(&*disk, folder, &manifest)?;
        Ok(Self { manifest, disk, folder: folder.to_owned(), places })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of the manifest, for errors that speak of it.
    pub fn manifest_path(&self) -> PathBuf {
        self.folder.join(names::MANIFEST)
    }

    /// States of all rigid bodies, as they were given to the manifest.
    pub fn rigids(&self) -> &[u32] {
        &self.manifest.rigids
    }

    /// Words of a body's state.
    pub fn words_of(&self, id: u32) -> Option<u64> {
        self.places.get(id as usize).map(|place| place.row.words)
    }

    /// Reads one body.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchBody`], [`CheckpointError::Damaged`] and [`CheckpointError::Io`].
    pub fn body(&self, id: u32) -> Result<Vec<u32>, CheckpointError> {
        let mut found = Vec::new();
        self.for_each([id], |_, words| found.extend_from_slice(words))?;
        Ok(found)
    }

    /// Reads these bodies, each once, in the order in which they lie in the files; each is shown only after its hash was
    /// checked. Memory: the largest of them, or 2 MiB.
    ///
    /// # Errors
    /// As [`Loaded::body`]; what was shown before is right.
    pub fn for_each(
        &self,
        ids: impl IntoIterator<Item = u32>,
        mut show: impl FnMut(u32, &[u32]),
    ) -> Result<(), CheckpointError> {
        let bodies = self.manifest.bodies;
        let find = |id: u32| {
            let path = || self.folder.clone();
            self.places.get(id as usize).ok_or_else(|| CheckpointError::NoSuchBody { path: path(), id, bodies })
        };
        let mut wanted: Vec<&Place> = ids.into_iter().map(find).collect::<Result<_, _>>()?;
        wanted.sort_by_key(|place| (place.part, place.row.offset, place.row.id));
        wanted.dedup_by_key(|place| place.row.id);
        let mut buffer = Vec::new();
        for places in wanted.chunk_by(|a, b| a.part == b.part) {
            let path = self.folder.join(&self.manifest.parts[places[0].part].file);
            let file = self.disk.open(&path).map_err(CheckpointError::io("open the part", &path))?;
            for run in runs(places) {
                read_run(&*file, &path, run, &mut buffer, &mut show)?;
            }
        }
        Ok(())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// As [`Loaded::body`].
    pub fn verify(&self) -> Result<Verified, CheckpointError> {
        let manifest = &self.manifest;
        self.for_each(0..manifest.bodies, |_, _| {})?;
        Ok(Verified {
            step: manifest.step,
            parts: manifest.parts.len(),
            bytes: manifest.part_bytes(),
            bodies: manifest.bodies,
            words: manifest.words,
            digest: manifest.digest.clone(),
        })
    }
}

/// Cuts places of one part, in the order of the file, into pieces that lie close to each other and are read at once.
fn runs<'a>(mut places: &'a [&'a Place]) -> impl Iterator<Item = &'a [&'a Place]> {
    std::iter::from_fn(move || {
        let mut words = places.first()?.row.words;
        let joins = |pair: &&[&Place]| {
            words = words.saturating_add(pair[1].row.words);
            pair[0].row.offset + 4 * pair[0].row.words == pair[1].row.offset && words <= RUN_WORDS
        };
        let length = 1 + places.windows(2).take_while(joins).count();
        let (run, rest) = places.split_at(length);
        places = rest;
        Some(run)
    })
}

fn read_run(
    file: &dyn DiskFile,
    path: &Path,
    run: &[&Place],
    buffer: &mut Vec<u32>,
    show: &mut impl FnMut(u32, &[u32]),
) -> Result<(), CheckpointError> {
    // The tables were held against the lengths of the files, so that this is no more than what is there.
    let words: u64 = run.iter().map(|place| place.row.words).sum();
    let words =
        usize::try_from(words).map_err(|_| CheckpointError::damaged(path, "a body is too large for this machine"))?;
    buffer.resize(words.max(buffer.len()), 0);
    let words = &mut buffer[..words];
    file.read_at(bytemuck::cast_slice_mut(words), run[0].row.offset)
        .map_err(CheckpointError::io("read the part", path))?;
    from_bytes(words);
    let mut rest = &*words;
    for place in run {
        let (state, after) = rest.split_at(usize::try_from(place.row.words).unwrap_or(usize::MAX));
        if body_hash(state) != place.row.hash {
            let what = format!("the words of body {} do not have the hash that the table gives", place.row.id);
            return Err(CheckpointError::damaged(path, what));
        }
        show(place.row.id, state);
        rest = after;
    }
    Ok(())
}

/// Reads all tables, and holds them against the manifest: the files are those that it names, each body is there once, and the
/// bodies have the digest. Words are not read.
///
/// # Errors
/// [`CheckpointError::Damaged`], [`CheckpointError::Version`] or [`CheckpointError::Io`].
fn places(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<Vec<Place>, CheckpointError> {
    let mut places = Vec::new();
    for (part, info) in manifest.parts.iter().enumerate() {
        let rows = rows(disk, folder, manifest.step, info)?;
        places.extend(rows.into_iter().map(|row| Place { part, row }));
    }
    places.sort_by_key(|place| place.row.id);
    let path = folder.join(names::MANIFEST);
    if let Some((id, place)) = (0..).zip(&places).find(|(id, place)| *id != place.row.id) {
        let found = place.row.id;
        let what = if found < id {
            format!("body {found} is in two of its parts")
        } else {
            format!("body {id} is in none of its parts")
        };
        return Err(CheckpointError::damaged(&path, what));
    }
    let digest = state_digest(places.iter().map(|place| place.row.hash), &manifest.rigids).to_hex();
    if let Some(expected) = manifest.digest.as_ref().filter(|expected| expected.as_str() != digest.as_str()) {
        let what = format!("its bodies have the digest {digest}, not {expected}");
        return Err(CheckpointError::damaged(&path, what));
    }
    Ok(places)
}

fn rows(disk: &dyn Disk, folder: &Path, step: u64, info: &PartInfo) -> Result<Vec<Row>, CheckpointError> {
    let path = folder.join(&info.file);
    let table = match part::open(disk, &path) {
        Err(error) if error.is_not_found() => return Err(folder::missing(&path)),
        opened => opened?.1,
    };
    if table.step != step {
        let what = format!("it is of step {}, not of step {step}", table.step);
        return Err(CheckpointError::damaged(&path, what));
    }
    let found = table.info();
    if found != *info {
        let what = format!("it is the part {found:?}, where the manifest names {info:?}");
        return Err(CheckpointError::damaged(&path, what));
    }
    Ok(table.rows)
}

/// Holds the parts that a manifest names against it, before it is written.
///
/// # Errors
/// As [`Loaded::open`].
pub fn check_parts(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), CheckpointError> {
    places(disk, folder, manifest).map(|_| ())
}
