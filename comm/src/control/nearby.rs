//! Ranks of this very node, of which more is to be seen than what they say: one whose thread waits for a core, or for a page of its memory,
//! lives, however long it is silent. On a node with too much to do that keeps the starved from being taken for lost. One that is stopped, or
//! sleeps and misses its time, gets no such help.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::ids::Rank;

/// The name of the control thread, by which it is found among those of a process.
pub(super) const THREAD: &str = "control";

/// A process of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Neighbour {
    pid: u32,
    /// When it started, in clock ticks since the node did: another process may get its number.
    started: u64,
}

/// The ranks of this node.
#[derive(Debug)]
pub(super) struct Nearby {
    neighbours: BTreeMap<Rank, Neighbour>,
    /// When each was heard of last.
    heard: BTreeMap<Rank, Instant>,
    looked: Instant,
    silence: Duration,
}

impl Nearby {
    /// `pids` are those of ranks of this node; who is silent for `silence` is looked at.
    pub fn new(pids: &BTreeMap<Rank, u32>, silence: Duration) -> Self {
        let known = pids.iter().filter_map(|(&rank, &pid)| Some((rank, Neighbour { pid, started: started(pid)? })));
        Self { neighbours: known.collect(), heard: BTreeMap::new(), looked: Instant::now(), silence }
    }

    /// A rank has said something.
    pub fn heard(&mut self, rank: Rank) {
        self.heard.insert(rank, Instant::now());
    }

    /// Those that are silent, and live all the same.
    pub fn starved(&mut self) -> Vec<Rank> {
        let now = Instant::now();
        if now.duration_since(self.looked) < self.silence / 2 {
            return Vec::new();
        }
        let looked = std::mem::replace(&mut self.looked, now);
        let silent = |rank: &Rank| now.duration_since(*self.heard.get(rank).unwrap_or(&looked)) >= self.silence;
        let starved = |(rank, of): (&Rank, &Neighbour)| (silent(rank) && waits_for_the_node(*of)).then_some(*rank);
        self.neighbours.iter().filter_map(starved).collect()
    }
}

/// Whether the control thread of a process is ready to run, or waits for a page or a disk.
fn waits_for_the_node(of: Neighbour) -> bool {
    if started(of.pid) != Some(of.started) {
        return false;
    }
    let tasks = fs::read_dir(format!("/proc/{}/task", of.pid)).into_iter().flatten().flatten();
    tasks.map(|task| task.path()).any(|task| {
        let named = fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == THREAD);
        named && matches!(fields(&task.join("stat").to_string_lossy()).as_deref(), Some([state, ..]) if matches!(state.as_str(), "R" | "D"))
    })
}

/// When a process started.
fn started(pid: u32) -> Option<u64> {
    // The 22nd field, the state being the 3rd.
    fields(&format!("/proc/{pid}/stat"))?.get(19)?.parse().ok()
}

/// The fields of a `stat` file from the state on; the name before it may hold anything.
fn fields(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_thread_that_is_ready_to_run_lives_and_one_that_sleeps_gets_no_help() {
        let this = std::process::id();
        let me = Neighbour { pid: this, started: started(this).expect("a start") };
        static BUSY: AtomicBool = AtomicBool::new(true);
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(|| {
            while BUSY.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            std::thread::park();
        });
        let thread = thread.expect("a thread");
        while !waits_for_the_node(me) {
            std::thread::yield_now();
        }
        assert!(!waits_for_the_node(Neighbour { started: me.started + 1, ..me }), "another process of this number");
        BUSY.store(false, Ordering::Relaxed);
        while waits_for_the_node(me) {
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.thread().unpark();
        thread.join().expect("no panic");
    }
}
