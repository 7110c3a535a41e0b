//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rankzero_soft::simd::Isa;

use super::submit_args::SubmitArgs;
use super::sweep::SweepArgs;
use crate::launch::Via;
use crate::run::Device;

const AFTER: &str = "\
Exit codes:
  0  done
  1  the simulation or a file failed
  2  the job file, a mesh or the command line is wrong
  3  the environment is wrong: launcher, MPI, GPU, run directory
  4  a rank or the network failed
  5  stopped early by SIGINT, SIGTERM or SIGUSR1, with all files whole and a checkpoint
  6  the others went on without this rank, or another run has taken over its run directory

Examples:
  rankzero check jobs/demo.yaml                 what would run
  rankzero run jobs/demo.yaml                   one rank, here
  rankzero launch jobs/demo.yaml -n 4           four ranks on this machine
  rankzero launch jobs/demo.yaml -n 4 --via bare   the same without MPI
  mpirun -n 8 rankzero run jobs/demo.yaml       the same through mpirun
  rankzero submit jobs/demo.yaml --nodes 8      eight nodes of a Slurm cluster; --dry-run prints the script
  rankzero launch jobs/demo.yaml                inside a Slurm allocation, on all its nodes
  srun --mpi=pmix rankzero run jobs/demo.yaml   the same through srun and MPI
  rankzero sweep jobs/demo.yaml --nodes 1,2,4,8 how the job scales, as a table and an HTML report
  rankzero render runs/demo-20260131-120000     a picture of the last frame
  rankzero explain jobs/demo.yaml -n 4          which paths four ranks here would take
  srun --mpi=pmix rankzero explain              which paths the ranks of an allocation take
  rankzero explain runs/demo-20260131-120000    which paths that run took
  rankzero run jobs/demo.yaml --run-dir runs/a --restore latest    go on where runs/a was stopped
  rankzero checkpoint ls runs/demo-20260131-120000    which checkpoints that run left";

/// RDMA-first launcher for soft-body simulations on clusters.
///
/// A job file describes bodies, materials and surroundings; rankzero computes it on any number of ranks, always with the same result
/// to the bit.
#[derive(Debug, Parser)]
#[command(name = "rankzero", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// Say more on stderr; twice for more still. RANKZERO_LOG takes a filter such as `rankzero_comm=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be one rank of a run: alone, or started by mpirun or srun, or one of those that meet in the directory RANKZERO_RENDEZVOUS.
    Run(RunArgs),
    /// Start a run of several ranks, with the flags that it needs: on this machine, or on the nodes of the Slurm allocation that this is in.
    Launch(LaunchArgs),
    /// Run a job on 1, 2, 4, 8 … nodes or ranks, several times each, and say how it scales.
    Sweep(Box<SweepArgs>),
    /// Write a batch script for a job, and give it to Slurm.
    Submit(Box<SubmitArgs>),
    /// Validate a job file and say what would run.
    Check(CheckArgs),
    /// Draw frames of a run as PNG pictures; needs neither a display nor a GPU.
    Render(RenderArgs),
    /// Say which path each pair of ranks takes, and why not a better one.
    Explain(ExplainArgs),
    /// Say what this machine offers, and what each lack means.
    Doctor(DoctorArgs),
    /// Enter a run that is going on, as one more rank: after a loss, or to let it grow.
    Join(JoinArgs),
    /// Ask a rank of a run to leave; the others take over what it has.
    Drain(DrainArgs),
    /// List, verify and remove checkpoints.
    Checkpoint(CheckpointArgs),
    /// Print shell completions, for `rankzero completions bash > /etc/bash_completion.d/rankzero`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `rankzero man > rankzero.1`.
    Man,
}

