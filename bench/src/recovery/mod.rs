//! The recovery suite: from the death of a rank to the next step of the others, beside what the kernel takes to tell of a death;
//! and what keeping copies costs a run that nobody disturbs.

mod deaths;
mod upkeep;

use crate::error::BenchError;
use crate::overhead::program::Program;
use crate::report::Report;

/// Runs the suite; `quick`: only to see that it runs.
///
/// # Errors
/// [`BenchError`] where a run fails, or comes to another digest.
pub fn measure(quick: bool, report: &mut Report) -> Result<(), BenchError> {
    let program = Program::find()?;
    deaths::measure(&program, if quick { 3 } else { 100 }, report)?;
    upkeep::measure(&program, if quick { 1 } else { 5 }, report)
}
