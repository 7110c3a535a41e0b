//! `rankzero sweep`: how a job scales.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rankzero_soft::simd::Isa;
use rankzero_sweep::{Point, Scaling};

use super::args::threads;
use crate::launch::Via;
use crate::sweep::{Ending, Options, SweepFailure, Through, Way, show, sweep as run_sweep};

const AFTER: &str = "\
Every size is run --repeat times, in an order that is shuffled within each repeat, so that a machine that becomes slower favours no
size. Each run that has ended is a line of results.jsonl; Ctrl-C loses the one at hand only, and the same command goes on. A run that
failed is tried again.

What --nodes counts: inside an allocation of Slurm and on a login node, nodes, with --ranks-per-node ranks each; elsewhere ranks of this
machine, of one thread each. More ranks than cores share them: the report shades these sizes, leaves their time out of the fits, and
their CPU seconds still tell what more ranks cost.

DIR holds:
  report.html    tables, plots, fits; one file, which needs no network
  scaling.svg    a picture of it
  results.jsonl  a line for each run, with digest, times, traffic and the machine
  sweep.json     what was asked for
  jobs/ runs/    the job of each size; logs, summaries and journals of the runs

Exit codes:
  0  done, and all runs agree on the result
  1  some runs failed, or do not agree
  2  the job file or the command line is wrong
  3  ranks cannot be started, or another sweep has the directory
  5  interrupted; what is done is kept

Examples:
  rankzero sweep jobs/demo.yaml --nodes 1,2,4,8             the same job on more and more ranks or nodes
  rankzero sweep jobs/demo.yaml --nodes 1,2,4 --weak        as many bodies for each
  rankzero sweep jobs/demo.yaml --nodes 1,2 --set time.steps=60 --set time.duration_s=null   a shorter one
  rankzero sweep jobs/demo.yaml --nodes 1,2,4,8 --dry-run   the order and the commands
  salloc -N 8 rankzero sweep job.yaml --nodes 1,2,4,8       within one allocation
  rankzero sweep job.yaml --nodes 1,2,4,8 --through jobs    a job of Slurm for each run, with what `slurm:` of the job asks for
  rankzero sweep --report sweeps/demo-strong                the report again";

/// Arguments of a sweep.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER)]
pub struct SweepArgs {
    /// The job file.
    #[arg(value_name = "JOB", required_unless_present = "report")]
    pub job: Option<PathBuf>,
    /// Override a field, as for `run`.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The sizes.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', required_unless_present = "report")]
    pub nodes: Vec<u32>,
    /// Keep the job the same, so that n nodes share it (the default).
    #[arg(long, conflicts_with = "weak")]
    pub strong: bool,
    /// Keep the load of a node the same: n nodes get n times the soft bodies of the job file, in regions that have grown.
    #[arg(long)]
    pub weak: bool,
    /// Runs of each size; with 1 there are no intervals.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub repeat: u32,
    /// Ranks of each node, where --nodes counts nodes [default: what the allocation or `slurm.tasks_per_node` says].
    #[arg(long, value_name = "N")]
    pub ranks_per_node: Option<u32>,
    /// Worker threads of each rank, 1 to 1024 [default: 1 on this machine, under Slurm the rank's share of the cores].
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Instructions to compute with: scalar, fused, avx2 or avx512 [default: the widest that the CPU has].
    #[arg(long, value_name = "NAME", env = "RANKZERO_ISA")]
    pub isa: Option<Isa>,
    /// Seed of the order of the runs.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where the files go [default: sweeps/NAME-strong or sweeps/NAME-weak].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What runs the points.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub through: Through,
    /// What starts and connects ranks on this machine, as for `launch`.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub via: Via,
    /// The longest that a run may take, in seconds; one that takes longer has failed.
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub limit_s: u64,
    /// Keep frames and checkpoints of the runs.
    #[arg(long)]
    pub keep: bool,
    /// Print the results as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// Print the order and the commands instead of running them.
    #[arg(long)]
    pub dry_run: bool,
    /// Only make the report of the sweep in DIR again, and print its results.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["job", "set", "nodes", "dry_run", "point", "dir"])]
    pub report: Option<PathBuf>,
    /// Run this point only, such as n4-r2; how the jobs of a sweep under Slurm run theirs.
    #[arg(long, value_name = "POINT", hide = true, requires = "dir")]
    pub point: Option<Point>,
}

/// Runs the command; returns its exit code.
pub fn sweep(args: &SweepArgs) -> u8 {
    let ended = match &args.report {
        Some(dir) => show(dir, args.json),
        None => options(args).and_then(|options| run_sweep(&options)),
    };
    ended.map_or_else(|error| refuse(&error), Ending::exit_code)
}

fn refuse(error: &SweepFailure) -> u8 {
    eprintln!("{error}");
    error.exit_code()
}

fn options(args: &SweepArgs) -> Result<Options, SweepFailure> {
    let way = Way::find(args.through, args.via)?;
    // On one machine a rank alone would take all cores, and 8 ranks one each: that would compare threads, not ranks.
    let threads = args.threads.or(matches!(way, Way::Here(_)).then_some(1));
    Ok(Options {
        job: args.job.clone().unwrap_or_default(),
        set: args.set.clone(),
        nodes: args.nodes.clone(),
        scaling: if args.weak { Scaling::Weak } else { Scaling::Strong },
        repeats: args.repeat,
        ranks_per_node: args.ranks_per_node,
        threads,
        isa: args.isa,
        seed: args.seed,
        dir: args.dir.clone(),
        way,
        limit: Duration::from_secs(args.limit_s),
        point: args.point,
        keep: args.keep,
        json: args.json,
        dry_run: args.dry_run,
    })
}
