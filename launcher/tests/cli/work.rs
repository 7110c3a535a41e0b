//! Runs of several ranks as processes: a job, its overrides, its run directories, and what they hold.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rankzero_frames::{FrameDir, Kind, Surface};
use serde_json::Value;

use crate::process::{Folder, alive, finish, jobs, rankzero, until};

/// Bodies of each of the demo's four groups.
pub const EACH: u64 = 8;
/// Steps of the shortened demo: the layers of the rain meet on the ground.
pub const STEPS: u64 = 45;
/// Batches of the shortened demo.
pub const BATCHES: u64 = 4 * EACH;
pub const STRATEGIES: [&str; 4] = ["least-loaded", "round-robin", "capability", "priority"];

/// A job, its overrides, and a folder for its runs.
pub struct Work {
    pub folder: Folder,
    pub job: PathBuf,
    pub set: Vec<String>,
    /// Ranks share the cores: one test at a time.
    _alone: MutexGuard<'static, ()>,
}

/// How a run is spread.
#[derive(Clone, Copy)]
pub struct Spread {
    pub ranks: u32,
    pub threads: u32,
}

pub const ONE: Spread = Spread { ranks: 1, threads: 1 };

pub fn spread(ranks: u32) -> Spread {
    Spread { ranks, threads: 1 }
}

impl Work {
    pub fn new(job: &str, steps: u64) -> Self {
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
    pub fn demo() -> Self {
        let mut work = Work::new("demo.yaml", STEPS);
        for (group, speed) in [6, 10, 13, 15].iter().enumerate() {
            work.set.push(format!("soft_bodies[{group}].count={EACH}"));
            work.set.push(format!("soft_bodies[{group}].velocity_m_s=[0, -{speed}, 0]"));
        }
        work
    }

    /// The whole demo, which runs long enough to be disturbed.
    pub fn long() -> Self {
        Work::new("demo.yaml", 100_000)
    }

    pub fn with(mut self, set: &str) -> Self {
        self.set.push(set.to_owned());
        self
    }

    /// The launch, and its run directory.
    pub fn command(&self, name: &str, spread: Spread, more: &[String]) -> (Command, PathBuf) {
        let run_dir = self.folder.join(name);
        let mut command = rankzero();
        command.arg("launch").arg(&self.job).args(["-n", &spread.ranks.to_string()]);
        command.args(["--threads", &spread.threads.to_string(), "--json", "--quiet", "--run-dir"]).arg(&run_dir);
        command.args(self.set.iter().chain(more).flat_map(|set| ["--set", set]));
        command.env("RANKZERO_CACHE_DIR", self.folder.join("cache"));
        (command, run_dir)
    }

    /// Runs to the end; the summary, as it stands in the file and on stdout.
    pub fn summary(&self, spread: Spread, more: &[String]) -> Value {
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

    pub fn digest(&self, spread: Spread, more: &[String]) -> String {
        digest_of(&self.summary(spread, more))
    }
}

pub fn digest_of(summary: &Value) -> String {
    let digest = summary["digest"].as_str().expect("a digest").to_owned();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    digest
}

pub fn read_summary(run_dir: &Path) -> Value {
    let bytes = fs::read(run_dir.join("summary.json")).expect("a summary");
    serde_json::from_slice(&bytes).expect("a whole summary")
}

/// The journal's whole lines.
pub fn journal(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "a line is written whole");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

/// The process of each rank, by its first lines in the journal.
pub fn pids(run_dir: &Path) -> BTreeMap<u64, u32> {
    let started = journal(run_dir).into_iter().take_while(|line| line["event"] == "rank_started");
    started.map(|l| (l["rank"].as_u64().expect("a rank"), l["pid"].as_u64().expect("a pid") as u32)).collect()
}

/// Whether mpirun is there; a loud line where it is not.
pub fn has_mpirun() -> bool {
    let found = Command::new("mpirun").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: mpirun is not installed, so runs of several ranks are NOT TESTED here");
    }
    found
}

/// Every frame is listed, whole, and shows every soft body once; returns the steps.
pub fn check_frames(run_dir: &Path) -> BTreeSet<u64> {
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

/// No process of the run is left.
pub fn nobody_left(pids: &BTreeMap<u64, u32>) {
    for &pid in pids.values() {
        until("all ranks to be gone", Duration::from_secs(10), || (!alive(pid)).then_some(()));
    }
}
