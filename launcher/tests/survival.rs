//! Ranks that die, stop or are cut off, in every phase of a run: the others finish with the result of a run that was left in peace.
//!
//! Real processes under mpirun. What needs it is skipped with a loud line where it is missing.

#[path = "cli/process.rs"]
mod process;
#[path = "cli/work.rs"]
mod work;

use std::time::Duration;

use nix::sys::signal::Signal;
use process::{Running, finish, signal, until};
use serde_json::Value;
use work::{Work, check_frames, has_mpirun, journal, nobody_left, pids, read_summary, spread};

/// Steps of a run: five epochs lie in it.
const STEPS: u64 = 96;

/// The demo with few bodies, copied as often as can be, and with frames.
fn work() -> Work {
    let mut work = Work::demo();
    work.set.push(format!("time.steps={STEPS}"));
    work.with("network.sync_interval_ms=1").with("output.frames={every_steps: 8, geometry: surface}")
}

/// The digest of a run that nobody disturbs.
fn undisturbed(work: &Work) -> Value {
    let alone = work.summary(spread(1), &[]);
    alone["digest"].clone()
}

/// Runs `ranks` ranks with `faults`; they must finish with `digest`, and leave all files whole. Returns the summary.
fn survives(work: &Work, ranks: u32, faults: &str, digest: &Value, set: &[&str]) -> Value {
    let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
    let (mut command, run_dir) = work.command(&name(ranks, faults), spread(ranks), &set);
    command.env("RANKZERO_FAULTS", faults);
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{ranks} ranks, {faults}: {}", ended.text());
    assert!(!ended.text().contains("panicked"), "{faults}: {}", ended.text());
    nobody_left(&pids(&run_dir));
    let summary = read_summary(&run_dir);
    assert_eq!(&summary["digest"], digest, "{ranks} ranks, {faults}");
    assert_eq!(summary["ending"], "finished");
    let frames = check_frames(&run_dir);
    assert_eq!(frames.len() as u64, STEPS / 8 + 1, "{faults}: {frames:?}");
    let events = journal(&run_dir);
    assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from("finished")), "{faults}");
    summary
}

/// The name of a run directory.
fn name(ranks: u32, faults: &str) -> String {
    format!("{ranks}-{}", faults.replace([':', ',', '#'], "-"))
}

/// Who was lost, over all recoveries of the last master.
fn lost(summary: &Value) -> Vec<u64> {
    let recoveries = summary["recoveries"].as_array().expect("a list");
    recoveries.iter().flat_map(|r| r["lost"].as_array().expect("a list").iter().filter_map(Value::as_u64)).collect()
}

#[test]
fn any_rank_may_die_rank_0_too() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    for (ranks, victim) in [(2, 0), (2, 1), (3, 0), (4, 2), (8, 0)] {
        let faults = format!("40:kill:{victim}");
        let summary = survives(&work, ranks, &faults, &digest, &[]);
        assert_eq!(lost(&summary), [victim]);
        assert_eq!(summary["ranks"], ranks - 1);
        let recovery = &summary["recoveries"][0];
        assert_eq!(recovery["from_step"], 32, "the last epoch before step 40: {recovery}");
        // The lowest that lives stands first, but on a busy machine another may be quicker.
        let master = recovery["master"].as_u64().expect("a rank");
        assert!(master != victim && (victim == 0 || master == 0), "a master that lives stays: {recovery}");
        let epochs: Vec<Value> =
            journal(&work.folder.join(&name(ranks, &faults))).into_iter().filter(|e| e["event"] == "epoch").collect();
        assert!(epochs.iter().any(|e| e["step"] == 80), "copies are kept again afterwards: {epochs:?}");
    }
}

#[test]
fn a_rank_may_die_in_every_phase() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    for point in ["epoch#2", "copied#2", "commit#2", "frame#3", "frame#1", "end", "summary"] {
        for victim in [0, 2] {
            if victim != 0 && ["commit#2", "summary"].contains(&point) {
                continue; // Only the master passes there.
            }
            survives(&work, 4, &format!("{point}:kill:{victim}"), &digest, &[]);
        }
    }
}

#[test]
fn ranks_may_die_while_the_others_recover() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    for point in ["view", "entered", "planned", "restored", "resumed"] {
        for victim in [1, 3] {
            // Rank 1 is the next master, rank 3 keeps copies for nobody who has died.
            survives(&work, 4, &format!("40:kill:0,{point}:kill:{victim}"), &digest, &["fault_tolerance.replicas=2"]);
        }
    }
    survives(&work, 4, "40:kill:0,gathered:kill:1", &digest, &[]);
    survives(&work, 4, "40:kill:0,view:kill:1,view#2:kill:2", &digest, &["fault_tolerance.replicas=3"]);
}

