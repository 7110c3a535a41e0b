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
use super::seal::{Seals, Side};
use super::watch::PERIOD;
use crate::error::FailureCause;
use crate::ids::Rank;
use crate::port::Incoming;

/// Connections accepted by one call of progress.
const ACCEPTS_MAX: usize = 64;

pub(super) type Sink<'a> = dyn FnMut(Incoming<'_>) + 'a;

impl TcpPort {
    /// One turn of every socket that is ready, then what time has brought.
    pub(super) fn serve(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        while let Some((peer, cause)) = self.failed.pop_front() {
            self.down(peer, cause, sink);
        }
        let mut tokens = std::mem::take(&mut self.tokens);
        tokens.clear();
        let outcome = self.poller.ready(&mut tokens);
        let now = Instant::now();
        for &token in &tokens {
            match token.of() {
                (Purpose::Listener, _) => self.accept(now),
                (Purpose::Guest, _) => self.guest_ready(token, now, sink),
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
                Ok((socket, _)) => self.guests.greet(socket, &self.terms, &mut self.poller, now),
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
    fn guest_ready(&mut self, token: Token, now: Instant, sink: &mut Sink<'_>) {
        let Some((socket, session)) = self.guests.ready(token, &self.terms, &self.poller) else { return };
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
        let expected = session.parties.from_generation == place.their_generation;
        match &mut place.state {
            State::Offered(waiting) => *waiting = Some(Box::new((socket, session))),
            State::Awaiting { .. } if expected => {
                if self.establish(peer, socket, &session) {
                    sink(Incoming::Up { peer });
                }
            }
            // The peer gave up on its first attempt before it had the answer, so nothing went over that one.
            State::Up(link) if expected && !link.used() => {
                self.establish(peer, socket, &session);
            }
            _ if expected && place.comeback.is_some() => self.replace(peer, socket, &session, now, sink),
            _ => tracing::debug!(peer = peer.0, "a connection that nobody waits for"),
        }
    }

    /// Makes an accepted connection the one of the pair; whether that worked. If not, the state stays.
    pub(super) fn establish(&mut self, peer: Rank, socket: Socket, session: &Session) -> bool {
        // A fresh connection has room for it.
        let answer = socket.send_with_flags(&welcome(&self.terms.key, session), nix::libc::MSG_NOSIGNAL);
        if !answer.is_ok_and(|bytes| bytes == WELCOME_BYTES) {
            return false;
        }
        let Ok(token) = self.poller.add(&socket, Purpose::Peer, peer.0, false) else { return false };
        let seals = Seals::of(&self.terms.key, session, Side::Acceptor);
        let Some(link) = Link::new(socket, token, self.bounds.packet_words, seals) else { return false };
        self.enter(peer, State::Up(Box::new(link)));
        self.stands(peer);
        true
    }

    fn peer_ready(&mut self, peer: Rank, token: Token, now: Instant, sink: &mut Sink<'_>) {
        match &mut self.peers[peer.index()].state {
            State::Up(link) if link.token() == token => self.link_ready(peer, now, sink),
            State::Dialling(dial) => {
                let outcome = dial.ready(token, &self.terms, &mut self.poller, now);
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

    pub(super) fn dialled(&mut self, peer: Rank, outcome: Outcome, sink: &mut Sink<'_>) {
        match outcome {
            Outcome::Pending => {}
            Outcome::Failed(cause) => self.down(peer, cause, sink),
            Outcome::Up(socket, token, session) => {
                let seals = Seals::of(&self.terms.key, &session, Side::Connector);
                match Link::new(socket, token, self.bounds.packet_words, seals) {
                    Some(link) => {
                        self.enter(peer, State::Up(Box::new(link)));
                        self.stands(peer);
                        sink(Incoming::Up { peer });
                    }
                    None => self.down(peer, FailureCause::Io { errno: nix::libc::ECONNRESET }, sink),
                }
            }
        }
    }

    pub(super) fn link_ready(&mut self, peer: Rank, now: Instant, sink: &mut Sink<'_>) {
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
            End::Goodbye => {
                self.peers[peer.index()].comeback = None;
                self.down(peer, reset, sink);
            }
            End::Malformed(what) => {
                sink(Incoming::Garbage { from: peer, what });
                self.down(peer, FailureCause::Protocol, sink);
            }
            // Nothing ever reached the port of a peer that connected here, so a refusal may be a firewall's. Its host has
            // not answered either: no evidence is left.
            End::Lost(errno @ nix::libc::ETIMEDOUT) if peer < self.me => {
                self.down(peer, FailureCause::Io { errno }, sink);
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
        if self.lost(peer, cause) {
            sink(Incoming::Down { peer, cause });
        }
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
                State::Awaiting { until: Some(until) } if now >= *until => {
                    self.down(peer, FailureCause::Silent, sink);
                }
                State::Pausing { until } if now >= *until => self.dial_again(peer, now, sink),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Malformed;
    use crate::port::{Lane, Port};
    use crate::tcp::Choice;

    #[derive(Debug, PartialEq)]
    enum Told {
        Up,
        Packet(Vec<u32>),
        Garbage(Malformed),
        Down(FailureCause),
    }

    /// Two connected ports of one thread, and what the second was told.
    struct Pair {
        ports: [TcpPort; 2],
        told: Vec<Told>,
    }

    impl Pair {
        fn connected() -> Pair {
            let open = |rank| TcpPort::open_on(Rank(rank), 2, 0..=0, [1; 32], &Choice::parse("lo")).expect("a port");
            let mut ports = [0, 1].map(open);
            let offers = [ports[0].offer(Rank(1)).expect("an offer"), ports[1].offer(Rank(0)).expect("an offer")];
            assert_eq!(ports[0].connect(Rank(1), &offers[1]), Ok(false));
            let mut pair = Pair { ports, told: Vec::new() };
            // The connection may be there before the accepting side asks for it.
            for _ in 0..100 {
                pair.turn();
            }
            assert!(!pair.ports[0].carries_messages(Rank(1)), "not before both want it");
            if !pair.ports[1].connect(Rank(0), &offers[0]).expect("connects") {
                pair.until(|pair| pair.told == [Told::Up]);
            }
            pair.until(|pair| pair.ports.iter().all(|port| port.carries_messages(Rank(1 - port.me.0))));
            pair.told.clear();
            pair
        }

        fn turn(&mut self) {
            self.ports[0].progress(&mut |_| ()).expect("progress");
            let told = &mut self.told;
            let mut sink = |incoming: Incoming<'_>| {
                told.push(match incoming {
                    Incoming::Up { .. } => Told::Up,
                    Incoming::Packet { words, .. } => Told::Packet(words.to_vec()),
                    Incoming::Garbage { what, .. } => Told::Garbage(what),
                    Incoming::Down { cause, .. } => Told::Down(cause),
                    Incoming::Announced { .. } | Incoming::Placed { .. } => panic!("TCP announces nothing"),
                });
            };
            self.ports[1].progress(&mut sink).expect("progress");
        }

        fn until(&mut self, done: impl Fn(&Pair) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !done(self) {
                assert!(Instant::now() < deadline, "{:?}", self.told);
                self.turn();
            }
        }

        /// The connection of the first, outside of all rules.
        fn socket(&self) -> &Socket {
            let State::Up(link) = &self.ports[0].peers[1].state else { panic!("connected") };
            link.socket()
        }
    }

    #[test]
    fn what_is_no_frame_ends_the_connection_after_what_came_before() {
        let mut pair = Pair::connected();
        pair.ports[0].send(Rank(1), Lane::Data, vec![1, 2]).expect("sent");
        pair.socket().send(&[0x11; 9]).expect("sent");
        pair.until(|pair| pair.told.len() >= 3);
        let expected = [
            Told::Packet(vec![1, 2]),
            Told::Garbage(Malformed::Magic(0x1111_1111)),
            Told::Down(FailureCause::Protocol),
        ];
        assert_eq!(pair.told, expected);
    }

    #[test]
    fn a_lost_connection_to_a_peer_that_lives_is_no_death() {
        let mut pair = Pair::connected();
        pair.ports[0].send(Rank(1), Lane::Message, vec![3]).expect("sent");
        pair.socket().shutdown(std::net::Shutdown::Both).expect("connected");
        pair.until(|pair| pair.told.len() >= 2);
        let reset = FailureCause::Io { errno: nix::libc::ECONNRESET };
        assert_eq!(pair.told, [Told::Packet(vec![3]), Told::Down(reset)]);
    }

    #[test]
    fn what_arrived_before_a_reset_is_handed_over() {
        let mut pair = Pair::connected();
        for number in 0..50 {
            pair.ports[0].send(Rank(1), Lane::Data, vec![number; 100]).expect("sent");
        }
        // The system may hold packets back, and a reset drops what it holds.
        std::thread::sleep(Duration::from_millis(200));
        // The second sends into the closed connection before it reads, so its own sending fails first.
        pair.socket().set_linger(Some(Duration::ZERO)).expect("an option");
        pair.ports[0].peers[1].state = State::Idle;
        for _ in 0..3 {
            pair.ports[1].send(Rank(0), Lane::Data, vec![9; 10]).expect("sent");
        }
        pair.until(|pair| matches!(pair.told.last(), Some(Told::Down(_))));
        assert_eq!(pair.told.len(), 51);
        assert!((0..50).all(|number| pair.told[number as usize] == Told::Packet(vec![number; 100])));
    }

    #[test]
    fn a_port_that_is_gone_is_a_death() {
        let Pair { ports: [first, mut second], .. } = Pair::connected();
        drop(first);
        let mut told = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while told.is_empty() && Instant::now() < deadline {
            let mut sink = |incoming: Incoming<'_>| match incoming {
                Incoming::Down { cause, .. } => told.push(cause),
                other => panic!("{other:?}"),
            };
            second.progress(&mut sink).expect("progress");
        }
        assert_eq!(told, [FailureCause::Refused]);
    }
}
