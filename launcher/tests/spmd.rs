//! One job, one result, with real processes: `rankzero launch` starts the ranks, and `summary.json` tells the digest.
//!
//! What needs mpirun, or the meshes of RANKZERO_TEST_MESHES, is skipped with a loud line where that is missing.

#[path = "cli/process.rs"]
mod process;
#[path = "cli/work.rs"]
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use process::{Running, finish, rankzero, signal, until};
use rankzero_frames::FrameDir;
use serde_json::Value;
use work::{
    BATCHES, EACH, ONE, STEPS, STRATEGIES, Spread, Work, check_frames, digest_of, has_mpirun, journal, nobody_left,
    pids, read_summary, spread,
};

#[test]
fn any_number_of_ranks_and_threads_gives_one_digest() {
    let work = Work::demo();
    let one = work.digest(ONE, &[]);
    assert_eq!(work.digest(Spread { ranks: 1, threads: 2 }, &[]), one, "2 threads");
    if !has_mpirun() {
        return;
    }
    for ranks in [2, 3, 4, 8] {
        for threads in [1, 2] {
            assert_eq!(work.digest(Spread { ranks, threads }, &[]), one, "{ranks} ranks of {threads} threads");
        }
    }
}

#[test]
fn every_strategy_gives_one_digest() {
    if !has_mpirun() {
        return;
    }
    let work = Work::demo();
    let one = work.digest(ONE, &[]);
    for strategy in STRATEGIES {
        let set = format!("balance.strategy={strategy}");
        assert_eq!(work.digest(spread(3), &[set]), one, "{strategy}");
    }
}

#[test]
fn a_mesh_from_a_file_gives_one_digest_however_it_is_spread() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/meshes");
    let file = std::env::var_os("RANKZERO_TEST_MESHES").map_or(shared, PathBuf::from).join("spot.obj");
    if !file.is_file() {
        eprintln!("SKIPPED: no {}, so meshes from files are NOT TESTED here; set RANKZERO_TEST_MESHES", file.display());
        return;
    }
    // A tower, so that its bodies touch, thrown at the ground.
    let work = Work::new("mesh.yaml", 30)
        .with(&format!("soft_bodies[0].shape.mesh.file={}", file.display()))
        .with("soft_bodies[0].shape.mesh.tetrahedra.voxel.resolution=8")
        .with("soft_bodies[0].layout={stack: {base_m: [0, 0.6, 0], spacing_m: 0.85}}")
        .with("soft_bodies[0].velocity_m_s=[0, -4, 0]");
    let one = work.digest(ONE, &[]);
    assert_eq!(work.digest(Spread { ranks: 1, threads: 2 }, &[]), one, "2 threads");
    if !has_mpirun() {
        return;
    }
    for (ranks, threads) in [(2, 1), (3, 2), (4, 1), (8, 2)] {
        assert_eq!(work.digest(Spread { ranks, threads }, &[]), one, "{ranks} ranks of {threads} threads");
    }
    for strategy in STRATEGIES {
        assert_eq!(work.digest(spread(3), &[format!("balance.strategy={strategy}")]), one, "{strategy}");
    }
    let moved = work.summary(spread(3), &["balance.moves=[{step: 15, batch: 1, to_rank: 2}]".to_owned()]);
    assert_eq!(digest_of(&moved), one, "a batch moved by hand");
}

#[test]
fn a_batch_moved_by_hand_does_not_show_in_the_digest() {
    if !has_mpirun() {
        return;
    }
    let work = Work::demo().with("balance.migration.enabled=false").with("balance.strategy=round-robin");
    let one = work.digest(ONE, &[]);
    let moves = "balance.moves=[{step: 10, batch: 0, to_rank: 2}, {step: 30, batch: 1, to_rank: 0}, {step: 30, batch: 5, to_rank: 1}]";
    let summary = work.summary(spread(3), &[moves.to_owned()]);
    assert_eq!(summary["migrations"], 3);
    assert_eq!(digest_of(&summary), one);
}

#[test]
fn a_lopsided_start_is_balanced_and_the_digest_stays() {
    if !has_mpirun() {
        return;
    }
    let work = Work::demo();
    let one = work.digest(ONE, &[]);
    let all_to_one: Vec<String> = (0..BATCHES).map(|b| format!("{{step: 0, batch: {b}, to_rank: 1}}")).collect();
    let moves = format!("balance.moves=[{}]", all_to_one.join(", "));
    let (mut command, run_dir) =
        work.command("lopsided", spread(2), &[moves, "balance.migration.cooldown_steps=5".to_owned()]);
    assert_eq!(finish(&mut command).code(), 0);
    let by_itself = |event: &&Value| event["event"] == "migrated" && event["step"] != 0;
    let events = journal(&run_dir);
    let moved: Vec<&Value> = events.iter().filter(by_itself).collect();
    assert!(moved.iter().any(|event| event["from"] == 1 && event["to"] == 0), "{events:?}");
    let summary = read_summary(&run_dir);
    let all = events.iter().filter(|event| event["event"] == "migrated").count();
    assert!(all > moved.len(), "some were moved by hand");
    assert_eq!(summary["migrations"], all);
    assert_eq!(digest_of(&summary), one);
}

#[test]
fn the_run_directory_holds_journal_summary_and_frames() {
    let ranks = if has_mpirun() { 3 } else { 1 };
    let work = Work::demo().with("output.frames={every_steps: 20, geometry: surface}");
    let (mut command, run_dir) = work.command("files", spread(ranks), &[]);
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    check_journal(&run_dir, ranks);
    check_summary(&read_summary(&run_dir), ranks);
    let frames = check_frames(&run_dir);
    assert_eq!(frames.into_iter().collect::<Vec<_>>(), [0, 20, 40, STEPS]);
    let resolved = finish(rankzero().arg("check").arg(run_dir.join("job.yaml")));
    assert_eq!(resolved.code(), 0, "the resolved job is a job: {}", resolved.text());
}

