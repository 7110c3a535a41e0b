//! Which ports of which devices serve: a decision over plain data, with a reason for everything that was passed over.

use std::fmt;
use std::net::Ipv6Addr;

/// Most rails of one connection.
pub const RAILS_MAX: usize = 8;

/// What a port is joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// An InfiniBand fabric: addressed by LID.
    InfiniBand,
    /// Ethernet: RoCE, addressed by GID.
    Ethernet,
    /// iWARP, or something unknown.
    Other,
}

/// A global identifier: the address of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Gid(pub [u8; 16]);

impl Gid {
    /// Whether it is an IPv4 address in IPv6 form.
    pub fn is_ipv4(&self) -> bool {
        Ipv6Addr::from(self.0).to_ipv4_mapped().is_some()
    }

    /// Whether it is valid on one link alone.
    pub fn is_link_local(&self) -> bool {
        self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80
    }

    /// Whether the entry of the table is unused.
    pub fn is_unset(&self) -> bool {
        // The second half is the interface; InfiniBand puts a subnet prefix before an unset one.
        self.0[8..] == [0; 8]
    }

    /// The first half: the subnet, with InfiniBand.
    pub fn subnet(&self) -> [u8; 8] {
        let mut subnet = [0; 8];
        subnet.copy_from_slice(&self.0[..8]);
        subnet
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Ipv6Addr::from(self.0))
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How packets with a GID are framed; both ends must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GidKind {
    /// InfiniBand.
    Ib,
    /// RoCE version 1: within one Ethernet segment.
    RoceV1,
    /// RoCE version 2: over UDP, routable.
    RoceV2,
}

impl fmt::Display for GidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GidKind::Ib => "InfiniBand",
            GidKind::RoceV1 => "RoCE v1",
            GidKind::RoceV2 => "RoCE v2",
        })
    }
}

/// One entry of a port's GID table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// Its place in the table.
    pub index: u8,
    /// The address.
    pub gid: Gid,
    /// The framing.
    pub kind: GidKind,
}

/// What is known of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// Name of the device, as `mlx5_0`.
    pub device: String,
    /// Number of the port, from 1.
    pub port: u8,
    /// Its state in the kernel's word, as `ACTIVE` or `DOWN`.
    pub state: String,
    /// What it is joined to.
    pub link: LinkLayer,
    /// Rate in Gbit/s; 0 where it is unknown.
    pub gbit_s: u32,
    /// Used entries of its GID table, ascending.
    pub gids: Vec<GidEntry>,
    /// NUMA node of the device, where it has one.
    pub numa_node: Option<u32>,
    /// Whether some core that this process may run on is local to the device.
    pub near: bool,
}

impl PortFacts {
    /// `mlx5_0 port 1`.
    pub fn name(&self) -> String {
        format!("{} port {}", self.device, self.port)
    }
}

/// What the user narrows the choice to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A device, or one port of it: `mlx5_0`, `mlx5_0:1`.
    pub device: Option<String>,
    /// The port that leads to the peers, where routing says so: device and port.
    pub route: Option<(String, u8)>,
    /// Most rails; 0 means no limit but [`RAILS_MAX`].
    pub rails: usize,
}

/// A port that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenPort {
    /// Name of the device.
    pub device: String,
    /// Number of the port.
    pub port: u8,
    /// What it is joined to.
    pub link: LinkLayer,
    /// The address to use.
    pub gid: GidEntry,
}

/// The outcome of [`choose`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The ports, by name; one rail each. Empty: none serves.
    pub rails: Vec<ChosenPort>,
    /// Why each other port does not serve.
    pub rejected: Vec<String>,
}

/// Chooses the ports: active ones with a usable GID, near this process before far ones, fast before slow, and of those
/// that are equal all, as rails.
pub fn choose(ports: &[PortFacts], wanted: &Wanted) -> Choice {
    let mut choice = Choice::default();
    let mut fit: Vec<(&PortFacts, GidEntry)> = Vec::new();
    for port in ports {
        match usable(port, wanted) {
            Ok(gid) => fit.push((port, gid)),
            Err(reason) => choice.rejected.push(reason),
        }
    }
    fit.sort_by_key(|(port, _)| (!port.near, std::cmp::Reverse(port.gbit_s), port.device.clone(), port.port));
    let limit = if wanted.rails == 0 { RAILS_MAX } else { wanted.rails.min(RAILS_MAX) };
    let best = fit.first().map(|&(port, gid)| (port.clone(), gid.kind));
    for (port, gid) in fit {
        let Some((best, kind)) = &best else { break };
        if let Some(reason) = unequal(port, gid.kind, best, *kind) {
            choice.rejected.push(reason);
        } else if choice.rails.len() == limit {
            choice.rejected.push(format!("{} is beyond the limit of {limit} rails", port.name()));
        } else {
            choice.rails.push(ChosenPort { device: port.device.clone(), port: port.port, link: port.link, gid });
        }
    }
    choice
}

/// The GID to use, or why the port does not serve.
fn usable(port: &PortFacts, wanted: &Wanted) -> Result<GidEntry, String> {
    let name = port.name();
    if let Some(device) = &wanted.device
        && *device != port.device
        && *device != format!("{}:{}", port.device, port.port)
    {
        return Err(format!("{name} is not the device asked for ({device})"));
    }
    if let Some((device, number)) = &wanted.route
        && (*device != port.device || *number != port.port)
    {
        return Err(format!("{name} does not lead to the peers, {device} port {number} does"));
    }
    if port.link == LinkLayer::Other {
        return Err(format!("{name} is neither InfiniBand nor RoCE; iWARP has no write with immediate"));
    }
    if port.state != "ACTIVE" {
        return Err(format!("{name} is {}", port.state.to_lowercase()));
    }
    best_gid(port).ok_or_else(|| match port.link {
        LinkLayer::Ethernet => format!("{name} has no GID: give its network interface an IP address"),
        _ => format!("{name} has no GID at index 0: the subnet manager has not set it up"),
    })
}

/// InfiniBand: index 0. RoCE: version 2 before 1; IPv4 before global IPv6 before link-local; then the lowest index.
fn best_gid(port: &PortFacts) -> Option<GidEntry> {
    if port.link == LinkLayer::InfiniBand {
        return port.gids.iter().find(|entry| entry.index == 0).copied();
    }
    let worth = |entry: &&GidEntry| {
        let scope = if entry.gid.is_ipv4() { 0 } else { 1 + u8::from(entry.gid.is_link_local()) };
        (entry.kind != GidKind::RoceV2, scope, entry.index)
    };
    port.gids.iter().filter(|entry| entry.kind != GidKind::Ib).min_by_key(worth).copied()
}

/// Why a usable port is no rail beside the best one.
fn unequal(port: &PortFacts, kind: GidKind, best: &PortFacts, best_kind: GidKind) -> Option<String> {
    let (name, first) = (port.name(), best.name());
    if port.near != best.near {
        let node = port.numa_node.map_or("elsewhere".into(), |node| format!("on NUMA node {node}"));
        return Some(format!("{name} is {node}, away from this process's cores; {first} is near"));
    }
    if port.link != best.link || kind != best_kind {
        return Some(format!("{name} speaks {kind}, {first} speaks {best_kind}"));
    }
    if port.gbit_s != best.gbit_s {
        return Some(format!("{name} has {} Gbit/s, {first} has {} Gbit/s", port.gbit_s, best.gbit_s));
    }
    None
}

#[cfg(test)]
mod tests;
