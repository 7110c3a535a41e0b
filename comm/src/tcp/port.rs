//! The port: its state and what it offers.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::diag::Diagnosis;
use super::dial::{Dial, Outcome};
use super::frame::{MESSAGE_WORDS_MAX, words_max};
use super::guests::{Guests, waits};
use super::handshake::{Key, Parties, Session, Terms};
use super::interfaces::{Choice, Interface, host, usable};
use super::lasting::Comeback;
use super::link::{Link, STAGING_WORDS};
use super::offer::Offer;
use super::poller::{Poller, Purpose, Token};
use super::probe::Probe;
use super::socket::listen;
use super::spares::Spares;
use crate::error::{CommError, FailureCause};
use crate::ids::{Rank, Rung};
use crate::port::{Incoming, Lane, Port};
use crate::transport::Unavailable;

/// Most words that may wait towards one peer when a message is added: the longest message and the engine's window.
const WAITING_WORDS_MAX: u64 = MESSAGE_WORDS_MAX as u64 + (1 << 20);
/// How long the accepting side waits for the other. Longer than that one tries.
const AWAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// Where a pair of ranks stands.
#[derive(Debug)]
pub(super) enum State {
    /// No connection.
    Idle,
    /// An offer was made. The lower rank may have connected already, then its connection waits here.
    Offered(Option<Box<(Socket, Session)>>),
    /// This rank connects.
    Dialling(Box<Dial>),
    /// The peer is to connect, if need be within a time.
    Awaiting { until: Option<Instant> },
    /// This rank connects again then.
    Pausing { until: Instant },
    /// Connected.
    Up(Box<Link>),
    /// The connection is lost; whether the peer lives is being found out.
    Ending(Box<Probe>),
}

#[derive(Debug)]
pub(super) struct Peer {
    /// Of the last offer to it.
    pub generation: u32,
    /// Of its last offer.
    pub their_generation: u32,
    /// Where it listens.
    pub port: u16,
    pub state: State,
    /// How its connection comes back, in a port that [`TcpPort::persist`] was asked of.
    pub comeback: Option<Box<Comeback>>,
}

/// Packets over TCP.
///
/// Dropping it closes everything without a word, as the end of the process does: peers take this rank for gone. What
/// [`Port::unsent`] names is lost then.
#[derive(Debug)]
pub struct TcpPort {
    pub(super) me: Rank,
    pub(super) terms: Terms,
    /// Before the connections, so that it is closed before them and a peer that sees their end finds it closed.
    pub(super) listener: Socket,
    listens_on: u16,
    interfaces: Vec<Interface>,
    host: [u8; 16],
    pub(super) poller: Poller,
    pub(super) peers: Vec<Peer>,
    pub(super) guests: Guests,
    pub(super) diagnosis: Diagnosis,
    /// To be told with the next progress.
    pub(super) failed: VecDeque<(Rank, FailureCause)>,
    /// Links that could not send and are to be read to their end.
    pub(super) broken: Vec<Rank>,
    /// Peers whose state ends with time.
    pub(super) timed: BTreeSet<Rank>,
    pub(super) unsent: BTreeSet<Rank>,
    pub(super) amid_packet: BTreeSet<Rank>,
    pub(super) sends: Spares,
    pub(super) receives: Spares,
    pub(super) staging: Box<[u32; STAGING_WORDS]>,
    /// Room for what is ready.
    pub(super) tokens: Vec<Token>,
    /// When the connections were last looked at.
    pub(super) looked: Instant,
    pub(super) accept_failed: bool,
    pub(super) bounds: Bounds,
    /// Connections with ranks below this one come back by themselves.
    pub(super) lasting: Rank,
}

/// What packets of a port may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Longest packet in either lane, in words, where its lane allows as much.
    pub packet_words: usize,
    /// Most words that may wait towards one peer when a message is added.
    pub waiting_words: u64,
}

impl TcpPort {
    /// The port of rank `me` of `size`: listens on the first free port of `ports` (`0..=0`: on any), and on any free
    /// one when all are taken. The environment variable [`super::VARIABLE`] restricts the interfaces offered to peers.
    /// All ranks of a run share `key`, which nobody else knows.
    ///
    /// # Errors
    /// No interface, no port, or a failed call.
    pub fn open(me: Rank, size: u32, ports: RangeInclusive<u16>, key: [u8; 32]) -> Result<TcpPort, Unavailable> {
        TcpPort::open_on(me, size, ports, key, &Choice::from_environment())
    }

