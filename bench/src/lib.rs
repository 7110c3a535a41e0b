//! Measures rankzero on this machine in one go: what it costs beyond the simulation ([`overhead`]), what its paths between ranks
//! give beside their media ([`fabrics`]), how soon a loss is made good ([`recovery`]), and how fast and how right its solver is beside other engines ([`solver`]). How fast errors fall with substeps and cells is measured apart ([`convergence`]).
//!
//! What is compared is measured in turns, so that a machine that gets slower or faster meanwhile does so for both. Every suite
//! gives a table and a file of the same rows ([`report`]).
#![deny(unsafe_code)]

pub mod allocations;
pub mod clock;
pub mod convergence;
pub mod engine;
pub mod error;
pub mod fabrics;
pub mod overhead;
pub mod peers;
pub mod process;
pub mod recovery;
pub mod report;
pub mod solver;
pub mod stats;
pub mod surface;
pub mod world;

use std::path::{Path, PathBuf};

use error::BenchError;

/// The workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder of the workspace's build, seen from this very program.
///
/// # Errors
/// [`BenchError::Io`] where the system does not say where this program is.
pub fn target() -> Result<PathBuf, BenchError> {
    let this = std::env::current_exe().map_err(BenchError::io("find", "this program"))?;
    let release = this.parent().unwrap_or(Path::new("."));
    Ok(release.parent().unwrap_or(release).to_owned())
}
