//! What a rank tells a peer so that it can connect, and the order in which addresses are tried.
//!
//! Layout, little-endian: magic (4), generation (4), port (2), count (2), host (16), then `count` times family (1; 4 or
//! 6), prefix (1), address (16; IPv4 in the first 4 bytes, zeros behind).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::interfaces::{Interface, Network, speaks_for_a_host};

/// The last byte is the version.
const MAGIC: [u8; 4] = *b"RZO1";
const HEAD_BYTES: usize = 28;
const ENTRY_BYTES: usize = 18;
/// Most addresses of an offer.
pub const ADDRESSES_MAX: usize = 64;

/// How to reach a rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Counts the offers of this rank to this peer.
    pub generation: u32,
    /// Where it listens.
    pub port: u16,
    /// Equal for ranks that share a loopback interface.
    pub host: [u8; 16],
    /// Its addresses, best first.
    pub addresses: Vec<Network>,
}

/// Why bytes are no offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOffer {
    /// Not this program, or another version.
    #[error("it is not of this version")]
    Magic,
    /// Not as long as it says.
    #[error("it is {0} bytes long, which is not what it says")]
    Length(usize),
    /// No port.
    #[error("it names no port")]
    Port,
    /// An address that no host has.
    #[error("address {0} of it is none")]
    Address(usize),
}

impl Offer {
    /// As bytes; addresses beyond [`ADDRESSES_MAX`] are left out.
    pub fn encode(&self) -> Vec<u8> {
        let addresses = &self.addresses[..self.addresses.len().min(ADDRESSES_MAX)];
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.port.to_le_bytes());
        bytes.extend((addresses.len() as u16).to_le_bytes());
        bytes.extend(self.host);
        for network in addresses {
            let (family, octets) = match network.address {
                IpAddr::V4(v4) => {
                    let mut octets = [0; 16];
                    octets[..4].copy_from_slice(&v4.octets());
                    (4, octets)
                }
                IpAddr::V6(v6) => (6, v6.octets()),
            };
            bytes.extend([family, network.prefix]);
            bytes.extend(octets);
        }
        bytes
    }

    /// From bytes of a peer.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Offer, NoOffer> {
        let length = NoOffer::Length(bytes.len());
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(length)?;
        if head[..4] != MAGIC {
            return Err(NoOffer::Magic);
        }
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let count = usize::from(short(10));
        if !(1..=ADDRESSES_MAX).contains(&count) || rest.len() != count * ENTRY_BYTES {
            return Err(length);
        }
        let port = short(8);
        if port == 0 {
            return Err(NoOffer::Port);
        }
        let (entries, _) = rest.as_chunks::<ENTRY_BYTES>();
        let addresses = entries.iter().enumerate();
        let addresses = addresses.map(|(at, entry)| address(entry).ok_or(NoOffer::Address(at)));
        Ok(Offer {
            generation: u32::from_le_bytes([head[4], head[5], head[6], head[7]]),
            port,
            host: std::array::from_fn(|at| head[12 + at]),
            addresses: addresses.collect::<Result<_, _>>()?,
        })
    }

    /// The addresses to try from a host with these interfaces, best first: loopback where both share it, those of a network
    /// that both are in, others. An address that this host has too is the peer's only on the same host.
    pub fn route(&self, host: &[u8; 16], own: &[Interface]) -> Vec<SocketAddr> {
        let same_host = self.host == *host;
        let mut ranked: Vec<(u8, IpAddr)> = Vec::new();
        for &theirs in &self.addresses {
            let address = theirs.address;
            let shared = own.iter().any(|own| own.network.address == address);
            if !same_host && (address.is_loopback() || shared) {
                continue;
            }
            let together = |own: &&Interface| own.network.contains(address) && theirs.contains(own.network.address);
            let family = |own: &&Interface| own.network.address.is_ipv4() == address.is_ipv4();
            let class = match () {
                () if address.is_loopback() => 0,
                () if own.iter().any(|own| together(&own)) => 1,
                () if own.iter().any(|own| family(&own)) => 2,
                () => 3,
            };
            ranked.push((class, address));
        }
        ranked.sort_by_key(|&(class, _)| class);
        ranked.into_iter().map(|(_, address)| SocketAddr::new(address, self.port)).collect()
    }
}

