//! What the system tells of its RDMA ports: the library says which devices a program can drive, sysfs the rest.

use std::fs;
use std::path::Path;

use super::device::{Gid, GidEntry, GidKind, LinkLayer, PortFacts};
use super::locality::Cpus;
use crate::transport::Unavailable;

/// Where the kernel lists its RDMA devices.
const CLASS: &str = "/sys/class/infiniband";

/// All ports of all devices that this process can drive, by name.
///
/// # Errors
/// Why there are none, with the remedy.
pub fn ports() -> Result<Vec<PortFacts>, Unavailable> {
    let class = Path::new(CLASS);
    let kernel = entries(class);
    if kernel.is_empty() {
        return Err(Unavailable::new(format!("no RDMA device ({CLASS} is empty)")));
    }
    let list = ibverbs::devices()
        .map_err(|error| Unavailable::new(format!("libibverbs lists no devices of {}: {error}", kernel.join(", "))))?;
    let mine = Cpus::of_this_process();
    let mut ports = Vec::new();
    for device in &list {
        let Some(name) = device.name().and_then(|name| name.to_str().ok()) else { continue };
        let directory = class.join(name);
        let table = table(&device);
        for port in entries(&directory.join("ports")).iter().filter_map(|port| port.parse().ok()) {
            ports.push(port_facts(&directory, name, port, table.as_deref(), &mine));
        }
    }
    if ports.is_empty() {
        return Err(Unavailable::new(format!(
            "no user-space driver for {}: install ibverbs-providers (rdma-core), and see that /dev/infiniband is there",
            kernel.join(", ")
        )));
    }
    ports.sort_by(|a, b| (&a.device, a.port).cmp(&(&b.device, b.port)));
    Ok(ports)
}

/// The GID tables of all ports, from the library. It opens devices only while their port 1 is up: else sysfs tells.
fn table(device: &ibverbs::Device<'_>) -> Option<Vec<(u32, GidEntry)>> {
    let context = device.open().ok()?;
    let of = |entry: &ibverbs::GidEntry| {
        let mut raw = [0; 16];
        raw[..8].copy_from_slice(&entry.gid.subnet_prefix().to_be_bytes());
        raw[8..].copy_from_slice(&entry.gid.interface_id().to_be_bytes());
        // `enum ibv_gid_type`, whose names the crate does not pass on.
        let kind = match entry.gid_type {
            0 => GidKind::Ib,
            1 => GidKind::RoceV1,
            2 => GidKind::RoceV2,
            _ => return None,
        };
        Some((entry.port_num, GidEntry { index: u8::try_from(entry.gid_index).ok()?, gid: Gid(raw), kind }))
    };
    Some(context.gid_table().iter().filter_map(of).collect())
}

fn port_facts(directory: &Path, name: &str, port: u8, table: Option<&[(u32, GidEntry)]>, mine: &Cpus) -> PortFacts {
    let at = directory.join("ports").join(port.to_string());
    let link = match text(&at.join("link_layer")).as_str() {
        "InfiniBand" => LinkLayer::InfiniBand,
        "Ethernet" if !is_iwarp(directory) => LinkLayer::Ethernet,
        _ => LinkLayer::Other,
    };
    let gids = match table {
        Some(table) => table.iter().filter(|(of, _)| *of == u32::from(port)).map(|(_, entry)| *entry).collect(),
        None => gids(&at, link),
    };
    let local = text(&directory.join("device/local_cpulist"));
    PortFacts {
        device: name.to_owned(),
        port,
        // "4: ACTIVE"
        state: text(&at.join("state")).split(": ").nth(1).unwrap_or("of unknown state").to_owned(),
        link,
        // "100 Gb/sec (4X EDR)"
        gbit_s: text(&at.join("rate")).split(['.', ' ']).next().and_then(|rate| rate.parse().ok()).unwrap_or(0),
        gids: gids.into_iter().filter(|entry: &GidEntry| !entry.gid.is_unset()).collect(),
        // -1: the platform does not say.
        numa_node: text(&directory.join("device/numa_node")).parse().ok(),
        // A device that is near nothing, or a machine that does not say, is as near as any other.
        near: Cpus::parse(&local).is_none_or(|local| local.is_empty() || local.meets(mine)),
    }
}

/// The used entries of a port's GID table, from sysfs.
fn gids(at: &Path, link: LinkLayer) -> Vec<GidEntry> {
    let entry = |index: u8| {
        let text = |of: &str| fs::read_to_string(at.join(of).join(index.to_string())).ok();
        let gid = text("gids")?.trim().parse::<std::net::Ipv6Addr>().ok()?;
        // Reading the kind of an unused entry fails.
        let kind = match (text("gid_attrs/types")?.trim(), link) {
            ("RoCE v2", _) => GidKind::RoceV2,
            ("IB/RoCE v1", LinkLayer::InfiniBand) => GidKind::Ib,
            ("IB/RoCE v1", _) => GidKind::RoceV1,
            _ => return None,
        };
        Some(GidEntry { index, gid: Gid(gid.octets()), kind })
    };
    (0..=u8::MAX).filter_map(entry).collect()
}

/// Whether the device speaks iWARP: it calls itself an RNIC.
fn is_iwarp(directory: &Path) -> bool {
    text(&directory.join("node_type")).contains("RNIC")
}

/// The names in a directory, ascending; none where it is not there.
fn entries(directory: &Path) -> Vec<String> {
    let Ok(listing) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The content of a small file, trimmed; empty where it cannot be read.
fn text(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_rdma_says_so() {
        match ports() {
            Ok(ports) => assert!(!ports.is_empty()),
            Err(Unavailable(reason)) => assert!(reason.contains("RDMA") || reason.contains("driver"), "{reason}"),
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert!(entries(Path::new("/no/such/place")).is_empty());
        assert_eq!(text(Path::new("/no/such/file")), "");
    }
}
