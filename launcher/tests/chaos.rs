//! A run whose processes are killed again and again, each followed by a fresh one that takes its place, until nobody is left of those that
//! started it: the result is that of a run which is left in peace.
//!
//! `RANKZERO_CHAOS_KILLS=50` kills more often, `RANKZERO_CHAOS_SEED=N` others.

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

use std::thread::sleep;
use std::time::Duration;

use live::{Live, endless};
use nix::sys::signal::Signal;
use process::{signal, until};

/// Kills where nobody asks for more.
const KILLS: u64 = 25;

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers by chance, the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// Rank 0 first, then anybody, but every fourth time the master.
    fn victim(&mut self, kill: u64, live: &Live<'_>) -> u64 {
        if kill.is_multiple_of(4) {
            return live.master();
        }
        let members = live.members();
        members[self.below(members.len() as u64) as usize]
    }
}

#[test]
fn whoever_is_killed_how_often_the_result_is_the_same() {
    let (kills, seed) = (number("RANKZERO_CHAOS_KILLS", KILLS), number("RANKZERO_CHAOS_SEED", 1));
    let mut chance = Chance(seed);
    let work =
        endless().with(&format!("fault_tolerance.newcomers={}", 2 * kills + 4)).with("fault_tolerance.replicas=2");
    let mut live = Live::start(&work, &format!("seed-{seed}"), 4, "");
    for kill in 0..kills {
        if kill % 3 == 2 {
            // One that dies on its way in, or just after.
            let doomed = live.join("");
            sleep(Duration::from_millis(chance.below(2500)));
            signal(doomed, Signal::SIGKILL);
            assert_eq!(live.ended(doomed).code(), -9);
            until("four members", live::PATIENCE, || (live.members().len() == 4).then_some(()));
        }
        let victim = chance.victim(kill, &live);
        sleep(Duration::from_millis(chance.below(100)));
        // At times the fresh one is on its way already.
        let early = chance.below(2) == 0;
        let fresh = early.then(|| live.join(""));
        sleep(Duration::from_millis(if early { chance.below(2000) } else { 0 }));
        live.kill(victim);
        let fresh = fresh.unwrap_or_else(|| live.join(""));
        live.joined(fresh);
        let what = format!("four members: seed {seed}, kill {kill} of rank {victim}");
        until(&what, live::PATIENCE, || (live.members().len() == 4).then_some(()));
    }
    live.steps_on();
    let summary = live.stop();
    assert_eq!(summary["ranks"], 4, "seed {seed}");
}

/// Two of four at once, who hold the only two copies of each other's bodies: the run goes back to its newest checkpoint.
#[test]
fn where_both_copies_die_the_newest_checkpoint_counts() {
    let work = endless().with("fault_tolerance.checkpoint.every_steps=32").with("fault_tolerance.newcomers=8");
    let mut live = Live::start(&work, "run", 4, "");
    for _ in 0..2 {
        live.until("checkpoint", |event| event["event"] == "checkpoint");
        let (past, members) = (live.events().len(), live.members());
        // The copies of a rank are with the next one.
        let victims = [members[1], members[2]];
        let pids = victims.map(|rank| live.pid(rank));
        pids.iter().for_each(|&pid| signal(pid, Signal::SIGKILL));
        pids.iter().for_each(|&pid| assert_eq!(live.ended(pid).code(), -9));
        victims.iter().for_each(|&rank| live.without(past, rank));
        let back = live.until_after(past, "way back", |event| event["event"] == "recovered");
        assert!(back["step"].as_u64() > Some(0), "{back}");
        for pid in [live.join(""), live.join("")] {
            live.joined(pid);
        }
        let past = live.events().len();
        live.until_after(past, "checkpoint", |event| event["event"] == "checkpoint");
    }
    assert_eq!(live.stop()["ranks"], 4);
}
