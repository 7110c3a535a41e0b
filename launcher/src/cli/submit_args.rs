//! What can be said to `rankzero submit`.

use std::path::PathBuf;

use clap::Args;

use super::args::RunArgs;

const AFTER_SUBMIT: &str = "\
What is asked of Slurm stands in the job file's section `slurm`; a flag goes before it, and is the same as `--set slurm.FIELD=VALUE`.

The script starts `rankzero launch`, which keeps the run going when ranks or nodes are lost. At the time limit the ranks write a checkpoint,
and the job puts itself back into the queue and goes on from there.

Examples:
  rankzero submit jobs/demo.yaml --nodes 8 --time 2:00:00              submit it
  rankzero submit jobs/demo.yaml --nodes 8 --dry-run                   print the script instead
  rankzero submit jobs/demo.yaml --nodes 8 --output demo.sbatch        keep it, to edit it and `sbatch demo.sbatch`
  rankzero submit jobs/demo.yaml --nodes 8 --spare-nodes 1             with a node that stands by for a lost one
  rankzero submit jobs/demo.yaml --array 1-10%2 --array-field seed     ten runs with seeds 1 to 10, two at a time";

/// Arguments of a submission.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_SUBMIT)]
pub struct SubmitArgs {
    /// The run.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is asked of Slurm.
    #[command(flatten)]
    pub slurm: SlurmArgs,
    /// Print the script instead of submitting it.
    #[arg(long, conflicts_with = "output")]
    pub dry_run: bool,
    /// Write the script to a file instead of submitting it.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What is asked of Slurm; each flag is a field of the job's section `slurm`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Slurm")]
pub struct SlurmArgs {
    /// Nodes that compute.
    #[arg(short = 'N', long, value_name = "N")]
    pub nodes: Option<u32>,
    /// Further nodes that stand by for lost ones.
    #[arg(long, value_name = "N")]
    pub spare_nodes: Option<u32>,
    /// Ranks on each node.
    #[arg(long, value_name = "N")]
    pub tasks_per_node: Option<u32>,
    /// Cores of each rank.
    #[arg(short = 'c', long, value_name = "N")]
    pub cpus_per_task: Option<u32>,
    /// GPUs of each rank.
    #[arg(long, value_name = "N")]
    pub gpus_per_task: Option<u32>,
    /// Memory of each node, MiB.
    #[arg(long, value_name = "MIB")]
    pub memory_mb: Option<u64>,
    /// Have the nodes alone.
    #[arg(long)]
    pub exclusive: bool,
    /// What srun binds ranks to: none, cores, threads, sockets, ldoms.
    #[arg(long, value_name = "WORD")]
    pub cpu_bind: Option<String>,
    /// Which GPUs a rank sees: none, closest, single.
    #[arg(long, value_name = "WORD")]
    pub gpu_bind: Option<String>,
    /// Longest time, such as 90 (minutes), 2:00:00 or 1-12:00:00.
    #[arg(short = 't', long = "time", value_name = "TIME")]
    pub time_limit: Option<String>,
    /// The partition.
    #[arg(short = 'p', long, value_name = "NAME")]
    pub partition: Option<String>,
    /// The account.
    #[arg(short = 'A', long, value_name = "NAME")]
    pub account: Option<String>,
    /// The quality of service.
    #[arg(long, value_name = "NAME")]
    pub qos: Option<String>,
    /// Features that nodes must have.
    #[arg(short = 'C', long, value_name = "LIST")]
    pub constraint: Option<String>,
    /// A reservation.
    #[arg(long, value_name = "NAME")]
    pub reservation: Option<String>,
    /// Jobs that come first, such as afterok:1234.
    #[arg(short = 'd', long, value_name = "LIST")]
    pub dependency: Option<String>,
    /// Many runs, one for each number, such as 1-10%2.
    #[arg(short = 'a', long, value_name = "NUMBERS")]
    pub array: Option<String>,
    /// The field of the job that is set to the number of the run.
    #[arg(long, value_name = "PATH", requires = "array")]
    pub array_field: Option<String>,
    /// The address for letters at the end, a failure and a requeue.
    #[arg(long, value_name = "ADDRESS")]
    pub mail_to: Option<String>,
    /// A module to load. May be repeated; takes the place of the job's list.
    #[arg(long = "module", value_name = "NAME")]
    pub modules: Vec<String>,
    /// A variable for the ranks. May be repeated; goes before the job's of that name.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub environment: Vec<String>,
    /// How long before the time limit the ranks write a checkpoint, s.
    #[arg(long, value_name = "S")]
    pub checkpoint_before_s: Option<u32>,
    /// How often the job may put itself back into the queue; 0: never.
    #[arg(long, value_name = "N")]
    pub requeues_max: Option<u32>,
    /// A further option of sbatch, such as --switches=1. May be repeated; takes the place of the job's list.
    #[arg(long = "sbatch", value_name = "OPTION", allow_hyphen_values = true)]
    pub options: Vec<String>,
}
