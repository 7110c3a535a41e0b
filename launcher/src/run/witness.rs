//! What Slurm says of ranks that are silent: a witness beside the ranks' own watch over each other.
//!
//! It matters twice: where no majority is left, and where a majority has gone on without somebody, who may live on: nobody is let in then until
//! that one is proven dead. A thread of its own looks who is suspected, and asks only where somebody has been for [`PATIENCE`], only on the two
//! lowest ranks of the view that are not suspected, at most once in [`ASK_EVERY`], or in [`ASK_LATER`] in the second case. A rank is
//! gone by Slurm's word where its step has ended while the node is up, or where the node is DOWN. The second is a decision of Slurm and no
//! fact: behind a cut the rank may live. So who is gone by Slurm's word is first forbidden to write in the run directory ([`super::fence`]) and
//! has time to notice, before it counts as proven dead; else a part that has slurmctld and no majority could go on beside the majority.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rankzero_comm::control::Desk;
use rankzero_comm::member::Status;
use rankzero_comm::{FailureCause, Rank};
use rankzero_slurm::Allocation;
use rankzero_slurm::commands::{NodeState, Slurm, SlurmError, Step, StepName};
use serde::{Deserialize, Serialize};

use super::fence::{Claim, GRACE};
use super::progress::say;
use super::start::RankInfo;

/// Between two looks at who is suspected.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long somebody is suspected before Slurm is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// Least time between two questions.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The same where the others go on without those in question.
const ASK_LATER: Duration = Duration::from_secs(15);
/// How long Slurm may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How many ranks ask.
const ASKERS: usize = 2;

/// Where a rank is, in Slurm's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlurmPlace {
    /// The job.
    pub job: u64,
    /// The step.
    pub step: u64,
    /// The node.
    pub node: String,
}

impl SlurmPlace {
    /// That of a process that srun has started.
    pub fn of(allocation: Option<&Allocation>) -> Option<SlurmPlace> {
        let allocation = allocation?;
        Some(SlurmPlace { job: allocation.job, step: allocation.step?, node: allocation.here.clone()? })
    }
}

/// Why a rank is gone by Slurm's word, if it is.
fn judge(place: &SlurmPlace, steps: &[Step], node: Option<NodeState>) -> Option<String> {
    let runs = steps.iter().any(|step| step.name == StepName::Number(place.step));
    match node {
        Some(NodeState::Down) => Some(format!("node {} is DOWN", place.node)),
        Some(NodeState::Up) if !runs => {
            Some(format!("step {}.{} has ended on node {}, which is up", place.job, place.step, place.node))
        }
        _ => None,
    }
}

/// Ranks in question, and where they are.
type Question = BTreeMap<Rank, SlurmPlace>;

fn ask(slurm: &Slurm, question: &Question) -> Result<Vec<(Rank, String)>, SlurmError> {
    let deadline = Instant::now() + ANSWER_TIME;
    let Some(job) = question.values().next().map(|place| place.job) else { return Ok(Vec::new()) };
    let names: Vec<&str> = question.values().map(|place| place.node.as_str()).collect();
    // Nodes first: a step that ends between the two is then seen on a node that was up.
    let nodes = slurm.nodes(&names, deadline)?;
    let steps = slurm.steps(job, deadline)?;
    let of = |place: &SlurmPlace| judge(place, &steps, nodes.get(&place.node).copied());
    Ok(question.iter().filter_map(|(rank, place)| Some((*rank, of(place)?))).collect())
}

/// What the run tells its witness, and what that has found.
#[derive(Debug, Default)]
struct Shared {
    /// Where ranks are.
    places: BTreeMap<Rank, SlurmPlace>,
    /// Who takes part.
    members: Vec<Rank>,
    /// Why ranks were reported as dead.
    reported: BTreeMap<Rank, String>,
    /// The run is over.
    end: bool,
}

/// A rank's witness; its thread ends with it.
#[derive(Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Shared>>);

impl Witness {
    /// Begins to look on, where srun has started the ranks. `me` is this rank, `claim` what bans others.
    pub fn start(me: Rank, desk: &Desk, claim: Claim, run_dir: &Path) -> Witness {
        let witness = Witness::default();
        let look = Look {
            me,
            desk: desk.clone(),
            claim,
            run_dir: run_dir.to_owned(),
            slurm: Slurm::here(),
            shared: Arc::clone(&witness.0),
            since: BTreeMap::new(),
            asked: None,
            banned: BTreeMap::new(),
        };
        if let Err(error) = std::thread::Builder::new().name("witness".to_owned()).spawn(move || look.run()) {
            tracing::warn!("nobody asks Slurm about silent ranks: {error}");
        }
        witness
    }

