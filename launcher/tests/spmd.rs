//! One job, one result, with real processes: `rankzero launch` starts the ranks, and `summary.json` tells the digest.
//!
//! What needs mpirun, or the meshes of RANKZERO_TEST_MESHES, is skipped with a loud line where that is missing.

#[path = "cli/process.rs"]
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use process::{Ended, Folder, Running, alive, finish, jobs, rankzero, signal, until};
use rankzero_frames::{FrameDir, Kind, Surface};
use serde_json::Value;

/// Bodies of each of the demo's four groups.
const EACH: u64 = 8;
/// Steps of the shortened demo: the layers of the rain meet on the ground.
const STEPS: u64 = 45;
/// Batches of the shortened demo.
const BATCHES: u64 = 4 * EACH;
const STRATEGIES: [&str; 4] = ["least-loaded", "round-robin", "capability", "priority"];

/// A job, its overrides, and a folder for its runs.
struct Work {
    folder: Folder,
    job: PathBuf,
    set: Vec<String>,
    /// Ranks share the cores: one test at a time.
    _alone: MutexGuard<'static, ()>,
}

/// How a run is spread.
#[derive(Clone, Copy)]
struct Spread {
    ranks: u32,
    threads: u32,
}

const ONE: Spread = Spread { ranks: 1, threads: 1 };

fn spread(ranks: u32) -> Spread {
    Spread { ranks, threads: 1 }
}

impl Work {
    fn new(job: &str, steps: u64) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let set = [
            "time.duration_s=null",
            &format!("time.steps={steps}"),
            "output.frames={geometry: none}",
            // A busy machine is no dead rank.
            "network.result_timeout_ms=60000",
        ];
        Work {
            folder: Folder::new(),
            job: jobs().join(job),
            set: set.map(str::to_owned).to_vec(),
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The demo with fewer and faster bodies, so that they meet soon.
    fn demo() -> Self {
        let mut work = Work::new("demo.yaml", STEPS);
        for (group, speed) in [6, 10, 13, 15].iter().enumerate() {
            work.set.push(format!("soft_bodies[{group}].count={EACH}"));
            work.set.push(format!("soft_bodies[{group}].velocity_m_s=[0, -{speed}, 0]"));
        }
        work
    }

    /// The whole demo, which runs long enough to be disturbed.
    fn long() -> Self {
        Work::new("demo.yaml", 100_000)
    }

    fn with(mut self, set: &str) -> Self {
        self.set.push(set.to_owned());
        self
    }

    /// The launch, and its run directory.
    fn command(&self, name: &str, spread: Spread, more: &[String]) -> (Command, PathBuf) {
        let run_dir = self.folder.join(name);
        let mut command = rankzero();
        command.arg("launch").arg(&self.job).args(["-n", &spread.ranks.to_string()]);
        command.args(["--threads", &spread.threads.to_string(), "--json", "--quiet", "--run-dir"]).arg(&run_dir);
        command.args(self.set.iter().chain(more).flat_map(|set| ["--set", set]));
        command.env("RANKZERO_CACHE_DIR", self.folder.join("cache"));
        (command, run_dir)
    }

    /// Runs to the end; the summary, as it stands in the file and on stdout.
    fn summary(&self, spread: Spread, more: &[String]) -> Value {
        let name = format!("run-{}", fs::read_dir(self.folder.path()).expect("own folder").count());
        let (mut command, run_dir) = self.command(&name, spread, more);
        let ended = finish(&mut command);
        assert_eq!(ended.code(), 0, "{} ranks, {more:?}: {}", spread.ranks, ended.text());
        let summary = read_summary(&run_dir);
        assert_eq!(serde_json::from_str::<Value>(&ended.stdout).expect("a summary on stdout"), summary);
        assert_eq!(summary["ranks"], spread.ranks);
        assert_eq!(summary["threads_per_rank"], spread.threads);
        assert_eq!(summary["ending"], "finished");
        summary
    }

    fn digest(&self, spread: Spread, more: &[String]) -> String {
        digest_of(&self.summary(spread, more))
    }
}

fn digest_of(summary: &Value) -> String {
    let digest = summary["digest"].as_str().expect("a digest").to_owned();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    digest
}

fn read_summary(run_dir: &Path) -> Value {
    let bytes = fs::read(run_dir.join("summary.json")).expect("a summary");
    serde_json::from_slice(&bytes).expect("a whole summary")
}

/// The journal's whole lines.
fn journal(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "a line is written whole");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

/// The process of each rank, by its first lines in the journal.
fn pids(run_dir: &Path) -> BTreeMap<u64, u32> {
    let started = journal(run_dir).into_iter().take_while(|line| line["event"] == "rank_started");
    started.map(|l| (l["rank"].as_u64().expect("a rank"), l["pid"].as_u64().expect("a pid") as u32)).collect()
}

/// Whether mpirun is there; a loud line where it is not.
fn has_mpirun() -> bool {
    let found = Command::new("mpirun").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: mpirun is not installed, so runs of several ranks are NOT TESTED here");
    }
    found
}

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

/// Every frame is listed, whole, and shows every soft body once; returns the steps.
fn check_frames(run_dir: &Path) -> BTreeSet<u64> {
    let frames = FrameDir::of(run_dir);
    let collection = frames.read_collection().expect("a collection");
    let mut shown: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for part in collection.data_sets() {
        let (stamp, surface) = Surface::read(&frames.path().join(&part.file)).expect("a whole part");
        let mut bodies: Vec<(u32, u8)> = surface.body.iter().copied().zip(surface.kind.iter().copied()).collect();
        bodies.dedup();
        let soft = bodies.iter().filter(|(_, kind)| *kind == Kind::Soft as u8).map(|(body, _)| *body);
        if !part.file.contains("static") {
            assert!((stamp.time_s - part.time_s).abs() < 1e-9);
            shown.entry(stamp.step).or_default().extend(soft);
        }
    }
    for (step, bodies) in &mut shown {
        bodies.sort_unstable();
        let expected = bodies.len() as u32;
        assert!(expected > 0 && bodies.iter().copied().eq(0..expected), "step {step}: {bodies:?}");
    }
    shown.into_keys().collect()
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

/// No process of the run is left.
fn nobody_left(pids: &BTreeMap<u64, u32>) {
    for &pid in pids.values() {
        until("all ranks to be gone", Duration::from_secs(10), || (!alive(pid)).then_some(()));
    }
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

fn killed(victim: u64) -> Ended {
    let work =
        Work::long().with("output.frames={every_steps: 4, geometry: surface}").with("network.result_timeout_ms=3000");
    let (running, run_dir, pids) = disturbed(&work, 3);
    let begun = Instant::now();
    signal(pids[&victim], Signal::SIGKILL);
    let ended = running.end();
    // Ten times the time that a silent rank is given, on a machine that may have other things to do.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    nobody_left(&pids);
    assert!(!run_dir.join("summary.json").exists(), "a run that failed has no summary");
    ended
}

#[test]
fn the_death_of_a_rank_ends_the_run_and_is_told() {
    if !has_mpirun() {
        return;
    }
    for victim in [1, 0] {
        let ended = killed(victim);
        assert_eq!(ended.code(), 4, "{}", ended.text());
        let blamed = [format!("of rank {victim};"), format!("rank {victim} failed")];
        assert!(blamed.iter().any(|words| ended.stderr.contains(words)), "rank {victim}: {}", ended.text());
        assert!(!ended.text().contains("panicked"), "{}", ended.text());
    }
}