fn check_journal(run_dir: &Path, ranks: u32) {
    let events = journal(run_dir);
    for (rank, event) in events.iter().take(ranks as usize).enumerate() {
        assert_eq!(event["event"], "rank_started");
        assert_eq!(event["rank"], rank);
        assert!(event["pid"].is_u64() && event["host"].as_str().is_some_and(|host| !host.is_empty()), "{event}");
    }
    assert!(events.iter().skip(ranks as usize).all(|event| event["event"] != "rank_started"));
    assert!(events.iter().all(|event| event["step"].is_u64() && event["t_s"].is_f64()), "{events:?}");
    assert_eq!(pids(run_dir).values().collect::<BTreeSet<_>>().len(), ranks as usize);
    assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from("finished")));
}

/// Whichever rung serves, whether packets carry differences, and when rungs break and come back: the result is the same.
#[test]
fn no_path_between_ranks_changes_the_result() {
    if !has_mpirun() {
        return;
    }
    let work = Work::demo();
    let alone = work.summary(ONE, &[])["digest"].clone();
    let on = |fabric: &str, compression: &str| {
        [format!("network.fabric={fabric}"), format!("network.compression={compression}")]
    };
    for (fabric, compression) in [("shm", "auto"), ("mpi", "on"), ("mpi", "off"), ("tcp", "on"), ("tcp", "auto")] {
        let summary = work.summary(spread(4), &on(fabric, compression));
        assert_eq!(summary["digest"], alone, "{fabric}, compression {compression}");
        assert_eq!(summary["per_rank"][3]["paths"], format!("{fabric} (3 peers)"));
    }
    let (mut command, run_dir) = work.command("ladder", spread(4), &on("shm", "on"));
    command.env("RANKZERO_FAULTS", "8:break:shm,16:break:mpi,24:mend:shm");
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let summary = read_summary(&run_dir);
    assert_eq!(summary["digest"], alone, "down the ladder and up again");
    for rank in summary["per_rank"].as_array().expect("a list") {
        assert!(rank["rung_changes"].as_u64() >= Some(6), "from shm to mpi to tcp, with three peers: {rank}");
    }
}

fn check_summary(summary: &Value, ranks: u32) {
    assert_eq!(summary["steps"], STEPS);
    assert_eq!(summary["ranks"], ranks);
    assert_eq!(summary["bodies"], 4 * EACH);
    for positive in ["tets", "wall_s", "cpu_s", "cpu_steps_s", "substeps", "nodes", "batches", "state_bytes", "frames"]
    {
        assert!(summary[positive].as_f64().is_some_and(|x| x > 0.0), "{positive} of {summary}");
    }
    for part in ["solve_s", "contact_s", "halo_s", "wait_s", "rigid_s", "output_s"] {
        assert!(summary["time_split"][part].is_f64(), "{part} of {summary}");
    }
    let fabrics = summary["bytes_by_fabric"].as_array().expect("a list");
    let sent = |fabric: &Value| fabric["fabric"].is_string() && fabric["sent_bytes"].as_u64().is_some_and(|n| n > 0);
    assert!(fabrics.iter().all(sent) && (ranks == 1 || !fabrics.is_empty()), "{fabrics:?}");
    let of_ranks = summary["per_rank"].as_array().expect("a list");
    assert_eq!(of_ranks.len(), ranks as usize);
    let bodies: u64 = of_ranks.iter().filter_map(|rank| rank["bodies"].as_u64()).sum();
    assert_eq!(bodies, 4 * EACH);
}

/// A long run with several steps behind it.
fn disturbed(work: &Work, ranks: u32) -> (Running, PathBuf, BTreeMap<u64, u32>) {
    let (mut command, run_dir) = work.command("long", spread(ranks), &[]);
    let running = Running::start(&mut command);
    until("several frames", Duration::from_secs(60), || {
        FrameDir::of(&run_dir).read_collection().ok().filter(|c| c.data_sets().last().is_some_and(|d| d.time_s > 0.1))
    });
    let pids = pids(&run_dir);
    assert_eq!(pids.len(), ranks as usize);
    (running, run_dir, pids)
}

fn stopped_by_sigterm(ranks: u32) {
    let work = Work::long().with("output.frames={every_steps: 4, geometry: surface}");
    let (running, run_dir, pids) = disturbed(&work, ranks);
    signal(running.pid(), Signal::SIGTERM);
    let ended = running.end();
    nobody_left(&pids);
    assert_eq!(ended.code(), 5, "{}", ended.text());
    let summary = read_summary(&run_dir);
    assert_eq!(summary["ending"], "stopped");
    let steps = summary["steps"].as_u64().expect("steps");
    assert!(0 < steps && steps < summary["steps_planned"].as_u64().expect("steps"));
    let frames = check_frames(&run_dir);
    assert_eq!(frames.last(), Some(&steps), "the last step has a frame");
    let events = journal(&run_dir);
    assert_eq!(events.last().map(|e| (&e["event"], &e["step"])), Some((&"stopped".into(), &steps.into())));
}

#[test]
fn sigterm_stops_one_rank_with_all_files_whole() {
    stopped_by_sigterm(1);
}

#[test]
fn sigterm_stops_a_launch_with_all_files_whole() {
    if has_mpirun() {
        stopped_by_sigterm(3);
    }
}
