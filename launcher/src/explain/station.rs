//! What one rank knows: where it runs, which devices are near, and how it reaches its peers.

use std::path::Path;

use rankzero_comm::Pick;
use rankzero_comm::locality::{self, NicLocality, PciPath, Seat, cpu_list};
use rankzero_slurm::launch::Launch;
use serde::{Deserialize, Serialize};

use crate::binding::{self, BindingError, list};
use crate::run::paths::Way;

/// Where Linux tells about devices.
const SYSFS: &str = "/sys";

/// One rank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Station {
    pub rank: u32,
    pub host: String,
    pub pid: u32,
    /// Its threads in a run, in words.
    pub binding: String,
    /// Processing units that they run on, such as `0-3`.
    pub cores: String,
    pub numa_nodes: Vec<u32>,
    /// RDMA devices that its paths go by.
    pub uses: Vec<String>,
    /// RDMA devices that are as near to its cores as any.
    pub nearest: Vec<String>,
    pub devices: Devices,
    pub paths: Vec<Way>,
}

/// Devices of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    pub rdma: Vec<Nic>,
    pub accelerators: Vec<Accelerator>,
}

/// An RDMA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub name: String,
    pub pci: Option<String>,
    pub numa_node: Option<u32>,
    pub cores: String,
}

/// A GPU or the like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accelerator {
    pub pci: String,
    /// The RDMA device with the longest common way.
    pub nearest: Option<String>,
}

impl Station {
    /// This rank; `threads` as the job fixes them.
    pub fn here(launch: &Launch, threads: Option<usize>, picks: &[Pick]) -> Result<Self, BindingError> {
        let binding = binding::plan(launch.local_rank, launch.local_size, threads)?;
        let bound = binding.units();
        let cpus = if bound.is_empty() { allowed() } else { bound };
        let sysfs = Path::new(SYSFS);
        let nics = locality::devices(sysfs);
        let paths: Vec<Way> = picks.iter().map(Way::from).collect();
        Ok(Station {
            rank: launch.rank,
            host: crate::run::host(),
            pid: std::process::id(),
            binding: binding.description,
            cores: list(&cpus),
            numa_nodes: locality::numa_nodes(sysfs, &cpus),
            uses: used(&nics, &paths),
            nearest: nearest(&nics, &cpus),
            devices: Devices { accelerators: accelerators(sysfs, &nics), rdma: nics.iter().map(Nic::from).collect() },
            paths,
        })
    }

    /// The devices in use that are not the nearest ones.
    pub fn far(&self) -> impl Iterator<Item = &String> {
        self.uses.iter().filter(|name| !self.nearest.contains(name))
    }
}

impl From<&NicLocality> for Nic {
    fn from(nic: &NicLocality) -> Self {
        Nic {
            name: nic.name.clone(),
            pci: nic.pci.address().map(str::to_owned),
            numa_node: nic.numa_node,
            cores: list(&nic.cpus),
        }
    }
}

/// The processing units that the system lets this process use.
fn allowed() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cpu_list(line.unwrap_or_default().trim())
}

/// The devices that the details of the paths name: in each the first, which is this side's.
fn used(nics: &[NicLocality], paths: &[Way]) -> Vec<String> {
    let word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let device = |way: &Way| {
        let mut words = way.detail.split(|c| !word(c));
        words.find(|word| nics.iter().any(|nic| nic.name == *word)).map(str::to_owned)
    };
    let mut used: Vec<String> = paths.iter().filter_map(device).collect();
    used.sort();
    used.dedup();
    used
}

fn nearest(nics: &[NicLocality], cpus: &[u32]) -> Vec<String> {
    let seat = Seat::Cpus(cpus);
    let Some(best) = locality::nearest(nics, seat).map(|nic| nic.closeness(seat)) else { return Vec::new() };
    nics.iter().filter(|nic| nic.closeness(seat) == best).map(|nic| nic.name.clone()).collect()
}

fn accelerators(sysfs: &Path, nics: &[NicLocality]) -> Vec<Accelerator> {
    let near = |path: &PciPath| locality::nearest(nics, Seat::Pci(path)).map(|nic| nic.name.clone());
    let all = locality::accelerators(sysfs).into_iter();
    all.filter_map(|path| Some(Accelerator { pci: path.address()?.to_owned(), nearest: near(&path) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(name: &str, cpus: &[u32]) -> NicLocality {
        NicLocality { name: name.to_owned(), cpus: cpus.to_vec(), ..NicLocality::default() }
    }

    #[test]
    fn the_device_in_use_is_the_first_that_the_detail_names() {
        let nics = [nic("mlx5_0", &[0]), nic("mlx5_10", &[1])];
        let way = |detail: &str| Way { peer: 1, rung: None, detail: detail.to_owned(), others: Vec::new() };
        let paths = [way("mlx5_10 port 1, GID ::1, MTU 4096, to mlx5_0"), way("10.0.0.1:9001"), way("mlx5_10:1")];
        assert_eq!(used(&nics, &paths), ["mlx5_10"]);
    }

    #[test]
    fn devices_that_are_equally_near_are_all_the_nearest() {
        let nics = [nic("a", &[0, 1]), nic("b", &[0, 1]), nic("c", &[2])];
        assert_eq!(nearest(&nics, &[0, 1]), ["a", "b"]);
        assert_eq!(nearest(&nics, &[2]), ["c"]);
        assert!(nearest(&[], &[2]).is_empty());
    }

    #[test]
    fn this_process_may_use_some_core() {
        assert!(!allowed().is_empty());
    }
}
