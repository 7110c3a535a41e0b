//! A command of short life whose words are read and not shown, with a deadline.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{LaunchError, OUTCOME_VARIABLE, outcome, system};

/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How long it may take to end once it is told to.
const MERCY: Duration = Duration::from_secs(5);

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// On stdout.
    pub stdout: String,
    /// On stderr.
    pub stderr: String,
    /// Whether it ended by itself.
    pub in_time: bool,
}

/// Runs the command of a [`super::Plan`]; after `limit` it is ended, with all that it has started.
///
/// # Errors
/// [`LaunchError::System`] where it cannot be started.
pub fn capture(words: &[String], limit: Duration) -> Result<Captured, LaunchError> {
    let [program, arguments @ ..] = words else { return Err(LaunchError::NoMpi) };
    let outcome = outcome::OutcomeFile::create().map_err(system("create a temporary file"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(OUTCOME_VARIABLE, outcome.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, to end it without ending ourselves.
        .process_group(0)
        .spawn()
        .map_err(system(format!("start {program}")))?;
    // Read by threads of their own: a full pipe would stop the child.
    let stdout = child.stdout.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let stderr = child.stderr.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let in_time = ends_within(&mut child, limit).map_err(system(format!("wait for {program}")))?;
    if !in_time {
        end(&mut child).map_err(system(format!("end {program}")))?;
    }
    let text = |thread: Option<std::thread::JoinHandle<String>>| thread.and_then(|t| t.join().ok()).unwrap_or_default();
    Ok(Captured { stdout: text(stdout), stderr: text(stderr), in_time })
}

fn read(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error counts.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ends_within(child: &mut Child, limit: Duration) -> std::io::Result<bool> {
    let deadline = Instant::now() + limit;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

/// Ends a child and its group: mpirun answers SIGTERM by ending its ranks, which have groups of their own; what does not listen is
/// killed.
fn end(child: &mut Child) -> std::io::Result<()> {
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(std::io::Error::other)?;
    // It may have ended just now: then there is nobody to tell.
    let _ = killpg(pid, Signal::SIGTERM);
    if !ends_within(child, MERCY)? {
        let _ = killpg(pid, Signal::SIGKILL);
        child.wait()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Captured {
        capture(&["sh", "-c", script].map(str::to_owned), limit).expect("sh starts")
    }

    #[test]
    fn words_are_captured() {
        let ended = sh("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str(), ended.in_time), ("out\n", "err\n", true));
    }

    #[test]
    fn what_hangs_is_ended_with_its_children() {
        let begun = Instant::now();
        let ended = sh("echo begun; sleep 100 & sleep 100", Duration::from_millis(100));
        assert!(!ended.in_time && begun.elapsed() < Duration::from_secs(60));
    }
}