    /// [`TcpPort::open`] with a choice of interfaces.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(
        me: Rank,
        size: u32,
        ports: RangeInclusive<u16>,
        key: [u8; 32],
        choice: &Choice,
    ) -> Result<TcpPort, Unavailable> {
        let failed = |error| Unavailable::new(format!("readiness of sockets cannot be asked for: {error}"));
        let key = Key(key);
        let interfaces = usable(choice)?;
        let (listener, listens_on) = listen(ports)?;
        let mut poller = Poller::new().map_err(failed)?;
        poller.add(&listener, Purpose::Listener, 0, false).map_err(failed)?;
        Ok(TcpPort {
            me,
            host: host(&key),
            terms: Terms { key, sealed: false },
            listener,
            listens_on,
            interfaces,
            poller,
            peers: (0..size)
                .map(|_| Peer { generation: 0, their_generation: 0, port: 0, state: State::Idle, comeback: None })
                .collect(),
            guests: Guests::new(size),
            diagnosis: Diagnosis::new(),
            failed: VecDeque::new(),
            broken: Vec::new(),
            timed: BTreeSet::new(),
            unsent: BTreeSet::new(),
            amid_packet: BTreeSet::new(),
            sends: Spares::default(),
            receives: Spares::default(),
            staging: Box::new([0; STAGING_WORDS]),
            tokens: Vec::new(),
            looked: Instant::now(),
            accept_failed: false,
            bounds: Bounds { packet_words: MESSAGE_WORDS_MAX, waiting_words: WAITING_WORDS_MAX },
            lasting: Rank(0),
        })
    }

    /// Encrypts and authenticates whatever its connections carry, by a secret that follows from the key of the run and from fresh numbers of
    /// both sides (`seal`); before the first connection, and on all ranks alike: who has another setting is refused.
    pub fn seal(&mut self) {
        self.terms.sealed = true;
    }

    /// The number of the port that this rank listens on.
    pub fn listens_on(&self) -> u16 {
        self.listens_on
    }

    /// Another rank of the run.
    fn other(&mut self, peer: Rank) -> Result<&mut Peer, Unavailable> {
        if peer == self.me {
            return Err(Unavailable::new("a rank has no TCP connection to itself"));
        }
        let size = self.peers.len();
        let missing = || Unavailable::new(format!("{peer} does not exist in a run of {size} ranks"));
        self.peers.get_mut(peer.index()).ok_or_else(missing)
    }

    /// Changes the state of a pair; the old one is returned.
    pub(super) fn enter(&mut self, peer: Rank, state: State) -> State {
        let timed = match state {
            State::Dialling(_) | State::Pausing { .. } | State::Ending(_) => true,
            State::Awaiting { until } => until.is_some(),
            State::Idle | State::Offered(_) | State::Up(_) => false,
        };
        if timed {
            self.timed.insert(peer);
        } else {
            self.timed.remove(&peer);
        }
        self.unsent.remove(&peer);
        self.amid_packet.remove(&peer);
        std::mem::replace(&mut self.peers[peer.index()].state, state)
    }

    /// Keeps the sets of peers that something is under way with.
    pub(super) fn note(&mut self, peer: Rank) {
        let State::Up(link) = &self.peers[peer.index()].state else { return };
        let keep = |set: &mut BTreeSet<Rank>, holds: bool| {
            if holds {
                set.insert(peer);
            } else if !set.is_empty() {
                set.remove(&peer);
            }
        };
        keep(&mut self.unsent, link.unsent());
        keep(&mut self.amid_packet, link.amid_packet());
        if link.broken() {
            self.broken.push(peer);
        }
    }

    /// Of a connection that this rank makes to `peer`.
    pub(super) fn parties(&self, peer: Rank) -> Parties {
        let place = &self.peers[peer.index()];
        Parties { from: self.me, to: peer, from_generation: place.generation, to_generation: place.their_generation }
    }

    fn start_to_dial(&mut self, peer: Rank, offer: &Offer) -> Result<(), Unavailable> {
        let addresses = offer.route(&self.host, &self.interfaces);
        if addresses.is_empty() {
            let theirs: Vec<String> = offer.addresses.iter().map(|network| network.address.to_string()).collect();
            let reason = format!("none of the addresses of {peer} leads there: {}", theirs.join(", "));
            return Err(Unavailable::new(reason));
        }
        if peer < self.lasting {
            self.peers[peer.index()].comeback = Some(Box::new(Comeback::by_dialling(addresses.clone())));
        }
        let mut dial = Box::new(Dial::new(self.parties(peer), addresses));
        match dial.next(&mut self.poller, Instant::now()) {
            Outcome::Failed(cause) => {
                self.failed.push_back((peer, cause));
                self.enter(peer, State::Idle);
            }
            _ => {
                self.enter(peer, State::Dialling(dial));
            }
        }
        Ok(())
    }
}

impl Port for TcpPort {
    const RUNG: Rung = Rung::Tcp;

