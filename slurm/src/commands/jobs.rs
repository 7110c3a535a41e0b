//! Jobs: submitted, looked at, requeued, cancelled.

use std::time::{Duration, Instant};

use super::error::SlurmError;
use super::{Slurm, refused, shortened};

/// What a job is doing, in Slurm's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for nodes, or for another job, or to be allowed to.
    Waiting,
    /// It has nodes that are being made ready, or it runs, or is stopped for a while.
    Running,
    /// It is ending; what it has started may still run.
    Ending,
    /// It is over, well or not.
    Over,
}

impl JobState {
    /// All words that `squeue` has for a job's state, and what they mean here.
    const WORDS: [(&'static str, JobState); 24] = [
        ("PENDING", JobState::Waiting),
        ("REQUEUED", JobState::Waiting),
        ("REQUEUE_FED", JobState::Waiting),
        ("REQUEUE_HOLD", JobState::Waiting),
        ("RESV_DEL_HOLD", JobState::Waiting),
        ("SPECIAL_EXIT", JobState::Waiting),
        ("CONFIGURING", JobState::Running),
        ("RUNNING", JobState::Running),
        ("SUSPENDED", JobState::Running),
        ("STOPPED", JobState::Running),
        ("SIGNALING", JobState::Running),
        ("RESIZING", JobState::Running),
        ("COMPLETING", JobState::Ending),
        ("STAGE_OUT", JobState::Ending),
        ("COMPLETED", JobState::Over),
        ("CANCELLED", JobState::Over),
        ("FAILED", JobState::Over),
        ("TIMEOUT", JobState::Over),
        ("NODE_FAIL", JobState::Over),
        ("PREEMPTED", JobState::Over),
        ("BOOT_FAIL", JobState::Over),
        ("DEADLINE", JobState::Over),
        ("OUT_OF_MEMORY", JobState::Over),
        ("REVOKED", JobState::Over),
    ];

    fn read(word: &str) -> Option<JobState> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|&(_, state)| state)
    }
}

/// A job, or a task of an array, as `squeue` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLine {
    /// Its number.
    pub id: u64,
    /// What it is doing.
    pub state: JobState,
    /// Its nodes, as a host list; empty while it has none.
    pub nodes: String,
    /// Seconds until its time limit; none where it has no limit or has not begun.
    pub left: Option<Duration>,
    /// Why it waits, or why it ended, in Slurm's words.
    pub reason: String,
}

impl JobLine {
    const FORMAT: &'static str = "%A|%T|%N|%L|%r";

    fn read(line: &str) -> Option<JobLine> {
        let mut fields = line.splitn(5, '|');
        let mut field = || fields.next();
        let (id, state, nodes) = (field()?.parse().ok()?, JobState::read(field()?)?, field()?.to_owned());
        let left = time_left(field()?)?;
        Some(JobLine { id, state, nodes, left, reason: field()?.to_owned() })
    }
}

/// A time as Slurm writes it: `[[days-]hours:]minutes:seconds`, or a word for none. The outer option is none where it is neither.
fn time_left(text: &str) -> Option<Option<Duration>> {
    if matches!(text, "UNLIMITED" | "NOT_SET" | "INVALID" | "N/A") {
        return Some(None);
    }
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [minutes, seconds] => (0, minutes, seconds),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let hours = days.parse::<u64>().ok()?.checked_mul(24)?.checked_add(hours)?;
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    Some(Some(Duration::from_secs(seconds)))
}

impl Slurm {
    /// Submits a batch script; its job number. `options` go before the directives of the script.
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn submit(&self, script: &str, options: &[&str], deadline: Instant) -> Result<u64, SlurmError> {
        let answer = self.tell("sbatch", &[&["--parsable"], options].concat(), Some(script), deadline)?;
        // The number, and in a federation the cluster behind a semicolon.
        let line = answer.lines().last().unwrap_or_default();
        let number = line.split(';').next().and_then(|number| number.parse().ok());
        number.ok_or_else(|| answer.unknown("a job number", &shortened(line)))
    }

    /// A job, or all tasks of an array; nothing where Slurm does not know it (any more).
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn job(&self, id: u64, deadline: Instant) -> Result<Vec<JobLine>, SlurmError> {
        let id = id.to_string();
        let arguments = ["--noheader", "--states=all", "--array", "--jobs", &id, "-o", JobLine::FORMAT];
        match self.ask("squeue", &arguments, deadline) {
            Ok(answer) => answer.read_lines("a line `number|state|nodes|time left|reason`", JobLine::read),
            Err(SlurmError::Refused { says, .. }) if says.contains("Invalid job id") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Puts a running job back into the queue: it begins again, with a higher `SLURM_RESTART_COUNT`.
    ///
    /// # Errors
    /// [`SlurmError`]; among others where the site or the job forbids it (`--no-requeue`).
    pub fn requeue(&self, id: u64, deadline: Instant) -> Result<(), SlurmError> {
        self.ask("scontrol", &["requeue", &id.to_string()], deadline).map(drop)
    }

    /// Ends a job.
    ///
    /// # Errors
    /// [`SlurmError`]; scancel succeeds where the job is already over.
    pub fn cancel(&self, id: u64, deadline: Instant) -> Result<(), SlurmError> {
        self.ask("scancel", &[&id.to_string()], deadline).map(drop)
    }

    /// Sends a signal, by its name without `SIG`, to all tasks of a step.
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn signal_step(&self, job: u64, step: u64, signal: &str, deadline: Instant) -> Result<(), SlurmError> {
        let (signal, step) = (format!("--signal={signal}"), format!("{job}.{step}"));
        let ended = self.try_to("scancel", &[&signal, &step], None, deadline)?;
        if ended.status.success() { Ok(()) } else { Err(refused(format!("scancel {signal} {step}"), &ended)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_writes_them() {
        let seconds = |text: &str| time_left(text).map(|left| left.map(|left| left.as_secs()));
        assert_eq!(seconds("4:57"), Some(Some(297)));
        assert_eq!(seconds("0:00"), Some(Some(0)));
        assert_eq!(seconds("23:59:59"), Some(Some(86_399)));
        assert_eq!(seconds("2-00:00:01"), Some(Some(172_801)));
        assert_eq!(seconds("UNLIMITED"), Some(None));
        for wrong in ["", "5", "1:2:3:4", "-1:00", "x:00", "99999999999999999999:00", "9999999999999999-00:00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_of_squeue_is_read_or_refused() {
        let line = JobLine::read("12|PENDING||NOT_SET|Resources | and more").expect("a job");
        assert_eq!((line.id, line.state, line.left), (12, JobState::Waiting, None));
        assert_eq!(line.reason, "Resources | and more");
        for wrong in ["", "12", "12|DREAMING||NOT_SET|None", "x|RUNNING||1:00|None", "12|RUNNING|n1|soon|None"] {
            assert_eq!(JobLine::read(wrong), None, "{wrong}");
        }
    }
}
