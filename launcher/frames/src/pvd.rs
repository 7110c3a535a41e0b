//! The collection file (`.pvd`) that binds the parts of all frames into an animation.
//!
//! Invariant P-1: data sets are sorted by (time, part), and a (time, part) occurs once; so the file is the
//! same whatever the order in which frames were added, and a step that is computed again after a recovery
//! replaces its former frame.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use quick_xml::events::{BytesStart, Event};

use crate::layout::{FrameDir, STATIC};
use crate::vtk::{attribute, save};
use crate::{FrameError, Stamp};

/// Largest collection that is read, bytes: some 10⁷ data sets.
const COLLECTION_BYTES_MAX: u64 = 1 << 30;

/// One part of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// Simulated time, s; finite.
    pub time_s: f64,
    /// Number of the part within the frame.
    pub part: u32,
    /// Path of the part's file, relative to the collection.
    pub file: String,
}

/// All parts of all frames.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collection {
    data_sets: Vec<DataSet>,
}

impl Collection {
    /// The parts, sorted by time, then by number.
    pub fn data_sets(&self) -> &[DataSet] {
        &self.data_sets
    }

    /// Lists the frame `stamp` with the surface files of `ranks`, and with the static geometry where
    /// `has_static`; replaces what was listed for the same time. Times that are not finite are ignored,
    /// since no player could order them.
    pub fn add_frame(&mut self, stamp: Stamp, ranks: &[u32], has_static: bool) {
        if !stamp.time_s.is_finite() {
            return;
        }
        let mut files: Vec<String> = ranks.iter().map(|&rank| FrameDir::surface_name(stamp.step, rank)).collect();
        files.sort();
        files.dedup();
        if has_static {
            files.insert(0, STATIC.to_owned());
        }
        let first = self.data_sets.partition_point(|d| d.time_s < stamp.time_s);
        let last = self.data_sets.partition_point(|d| d.time_s <= stamp.time_s);
        let parts = files.into_iter().zip(0..).map(|(file, part)| DataSet { time_s: stamp.time_s, part, file });
        self.data_sets.splice(first..last, parts);
    }

    /// Forgets the frames later than `time_s` seconds: what a run does that resumes from there.
    pub fn truncate_after(&mut self, time_s: f64) {
        self.data_sets.retain(|d| d.time_s <= time_s);
    }

    /// Writes the collection; the file at `path` is replaced as a whole or not at all.
    ///
    /// # Errors
    /// [`FrameError::Io`] where the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), FrameError> {
        save(path, |out| {
            out.write_all(b"<?xml version=\"1.0\"?>\n<VTKFile type=\"Collection\" version=\"1.0\" byte_order=\"LittleEndian\">\n  <Collection>\n")?;
            for d in &self.data_sets {
                let file = quick_xml::escape::escape(&d.file);
                writeln!(
                    out,
                    "    <DataSet timestep=\"{}\" group=\"\" part=\"{}\" file=\"{file}\"/>",
                    d.time_s, d.part
                )?;
            }
            out.write_all(b"  </Collection>\n</VTKFile>\n")
        })
        .map(|_| ())
    }

    /// Reads a collection back.
    ///
    /// # Errors
    /// [`FrameError::Io`]; [`FrameError::Foreign`] where the file is larger than 1 GiB or not a collection;
    /// [`FrameError::Torn`] where it ends early.
    pub fn read(path: &Path) -> Result<Self, FrameError> {
        let file = fs::File::open(path).map_err(FrameError::io("open the file", path))?;
        let mut text = Vec::new();
        file.take(COLLECTION_BYTES_MAX + 1).read_to_end(&mut text).map_err(FrameError::io("read the file", path))?;
        if text.len() as u64 > COLLECTION_BYTES_MAX {
            return Err(FrameError::foreign(path, "a collection is smaller than 1 GiB"));
        }
        Self::parse(&text, path)
    }

    /// Reads the content of a collection; `path` is for messages only.
    ///
    /// # Errors
    /// As [`Collection::read`], without [`FrameError::Io`].
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, FrameError> {
        let mut reader = quick_xml::Reader::from_reader(text);
        let mut collection = Self::default();
        let mut is_collection = false;
        loop {
            match reader.read_event().map_err(|e| FrameError::foreign(path, format!("broken XML: {e}")))? {
                Event::Start(tag) if tag.name().as_ref() == b"VTKFile" => {
                    is_collection = attribute(&tag, "type", path)? == "Collection";
                }
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"DataSet" => {
                    collection.data_sets.push(data_set(&tag, path)?);
                }
                Event::End(tag) if tag.name().as_ref() == b"VTKFile" => break,
                Event::Eof if is_collection => return Err(FrameError::torn(path, "</VTKFile> is missing")),
                Event::Eof => break,
                _ => {}
            }
        }
        if !is_collection {
            return Err(FrameError::foreign(path, "expected <VTKFile type=\"Collection\">"));
        }
        collection.data_sets.sort_by(|a, b| a.time_s.total_cmp(&b.time_s).then(a.part.cmp(&b.part)));
        Ok(collection)
    }
}

/// Reads one `<DataSet>`.
fn data_set(tag: &BytesStart<'_>, path: &Path) -> Result<DataSet, FrameError> {
    let time = attribute(tag, "timestep", path)?;
    let part = attribute(tag, "part", path)?;
    let time_s = time
        .parse::<f64>()
        .ok()
        .filter(|t| t.is_finite())
        .ok_or_else(|| FrameError::foreign(path, format!("timestep=\"{time}\" is not a finite number")))?;
    let part = part.parse().map_err(|_| FrameError::foreign(path, format!("part=\"{part}\" is not a number")))?;
    Ok(DataSet { time_s, part, file: attribute(tag, "file", path)? })
}
