//! The Slurm allocation that a process is in, by the variables that sbatch, salloc and srun leave.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::env::{Env, EnvError};
use crate::hostlist;

/// Step numbers from here on are Slurm's own: the batch script, an interactive shell.
const SPECIAL_STEPS: u64 = 0xffff_0000;

/// The Slurm allocation that this process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Job number; of a task of an array its own.
    pub job: u64,
    /// Step number, when started by srun.
    pub step: Option<u64>,
    /// How often the job was put back into the queue.
    pub restarts: u32,
    /// Names of the nodes of the step, else of the job.
    pub nodes: Vec<String>,
    /// Names of the nodes of the job; some may have been lost since.
    pub job_nodes: Vec<String>,
    /// Tasks that the job has room for on each of its nodes; one each where Slurm does not tell.
    pub tasks_per_node: Vec<u32>,
    /// Cores of a task, where the job asks for a number.
    pub cpus_per_task: Option<u32>,
    /// The node that this process is on, by Slurm's name.
    pub here: Option<String>,
    /// When the job ends at the latest, in seconds since 1970; known from Slurm 23.02 on.
    pub ends_at_s: Option<u64>,
}

impl Allocation {
    /// The allocation that an environment speaks of; none outside of one.
    ///
    /// # Errors
    /// [`EnvError`] naming the variable.
    pub fn detect(environment: &BTreeMap<String, String>) -> Result<Option<Allocation>, EnvError> {
        Allocation::read(&Env(environment))
    }

    /// Reads the allocation; none outside of one.
    ///
    /// # Errors
    /// [`EnvError`] naming the variable.
    pub(crate) fn read(env: &Env) -> Result<Option<Allocation>, EnvError> {
        let Some(job) = env.number("SLURM_JOB_ID")? else { return Ok(None) };
        // The script of sbatch and the shell of salloc have numbers of their own at the end of the range, or words.
        let step = env
            .get("SLURM_STEP_ID")
            .filter(|step| !matches!(*step, "batch" | "interactive" | "extern"))
            .map(|_| env.required::<u64>("SLURM_STEP_ID", "SLURM_JOB_ID"))
            .transpose()?
            .filter(|&step| step < SPECIAL_STEPS);
        let job_nodes = nodes(env, "SLURM_JOB_NODELIST")?.unwrap_or_default();
        let of_step = if step.is_some() { nodes(env, "SLURM_STEP_NODELIST")? } else { None };
        // Within a step Slurm's word on tasks is about the step.
        let list = if step.is_some() { None } else { env.get("SLURM_TASKS_PER_NODE") };
        let tasks_per_node = match list {
            None => vec![1; job_nodes.len()],
            Some(list) => {
                let wrong = || EnvError::TaskList { variable: "SLURM_TASKS_PER_NODE", value: list.to_owned() };
                let tasks = task_list(list).ok_or_else(wrong)?;
                // What mpirun starts has the list of mpirun's own step.
                if tasks.len() == job_nodes.len() { tasks } else { vec![1; job_nodes.len()] }
            }
        };
        Ok(Some(Allocation {
            job,
            step,
            restarts: env.number("SLURM_RESTART_COUNT")?.unwrap_or(0),
            nodes: of_step.unwrap_or_else(|| job_nodes.clone()),
            job_nodes,
            tasks_per_node,
            cpus_per_task: env.number("SLURM_CPUS_PER_TASK")?,
            here: env.get("SLURMD_NODENAME").map(str::to_owned),
            ends_at_s: env.number("SLURM_JOB_END_TIME")?,
        }))
    }

    /// Time until the job's limit, where the environment tells; else ask [`crate::commands::Slurm::job`].
    pub fn time_left(&self, now: SystemTime) -> Option<Duration> {
        let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.ends_at_s?))?;
        Some(end.duration_since(now).unwrap_or_default())
    }

    /// Tasks that the job has room for.
    pub fn tasks(&self) -> u32 {
        self.tasks_per_node.iter().fold(0, |sum: u32, tasks| sum.saturating_add(*tasks))
    }
}

fn nodes(env: &Env, variable: &'static str) -> Result<Option<Vec<String>>, EnvError> {
    let Some(list) = env.get(variable) else { return Ok(None) };
    hostlist::expand(list).map(Some).map_err(|source| EnvError::Nodes { variable, source })
}

/// The tasks of each node by a list such as `2(x3),1`; none where it is malformed or names more nodes than a host list may.
pub(crate) fn task_list(list: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for entry in list.split(',') {
        let (tasks, nodes) = match entry.split_once("(x") {
            Some((tasks, nodes)) => (tasks, nodes.strip_suffix(')')?.parse().ok()?),
            None => (entry, 1usize),
        };
        let tasks: u32 = tasks.parse().ok()?;
        if nodes > hostlist::HOSTS_MAX - all.len() {
            return None;
        }
        all.extend(std::iter::repeat_n(tasks, nodes));
    }
    Some(all)
}
