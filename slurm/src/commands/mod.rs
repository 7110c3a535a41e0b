//! Slurm's commands: what this program asks of sbatch, squeue, sinfo, scontrol, scancel and srun, and how it reads the answers.
//!
//! Each call has a deadline, each answer a bound, and each format is asked for by name (`-o`, `--parsable`), never the default one, which
//! sites change. Whatever is not understood is refused ([`SlurmError::Unknown`]). slurmdbd is never asked: many sites have none.
//!
//! Slurm 21 to 25 are known by their documentation; the laboratory (`slurm/lab`) runs 22.05.

mod error;
mod jobs;
mod nodes;
mod process;
mod site;
mod steps;
mod version;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Instant;

pub use error::SlurmError;
pub use jobs::{JobLine, JobState};
pub use nodes::NodeState;
pub use site::{MpiPlugins, Site};
pub use steps::{Step, StepId, StepName};
pub use version::Version;

use error::shortened;
use process::Ended;

/// Slurm's commands, as they are found in the folders of a PATH.
#[derive(Clone, Debug)]
pub struct Slurm {
    path: OsString,
}

impl Slurm {
    /// Those on this process's PATH.
    pub fn here() -> Slurm {
        Slurm::on(std::env::var_os("PATH").unwrap_or_default())
    }

    /// Those in the folders of `path`.
    pub fn on(path: impl Into<OsString>) -> Slurm {
        Slurm { path: path.into() }
    }

    /// Whether there is a program of this name.
    pub fn has(&self, program: &str) -> bool {
        self.find(program).is_some()
    }

    /// The file of a program.
    ///
    /// # Errors
    /// [`SlurmError::Absent`].
    pub fn program(&self, program: &'static str) -> Result<PathBuf, SlurmError> {
        self.find(program).ok_or(SlurmError::Absent { program })
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        on_path(&self.path, program)
    }

    /// Runs a command, whatever it comes to.
    fn try_to(
        &self,
        program: &'static str,
        arguments: &[&str],
        input: Option<&str>,
        deadline: Instant,
    ) -> Result<Ended, SlurmError> {
        process::run(&self.program(program)?, arguments, input, deadline)
    }

    /// Runs a command that is to succeed; its stdout.
    fn ask(&self, program: &'static str, arguments: &[&str], deadline: Instant) -> Result<Answer, SlurmError> {
        self.tell(program, arguments, None, deadline)
    }

    /// The same, with words on its stdin.
    fn tell(
        &self,
        program: &'static str,
        arguments: &[&str],
        input: Option<&str>,
        deadline: Instant,
    ) -> Result<Answer, SlurmError> {
        let ended = self.try_to(program, arguments, input, deadline)?;
        let command = shortened(&[&[program], arguments].concat().join(" "));
        if !ended.status.success() {
            return Err(refused(command, &ended));
        }
        Ok(Answer { command, text: ended.stdout, aside: ended.stderr })
    }
}

/// The first executable file `name` in the folders of `path`, a value of `PATH`.
pub fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::split_paths(path).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| folder.join(name)).find(executable)
}

fn refused(command: String, ended: &Ended) -> SlurmError {
    let says = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
    let says = if says.trim().is_empty() { ended.status.to_string() } else { shortened(says) };
    SlurmError::Refused { command, code: ended.status.code(), says }
}

/// What a command printed.
struct Answer {
    command: String,
    text: String,
    /// On stderr.
    aside: String,
}

impl Answer {
    /// Its lines that are not empty.
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    fn unknown(&self, expected: &'static str, found: &str) -> SlurmError {
        SlurmError::Unknown { command: self.command.clone(), expected, found: shortened(found) }
    }

    /// Each line by `read`, which knows no other than `expected`.
    fn read_lines<T>(&self, expected: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, SlurmError> {
        self.lines().map(|line| read(line).ok_or_else(|| self.unknown(expected, line))).collect()
    }
}
