//! Networks that are cut: the part that may go on does, with the result of a run that is left in peace; the other one keeps still, and
//! ends by itself when it learns that it was left out.
//!
//! Every rank in a network namespace of its own, all data over TCP. Wants root, and is skipped with a loud line otherwise.

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

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use bare::Work;
use live::{Live, endless};
use net::Network;
use nix::sys::signal::Signal;
use process::{alive, signal};
use serde_json::json;

/// What is tested, for the line that says that it is not.
const WHAT: &str = "cuts of a network are";

/// Silence is noticed soon, but not at once: the machine may be busy.
fn work() -> Work {
    endless().with("network.fabric=tcp").with("network.heartbeat_ms=100").with("network.heartbeat_timeout_ms=1500")
}

/// Files that these ranks have written, with the time of the last change.
fn written_by(run_dir: &Path, ranks: &[u64]) -> BTreeMap<String, SystemTime> {
    let entries = fs::read_dir(run_dir.join("frames")).into_iter().flatten().flatten();
    let of = |name: &str| ranks.iter().any(|rank| name.contains(&format!(".r{rank:03}.")));
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)));
    let theirs = named.filter(|(name, _)| of(name));
    theirs.filter_map(|(name, entry)| Some((name, entry.metadata().ok()?.modified().ok()?))).collect()
}

/// These ranks live, and write nothing for a while.
fn keep_still(live: &Live<'_>, ranks: &[u64]) {
    let before = written_by(&live.run_dir, ranks);
    live.steps_on();
    live.steps_on();
    sleep(Duration::from_millis(500));
    let after = written_by(&live.run_dir, ranks);
    // Those who go on may have taken back what came too late to count.
    assert!(after.iter().all(|(name, at)| before.get(name) == Some(at)), "{before:?} {after:?}");
    ranks.iter().for_each(|&rank| assert!(alive(live.pid(rank)), "rank {rank} waits"));
}

/// `lost` have learnt that they were left out: each ends with its own code and words.
fn end_by_themselves(live: &mut Live<'_>, lost: &[u64]) {
    for &rank in lost {
        let pid = live.pid(rank);
        let ended = live.ended(pid);
        assert_eq!(ended.code(), 6, "rank {rank}: {}", ended.text());
        assert!(ended.stderr.contains(&format!("rank {rank} was left out")), "{}", ended.text());
    }
}

/// The ranks below `first` and the others are cut off from each other; `lost` are those who must wait, and the others go on.
fn cut(size: u32, first: u32, lost: &[u64]) {
    let Some(network) = Network::in_parts(size, first, WHAT) else { return };
    let work = work();
    let mut live = Live::on_hosts(&work, "run", &network, size);
    let past = live.events().len();
    network.cable(false);
    lost.iter().for_each(|&rank| live.without(past, rank));
    let rest: Vec<u64> = (0..u64::from(size)).filter(|rank| !lost.contains(rank)).collect();
    // Whoever of them was the first to notice is the master.
    let mut members = live.members();
    members.sort_unstable();
    assert_eq!(members, rest);
    keep_still(&live, lost);
    network.cable(true);
    end_by_themselves(&mut live, lost);
    live.steps_on();
    assert_eq!(live.stop()["ranks"], rest.len());
}

#[test]
fn of_two_the_one_with_rank_0_goes_on() {
    cut(2, 1, &[1]);
}

#[test]
fn of_three_the_majority_goes_on_with_rank_0_or_without() {
    cut(3, 2, &[2]);
    cut(3, 1, &[0]);
}

#[test]
fn of_four_halves_the_one_with_rank_0_goes_on() {
    cut(4, 2, &[2, 3]);
}

#[test]
fn of_eight_halves_the_one_with_rank_0_goes_on() {
    cut(8, 4, &[4, 5, 6, 7]);
}

#[test]
fn of_eight_the_majority_goes_on_without_rank_0() {
    cut(8, 3, &[0, 1, 2]);
}

#[test]
fn a_cut_that_is_shorter_than_the_timeout_costs_nobody() {
    let Some(network) = Network::in_parts(3, 2, WHAT) else { return };
    let work = work().with("network.heartbeat_timeout_ms=20000");
    let live = Live::on_hosts(&work, "run", &network, 3);
    network.cable(false);
    sleep(Duration::from_secs(2));
    network.cable(true);
    live.steps_on();
    live.steps_on();
    let summary = live.stop();
    assert_eq!((&summary["ranks"], &summary["recoveries"]), (&json!(3), &json!([])));
}