/// The job and what overrides it.
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// The job file.
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    /// Override a field: `--set time.substeps=8`, `--set soft_bodies[0].count=3`. May be repeated; goes before RANKZERO_JOB__…
    /// variables, which go before the file.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of a run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Where the run's files go; on a file system that all ranks share [default: runs/NAME-TIME].
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Begin at a checkpoint: its folder, a directory of checkpoints, a run directory, `latest` for the newest of --run-dir, or `auto` for
    /// that if there is one, else the start. Any number of ranks can do that.
    #[arg(long, value_name = "DIR|latest|auto")]
    pub restore: Option<PathBuf>,
    /// Worker threads of each rank, 1 to 1024 [default: its share of the cores].
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Refuse to run where two nodes do not reach each other by RDMA; as `--set network.require_rdma=true`.
    #[arg(long)]
    pub require_rdma: bool,
    /// Instructions to compute with: scalar, fused, avx2 or avx512 [default: the widest that the CPU has]. The result is the same.
    #[arg(long, value_name = "NAME", env = "RANKZERO_ISA")]
    pub isa: Option<Isa>,
    /// What to compute on: `auto` uses a GPU where there is one that can be used, `gpu` refuses to run without. The result is the same.
    #[arg(
        long,
        value_name = "auto|cpu|gpu",
        env = "RANKZERO_DEVICE",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub device: Device,
    /// Print the summary as JSON on stdout.
    #[arg(long)]
    pub json: bool,
    /// Print nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
}

impl RunArgs {
    /// What overrides the job, flags among them.
    pub fn overrides(&self) -> Vec<String> {
        let rdma = self.require_rdma.then(|| "network.require_rdma=true".to_owned());
        self.job.set.iter().cloned().chain(rdma).collect()
    }
}

/// A number of worker threads, within what a job may ask for.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

