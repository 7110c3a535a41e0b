//! Connections that come back by themselves after a loss, by the offers of the first exchange.
//!
//! The lower rank, which connects, does so again after a pause, for ever; the higher one takes a fresh connection that proves
//! itself at any time, in place of an older one whose end it may not have seen. A goodbye ends that, and so does a proof of
//! death: where a connection to the peer's own port has stood, a refusal of the next one says that nobody listens there any more.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::dial::{Dial, Outcome};
use super::handshake::Session;
use super::port::{Bounds, State, TcpPort};
use super::serve::Sink;
use super::watch::PERIOD;
use crate::error::FailureCause;
use crate::ids::Rank;
use crate::port::Incoming;

/// Before the first new attempt; each further one comes after twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Before any attempt.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How the connection of a pair comes back.
#[derive(Debug)]
pub(super) struct Comeback {
    /// Where the peer may be reached, best first; empty on the side that accepts.
    route: Vec<SocketAddr>,
    /// Where it was.
    stood_at: Option<SocketAddr>,
    pause: Duration,
    /// Whether the caller knows that there is no connection.
    told: bool,
}

impl Comeback {
    /// This rank connects to one of these addresses.
    pub(super) fn by_dialling(route: Vec<SocketAddr>) -> Comeback {
        Comeback { route, stood_at: None, pause: PAUSE_FIRST, told: false }
    }

    /// The peer connects.
    pub(super) fn by_waiting() -> Comeback {
        Comeback::by_dialling(Vec::new())
    }
}

impl TcpPort {
    /// Makes connections come back by themselves; before the first offer, and on all ranks alike. [`Incoming::Down`] with a cause that proves no death may be followed by
    /// [`Incoming::Up`] then, as often as the connection is lost, until [`crate::port::Port::close`]. What was sent and had not arrived is lost
    /// with a connection. An attempt that fails is told only where it is the first.
    pub fn persist(&mut self) {
        self.persist_below(Rank(self.peers.len() as u32));
    }

    /// The same for connections with ranks below `first`.
    pub fn persist_below(&mut self, first: Rank) {
        self.lasting = first;
    }

    /// Lets no packet in either lane be longer than `packet_words` words, where the lane would, and no more than twice as much wait towards
    /// a peer; before the first offer, and on all ranks alike.
    pub fn bound(&mut self, packet_words: usize) {
        self.bounds = Bounds { packet_words, waiting_words: 2 * packet_words as u64 };
    }

    /// When progress is due though no socket may be ready.
    pub fn due(&self) -> Instant {
        let now = Instant::now();
        if !(self.failed.is_empty() && self.broken.is_empty()) {
            return now;
        }
        let due = self.timed.iter().filter_map(|peer| match &self.peers[peer.index()].state {
            State::Dialling(dial) => Some(dial.until().unwrap_or(now)),
            State::Awaiting { until } => *until,
            State::Pausing { until } => Some(*until),
            State::Ending(probe) => Some(probe.until(now)),
            State::Idle | State::Offered(_) | State::Up(_) => None,
        });
        due.min().map_or(self.looked + PERIOD, |due| due.min(self.looked + PERIOD))
    }

    /// The connection of the pair stands.
    pub(super) fn stands(&mut self, peer: Rank) {
        let place = &mut self.peers[peer.index()];
        let (State::Up(link), Some(comeback)) = (&place.state, &mut place.comeback) else { return };
        if !comeback.route.is_empty() {
            comeback.stood_at = Some(link.ends().1);
        }
        (comeback.pause, comeback.told) = (PAUSE_FIRST, false);
    }

    /// What follows on the end of a connection or of an attempt, for `cause`; whether the caller is to be told.
    pub(super) fn lost(&mut self, peer: Rank, cause: FailureCause) -> bool {
        let place = &mut self.peers[peer.index()];
        let Some(comeback) = &mut place.comeback else { return true };
        if cause.proves_death() {
            place.comeback = None;
            return true;
        }
        let tell = !std::mem::replace(&mut comeback.told, true);
        let pause = comeback.pause;
        comeback.pause = (2 * pause).min(PAUSE_MAX);
        let next = match comeback.route.is_empty() {
            true => State::Awaiting { until: None },
            false => State::Pausing { until: Instant::now() + pause },
        };
        self.enter(peer, next);
        tell
    }

