//! One HTML file that holds all of it, and a picture.
//!
//! Invariants:
//! - The page refers to nothing outside itself and says so to the browser (a content security policy that allows nothing).
//! - It is well-formed XML as well as HTML, so that a machine can check it.
//! - Every word that comes from a job, a machine or a run goes through [`html::escape`].

mod html;
mod page;
mod plots;

use std::path::{Path, PathBuf};

use crate::analysis::Analysis;
use crate::error::SweepError;
use crate::record::Record;
use crate::results::replace;

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
