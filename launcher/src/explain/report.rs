//! All ranks' words together.

use std::collections::BTreeMap;

use rankzero_job::Network;
use serde_json::{Value, json};

use super::groups::{Group, groups};
use super::station::{Devices, Station};
use crate::run::Crossing;

/// Which rung serves each pair of ranks, and why not a better one.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) launcher: &'static str,
    pub(super) network: Network,
    pub(super) stations: Vec<Station>,
    failure: Option<String>,
}

/// A node: its ranks, and the devices that the first of them sees.
pub(super) struct Host<'a> {
    pub name: &'a str,
    pub ranks: Vec<u32>,
    pub devices: &'a Devices,
}

impl Report {
    /// Of these ranks, in their order.
    pub(super) fn new(
        launcher: &'static str,
        network: &Network,
        stations: Vec<Station>,
        failure: Option<String>,
    ) -> Self {
        Report { launcher, network: network.clone(), stations, failure }
    }

    /// Why the ranks could not run like this, if they could not.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// 0, or 4 where a pair of ranks has no path.
    pub fn exit_code(&self) -> u8 {
        Report::code_of(self.failure.as_ref())
    }

    pub(super) fn code_of(failure: Option<&String>) -> u8 {
        if failure.is_some() { 4 } else { 0 }
    }

    pub(super) fn hosts(&self) -> Vec<Host<'_>> {
        let mut hosts: Vec<Host> = Vec::new();
        for station in &self.stations {
            match hosts.iter_mut().find(|host| host.name == station.host) {
                Some(host) => host.ranks.push(station.rank),
                None => hosts.push(Host { name: &station.host, ranks: vec![station.rank], devices: &station.devices }),
            }
        }
        hosts
    }

    /// Names of the hosts, by rank.
    pub(super) fn host_names(&self) -> Vec<&str> {
        self.stations.iter().map(|station| station.host.as_str()).collect()
    }

    pub(super) fn groups(&self) -> Vec<Group> {
        groups(self.stations.iter().map(|station| (station.rank, station.paths.as_slice())))
    }

    /// Pairs by what serves them, as the lower rank of each tells.
    pub(super) fn pairs(&self) -> BTreeMap<&str, usize> {
        let mut pairs = BTreeMap::new();
        for station in &self.stations {
            for way in station.paths.iter().filter(|way| way.peer > station.rank) {
                *pairs.entry(way.rung.as_deref().unwrap_or("none")).or_default() += 1;
            }
        }
        pairs
    }

    /// What is to be said where nodes do not reach each other by RDMA.
    pub(super) fn warning(&self) -> Option<String> {
        let hosts = self.host_names();
        let mut sum = Crossing::default();
        self.stations.iter().for_each(|s| sum.add(Crossing::of(s.rank, &s.paths, &hosts)));
        sum.warning()
    }

    /// The whole report for programs.
    pub fn to_json(&self) -> Value {
        let hosts: Vec<Value> = self.hosts().iter().map(|host| {
            json!({ "host": host.name, "ranks": host.ranks, "rdma": host.devices.rdma, "accelerators": host.devices.accelerators })
        }).collect();
        let ranks: Vec<Value> = self
            .stations
            .iter()
            .map(|s| {
                json!({
                    "rank": s.rank, "host": s.host, "pid": s.pid, "binding": s.binding, "cores": s.cores,
                    "numa_nodes": s.numa_nodes, "rdma_used": s.uses, "rdma_nearest": s.nearest,
                    "uses_nearest": s.far().next().is_none(), "paths": s.paths,
                })
            })
            .collect();
        json!({
            "launcher": self.launcher, "fabric": self.network.fabric, "require_rdma": self.network.require_rdma,
            "hosts": hosts, "ranks": ranks, "pairs_by_rung": self.pairs(),
            "warning": self.warning(), "error": self.failure,
        })
    }
}
