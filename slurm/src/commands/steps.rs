//! Steps of a job: what each `srun` within it has started.

use std::time::Instant;

use super::Slurm;
use super::error::SlurmError;

/// A step by its number, or one of those that Slurm makes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepName {
    /// Made by srun.
    Number(u64),
    /// The batch script, an interactive shell, or the container of what comes from outside.
    Special,
}

impl StepName {
    fn read(text: &str) -> Option<StepName> {
        match text {
            "batch" | "extern" | "interactive" | "TBD" => Some(StepName::Special),
            number => number.parse().ok().map(StepName::Number),
        }
    }
}

/// A step of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    /// The job, as `SLURM_JOB_ID` has it.
    pub job: u64,
    /// The step.
    pub step: u64,
}

/// A step as `squeue` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// Its nodes, as a host list.
    pub nodes: String,
}

impl Step {
    /// From `12.3|n[1-2]`; of an array `12_4.3`, of a heterogeneous job `12+1.3`.
    fn read(line: &str) -> Option<Step> {
        let (id, nodes) = line.split_once('|')?;
        let (job, step) = id.rsplit_once('.')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let known = job.split(['_', '+']).all(digits);
        known.then_some(Step { name: StepName::read(step)?, nodes: nodes.to_owned() })
    }
}

impl Slurm {
    /// The steps of a job that have not ended; none where Slurm does not know the job (any more).
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn steps(&self, job: u64, deadline: Instant) -> Result<Vec<Step>, SlurmError> {
        let job = job.to_string();
        match self.ask("squeue", &["--noheader", "--steps", "--jobs", &job, "-o", "%i|%N"], deadline) {
            Ok(answer) => answer.read_lines("a line `job.step|nodes`", Step::read),
            Err(SlurmError::Refused { says, .. }) if says.contains("Invalid job id") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Where the srun of a step runs: host and process.
    ///
    /// # Errors
    /// [`SlurmError`]; also where there is no such step (any more).
    pub fn srun_of(&self, step: StepId, deadline: Instant) -> Result<(String, u32), SlurmError> {
        let id = format!("{}.{}", step.job, step.step);
        let answer = self.ask("scontrol", &["--oneliner", "show", "step", &id], deadline)?;
        let line = answer.lines().next().unwrap_or_default();
        // The last field of the line: a step's own name, further in front, may say anything.
        let read = || {
            let (host, process) = line.rsplit_once(" SrunHost:Pid=")?.1.trim().rsplit_once(':')?;
            Some((host.to_owned(), process.parse().ok()?))
        };
        read().ok_or_else(|| answer.unknown("a step that ends with `SrunHost:Pid=`", line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_also_of_arrays() {
        let read = |line: &str| Step::read(line).map(|step| (step.name, step.nodes));
        assert_eq!(read("12.0|n[1-2]"), Some((StepName::Number(0), "n[1-2]".to_owned())));
        assert_eq!(read("3_3.7|n2"), Some((StepName::Number(7), "n2".to_owned())));
        assert_eq!(read("12+1.0|n2"), Some((StepName::Number(0), "n2".to_owned())));
        assert_eq!(read("12.batch|n1"), Some((StepName::Special, "n1".to_owned())));
        for wrong in ["", "12", "12.0", "x.0|n1", "12.x|n1", ".0|n1", "12.-1|n1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
