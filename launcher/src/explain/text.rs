//! The report for people: short for many ranks, as equal things are said once.

use std::fmt::Write;

use rankzero_comm::Pick;

use super::groups::{Group, is_better, name};
use super::report::{Host, Report};
use super::station::Station;
use crate::binding::list;

/// Most ranks of which each is shown by itself.
const EACH_MAX: usize = 16;
/// Most different connections that are shown of a group.
const DETAILS_MAX: usize = 4;

impl Report {
    /// The report as lines.
    pub fn to_text(&self) -> String {
        let mut out = self.headline();
        for host in self.hosts() {
            write_host(&mut out, &host, &self.stations);
        }
        if self.stations.len() > 1 && self.stations.len() <= EACH_MAX {
            out += "\n";
            out += &self.matrix();
        }
        let hosts = self.host_names();
        for group in self.groups() {
            out += "\n";
            out += &group_text(&group, &hosts);
        }
        for station in &self.stations {
            for device in station.far() {
                let nearest = station.nearest.join(" or ");
                let _ =
                    writeln!(out, "\nnote: rank {} goes by {device}; {nearest} is nearer to its cores", station.rank);
            }
        }
        if let Some(warning) = self.warning() {
            let _ = writeln!(out, "\nwarning: {}", warning.trim_end_matches("; `rankzero explain` tells more"));
        }
        out
    }

    /// `4 ranks on 2 nodes, started by …: 2 pairs by shm, 4 by mpi`.
    fn headline(&self) -> String {
        let (ranks, nodes) = (self.stations.len(), self.hosts().len());
        if ranks == 1 {
            return "1 rank, which has no peers; -n 2 shows a pair\n".to_owned();
        }
        let by: Vec<String> = self
            .pairs()
            .iter()
            .map(|(rung, count)| format!("{count} by {}", if *rung == "none" { "no rung" } else { rung }))
            .collect();
        let asked = match (serde_json::to_value(self.network.fabric), self.network.require_rdma) {
            (Ok(serde_json::Value::String(fabric)), false) => fabric,
            (Ok(serde_json::Value::String(fabric)), true) => format!("{fabric}, RDMA required between nodes"),
            _ => String::new(),
        };
        let plural = if nodes == 1 { "" } else { "s" };
        let pairs = ranks * (ranks - 1) / 2;
        let many = if pairs == 1 { "pair" } else { "pairs" };
        let by = by.join(", ");
        format!("{ranks} ranks on {nodes} node{plural}, started by {}; fabric {asked}; {many}: {by}\n", self.launcher)
    }

    /// The rung of each rank, row, towards each other one, column.
    fn matrix(&self) -> String {
        let mut out = format!("{:>6}", "to");
        self.stations.iter().for_each(|station| out += &format!("{:>7}", station.rank));
        for station in &self.stations {
            let _ = write!(out, "\n{:>6}", format!("from {}", station.rank));
            for to in &self.stations {
                let way = station.paths.iter().find(|way| way.peer == to.rank);
                let rung = match way {
                    None => "·",
                    Some(way) => way.rung.as_deref().unwrap_or("none"),
                };
                let _ = write!(out, "{rung:>7}");
            }
        }
        out + "\n"
    }
}

/// A node: its ranks with their places, its devices.
fn write_host(out: &mut String, host: &Host<'_>, stations: &[Station]) {
    let (ranks, word) = (list(&host.ranks), if host.ranks.len() == 1 { "rank" } else { "ranks" });
    let _ = writeln!(out, "  {}: {word} {ranks}", host.name);
    let here = stations.iter().filter(|station| station.host == host.name);
    if stations.len() <= EACH_MAX {
        for station in here {
            let _ = writeln!(out, "    rank {}: {}{}", station.rank, station.binding, place(station));
        }
    }
    for nic in &host.devices.rdma {
        let at = nic.pci.as_deref().map_or_else(|| "software".to_owned(), |pci| format!("PCI {pci}"));
        let node = nic.numa_node.map_or_else(String::new, |node| format!(", memory node {node}"));
        let cores = if nic.cores.is_empty() { String::new() } else { format!(", cores {}", nic.cores) };
        let near: Vec<u32> =
            stations.iter().filter(|s| s.host == host.name && s.nearest.contains(&nic.name)).map(|s| s.rank).collect();
        let near = if near.is_empty() { String::new() } else { format!("; nearest to ranks {}", list(&near)) };
        let _ = writeln!(out, "    {}: {at}{node}{cores}{near}", nic.name);
    }
    if host.devices.rdma.is_empty() {
        let _ = writeln!(out, "    no RDMA device");
    }
    for accelerator in &host.devices.accelerators {
        let near = accelerator.nearest.as_ref().map_or_else(String::new, |nic| format!(", nearest RDMA device {nic}"));
        let _ = writeln!(out, "    GPU: PCI {}{near}", accelerator.pci);
    }
}

fn place(station: &Station) -> String {
    let nodes = match station.numa_nodes[..] {
        [] => String::new(),
        [node] => format!(", memory node {node}"),
        _ => format!(", memory nodes {}", list(&station.numa_nodes)),
    };
    format!("; cores {}{nodes}", station.cores)
}

