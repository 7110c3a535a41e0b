//! Where and how the points of a sweep are run.

use std::path::Path;

use clap::ValueEnum;
use rankzero_job::Job;
use rankzero_slurm::commands::Slurm;
use rankzero_slurm::launch::environment;
use rankzero_slurm::{Allocation, Launch};
use rankzero_sweep::{Plan, Point, SweepError, Unit};

use super::Options;
use super::error::SweepFailure;
use crate::launch::{LaunchError, Via, this_program};

/// What runs the points, as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Through {
    /// `steps` inside an allocation of Slurm, `jobs` where there is sbatch, else `here`.
    #[default]
    Auto,
    /// Ranks on this machine.
    Here,
    /// Steps of the allocation that this process is in, on some of its nodes.
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
        match (through, allocation) {
            (Through::Here, _) => Ok(Way::Here(via)),
            (Through::Auto | Through::Steps, Some(allocation)) => Ok(Way::Steps(allocation)),
            (Through::Steps, None) => Err(SweepFailure::NoAllocation),
            (Through::Auto, None) if !Slurm::here().has("sbatch") => Ok(Way::Here(via)),
            (Through::Jobs | Through::Auto, _) => Ok(Way::Jobs),
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

    /// Ranks of a node: what is asked for, else what there is room for.
    ///
    /// # Errors
    /// [`SweepFailure::Sweep`] where an allocation has room for another number.
    pub fn ranks_per_node(&self, asked: Option<u32>, job: &Job) -> Result<u32, SweepFailure> {
        let Way::Steps(allocation) = self else {
            let usual = if *self == Way::Jobs { job.slurm.tasks_per_node } else { 1 };
            return Ok(asked.unwrap_or(usual));
        };
        let room = &allocation.tasks_per_node;
        let ranks = asked.or(room.first().copied()).unwrap_or(1);
        if room.iter().any(|&there| there != ranks) {
            let what = format!("{ranks} ranks on each node, but the allocation has room for {room:?}");
            let remedy = "ask for an allocation by `--ntasks-per-node`, or leave this flag out";
            return Err(SweepError::Plan { flag: "--ranks-per-node", what, remedy }.into());
        }
        Ok(ranks)
    }

    /// Whether what is to be run fits: the largest size, or that of the one point.
    ///
    /// # Errors
    /// [`SweepFailure::FewNodes`].
    pub fn check(&self, plan: &Plan, point: Option<Point>) -> Result<(), SweepFailure> {
        let wanted = point.map(|point| point.nodes).or(plan.nodes.last().copied()).unwrap_or(0);
        match self {
            Way::Steps(allocation) if wanted as usize > allocation.job_nodes.len() => {
                Err(SweepFailure::FewNodes { wanted, have: allocation.job_nodes.len(), job: allocation.job })
            }
            _ => Ok(()),
        }
    }
}

/// The command of a point: a launch, as a person would type it.
///
/// # Errors
/// [`SweepFailure::Launch`] where a path is unknown or unusable.
pub fn command(
    options: &Options,
    plan: &Plan,
    point: Point,
    job: &Path,
    run_dir: &Path,
) -> Result<Vec<String>, SweepFailure> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| LaunchError::NotUnicode(path.to_owned()));
    let via = match options.way {
        Way::Here(via) => via,
        // Also for one rank, which would else run beside the sweep.
        Way::Steps(_) | Way::Jobs => Via::Steps,
    };
    let mut words = vec![this_program()?, "launch".to_owned(), text(job)?];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("-n", plan.ranks(point.nodes).to_string());
    if let Some(via) = via.to_possible_value().filter(|_| via != Via::Auto) {
        flag("--via", via.get_name().to_owned());
    }
    if let Some(threads) = options.threads {
        flag("--threads", threads.to_string());
    }
    if let Some(isa) = options.isa {
        flag("--isa", isa.name().to_owned());
    }
    flag("--run-dir", text(run_dir)?);
    words.push("--quiet".to_owned());
    Ok(words)
}
