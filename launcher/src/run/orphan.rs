//! A run that has outlived the batch script that started it.
//!
//! Where the node of the script is lost, `sbatch --no-kill` lets the steps on the other nodes live, and the ranks finish. But nobody is left
//! who tells Slurm that the job is over: it would hold its nodes until its time limit. So the last rank 0 ends it. Nor is anybody left
//! who has a checkpoint written before the time limit and puts the job back into the queue: while no rank lives on the script's node, rank 0 looks
//! how long the job has, and does both, by the numbers that the script has left in its environment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rankzero_slurm::commands::{JobLine, JobState, Slurm, SlurmError};
use rankzero_slurm::hostlist;
use rankzero_slurm::launch::{Allocation, environment};

use super::progress::say;
use crate::launch::BATCH_NODE_VARIABLE;
use crate::submit::{BEFORE_VARIABLE, REQUEUES_VARIABLE};

/// How long Slurm may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long Slurm may take to notice the loss of a node: twice its default SlurmdTimeout.
const NOTICE_TIME: Duration = Duration::from_secs(600);
/// Between two looks at the job, once the run is over.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at the time that it has left, at the least and at the most.
const CLOCK_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// A rank 0 at the end of the run.
#[derive(Debug)]
pub(super) struct Lead {
    /// The nodes of all who have come to the end.
    pub nodes: Vec<String>,
    /// Whether the run was stopped for the time limit of a job whose script is lost.
    pub time_is_up: bool,
}

/// The job, as far as its script leaves it to the ranks.
#[derive(Clone, Debug)]
struct Estate {
    job: u64,
    restarts: u32,
    batch_node: String,
    /// When the ranks are to end before the time limit, and how often the job may go back into the queue; none where it must not.
    requeue: Option<(Duration, u32)>,
}

impl Estate {
    /// That of the batch script that the launch of this rank was called from, if it was.
    fn here() -> Option<Estate> {
        let variables = environment();
        let allocation = Allocation::detect(&variables).ok().flatten()?;
        let number = |name: &str| variables.get(name)?.parse::<u32>().ok();
        let requeue = number(BEFORE_VARIABLE).zip(number(REQUEUES_VARIABLE));
        Some(Estate {
            job: allocation.job,
            restarts: allocation.restarts,
            batch_node: variables.get(BATCH_NODE_VARIABLE)?.clone(),
            requeue: requeue.map(|(before_s, most)| (Duration::from_secs(before_s.into()), most)),
        })
    }

    /// What Slurm says of it.
    fn ask(&self, slurm: &Slurm) -> Result<State, SlurmError> {
        Ok(self.judge(&slurm.job(self.job, Instant::now() + ANSWER_TIME)?))
    }

    fn judge(&self, lines: &[JobLine]) -> State {
        let running = lines.iter().find(|line| line.id == self.job && line.state == JobState::Running);
        let nodes = running.and_then(|line| hostlist::expand(&line.nodes).ok()).unwrap_or_default();
        match running {
            Some(line) if !nodes.is_empty() && !nodes.contains(&self.batch_node) => State::Orphan { left: line.left },
            Some(_) if !nodes.is_empty() => State::Cared,
            _ => State::Over,
        }
    }

    /// When the ranks are to end, with so much time left.
    fn stops_in(&self, left: Option<Duration>) -> Option<Duration> {
        let (before, most) = self.requeue?;
        (self.restarts < most).then_some(left?.saturating_sub(before))
    }
}

/// What has become of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It does not run any more.
    Over,
    /// The node of its script is among its nodes.
    Cared,
    /// It is not; so much time is left, where there is a limit.
    Orphan { left: Option<Duration> },
}

/// The eye of a rank on the time limit.
#[derive(Debug)]
pub(super) struct Clock {
    estate: Option<Estate>,
    shared: Arc<Shared>,
    looks: bool,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether the script may be lost, and this rank is the one to care.
    lost: AtomicBool,
    time_is_up: AtomicBool,
}

impl Clock {
    /// That of this process.
    pub fn here() -> Clock {
        let estate = Estate::here().filter(|estate| estate.requeue.is_some_and(|(_, most)| estate.restarts < most));
        Clock { estate, shared: Arc::default(), looks: false }
    }

    /// Tells the nodes of the members, and whether this rank is rank 0. Slurm is asked while nobody is left on the script's node.
    pub fn tell(&mut self, leads: bool, nodes: &[String]) {
        let Some(estate) = &self.estate else { return };
        let lost = leads && !nodes.contains(&estate.batch_node);
        self.shared.lost.store(lost, Ordering::Relaxed);
        if !lost || self.looks {
            return;
        }
        let (estate, shared) = (estate.clone(), Arc::downgrade(&self.shared));
        let thread = std::thread::Builder::new().name("time-limit".to_owned());
        match thread.spawn(move || look_at_the_clock(&estate, &shared)) {
            Ok(_) => self.looks = true,
            Err(error) => tracing::warn!("nobody looks at the job's time limit: {error}"),
        }
    }

