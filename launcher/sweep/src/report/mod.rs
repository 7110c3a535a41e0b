//! One HTML file that holds all of it, and a picture.
//!
//! Invariants:
//! - The page refers to nothing outside itself and says so to the browser (a content security policy that allows nothing).
//! - It is well-formed XML as well as HTML, so that a machine can check it.
//! - Every word that comes from a job, a machine or a run goes through [`html::escape`].

mod html;
mod page;
mod plots;

use std::fs;
use std::path::{Path, PathBuf};

use crate::analysis::Analysis;
use crate::error::SweepError;
use crate::record::Record;

/// Writes `report.html` and `scaling.svg` into `dir`, and returns the path of the first.
///
/// # Errors
/// [`SweepError::Plot`] where a plot cannot be drawn, [`SweepError::Io`] where the disk refuses.
pub fn write(dir: &Path, analysis: &Analysis, records: &[Record]) -> Result<PathBuf, SweepError> {
    let page = page(analysis, records)?;
    let picture = plots::picture(analysis)?;
    replace(&dir.join("scaling.svg"), &picture)?;
    let path = dir.join("report.html");
    replace(&path, &page)?;
    Ok(path)
}

/// The page as text.
///
/// # Errors
/// [`SweepError::Plot`] where a plot cannot be drawn.
pub fn page(analysis: &Analysis, records: &[Record]) -> Result<String, SweepError> {
    page::page(analysis, records)
}

/// A file with this text, whole or as it was.
fn replace(path: &Path, text: &str) -> Result<(), SweepError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, text).map_err(SweepError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(SweepError::io("rename a file to", path))
}
