//! Runs without MPI, with real processes: started by `rankzero launch --via bare`, by hand, and on hosts of their own.

#[path = "cli/bare.rs"]
mod bare;
#[path = "cli/net.rs"]
mod net;
#[path = "cli/process.rs"]
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bare::{Work, all_end, digest, gone, on_hosts, summary, under_way};
use net::Network;
use nix::sys::signal::Signal;
use process::{Running, alive, clean, finish, signal, until};

#[test]
fn any_number_of_ranks_gives_the_digest_of_one() {
    let work = Work::new(45);
    let one = work.digest_of_one();
    for ranks in [2, 3, 8] {
        let run_dir = work.folder.join(&format!("run-{ranks}"));
        let ended = finish(&mut work.launch(ranks, &run_dir));
        assert_eq!(ended.code(), 0, "{ranks} ranks: {}", ended.text());
        let summary = summary(&run_dir);
        assert_eq!((summary["digest"].as_str(), &summary["ranks"]), (Some(one.as_str()), &ranks.into()));
        assert_eq!(work.left(), [] as [PathBuf; 0], "{ranks} ranks");
    }
    let journal = fs::read_to_string(work.folder.join("run-2").join("events.jsonl")).expect("a journal");
    assert!(
        journal.contains("\"launcher\":\"no MPI launcher\"") && journal.contains("the run was started without MPI")
    );
}

/// Also while paths break and come back, batches move, and the connection of the start is all there is.
#[test]
fn no_path_between_ranks_changes_the_result() {
    let work = Work::new(45);
    let one = work.digest_of_one();
    let moves = "balance.moves=[{step: 10, batch: 0, to_rank: 2}, {step: 30, batch: 1, to_rank: 0}]";
    let cases: [(&str, &[&str]); 4] = [
        ("", &["network.fabric=tcp", "network.compression=on"]),
        ("", &["network.fabric=tcp", "network.compression=off", moves]),
        ("8:break:shm,24:mend:shm", &["network.fabric=shm", moves]),
        ("8:break:tcp,24:mend:tcp", &[]),
    ];
    for (case, (faults, set)) in cases.into_iter().enumerate() {
        let run_dir = work.folder.join(&format!("run-{case}"));
        let mut command = work.launch(4, &run_dir);
        command.args(set.iter().flat_map(|set| ["--set", set])).env("RANKZERO_FAULTS", faults);
        let ended = finish(&mut command);
        assert_eq!(ended.code(), 0, "{faults} {set:?}: {}", ended.text());
        assert_eq!(digest(&run_dir), one, "{faults} {set:?}");
    }
}

/// Under mpirun, too: state goes over TCP there as well.
#[test]
fn encryption_does_not_change_the_result() {
    let work = Work::new(45);
    let one = work.digest_of_one();
    for (via, set) in [
        ("bare", ["network.fabric=tcp", "network.tls=all"]),
        ("bare", ["network.fabric=auto", "network.tls=control"]),
        ("mpi", ["network.fabric=tcp", "network.tls=all"]),
    ] {
        let run_dir = work.folder.join(&format!("{via}-{}", set[1]));
        let mut command = work.launch_via(via, 3, &run_dir);
        let ended = finish(command.args(set.iter().flat_map(|set| ["--set", set])));
        assert_eq!(ended.code(), 0, "{via} {set:?}: {}", ended.text());
        assert_eq!(digest(&run_dir), one, "{via} {set:?}");
        let journal = fs::read_to_string(run_dir.join("events.jsonl")).expect("a journal");
        assert_eq!(journal.contains(", encrypted"), set[1].ends_with("all"), "{via} {set:?}");
    }
}

#[test]
fn mpi_that_was_not_started_is_refused_by_name() {
    let work = Work::new(10).with("network.fabric=mpi");
    let ended = finish(&mut work.launch(2, &work.folder.join("run")));
    assert_eq!(ended.code(), 3, "{}", ended.text());
    assert!(ended.stderr.contains("the run was started without MPI"), "{}", ended.text());
}

#[test]
fn the_code_and_the_words_of_a_job_that_is_wrong_come_through() {
    let work = Work::new(10).with("time.substeps=many");
    let ended = finish(&mut work.launch(3, &work.folder.join("run")));
    assert_eq!(ended.code(), 2, "{}", ended.text());
    assert!(ended.stderr.contains("time.substeps"), "{}", ended.text());
    assert_eq!(work.left(), [] as [PathBuf; 0]);
}

