//! What the membership costs with many ranks.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rankzero_comm::Rank;
use rankzero_comm::member::{Membership, Settings, Status, View};

use crate::{Death, Fault, Input, Links, MemberNode, Node, Output, Random, World};

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Messages of all ranks in a virtual second in which nothing happens.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// CPU time that the master's state machine takes for such a second.
    pub master_cpu: Duration,
    /// Virtual time from the death of the master, which all see within 20 ms, to the new view at all others.
    pub change: Duration,
    /// Messages for that.
    pub change_messages: u64,
    /// Their bytes.
    pub change_bytes: u64,
    /// CPU time of all ranks for that, the simulation of the network included.
    pub change_cpu: Duration,
    /// The same if nobody sees the death, but for the silence.
    pub silent_change: Duration,
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn world(ranks: u32, settings: &Settings) -> World<MemberNode> {
    let view = View::first(ranks);
    let node = |rank| MemberNode::new(Membership::new(rank, view.clone(), settings.clone(), Duration::ZERO), false);
    World::new(Rank::all(ranks).map(node).collect(), Links::new(20..200, None), Random::new(1), false)
}

fn run_until(world: &mut World<MemberNode>, end: Duration) {
    while world.step(end).is_some() {}
}

/// CPU time of a master of `ranks` ranks for one second of heartbeats, without any simulation around it.
fn master_cpu(ranks: u32, settings: &Settings) -> Duration {
    let members: Vec<Rank> = Rank::all(ranks).collect();
    let membership = |rank| Membership::new(rank, View::first(ranks), settings.clone(), Duration::ZERO);
    let mut master = MemberNode::new(membership(Rank(0)), false);
    let mut out: Vec<Output<_>> = Vec::new();
    let heartbeat = |steps| rankzero_comm::member::Message::Heartbeat {
        term: View::first(1).term,
        steps,
        doing: rankzero_comm::member::Doing::Computing,
    };
    let beats = (Duration::from_secs(1).as_micros() / settings.heartbeat.as_micros().max(1)) as u32;
    let begun = cpu();
    for beat in 0..beats {
        let at = settings.heartbeat * beat;
        master.on(Input::Tick, at, &mut out);
        for (index, from) in members.iter().skip(1).enumerate() {
            let message = heartbeat(u64::from(beat));
            let at = at + settings.heartbeat * index as u32 / ranks;
            master.on(Input::Message { from: *from, message }, at, &mut out);
        }
        out.clear();
    }
    cpu().saturating_sub(begun)
}

/// Virtual time until all but rank 0 are steady without it.
fn change(world: &mut World<MemberNode>, begun: Duration) -> Duration {
    let done = |node: &MemberNode| match node.membership.status() {
        Status::Steady(view) => !view.contains(Rank(0)),
        _ => false,
    };
    let mut end = begun;
    while end < begun + Duration::from_secs(60) && !world.alive().all(|(_, node)| done(node)) {
        end += Duration::from_millis(1);
        run_until(world, end);
    }
    end - begun
}

/// Measures a run of `ranks` ranks.
pub fn scale(ranks: u32, settings: &Settings) -> Scale {
    let second = Duration::from_secs(1);
    let (warm, steady) = (second * 5, second * 10);
    let mut seen = world(ranks, settings);
    run_until(&mut seen, warm);
    let before = seen.traffic();
    run_until(&mut seen, steady);
    let after = seen.traffic();
    seen.add(steady, Fault::Kill { rank: Rank(0), how: Death::Seen });
    let begun = cpu();
    let seen_change = change(&mut seen, steady);
    let change_cpu = cpu().saturating_sub(begun);
    let changed = seen.traffic();
    let mut silent = world(ranks, settings);
    run_until(&mut silent, warm);
    silent.add(warm, Fault::Kill { rank: Rank(0), how: Death::Silent });
    Scale {
        messages: (after.messages - before.messages) / 5,
        bytes: (after.bytes - before.bytes) / 5,
        master_cpu: master_cpu(ranks, settings),
        change: seen_change,
        change_messages: changed.messages - after.messages,
        change_bytes: changed.bytes - after.bytes,
        change_cpu,
        silent_change: change(&mut silent, warm),
    }
}
