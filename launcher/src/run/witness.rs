//! What Slurm says of ranks that are silent: a witness beside the ranks' own watch over each other.
//!
//! Asked only while somebody is suspected, by the two lowest ranks that are not, at most once in [`ASK_EVERY`], by a thread of its own. A rank is
//! gone by Slurm's word where its step has ended while the node is up, or where the node is DOWN. The second is a decision of Slurm and no
//! fact: behind a cut the rank may live. So who is gone by Slurm's word is first forbidden to write in the run directory ([`super::fence`]) and
//! has time to notice, before it counts as proven dead; else a part that has slurmctld and no majority could go on beside the majority.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rankzero_comm::{Bootstrap, Fabric, FailureCause, Rank};
use rankzero_slurm::Allocation;
use rankzero_slurm::commands::{NodeState, Slurm, SlurmError, Step, StepName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::drive::Drive;
use super::error::RunError;
use super::fence::GRACE;
use super::progress::say;

/// Least time between two questions.
const ASK_EVERY: Duration = Duration::from_secs(5);
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

/// The thread that asks.
#[derive(Debug)]
struct Asker {
    questions: Sender<Question>,
    findings: Receiver<(Rank, String)>,
}

impl Asker {
    fn start() -> std::io::Result<Asker> {
        let (questions, inbox) = channel::<Question>();
        let (outbox, findings) = channel();
        let ask = move || {
            for question in inbox {
                match ask(&Slurm::here(), &question) {
                    Ok(found) => {
                        for finding in found {
                            // Nobody listens any more where the run has ended.
                            let _ = outbox.send(finding);
                        }
                    }
                    Err(error) => tracing::warn!("Slurm cannot say what has become of silent ranks: {error}"),
                }
            }
        };
        std::thread::Builder::new().name("witness".to_owned()).spawn(ask)?;
        Ok(Asker { questions, findings })
    }
}

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

/// What a rank knows by Slurm's word.
#[derive(Debug, Default)]
pub(super) struct Witness {
    asker: Option<Asker>,
    asked: Option<Instant>,
    /// Who may not write any more, why, and since when.
    banned: BTreeMap<Rank, (Instant, String)>,
    /// Of those, who was reported as dead.
    reported: BTreeMap<Rank, String>,
}

impl Witness {
    /// Why a rank counts as dead, where Slurm has said so.
    pub fn word_on(&self, rank: Rank) -> Option<&str> {
        self.reported.get(&rank).map(String::as_str)
    }
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// While views change: asks Slurm about who is suspected, and passes its word on.
    pub(super) fn consult_slurm(&mut self, suspects: &[Rank]) -> Result<(), RunError> {
        let places: Question =
            suspects.iter().filter_map(|rank| Some((*rank, self.start.info(*rank)?.slurm.clone()?))).collect();
        let me = self.engine.rank();
        let mut living =
            self.view.members.iter().filter(|member| !suspects.contains(member)).copied().collect::<Vec<_>>();
        living.sort_unstable();
        let asks = living.iter().take(ASKERS).any(|rank| *rank == me);
        if places.is_empty() || !asks {
            return Ok(());
        }
        self.ask_slurm(places);
        self.hear_slurm()
    }

    fn ask_slurm(&mut self, places: Question) {
        let witness = &mut self.witness;
        if witness.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        witness.asked = Some(Instant::now());
        if witness.asker.is_none() {
            witness.asker = Asker::start().inspect_err(|error| tracing::warn!("no witness: {error}")).ok();
        }
        if let Some(asker) = &witness.asker {
            let _ = asker.questions.send(places);
        }
    }

    fn hear_slurm(&mut self) -> Result<(), RunError> {
        let findings: Vec<_> = self.witness.asker.iter().flat_map(|asker| asker.findings.try_iter()).collect();
        for (rank, why) in findings {
            if self.witness.banned.contains_key(&rank) {
                continue;
            }
            let words = format!("by the word of Slurm: {why}");
            // Where that cannot be told, it is no proof.
            if let Err(error) = self.fence.claim().ban(&self.start.run_dir, rank.0, &words) {
                tracing::warn!("{rank} does not count as dead: {error}");
                continue;
            }
            say(format_args!("{rank} does not answer; {words}"));
            self.witness.banned.insert(rank, (Instant::now(), words));
        }
        let due: Vec<(Rank, String)> = self
            .witness
            .banned
            .iter()
            .filter(|(rank, (since, _))| since.elapsed() >= GRACE && !self.witness.reported.contains_key(rank))
            .map(|(rank, (_, why))| (*rank, why.clone()))
            .collect();
        for (rank, why) in due {
            if let Some(desk) = self.desk() {
                desk.report(rank, FailureCause::Declared);
            }
            self.witness.reported.insert(rank, why);
        }
        Ok(())
    }

    /// The nodes of ranks, for the journal.
    pub(super) fn nodes_of(&self, ranks: &[u32]) -> serde_json::Value {
        let node = |rank: &u32| {
            let info = self.start.info(Rank(*rank))?;
            Some(info.slurm.as_ref().map_or_else(|| info.host.clone(), |place| place.node.clone()))
        };
        json!(ranks.iter().map(|rank| node(rank).unwrap_or_default()).collect::<Vec<_>>())
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