#[test]
fn ranks_can_be_started_by_hand_and_by_the_lines_of_a_dry_run() {
    let work = Work::new(20);
    let one = work.digest_of_one();
    let by_hand = work.folder.join("by-hand");
    let start = |rank| Running::start(&mut work.rank(rank, 3, &by_hand));
    // The master comes last.
    all_end([2, 1, 0].map(start).into(), 0);
    assert_eq!(digest(&by_hand), one);
    let scripted = work.folder.join("scripted");
    let lines = finish(work.launch(2, &scripted).arg("--dry-run"));
    assert_eq!(lines.code(), 0, "{}", lines.text());
    let mut shell = clean(Command::new("sh"));
    shell.args(["-c", &lines.stdout]);
    let ended = finish(&mut work.surround(shell));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert_eq!(digest(&scripted), one);
}

#[test]
fn a_rank_that_is_missing_is_named_in_time() {
    let work = Work::new(10);
    let run_dir = work.folder.join("run");
    let begun = Instant::now();
    let start = |rank: u32| Running::start(work.rank(rank, 3, &run_dir).env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "2"));
    for ended in all_end([0, 2].map(start).into(), 4) {
        assert!(ended.stderr.contains("rank 1 did not come to "), "{}", ended.text());
    }
    let ended = all_end(vec![start(1)], 4);
    assert!(
        ended[0].stderr.contains("from rank 0, rank 2"),
        "what they have left is worth nothing: {}",
        ended[0].text()
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    let mut wrong = work.rank(0, 3, &run_dir);
    let ended = finish(wrong.env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "soon"));
    assert_eq!(ended.code(), 3, "{}", ended.text());
}

/// The launch knows, so nobody waits for the time-out.
#[test]
fn a_rank_that_ends_before_all_have_met_is_named_at_once() {
    let work = Work::new(10);
    let mut command = work.launch(3, &work.folder.join("run"));
    // No rank but the first can listen here, nor look for addresses.
    command.env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "3600").env("RANKZERO_INTERFACE", "nowhere0");
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 4, "{}", ended.text());
    assert!(ended.stderr.contains("nowhere0"), "{}", ended.text());
}

#[test]
fn a_key_that_others_may_read_and_a_place_that_others_may_write_to_are_refused() {
    let work = Work::new(10);
    let run_dir = work.folder.join("run");
    let meeting = work.meeting();
    fs::create_dir(&meeting).expect("own folder");
    let short = |rank: u32| finish(work.rank(rank, 2, &run_dir).env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "1"));
    fs::write(meeting.join("key"), format!("{}\n", "ab".repeat(32))).expect("own folder");
    fs::set_permissions(meeting.join("key"), fs::Permissions::from_mode(0o644)).expect("own file");
    let ended = short(1);
    assert_eq!(ended.code(), 4, "{}", ended.text());
    assert!(ended.stderr.contains("its mode is 0644"), "{}", ended.text());
    fs::set_permissions(&meeting, fs::Permissions::from_mode(0o777)).expect("own folder");
    let ended = short(0);
    assert_eq!(ended.code(), 3, "{}", ended.text());
    assert!(ended.stderr.contains("its mode is 0777"), "{}", ended.text());
}

#[test]
fn a_run_starts_where_another_was_cut_off_while_it_met() {
    let work = Work::new(20);
    let one = work.digest_of_one();
    let run_dir = work.folder.join("run");
    let early: Vec<Running> = [0, 1].map(|rank| Running::start(&mut work.rank(rank, 3, &run_dir))).into();
    until("two words", Duration::from_secs(30), || {
        let names =
            fs::read_dir(work.meeting()).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        (names.filter(|name| name.starts_with("rz-") && !name.contains("draft")).count() == 2).then_some(())
    });
    early.iter().for_each(|rank| signal(rank.pid(), Signal::SIGKILL));
    early.into_iter().for_each(|rank| drop(rank.end()));
    let stale = fs::read_dir(work.meeting()).expect("left").count();
    assert!(stale >= 3, "{stale} files");
    // Rank 1 finds the old key and the old words first.
    let mut ranks = vec![Running::start(&mut work.rank(1, 3, &run_dir))];
    std::thread::sleep(Duration::from_millis(300));
    ranks.extend([2, 0].map(|rank| Running::start(&mut work.rank(rank, 3, &run_dir))));
    all_end(ranks, 0);
    assert_eq!(digest(&run_dir), one);
}

