//! What starts the ranks, decided from what is there.

use std::time::{Duration, Instant};

use rankzero_slurm::Allocation;
use rankzero_slurm::commands::{MpiPlugins, Slurm};

use super::command::{Request, command_line};
use super::find::{Kind, find, linked};
use super::steps::{Layout, Manner, Steps};
use super::{LaunchError, bare_script, shell};

/// How long `srun --mpi=list` may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// What starts the ranks and connects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// In a Slurm allocation `steps`; else MPI where a fitting one is installed, else nothing.
    #[default]
    Auto,
    /// In a Slurm allocation: one srun step for each node, which no other can take down; ranks connect over TCP. Lost ones are replaced.
    Steps,
    /// MPI: mpirun, or in a Slurm allocation one srun with the plugin of the linked library. For sites where MPI alone knows the network.
    Mpi,
    /// Nothing: the ranks are children of the launch, on this machine, and connect over TCP.
    Bare,
}

/// What is asked of srun besides.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// `--cpu-bind`.
    pub cpu_bind: Option<String>,
    /// `--gpus-per-task`.
    pub gpus_per_task: Option<u32>,
}

/// What is to be done for a number of ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// One rank: this process itself, without MPI.
    InProcess,
    /// A command that starts the ranks; with a word on why this one.
    Command(Vec<String>, Option<String>),
    /// Steps of Slurm, by [`super::run_steps`].
    Steps(Steps),
    /// Children of this process, by [`super::run_bare`]; with a word on why not MPI, where that was not asked for.
    Bare(Option<String>),
}

/// Decides how to start `request.ranks` ranks; `--dry-run` prints the result.
///
/// # Errors
/// [`LaunchError`] when there is no fitting MPI, or no allocation, and it is wanted.
pub fn plan(request: &Request, via: Via, wishes: &Wishes) -> Result<Plan, LaunchError> {
    match (request.ranks, via, &request.allocation) {
        (0, ..) => return Err(LaunchError::NoRanks),
        (_, Via::Steps, None) => return Err(LaunchError::NoAllocation),
        (_, Via::Steps, Some(allocation)) => return Ok(Plan::Steps(steps(allocation, request, wishes))),
        (1, ..) => return Ok(Plan::InProcess),
        (_, Via::Bare, _) => return Ok(Plan::Bare(None)),
        (_, Via::Auto, Some(allocation)) => return Ok(Plan::Steps(steps(allocation, request, wishes))),
        (_, Via::Mpi, Some(allocation)) => {
            let slurm = Slurm::here();
            let plugins = slurm.mpi_plugins(Instant::now() + ANSWER_TIME)?;
            if let Some((plugin, why)) = plugin_for(linked().0, plugins) {
                let steps = steps(allocation, request, wishes);
                return Ok(Plan::Command(steps.manner.one_step(plugin, request), Some(why)));
            }
        }
        _ => {}
    }
    let fitting = find(std::env::var_os("PATH").as_deref())
        .and_then(|mpi| mpi.agrees_with(&rankzero_comm::mpi::library()).map(|()| mpi));
    match fitting {
        Ok(mpi) => Ok(Plan::Command(command_line(&mpi, request), None)),
        Err(why) if via == Via::Auto => Ok(Plan::Bare(Some(why.to_string()))),
        Err(why) => Err(why),
    }
}

fn steps(allocation: &Allocation, request: &Request, wishes: &Wishes) -> Steps {
    let layout = Layout::new(allocation, Some(request.ranks));
    let manner = Manner::of(allocation, &layout, wishes.cpu_bind.as_deref(), wishes.gpus_per_task);
    // The shell of salloc is on no node of the job.
    let batch_node = allocation.here.clone().filter(|_| allocation.step.is_none());
    Steps { layout, manner, batch_node, tag: format!("{}.{}", allocation.job, allocation.restarts) }
}

/// The plugin of srun that starts the linked MPI, and what is to be said about it.
fn plugin_for(linked: Option<Kind>, plugins: MpiPlugins) -> Option<(&'static str, String)> {
    let said = |plugin, words: &str| Some((plugin, format!("one srun for all ranks, MPI through {plugin}{words}")));
    match linked? {
        Kind::OpenMpi { major: 5.. } if plugins.pmix => {
            said("pmix", ". Warning: Open MPI 5 ends all ranks once one is lost; `--via steps` does not")
        }
        Kind::OpenMpi { .. } if plugins.pmix => said("pmix", ""),
        Kind::Hydra if plugins.pmi2 => said("pmi2", ""),
        Kind::Hydra if plugins.pmix => said("pmix", ""),
        _ => None,
    }
}

impl Plan {
    /// What a shell would have to do for the same, but for the exit code and for replacements.
    pub fn script(&self, request: &Request) -> String {
        match self {
            Plan::InProcess => shell(&[vec!["rankzero".to_owned()], request.arguments.clone()].concat()),
            Plan::Command(words, _) => shell(words),
            Plan::Bare(_) => bare_script(request),
            Plan::Steps(steps) => steps.script(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::test_allocation;
    use super::*;

    #[test]
    fn the_plugin_is_that_of_the_linked_library_where_srun_has_it() {
        let open_mpi = |major| Some(Kind::OpenMpi { major });
        let plugin = |linked, pmix, pmi2| plugin_for(linked, MpiPlugins { pmix, pmi2 }).map(|(plugin, _)| plugin);
        assert_eq!(plugin(open_mpi(4), true, true), Some("pmix"));
        assert_eq!(plugin(open_mpi(4), false, true), None);
        assert_eq!(plugin(Some(Kind::Hydra), true, true), Some("pmi2"));
        assert_eq!(plugin(Some(Kind::Hydra), true, false), Some("pmix"));
        assert_eq!(plugin(None, true, true), None);
        let (_, why) = plugin_for(open_mpi(5), MpiPlugins { pmix: true, pmi2: true }).expect("pmix");
        assert!(why.contains("`--via steps` does not"), "{why}");
    }

    #[test]
    fn inside_an_allocation_steps_are_taken_unless_something_else_is_asked_for() {
        let request = Request {
            allocation: Some(test_allocation(&[2, 2, 2])),
            ..Request::for_test("/bin/rankzero", &["run", "a b"], 4)
        };
        let Ok(Plan::Steps(steps)) = plan(&request, Via::Auto, &Wishes::default()) else { panic!("no steps") };
        assert_eq!((steps.layout.shares.len(), steps.layout.spares.len(), steps.tag.as_str()), (2, 1, "7.0"));
        assert_eq!(plan(&request, Via::Bare, &Wishes::default()).expect("bare"), Plan::Bare(None));
        let text = Plan::Steps(steps).script(&request);
        assert_eq!(text.lines().filter(|line| line.starts_with("RANKZERO_FIRST_RANK=")).count(), 2, "{text}");
        let outside = Request::for_test("/bin/rankzero", &["run", "a"], 4);
        assert!(matches!(plan(&outside, Via::Steps, &Wishes::default()), Err(LaunchError::NoAllocation)));
    }
}
