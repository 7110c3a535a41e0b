//! The addresses under which other hosts reach this one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use nix::net::if_::InterfaceFlags;

use super::handshake::Key;
use crate::transport::Unavailable;

/// Environment variable that says which interfaces serve: names or networks, separated by commas.
pub const VARIABLE: &str = "RANKZERO_INTERFACE";

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// An address in it.
    pub address: IpAddr,
    /// Bits that all its addresses share.
    pub prefix: u8,
}

impl Network {
    /// Whether `other` lies within.
    pub fn contains(&self, other: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix.min(32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix.min(128),
            _ => false,
        }
    }

    /// Most bits of a prefix in the family of `address`.
    pub const fn prefix_max(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }
}

impl FromStr for Network {
    type Err = ();

    /// `10.0.0.0/8`, or one address.
    fn from_str(text: &str) -> Result<Network, ()> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address = IpAddr::from_str(address).map_err(drop)?;
        let most = Network::prefix_max(address);
        let prefix = prefix.map_or(Ok(most), |prefix| prefix.parse().map_err(drop))?;
        if prefix > most {
            return Err(());
        }
        Ok(Network { address, prefix })
    }
}

/// Which interfaces serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Empty: all of them.
    allowed: Vec<Allowed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Name(String),
    Network(Network),
}

impl Choice {
    /// What [`VARIABLE`] says, or every interface.
    pub fn from_environment() -> Choice {
        std::env::var(VARIABLE).map_or_else(|_| Choice::default(), |text| Choice::parse(&text))
    }

    /// Names of interfaces and networks in CIDR notation, separated by commas. Empty text: every interface.
    pub fn parse(text: &str) -> Choice {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let allowed =
            parts.map(|part| part.parse().map_or_else(|()| Allowed::Name(part.to_owned()), Allowed::Network)).collect();
        Choice { allowed }
    }

    fn allows(&self, interface: &Interface) -> bool {
        self.allowed.is_empty()
            || self.allowed.iter().any(|allowed| match allowed {
                Allowed::Name(name) => *name == interface.name,
                Allowed::Network(network) => network.contains(interface.network.address),
            })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, allowed) in self.allowed.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match allowed {
                Allowed::Name(name) => write!(f, "{comma}{name}")?,
                Allowed::Network(network) => write!(f, "{comma}{}/{}", network.address, network.prefix)?,
            }
        }
        Ok(())
    }
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, as `eth0`.
    pub name: String,
    /// Address and the network that is reached directly.
    pub network: Network,
}

/// The addresses of this host that serve, loopback last.
///
/// # Errors
/// The system does not tell, or there is none.
pub fn usable(choice: &Choice) -> Result<Vec<Interface>, Unavailable> {
    let all = nix::ifaddrs::getifaddrs()
        .map_err(|errno| Unavailable::new(format!("the network interfaces cannot be listed: {errno}")))?;
    let mut found = Vec::new();
    for entry in all {
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        let (true, Some(address)) = (entry.flags.contains(up), entry.address) else { continue };
        let mask = entry.netmask;
        let address = if let Some(v4) = address.as_sockaddr_in() {
            let mask = mask.and_then(|mask| mask.as_sockaddr_in().map(|mask| mask.ip().to_bits().leading_ones()));
            (IpAddr::V4(v4.ip()), mask)
        } else if let Some(v6) = address.as_sockaddr_in6() {
            let mask = mask.and_then(|mask| mask.as_sockaddr_in6().map(|mask| mask.ip().to_bits().leading_ones()));
            (IpAddr::V6(v6.ip()), mask)
        } else {
            continue;
        };
        let (address, mask) = address;
        let prefix = mask.map_or(Network::prefix_max(address), |ones| ones as u8);
        let interface = Interface { name: entry.interface_name, network: Network { address, prefix } };
        if speaks_for_a_host(address) && choice.allows(&interface) {
            found.push(interface);
        }
    }
    if found.is_empty() {
        let chosen = choice.to_string();
        return Err(Unavailable::new(if chosen.is_empty() {
            "no network interface is up".to_owned()
        } else {
            format!("no network interface that is up matches {VARIABLE}={chosen}")
        }));
    }
    found.sort_by_key(|interface| interface.network.address.is_loopback());
    Ok(found)
}

/// Whether another process can connect to it. Link-local addresses of IPv6 mean nothing without an interface of the
/// other host, so they do not count.
pub fn speaks_for_a_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4 == Ipv4Addr::UNSPECIFIED || v4 == Ipv4Addr::BROADCAST || v4.is_multicast()),
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().is_some();
            !(v6 == Ipv6Addr::UNSPECIFIED || v6.is_multicast() || v6.is_unicast_link_local() || mapped)
        }
    }
}

/// What this host's network stack is called within the run: equal for processes that share a loopback interface.
pub fn host(key: &Key) -> [u8; 16] {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/net");
    let mut name = [0; 16];
    if let (Ok(boot), Ok(namespace)) = (boot, namespace) {
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        hasher.update(&boot).update(namespace.as_os_str().as_encoded_bytes());
        name.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    } else if getrandom::fill(&mut name).is_err() {
        // A name that nobody shares only costs the way over loopback, but zeros might be shared.
        name = std::array::from_fn(|at| (std::process::id() >> (8 * (at % 4))) as u8);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn networks_contain_their_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(network("10.0.0.0/8").contains(ip("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(network("0.0.0.0/0").contains(ip("11.0.0.1")));
        assert!(!network("0.0.0.0/0").contains(ip("::1")));
        assert!(network("fd00::/64").contains(ip("fd00::7")));
        assert!(!network("fd00::/64").contains(ip("fd00:0:0:1::7")));
        assert!(network("10.1.2.3").contains(ip("10.1.2.3")) && !network("10.1.2.3").contains(ip("10.1.2.2")));
        for wrong in ["10.0.0.0/33", "::/129", "eth0", "10.0.0.0/", "10.0.0.0/-1", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_choice_restricts() {
        let loopback = usable(&Choice::parse("127.0.0.0/8")).expect("loopback");
        assert!(loopback.iter().all(|interface| interface.network.address.is_loopback()));
        let name = &loopback[0].name;
        assert!(usable(&Choice::parse(name)).expect("loopback").iter().all(|interface| interface.name == *name));
        let none = usable(&Choice::parse("no-such-interface, 203.0.113.0/30")).expect_err("nothing matches");
        assert!(none.0.contains("no-such-interface,203.0.113.0/30"), "{none}");
    }

    #[test]
    fn loopback_comes_last() {
        let all = usable(&Choice::default()).expect("some interface");
        assert!(all.is_sorted_by_key(|interface| interface.network.address.is_loopback()));
    }
}