fn address(entry: &[u8; ENTRY_BYTES]) -> Option<Network> {
    let [family, prefix, octets @ ..] = entry;
    let address = match family {
        4 => {
            let (v4, rest) = octets.split_first_chunk::<4>()?;
            if rest.iter().any(|&byte| byte != 0) {
                return None;
            }
            IpAddr::V4(Ipv4Addr::from(*v4))
        }
        6 => IpAddr::V6(Ipv6Addr::from(*octets)),
        _ => return None,
    };
    (speaks_for_a_host(address) && *prefix <= Network::prefix_max(address))
        .then_some(Network { address, prefix: *prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(host: u8, addresses: &[&str]) -> Offer {
        let addresses = addresses.iter().map(|text| text.parse().expect("a network")).collect();
        Offer { generation: 7, port: 9001, host: [host; 16], addresses }
    }

    fn sample() -> Offer {
        offer(1, &["10.1.2.3/24", "fd00::3/64", "127.0.0.1/8"])
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Offer::parse(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let bytes = sample().encode();
        for len in 0..bytes.len() {
            assert_eq!(Offer::parse(&bytes[..len]), Err(NoOffer::Length(len)));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Offer::parse(&longer), Err(NoOffer::Length(longer.len())));
        assert_eq!(Offer::parse(&offer(1, &[]).encode()), Err(NoOffer::Length(HEAD_BYTES)));
        let many = offer(1, &["10.0.0.1"; ADDRESSES_MAX + 9]);
        assert_eq!(Offer::parse(&many.encode()).expect("cut").addresses.len(), ADDRESSES_MAX);
    }

    #[test]
    fn no_changed_byte_panics_and_what_is_taken_is_valid() {
        let bytes = sample().encode();
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(offer) = Offer::parse(&changed) {
                    assert_eq!(offer.encode(), changed);
                }
            }
        }
    }

    #[test]
    fn the_reason_is_named() {
        let with = |at: usize, values: &[u8]| {
            let mut bytes = sample().encode();
            bytes[at..at + values.len()].copy_from_slice(values);
            Offer::parse(&bytes).expect_err("no offer")
        };
        assert_eq!(with(3, b"2"), NoOffer::Magic);
        assert_eq!(with(8, &[0, 0]), NoOffer::Port);
        assert_eq!(with(HEAD_BYTES, &[5]), NoOffer::Address(0));
        assert_eq!(with(HEAD_BYTES + 1, &[33]), NoOffer::Address(0));
        assert_eq!(with(HEAD_BYTES + 2, &[0; 4]), NoOffer::Address(0));
        assert_eq!(with(HEAD_BYTES + ENTRY_BYTES + 2, &[0xff]), NoOffer::Address(1));
    }

    #[test]
    fn loopback_comes_first_where_it_is_shared_then_the_network_that_both_are_in() {
        let own = |text: &str| Interface { name: "eth0".into(), network: text.parse().expect("a network") };
        let route = |offer: &Offer, host: u8, own: &[Interface]| -> Vec<String> {
            offer.route(&[host; 16], own).iter().map(|address| address.ip().to_string()).collect()
        };
        let theirs = offer(1, &["192.168.0.4/24", "172.17.0.1/16", "fd00::4/64", "10.1.2.4/24", "127.0.0.1/8"]);
        let here = [own("10.1.2.3/24"), own("172.17.0.1/16"), own("127.0.0.1/8")];
        // 172.17.0.1 is a bridge that both hosts have: over it this host would only reach itself.
        assert_eq!(route(&theirs, 2, &here), ["10.1.2.4", "192.168.0.4", "fd00::4"]);
        let together = ["127.0.0.1", "172.17.0.1", "10.1.2.4", "192.168.0.4", "fd00::4"];
        assert_eq!(route(&theirs, 1, &here), together);
    }
}
