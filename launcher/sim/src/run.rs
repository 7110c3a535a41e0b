//! One run from its seed to its end, and many of them.

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Membership, Settings, View};

use crate::checks::{Checks, can_settle, is_settled};
use crate::{Fault, Links, MemberNode, MemberOrder, Plan, Random, World};

/// After the last fault a run has this long to come to rest.
const REST: Duration = Duration::from_secs(60);
/// How long it must rest.
const STEADY: Duration = Duration::from_secs(3);
/// That many steps of nodes at one moment are too many.
const BUSY: u32 = 100_000;
const MS: Duration = Duration::from_millis(1);

/// What seeds choose from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many ranks a run begins with.
    pub ranks: RangeInclusive<u32>,
    /// Print everything that happens.
    pub traced: bool,
}

/// How a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps of any node.
    pub steps: u64,
    /// Views in force after the first.
    pub changes: u64,
    /// Messages sent.
    pub messages: u64,
    /// Runs that came to rest.
    pub settled: u64,
    /// Runs in which no quorum was left.
    pub stuck: u64,
    /// Newcomers that got in.
    pub admitted: u64,
    /// The longest virtual time from the last fault to rest.
    pub slowest: Duration,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.steps += other.steps;
        self.changes += other.changes;
        self.messages += other.messages;
        self.settled += other.settled;
        self.stuck += other.stuck;
        self.admitted += other.admitted;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// A run in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
}

fn settings(random: &mut Random) -> Settings {
    let heartbeat = random.millis(50..400);
    let timeout = heartbeat * (3 + random.below(6) as u32);
    Settings {
        heartbeat,
        timeout,
        result_timeout: timeout * 3,
        stagger: random.millis(1..80),
        patience: if random.one_in(2) { timeout } else { timeout / 2 },
        continue_without_quorum: false,
    }
}

/// A world with all its faults planned, and how many ranks it begins with.
fn build(setup: &Setup, random: &mut Random) -> (World<MemberNode>, Plan<MemberOrder>, View) {
    let (least, most) = (*setup.ranks.start(), *setup.ranks.end());
    let ranks = least + random.below(u64::from(most.saturating_sub(least)) + 1) as u32;
    let newcomers = if random.one_in(3) { 1 + random.below(2) as u32 } else { 0 };
    let settings = settings(random);
    let span = settings.timeout * (2 + random.below(10) as u32);
    let mut plan = Plan::any(ranks, 8, span, random);
    if random.one_in(6) {
        let order = MemberOrder::Hang;
        plan.faults.push((span / 3, Fault::Order { at: Some(Rank(random.below(u64::from(ranks)) as u32)), order }));
    }
    if random.one_in(6) {
        let order = MemberOrder::Dismiss(Rank(random.below(u64::from(ranks)) as u32));
        plan.faults.push((random.micros(0..span.as_micros() as u64), Fault::Order { at: None, order }));
    }
    for rank in ranks..ranks + newcomers {
        let mut at = random.micros(0..span.as_micros() as u64);
        // A newcomer asks the master again until it is in.
        while at < span + settings.timeout * 4 {
            plan.faults.push((at, Fault::Order { at: None, order: MemberOrder::Admit(Rank(rank)) }));
            at += 300 * MS;
        }
    }
    let view = View::first(ranks);
    let node = |rank| {
        let membership = Membership::new(rank, view.clone(), settings.clone(), Duration::ZERO);
        MemberNode::new(membership, setup.traced)
    };
    let nodes = Rank::all(ranks + newcomers).map(node).collect();
    if setup.traced {
        println!("{ranks} ranks, {newcomers} newcomers, {settings:?}, healed after {:?}", plan.healed);
    }
    let delay = 20 + random.below(300)..400 + random.below(8000);
    (World::new(nodes, Links::new(delay, Some(200)), random.clone(), setup.traced), plan, view)
}

/// Runs the run of `seed`.
///
/// # Errors
/// [`Failure`], if an invariant was broken, or the run did not come to rest though it could.
pub fn run(setup: &Setup, seed: u64) -> Result<Outcome, Failure> {
    let fail = |what| Failure { seed, what };
    let mut random = Random::new(seed);
    let (mut world, plan, view) = build(setup, &mut random);
    let mut checks = Checks::new(&view);
    let (mut steps, mut moment, mut busy) = (0, Duration::ZERO, 0);
    world.heal(plan.healed);
    for (at, fault) in plan.faults {
        world.add(at, fault);
    }
    let end = plan.healed + REST;
    let mut rest_since = None;
    let mut look = plan.healed;
    loop {
        let Some(touched) = world.step(look.min(end)) else {
            let settled = is_settled(&world);
            rest_since = if settled { rest_since.or(Some(look)) } else { None };
            if look >= end || rest_since.is_some_and(|since| look - since >= STEADY) {
                break;
            }
            look += 100 * MS;
            continue;
        };
        if let Some(rank) = touched {
            steps += 1;
            busy = if world.now() > moment { 0 } else { busy + 1 };
            moment = world.now();
            if busy > BUSY {
                let node = world.node(rank);
                return Err(fail(format!("{rank} and others do not let the time pass {moment:?}: {node:?}")));
            }
            checks.after(&mut world, rank).map_err(fail)?;
        }
    }
    let settled = rest_since.is_some();
    if !settled && can_settle(&world) {
        let ranks: Vec<String> = world.alive().map(|(rank, node)| format!("{rank}: {:?}", node.membership)).collect();
        return Err(fail(format!("M-5: a quorum lives, yet the run does not come to rest\n{}", ranks.join("\n"))));
    }
    let admitted = world.alive().filter(|(rank, node)| !view.contains(*rank) && node.membership.view().contains(*rank));
    Ok(Outcome {
        steps,
        changes: checks.views() as u64 - 1,
        messages: world.traffic().messages,
        settled: u64::from(settled),
        stuck: u64::from(!settled),
        admitted: admitted.count() as u64,
        slowest: rest_since.map_or(Duration::ZERO, |since| since.saturating_sub(plan.healed)),
    })
}

/// Runs `count` runs from `first` on, in `jobs` threads. Gives the sum of all, and the failures by their seeds.
pub fn sweep(setup: &Setup, first: u64, count: u64, jobs: usize) -> (Outcome, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let sum = Mutex::new((Outcome::default(), Vec::new()));
    let work = || {
        let mut own = (Outcome::default(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            match run(setup, first + index) {
                Ok(outcome) => own.0.add(outcome),
                Err(failure) => own.1.push(failure),
            }
        }
        // Nobody panics while holding it, but a poisoned sum would still be right.
        let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sum.0.add(own.0);
        sum.1.extend(own.1);
    };
    std::thread::scope(|scope| (0..jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let (outcome, mut failures) = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort_by_key(|failure| failure.seed);
    (outcome, failures)
}
