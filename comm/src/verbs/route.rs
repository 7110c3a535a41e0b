//! Which port leads to an IP address: the kernel's routing, asked through the RDMA connection manager.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ptr::{NonNull, null_mut};
use std::time::{Duration, Instant};

use nix::libc;
use rdma_sys as sys;

use crate::transport::Unavailable;

/// How long resolving an address may take: it may need an answer of the network.
const RESOLVE_WITHIN: Duration = Duration::from_secs(2);

/// Device and port that lead to `address`.
///
/// # Errors
/// Why none does.
pub fn towards(address: IpAddr) -> Result<(String, u8), Unavailable> {
    resolve(address).map_err(|error| Unavailable::new(format!("no RDMA route to {address}: {error}")))
}

/// An event channel of the connection manager; does not block.
struct Channel(NonNull<sys::rdma_event_channel>);

impl Channel {
    fn new() -> io::Result<Channel> {
        // SAFETY: makes a new channel, or none.
        let raw = NonNull::new(unsafe { sys::rdma_create_event_channel() }).ok_or_else(io::Error::last_os_error)?;
        let channel = Channel(raw);
        // SAFETY: the descriptor belongs to the channel, which is open.
        let failed = unsafe { libc::fcntl(channel.fd(), libc::F_SETFL, libc::O_NONBLOCK) < 0 };
        if failed { Err(io::Error::last_os_error()) } else { Ok(channel) }
    }

    fn fd(&self) -> i32 {
        // SAFETY: the channel is open.
        unsafe { self.0.as_ref().fd }
    }

    /// Waits for the next event: its kind and status.
    fn next(&self, until: Instant) -> io::Result<(sys::rdma_cm_event_type::Type, i32)> {
        loop {
            let left = until.saturating_duration_since(Instant::now()).as_millis().min(60_000) as i32;
            let mut poll = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure, which outlives the call.
            if unsafe { libc::poll(&raw mut poll, 1, left) } == 0 {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            let mut event = null_mut();
            // SAFETY: the channel is open; an event that is returned is read and acknowledged once.
            unsafe {
                if sys::rdma_get_cm_event(self.0.as_ptr(), &raw mut event) == 0 {
                    let seen = ((*event).event, (*event).status);
                    sys::rdma_ack_cm_event(event);
                    return Ok(seen);
                }
            }
            let error = io::Error::last_os_error();
            if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                return Err(error);
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: made once; its identifiers are gone before, as they borrow it.
        unsafe { sys::rdma_destroy_event_channel(self.0.as_ptr()) };
    }
}

/// An end of a connection that may come about.
struct Identifier<'a> {
    raw: NonNull<sys::rdma_cm_id>,
    channel: &'a Channel,
}

impl Identifier<'_> {
    fn new(channel: &Channel) -> io::Result<Identifier<'_>> {
        let mut raw = null_mut();
        let space = sys::rdma_port_space::RDMA_PS_TCP;
        // SAFETY: the channel is open and outlives the identifier.
        let code = unsafe { sys::rdma_create_id(channel.0.as_ptr(), &raw mut raw, null_mut(), space) };
        match NonNull::new(raw) {
            Some(raw) if code == 0 => Ok(Identifier { raw, channel }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn resolve(&mut self, address: IpAddr) -> io::Result<()> {
        let address = SocketAddr::new(address, 0);
        let mut raw = storage(address);
        let within = RESOLVE_WITHIN.as_millis() as i32;
        // SAFETY: the structure holds an address of the family that it names, and is copied by the call.
        let code = unsafe { sys::rdma_resolve_addr(self.raw.as_ptr(), null_mut(), (&raw mut raw).cast(), within) };
        if code != 0 {
            return Err(io::Error::last_os_error());
        }
        match self.channel.next(Instant::now() + RESOLVE_WITHIN + Duration::from_millis(500))? {
            (sys::rdma_cm_event_type::RDMA_CM_EVENT_ADDR_RESOLVED, _) => Ok(()),
            (_, status) if status != 0 => Err(io::Error::from_raw_os_error(status.saturating_abs())),
            _ => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
        }
    }

    /// Device and port, once the address is resolved.
    fn port(&self) -> Option<(String, u8)> {
        // SAFETY: the identifier exists; resolving sets its device, whose name is a terminated string.
        unsafe {
            let of = self.raw.as_ref();
            let context = NonNull::new(of.verbs)?;
            let name = CStr::from_ptr(sys::ibv_get_device_name(context.as_ref().device));
            Some((name.to_str().ok()?.to_owned(), of.port_num))
        }
    }
}

impl Drop for Identifier<'_> {
    fn drop(&mut self) {
        // SAFETY: made once; its events are acknowledged as they are read.
        unsafe { sys::rdma_destroy_id(self.raw.as_ptr()) };
    }
}

fn resolve(address: IpAddr) -> io::Result<(String, u8)> {
    let channel = Channel::new()?;
    let mut identifier = Identifier::new(&channel)?;
    identifier.resolve(address)?;
    identifier.port().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no RDMA device leads there"))
}

/// The address in the system's form.
fn storage(address: SocketAddr) -> libc::sockaddr_storage {
    // SAFETY: zero is a valid value of this structure of numbers.
    let mut out: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is large and aligned enough for every kind of address.
            unsafe { (&raw mut out).cast::<libc::sockaddr_in>().write(raw) };
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut out).cast::<libc::sockaddr_in6>().write(raw) };
        }
    }
    out
}
