//! Who may write in a run directory: the newest run, and nobody whom Slurm has given up.

#[path = "cli/bare.rs"]
mod bare;
#[path = "cli/net.rs"]
mod net;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/slurm.rs"]
mod slurm;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bare::{Work, digest, pids};
use nix::sys::signal::Signal;
use process::{Running, rankzero, signal, until};
use serde_json::Value;
use slurm::Stubs;

const PATIENCE: Duration = Duration::from_secs(100);

fn events(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn event(run_dir: &Path, name: &str) -> Option<Value> {
    events(run_dir).into_iter().find(|line| line["event"] == name)
}

/// Every file of a run directory with its length and the time of its last change; of a checkpoint only what makes it count, as a thread
/// that stood still in the middle of a part may finish that.
fn files(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        if meta.is_dir() {
            all.extend(files(&path));
        } else if !dir.components().any(|part| part.as_os_str() == "checkpoints") || path.ends_with("manifest.json") {
            all.insert(path, (meta.len(), meta.modified().expect("a time")));
        }
    }
    all
}

/// A run by hand, of one rank, that begins at its newest checkpoint.
fn run(work: &Work, run_dir: &Path, steps: &str) -> Running {
    let mut command = rankzero();
    command.arg("run").args(work.words(run_dir)).args(["--restore", "auto", "--set", steps]);
    Running::start(&mut work.surround(command))
}

#[test]
fn a_newer_run_takes_the_directory_over_and_the_former_stops_without_a_word_more() {
    let work =
        Work::new(1_000_000).with("fault_tolerance.checkpoint.every_steps=16").with("network.sync_interval_ms=20");
    let run_dir = work.folder.join("run");
    let former = run(&work, &run_dir, "seed=7");
    until("a checkpoint", PATIENCE, || event(&run_dir, "checkpoint"));
    // It stands still, as behind a cut, while the other one begins and ends.
    signal(former.pid(), Signal::SIGSTOP);
    let newer = run(&work, &run_dir, "seed=7");
    until("a restored state", PATIENCE, || event(&run_dir, "restored"));
    signal(newer.pid(), Signal::SIGUSR1);
    let ended = newer.end();
    assert_eq!(ended.code(), 5, "{}", ended.text());
    let before = files(&run_dir);
    signal(former.pid(), Signal::SIGCONT);
    let ended = former.end();
    assert_eq!(ended.code(), 6, "{}", ended.text());
    assert!(ended.text().contains("another run has taken over"), "{}", ended.text());
    assert_eq!(files(&run_dir), before, "the former run has written");
}

#[test]
fn without_a_checkpoint_a_run_that_is_told_to_go_on_begins_at_the_start() {
    let work = Work::new(45);
    let run_dir = work.folder.join("run");
    let ended = run(&work, &run_dir, "seed=7").end();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(event(&run_dir, "restored").is_none());
    assert_eq!(digest(&run_dir), work.digest_of_one());
}

/// Rank 0 of two stands still: rank 1 alone is no majority, and only Slurm can say that the other will not come back.
#[test]
fn who_is_gone_by_the_word_of_slurm_counts_as_dead_and_writes_nothing_any_more() {
    let work = Work::new(1_000_000)
        .with("network.sync_interval_ms=20")
        .with("network.heartbeat_ms=100")
        .with("network.heartbeat_timeout_ms=1500");
    let stubs = Stubs::new(work.folder.join("stubs"));
    stubs.says("sinfo", "n0|allocated*\n");
    stubs.says("squeue", "7.0|n0\n7.1|n1\n");
    let run_dir = work.folder.join("run");
    let start = |rank: u32| {
        let mut command = work.rank(rank, 2, &run_dir);
        stubs.found_by(&mut command);
        let node = format!("n{rank}");
        command.envs([("SLURM_JOB_ID", "7"), ("SLURM_JOB_NODELIST", "n[0-1]"), ("SLURMD_NODENAME", &node)]);
        Running::start(command.env("SLURM_STEP_ID", rank.to_string()).env("SLURM_STEP_NODELIST", &node))
    };
    let ranks = [start(0), start(1)];
    until("an epoch", PATIENCE, || event(&run_dir, "epoch"));
    assert_eq!(pids(&run_dir), [ranks[0].pid(), ranks[1].pid()]);
    signal(ranks[0].pid(), Signal::SIGSTOP);
    until("rank 1 to miss its majority", PATIENCE, || ranks[1].said().contains("no majority").then_some(()));
    assert!(event(&run_dir, "lost").is_none());
    stubs.says("sinfo", "n0|down*\n");
    let lost = until("the word of Slurm", PATIENCE, || event(&run_dir, "lost"));
    assert_eq!(lost["how"][0], "by the word of Slurm: node n0 is DOWN", "{lost}");
    assert_eq!((&lost["ranks"][0], &lost["nodes"][0]), (&0.into(), &"n0".into()), "{lost}");
    let steps = |run_dir: &Path| events(run_dir).last().map_or(0, |line| line["step"].as_u64().unwrap_or(0));
    let then = steps(&run_dir);
    until("rank 1 to go on", PATIENCE, || (steps(&run_dir) > then + 16).then_some(()));
    let [zero, one] = ranks;
    signal(zero.pid(), Signal::SIGCONT);
    let ended = zero.end();
    assert_eq!(ended.code(), 6, "{}", ended.text());
    signal(one.pid(), Signal::SIGUSR1);
    let ended = one.end();
    assert_eq!(ended.code(), 5, "{}", ended.text());
}
