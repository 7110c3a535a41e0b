//! Whether the process at the other end of a lost connection still lives: its port is tried once more. A host that
//! refuses the connection says that nobody listens there any more; whatever else happens proves nothing.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::poller::{Poller, Purpose, Token};
use super::socket::{connected, dial, errno};
use crate::error::FailureCause;
use crate::ids::Rank;

/// For the answer.
const TIME_MAX: Duration = Duration::from_millis(300);
/// Before the next attempt, for who waits for it.
const AGAIN_AFTER: Duration = Duration::from_millis(2);

/// A probe under way.
#[derive(Debug)]
pub struct Probe {
    peer: Rank,
    target: SocketAddr,
    attempt: Option<(Socket, Token)>,
    until: Instant,
    otherwise: FailureCause,
}

impl Probe {
    /// Tries `target`; unless that proves that `peer` is gone, the verdict is `otherwise`.
    pub fn new(peer: Rank, target: SocketAddr, otherwise: FailureCause, now: Instant) -> Probe {
        Probe { peer, target, attempt: None, until: now + TIME_MAX, otherwise }
    }

    /// When [`Probe::tick`] is due.
    pub fn until(&self, now: Instant) -> Instant {
        if self.attempt.is_some() { self.until } else { self.until.min(now + AGAIN_AFTER) }
    }

    /// The verdict, once there is one.
    pub fn tick(&mut self, poller: &mut Poller, now: Instant) -> Option<FailureCause> {
        if now >= self.until {
            return Some(self.otherwise);
        }
        if self.attempt.is_none() {
            let opened = dial(self.target)
                .and_then(|socket| Ok((poller.add(&socket, Purpose::Peer, self.peer.0, true)?, socket)));
            match opened {
                Ok((token, socket)) => self.attempt = Some((socket, token)),
                Err(error) => return Some(self.verdict(&error)),
            }
        }
        None
    }

    /// The socket with this token is ready; the verdict, once there is one.
    pub fn ready(&mut self, token: Token, poller: &mut Poller) -> Option<FailureCause> {
        let (mut socket, token) = self.attempt.as_ref().filter(|(_, own)| *own == token).map(|(s, t)| (s, *t))?;
        let state = connected(socket).and_then(|connected| {
            if connected {
                poller.change(socket, token, false)?;
            }
            Ok(connected)
        });
        match state {
            Ok(false) => return None,
            Ok(true) => match socket.read(&mut [0]) {
                // It greets, so it lives.
                Ok(1..) => return Some(self.otherwise),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return None,
                Ok(0) | Err(_) => {}
            },
            Err(error) if errno(&error) == nix::libc::ECONNRESET => {}
            Err(error) => return Some(self.verdict(&error)),
        }
        // Closed before a word: a process that is ending right now, as the system closes its connections before the
        // port that it listens on. The next attempt tells.
        self.attempt = None;
        None
    }

    fn verdict(&self, error: &std::io::Error) -> FailureCause {
        if errno(error) == nix::libc::ECONNREFUSED { FailureCause::Refused } else { self.otherwise }
    }
}
