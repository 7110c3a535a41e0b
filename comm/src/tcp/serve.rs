//! What happens on the sockets of a port.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

use socket2::Socket;

use super::dial::Outcome;
use super::handshake::{Session, WELCOME_BYTES, welcome};
use super::link::{End, Link};
use super::poller::{Purpose, Token};
use super::port::{State, TcpPort};
use super::probe::Probe;
use super::watch::PERIOD;
use crate::error::FailureCause;
use crate::ids::Rank;
use crate::port::Incoming;

/// Connections accepted by one call of progress.
const ACCEPTS_MAX: usize = 64;

type Sink<'a> = dyn FnMut(Incoming<'_>) + 'a;

impl TcpPort {
    /// One turn of every socket that is ready, then what time has brought.
    pub(super) fn serve(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        while let Some((peer, cause)) = self.failed.pop_front() {
            sink(Incoming::Down { peer, cause });
        }
        let mut tokens = std::mem::take(&mut self.tokens);
        tokens.clear();
        let outcome = self.poller.ready(&mut tokens);
        let now = Instant::now();
        for &token in &tokens {
            match token.of() {
                (Purpose::Listener, _) => self.accept(now),
                (Purpose::Guest, _) => self.guest_ready(token, sink),
                (Purpose::Peer, index) => self.peer_ready(Rank(index), token, now, sink),
            }
        }
        self.tokens = tokens;
        for peer in std::mem::take(&mut self.broken) {
            self.link_ready(peer, now, sink);
        }
        if !self.timed.is_empty() {
            self.tick(now, sink);
        }
        if now.saturating_duration_since(self.looked) >= PERIOD {
            self.looked = now;
            self.look(now, sink);
        }
        outcome
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS_MAX {
            let greeted = match self.listener.accept() {
                Ok((socket, _)) => self.guests.greet(socket, &mut self.poller, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => Err(error),
            };
            match greeted {
                Ok(()) => self.accept_failed = false,
                Err(error) => {
                    // Said once: with too many open files it would be said at every turn.
                    if !std::mem::replace(&mut self.accept_failed, true) {
                        tracing::warn!(%error, "cannot accept a TCP connection");
                    }
                    break;
                }
            }
        }
    }

    /// A guest has sent something; if it is a peer, its connection takes its place.
    fn guest_ready(&mut self, token: Token, sink: &mut Sink<'_>) {
        let Some((socket, session)) = self.guests.ready(token, &self.key, &self.poller) else { return };
        let peer = session.parties.from;
        if session.parties.to != self.me || peer >= self.me {
            tracing::debug!(from = peer.0, to = session.parties.to.0, "a connection for another rank");
            return;
        }
        let place = &mut self.peers[peer.index()];
        if session.parties.to_generation != place.generation {
            tracing::debug!(peer = peer.0, "a connection by an older offer");
            return;
        }
        match &mut place.state {
            State::Offered(waiting) => *waiting = Some(Box::new((socket, session))),
            State::Awaiting { generation, .. } if *generation == session.parties.from_generation => {
                if self.establish(peer, socket, &session) {
                    sink(Incoming::Up { peer });
                }
            }
            // The peer gave up on its first attempt before it had the answer, so nothing went over that one.
            State::Up(link) if !link.used() => {
                self.establish(peer, socket, &session);
            }
            _ => tracing::debug!(peer = peer.0, "a connection that nobody waits for"),
        }
    }

    /// Makes an accepted connection the one of the pair; whether that worked. If not, the state stays.
    pub(super) fn establish(&mut self, peer: Rank, socket: Socket, session: &Session) -> bool {
        // A fresh connection has room for it.
        let answer = socket.send_with_flags(&welcome(&self.key, session), nix::libc::MSG_NOSIGNAL);
        if !answer.is_ok_and(|bytes| bytes == WELCOME_BYTES) {
            return false;
        }
        let Ok(token) = self.poller.add(&socket, Purpose::Peer, peer.0, false) else { return false };
        let Some(link) = Link::new(socket, token) else { return false };
        self.enter(peer, State::Up(Box::new(link)));
        true
    }

    fn peer_ready(&mut self, peer: Rank, token: Token, now: Instant, sink: &mut Sink<'_>) {
        match &mut self.peers[peer.index()].state {
            State::Up(link) if link.token() == token => self.link_ready(peer, now, sink),
            State::Dialling(dial) => {
                let outcome = dial.ready(token, &self.key, &mut self.poller, now);
                self.dialled(peer, outcome, sink);
            }
            State::Ending(probe) => {
                if let Some(cause) = probe.ready(token, &mut self.poller) {
                    self.down(peer, cause, sink);
                }
            }
            _ => {}
        }
    }

    fn dialled(&mut self, peer: Rank, outcome: Outcome, sink: &mut Sink<'_>) {
        match outcome {
            Outcome::Pending => {}
            Outcome::Failed(cause) => self.down(peer, cause, sink),
            Outcome::Up(socket, token) => match Link::new(socket, token) {
                Some(link) => {
                    self.enter(peer, State::Up(Box::new(link)));
                    sink(Incoming::Up { peer });
                }
                None => self.down(peer, FailureCause::Io { errno: nix::libc::ECONNRESET }, sink),
            },
        }
    }

    fn link_ready(&mut self, peer: Rank, now: Instant, sink: &mut Sink<'_>) {
        let State::Up(link) = &mut self.peers[peer.index()].state else { return };
        link.flush(&self.poller, &mut self.sends);
        let hand_over = &mut |lane, words: &[u32]| sink(Incoming::Packet { from: peer, lane, words });
        match link.read(&mut self.staging, &mut self.receives, hand_over) {
            None => self.note(peer),
            Some(end) => self.ended(peer, end, now, sink),
        }
    }

    /// The connection has ended and everything received was handed over.
    fn ended(&mut self, peer: Rank, end: End, now: Instant, sink: &mut Sink<'_>) {
        let State::Up(link) = self.enter(peer, State::Idle) else { return };
        let reset = FailureCause::Io { errno: nix::libc::ECONNRESET };
        match end {
            End::Goodbye => self.down(peer, reset, sink),
            End::Malformed(what) => {
                sink(Incoming::Garbage { from: peer, what });
                self.down(peer, FailureCause::Protocol, sink);
            }
            End::Lost(errno) => {
                let (_, remote) = link.ends();
                drop(link);
                let target = SocketAddr::new(remote.ip(), self.peers[peer.index()].port);
                let mut probe = Probe::new(peer, target, FailureCause::Io { errno }, now);
                match probe.tick(&mut self.poller, now) {
                    Some(cause) => self.down(peer, cause, sink),
                    None => {
                        self.enter(peer, State::Ending(Box::new(probe)));
                    }
                }
            }
        }
    }

    fn down(&mut self, peer: Rank, cause: FailureCause, sink: &mut Sink<'_>) {
        self.enter(peer, State::Idle);
        sink(Incoming::Down { peer, cause });
    }

    /// Ends what has taken too long.
    fn tick(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let timed: Vec<Rank> = self.timed.iter().copied().collect();
        for peer in timed {
            match &mut self.peers[peer.index()].state {
                State::Dialling(dial) => {
                    let outcome = dial.tick(&mut self.poller, now);
                    self.dialled(peer, outcome, sink);
                }
                State::Awaiting { until, .. } if now >= *until => self.down(peer, FailureCause::Silent, sink),
                State::Ending(probe) => {
                    if let Some(cause) = probe.tick(&mut self.poller, now) {
                        self.down(peer, cause, sink);
                    }
                }
                _ => {}
            }
        }
    }

    /// Looks after guests that overstay and hosts that have fallen silent.
    fn look(&mut self, now: Instant, sink: &mut Sink<'_>) {
        self.guests.expire(now);
        for index in 0..self.peers.len() {
            let State::Up(link) = &mut self.peers[index].state else { continue };
            if link.silent(now, &mut self.diagnosis) {
                self.ended(Rank(index as u32), End::Lost(nix::libc::ETIMEDOUT), now, sink);
            }
        }
    }
}