/// One explanation and the links that it holds for.
pub(super) fn group_text(group: &Group, hosts: &[&str]) -> String {
    let rung = group.rung.as_deref();
    let mut out = format!("{}: {}\n", rung.unwrap_or("no rung"), name(&group.links, hosts));
    let details = group.details.iter().filter(|(detail, _)| !detail.is_empty());
    let many = group.details.len() > 1;
    for (detail, links) in details.take(DETAILS_MAX) {
        let which = if many { format!(" ({})", name(links, hosts)) } else { String::new() };
        let _ = writeln!(out, "  via {detail}{which}");
    }
    if group.details.len() > DETAILS_MAX {
        let _ = writeln!(out, "  and {} more connections; --json has them all", group.details.len() - DETAILS_MAX);
    }
    for other in &group.others {
        let ready = other.why == Pick::READY;
        let (word, why) = match rung {
            None if ready => ("not ", "it works, but the job asks for another rung"),
            Some(_) if ready => ("then", other.why.as_str()),
            _ if is_better(&other.rung, rung) => ("not ", other.why.as_str()),
            _ => ("nor ", other.why.as_str()),
        };
        let _ = writeln!(out, "  {word} {}: {why}", other.rung);
    }
    out
}

#[cfg(test)]
mod tests {
    use rankzero_job::Network;

    use super::super::station::{Accelerator, Devices, Nic};
    use super::*;
    use crate::run::paths::{Other, Way};

    /// `nodes` nodes of `each` ranks: shared memory within, RDMA between but for the last node, which has no device.
    fn report(nodes: u32, each: u32) -> Report {
        let other = |rung: &str, why: &str| Other { rung: rung.to_owned(), why: why.to_owned() };
        let nic = Nic {
            name: "mlx5_0".to_owned(),
            pci: Some("0000:17:00.0".to_owned()),
            numa_node: Some(0),
            cores: "0-7".to_owned(),
        };
        let gpu = Accelerator { pci: "0000:18:00.0".to_owned(), nearest: Some("mlx5_0".to_owned()) };
        let node = |rank: u32| rank / each;
        let with_device = |rank: u32| node(rank) + 1 < nodes;
        let way = |me: u32, peer: u32| {
            let (rung, detail, others) = if node(me) == node(peer) {
                ("shm", "memory of the node".to_owned(), vec![other("mpi", Pick::READY)])
            } else if with_device(me) && with_device(peer) {
                ("verbs", format!("mlx5_0 port 1, GID {me} to {peer}"), vec![other("shm", "another node")])
            } else {
                let says = if with_device(me) { format!("rank {peer} says: ") } else { String::new() };
                ("mpi", "MPI".to_owned(), vec![other("verbs", &format!("{says}no RDMA device"))])
            };
            Way { peer, rung: Some(rung.to_owned()), detail, others }
        };
        let station = |rank: u32| Station {
            rank,
            host: format!("node{}", node(rank)),
            pid: 7,
            binding: "1 threads on 1 cores".to_owned(),
            cores: rank.to_string(),
            numa_nodes: vec![0],
            uses: vec![],
            nearest: if with_device(rank) { vec!["mlx5_0".to_owned()] } else { vec![] },
            devices: if with_device(rank) {
                Devices { rdma: vec![nic.clone()], accelerators: vec![gpu.clone()] }
            } else {
                Devices::default()
            },
            paths: (0..nodes * each).filter(|&peer| peer != rank).map(|peer| way(rank, peer)).collect(),
        };
        Report::new("test", &Network::default(), (0..nodes * each).map(station).collect(), None)
    }

    #[test]
    fn a_few_ranks_are_shown_one_by_one() {
        let text = report(2, 2).to_text();
        for told in [
            "4 ranks on 2 nodes, started by test; fabric auto; pairs: 4 by mpi, 2 by shm\n",
            "  node0: ranks 0-1\n    rank 0: 1 threads on 1 cores; cores 0, memory node 0\n",
            "    mlx5_0: PCI 0000:17:00.0, memory node 0, cores 0-7; nearest to ranks 0-1\n",
            "    GPU: PCI 0000:18:00.0, nearest RDMA device mlx5_0\n",
            "  node1: ranks 2-3\n",
            "    no RDMA device\n",
            "\nfrom 1    shm      ·    mpi    mpi\n",
            "shm: all 2 pairs within a node\n  via memory of the node\n  then mpi: ready",
            "mpi: from 0 to 2-3; 1 to 2-3\n  via MPI\n  not  verbs: the peer says: no RDMA device\n",
            "warning: all 4 pairs of ranks on different nodes talk by mpi, not RDMA: rank 2 says: no RDMA device\n",
        ] {
            assert!(text.contains(told), "`{told}` in\n{text}");
        }
    }

    #[test]
    fn many_ranks_are_told_in_few_lines() {
        let text = report(8, 8).to_text();
        assert!(text.lines().count() < 60, "{text}");
        assert!(text.starts_with("64 ranks on 8 nodes") && !text.contains("from 0    "), "{text}");
        assert!(text.contains("verbs: 1344 pairs: 0 with 8-55; "), "{text}");
        assert!(text.contains("and 2684 more connections; --json has them all"), "{text}");
    }

    #[test]
    fn a_device_that_is_not_the_nearest_is_noted() {
        let mut report = report(2, 1);
        report.stations[0].uses = vec!["mlx5_7".to_owned()];
        let text = report.to_text();
        assert!(text.contains("note: rank 0 goes by mlx5_7; mlx5_0 is nearer to its cores"), "{text}");
        assert_eq!(report.to_json()["ranks"][0]["uses_nearest"], false);
        assert_eq!(report.to_json()["ranks"][1]["uses_nearest"], true);
    }

    #[test]
    fn one_rank_has_nothing_to_explain() {
        assert!(report(1, 1).to_text().starts_with("1 rank, which has no peers"));
    }
}
