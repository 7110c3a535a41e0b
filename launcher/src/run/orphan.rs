//! A run that has outlived the batch script that started it.
//!
//! Where the node of the script is lost, `sbatch --no-kill` lets the steps on the other nodes live, and the ranks finish. But nobody is left
//! who tells Slurm that the job is over: it would hold its nodes until its time limit. So the last rank 0 ends it.

use std::time::{Duration, Instant};

use rankzero_slurm::commands::{JobState, Slurm, SlurmError};
use rankzero_slurm::hostlist;
use rankzero_slurm::launch::{Allocation, environment};

use super::progress::say;
use crate::launch::BATCH_NODE_VARIABLE;

/// How long Slurm may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long Slurm may take to notice the loss of a node: twice its default SlurmdTimeout.
const NOTICE_TIME: Duration = Duration::from_secs(600);
/// Between two looks at the job.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// On rank 0 once all is written, with the `nodes` of those who have come to the end: ends the job if the node of its script is not among its nodes
/// any more. Slurm may take its time to notice that (SlurmdTimeout), so where nobody is left on that node, it is waited for. Should the launch
/// live after all, it ends this process meanwhile.
pub(super) fn end_job_without_script(nodes: &[String]) {
    let Ok(batch_node) = std::env::var(BATCH_NODE_VARIABLE) else { return };
    let Some(job) = Allocation::detect(&environment()).ok().flatten().map(|a| a.job) else { return };
    let slurm = Slurm::here();
    let patience = Instant::now() + if nodes.contains(&batch_node) { Duration::ZERO } else { NOTICE_TIME };
    loop {
        match holds(&slurm, job) {
            Err(error) => tracing::warn!("whether the batch script lives is unknown: {error}"),
            Ok(held) if held.is_empty() => return,
            Ok(held) if !held.contains(&batch_node) => break,
            Ok(_) => {}
        }
        if Instant::now() >= patience {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    say(format_args!(
        "node {batch_node} is lost, and the batch script with it; the run is over, so Slurm job {job} is ended"
    ));
    if let Err(error) = slurm.cancel(job, Instant::now() + ANSWER_TIME) {
        tracing::warn!("job {job} holds its nodes until its time limit: {error}");
    }
}

/// The nodes that a job holds; none where it does not run.
fn holds(slurm: &Slurm, job: u64) -> Result<Vec<String>, SlurmError> {
    let lines = slurm.job(job, Instant::now() + ANSWER_TIME)?;
    let running = lines.into_iter().find(|line| line.id == job && line.state == JobState::Running);
    Ok(running.and_then(|line| hostlist::expand(&line.nodes).ok()).unwrap_or_default())
}