    /// Whether the run is to end now for the sake of the time limit.
    pub fn time_is_up(&self) -> bool {
        self.shared.time_is_up.load(Ordering::Relaxed)
    }
}

/// Until the rank has ended, or the time is up.
fn look_at_the_clock(estate: &Estate, shared: &Weak<Shared>) {
    let slurm = Slurm::here();
    let mut pause = CLOCK_EVERY[0];
    loop {
        std::thread::sleep(pause);
        pause = CLOCK_EVERY[1];
        let Some(shared) = shared.upgrade() else { return };
        if !shared.lost.load(Ordering::Relaxed) {
            continue;
        }
        match estate.ask(&slurm) {
            Err(error) => tracing::warn!("how long the job has is unknown: {error}"),
            Ok(State::Over | State::Cared) => {}
            Ok(State::Orphan { left }) => match estate.stops_in(left) {
                Some(Duration::ZERO) => {
                    let node = &estate.batch_node;
                    say(format_args!("the time limit comes, and the batch script is lost with node {node}: stopping"));
                    return shared.time_is_up.store(true, Ordering::Relaxed);
                }
                // The limit may be moved meanwhile.
                Some(time) => pause = time.clamp(CLOCK_EVERY[0], CLOCK_EVERY[1]),
                None => {}
            },
        }
    }
}

/// On rank 0 once all is written: ends the job, or puts it back into the queue, if the node of its script is not among its nodes
/// any more. Slurm may take its time to notice that (SlurmdTimeout), so where nobody is left on that node, it is waited for. Should the launch
/// live after all, it ends this process meanwhile.
pub(super) fn end_job_without_script(lead: &Lead) {
    let Some(estate) = Estate::here() else { return };
    let Estate { job, batch_node, .. } = &estate;
    let slurm = Slurm::here();
    let patience = Instant::now() + if lead.nodes.contains(batch_node) { Duration::ZERO } else { NOTICE_TIME };
    loop {
        match estate.ask(&slurm) {
            Err(error) => tracing::warn!("whether the batch script lives is unknown: {error}"),
            Ok(State::Over) => return,
            Ok(State::Orphan { .. }) => break,
            Ok(State::Cared) => {}
        }
        if Instant::now() >= patience {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if lead.time_is_up {
        say(format_args!("Slurm job {job} goes back into the queue, to go on from its checkpoint"));
        match slurm.requeue(*job, Instant::now() + ANSWER_TIME) {
            Ok(()) => return,
            Err(error) => say(format_args!("it cannot: {error}")),
        }
    }
    say(format_args!(
        "node {batch_node} is lost, and the batch script with it; the run is over, so Slurm job {job} is ended"
    ));
    if let Err(error) = slurm.cancel(*job, Instant::now() + ANSWER_TIME) {
        tracing::warn!("job {job} holds its nodes until its time limit: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estate(restarts: u32) -> Estate {
        Estate { job: 7, restarts, batch_node: "n1".to_owned(), requeue: Some((Duration::from_secs(120), 2)) }
    }

    fn line(state: JobState, nodes: &str, left_s: u64) -> JobLine {
        let left = Some(Duration::from_secs(left_s));
        JobLine { id: 7, state, nodes: nodes.to_owned(), left, reason: "None".to_owned() }
    }

    #[test]
    fn a_job_is_an_orphan_while_it_runs_without_the_node_of_its_script() {
        let left = Some(Duration::from_secs(300));
        let judge = |state, nodes| estate(0).judge(&[line(state, nodes, 300)]);
        assert_eq!(judge(JobState::Running, "n[2-4]"), State::Orphan { left });
        assert_eq!(judge(JobState::Running, "n[1-4]"), State::Cared);
        for state in [JobState::Waiting, JobState::Ending, JobState::Over] {
            assert_eq!(judge(state, "n[2-4]"), State::Over);
        }
        assert_eq!((judge(JobState::Running, ""), estate(0).judge(&[])), (State::Over, State::Over));
    }

    #[test]
    fn the_ranks_stop_as_long_before_the_limit_as_the_script_would_and_as_often() {
        let seconds = |restarts, left: Option<u64>| {
            estate(restarts).stops_in(left.map(Duration::from_secs)).map(|time| time.as_secs())
        };
        assert_eq!(seconds(0, Some(300)), Some(180));
        assert_eq!((seconds(1, Some(120)), seconds(1, Some(3))), (Some(0), Some(0)));
        assert_eq!((seconds(2, Some(3)), seconds(0, None)), (None, None), "not too often, and not without a limit");
        assert_eq!(Estate { requeue: None, ..estate(0) }.stops_in(Some(Duration::ZERO)), None);
    }
}
