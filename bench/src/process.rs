//! Programs that are run to be measured.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::BenchError;
use crate::root;

/// Runs cargo in the workspace.
///
/// # Errors
/// [`BenchError`] where it fails.
pub fn cargo(arguments: &[&str]) -> Result<(), BenchError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(Command::new(cargo).args(arguments).current_dir(root())).map(drop)
}

/// Runs a command to its end; what it printed.
///
/// # Errors
/// [`BenchError`] where it does not start, or fails.
pub fn output(command: &mut Command) -> Result<String, BenchError> {
    let program = PathBuf::from(command.get_program());
    let output = command.stdin(Stdio::null()).output().map_err(BenchError::io("start", program))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Failed { command: words(command), status: output.status, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command line.
pub fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
