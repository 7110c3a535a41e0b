//! A run that has outlived the batch script that started it.
//!
//! Where the node of the script is lost, `sbatch --no-kill` lets the steps on the other nodes live, and the ranks finish. But nobody is left
//! who tells Slurm that the job is over: it would hold its nodes until its time limit. So the last rank 0 ends it.

use std::time::{Duration, Instant};

use rankzero_slurm::commands::{JobState, Slurm};
use rankzero_slurm::hostlist;
use rankzero_slurm::launch::{Launch, environment};

use super::progress::say;
use crate::launch::BATCH_NODE_VARIABLE;

/// How long Slurm may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// On rank 0 once all is written: ends the job if the node of its script is not among its nodes any more.
pub(super) fn end_job_without_script() {
    let Ok(batch_node) = std::env::var(BATCH_NODE_VARIABLE) else { return };
    let Some(job) = Launch::detect(&environment()).ok().and_then(|launch| launch.allocation).map(|a| a.job) else {
        return;
    };
    let slurm = Slurm::here();
    let deadline = Instant::now() + ANSWER_TIME;
    match slurm.job(job, deadline) {
        Ok(lines) => {
            let of_ours = lines.into_iter().find(|line| line.id == job && line.state == JobState::Running);
            let nodes = of_ours.and_then(|line| hostlist::expand(&line.nodes).ok()).unwrap_or_default();
            if nodes.is_empty() || nodes.contains(&batch_node) {
                return;
            }
        }
        Err(error) => return tracing::warn!("whether the batch script lives is unknown: {error}"),
    }
    say(format_args!(
        "node {batch_node} is lost, and the batch script with it; the run is over, so Slurm job {job} is ended"
    ));
    if let Err(error) = slurm.cancel(job, deadline) {
        tracing::warn!("job {job} holds its nodes until its time limit: {error}");
    }
}
