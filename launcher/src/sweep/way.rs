//! Where and how the points of a sweep are run.

use std::path::Path;

use rankzero_slurm::launch::{Allocation, Launch, environment};
use rankzero_sweep::{Plan, Point, Unit};

use super::Options;
use super::error::SweepFailure;
use crate::launch::{LaunchError, Via, on_path};

/// What runs the points, as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Through {
    /// `steps` inside an allocation, `jobs` where there is sbatch, else `here`.
    #[default]
    Auto,
    /// Ranks on this machine, one after the other.
    Here,
    /// Steps of the allocation that this process is in.
    Steps,
    /// A job of Slurm for each run, each after the one before, and one that makes the report.
    Jobs,
}

/// What runs the points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ranks on this machine.
    Here(Via),
    /// Steps of this allocation.
    Steps(Allocation),
    /// A job for each.
    Jobs,
}

impl Way {
    /// Decides.
    ///
    /// # Errors
    /// [`SweepFailure::Environment`], [`SweepFailure::NoAllocation`].
    pub fn find(through: Through, via: Via) -> Result<Way, SweepFailure> {
        let allocation = Launch::detect(&environment())?.allocation;
        let sbatch = || on_path(std::env::var_os("PATH").as_deref(), "sbatch").is_some();
        match (through, allocation) {
            (Through::Here, _) => Ok(Way::Here(via)),
            (Through::Auto | Through::Steps, Some(allocation)) => Ok(Way::Steps(allocation)),
            (Through::Steps, None) => Err(SweepFailure::NoAllocation),
            (Through::Jobs, _) => Ok(Way::Jobs),
            (Through::Auto, None) => Ok(if sbatch() { Way::Jobs } else { Way::Here(via) }),
        }
    }

    /// What `--nodes` counts.
    pub fn unit(&self) -> Unit {
        match self {
            Way::Here(_) => Unit::Ranks,
            Way::Steps(_) | Way::Jobs => Unit::Nodes,
        }
    }

    /// The part of a key that tells ways apart. A point is the same whether its allocation is its own or shared.
    pub fn key(&self) -> String {
        match self {
            Way::Here(via) => format!("here {via:?}"),
            Way::Steps(_) | Way::Jobs => "slurm".to_owned(),
        }
    }

    /// Whether the sizes fit.
    ///
    /// # Errors
    /// [`SweepFailure::FewNodes`].
    pub fn check(&self, plan: &Plan) -> Result<(), SweepFailure> {
        let wanted = plan.nodes.last().copied().unwrap_or(0);
        match self {
            Way::Steps(allocation) if wanted as usize > allocation.nodes.len() => {
                Err(SweepFailure::FewNodes { wanted, have: allocation.nodes.len(), job: allocation.job })
            }
            _ => Ok(()),
        }
    }
}

/// The command of a point.
///
/// # Errors
/// [`SweepFailure::Launch`] where the path of this program is unknown.
pub fn command(
    options: &Options,
    plan: &Plan,
    point: Point,
    job: &Path,
    run_dir: &Path,
) -> Result<Vec<String>, SweepFailure> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| LaunchError::NotUnicode(path.to_owned()));
    let program = program()?;
    let ranks = plan.ranks(point.nodes).to_string();
    let (job, run_dir) = (text(job)?, text(run_dir)?);
    let mut words = match &options.way {
        Way::Here(via) => {
            let how = if let Via::Auto = via { None } else { clap::ValueEnum::to_possible_value(via) };
            let mut words = vec![program, "launch".to_owned(), job, "-n".to_owned(), ranks];
            words.extend(how.into_iter().flat_map(|how| ["--via".to_owned(), how.get_name().to_owned()]));
            words
        }
        Way::Steps(_) | Way::Jobs => {
            let mut words = step(plan, point);
            words.extend([
                "env".to_owned(),
                format!("RANKZERO_RENDEZVOUS={run_dir}.meet"),
                program,
                "run".to_owned(),
                job,
            ]);
            words
        }
    };
    words.extend(["--run-dir".to_owned(), run_dir, "--quiet".to_owned()]);
    words.extend(options.threads.iter().flat_map(|threads| ["--threads".to_owned(), threads.to_string()]));
    words.extend(options.isa.iter().flat_map(|isa| ["--isa".to_owned(), isa.name().to_owned()]));
    Ok(words)
}

/// This program.
pub(super) fn program() -> Result<String, LaunchError> {
    let program = std::env::current_exe()
        .map_err(|source| LaunchError::System { what: "find the path of this program".to_owned(), source })?;
    program.into_os_string().into_string().map_err(|path| LaunchError::NotUnicode(path.into()))
}

/// A step on the first nodes of the allocation, whose ranks meet without MPI.
fn step(plan: &Plan, point: Point) -> Vec<String> {
    let ranks = plan.ranks(point.nodes);
    let mut words = vec!["srun".to_owned(), "--mpi=none".to_owned(), "--overlap".to_owned()];
    words.extend([
        format!("--nodes={0}-{0}", point.nodes),
        format!("--ntasks={ranks}"),
        format!("--ntasks-per-node={}", plan.ranks_per_node),
    ]);
    words.extend(["--no-kill", "--kill-on-bad-exit=0", "--wait=0", "--cpu-bind=none"].map(str::to_owned));
    words
}
