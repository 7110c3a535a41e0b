//! Processes that enter a run which is going on, and ranks that leave it on purpose: the result is that of a run which is left in peace.
//!
//! Real processes, started by hand and under mpirun. What needs that is skipped with a loud line where it is missing.

#[path = "cli/bare.rs"]
mod bare;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/net.rs"]
mod net;
#[path = "cli/process.rs"]
mod process;
#[path = "cli/work.rs"]
mod work;

use std::fs;
use std::os::unix::process::CommandExt;

use bare::Work;
use live::{Live, endless, numbers};
use nix::sys::signal::Signal;
use process::{finish, signal};
use serde_json::{Value, json};
use work::has_mpirun;

#[test]
fn a_newcomer_gets_work_and_changes_no_bit() {
    let work = endless();
    for founders in [2, 3] {
        let mut live = Live::start(&work, &format!("of-{founders}"), founders, "");
        let pid = live.join("");
        let rank = live.joined(pid);
        assert_eq!(rank, u64::from(founders), "the first number that is no founder's");
        live.has_work(rank);
        live.steps_on();
        let summary = live.stop();
        assert_eq!((&summary["ranks"], &summary["ranks_started"]), (&json!(founders + 1), &json!(founders)));
        assert_eq!(summary["recoveries"], json!([]), "nobody was lost");
    }
}

/// Who comes while a run is on its way to its own end is there at that, too; who comes too late is told so.
#[test]
fn a_run_with_a_newcomer_ends_by_itself() {
    let mut work = endless();
    // How many steps it takes until somebody has come in depends on the machine.
    for steps in [500, 2000, 8000] {
        work = work.with(&format!("time.steps={steps}"));
        let mut live = Live::start(&work, &format!("of-{steps}"), 2, "");
        let pid = live.join("");
        let newcomer = live.take(pid);
        let summary = live.all_end(0, "finished");
        let ended = newcomer.end();
        if summary["ranks"] == 3 {
            assert_eq!(ended.code(), 0, "{}", ended.text());
            return;
        }
        assert_eq!(ended.code(), 3, "{}", ended.text());
        assert!(ended.stderr.contains("still going on"), "{}", ended.text());
    }
    panic!("nobody has come in");
}

#[test]
fn a_newcomer_enters_what_mpirun_or_a_launch_has_started() {
    let work = endless();
    for via in ["mpi", "bare"] {
        if via == "mpi" && !has_mpirun() {
            continue;
        }
        let mut live = Live::launch(&work, via, 2, via);
        let pid = live.join("");
        let rank = live.joined(pid);
        live.has_work(rank);
        assert_eq!(live.stop()["ranks"], 3, "{via}");
    }
}

#[test]
fn a_newcomer_takes_the_place_of_a_master_that_has_died() {
    let work = endless();
    let mut live = Live::start(&work, "run", 3, "");
    live.kill(0);
    let pid = live.join("");
    let rank = live.joined(pid);
    live.has_work(rank);
    assert_eq!(live.members(), [1, 2, rank]);
    // The one that has come is a rank like the others: those from the start may go.
    live.steps_on();
    live.kill(1);
    live.steps_on();
    live.kill(2);
    live.steps_on();
    assert_eq!((live.master(), live.members()), (rank, vec![rank]));
    assert_eq!(live.stop()["ranks"], 1);
}

#[test]
fn two_newcomers_at_once_both_get_in() {
    let work = endless();
    let mut live = Live::start(&work, "run", 2, "");
    let pids = [live.join(""), live.join("")];
    let ranks = pids.map(|pid| live.joined(pid));
    ranks.iter().for_each(|&rank| live.has_work(rank));
    assert_eq!(live.stop()["ranks"], 4);
}

#[test]
fn a_newcomer_may_die_while_it_enters_and_afterwards() {
    let work = endless().with("fault_tolerance.newcomers=8");
    let mut live = Live::start(&work, "run", 2, "");
    let points = ["view", "entered", "planned", "restored", "resumed"];
    for (nth, point) in points.iter().enumerate() {
        let pid = live.join(&format!("{point}:kill:{}", 2 + nth));
        assert_eq!(live.ended(pid).code(), -9, "{point}");
        live.steps_on();
    }
    let pid = live.join("");
    let rank = live.joined(pid);
    live.has_work(rank);
    live.kill(rank);
    live.steps_on();
    assert_eq!(live.stop()["ranks"], 2);
}

/// Before anybody has let it in, it is nobody whose death matters.
#[test]
fn a_newcomer_that_is_killed_at_the_door_disturbs_nobody() {
    let work = endless();
    let mut live = Live::start(&work, "run", 2, "");
    let pid = live.join("");
    process::until("a newcomer at the door", live::PATIENCE, || {
        live.run_dir.join("door/00002.json").exists().then_some(())
    });
    signal(pid, Signal::SIGKILL);
    assert_eq!(live.ended(pid).code(), -9);
    let pid = live.join("");
    assert_eq!(live.joined(pid), 3, "the number is not given again");
    assert_eq!(live.stop()["ranks"], 3);
}

