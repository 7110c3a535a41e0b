//! Which sockets are ready. Every registration has a token of its own, so a report that is late meets nobody else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

/// Sockets reported by one call; the system takes turns among those that are ready.
const BATCH: usize = 64;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Accepts connections.
    Listener,
    /// A connection that has proven nothing.
    Guest,
    /// A connection to the peer whose rank is the index.
    Peer,
}

/// One registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// What the socket is for, and its index.
    pub fn of(self) -> (Purpose, u32) {
        let purpose = match self.0 >> 62 {
            0 => Purpose::Listener,
            1 => Purpose::Guest,
            _ => Purpose::Peer,
        };
        (purpose, self.0 as u32)
    }
}

/// The set of sockets.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
    serial: u32,
    events: Vec<EpollEvent>,
}

fn flags(writable: bool) -> EpollFlags {
    if writable { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN }
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// A failed call.
    pub fn new() -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Poller { epoll, serial: 0, events: vec![EpollEvent::empty(); BATCH] })
    }

    /// Adds a socket: reported while it is readable, or writable too. It leaves the set when it is closed.
    ///
    /// # Errors
    /// A failed call.
    pub fn add(&mut self, socket: &Socket, purpose: Purpose, index: u32, writable: bool) -> io::Result<Token> {
        self.serial = (self.serial + 1) % (1 << 30);
        let purpose = match purpose {
            Purpose::Listener => 0,
            Purpose::Guest => 1,
            Purpose::Peer => 2,
        };
        let token = Token(purpose << 62 | u64::from(self.serial) << 32 | u64::from(index));
        self.epoll.add(socket, EpollEvent::new(flags(writable), token.0))?;
        Ok(token)
    }

    /// Changes what is reported.
    ///
    /// # Errors
    /// A failed call.
    pub fn change(&self, socket: &Socket, token: Token, writable: bool) -> io::Result<()> {
        Ok(self.epoll.modify(socket, &mut EpollEvent::new(flags(writable), token.0))?)
    }

    /// Takes a socket out that stays open.
    ///
    /// # Errors
    /// A failed call.
    pub fn remove(&self, socket: &Socket) -> io::Result<()> {
        Ok(self.epoll.delete(socket)?)
    }

    /// Readable while any socket of the set is ready.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Appends the sockets that are ready now, without waiting.
    ///
    /// # Errors
    /// A failed call.
    pub fn ready(&mut self, into: &mut Vec<Token>) -> io::Result<()> {
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        into.extend(self.events[..count].iter().map(|event| Token(event.data())));
        Ok(())
    }
}