#[test]
fn who_is_not_to_wait_for_a_majority_ends_with_its_code() {
    let Some(network) = Network::in_parts(3, 2, WHAT) else { return };
    let work = work().with("fault_tolerance.on_lost_quorum=stop");
    let mut live = Live::on_hosts(&work, "run", &network, 3);
    let (pid, past) = (live.pid(2), live.events().len());
    network.cable(false);
    let ended = live.ended(pid);
    assert_eq!(ended.code(), 4, "{}", ended.text());
    assert!(ended.stderr.contains("fault_tolerance.on_lost_quorum"), "{}", ended.text());
    live.without(past, 2);
    live.steps_on();
    assert_eq!(live.stop()["ranks"], 2);
}

/// Cut off once, a rank is out for good; a fresh process takes its place.
#[test]
fn after_a_cut_a_newcomer_fills_the_gap() {
    let Some(network) = Network::in_parts(3, 2, WHAT) else { return };
    let work = work();
    let mut live = Live::on_hosts(&work, "run", &network, 3);
    let past = live.events().len();
    network.cable(false);
    live.without(past, 2);
    network.cable(true);
    end_by_themselves(&mut live, &[2]);
    let pid = live.join_on(&network, 2);
    let rank = live.joined(pid);
    live.has_work(rank);
    assert_eq!(live.stop()["ranks"], 3);
}

/// When the network is whole again the others have finished and are gone, so nobody tells it that it was left out. The journal does; it does not
/// begin the run anew.
#[test]
fn who_was_cut_off_until_the_end_finds_the_run_over() {
    for (first, lost) in [(2, 2), (1, 0)] {
        let Some(network) = Network::in_parts(3, first, WHAT) else { return };
        let work = work().with("time.steps=400");
        let mut live = Live::on_hosts(&work, &format!("without-{lost}"), &network, 3);
        let (pid, past) = (live.pid(lost), live.events().len());
        network.cable(false);
        live.without(past, lost);
        let left_out = live.take(pid);
        let rest: Vec<u32> = (0..3).filter(|rank| *rank != lost).map(|rank| live.pid(rank)).collect();
        for pid in rest {
            let ended = live.ended(pid);
            assert_eq!(ended.code(), 0, "{}", ended.text());
        }
        let summary = fs::read(live.run_dir.join("summary.json")).expect("a summary");
        network.cable(true);
        let ended = left_out.end();
        assert_eq!(ended.code(), 0, "{}", ended.text());
        assert!(ended.stderr.contains("the run has ended already"), "{}", ended.text());
        assert_eq!(fs::read(live.run_dir.join("summary.json")).expect("a summary"), summary, "it is left as it was");
        assert_eq!(live.all_end(0, "finished")["ranks"], 2);
    }
}

/// The master hears both, so only that data does not get through between them shows it.
#[test]
fn of_two_workers_that_do_not_reach_each_other_one_is_left_out() {
    let Some(network) = Network::new(4, WHAT) else { return };
    let work = work().with("network.result_timeout_ms=6000");
    let mut live = Live::on_hosts(&work, "run", &network, 4);
    let past = live.events().len();
    if !network.part([1, 3]) {
        eprintln!(
            "SKIPPED: this system's bridges cannot part two ports, so a cut between two workers is NOT TESTED here"
        );
        live.stop();
        return;
    }
    live.until_after(past, "view without one of them", |e| {
        e["event"] == "view" && live::numbers(&e["members"]).len() == 3
    });
    let out: Vec<u64> = [1, 3].into_iter().filter(|rank| !live.members().contains(rank)).collect();
    assert_eq!(out.len(), 1, "one is enough");
    end_by_themselves(&mut live, &out);
    live.steps_on();
    assert_eq!(live.stop()["ranks"], 3);
}

/// The same for silence of another kind: without MPI, and on one machine.
#[test]
fn a_rank_that_was_stopped_is_left_out_and_ends_by_itself() {
    let work = endless().with("network.heartbeat_ms=100").with("network.heartbeat_timeout_ms=1500");
    for victim in [0, 2] {
        let mut live = Live::start(&work, &format!("stopped-{victim}"), 3, "");
        let (pid, past) = (live.pid(victim), live.events().len());
        signal(pid, Signal::SIGSTOP);
        live.without(past, victim);
        live.steps_on();
        signal(pid, Signal::SIGCONT);
        end_by_themselves(&mut live, &[victim]);
        live.steps_on();
        assert_eq!(live.stop()["ranks"], 2);
    }
}
