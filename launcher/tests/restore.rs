//! Checkpoints of real runs: written while the run goes on, restored on any number of ranks, to the result of a run that was never
//! interrupted. A disk that is full, a torn file or a death while one is written costs that checkpoint and nothing else.
//!
//! What needs mpirun, or root for a small disk, is skipped with a loud line where that is missing.

#[path = "cli/process.rs"]
mod process;
#[path = "cli/work.rs"]
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use process::{Running, finish, signal, until};
use serde_json::Value;
use work::{Work, check_frames, has_mpirun, journal, nobody_left, pids, read_summary, spread};

const STEPS: u64 = 96;

fn work() -> Work {
    let mut work = Work::demo();
    work.set.push(format!("time.steps={STEPS}"));
    work.with("output.frames={every_steps: 8, geometry: surface}").with("fault_tolerance.checkpoint.every_steps=32")
}

fn undisturbed(work: &Work) -> Value {
    work.summary(spread(1), &["fault_tolerance.checkpoint.every_steps=null".to_owned()])["digest"].clone()
}

fn run(command: &mut Command) -> Value {
    let ended = finish(command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    serde_json::from_str(&ended.stdout).expect("a summary")
}

/// Steps of the checkpoints that the journal tells of.
fn told(run_dir: &Path) -> Vec<u64> {
    let events = journal(run_dir);
    events.iter().filter(|e| e["event"] == "checkpoint").filter_map(|e| e["step"].as_u64()).collect()
}

fn folders(run_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run_dir.join("checkpoints")).expect("checkpoints").flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

#[test]
fn any_number_of_ranks_goes_on_from_what_another_number_has_written() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    let (mut command, run_dir) = work.command("written", spread(3), &[]);
    assert_eq!(run(&mut command)["digest"], digest);
    assert_eq!(told(&run_dir), [32, 64, 96]);
    let kept = folders(&run_dir);
    assert_eq!(kept.len(), 2, "as many as are to be kept: {kept:?}");
    for ranks in [1, 2, 4] {
        let (mut command, other) = work.command(&format!("on-{ranks}"), spread(ranks), &[]);
        command.arg("--restore").arg(&kept[0]);
        let summary = run(&mut command);
        assert_eq!(summary["digest"], digest, "{ranks} ranks from step 64");
        assert_eq!(check_frames(&other).first(), Some(&64));
        let restored = journal(&other).into_iter().find(|event| event["event"] == "restored").expect("told");
        assert_eq!(restored["step"], 64);
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_in_its_own_directory() {
    if !has_mpirun() {
        return;
    }
    for ranks in [1, 3] {
        let work = work().with("time.steps=400").with("fault_tolerance.checkpoint.every_steps=null");
        let digest = undisturbed(&work);
        let (mut command, run_dir) = work.command("stopped", spread(ranks), &[]);
        let running = Running::start(&mut command);
        until("some frames", Duration::from_secs(60), || run_dir.join("frames/000024.r000.vtp").exists().then_some(()));
        signal(running.pid(), if ranks == 1 { Signal::SIGUSR1 } else { Signal::SIGTERM });
        let ended = running.end();
        assert_eq!(ended.code(), 5, "{}", ended.text());
        nobody_left(&pids(&run_dir));
        let stopped_at = read_summary(&run_dir)["steps"].as_u64().expect("steps");
        assert_eq!(told(&run_dir), [stopped_at]);
        let (mut command, _) = work.command("stopped", spread(2), &[]);
        let summary = run(command.args(["--restore", "latest"]));
        assert_eq!(summary["digest"], digest);
        let frames = check_frames(&run_dir);
        assert_eq!(frames.len(), 400 / 8 + 1, "those from before and those from after: {frames:?}");
    }
}

/// Cuts a part of a checkpoint in half.
fn tear(folder: &Path) {
    let parts = fs::read_dir(folder).expect("files").flatten().map(|entry| entry.path());
    let part = parts.filter(|path| path.to_string_lossy().contains("part-")).min().expect("a part");
    let bytes = fs::read(&part).expect("readable");
    fs::write(&part, &bytes[..bytes.len() / 2]).expect("torn");
}

#[test]
fn a_torn_checkpoint_gives_way_to_the_one_before() {
    let work = work();
    let digest = undisturbed(&work);
    let (mut command, run_dir) = work.command("torn", spread(1), &[]);
    run(&mut command);
    let newest = folders(&run_dir).pop().expect("a checkpoint");
    tear(&newest);
    let (mut command, _) = work.command("torn", spread(1), &[]);
    let ended = finish(command.args(["--restore", "latest"]));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.stderr.contains("is passed over"), "{}", ended.text());
    let summary: Value = serde_json::from_str(&ended.stdout).expect("a summary");
    assert_eq!(summary["digest"], digest);
    // The run has written it anew. Torn again and named, it is refused.
    tear(&newest);
    let (mut command, _) = work.command("torn-2", spread(1), &[]);
    let ended = finish(command.arg("--restore").arg(&newest));
    assert_ne!(ended.code(), 0);
    assert!(ended.stderr.contains("part-"), "the file is named: {}", ended.text());
}

#[test]
fn a_checkpoint_of_another_job_is_refused() {
    let work = work();
    let (mut command, run_dir) = work.command("one", spread(1), &[]);
    run(&mut command);
    let other = work.with("gravity_m_s2=[0, -3, 0]");
    let (mut command, _) = other.command("two", spread(1), &[]);
    let ended = finish(command.arg("--restore").arg(&run_dir));
    assert_eq!(ended.code(), 1, "{}", ended.text());
    assert!(ended.stderr.contains("manifest") || ended.stderr.contains("job"), "{}", ended.text());
}

#[test]
fn who_dies_while_a_checkpoint_is_written_costs_no_older_one() {
    if !has_mpirun() {
        return;
    }
    let work = work().with("network.sync_interval_ms=1");
    let digest = undisturbed(&work);
    for (name, faults) in [("part", "part#2:kill:1"), ("manifest", "manifest#2:kill:0"), ("master", "part#2:kill:0")] {
        let (mut command, run_dir) = work.command(name, spread(3), &[]);
        command.env("RANKZERO_FAULTS", faults);
        assert_eq!(run(&mut command)["digest"], digest, "{faults}");
        let list = finish(process::rankzero().args(["checkpoint", "verify"]).arg(&run_dir));
        assert_eq!(list.code(), 0, "{faults}: {}", list.text());
        assert_eq!(told(&run_dir).last(), Some(&96), "{faults}");
    }
}

#[test]
fn where_no_copy_is_left_in_memory_the_newest_checkpoint_serves() {
    if !has_mpirun() {
        return;
    }
    let work = work().with("fault_tolerance.replicas=0");
    let digest = undisturbed(&work);
    let (mut command, run_dir) = work.command("bare", spread(3), &[]);
    command.env("RANKZERO_FAULTS", "90:kill:0");
    let summary = run(&mut command);
    assert_eq!(summary["digest"], digest);
    let from = summary["recoveries"][0]["from_step"].as_u64().expect("a step");
    assert!(told(&run_dir).contains(&from) && from > 0, "{summary}");
    assert_eq!(check_frames(&run_dir).len() as u64, STEPS / 8 + 1);
}

/// A disk of its own, too small; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "rankzero-test"]).arg(&at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no tmpfs can be mounted, so a full disk is NOT TESTED here");
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_costs_the_checkpoint_and_not_the_run() {
    let work = work();
    let digest = undisturbed(&work);
    let Some(disk) = SmallDisk::mount(work.folder.join("small")) else { return };
    let ranks = if has_mpirun() { 2 } else { 1 };
    let directory = format!("fault_tolerance.checkpoint.directory={}", disk.0.display());
    let (mut command, run_dir) = work.command("full", spread(ranks), &[directory]);
    let summary = run(&mut command);
    assert_eq!(summary["digest"], digest);
    let failed: Vec<Value> = journal(&run_dir).into_iter().filter(|e| e["event"] == "checkpoint_failed").collect();
    assert!(!failed.is_empty() && told(&run_dir).is_empty());
    let why = failed[0]["why"].as_str().expect("a reason");
    assert!(why.contains("No space left"), "{why}");
    assert!(summary["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()), "{summary}");
}