#[test]
fn sigterm_stops_a_launch_with_all_files_whole() {
    let work = Work::long();
    let run_dir = work.folder.join("run");
    let running = Running::start(&mut work.launch(3, &run_dir));
    let pids = under_way(&run_dir, 3);
    signal(running.pid(), Signal::SIGTERM);
    let ended = running.end();
    gone(&pids);
    assert_eq!(ended.code(), 5, "{}", ended.text());
    assert_eq!(summary(&run_dir)["ending"], "stopped");
    assert_eq!(work.left(), [] as [PathBuf; 0]);
}

#[test]
fn ranks_end_in_order_when_their_launch_is_killed() {
    let work = Work::long();
    let run_dir = work.folder.join("run");
    let running = Running::start(&mut work.launch(3, &run_dir));
    let pids = under_way(&run_dir, 3);
    signal(running.pid(), Signal::SIGKILL);
    running.end();
    gone(&pids);
    assert_eq!(summary(&run_dir)["ending"], "stopped");
}

#[test]
fn the_death_of_a_rank_is_survived_by_its_launch() {
    let work = Work::new(1500).with("output.frames={every_steps: 4, geometry: surface}");
    let one = work.digest_of_one();
    for victim in [1, 0] {
        let run_dir = work.folder.join(&format!("without-{victim}"));
        let running = Running::start(&mut work.launch(3, &run_dir));
        let pids = under_way(&run_dir, 3);
        signal(pids[victim], Signal::SIGKILL);
        let ended = running.end();
        gone(&pids);
        assert_eq!(ended.code(), 0, "rank {victim}: {}", ended.text());
        let summary = summary(&run_dir);
        assert_eq!(summary["digest"], one.as_str(), "rank {victim}");
        assert_eq!((&summary["ending"], &summary["ranks"]), (&"finished".into(), &2.into()));
        let lost = &summary["recoveries"][0]["lost"];
        assert_eq!(lost, &serde_json::json!([victim]), "{summary}");
        assert_eq!(work.left(), [] as [PathBuf; 0]);
    }
}

#[test]
fn ranks_on_hosts_of_their_own_give_the_digest_of_one() {
    let Some(network) = Network::new(3, "runs over several networks are") else { return };
    let work = Work::new(45);
    let one = work.digest_of_one();
    let work = work.with("network.fabric=tcp");
    let run_dir = work.folder.join("run");
    all_end(on_hosts(&work, &network, 3, &run_dir), 0);
    assert_eq!(digest(&run_dir), one);
    let journal = fs::read_to_string(run_dir.join("events.jsonl")).expect("a journal");
    assert!(journal.contains("10.99.0.1:") && journal.contains("10.99.0.3:"), "{journal}");
}

/// Words go over TCP only, data through shared memory: a network that is away for a while costs nothing but the time until it is back.
#[test]
fn a_network_that_goes_and_comes_back_is_survived_where_data_takes_another_path() {
    let Some(network) = Network::new(3, "networks that come back are") else { return };
    // The watch over the others goes by the network, too: it must be patient.
    let work = Work::long().with("network.heartbeat_timeout_ms=60000");
    let run_dir = work.folder.join("run");
    let ranks = on_hosts(&work, &network, 3, &run_dir);
    let pids = under_way(&run_dir, 3);
    network.plug(1, false);
    // Longer than a host may be silent.
    std::thread::sleep(Duration::from_secs(8));
    assert!(pids.iter().all(|&pid| alive(pid)), "nobody misses anybody");
    network.plug(1, true);
    std::thread::sleep(Duration::from_secs(6));
    signal(pids[0], Signal::SIGUSR1);
    all_end(ranks, 5);
    assert_eq!(summary(&run_dir)["ending"], "stopped");
    let journal = fs::read_to_string(run_dir.join("events.jsonl")).expect("a journal");
    assert!(journal.contains("shm (2 peers)"), "{journal}");
}
