//! Runs without MPI: a job, its overrides, its run directories, the commands that start its ranks, and what becomes of them.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rankzero_frames::FrameDir;
use serde_json::Value;

use crate::net::Network;
use crate::process::{Ended, Folder, PROGRAM, Running, alive, clean, finish, jobs, rankzero, until};

/// A job, and a folder for its runs.
pub struct Work {
    pub folder: Folder,
    pub set: Vec<String>,
    /// Ranks share the cores: one test at a time.
    _alone: MutexGuard<'static, ()>,
}

impl Work {
    /// The demo with fewer and faster bodies, for so many steps.
    pub fn new(steps: u64) -> Work {
        static ALONE: Mutex<()> = Mutex::new(());
        Work { folder: Folder::new(), set: demo(steps), _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// A run that is long enough to be disturbed.
    pub fn long() -> Work {
        Work::new(100_000).with("output.frames={every_steps: 4, geometry: surface}")
    }

    pub fn with(mut self, set: &str) -> Work {
        self.set.push(set.to_owned());
        self
    }

    /// The words behind `run` or `launch`.
    pub fn words(&self, run_dir: &Path) -> Vec<String> {
        words(&self.set, run_dir)
    }

    pub fn launch(&self, ranks: u32, run_dir: &Path) -> Command {
        self.launch_via("bare", ranks, run_dir)
    }

    pub fn launch_via(&self, via: &str, ranks: u32, run_dir: &Path) -> Command {
        let mut command = rankzero();
        command.args(["launch", "--via", via, "-n", &ranks.to_string()]).args(self.words(run_dir));
        self.surround(command)
    }

    /// One rank that is started by hand.
    pub fn rank(&self, rank: u32, size: u32, run_dir: &Path) -> Command {
        let mut command = rankzero();
        command.arg("run").args(self.words(run_dir));
        self.number(command, rank, size)
    }

    pub fn number(&self, mut command: Command, rank: u32, size: u32) -> Command {
        command.env("RANKZERO_RENDEZVOUS", self.meeting());
        command.env("RANKZERO_RANK", rank.to_string()).env("RANKZERO_SIZE", size.to_string());
        // They share this machine's cores, on whatever hosts they take themselves to be.
        command.env("RANKZERO_LOCAL_RANK", rank.to_string()).env("RANKZERO_LOCAL_SIZE", size.to_string());
        command.env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "60");
        self.surround(command)
    }

    /// Nothing of a launch is left beside the folder of its test.
    pub fn surround(&self, mut command: Command) -> Command {
        let temporary = self.folder.join("tmp");
        fs::create_dir_all(&temporary).expect("own folder");
        command.env("RANKZERO_CACHE_DIR", self.folder.join("cache")).env("TMPDIR", temporary);
        // For who looks for the cause of a failure: what processes have said is shown with it.
        if let Some(filter) = std::env::var_os("RANKZERO_TEST_LOG") {
            command.env("RANKZERO_LOG", filter);
        }
        command
    }

    pub fn meeting(&self) -> PathBuf {
        self.folder.join("meeting")
    }

    pub fn digest_of_one(&self) -> String {
        let run_dir = self.folder.join("one");
        let mut command = rankzero();
        command.arg("run").args(self.words(&run_dir));
        let ended = finish(&mut self.surround(command));
        assert_eq!(ended.code(), 0, "{}", ended.text());
        digest(&run_dir)
    }

    /// What launches have left of their own files.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("tmp")).expect("own folder").flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

/// The overrides that make the demo small and quick, for so many steps.
pub fn demo(steps: u64) -> Vec<String> {
    let mut set = vec![
        "time.duration_s=null".to_owned(),
        format!("time.steps={steps}"),
        "output.frames={geometry: none}".to_owned(),
        // A busy machine is no dead rank.
        "network.result_timeout_ms=60000".to_owned(),
    ];
    for (group, speed) in [6, 10, 13, 15].iter().enumerate() {
        set.push(format!("soft_bodies[{group}].count=8"));
        set.push(format!("soft_bodies[{group}].velocity_m_s=[0, -{speed}, 0]"));
    }
    set
}

/// The words behind `run` or `launch`, with these overrides.
pub fn words(set: &[String], run_dir: &Path) -> Vec<String> {
    let mut words = vec![jobs().join("demo.yaml").display().to_string()];
    words.extend(["--threads", "1", "--quiet", "--run-dir"].map(str::to_owned));
    words.push(run_dir.display().to_string());
    words.extend(set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    words
}

pub fn summary(run_dir: &Path) -> Value {
    let bytes = fs::read(run_dir.join("summary.json")).expect("a summary");
    serde_json::from_slice(&bytes).expect("a whole summary")
}

pub fn digest(run_dir: &Path) -> String {
    summary(run_dir)["digest"].as_str().expect("a digest").to_owned()
}

/// The first steps of the journal, each rank's process among them.
pub fn pids(run_dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "rank_started").filter_map(|line| Some(line["pid"].as_u64()? as u32)).collect()
}

/// Waits until a run has several steps behind it; the processes of its ranks.
pub fn under_way(run_dir: &Path, ranks: usize) -> Vec<u32> {
    let last = |after: f64| {
        let collection = FrameDir::of(run_dir).read_collection().ok()?;
        collection.data_sets().last().filter(|part| part.time_s > after).map(drop)
    };
    until("several frames", Duration::from_secs(60), || last(0.1));
    let pids = pids(run_dir);
    assert_eq!(pids.len(), ranks);
    pids
}

pub fn gone(pids: &[u32]) {
    for &pid in pids {
        until("all ranks to be gone", Duration::from_secs(10), || (!alive(pid)).then_some(()));
    }
}

/// All ends, with what was said where one is not `code`.
pub fn all_end(ranks: Vec<Running>, code: i32) -> Vec<Ended> {
    let ended: Vec<Ended> = ranks.into_iter().map(Running::end).collect();
    let told: String = ended.iter().map(Ended::text).collect();
    assert!(ended.iter().all(|rank| rank.code() == code), "{:?}: {told}", codes(&ended));
    ended
}

pub fn codes(ended: &[Ended]) -> Vec<i32> {
    ended.iter().map(Ended::code).collect()
}

/// One rank of each host, in a network namespace of its own.
pub fn on_hosts(work: &Work, network: &Network, size: u32, run_dir: &Path) -> Vec<Running> {
    let start = |rank: u32| {
        let mut command = network.on(rank as usize, PROGRAM);
        command.arg("run").args(work.words(run_dir));
        Running::start(&mut work.number(clean(command), rank, size))
    };
    (0..size).map(start).collect()
}