    /// Tries to connect once more.
    pub(super) fn dial_again(&mut self, peer: Rank, now: Instant, sink: &mut Sink<'_>) {
        let Some(comeback) = &self.peers[peer.index()].comeback else { return };
        let mut dial = Box::new(Dial::again(self.parties(peer), comeback.route.clone(), comeback.stood_at));
        match dial.next(&mut self.poller, now) {
            Outcome::Pending => {
                self.enter(peer, State::Dialling(dial));
            }
            outcome => self.dialled(peer, outcome, sink),
        }
    }

    /// The peer has connected anew, so that the older connection is lost whether or not this side has noticed.
    pub(super) fn replace(&mut self, peer: Rank, socket: Socket, session: &Session, now: Instant, sink: &mut Sink<'_>) {
        // What is there of the older one comes first.
        self.link_ready(peer, now, sink);
        let Some(comeback) = &self.peers[peer.index()].comeback else { return };
        let tell = !comeback.told;
        if self.establish(peer, socket, session) {
            if tell {
                sink(Incoming::Down { peer, cause: FailureCause::Io { errno: nix::libc::ECONNRESET } });
            }
            sink(Incoming::Up { peer });
        }
    }
}

impl AsFd for TcpPort {
    /// Readable while any socket of the port is ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;
    use crate::port::{Lane, Port};
    use crate::tcp::Choice;

    #[derive(Clone, Debug, PartialEq)]
    enum Told {
        Up,
        Packet(Vec<u32>),
        Down(FailureCause),
    }

    const RESET: Told = Told::Down(FailureCause::Io { errno: nix::libc::ECONNRESET });

    fn open(rank: u32) -> TcpPort {
        let mut port = TcpPort::open_on(Rank(rank), 2, 0..=0, [1; 32], &Choice::parse("lo")).expect("a port");
        port.persist();
        port.bound(1 << 10);
        port
    }

