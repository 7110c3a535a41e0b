//! `rankzero explain`: the paths between ranks, of ranks that are started for it or of a run that was.

use std::io::Write;
use std::path::Path;

use rankzero_slurm::launch::{Launch, environment};

use super::args::ExplainArgs;
use super::commands::{fail, refuse};
use super::launch::{ended, launch_bare};
use crate::explain::{Options, Report, alone, among_ranks, past};
use crate::launch::{self, Plan, Request, Via, Wishes};
use crate::run::RunError;

/// Runs the command; returns its exit code.
pub fn explain(args: &ExplainArgs) -> u8 {
    if let Some(dir) = args.what.as_deref().filter(|what| what.is_dir()) {
        return match past(dir, args.json) {
            Ok(text) => {
                print!("{text}");
                0
            }
            Err(error) => refuse(&error, error.exit_code()),
        };
    }
    let options = match options(args) {
        Ok(options) => options,
        Err(error) => return refuse(&error, 2),
    };
    let launch = match Launch::detect(&environment()) {
        Ok(launch) => launch,
        Err(error) => return refuse(&error, 3),
    };
    if launch.launcher.offers_peers() && launch.size > 1 {
        return match among_ranks(&options, &launch) {
            Ok(report) => report.map_or(0, |report| show(&report, args.json)),
            Err(error) => fail(&error),
        };
    }
    if launch.launcher.offers_peers() || args.ranks == 1 {
        return match alone(&options, &launch) {
            Ok(report) => show(&report, args.json),
            Err(error) => fail(&error),
        };
    }
    match options.check() {
        Ok(()) => start(args),
        Err(error) => fail(&error),
    }
}

fn options(args: &ExplainArgs) -> Result<Options, serde_json::Error> {
    let fabric = args.fabric.as_ref().map(|name| serde_json::from_value(name.as_str().into())).transpose()?;
    Ok(Options { job: args.what.clone(), set: args.set.clone(), fabric, require_rdma: args.require_rdma })
}

fn show(report: &Report, json: bool) -> u8 {
    let text = if json { format!("{:#}\n", report.to_json()) } else { report.to_text() };
    // Who has closed the pipe does not want it; the exit code still tells the outcome.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if let Some(failure) = report.failure() {
        eprintln!("error: {failure}");
    }
    report.exit_code()
}

/// Starts the ranks, each of which is this command again.
fn start(args: &ExplainArgs) -> u8 {
    let planned = Request::here(words(args), Some(args.ranks))
        .and_then(|request| launch::plan(&request, Via::Auto, &Wishes::default()).map(|plan| (request, plan)));
    match planned {
        Ok((_, Plan::Command(words, _))) => ended(launch::run(&words)),
        // They meet in the current directory, as a run does in its own.
        Ok((request, Plan::Steps(steps))) => ended(launch::run_steps(&steps, &request, Path::new("."), &[])),
        Ok((request, Plan::Bare(why))) => launch_bare(&request, why.as_deref()),
        Ok((_, Plan::InProcess)) => refuse(&RunError::MasterRefused, 3),
        Err(error) => refuse(&error, 3),
    }
}

/// The arguments with which each rank is started.
fn words(args: &ExplainArgs) -> Vec<String> {
    let mut words = vec!["explain".to_owned()];
    words.extend(args.what.iter().map(|job| job.display().to_string()));
    words.extend(args.set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    words.extend(args.fabric.iter().flat_map(|name| ["--fabric".to_owned(), name.clone()]));
    words.extend(args.require_rdma.then(|| "--require-rdma".to_owned()));
    words.extend(args.json.then(|| "--json".to_owned()));
    words
}