#[test]
fn several_may_die_at_once_all_but_one_too() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    survives(&work, 4, "40:kill:0,40:kill:2", &digest, &["fault_tolerance.replicas=2"]);
    survives(&work, 4, "40:kill:0,40:kill:1,40:kill:2", &digest, &["fault_tolerance.replicas=3"]);
    // One after the other.
    survives(&work, 4, "24:kill:0,50:kill:1,70:kill:2", &digest, &[]);
}

#[test]
fn where_all_copies_of_a_batch_are_lost_the_run_begins_anew() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    // The copies of rank 1 are with rank 2.
    let summary = survives(&work, 4, "40:kill:1,40:kill:2", &digest, &[]);
    assert_eq!(summary["recoveries"][0]["from_step"], 0);
    let summary = survives(&work, 3, "40:kill:1", &digest, &["fault_tolerance.replicas=0"]);
    assert_eq!(summary["recoveries"][0]["from_step"], 0);
}

#[test]
fn no_path_between_ranks_is_needed_for_survival() {
    if !has_mpirun() {
        return;
    }
    let work = work();
    let digest = undisturbed(&work);
    for fabric in ["tcp", "mpi"] {
        survives(&work, 3, "40:kill:0", &digest, &[&format!("network.fabric={fabric}")]);
    }
}

/// A rank that is stopped for longer than the heartbeat timeout is left out; when it wakes up it learns that and ends by itself,
/// having written nothing.
#[test]
fn a_stopped_rank_is_left_out_and_ends_by_itself() {
    if !has_mpirun() {
        return;
    }
    let mut work = work();
    work.set.push("time.steps=4000".to_owned());
    work.set.extend(["network.heartbeat_ms=100", "network.heartbeat_timeout_ms=1000"].map(str::to_owned));
    for victim in [0, 2] {
        let (mut command, run_dir) = work.command(&format!("stop-{victim}"), spread(3), &[]);
        command.env("RANKZERO_FAULTS", format!("60:stop:{victim}"));
        let running = Running::start(&mut command);
        until("the others to go on", Duration::from_secs(60), || {
            journal_so_far(&run_dir).into_iter().find(|event| event["event"] == "recovered")
        });
        let pids = pids(&run_dir);
        let stopped = pids[&victim];
        signal(stopped, Signal::SIGCONT);
        until("the one that was left out to end", Duration::from_secs(20), || (!process::alive(stopped)).then_some(()));
        assert!(!run_dir.join("summary.json").exists(), "the others are still at it");
        pids.values().filter(|&&pid| pid != stopped).for_each(|&pid| signal(pid, Signal::SIGUSR1));
        let ended = running.end();
        assert_eq!(ended.code(), 5, "{}", ended.text());
        assert!(ended.stderr.contains(&format!("rank {victim} was left out")), "{}", ended.text());
        nobody_left(&pids);
        let summary = read_summary(&run_dir);
        let (steps, digest) = (summary["steps"].as_u64().expect("steps"), summary["digest"].clone());
        let same = [format!("time.steps={steps}")];
        assert_eq!(work.summary(spread(1), &same)["digest"], digest, "stopped after {steps} steps");
    }
}

/// The journal's lines so far; the last one may be under way.
fn journal_so_far(run_dir: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Who is stopped for less than the timeout is waited for.
#[test]
fn a_rank_that_pauses_is_no_dead_rank() {
    if !has_mpirun() {
        return;
    }
    let work = work().with("time.steps=1000");
    let (mut command, run_dir) = work.command("pause", spread(3), &[]);
    let running = Running::start(&mut command);
    until("some steps", Duration::from_secs(60), || {
        journal_so_far(&run_dir).into_iter().find(|event| event["event"] == "epoch")
    });
    let pids = pids(&run_dir);
    for victim in [0, 1] {
        signal(pids[&victim], Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(1500));
        signal(pids[&victim], Signal::SIGCONT);
    }
    signal(running.pid(), Signal::SIGTERM);
    let ended = running.end();
    assert_eq!(ended.code(), 5, "{}", ended.text());
    let summary = read_summary(&run_dir);
    assert_eq!((&summary["ranks"], lost(&summary).len()), (&Value::from(3), 0));
}

/// A rank whose heart beats but whose steps do not move is left out; what it was at is written down, and its process ends.
#[test]
fn a_rank_that_hangs_is_left_out_and_its_stack_is_kept() {
    if !has_mpirun() {
        return;
    }
    let mut work = work();
    let digest = undisturbed(&work);
    work.set.extend(["network.heartbeat_ms=100", "network.result_timeout_ms=3000"].map(str::to_owned));
    for victim in [0, 2] {
        let summary = survives(&work, 3, &format!("40:hang:{victim}"), &digest, &[]);
        assert_eq!(lost(&summary), [victim]);
        let how = summary["recoveries"][0]["how"][0].as_str().expect("a reason");
        assert!(how.contains("steps do not move"), "{how}");
        let stack = work.folder.join(&name(3, &format!("40:hang:{victim}"))).join(format!("logs/stack-{victim}.txt"));
        assert!(std::fs::read_to_string(&stack).is_ok_and(|text| text.contains("thread ")), "{}", stack.display());
    }
}
