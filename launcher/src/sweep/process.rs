//! One run of a sweep as a process: its words in a log, a limit on its time, signals passed on.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rankzero_job::ENVIRONMENT_PREFIX;
use rankzero_sweep::SweepError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::launch::code_of;
use crate::signals;

/// Names the process of a sweep to the launches that it starts.
pub const SWEEP_VARIABLE: &str = "RANKZERO_SWEEP_PID";
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it may take to end once it is told to; as long again once it is told more firmly.
const MERCY: Duration = Duration::from_secs(20);
/// Lines of a log that tell why a run has failed.
const LAST_LINES: usize = 4;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code; 128 and a signal where that ended it.
    By(i32),
    /// Its time was up.
    Late,
    /// A signal to the sweep ended it.
    Interrupted,
}

/// The signals that end a sweep, from now on.
pub struct Interrupts {
    signals: Signals,
    told: bool,
}

impl Interrupts {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen() -> std::io::Result<Interrupts> {
        Ok(Interrupts { signals: Signals::new([SIGINT, SIGTERM, SIGHUP])?, told: false })
    }

    /// How many have come since the last call.
    fn more(&mut self) -> usize {
        let more = self.signals.pending().count();
        self.told |= more > 0;
        more
    }

    /// Whether one has ever come.
    pub fn came(&mut self) -> bool {
        self.more();
        self.told
    }
}

/// Runs a command to its end.
///
/// # Errors
/// [`SweepError::Io`] where it cannot be started, or its log not written.
pub fn run(words: &[String], log: &Path, limit: Duration, interrupts: &mut Interrupts) -> Result<Ended, SweepError> {
    let file = File::create(log).map_err(SweepError::io("write the log", log))?;
    let errors = file.try_clone().map_err(SweepError::io("write the log", log))?;
    let program = words.first().map_or("", String::as_str);
    let mut command = Command::new(program);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(file).stderr(errors);
    // A group of its own: Ctrl-C reaches it once, through us.
    command.process_group(0).env(SWEEP_VARIABLE, std::process::id().to_string());
    // What overrides the job is in its file already; it would undo what has grown.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX)) {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(SweepError::io("start", Path::new(program)))?;
    wait(&mut child, limit, interrupts).map_err(SweepError::io("wait for", Path::new(program)))
}

fn wait(child: &mut Child, limit: Duration, interrupts: &mut Interrupts) -> std::io::Result<Ended> {
    let mut deadline = Instant::now() + limit;
    let mut asked = 0;
    let (mut late, mut interrupted) = (false, false);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match (interrupted, late) {
                (true, _) => Ended::Interrupted,
                (_, true) => Ended::Late,
                _ => Ended::By(code_of(status)),
            });
        }
        let signals = interrupts.more();
        interrupted |= signals > 0;
        let up = Instant::now() >= deadline;
        if signals > 0 || up {
            late |= up && !interrupted;
            asked += 1;
            deadline = Instant::now() + MERCY;
            ask(child, asked);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Twice politely: a launch passes the first on as a wish to stop in order, the second as an order. Then it is killed.
fn ask(child: &Child, time: u32) {
    signals::send(child, if time <= 2 { Signal::SIGTERM } else { Signal::SIGKILL });
}

/// The last words of a log, in one line.
pub fn last_words(log: &Path) -> String {
    const SHOWN: usize = 600;
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ");
    last.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> (Ended, String) {
        // Signals to this process would reach the children of other tests too.
        let _alone = crate::launch::CHILDREN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut interrupts = Interrupts::listen().expect("signals");
        let words = ["sh", "-c", script].map(str::to_owned);
        let ended = run(&words, &log, limit, &mut interrupts).expect("it starts");
        (ended, last_words(&log))
    }

    #[test]
    fn codes_and_words_are_told() {
        let long = Duration::from_secs(60);
        assert_eq!(sh("echo out; echo err >&2; exit 3", long), (Ended::By(3), "out | err".to_owned()));
        assert_eq!(sh("kill -9 $$", long).0, Ended::By(137));
        assert_eq!(sh("for i in 1 2 3 4 5 6; do echo $i; done", long).1, "3 | 4 | 5 | 6");
    }

    #[test]
    fn who_takes_too_long_is_ended() {
        let (ended, words) =
            sh("trap 'echo stopped; exit 5' TERM; while :; do sleep 0.1; done", Duration::from_millis(300));
        assert_eq!((ended, words.as_str()), (Ended::Late, "stopped"));
    }

    #[test]
    fn a_signal_to_the_sweep_ends_its_run() {
        let script = "trap 'exit 5' TERM; kill -TERM $PPID; while :; do sleep 0.1; done";
        assert_eq!(sh(script, Duration::from_secs(60)).0, Ended::Interrupted);
    }
}