    /// Tells who takes part, and where ranks are.
    pub fn tell(&self, members: &[Rank], ranks: &[RankInfo]) {
        let mut shared = lock(&self.0);
        shared.members = members.to_vec();
        shared.places = ranks.iter().filter_map(|info| Some((Rank(info.rank), info.slurm.clone()?))).collect();
    }

    /// Why a rank counts as dead, where Slurm has said so.
    pub fn word_on(&self, rank: Rank) -> Option<String> {
        lock(&self.0).reported.get(&rank).cloned()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        lock(&self.0).end = true;
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing panics while it holds this lock.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's side.
struct Look {
    me: Rank,
    desk: Desk,
    claim: Claim,
    run_dir: PathBuf,
    slurm: Slurm,
    shared: Arc<Mutex<Shared>>,
    /// Since when ranks are suspected.
    since: BTreeMap<Rank, Instant>,
    asked: Option<Instant>,
    /// Who may not write any more, why, and since when.
    banned: BTreeMap<Rank, (Instant, String)>,
}

impl Look {
    fn run(mut self) {
        loop {
            std::thread::sleep(LOOK_EVERY);
            let (members, places) = {
                let shared = lock(&self.shared);
                if shared.end {
                    return;
                }
                (shared.members.clone(), shared.places.clone())
            };
            if let Some(question) = self.question(&members, &places) {
                match ask(&self.slurm, &question) {
                    Ok(found) => found.into_iter().for_each(|(rank, why)| self.ban(rank, &why)),
                    Err(error) => tracing::warn!("Slurm cannot say what has become of silent ranks: {error}"),
                }
            }
            self.report();
        }
    }

    /// Whom to ask about, if this rank is one of those that ask, and it is time.
    fn question(&mut self, members: &[Rank], places: &Question) -> Option<Question> {
        let (suspects, now) = (self.silent(members), Instant::now());
        self.since.retain(|rank, _| suspects.contains(rank));
        for rank in &suspects {
            self.since.entry(*rank).or_insert(now);
        }
        let mut others: Vec<Rank> = members.iter().filter(|rank| !suspects.contains(rank)).copied().collect();
        others.sort_unstable();
        let asks = others.iter().take(ASKERS).any(|rank| *rank == self.me);
        let every = if suspects.iter().any(|rank| members.contains(rank)) { ASK_EVERY } else { ASK_LATER };
        if !asks || self.asked.is_some_and(|asked| asked.elapsed() < every) {
            return None;
        }
        let due =
            self.since.iter().filter(|(rank, since)| since.elapsed() >= PATIENCE && !self.banned.contains_key(rank));
        let question: Question = due.filter_map(|(rank, _)| Some((*rank, places.get(rank)?.clone()))).collect();
        if question.is_empty() {
            return None;
        }
        self.asked = Some(now);
        Some(question)
    }

    /// Who is suspected; without a quorum also who cannot be reached: a member watches the master alone, so it suspects no other.
    fn silent(&self, members: &[Rank]) -> BTreeSet<Rank> {
        let mut silent = self.desk.suspects();
        if self.desk.status() == Status::NoQuorum {
            let linked = self.desk.linked();
            silent.extend(members.iter().filter(|rank| **rank != self.me && !linked.contains(rank)));
        }
        silent
    }

    fn ban(&mut self, rank: Rank, why: &str) {
        let words = format!("by the word of Slurm: {why}");
        // Where that cannot be told, it is no proof.
        match self.claim.ban(&self.run_dir, rank.0, &words) {
            Ok(()) => {
                say(format_args!("{rank} does not answer; {words}"));
                self.banned.insert(rank, (Instant::now(), words));
            }
            Err(error) => tracing::warn!("{rank} does not count as dead: {error}"),
        }
    }

    /// Reports who has had time to notice.
    fn report(&mut self) {
        let mut shared = lock(&self.shared);
        for (rank, (since, why)) in &self.banned {
            if since.elapsed() >= GRACE && !shared.reported.contains_key(rank) {
                shared.reported.insert(*rank, why.clone());
                self.desk.report(*rank, FailureCause::Declared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_is_down_or_a_step_that_has_ended_on_a_node_that_is_up_is_a_proof() {
        let place = SlurmPlace { job: 7, step: 2, node: "n3".to_owned() };
        let runs = [Step { name: StepName::Number(2), nodes: "n3".to_owned() }];
        let others = [Step { name: StepName::Special, nodes: "n1".to_owned() }];
        assert_eq!(judge(&place, &runs, Some(NodeState::Down)).as_deref(), Some("node n3 is DOWN"));
        let ended = judge(&place, &others, Some(NodeState::Up)).expect("a proof");
        assert_eq!(ended, "step 7.2 has ended on node n3, which is up");
        assert_eq!(judge(&place, &runs, Some(NodeState::Up)), None);
        for state in [None, Some(NodeState::Silent), Some(NodeState::Absent)] {
            assert_eq!(judge(&place, &others, state), None, "{state:?}");
        }
    }
}
