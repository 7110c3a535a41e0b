//! Sockets with the options of this rung.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::transport::Unavailable;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 4096;
/// An idle connection is tested this often; lost after [`KEEPALIVE_TESTS`] without an answer.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// See [`KEEPALIVE`].
const KEEPALIVE_TESTS: u32 = 4;

/// Listens on the first free port of `ports`, or on any free one when the range is taken or zero.
///
/// # Errors
/// No port at all.
pub fn listen(ports: RangeInclusive<u16>) -> Result<(Socket, u16), Unavailable> {
    // Both families at once where the host has IPv6.
    let families =
        [(Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)), (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED))];
    let mut last = None;
    for (domain, any) in families {
        let in_range = ports.clone().filter(|&port| port != 0);
        let taken =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
        let mut tried = 0;
        for port in in_range.chain([0]) {
            if port == 0 && tried > 0 {
                tracing::info!(first = ports.start(), last = ports.end(), "no free port in the range; taking any");
            }
            match listen_at(domain, SocketAddr::new(any, port)) {
                Ok(found) => return Ok(found),
                Err(error) if port != 0 && taken(&error) => tried += 1,
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
    }
    Err(Unavailable::new(last.map_or_else(String::new, |error| format!("no TCP port can be listened on: {error}"))))
}

fn listen_at(domain: Domain, address: SocketAddr) -> io::Result<(Socket, u16)> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    // Without it a port would stay taken for a minute after a run. Two listeners never share a port all the same: when
    // two processes bind at the same moment, the second `listen` fails.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
    Ok((socket, port))
}

/// Sets what a connection needs: never block, send at once, notice a dead host while idle.
///
/// # Errors
/// A failed call.
pub fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_TESTS);
    socket.set_tcp_keepalive(&keepalive)
}

/// Starts to connect; the socket becomes writable once that has succeeded or failed.
///
/// # Errors
/// A failed call, or the refusal of the peer.
pub fn dial(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket)?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// Whether a socket made by [`dial`] is connected by now.
///
/// # Errors
/// Why it is not.
pub fn connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        // A port of this host from which nobody listens may be given to the very socket that asks for it.
        Ok(peer) if socket.local_addr()?.as_socket() == peer.as_socket() => {
            Err(io::Error::from_raw_os_error(nix::libc::ECONNREFUSED))
        }
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Both ends of a connection, IPv4 as such.
pub fn ends(socket: &Socket) -> Option<(SocketAddr, SocketAddr)> {
    let plain = |address: SockAddr| address.as_socket().map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()));
    Some((plain(socket.local_addr().ok()?)?, plain(socket.peer_addr().ok()?)?))
}

/// The number of an error of the system; what is none counts as a reset.
pub fn errno(error: &io::Error) -> i32 {
    match error.raw_os_error() {
        Some(nix::libc::EPIPE) | None => nix::libc::ECONNRESET,
        Some(errno) => errno,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_never_share_a_port() {
        // A range that the system has just proven free; others may take a port of it meanwhile, so ports are compared.
        let (first, port) = listen(0..=0).expect("a port");
        drop(first);
        let range = port..=port.saturating_add(3);
        let found: Vec<_> = (0..6).map(|_| listen(range.clone()).expect("a port")).collect();
        let mut ports: Vec<u16> = found.iter().map(|(_, port)| *port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
        assert!(ports.iter().any(|port| !range.contains(port)), "six ports of four");
    }

    #[test]
    fn nobody_listening_is_a_refusal() {
        let (listener, port) = listen(0..=0).expect("a port");
        drop(listener);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let refused = dial(address).and_then(|socket| connected(&socket));
        assert_eq!(refused.map_err(|error| errno(&error)), Err(nix::libc::ECONNREFUSED));
    }
}
