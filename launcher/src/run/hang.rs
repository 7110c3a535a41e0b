//! When this rank's own computing thread hangs: what it is at is written down, while the others still wait; and once they go on without it,
//! the process ends, since nobody else could end it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::control::{Alarm, OnAlarm};

use super::error::EXCLUDED;
use super::leave_after_failure;
use super::progress::say;

/// Programs that print the stacks of a process, with their arguments before its number; the first that is there is asked.
const TOOLS: [(&str, &[&str]); 3] =
    [("eu-stack", &["-p"]), ("gdb", &["-q", "-batch", "-ex", "thread apply all bt", "-p"]), ("pstack", &[])];
/// Longest report, bytes.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// What is done about alarms of rank `me`; reports go to `logs/` of the run directory.
pub fn on_alarm(me: Rank, run_dir: &Path) -> OnAlarm {
    let path = run_dir.join(format!("logs/stack-{}.txt", me.0));
    Box::new(move |alarm| match alarm {
        Alarm::Hangs(idle) => report(me, idle, &path),
        Alarm::Unheeding(_) => {
            say(format_args!("error: {me} hangs, and the others went on without it; the process ends"));
            leave_after_failure(EXCLUDED);
        }
    })
}

fn report(me: Rank, idle: Duration, path: &PathBuf) {
    let mut text = (threads() + &stacks().unwrap_or_default()).into_bytes();
    text.truncate(REPORT_BYTES_MAX);
    let kept = match std::fs::write(path, text) {
        Ok(()) => format!("what its threads are at: {}", path.display()),
        Err(error) => format!("what its threads are at cannot be written to {}: {error}", path.display()),
    };
    say(format_args!("warning: {me} has computed for {} s without getting on; {kept}", idle.as_secs()));
}

/// What the kernel tells of each thread of this process.
fn threads() -> String {
    let mut text = String::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default().trim().to_owned();
        let state = read("status").lines().find(|line| line.starts_with("State:")).unwrap_or_default().to_owned();
        // A String takes what is written to it.
        let _ = writeln!(
            text,
            "thread {} ({}): {state}; waits in {}; system call {}",
            task.file_name().to_string_lossy(),
            read("comm"),
            read("wchan"),
            read("syscall"),
        );
        let _ = writeln!(text, "{}", read("stack"));
    }
    text
}

/// The stacks in user space, where a program that prints them is there and may.
fn stacks() -> Option<String> {
    for (tool, arguments) in TOOLS {
        let output = Command::new(tool).args(arguments).arg(std::process::id().to_string()).output();
        match output {
            Ok(output) if output.status.success() => {
                return Some(format!("\n{tool}:\n{}", String::from_utf8_lossy(&output.stdout)));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_thread() {
        let text = threads();
        assert!(text.contains("thread ") && text.contains("State:"), "{text}");
    }
}
