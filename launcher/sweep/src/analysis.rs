//! What the results of a sweep say.
//!
//! Sizes are compared with the smallest one within each repeat ([`crate::stats`] says how). *Crowded* sizes, with more threads than
//! hardware threads on a host, are shown and never fitted by their time: their ranks wait for a processor, and not for each other.
//! CPU seconds are theirs to keep, so those of all sizes count, in [`Analysis::cpu_fit`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fit::{Fit, Law, Refusal, Sample, fit};
use crate::measure::Measure;
use crate::plan::{Plan, Point, Scaling};
use crate::record::{Machine, Record};
use crate::results::Manifest;
use crate::stats::Estimate;

/// What one size came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeResult {
    /// Nodes.
    pub nodes: u32,
    /// Ranks.
    pub ranks: u32,
    /// Threads of each rank.
    pub threads_per_rank: u32,
    /// Soft bodies.
    pub bodies: u64,
    /// Whether a host had more threads than hardware threads.
    pub crowded: bool,
    /// Seconds of the steps.
    pub wall_s: Estimate,
    /// Seconds of the start.
    pub start_s: Option<Estimate>,
    /// Steps per second.
    pub steps_per_s: Estimate,
    /// CPU seconds of the steps, all ranks.
    pub cpu_s: Estimate,
    /// Work per second over that of the smallest size, times its nodes: n where all is ideal. None without a common repeat.
    pub speed_up: Option<Estimate>,
    /// Speed-up over nodes.
    pub efficiency: Option<Estimate>,
    /// CPU seconds for a piece of work, over those of the smallest size: 1 where more ranks add no work.
    pub cpu_ratio: Option<Estimate>,
    /// Share of the main threads' time by kind of work.
    pub time_split: BTreeMap<String, f64>,
    /// Bytes that all ranks sent per step, by fabric.
    pub bytes_per_step: BTreeMap<String, f64>,
    /// Messages that all ranks sent per step.
    pub messages_per_step: f64,
    /// Largest resident size of a rank, bytes.
    pub resident_bytes: u64,
}

impl SizeResult {
    /// The speed-up that the CPU seconds allow: with a core for each thread, and no rank waiting for another, the work would be done so many
    /// times faster than by one node of the smallest size. A bound, and an estimate where ranks share cores.
    pub fn allowed(&self) -> Option<Estimate> {
        self.cpu_ratio.map(|ratio| ratio.inverse().times(f64::from(self.nodes)))
    }
}

/// Whether results agree where they must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Digests {
    /// Nothing was compared.
    Nothing,
    /// They do.
    Equal {
        /// What was compared: the one digest of a strong sweep, how many sizes of a weak one.
        what: String,
    },
    /// They do not: that is a bug, or a broken machine.
    Differ {
        /// Each digest, and which points have it.
        groups: Vec<(String, Vec<String>)>,
    },
}

/// What the results of a sweep say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The plan.
    pub plan: Plan,
    /// What it ran on.
    pub machine: Machine,
    /// Each size that has results, rising.
    pub sizes: Vec<SizeResult>,
    /// Points whose newest run failed, and why.
    pub failures: Vec<(Point, String)>,
    /// Points without a good result.
    pub missing: usize,
    /// Whether digests agree.
    pub digests: Digests,
    /// Share of its time for which a rank of one thread that waits for nobody had a core, where that shows that others used the machine.
    pub disturbed: Option<f64>,
    /// The laws fitted to time, of sizes that are not crowded.
    pub time_fits: Vec<Result<Fit, Refusal>>,
    /// The universal law fitted to CPU seconds, of all sizes.
    pub cpu_fit: Result<Fit, Refusal>,
}

impl Analysis {
    /// Of the records that belong to the manifest; later ones count.
    pub fn of(manifest: &Manifest, records: &[Record]) -> Analysis {
        let plan = &manifest.plan;
        let newest = |point: Point| manifest.newest(records, point);
        let good: BTreeMap<Point, (&Measure, &Machine)> = plan
            .points()
            .into_iter()
            .filter_map(|point| newest(point).and_then(|record| Some((point, (record.measure()?, &record.machine)))))
            .collect();
        let measures: BTreeMap<Point, &Measure> = good.iter().map(|(point, (measure, _))| (*point, *measure)).collect();
        let crowded = |nodes: u32| good.iter().any(|(point, of)| point.nodes == nodes && is_crowded(of));
        let sizes: Vec<SizeResult> =
            plan.nodes.iter().filter_map(|&nodes| size(plan, &measures, nodes, crowded(nodes))).collect();
        let roomy = |nodes: u32| sizes.iter().any(|size| size.nodes == nodes && !size.crowded);
        let rate = |(point, measure): (&Point, &&Measure)| {
            let rate = plan.scaling.work(point.nodes) * measure.steps as f64 / measure.wall_s;
            Sample { nodes: point.nodes, rate }
        };
        // N / X is then the CPU time of a piece of work.
        let cost = |(point, measure): (&Point, &&Measure)| {
            let cost = measure.cpu_steps_s / plan.scaling.work(point.nodes);
            Sample { nodes: point.nodes, rate: f64::from(point.nodes) / cost }
        };
        let times: Vec<Sample> = measures.iter().filter(|(point, _)| roomy(point.nodes)).map(rate).collect();
        let costs: Vec<Sample> = measures.iter().map(cost).collect();
        let serial = if plan.scaling == Scaling::Strong { Law::Amdahl } else { Law::Gustafson };
        Analysis {
            plan: plan.clone(),
            machine: good.values().next().map_or_else(|| manifest.machine.clone(), |(_, machine)| (*machine).clone()),
            digests: digests(plan, &measures),
            failures: manifest.failures(records).into_iter().map(|(point, why)| (point, why.to_owned())).collect(),
            missing: plan.points().len() - measures.len(),
            disturbed: disturbed(&sizes),
            time_fits: [serial, Law::Usl].map(|law| fit(law, &times)).to_vec(),
            cpu_fit: fit(Law::Usl, &costs),
            sizes,
        }
    }

