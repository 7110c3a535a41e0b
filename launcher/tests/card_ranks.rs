//! Ranks with GPUs, emulated ones, of which some are lost: what a card has written for others and for the epoch serves those who go on.

#[path = "common/card.rs"]
mod card;
mod common;
#[path = "cli/process.rs"]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use process::{Ended, Folder, Running, alive, finish, rankzero, signal, until};
use rankzero_gpu_emulator::libraries;
use serde_json::Value;

/// A heap whose bodies stay awake, on three ranks that touch each other's bodies.
struct Heap {
    folder: Folder,
    job: PathBuf,
}

impl Heap {
    fn new() -> Self {
        let folder = Folder::new();
        let job = folder.join("job.yaml");
        fs::write(&job, card::HEAP).expect("own folder");
        Self { folder, job }
    }

    fn run_dir(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, name: &str, device: &str, set: &[&str]) -> Command {
        let mut command = rankzero();
        command.arg("launch").arg(&self.job).args(["-n", "3", "--via", "bare", "--threads", "1", "--device", device]);
        let set = ["sleep.steps=1000000", "network.sync_interval_ms=1"].iter().chain(set);
        command.args(set.flat_map(|set| ["--set", set])).arg("--run-dir").arg(self.run_dir(name));
        command.env("RANKZERO_CACHE_DIR", self.folder.join("cache")).env("LD_LIBRARY_PATH", libraries());
        command
    }

    /// The digest of the same job on processors.
    fn expected(&self, set: &[&str]) -> Value {
        let ended = finish(&mut self.command("processors", "cpu", set));
        assert_eq!(ended.code(), 0, "{}", ended.text());
        summary(&self.run_dir("processors"))["digest"].clone()
    }
}

fn summary(run_dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(run_dir.join("summary.json")).expect("a summary")).expect("a whole summary")
}

fn events(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("events.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn on_cards(ended: &Ended) {
    let words = ended.text();
    assert!(words.contains("on emulated device"), "{words}");
    assert!(!words.contains("computes on the processor"), "{words}");
}

#[test]
fn ranks_with_cards_survive_the_loss_of_rank_0() {
    let (heap, set) = (Heap::new(), ["time.steps=40"]);
    let expected = heap.expected(&set);
    let mut command = heap.command("killed", "gpu", &set);
    let ended = finish(command.env("RANKZERO_FAULTS", "25:kill:0"));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.text().contains("rank 0 is gone"), "{}", ended.text());
    on_cards(&ended);
    let summary = summary(&heap.run_dir("killed"));
    assert_eq!(summary["digest"], expected);
    // What the dead rank's bodies went on from is what cards have copied.
    let from = summary["recoveries"][0]["from_step"].as_u64().expect("a step");
    assert!((1..=25).contains(&from), "{summary}");
}

/// A rank that is left out while it may still live has what it shares with others moved from under it: cards must follow.
#[test]
fn cards_write_where_memory_has_moved_when_a_stopped_rank_is_left_out() {
    let heap = Heap::new();
    let set = ["time.steps=120", "network.heartbeat_ms=100", "network.heartbeat_timeout_ms=1000"];
    let expected = heap.expected(&set);
    let mut command = heap.command("stopped", "gpu", &set);
    let running = Running::start(command.env("RANKZERO_FAULTS", "30:stop:2"));
    let run_dir = heap.run_dir("stopped");
    let is = |name: &'static str| move |event: &Value| event["event"] == name;
    until("the others to go on", Duration::from_secs(60), || events(&run_dir).into_iter().find(is("recovered")));
    let started = events(&run_dir).into_iter().filter(is("rank_started"));
    let stopped =
        started.filter(|event| event["rank"] == 2).find_map(|event| event["pid"].as_u64()).expect("a process") as u32;
    signal(stopped, Signal::SIGCONT);
    until("the one that was left out to end", Duration::from_secs(20), || (!alive(stopped)).then_some(()));
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    on_cards(&ended);
    assert_eq!(summary(&run_dir)["digest"], expected);
}

/// It takes a minute, for which the others wait, as the rank gives signs of life; then it leaves, and the run ends as if it had died.
#[test]
fn a_rank_whose_card_hangs_leaves_and_the_run_is_a_success() {
    let (heap, set) = (Heap::new(), ["time.steps=40"]);
    let expected = heap.expected(&set);
    let mut command = heap.command("hangs", "gpu", &set);
    let ended = finish(command.env("EMULATED_CUDA_HANGS", "RANKZERO_RANK=1:extract_delta:4"));
    let words = ended.text();
    assert!(words.contains("rank 1 leaves the run, as what its GPU may still write is what others read"), "{words}");
    assert_eq!(ended.code(), 0, "{words}");
    let summary = summary(&heap.run_dir("hangs"));
    assert_eq!((&summary["digest"], &summary["ranks"]), (&expected, &Value::from(2)), "{words}");
}

/// Two ranks that are started by hand, on devices of their own, the second with a driver or without.
fn two_by_hand(heap: &Heap, run_dir: &Path, devices: [&str; 2], with_driver: bool) -> [Ended; 2] {
    let start = |rank: usize| {
        let mut command = rankzero();
        command.arg("run").arg(&heap.job).args(["--threads", "1", "--device", devices[rank], "--run-dir"]).arg(run_dir);
        command.args(["--set", "balance.strategy=capability", "--set", "balance.migration.enabled=false"]);
        command.env("RANKZERO_RENDEZVOUS", heap.run_dir("meeting")).env("RANKZERO_RENDEZVOUS_TIMEOUT_S", "60");
        command.env("RANKZERO_RANK", rank.to_string()).env("RANKZERO_SIZE", "2");
        command.env("RANKZERO_LOCAL_RANK", rank.to_string()).env("RANKZERO_LOCAL_SIZE", "2");
        command.env("RANKZERO_CACHE_DIR", heap.folder.join("cache"));
        if rank == 0 || with_driver {
            command.env("LD_LIBRARY_PATH", libraries());
        }
        Running::start(&mut command)
    };
    [start(0), start(1)].map(Running::end)
}

#[test]
fn where_one_rank_has_not_the_gpu_that_was_asked_for_all_end_at_once() {
    // Where there is a real one, there is nothing to refuse.
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let heap = Heap::new();
    let [first, second] = two_by_hand(&heap, &heap.run_dir("refused"), ["gpu", "gpu"], false);
    assert_eq!((first.code(), second.code()), (3, 3), "{}{}", first.text(), second.text());
    assert!(first.text().contains("rank 1 does not take part"), "{}", first.text());
    assert!(second.text().contains("NVIDIA driver"), "{}", second.text());
}

/// The emulated card is a hundred times slower than a processor: the strategy sees that.
#[test]
fn the_capability_strategy_knows_what_a_card_does() {
    let heap = Heap::new();
    let run_dir = heap.run_dir("mixed");
    let ranks = two_by_hand(&heap, &run_dir, ["gpu", "cpu"], true);
    ranks.iter().for_each(|ended| assert_eq!(ended.code(), 0, "{}", ended.text()));
    let all = events(&run_dir);
    let assigned = all.iter().find(|event| event["event"] == "assigned").expect("told");
    let rate = |rank: usize| assigned["tet_substeps_per_s"][rank].as_f64().expect("a rate");
    assert!(rate(0) * 10.0 < rate(1), "{assigned}");
    let owners = assigned["batch_to_rank"].as_array().expect("owners");
    assert!(owners.iter().filter(|owner| **owner == 1).count() >= 8, "nearly all to the faster: {owners:?}");
}