/// Arguments of a process that comes later.
#[derive(Clone, Debug, Args)]
pub struct JoinArgs {
    /// The directory of the run; on a file system that this machine shares with the ranks.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Worker threads, 1 to 1024 [default: as many as rank 0 had].
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Instructions to compute with: scalar, fused, avx2 or avx512 [default: the widest that the CPU has].
    #[arg(long, value_name = "NAME", env = "RANKZERO_ISA")]
    pub isa: Option<Isa>,
    /// Print nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of a farewell.
#[derive(Clone, Debug, Args)]
pub struct DrainArgs {
    /// The directory of the run.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// The rank, by the number that it started with; the journal tells which there are.
    #[arg(value_name = "RANK")]
    pub rank: u32,
}

/// Arguments of a launch.
#[derive(Clone, Debug, Args)]
pub struct LaunchArgs {
    /// Ranks to start [default: 1; in a Slurm allocation as many as it has tasks].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub ranks: Option<u32>,
    /// What starts the ranks and connects them.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub via: Via,
    /// In a Slurm allocation: what srun binds ranks to, as its --cpu-bind [default: none, as ranks bind their threads themselves].
    #[arg(long, value_name = "WORD")]
    pub cpu_bind: Option<String>,
    /// Print the command instead of running it.
    #[arg(long)]
    pub dry_run: bool,
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of a check.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The job file.
    #[arg(value_name = "JOB", required_unless_present = "schema")]
    pub job: Option<PathBuf>,
    /// Override a field, as for `run`.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Print as JSON: what would run, or the problems.
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of job files, for editors.
    #[arg(long, conflicts_with_all = ["job", "set"])]
    pub schema: bool,
    /// Print the job with all defaults filled in and overrides applied.
    #[arg(long, conflicts_with = "schema")]
    pub resolved: bool,
}

/// Arguments of an explanation.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A job file, whose `network` section then decides, or the directory of a run, whose journal then tells.
    #[arg(value_name = "JOB or RUN")]
    pub what: Option<PathBuf>,
    /// Ranks to start on this machine; under mpirun or srun those that are there count.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub ranks: u32,
    /// Override a field of the job, as for `run`.
    #[arg(long, value_name = "PATH=VALUE", requires = "what")]
    pub set: Vec<String>,
    /// Take this rung instead of what the job says.
    #[arg(long, value_name = "NAME", value_parser = ["auto", "shm", "verbs", "mpi", "tcp"])]
    pub fabric: Option<String>,
    /// Count it as a failure where two nodes do not reach each other by RDMA.
    #[arg(long)]
    pub require_rdma: bool,
    /// Print everything, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of a rendering.
#[derive(Clone, Debug, Args)]
pub struct RenderArgs {
    /// The run directory.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The step of the frame, or `last`.
    #[arg(long, value_name = "STEP", default_value = "last", conflicts_with = "all")]
    pub frame: String,
    /// All frames: an animated PNG, or numbered pictures if --out is a folder.
    #[arg(long)]
    pub all: bool,
    /// Where to [default: RUN/frame-STEP.png, or RUN/animation.png].
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Size in pixels.
    #[arg(long, value_name = "WxH", default_value = "1600x900")]
    pub size: String,
    /// Samples per pixel along each axis, 1 to 4.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub samples: u32,
    /// Where the camera is, `x,y,z` in metres [default: so that all bodies are seen].
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    pub eye: Option<String>,
    /// What it looks at.
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    pub target: Option<String>,
    /// Which way is up [default: against the job's gravity].
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    pub up: Option<String>,
    /// Vertical field of view in degrees.
    #[arg(long, value_name = "DEGREES")]
    pub fov: Option<f32>,
    /// Frames a second of an animation.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub fps: u16,
}

/// Arguments of the doctor.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Measure latency and bandwidth of every path between two ranks; under mpirun or srun between rank 0 and each other one.
    #[arg(long)]
    pub fabric: bool,
    /// Only this rung; how the doctor starts the ranks that measure.
    #[arg(long, value_name = "RUNG", hide = true, requires = "fabric", value_parser = ["shm", "verbs", "mpi", "tcp"])]
    pub measure: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

const AFTER_CHECKPOINT: &str = "\
DIR is a run directory, its directory of checkpoints, or the folder of one checkpoint.

Exit codes:
  0  done; all that was verified is whole
  1  a checkpoint is damaged, or a file could not be read or removed
  2  the command line is wrong: no such directory, no checkpoint of that step

Examples:
  rankzero run jobs/demo.yaml --run-dir runs/a --restore latest    go on where runs/a was stopped
  rankzero checkpoint ls runs/demo               what is there, by names and lengths
  rankzero checkpoint verify runs/demo           read all of it, check all hashes
  rankzero checkpoint verify runs/demo 1200 2400 only those of these steps
  rankzero checkpoint rm runs/demo --step 1200   remove one, whole or not
  rankzero checkpoint rm runs/demo --keep 1      remove all whole ones but the newest";

/// Arguments about checkpoints.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_CHECKPOINT)]
pub struct CheckpointArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CheckpointCommand,
}

/// What to do with checkpoints.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckpointCommand {
    /// List checkpoints, the newest last, and why some cannot be restored; bodies are not read.
    #[command(after_help = AFTER_CHECKPOINT)]
    Ls {
        /// Where they are.
        #[arg(value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read checkpoints in full and check all hashes.
    #[command(after_help = AFTER_CHECKPOINT)]
    Verify {
        /// Directories, each followed by steps if not all of its checkpoints are meant; steps alone are those of `.`.
        #[arg(value_name = "DIR|STEP")]
        what: Vec<String>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove checkpoints; what a store has not written stays.
    #[command(after_help = AFTER_CHECKPOINT, group = clap::ArgGroup::new("which").required(true))]
    Rm {
        /// Where they are: a run directory or a directory of checkpoints.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Remove that of this step, whole or not. May be repeated.
        #[arg(long, value_name = "N", group = "which")]
        step: Vec<u64>,
        /// Remove all whole ones but the newest N, and unfinished ones that are older; the newest that verifies always stays.
        #[arg(long, value_name = "N", group = "which", conflicts_with = "step", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
}
