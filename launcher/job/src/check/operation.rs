//! Network, balance, fault tolerance, metrics, output, cost.

use std::collections::BTreeMap;

use super::{Checker, MAX_BODIES, MAX_STEPS, slurm};
use crate::model::{Balance, Cost, Fabric, FaultTolerance, Job, Metrics, Network, Tls};
use crate::path::FieldPath;

/// A day, ms: longer than anybody waits for a rank.
const MAX_MS: u64 = 86_400_000;

pub(super) fn check(c: &mut Checker, job: &Job) {
    let root = FieldPath::default();
    c.within_if(root.key("batches").key("bodies"), job.batches.bodies.fixed(), 1..=MAX_BODIES as u32);
    c.within_if(root.key("threads_per_rank"), job.threads_per_rank.fixed(), 1..=1024);
    network(c, &root.key("network"), &job.network);
    balance(c, &root.key("balance"), &job.balance, job);
    fault_tolerance(c, &root.key("fault_tolerance"), &job.fault_tolerance);
    metrics(c, &root.key("metrics"), &job.metrics);
    let frames = &job.output.frames;
    interval(c, &root.key("output").key("frames"), frames.every_steps, frames.every_s);
    if job.output.directory.as_ref().is_some_and(|d| d.as_os_str().is_empty()) {
        c.wrong(root.key("output").key("directory"), "is empty; expected a directory");
    }
    cost(c, &root.key("cost"), &job.cost);
    slurm::check(c, &root.key("slurm"), &job.slurm);
}

fn network(c: &mut Checker, at: &FieldPath, network: &Network) {
    c.within(at.key("heartbeat_ms"), network.heartbeat_ms, 1..=MAX_MS);
    c.within(at.key("heartbeat_timeout_ms"), network.heartbeat_timeout_ms, 1..=MAX_MS);
    c.within(at.key("result_timeout_ms"), network.result_timeout_ms, 1..=MAX_MS);
    c.within(at.key("sync_interval_ms"), network.sync_interval_ms, 1..=MAX_MS);
    let (heartbeat, timeout) = (network.heartbeat_ms, network.heartbeat_timeout_ms);
    if timeout <= heartbeat {
        let message = format!("must be above `heartbeat_ms`, {timeout} is not above {heartbeat}");
        let help = "several times the heartbeat, so that one lost message is no failure";
        c.wrong_with_help(at.key("heartbeat_timeout_ms"), message, help);
    }
    if network.control_ports.contains(network.http_port) {
        let message = format!("port {} is one of `control_ports` {}", network.http_port, network.control_ports);
        c.wrong(at.key("http_port"), message);
    }
    if network.require_rdma && !matches!(network.fabric, Fabric::Auto | Fabric::Verbs) {
        let help = "set `fabric: auto` or `fabric: verbs`";
        c.wrong_with_help(at.key("require_rdma"), "the chosen `fabric` is not RDMA", help);
    }
    if network.tls == Tls::All {
        let help = "set `fabric` to `auto`, `shm` or `tcp` and leave `require_rdma` out, or set `tls: control`";
        if matches!(network.fabric, Fabric::Verbs | Fabric::Mpi) {
            c.wrong_with_help(at.key("tls"), "the chosen `fabric` is not encrypted", help);
        } else if network.require_rdma {
            c.wrong_with_help(at.key("tls"), "RDMA is required, and not encrypted", help);
        }
    }
}

fn balance(c: &mut Checker, at: &FieldPath, balance: &Balance, job: &Job) {
    let migration = at.key("migration");
    c.within(migration.key("threshold"), balance.migration.threshold, 1.0..=100.0);
    c.within(migration.key("cooldown_steps"), balance.migration.cooldown_steps, 1..=MAX_STEPS);
    let (steps, bodies) = (job.time.step_count(), job.soft_body_count());
    let (mut last, mut seen) = (0, BTreeMap::new());
    for (i, hand) in balance.moves.iter().enumerate() {
        let at = at.key("moves").index(i);
        if hand.step >= steps {
            c.wrong(
                at.key("step"),
                format!("the job ends after step {}, this is {}", steps.saturating_sub(1), hand.step),
            );
        } else if hand.step < last {
            c.wrong(at.key("step"), format!("moves stand by rising step, {} comes after {last}", hand.step));
        }
        last = hand.step;
        if u64::from(hand.batch) >= bodies {
            c.wrong(at.key("batch"), format!("there are at most {bodies} batches, from 0; this is {}", hand.batch));
        }
        if let Some(other) = seen.insert((hand.step, hand.batch), i) {
            c.wrong(at.key("batch"), format!("`moves[{other}]` moves the same batch at the same step"));
        }
        c.within(at.key("to_rank"), hand.to_rank, 0..=1_000_000);
    }
}

fn fault_tolerance(c: &mut Checker, at: &FieldPath, fault_tolerance: &FaultTolerance) {
    c.within(at.key("replicas"), fault_tolerance.replicas, 0..=3);
    if let Some(newcomers) = fault_tolerance.newcomers.fixed() {
        c.within(at.key("newcomers"), newcomers, 0..=1024);
    }
    c.within_if(at.key("epoch_steps"), fault_tolerance.epoch_steps.fixed(), 1..=MAX_STEPS);
    let at = at.key("checkpoint");
    let checkpoint = &fault_tolerance.checkpoint;
    interval(c, &at, checkpoint.every_steps, checkpoint.every_s);
    c.within(at.key("keep"), checkpoint.keep, 1..=1_000_000);
    if checkpoint.directory.as_os_str().is_empty() {
        c.wrong(at.key("directory"), "is empty; expected a directory");
    }
}

fn metrics(c: &mut Checker, at: &FieldPath, metrics: &Metrics) {
    c.positive(at.key("every_s"), metrics.every_s, 86_400.0);
    let at = at.key("alerts");
    c.positive_if(at.key("latency_ms"), metrics.alerts.latency_ms, MAX_MS as f32);
    c.within_if(at.key("failure_rate"), metrics.alerts.failure_rate, 0.0..=1.0);
    c.within_if(at.key("min_workers"), metrics.alerts.min_workers.and_then(|n| n.fixed()), 1..=1_000_000);
}

fn cost(c: &mut Checker, at: &FieldPath, cost: &Cost) {
    c.within(at.key("per_node_hour"), cost.per_node_hour, 0.0..=1.0e6);
    c.identifier(at.key("currency"), &cost.currency);
    c.positive_if(at.key("threshold"), cost.threshold, 1.0e12);
    if cost.threshold.is_some() && cost.per_node_hour == 0.0 {
        let help = "set `cost.per_node_hour` to the price of a node";
        c.wrong_with_help(at.key("threshold"), "is never reached, since nodes cost nothing", help);
    }
}

/// An interval in steps or in simulated seconds, not both.
fn interval(c: &mut Checker, at: &FieldPath, every_steps: Option<u64>, every_s: Option<f32>) {
    c.within_if(at.key("every_steps"), every_steps, 1..=MAX_STEPS);
    c.positive_if(at.key("every_s"), every_s, 1.0e9);
    if every_steps.is_some() && every_s.is_some() {
        c.wrong_with_help(at.key("every_s"), "`every_steps` and `every_s` are both given", "remove one");
    }
}
