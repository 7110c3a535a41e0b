//! Sweeps that nobody ran: their times follow a law, with noise that is the same every time.
#![allow(dead_code)]

use std::collections::BTreeMap;

use rankzero_sweep::fit::Law;
use rankzero_sweep::{Key, Machine, Manifest, Measure, Outcome, Plan, Point, Record, Scaling, Traffic, Unit};

/// The law of the times.
pub const SIGMA: f64 = 0.05;
pub const KAPPA: f64 = 0.004;

pub fn machine(cpus: u32) -> Machine {
    Machine { host: "node1".to_owned(), cpu: "a processor".to_owned(), cpus, cores: cpus, ..Machine::default() }
}

pub fn manifest(scaling: Scaling, nodes: &[u32], repeats: u32, cpus: u32) -> Manifest {
    let (name, unit) = ("rain".to_owned(), Unit::Ranks);
    let plan = Plan { name, scaling, unit, nodes: nodes.to_vec(), ranks_per_node: 1, repeats, seed: 0 };
    let keys = nodes.iter().map(|n| (*n, Key::of(&["job", &n.to_string()]))).collect();
    Manifest { plan: plan.checked().expect("a plan"), keys, machine: machine(cpus) }
}

/// A run, `noise` over what the law says.
pub fn measure(scaling: Scaling, nodes: u32, noise: f64) -> Measure {
    let n = f64::from(nodes);
    let work = scaling.work(nodes);
    let wall_s = 8.0 * work / Law::Usl.speed_up(n, SIGMA, KAPPA) * noise;
    let cpu_steps_s = 8.0 * work * (1.0 + 0.02 * (n - 1.0)) * noise;
    let digest = match scaling {
        Scaling::Strong => "d".repeat(64),
        Scaling::Weak => format!("{nodes:064}"),
    };
    let time_split =
        [("solve_s", 0.6), ("contact_s", 0.2), ("wait_s", 0.1 + 0.1 * n)].map(|(part, s)| (part.to_owned(), s));
    Measure {
        digest,
        steps: 60,
        ranks: nodes,
        threads_per_rank: 1,
        hosts: 1,
        ranks_on_a_host: nodes,
        bodies: 240 * work as u64,
        tets: 9000,
        start_s: 0.5,
        wall_s,
        cpu_s: cpu_steps_s + 1.0,
        cpu_steps_s,
        resident_bytes: 50_000_000,
        time_split: BTreeMap::from(time_split),
        bytes_by_fabric: vec![
            Traffic { fabric: "shm".to_owned(), sent_bytes: 6_000_000 * (u64::from(nodes) - 1), sent_messages: 600 },
            Traffic { fabric: "tcp".to_owned(), sent_bytes: 60_000, sent_messages: 60 },
        ],
    }
}

pub fn record(manifest: &Manifest, point: Point, outcome: Outcome) -> Record {
    Record {
        point,
        key: manifest.keys[&point.nodes].clone(),
        began: "2026-01-31T12:00:00Z".to_owned(),
        took_s: 9.0,
        command: "rankzero launch job.yaml".to_owned(),
        outcome,
        machine: manifest.machine.clone(),
    }
}

pub fn done(manifest: &Manifest, point: Point) -> Record {
    // A slow drift, and a little of each run's own.
    let noise = 1.0 + 0.02 * f64::from(point.repeat) + 0.003 * f64::from(point.nodes * 7 % 5);
    record(manifest, point, Outcome::Done { measure: measure(manifest.plan.scaling, point.nodes, noise) })
}

/// All points of a manifest, done.
pub fn all(manifest: &Manifest) -> Vec<Record> {
    manifest.plan.points().into_iter().map(|point| done(manifest, point)).collect()
}
