//! Runs that are disturbed while they go on: ranks that a test starts, adds, kills and stops by hand, what their journal tells, and the
//! digest after every step of a run that is left in peace.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bare::{Work, demo, on_hosts, words};
use crate::net::Network;
use crate::process::{Ended, Folder, PROGRAM, Running, alive, clean, finish, rankzero, signal, until};
use crate::work::{check_frames, journal, read_summary};

/// The longest that anything may take which is sure to happen, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Steps whose digests are known. A run that is stopped by its test has many more before it.
pub const KNOWN: u64 = 2500;

/// The demo with few bodies, with no end of its own in sight. Tests end it by a signal, however fast or slow the machine is.
pub fn endless() -> Work {
    Work::new(1_000_000)
        .with("output.frames={every_steps: 64, geometry: surface}")
        .with("network.sync_interval_ms=20")
        .with("balance.migration.cooldown_steps=4")
}

/// The digest of each step of a run that nobody disturbs, up to [`KNOWN`].
fn in_peace() -> &'static BTreeMap<u64, String> {
    static DIGESTS: OnceLock<BTreeMap<u64, String>> = OnceLock::new();
    DIGESTS.get_or_init(once_for_all_tests)
}

/// One such run for each build of the program: the test that comes first computes it, others wait for that and read what it leaves.
fn once_for_all_tests() -> BTreeMap<u64, String> {
    let program = fs::read(PROGRAM).expect("the program");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&program).update(demo(KNOWN).join("\n").as_bytes());
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peace-{}.json", hasher.finalize().to_hex()));
    let turn = fs::File::create(place.with_extension("lock")).expect("a file to lock");
    turn.lock().expect("a lock");
    if let Some(known) = fs::read(&place).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return known;
    }
    let digests = run_in_peace(KNOWN);
    fs::write(&place, serde_json::to_vec(&digests).expect("plain values")).expect("own folder");
    digests
}

fn run_in_peace(steps: u64) -> BTreeMap<u64, String> {
    let folder = Folder::new();
    let run_dir = folder.join("peace");
    let mut set = demo(steps);
    set.push("fault_tolerance.epoch_steps=1".to_owned());
    let mut command = rankzero();
    command.arg("run").args(words(&set, &run_dir)).env("RANKZERO_CACHE_DIR", folder.join("cache"));
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    digests(&events(&run_dir)).into_iter().collect()
}

/// The journal's lines so far; the last one may be under way.
pub fn events(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

/// Steps and digests that a journal tells of.
fn digests(events: &[Value]) -> Vec<(u64, String)> {
    let told = |event: &Value| Some((event["step"].as_u64()?, event["digest"].as_str()?.to_owned()));
    events.iter().filter_map(told).collect()
}

/// Numbers of a list of JSON.
pub fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// A run whose processes are the test's; dropping it ends them.
pub struct Live<'a> {
    work: &'a Work,
    pub run_dir: PathBuf,
    /// By process number.
    processes: BTreeMap<u32, Running>,
}

impl<'a> Live<'a> {
    /// Starts `size` ranks with `faults`, and waits until they step.
    pub fn start(work: &'a Work, name: &str, size: u32, faults: &str) -> Self {
        let run_dir = work.folder.join(name);
        let start = |rank| Running::start(work.rank(rank, size, &run_dir).env("RANKZERO_FAULTS", faults));
        let live = Live::of(work, &run_dir, (0..size).map(start).collect());
        live.steps_on();
        live
    }

    /// The same, each rank on a host of its own.
    pub fn on_hosts(work: &'a Work, name: &str, network: &Network, size: u32) -> Self {
        let run_dir = work.folder.join(name);
        let live = Live::of(work, &run_dir, on_hosts(work, network, size, &run_dir));
        live.steps_on();
        live
    }

    /// Starts `size` ranks by `rankzero launch`, which is the process that is waited for at the end.
    pub fn launch(work: &'a Work, name: &str, size: u32, via: &str) -> Self {
        let run_dir = work.folder.join(name);
        let launch = Running::start(&mut work.launch_via(via, size, &run_dir));
        let live = Live::of(work, &run_dir, vec![launch]);
        live.steps_on();
        live
    }

    fn of(work: &'a Work, run_dir: &Path, started: Vec<Running>) -> Self {
        let processes = started.into_iter().map(|running| (running.pid(), running)).collect();
        Live { work, run_dir: run_dir.to_owned(), processes }
    }

    /// A newcomer comes to the door; its process number.
    pub fn join(&mut self, faults: &str) -> u32 {
        let mut command = self.joining();
        let running = Running::start(command.env("RANKZERO_FAULTS", faults));
        let pid = running.pid();
        self.processes.insert(pid, running);
        pid
    }

    /// The same on a host of its own.
    pub fn join_on(&mut self, network: &Network, host: usize) -> u32 {
        let mut command = clean(network.on(host, PROGRAM));
        command.arg("join").arg(&self.run_dir).args(["--threads", "1", "--quiet"]);
        let running = Running::start(&mut self.work.surround(command));
        let pid = running.pid();
        self.processes.insert(pid, running);
        pid
    }

    /// The command of a newcomer.
    pub fn joining(&self) -> Command {
        let mut command = rankzero();
        command.arg("join").arg(&self.run_dir).args(["--threads", "1", "--quiet"]);
        self.work.surround(command)
    }

    /// Asks a rank to leave.
    pub fn drain(&self, rank: u64) {
        let mut command = rankzero();
        command.arg("drain").arg(&self.run_dir).arg(rank.to_string());
        let ended = finish(&mut self.work.surround(command));
        assert_eq!(ended.code(), 0, "{}", ended.text());
    }

    pub fn events(&self) -> Vec<Value> {
        events(&self.run_dir)
    }

