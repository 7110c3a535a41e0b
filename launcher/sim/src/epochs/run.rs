//! One run from its seed to its end, and many of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Membership, Quorum, Settings, View};

use super::node::Point;
use super::truth::{Commit, Rules};
use super::{Mutation, RunNode, RunOrder, Truth};
use crate::links::Links;
use crate::{Death, Failure, Fault, Plan, Random, World};

/// After the last planned fault a run has this long to come to its end.
const REST: Duration = Duration::from_secs(180);
const MS: Duration = Duration::from_millis(1);

/// What seeds choose from.
#[derive(Clone, Debug)]
pub struct RunSetup {
    /// How many ranks a run begins with.
    pub ranks: RangeInclusive<u32>,
    /// A mistake on purpose.
    pub mutation: Option<Mutation>,
    /// Print everything that happens.
    pub traced: bool,
}

/// How runs went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// Runs that came to their end.
    pub finished: u64,
    /// Runs in which no quorum was left.
    pub stuck: u64,
    /// What happened how often, faults by their kind included.
    pub counts: BTreeMap<&'static str, u64>,
    /// The longest virtual time from the last planned fault to the end.
    pub slowest: Duration,
}

impl RunOutcome {
    fn add(&mut self, other: RunOutcome) {
        self.finished += other.finished;
        self.stuck += other.stuck;
        self.slowest = self.slowest.max(other.slowest);
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
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

fn rules(capacity: u32, ranks: u32, span: Duration, steps: u64, random: &mut Random) -> Rules {
    let step = span.as_micros() as u64 / steps;
    Rules {
        capacity,
        replicas: (1 + random.below(2)) as usize,
        delta: random.one_in(2),
        per_node: 1 + random.below(u64::from(ranks).min(3)) as u32,
        epoch_steps: 2 + random.below(7),
        checkpoint_steps: random.one_in(2).then(|| 5 + random.below(20)),
        step_us: step / 4 + random.below(step * 2),
        // Copies take from next to nothing to several steps.
        piece_us: [50, step / 8, step][random.below(3) as usize].max(1),
        disk_faults: if random.one_in(2) { 2 + random.below(8) } else { 0 },
        moves: if random.one_in(2) { 2 + random.below(8) } else { 0 },
        mutation: None,
    }
}

/// Which fault it is.
fn name(fault: &Fault<RunOrder>) -> &'static str {
    match fault {
        Fault::Kill { .. } => "kills",
        Fault::Pause { .. } => "pauses",
        Fault::Slow { .. } => "slow ranks",
        Fault::Break { .. } => "breaks",
        Fault::Cut { .. } => "cuts",
        Fault::Doubt { .. } => "doubts",
        Fault::Order { order: RunOrder::Hang, .. } => "hangs",
        Fault::Order { order: RunOrder::Dismiss(_), .. } => "leavers",
        Fault::Order { order: RunOrder::Admit(_), .. } => "admissions asked for",
    }
}

/// A run before it begins.
struct Built {
    world: World<RunNode>,
    truth: Rc<RefCell<Truth>>,
    healed: Duration,
    random: Random,
}

fn faults(ranks: u32, newcomers: u32, span: Duration, wait: Duration, random: &mut Random) -> Plan<RunOrder> {
    let mut plan = Plan::any(ranks, 6, span, random);
    let any = |random: &mut Random| Rank(random.below(u64::from(ranks)) as u32);
    let micros = span.as_micros() as u64;
    if random.one_in(8) {
        let fault = Fault::Order { at: Some(any(random)), order: RunOrder::Hang };
        plan.faults.push((random.micros(0..micros), fault));
    }
    if random.one_in(8) {
        let fault = Fault::Order { at: None, order: RunOrder::Dismiss(any(random)) };
        plan.faults.push((random.micros(0..micros), fault));
    }
    for rank in ranks..ranks + newcomers {
        let mut at = random.micros(0..micros);
        while at < span + wait {
            plan.faults.push((at, Fault::Order { at: None, order: RunOrder::Admit(Rank(rank)) }));
            at += 300 * MS;
        }
    }
    plan
}

fn build(setup: &RunSetup, seed: u64) -> Built {
    let mut random = Random::new(seed);
    let (least, most) = (*setup.ranks.start(), *setup.ranks.end());
    let ranks = least + random.below(u64::from(most.saturating_sub(least)) + 1) as u32;
    let newcomers = if random.one_in(3) { 1 + random.below(2) as u32 } else { 0 };
    let settings = settings(&mut random);
    let span = settings.timeout * (2 + random.below(6) as u32);
    let steps = 20 + random.below(40);
    let mut rules = rules(ranks + newcomers, ranks, span, steps, &mut random);
    rules.mutation = setup.mutation;
    if setup.traced {
        println!("{ranks} ranks, {newcomers} newcomers, {settings:?}, {rules:?}, healed after {span:?}");
    }
    let batches = 1 + random.below(8) as u32;
    let truth = Rc::new(RefCell::new(Truth::new(rules, batches, steps, &mut random)));
    let plan = faults(ranks, newcomers, span, settings.timeout * 4, &mut random);
    let view = View::first(ranks);
    let mut nodes: Vec<RunNode> = Rank::all(ranks + newcomers)
        .map(|rank| {
            let membership = Membership::new(rank, view.clone(), settings.clone(), Duration::ZERO);
            RunNode::new(membership, view.clone(), truth.clone(), Random::new(random.number()), setup.traced)
        })
        .collect();
    if random.one_in(2) {
        blows(&mut nodes, &truth, &mut random);
    }
    let delay = 20 + random.below(300)..400 + random.below(8000);
    let mut world = World::new(nodes, Links::new(delay, Some(200)), random.clone(), setup.traced);
    world.heal(plan.healed);
    for (at, fault) in plan.faults {
        truth.borrow_mut().count(name(&fault));
        world.add(at, fault);
    }
    Built { world, truth, healed: plan.healed, random }
}

/// Some ranks end at points of the protocol, several perhaps at the same one.
fn blows(nodes: &mut [RunNode], truth: &Rc<RefCell<Truth>>, random: &mut Random) {
    let mut point = Point::ALL[random.below(Point::ALL.len() as u64) as usize];
    let mut pass = 1 + random.below(4) as u32;
    let several = random.one_in(2);
    for _ in 0..1 + random.below(3) {
        let index = random.below(nodes.len() as u64) as usize;
        nodes[index].blow = Some((point, pass));
        truth.borrow_mut().count("ends at a point planned");
        if !several {
            point = Point::ALL[random.below(Point::ALL.len() as u64) as usize];
            pass = 1 + random.below(4) as u32;
        }
    }
}

/// when an epoch is committed, all its copies are in place at those who live.
fn check_commit(world: &World<RunNode>, truth: &Truth, commit: &Commit) -> Result<(), String> {
    for (batch, holders) in commit.holders.iter().enumerate() {
        for holder in holders {
            // Who has gone on to another view may have other copies there; a master that was away commits for nobody.
            let Some(node) = world.node(*holder).filter(|node| node.attended() == commit.term) else { continue };
            if node.copy(commit.epoch.half(), batch as u32) != truth.state(commit.epoch.step, batch as u32) {
                return Err(format!("X-3: {:?} is committed, but {holder} lacks batch {batch}", commit.epoch));
            }
        }
    }
    Ok(())
}

/// Whoever goes on does so in the newest view in which somebody computes.
fn check_passes(world: &World<RunNode>, truth: &mut Truth) {
    for (rank, term, step) in std::mem::take(&mut truth.fresh_passes) {
        let living = world.alive().filter(|(_, node)| !node.is_done() && !node.killed && !node.is_out());
        let newest = living.map(|(_, node)| node.computes_in()).max();
        if let Some(newer) = newest.filter(|newest| *newest > term) {
            truth.passed_late(rank, term, step, newer);
        }
    }
}

/// Whether those who live can come to the end of the run.
fn can_finish(world: &World<RunNode>) -> bool {
    let living: Vec<(Rank, &RunNode)> = world.alive().filter(|(_, node)| !node.is_out() && !node.killed).collect();
    let members = living.iter().filter(|(rank, node)| node.membership.view().contains(*rank));
    let dead: BTreeSet<Rank> = members.flat_map(|(_, node)| node.membership.dead()).copied().collect();
    let ranks: BTreeSet<Rank> = living.iter().map(|(rank, _)| *rank).collect();
    let Some(newest) = living.iter().map(|(_, node)| node.membership.view()).max_by_key(|view| view.term) else {
        return false;
    };
    let accepted = living.iter().flat_map(|(_, node)| node.membership.accepted());
    let deciding: Vec<&View> = accepted.filter(|view| view.term > newest.term).chain([newest]).collect();
    let hung = |rank: Rank| world.node(rank).is_none_or(|node| node.hung);
    let next = |rank: &&Rank| !hung(**rank) && deciding.iter().all(|view| view.contains(**rank));
    deciding.iter().all(|view| Quorum::Sound.holds(view, &dead, &ranks)) && ranks.iter().any(|rank| next(&rank))
}

/// Whether all that take part are at the end.
fn is_over(world: &World<RunNode>) -> bool {
    world.alive().all(|(rank, node)| {
        let waits_outside = !node.membership.view().contains(rank);
        node.is_done() || node.is_out() || node.hung || node.killed || waits_outside
    })
}

fn go(setup: &RunSetup, seed: u64) -> Result<RunOutcome, String> {
    let Built { mut world, truth, healed, mut random } = build(setup, seed);
    let end = healed + REST;
    let (mut ended, mut finished): (BTreeSet<Rank>, bool) = (BTreeSet::new(), false);
    while let Some(touched) = world.step(end) {
        let Some(rank) = touched else { continue };
        if let Some(failure) = truth.borrow_mut().failure.take() {
            return Err(failure);
        }
        check_passes(&world, &mut truth.borrow_mut());
        let commits = std::mem::take(&mut truth.borrow_mut().fresh_commits);
        for commit in commits {
            check_commit(&world, &truth.borrow(), &commit)?;
        }
        let Some(node) = world.node(rank) else { continue };
        finished |= node.is_done();
        let (killed, left) = (node.killed, node.has_left());
        if (killed || left) && ended.insert(rank) {
            let how = if left || random.one_in(2) { Death::Seen } else { Death::Silent };
            if killed {
                truth.borrow_mut().count("ends at a point");
            }
            world.add(world.now(), Fault::Kill { rank, how });
        }
        if finished && is_over(&world) {
            break;
        }
    }
    let over = finished && is_over(&world);
    if !over && can_finish(&world) {
        let lines: Vec<String> =
            world.alive().map(|(_, node)| format!("{}\n    {:?}", node.line(), node.membership)).collect();
        return Err(format!("a quorum lives, yet the run does not come to its end\n  {}", lines.join("\n  ")));
    }
    let counts = truth.borrow().counts.clone();
    let slowest = if over { world.now().saturating_sub(healed) } else { Duration::ZERO };
    Ok(RunOutcome { finished: u64::from(over), stuck: u64::from(!over), counts, slowest })
}

/// Runs the run of `seed`.
///
/// # Errors
/// [`Failure`], if something did not hold, an assertion of the books included.
pub fn run_epochs(setup: &RunSetup, seed: u64) -> Result<RunOutcome, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| go(setup, seed)));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "panic: {}",
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        ))
    });
    outcome.map_err(|what| Failure { seed, what })
}

/// Runs `count` runs from `first` on, in `jobs` threads, until `most` have failed. Gives the sum of all, how many there were,
/// and the failures by their seeds.
pub fn sweep_epochs(
    setup: &RunSetup,
    first: u64,
    count: u64,
    jobs: usize,
    most: u64,
) -> (RunOutcome, u64, Vec<Failure>) {
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let sum = Mutex::new((RunOutcome::default(), 0, Vec::new()));
    let work = || {
        let mut own = (RunOutcome::default(), 0, Vec::new());
        while failed.load(Ordering::Relaxed) < most {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            own.1 += 1;
            match run_epochs(setup, first + index) {
                Ok(outcome) => own.0.add(outcome),
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    own.2.push(failure);
                }
            }
        }
        // Nobody panics while holding it, but a poisoned sum would still be right.
        let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sum.0.add(own.0);
        sum.1 += own.1;
        sum.2.extend(own.2);
    };
    std::thread::scope(|scope| (0..jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let (outcome, runs, mut failures) = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort_by_key(|failure| failure.seed);
    (outcome, runs, failures)
}