    fn turn(port: &mut TcpPort, told: &mut Vec<Told>) {
        let sink = &mut |incoming: Incoming<'_>| {
            told.push(match incoming {
                Incoming::Up { .. } => Told::Up,
                Incoming::Packet { words, .. } => Told::Packet(words.to_vec()),
                Incoming::Down { cause, .. } => Told::Down(cause),
                other => panic!("{other:?}"),
            });
        };
        port.progress(sink).expect("progress");
    }

    /// Two ports of one thread, and what each was told.
    struct Pair {
        ports: [TcpPort; 2],
        told: [Vec<Told>; 2],
    }

    impl Pair {
        fn connected() -> Pair {
            let mut ports = [0, 1].map(open);
            let offers = [ports[0].offer(Rank(1)).expect("an offer"), ports[1].offer(Rank(0)).expect("an offer")];
            let mut pair = Pair { told: [Vec::new(), Vec::new()], ports };
            for me in [1, 0] {
                let connected = pair.ports[me].connect(Rank(1 - me as u32), &offers[1 - me]);
                assert_eq!(connected, Ok(false));
            }
            pair.until(|pair| pair.told.iter().all(|told| *told == [Told::Up]));
            pair.forget();
            pair
        }

        fn forget(&mut self) {
            self.told = [Vec::new(), Vec::new()];
        }

        fn turn(&mut self) {
            self.ports.iter_mut().zip(&mut self.told).for_each(|(port, told)| turn(port, told));
        }

        fn until(&mut self, done: impl Fn(&Pair) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !done(self) {
                assert!(Instant::now() < deadline, "{:?}", self.told);
                self.turn();
            }
        }

        fn link(&self, me: usize) -> &Socket {
            let State::Up(link) = &self.ports[me].peers[1 - me].state else { panic!("connected") };
            link.socket()
        }

        /// Words get through in both directions.
        fn talk(&mut self) {
            self.forget();
            for me in [0, 1] {
                self.ports[me].send(Rank(1 - me as u32), Lane::Message, vec![7, me as u32]).expect("sent");
            }
            self.until(|pair| (0..2).all(|me| pair.told[me] == [Told::Packet(vec![7, 1 - me as u32])]));
        }
    }

    #[test]
    fn a_cut_connection_comes_back_again_and_again() {
        let mut pair = Pair::connected();
        for round in 0..4 {
            pair.talk();
            pair.forget();
            pair.link(round % 2).shutdown(Shutdown::Both).expect("connected");
            pair.until(|pair| pair.told.iter().all(|told| told.len() == 2));
            assert_eq!(pair.told, [[RESET, Told::Up], [RESET, Told::Up]]);
        }
        pair.talk();
    }

    #[test]
    fn a_fresh_connection_takes_the_place_of_one_whose_end_was_not_seen() {
        let mut pair = Pair::connected();
        pair.talk();
        pair.forget();
        pair.ports[0].send(Rank(1), Lane::Message, vec![5]).expect("sent");
        let until = Instant::now();
        let old = pair.ports[0].enter(Rank(1), State::Pausing { until });
        pair.until(|pair| pair.told.iter().all(|told| told.contains(&Told::Up)));
        assert_eq!(pair.told[1], [Told::Packet(vec![5]), RESET, Told::Up]);
        drop(old);
        pair.talk();
    }

    #[test]
    fn a_peer_that_ends_while_there_is_no_connection_is_proven_dead_once() {
        let mut pair = Pair::connected();
        pair.link(0).shutdown(Shutdown::Both).expect("connected");
        pair.until(|pair| pair.told[0] == [RESET]);
        let Pair { ports: [mut first, second], mut told } = pair;
        drop(second);
        let deadline = Instant::now() + Duration::from_secs(20);
        while told[0].len() < 2 && Instant::now() < deadline {
            turn(&mut first, &mut told[0]);
        }
        let quiet = Instant::now() + 2 * PAUSE_FIRST;
        while Instant::now() < quiet {
            turn(&mut first, &mut told[0]);
        }
        assert_eq!(told[0], [RESET, Told::Down(FailureCause::Refused)]);
        assert!(first.timed.is_empty(), "nothing is tried any more");
    }

    #[test]
    fn who_says_goodbye_is_neither_dead_nor_dialled_again() {
        for closer in [0, 1] {
            let mut pair = Pair::connected();
            pair.ports[closer].close(Rank(1 - closer as u32));
            pair.until(|pair| pair.told[1 - closer] == [RESET]);
            let quiet = Instant::now() + 2 * PAUSE_FIRST;
            pair.until(|_| Instant::now() >= quiet);
            assert_eq!(pair.told[1 - closer], [RESET]);
            assert!(pair.told[closer].is_empty() && pair.ports.iter().all(|port| port.timed.is_empty()));
        }
    }

    #[test]
    fn a_peer_that_wants_the_connection_late_gets_it() {
        let mut ports = [0, 1].map(open);
        let offer = ports[0].offer(Rank(1)).expect("an offer");
        let nobody = open(1).offer(Rank(0)).expect("the offer of a port that is gone");
        assert_eq!(ports[0].connect(Rank(1), &nobody), Ok(false));
        let mut pair = Pair { ports, told: [Vec::new(), Vec::new()] };
        let refused = Told::Down(FailureCause::Io { errno: nix::libc::ECONNREFUSED });
        pair.until(|pair| !pair.told[0].is_empty());
        let quiet = Instant::now() + 3 * PAUSE_FIRST;
        pair.until(|_| Instant::now() >= quiet);
        assert_eq!(pair.told[0], [refused], "told once, and no death, as nothing ever stood there");
        pair.ports[0].close(Rank(1));
        pair.forget();
        let offers = [pair.ports[0].offer(Rank(1)).expect("an offer"), pair.ports[1].offer(Rank(0)).expect("an offer")];
        assert_ne!(offer, offers[0]);
        assert_eq!(pair.ports[0].connect(Rank(1), &offers[1]), Ok(false));
        let later = Instant::now() + PAUSE_FIRST;
        pair.until(|_| Instant::now() >= later);
        if !pair.ports[1].connect(Rank(0), &offers[0]).expect("connects") {
            pair.until(|pair| pair.told[1] == [Told::Up]);
        }
        pair.until(|pair| pair.told[0] == [Told::Up]);
        pair.talk();
    }

    #[test]
    fn a_packet_beyond_the_bound_ends_the_connection_before_it_takes_memory() {
        let mut pair = Pair::connected();
        let long = pair.ports[0].send(Rank(1), Lane::Message, vec![0; (1 << 10) + 1]);
        assert!(long.is_err(), "{long:?}");
        pair.ports[0].bounds.packet_words = 1 << 20;
        pair.ports[0].bounds.waiting_words = 1 << 20;
        pair.ports[0].send(Rank(1), Lane::Message, vec![0; 1 << 11]).expect("sent");
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut told = Vec::new();
        while told.is_empty() && Instant::now() < deadline {
            turn(&mut pair.ports[0], &mut pair.told[0]);
            let mut sink = |incoming: Incoming<'_>| told.push(format!("{incoming:?}"));
            pair.ports[1].progress(&mut sink).expect("progress");
        }
        assert!(told[0].starts_with("Garbage") && told[0].contains("TooLarge"), "{told:?}");
    }
}