    /// Waits for an event; a process that ends meanwhile which is not to end is told of.
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until_after(0, what, wanted)
    }

    /// Waits for an event behind the first `past` ones.
    pub fn until_after(&self, past: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.events().into_iter().skip(past).find(&wanted) {
                return event;
            }
            let tail: Vec<String> = self.events().iter().rev().take(8).rev().map(Value::to_string).collect();
            assert!(Instant::now() < deadline, "no {what}: {}{}", tail.join("\n"), self.told());
            sleep(Duration::from_millis(20));
        }
    }

    /// What all processes have said so far.
    fn told(&self) -> String {
        let of = |(pid, running): (&u32, &Running)| format!("\n{pid} (alive: {}): {}", alive(*pid), running.said());
        self.processes.iter().map(of).collect()
    }

    /// Waits until an epoch is committed that is none yet.
    pub fn steps_on(&self) {
        let past = self.events().len();
        self.until_after(past, "epoch", |event| event["event"] == "epoch");
    }

    /// The members, by the journal.
    pub fn members(&self) -> Vec<u64> {
        let events = self.events();
        let view = events.iter().rev().find(|event| event["event"] == "view");
        let founders = events.iter().filter(|event| event["event"] == "rank_started");
        view.map_or_else(|| founders.filter_map(|f| f["rank"].as_u64()).collect(), |view| numbers(&view["members"]))
    }

    /// The master, by the journal.
    pub fn master(&self) -> u64 {
        let events = self.events();
        let view = events.iter().rev().find(|event| event["event"] == "view");
        view.map_or(0, |view| view["master"].as_u64().expect("a master"))
    }

    /// The process of a rank.
    pub fn pid(&self, rank: u64) -> u32 {
        let started = |event: &&Value| {
            event["rank"] == rank && ["rank_started", "rank_joined"].iter().any(|kind| event["event"] == *kind)
        };
        let pid = self.events().iter().rev().find(started).and_then(|event| event["pid"].as_u64());
        pid.expect("a process") as u32
    }

    /// Waits until the newcomer of this process is a member; its rank.
    pub fn joined(&self, pid: u32) -> u64 {
        let event = self.until("newcomer in the journal", |e| e["event"] == "rank_joined" && e["pid"] == pid);
        let rank = event["rank"].as_u64().expect("a rank");
        self.until("view with the newcomer", |e| e["event"] == "view" && numbers(&e["members"]).contains(&rank));
        rank
    }

    /// Waits until a batch has moved to `rank`.
    pub fn has_work(&self, rank: u64) {
        self.until("batch that moves to it", |e| e["event"] == "migrated" && e["to"] == rank);
    }

    /// Kills a rank as `kill -9` does, and waits until the others go on without it.
    pub fn kill(&mut self, rank: u64) {
        let (pid, past) = (self.pid(rank), self.events().len());
        signal(pid, Signal::SIGKILL);
        self.without(past, rank);
        assert_eq!(self.ended(pid).code(), -9);
    }

    /// Waits until a view without `rank` is in force, and steps are done in it.
    pub fn without(&self, past: usize, rank: u64) {
        self.until_after(past, "view without it", |e| e["event"] == "view" && !numbers(&e["members"]).contains(&rank));
    }

    /// Takes a process out: its end is the caller's.
    pub fn take(&mut self, pid: u32) -> Running {
        self.processes.remove(&pid).expect("own process")
    }

    /// Waits for the end of a process.
    pub fn ended(&mut self, pid: u32) -> Ended {
        let ended = self.take(pid).end();
        assert!(!ended.text().contains("panicked"), "{}", ended.text());
        ended
    }

    /// Ends the run by a signal to one rank. All processes that are left must say that it was stopped, and the files be whole, with the
    /// digest of a run in peace. Returns the summary.
    pub fn stop(self) -> Value {
        let pid = self.pid(self.master());
        signal(pid, Signal::SIGUSR1);
        self.all_end(5, "stopped")
    }

    /// All processes that are left end with `code`.
    pub fn all_end(mut self, code: i32, ending: &str) -> Value {
        for pid in self.processes.keys().copied().collect::<Vec<_>>() {
            let ended = self.ended(pid);
            assert_eq!(ended.code(), code, "{pid}: {}{}", ended.text(), self.told());
        }
        check(&self.run_dir, ending)
    }

    /// No process of the run is left.
    pub fn nobody_left(run_dir: &Path) {
        for event in events(run_dir).iter().filter(|event| event["pid"].is_u64()) {
            let pid = event["pid"].as_u64().expect("a pid") as u32;
            until("all ranks to be gone", PATIENCE, || (!alive(pid)).then_some(()));
        }
    }
}

/// The files of a run that has ended are whole, and no digest in them differs from that of a run in peace. Returns the summary.
pub fn check(run_dir: &Path, ending: &str) -> Value {
    Live::nobody_left(run_dir);
    let summary = read_summary(run_dir);
    assert_eq!(summary["ending"], ending);
    let events = journal(run_dir);
    let last = events.last().expect("a journal");
    assert_eq!((&last["event"], &last["digest"]), (&Value::from(ending), &summary["digest"]));
    let known = in_peace();
    for (step, digest) in digests(&events) {
        if let Some(peace) = known.get(&step) {
            assert_eq!(&digest, peace, "step {step} of {}", run_dir.display());
        }
    }
    let steps = summary["steps"].as_u64().expect("steps");
    if steps > KNOWN {
        assert_eq!(summary["digest"], run_in_peace(steps)[&steps].as_str(), "after {steps} steps");
    }
    assert!(!run_dir.join("door").exists(), "the door is shut");
    check_frames(run_dir);
    summary
}