    fn rank(&self) -> Rank {
        self.me
    }

    fn size(&self) -> u32 {
        self.peers.len() as u32
    }

    fn buffer(&mut self) -> Vec<u32> {
        self.sends.take()
    }

    /// See [`Port::send`]. What is sent while there is no connection is dropped. Packets of [`Lane::Data`] are at most
    /// 2²¹ words long, messages 64 MiB and 4 KiB.
    ///
    /// # Errors
    /// [`CommError::UnknownPeer`]; [`CommError::Io`] for a packet that is too long; [`CommError::Backpressure`] for a
    /// message while so much waits that the peer must lag.
    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        let size = self.size();
        let peer = self.peers.get_mut(to.index()).ok_or(CommError::UnknownPeer { peer: to, size })?;
        let Bounds { packet_words, waiting_words: limit_words } = self.bounds;
        let most = words_max(lane).min(packet_words);
        if packet.len() > most {
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("a packet of {} words exceeds the limit of {most}", packet.len()),
            );
            return Err(CommError::Io { operation: "sending a packet", peer: Some(to), source });
        }
        let State::Up(link) = &mut peer.state else {
            self.sends.put(packet);
            return Ok(());
        };
        let backlog_words = link.waiting_words();
        if lane == Lane::Message && backlog_words + packet.len() as u64 > limit_words {
            return Err(CommError::Backpressure { peer: to, backlog_words, limit_words });
        }
        link.send(lane, packet, &self.poller, &mut self.sends);
        self.note(to);
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        self.serve(sink).map_err(|source| CommError::Io { operation: "waiting for sockets", peer: None, source })
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        self.other(peer)?;
        self.close(peer);
        self.enter(peer, State::Offered(None));
        let generation = self.peers[peer.index()].generation.wrapping_add(1);
        self.peers[peer.index()].generation = generation;
        let addresses = self.interfaces.iter().map(|interface| interface.network).collect();
        Ok(Offer { generation, port: self.listens_on, host: self.host, addresses }.encode())
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<bool, Unavailable> {
        let place = self.other(peer)?;
        if !matches!(place.state, State::Offered(_)) {
            return Err(Unavailable::new(format!("no offer was made to {peer}")));
        }
        let offer =
            Offer::parse(theirs).map_err(|what| Unavailable::new(format!("the offer of {peer} is refused: {what}")))?;
        (place.port, place.their_generation) = (offer.port, offer.generation);
        if self.me < peer {
            return self.start_to_dial(peer, &offer).map(|()| false);
        }
        let lasts = peer < self.lasting;
        let until = (!lasts).then(|| Instant::now() + AWAIT_TIME_MAX);
        if lasts {
            self.peers[peer.index()].comeback = Some(Box::new(Comeback::by_waiting()));
        }
        let before = self.enter(peer, State::Awaiting { until });
        if let State::Offered(Some(waiting)) = before
            && waiting.1.parties.from_generation == offer.generation
            && waits(&waiting.0)
        {
            return Ok(self.establish(peer, waiting.0, &waiting.1));
        }
        Ok(false)
    }

    fn close(&mut self, peer: Rank) {
        if self.other(peer).is_err() {
            return;
        }
        self.failed.retain(|(other, _)| *other != peer);
        self.peers[peer.index()].comeback = None;
        if let State::Up(link) = self.enter(peer, State::Idle) {
            link.say_goodbye(&self.poller, &mut self.sends);
        }
    }

    fn describe(&self, peer: Rank) -> String {
        match self.peers.get(peer.index()).map(|peer| &peer.state) {
            Some(State::Up(link)) => {
                let (local, remote) = link.ends();
                let own = self.interfaces.iter().find(|own| own.network.address == local.ip());
                let name = own.map_or("unknown interface", |own| own.name.as_str());
                let sealed = if self.terms.sealed { ", encrypted" } else { "" };
                format!("{local} → {remote}, {name}{sealed}")
            }
            Some(State::Dialling(_) | State::Awaiting { .. } | State::Pausing { .. }) => "connecting".to_owned(),
            _ => "not connected".to_owned(),
        }
    }

    fn carries_messages(&self, peer: Rank) -> bool {
        matches!(self.peers.get(peer.index()), Some(Peer { state: State::Up(_), .. }))
    }

    fn busy(&self) -> bool {
        let told = self.failed.is_empty() && self.broken.is_empty();
        // A pause between attempts is nothing that further calls shorten.
        let paused = |peer: &Rank| matches!(self.peers[peer.index()].state, State::Pausing { .. });
        !(told && self.timed.iter().all(paused) && self.unsent.is_empty() && self.amid_packet.is_empty())
    }

    fn unsent(&self) -> Option<Rank> {
        self.unsent.first().copied()
    }
}
