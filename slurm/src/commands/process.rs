//! One command, run to its end by a deadline, with bounded output.
//!
//! A command of Slurm hangs when slurmctld does, so none is waited for without a limit. It gets a process group of its own, which is killed as
//! a whole when the time is up; what it had started elsewhere may still hold its pipes, so that nobody waits for these either.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::error::{SlurmError, shortened};

/// Most bytes of stdout, and of stderr: some hundred thousand nodes, one a line.
const OUTPUT_MAX_BYTES: usize = 16 << 20;
/// Between two looks at whether it has ended: the first, and the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(50)];
/// How long output may still come once the command has ended.
const LATE_OUTPUT: Duration = Duration::from_secs(1);
/// Variables that change what the commands select or print, beyond their arguments.
const MISLEADING: [&str; 4] = ["SQUEUE_", "SINFO_", "SCONTROL_", "SCANCEL_"];

/// What a command said, and how it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program by `deadline`, with `input` on its stdin.
///
/// # Errors
/// [`SlurmError::System`], [`SlurmError::TimedOut`], [`SlurmError::TooLong`]. How it ended is the caller's to judge.
pub(super) fn run(
    program: &Path,
    arguments: &[&str],
    input: Option<&str>,
    deadline: Instant,
) -> Result<Ended, SlurmError> {
    let begun = Instant::now();
    let shown = shown(program, arguments);
    let system = |source| SlurmError::System { command: shown.clone(), source };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    plain(&mut command);
    let mut child = command.spawn().map_err(system)?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        let input = input.to_owned();
        // By a thread: who does not read would keep us here. It ends when the command does.
        std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    let stdout = child.stdout.take().map(listen);
    let stderr = child.stderr.take().map(listen);
    let Some(status) = wait(&mut child, deadline).map_err(system)? else {
        end(&mut child);
        return Err(SlurmError::TimedOut { command: shown, waited: begun.elapsed() });
    };
    let text = |pipe: Option<Receiver<Vec<u8>>>| {
        let bytes = pipe.and_then(|pipe| pipe.recv_timeout(LATE_OUTPUT).ok()).unwrap_or_default();
        if bytes.len() > OUTPUT_MAX_BYTES {
            return Err(SlurmError::TooLong { command: shown.clone(), limit_bytes: OUTPUT_MAX_BYTES });
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Ended { status, stdout: text(stdout)?, stderr: text(stderr)? })
}

/// The command line as messages show it.
pub(super) fn shown(program: &Path, arguments: &[&str]) -> String {
    let name = program.file_name().unwrap_or(OsStr::new("?")).to_string_lossy();
    shortened(&[&[&*name], arguments].concat().join(" "))
}

/// Output as this crate reads it, whatever the user has set for himself.
fn plain(command: &mut Command) {
    command.env("LC_ALL", "C").env("SLURM_TIME_FORMAT", "standard");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| MISLEADING.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}

/// Reads a pipe to its end, or to one byte more than the limit: then it is closed, and the writer ends.
fn listen(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error counts.
        let _ = pipe.take(OUTPUT_MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    let mut pause = PAUSE[0];
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(PAUSE[1]);
    }
}

fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended just now: then there is nobody to kill.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
}
