//! `rankzero launch`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rankzero_slurm::commands::Slurm;

use super::args::{LaunchArgs, RunArgs};
use super::commands::{refuse, run};
use crate::launch::{self, LaunchError, Plan, Request, Steps, Via, Wishes, shell};
use crate::run::{Device, PROGRESS_VARIABLE, new_run_dir, say, wants_bar};
use crate::sweep::SWEEP_VARIABLE;

/// Slurm's word on the GPUs of a task.
const GPUS_VARIABLE: &str = "SLURM_GPUS_PER_TASK";

/// `rankzero launch`.
pub(super) fn launch(args: &LaunchArgs) -> u8 {
    // A sweep that is killed leaves no run behind that would disturb the next one.
    launch::end_with(SWEEP_VARIABLE);
    let gpus_per_task = std::env::var(GPUS_VARIABLE).ok().and_then(|gpus| gpus.parse().ok());
    let wishes = Wishes { cpu_bind: args.cpu_bind.clone(), gpus_per_task };
    let planned = Request::here(run_words(&args.run), args.ranks)
        .and_then(|request| launch::plan(&request, args.via, &wishes).map(|plan| (request, plan)));
    let (request, planned) = match planned {
        Ok(planned) => planned,
        Err(error) => return refuse(&error, 3),
    };
    if args.dry_run {
        println!("{}", planned.script(&request));
        return 0;
    }
    if request.allocation.is_none() && args.via == Via::Auto && request.ranks > 1 && !args.run.quiet {
        hint();
    }
    match planned {
        Plan::InProcess => run(&args.run),
        Plan::Bare(why) => launch_bare(&request, why.as_deref()),
        Plan::Steps(steps) => launch_steps(&steps, request, &args.run),
        Plan::Command(words, why) => {
            if let Some(why) = why.filter(|_| !args.run.quiet) {
                say(format_args!("{why}"));
            }
            // The ranks' stderr is a pipe of mpirun's; whether a bar makes sense is known only here.
            let words = [vec!["env".to_owned(), format!("{PROGRESS_VARIABLE}={}", progress())], words].concat();
            ended(launch::run(&words))
        }
    }
}

/// On a machine of a cluster, outside of any allocation: it may be the login node.
fn hint() {
    if Slurm::here().has("sbatch") {
        say(format_args!(
            "note: this machine belongs to a Slurm cluster, and the ranks start here; for its nodes: `rankzero submit JOB --nodes N`, \
             or `salloc --no-kill --nodes=N` and there `rankzero launch JOB`"
        ));
    }
}

/// Starts the ranks as steps of the allocation. The run directory is chosen here, since the ranks meet in it.
fn launch_steps(steps: &Steps, mut request: Request, args: &RunArgs) -> u8 {
    let run_dir = match args.run_dir.clone().map_or_else(|| new_run_dir(&args.job.job, &args.overrides()), Ok) {
        Ok(run_dir) => run_dir,
        Err(error) => return refuse(&error, u8::try_from(error.exit_code()).unwrap_or(1)),
    };
    request.arguments = run_words(&RunArgs { run_dir: Some(run_dir.clone()), ..args.clone() });
    if !args.quiet {
        announce(steps, &request, &run_dir);
    }
    ended(launch::run_steps(steps, &request, &run_dir, &[(PROGRESS_VARIABLE, progress())]))
}

fn announce(steps: &Steps, request: &Request, run_dir: &Path) {
    let spares = match steps.layout.spares.len() {
        0 => String::new(),
        count => format!(", {count} to spare"),
    };
    say(format_args!(
        "{} ranks on {} nodes{spares}; run {}",
        request.ranks,
        steps.layout.shares.len(),
        run_dir.display()
    ));
    if steps.layout.crowded {
        say(format_args!("warning: more ranks than the allocation has tasks; they share cores"));
    }
}

fn progress() -> &'static str {
    if wants_bar() { "bar" } else { "plain" }
}

/// Starts ranks without MPI; `why` there is none, where it would have been taken.
pub(super) fn launch_bare(request: &Request, why: Option<&str>) -> u8 {
    if let Some(why) = why {
        tracing::info!("starting without MPI: {why}");
    }
    ended(launch::run_bare(request, &[(PROGRESS_VARIABLE, progress())]))
}

/// The exit code of a launch.
pub(super) fn ended(outcome: Result<i32, LaunchError>) -> u8 {
    match outcome {
        Ok(code) => u8::try_from(code).unwrap_or(1),
        Err(error @ LaunchError::Rendezvous(_)) => refuse(&error, 3),
        Err(error) => refuse(&error, 4),
    }
}

/// The arguments with which each rank is started.
fn run_words(run: &RunArgs) -> Vec<String> {
    let mut words = vec!["run".to_owned(), run.job.job.display().to_string()];
    for set in run.overrides() {
        words.extend(["--set".to_owned(), set]);
    }
    let path = |dir: &PathBuf| dir.display().to_string();
    words.extend(run.run_dir.iter().flat_map(|dir| ["--run-dir".to_owned(), path(dir)]));
    words.extend(run.restore.iter().flat_map(|from| ["--restore".to_owned(), path(from)]));
    words.extend(further_words(run));
    words
}

/// Those that are about neither the job nor the run directory.
pub(super) fn further_words(run: &RunArgs) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(run.threads.iter().flat_map(|threads| ["--threads".to_owned(), threads.to_string()]));
    words.extend(run.json.then(|| "--json".to_owned()));
    words.extend(run.isa.iter().flat_map(|isa| ["--isa".to_owned(), isa.name().to_owned()]));
    if let Some(device) = run.device.to_possible_value().filter(|_| run.device != Device::Auto) {
        words.extend(["--device".to_owned(), device.get_name().to_owned()]);
    }
    words.extend(run.quiet.then(|| "--quiet".to_owned()));
    words
}

/// The command line of this process, for people.
pub(super) fn command_line() -> String {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    format!("rankzero {}", shell(&words))
}