    /// Whether there are sizes with more threads than hardware threads.
    pub fn is_crowded(&self) -> bool {
        self.sizes.iter().any(|size| size.crowded)
    }
}

/// CPU seconds over seconds of a rank alone, if that is less than it would be on a quiet machine.
fn disturbed(sizes: &[SizeResult]) -> Option<f64> {
    const QUIET: f64 = 0.9;
    let alone = sizes.iter().find(|size| size.ranks == 1 && size.threads_per_rank == 1)?;
    Some(alone.cpu_s.value / alone.wall_s.value).filter(|share| *share < QUIET)
}

fn is_crowded((measure, machine): &(&Measure, &Machine)) -> bool {
    u64::from(measure.ranks_on_a_host) * u64::from(measure.threads_per_rank) > u64::from(machine.cpus)
}

fn size(plan: &Plan, measures: &BTreeMap<Point, &Measure>, nodes: u32, crowded: bool) -> Option<SizeResult> {
    let of: Vec<&Measure> = measures.iter().filter(|(point, _)| point.nodes == nodes).map(|(_, m)| *m).collect();
    let first = of.first()?;
    let all = |value: fn(&Measure) -> f64| Estimate::of(&of.iter().map(|measure| value(measure)).collect::<Vec<_>>());
    let paired = |value: fn(&Measure) -> f64| {
        let other = |repeat| measures.get(&Point { nodes: plan.base(), repeat });
        let pairs = (1..=plan.repeats)
            .filter_map(|repeat| Some(value(measures.get(&Point { nodes, repeat })?) / value(other(repeat)?)));
        Estimate::of(&pairs.collect::<Vec<f64>>())
    };
    let (n, base) = (f64::from(nodes), f64::from(plan.base()));
    let work = plan.scaling.work(nodes) / plan.scaling.work(plan.base());
    let speed_up = paired(|measure| measure.wall_s).map(|ratio| ratio.inverse().times(work * base));
    let messages = |m: &Measure| m.bytes_by_fabric.iter().map(|t| t.sent_messages).sum::<u64>() as f64 / m.steps as f64;
    Some(SizeResult {
        nodes,
        ranks: first.ranks,
        threads_per_rank: first.threads_per_rank,
        bodies: first.bodies,
        crowded,
        wall_s: all(|measure| measure.wall_s)?,
        start_s: all(|measure| measure.start_s),
        steps_per_s: all(|measure| measure.steps as f64 / measure.wall_s)?,
        cpu_s: all(|measure| measure.cpu_steps_s)?,
        efficiency: speed_up.map(|s| s.times(1.0 / n)),
        speed_up,
        cpu_ratio: paired(|measure| measure.cpu_steps_s).map(|ratio| ratio.times(1.0 / work)),
        time_split: split(&of),
        bytes_per_step: traffic(&of),
        messages_per_step: of.iter().map(|m| messages(m)).sum::<f64>() / of.len() as f64,
        resident_bytes: of.iter().map(|measure| measure.resident_bytes).max().unwrap_or(0),
    })
}

/// Shares of the main threads' time, over all runs of a size.
fn split(of: &[&Measure]) -> BTreeMap<String, f64> {
    let mut seconds: BTreeMap<String, f64> = BTreeMap::new();
    for (part, time) in of.iter().flat_map(|measure| &measure.time_split) {
        *seconds.entry(part.strip_suffix("_s").unwrap_or(part).to_owned()).or_default() += time;
    }
    let all: f64 = seconds.values().sum();
    seconds.values_mut().for_each(|part| *part = if all > 0.0 { *part / all } else { 0.0 });
    seconds
}

/// Bytes per step by fabric, the mean over the runs of a size.
fn traffic(of: &[&Measure]) -> BTreeMap<String, f64> {
    let mut bytes: BTreeMap<String, f64> = BTreeMap::new();
    for measure in of {
        for traffic in &measure.bytes_by_fabric {
            let per_step = traffic.sent_bytes as f64 / measure.steps as f64;
            *bytes.entry(traffic.fabric.clone()).or_default() += per_step / of.len() as f64;
        }
    }
    bytes
}

/// A strong sweep has one digest, a weak one a digest for each size.
fn digests(plan: &Plan, measures: &BTreeMap<Point, &Measure>) -> Digests {
    let mut groups: BTreeMap<(Option<u32>, &str), Vec<String>> = BTreeMap::new();
    for (point, measure) in measures {
        let size = (plan.scaling == Scaling::Weak).then_some(point.nodes);
        groups.entry((size, measure.digest.as_str())).or_default().push(point.to_string());
    }
    let sizes: std::collections::BTreeSet<Option<u32>> = groups.keys().map(|(size, _)| *size).collect();
    match (groups.len(), plan.scaling) {
        (0, _) => Digests::Nothing,
        (found, _) if found > sizes.len() => Digests::Differ {
            groups: groups.into_iter().map(|((_, digest), points)| (digest.to_owned(), points)).collect(),
        },
        (_, Scaling::Strong) => {
            let digest = groups.keys().next().map_or("", |(_, digest)| *digest);
            Digests::Equal { what: format!("all {} runs: {digest}", measures.len()) }
        }
        (_, Scaling::Weak) => {
            Digests::Equal { what: format!("all {} runs, for each of {} sizes", measures.len(), sizes.len()) }
        }
    }
}
