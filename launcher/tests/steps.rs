//! `rankzero launch` in an allocation: one step for each node, lost ranks replaced, signals passed on, judged by the run's own word. Slurm is
//! played by scripts; the laboratory (`slurm/lab`) does the same with the real one.

#[path = "cli/bare.rs"]
mod bare;
#[path = "cli/net.rs"]
mod net;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/slurm.rs"]
mod slurm;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bare::{Work, all_end, digest, gone, pids};
use nix::sys::signal::Signal;
use process::{Running, finish, signal, until};
use serde_json::Value;
use slurm::Stubs;

const PATIENCE: Duration = Duration::from_secs(100);

/// A launch on four nodes, the first of which has room for two tasks.
fn launch(work: &Work, stubs: &Stubs, ranks: u32, run_dir: &Path) -> Command {
    let mut command = work.launch_via("steps", ranks, run_dir);
    stubs.found_by(&mut command);
    let variables = [("SLURM_JOB_ID", "7"), ("SLURM_JOB_NODELIST", "n[1-4]"), ("SLURM_TASKS_PER_NODE", "2,1(x3)")];
    command.envs(variables).env("SLURM_RESTART_COUNT", "1");
    command
}

fn event(run_dir: &Path, name: &str) -> Option<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).ok()?;
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["event"] == name)
}

/// Nothing of the meeting is left in a run directory.
fn no_meeting(run_dir: &Path) {
    let names = fs::read_dir(run_dir).expect("a run directory").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".meet-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn each_node_has_a_step_of_its_own_and_the_digest_is_that_of_one_rank() {
    let work = Work::new(45);
    let stubs = Stubs::new(work.folder.join("stubs"));
    let run_dir = work.folder.join("run");
    let ended = finish(&mut launch(&work, &stubs, 4, &run_dir));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert_eq!(stubs.calls(), ["n1 2 run", "n2 1 run", "n3 1 run"]);
    assert_eq!(digest(&run_dir), work.digest_of_one());
    no_meeting(&run_dir);
}

#[test]
fn a_rank_that_is_killed_is_replaced_on_a_node_that_stands_by_and_a_signal_ends_all_with_a_checkpoint() {
    let work = Work::new(1_000_000).with("network.sync_interval_ms=20");
    let stubs = Stubs::new(work.folder.join("stubs"));
    let run_dir = work.folder.join("run");
    let launch = Running::start(&mut launch(&work, &stubs, 3, &run_dir));
    until("an epoch", PATIENCE, || event(&run_dir, "epoch"));
    let ranks = pids(&run_dir);
    // Rank 2 is alone on n2.
    signal(ranks[2], Signal::SIGKILL);
    let lost = until("the loss", PATIENCE, || event(&run_dir, "lost"));
    assert_eq!((&lost["ranks"][0], &lost["nodes"][0]), (&2.into(), &"n2".into()), "{lost}");
    let joined = until("a replacement", PATIENCE, || event(&run_dir, "rank_joined"));
    assert!(stubs.calls().contains(&"n3 1 join".to_owned()), "{:?}", stubs.calls());
    signal(launch.pid(), Signal::SIGUSR1);
    let ended = launch.end();
    assert_eq!(ended.code(), 5, "{}", ended.text());
    assert!(event(&run_dir, "stopped").is_some() && event(&run_dir, "checkpoint").is_some());
    gone(&ranks);
    gone(&[joined["pid"].as_u64().expect("a process") as u32]);
    no_meeting(&run_dir);
}

#[test]
fn tasks_of_srun_without_pmi_meet_by_themselves() {
    let work = Work::new(45);
    let stubs = Stubs::new(work.folder.join("stubs"));
    let run_dir = work.folder.join("run");
    let mut command = process::clean(Command::new(stubs.path().join("srun")));
    command.args(["--ntasks=3", "--nodelist=n1", process::PROGRAM, "run"]).args(work.words(&run_dir));
    stubs.found_by(&mut command).envs([("SLURM_JOB_ID", "7"), ("SLURM_JOB_NODELIST", "n1")]);
    let ended = finish(&mut work.surround(command));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert_eq!(digest(&run_dir), work.digest_of_one());
    no_meeting(&run_dir);
}

/// One of three tasks never comes, and an earlier start of the job was killed while it waited.
#[test]
fn tasks_of_srun_that_wait_in_vain_leave_no_directory() {
    let work = Work::new(10);
    let run_dir = work.folder.join("run");
    fs::create_dir_all(run_dir.join(".meet-7.4.0")).expect("own folder");
    fs::write(run_dir.join(".meet-7.4.0/key"), "of the first start").expect("own folder");
    let start = |task: u32| {
        let mut command = process::clean(Command::new(process::PROGRAM));
        command.arg("run").args(work.words(&run_dir)).env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "2");
        let numbers =
            [("SLURM_JOB_ID", 7), ("SLURM_STEP_ID", 4), ("SLURM_RESTART_COUNT", 1), ("SLURM_STEP_NUM_TASKS", 3)];
        command.envs(numbers.map(|(name, number)| (name, number.to_string())));
        command.env("SLURM_PROCID", task.to_string()).env("SLURM_LOCALID", task.to_string());
        command.env("SLURM_STEP_TASKS_PER_NODE", "3").env("SLURM_JOB_NODELIST", "n1");
        Running::start(&mut work.surround(command))
    };
    for ended in all_end([0, 2].map(start).into(), 4) {
        assert!(ended.stderr.contains("rank 1 did not come to "), "{}", ended.text());
    }
    no_meeting(&run_dir);
}
