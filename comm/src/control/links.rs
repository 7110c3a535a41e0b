//! Control links: one connection for each pair of ranks that comes back by itself, for a thread of its own.
//!
//! - A link is made once, by offers that are exchanged elsewhere; one offer serves all peers, also those that come later.
//! - [`LinkEvent::Down`] with a cause that [`FailureCause::proves_death`] is the last word about a peer. Any other cause says that the
//!   words of a while may be lost, and [`LinkEvent::Up`] follows once the peer is reached again, however long that takes.
//! - Messages of one sender arrive whole and in order; those sent while there is no connection are dropped.
//! - Memory is bounded: a message by [`MESSAGE_WORDS_MAX`], what waits towards a peer by twice that.

use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::{CommError, FailureCause};
use crate::ids::Rank;
use crate::port::{Incoming, Lane, Port};
use crate::tcp::{Choice, TcpPort};
use crate::transport::Unavailable;

/// Longest message, in words: 16 MiB.
pub const MESSAGE_WORDS_MAX: usize = 4 << 20;

/// What happens on links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The link to a peer stands, for the first time or again.
    Up {
        /// The peer.
        peer: Rank,
    },
    /// The link is lost or did not come about at first; everything that arrived before was handed over.
    Down {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
    /// A message.
    Message {
        /// Its sender.
        from: Rank,
        /// Its words, as sent.
        words: Vec<u32>,
    },
}

/// Wakes who waits in [`Links::wait`], from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// Ends the wait that is under way, or else the next one.
    pub fn wake(&self) {
        // Full means that a wake is pending already.
        let _ = self.0.write(1);
    }
}

/// The links of one rank.
#[derive(Debug)]
pub struct Links {
    port: TcpPort,
    /// Of the port and of the waker.
    ready: Epoll,
    bell: Arc<EventFd>,
    offer: Vec<u8>,
    /// Of links that stood when they were asked for.
    early: Vec<LinkEvent>,
}

impl Links {
    /// The links of rank `me` among up to `capacity` ranks, numbers that come later included: listens on the first free port of
    /// `ports`, or on any. All ranks share `key`, which nobody else knows. The environment variable [`crate::tcp::VARIABLE`]
    /// restricts the interfaces.
    ///
    /// # Errors
    /// No interface, no port, or a failed call.
    pub fn open(me: Rank, capacity: u32, ports: RangeInclusive<u16>, key: [u8; 32]) -> Result<Links, Unavailable> {
        Links::open_on(me, capacity, ports, key, &Choice::from_environment())
    }

    /// [`Links::open`] with a choice of interfaces.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(
        me: Rank,
        capacity: u32,
        ports: RangeInclusive<u16>,
        key: [u8; 32],
        choice: &Choice,
    ) -> Result<Links, Unavailable> {
        let failed = |errno: Errno| Unavailable::new(format!("control links cannot be waited for: {}", errno.desc()));
        let mut port = TcpPort::open_on(me, capacity, ports, key, choice)?;
        port.persist();
        port.bound(MESSAGE_WORDS_MAX);
        let mut offer = Vec::new();
        for peer in Rank::all(capacity).filter(|&peer| peer != me) {
            // The same for all, as each is the first to its peer.
            offer = port.offer(peer)?;
        }
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(failed)?;
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        for descriptor in [port.as_fd(), bell.as_fd()] {
            ready.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed)?;
        }
        Ok(Links { port, ready, bell: Arc::new(bell), offer, early: Vec::new() })
    }

    /// Encrypts and authenticates whatever goes over the links; before the first is made, and on all ranks alike: who has another setting
    /// is refused.
    pub fn seal(&mut self) {
        self.port.seal();
    }

    /// What a peer must know to connect; the same bytes for all, at any time. Empty where there can be no peer.
    pub fn offer(&self) -> Vec<u8> {
        self.offer.clone()
    }

    /// The number of the port that this rank listens on.
    pub fn port(&self) -> u16 {
        self.port.listens_on()
    }

    /// Makes the link to `peer` by its offer; once for each peer. [`LinkEvent::Up`] follows when both sides have asked for it.
    ///
    /// # Errors
    /// Why these links do not serve the pair.
    pub fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        if self.port.connect(peer, theirs)? {
            self.early.push(LinkEvent::Up { peer });
        }
        Ok(())
    }

    /// Whether the link to `peer` stands, as far as this side knows.
    pub fn stands(&self, peer: Rank) -> bool {
        self.port.carries_messages(peer)
    }

    /// Starts to send a message and returns at once; whether it is on its way. It is dropped where the link does not stand, where
    /// the peer lags too far behind, and where it is longer than [`MESSAGE_WORDS_MAX`].
    pub fn send(&mut self, peer: Rank, words: Vec<u32>) -> bool {
        self.stands(peer) && self.port.send(peer, Lane::Message, words).is_ok()
    }

    /// Adds what has happened, without waiting.
    ///
    /// # Errors
    /// [`CommError::Io`]: the system does not tell which sockets are ready.
    pub fn progress(&mut self, into: &mut Vec<LinkEvent>) -> Result<(), CommError> {
        // Nothing to read is as well.
        let _ = self.bell.read();
        into.append(&mut self.early);
        self.port.progress(&mut |incoming| match incoming {
            Incoming::Up { peer } => into.push(LinkEvent::Up { peer }),
            Incoming::Down { peer, cause } => into.push(LinkEvent::Down { peer, cause }),
            Incoming::Packet { from, words, .. } => into.push(LinkEvent::Message { from, words: words.to_vec() }),
            Incoming::Garbage { from, what } => tracing::warn!(peer = from.0, %what, "a control link is of no use"),
            Incoming::Announced { .. } | Incoming::Placed { .. } => {}
        })
    }

    /// Waits until [`Links::progress`] has something to do, until somebody wakes this rank, or until the time has come.
    ///
    /// # Errors
    /// [`CommError::Io`]: the system does not wait.
    pub fn wait(&self, until: Instant) -> Result<(), CommError> {
        if !self.early.is_empty() {
            return Ok(());
        }
        let left = until.min(self.port.due()).saturating_duration_since(Instant::now());
        // Rounded up: who wakes too early would only wait again.
        let left = left.saturating_add(Duration::from_micros(999)).as_millis();
        let timeout = i32::try_from(left).ok().and_then(|left| EpollTimeout::try_from(left).ok());
        match self.ready.wait(&mut [EpollEvent::empty()], timeout.unwrap_or(EpollTimeout::ZERO)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(CommError::Io { operation: "waiting for links", peer: None, source: errno.into() }),
        }
    }

    /// A handle by which any thread can end [`Links::wait`].
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.bell))
    }

    /// Whether something that was handed over has not left this process yet.
    pub fn unsent(&self) -> bool {
        self.port.unsent().is_some()
    }

    /// Ends the link to `peer` for good, with a goodbye, so that the peer does not take this rank for dead.
    pub fn close(&mut self, peer: Rank) {
        self.early.retain(|event| *event != LinkEvent::Up { peer });
        self.port.close(peer);
    }

    /// The link to `peer` in words.
    pub fn describe(&self, peer: Rank) -> String {
        self.port.describe(peer)
    }
}
