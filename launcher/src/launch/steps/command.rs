//! The command lines of srun.
//!
//! Every step is told three times to outlive a loss: `--no-kill` (a node is lost), `--kill-on-bad-exit=0` (a task fails) and `--wait=0` (a task
//! ends early), whatever the site's defaults are. Each node has a step of its own, since a step over several nodes ends as a whole where one
//! of them comes back after a short absence, or where its slurmstepd dies.

use rankzero_slurm::Allocation;

use super::super::Request;
use super::layout::{Layout, Share};

/// What all steps have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// `--cpu-bind`.
    pub cpu_bind: String,
    /// Cores of a task, where the job has asked for a number.
    pub cpus_per_task: Option<u32>,
    /// GPUs of a task, likewise.
    pub gpus_per_task: Option<u32>,
    /// More tasks than the allocation has room for.
    pub crowded: bool,
    /// Beside steps that have the same cores: within another step, or where a rank is replaced.
    pub overlap: bool,
}

impl Manner {
    /// That of an allocation.
    pub fn of(allocation: &Allocation, layout: &Layout, cpu_bind: Option<&str>, gpus_per_task: Option<u32>) -> Manner {
        Manner {
            cpu_bind: cpu_bind.unwrap_or("none").to_owned(),
            cpus_per_task: allocation.cpus_per_task,
            gpus_per_task: gpus_per_task.filter(|gpus| *gpus > 0),
            crowded: layout.crowded,
            overlap: allocation.step.is_some(),
        }
    }

    /// srun for `tasks` tasks of a program: on one node, or on all that it likes.
    fn srun(&self, mpi: &str, node: Option<&str>, tasks: u32, program: &str, arguments: &[String]) -> Vec<String> {
        let mut words = ["srun", "--no-kill", "--kill-on-bad-exit=0", "--wait=0"].map(str::to_owned).to_vec();
        words.push(format!("--mpi={mpi}"));
        words.extend(node.map(|_| "--nodes=1".to_owned()));
        words.push(format!("--ntasks={tasks}"));
        words.extend(node.map(|node| format!("--nodelist={node}")));
        words.push(format!("--cpu-bind={}", self.cpu_bind));
        // Without a number of cores the step has all that the job has of the node; `--exact` would leave it one core a task.
        words.extend(node.and(self.cpus_per_task).map(|_| "--exact".to_owned()));
        words.extend(self.cpus_per_task.map(|cores| format!("--cpus-per-task={cores}")));
        words.extend(self.gpus_per_task.map(|gpus| format!("--gpus-per-task={gpus}")));
        words.extend(self.crowded.then(|| "--overcommit".to_owned()));
        words.extend(self.overlap.then(|| "--overlap".to_owned()));
        words.push(program.to_owned());
        words.extend(arguments.iter().cloned());
        words
    }

    /// The ranks of one node.
    pub fn ranks(&self, share: &Share, request: &Request) -> Vec<String> {
        self.srun("none", Some(&share.node), share.ranks, &request.program, &request.arguments)
    }

    /// One rank that joins a run.
    pub fn newcomer(&self, node: &str, program: &str, arguments: &[String]) -> Vec<String> {
        Manner { overlap: true, ..self.clone() }.srun("none", Some(node), 1, program, arguments)
    }

    /// One srun for all ranks, which MPI connects through `plugin`: `pmix` or `pmi2`.
    pub fn one_step(&self, plugin: &str, request: &Request) -> Vec<String> {
        self.srun(plugin, None, request.ranks, &request.program, &request.arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::allocation;
    use super::*;

    fn request() -> Request {
        Request::for_test("/bin/rankzero", &["run", "my job.yaml"], 4)
    }

    fn manner(allocation: &Allocation) -> Manner {
        Manner::of(allocation, &Layout::new(allocation, None), None, None)
    }

    #[test]
    fn every_step_outlives_what_it_can_and_has_one_node() {
        let share = Share { node: "n2".to_owned(), first: 2, ranks: 2 };
        let line = manner(&allocation(&[2, 2])).ranks(&share, &request()).join(" ");
        assert_eq!(
            line,
            "srun --no-kill --kill-on-bad-exit=0 --wait=0 --mpi=none --nodes=1 --ntasks=2 --nodelist=n2 --cpu-bind=none \
             /bin/rankzero run my job.yaml"
        );
    }

    #[test]
    fn cores_gpus_and_crowds_are_passed_on() {
        let mut eight = allocation(&[2, 2]);
        eight.cpus_per_task = Some(8);
        eight.step = Some(0);
        let manner = Manner::of(&eight, &Layout::new(&eight, Some(9)), Some("cores"), Some(1));
        let line = manner.newcomer("n1", "/bin/rankzero", &["join".to_owned(), "a".to_owned()]).join(" ");
        let options = "--ntasks=1 --nodelist=n1 --cpu-bind=cores --exact --cpus-per-task=8 --gpus-per-task=1 --overcommit --overlap";
        assert!(line.ends_with(&format!("{options} /bin/rankzero join a")), "{line}");
        let line = manner.one_step("pmix", &request()).join(" ");
        assert!(line.contains("--mpi=pmix --ntasks=4 --cpu-bind=cores --cpus-per-task=8"), "{line}");
    }
}