/// Who dies with those in it that let a newcomer in leaves it to the others to go on.
#[test]
fn a_rank_may_die_while_a_newcomer_enters() {
    let work = endless();
    for (victim, point) in [(0, "view"), (0, "gathered"), (1, "entered"), (0, "restored")] {
        let mut live = Live::start(&work, &format!("{point}-{victim}"), 3, &format!("{point}:kill:{victim}"));
        let dies = live.pid(victim);
        let pid = live.join("");
        assert_eq!(live.ended(dies).code(), -9);
        let rank = live.joined(pid);
        live.has_work(rank);
        assert_eq!(live.stop()["ranks"], 3, "{point}");
    }
}

#[test]
fn a_rank_that_is_asked_to_leaves_and_the_others_have_what_it_had() {
    let work = endless();
    for leaves in [1, 0] {
        let mut live = Live::start(&work, &format!("without-{leaves}"), 3, "");
        let (pid, past) = (live.pid(leaves), live.events().len());
        live.drain(leaves);
        let ended = live.ended(pid);
        assert_eq!(ended.code(), 0, "{}", ended.text());
        live.without(past, leaves);
        live.steps_on();
        let events = live.events();
        assert!(events.iter().any(|e| e["event"] == "migrated" && e["from"] == leaves), "its batches went to others");
        assert!(events.iter().any(|e| e["event"] == "rank_left" && e["rank"] == leaves), "it is told of");
        let last = events.iter().rev().find(|e| e["event"] == "recovered").expect("told");
        assert!(!numbers(&last["batch_to_rank"]).contains(&leaves), "{last}");
        let summary = live.stop();
        assert_eq!((&summary["ranks"], &summary["recoveries"]), (&json!(2), &json!([])), "no loss, but a farewell");
    }
}

#[test]
fn a_launch_whose_ranks_leave_one_by_one_goes_on_with_newcomers() {
    let work = endless();
    let mut live = Live::launch(&work, "run", 2, "bare");
    let pid = live.join("");
    let rank = live.joined(pid);
    let past = live.events().len();
    live.drain(0);
    live.without(past, 0);
    live.steps_on();
    assert_eq!(live.members(), [1, rank]);
    assert_eq!(live.stop()["ranks"], 2);
}

/// Code 3, and words that say what to do.
fn refused(live: &Live<'_>, told: &[&str]) {
    let ended = finish(&mut live.joining());
    assert_eq!(ended.code(), 3, "{}", ended.text());
    told.iter().for_each(|told| assert!(ended.stderr.contains(told), "`{told}` in {}", ended.text()));
}

#[test]
fn who_finds_no_place_is_told_which_field_gives_more() {
    let work = endless();
    let none = work.with("fault_tolerance.newcomers=0");
    let live = Live::start(&none, "none", 2, "");
    refused(&live, &["fault_tolerance.newcomers"]);
    live.stop();
    let one = none.with("fault_tolerance.newcomers=1");
    let mut live = Live::start(&one, "one", 2, "");
    let pid = live.join("");
    live.joined(pid);
    refused(&live, &["places", "fault_tolerance.newcomers"]);
    live.stop();
}

#[test]
fn a_run_that_is_over_has_no_door() {
    let work = Work::new(20);
    let run_dir = work.folder.join("run");
    assert_eq!(finish(&mut work.launch(2, &run_dir)).code(), 0);
    for words in [vec!["join"], vec!["drain"]] {
        let mut command = process::rankzero();
        command.args(&words).arg(&run_dir);
        if words == ["drain"] {
            command.arg("0");
        }
        let ended = finish(&mut command);
        assert_eq!(ended.code(), 3, "{}", ended.text());
        assert!(ended.stderr.contains("still going on"), "{}", ended.text());
    }
}

#[test]
fn a_newcomer_of_another_user_is_refused() {
    const NOBODY: u32 = 65534;
    let work = endless();
    let live = Live::start(&work, "run", 2, "");
    if nix::unistd::geteuid().is_root() {
        // The program may lie where nobody else comes in.
        let program = work.folder.join("rankzero");
        fs::copy(process::PROGRAM, &program).expect("own folder");
        let mut command = process::clean(std::process::Command::new(&program));
        command.arg("join").arg(&live.run_dir).uid(NOBODY).gid(NOBODY);
        let ended = finish(&mut command);
        assert_eq!(ended.code(), 3, "{}", ended.text());
        assert!(ended.stderr.contains("Permission denied") && ended.stderr.contains("is it yours"), "{}", ended.text());
    } else {
        eprintln!("SKIPPED: not root, so a newcomer of another user is NOT TESTED here");
    }
    live.stop();
}

/// A file that lies at the door without a proof lets nobody in, and disturbs nobody.
#[test]
fn what_is_no_proof_at_the_door_counts_for_nothing() {
    let work = endless();
    let live = Live::start(&work, "run", 2, "");
    let door = live.run_dir.join("door");
    fs::write(door.join("00002.json"), r#"{"text": "{}", "proof": "00"}"#).expect("own folder");
    fs::write(door.join("00003.json"), vec![0xff; 4096]).expect("own folder");
    fs::write(door.join("00009.leave"), "").expect("own folder");
    live.steps_on();
    live.steps_on();
    let summary = live.stop();
    assert_eq!(summary["ranks"], Value::from(2));
}
