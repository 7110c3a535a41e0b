//! A rung made of packets: an engine without I/O, driven over a [`Port`].

pub(crate) mod compress;
mod direct;
mod engine;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::CommError;
use crate::fabric::{RungTraffic, Write};
use crate::ids::{Rank, Rung, SegmentId};
use crate::port::{Incoming, Lane, Place, Port, Verdict};
use crate::segment::Segment;
use crate::transport::{Happening, Posted, Transport, Unavailable};

pub use compress::Compression;
use engine::Engine;
pub use engine::Limits;
pub use wire::Piece;

/// How long a small acknowledgement waits for a packet that takes it along.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(1);
/// Calls that have something to tell and do not look at the clock, in a row.
const UNCLOCKED_MAX: u32 = 32;
/// Looks at the port in one call, so that a fast sender cannot hold the caller.
const BATCH_MAX: usize = 256;
/// In front of the port's own offer: the number of a connection, and among how many ranks memory is shared out.
const HEAD_BYTES: usize = 8;

/// A [`Transport`] over a port.
#[derive(Debug)]
pub struct Packets<P> {
    pub(crate) port: P,
    engine: Engine,
    traffic: RungTraffic,
    serving: Vec<Rank>,
    /// Peers whose connection the port has yet to make, with the numbers that they gave their sides.
    connecting: Vec<(Rank, u32)>,
    happenings: Vec<Happening>,
    acknowledge_at: Instant,
    /// Calls in a row that had something to tell.
    unclocked: u32,
    clock: fn() -> Instant,
}

impl<P: Port> Packets<P> {
    /// A rung over `port`. All ranks give the same `limits`.
    pub fn new(mut port: P, mut limits: Limits) -> Self {
        limits.packet_words = limits.packet_words.min(port.packet_words_max());
        let mut engine = Engine::new(port.size(), limits);
        if let Some(direct) = port.direct() {
            engine.ways = engine.ways.with_direct(direct.words_min(), direct.words_max());
        }
        Packets {
            port,
            engine,
            traffic: RungTraffic::new(P::RUNG),
            serving: Vec::new(),
            connecting: Vec::new(),
            happenings: Vec::new(),
            acknowledge_at: Instant::now(),
            unclocked: 0,
            clock: Instant::now,
        }
    }

    /// Tells by another clock when acknowledgements are due, so that a test decides.
    pub fn set_clock(&mut self, clock: fn() -> Instant) {
        self.clock = clock;
        self.acknowledge_at = clock();
    }

    /// Whether the port has such a rank.
    fn knows(&self, peer: Rank) -> bool {
        peer.0 < self.port.size()
    }

    /// Sends one packet and counts it.
    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        self.traffic.sent_messages += 1;
        self.traffic.sent_bytes += packet.len() as u64 * 4;
        self.port.send(to, lane, packet)
    }

    /// Sends a packet with the payload that it announces and counts both as one message.
    fn send_announced(&mut self, to: Rank, packet: Vec<u32>, payload: Place) -> Result<(), CommError> {
        self.traffic.sent_messages += 1;
        self.traffic.sent_bytes += (packet.len() + payload.len) as u64 * 4;
        // The engine announces payloads only where the port takes them.
        self.port.direct().map_or(Ok(()), |direct| direct.send_announced(to, packet, payload))
    }

    fn send_what_may_go(&mut self) -> Result<(), CommError> {
        let mut serving = std::mem::take(&mut self.serving);
        self.engine.take_to_serve(&mut serving);
        for &peer in &serving {
            while let Some((packet, payload)) = self.engine.next_packet(peer, || self.port.buffer()) {
                match payload {
                    None => self.send(peer, Lane::Data, packet)?,
                    Some(payload) => self.send_announced(peer, packet, payload)?,
                }
            }
        }
        self.serving = serving;
        Ok(())
    }

    /// Takes what the port hands over by itself; whether it was anything.
    fn take_what_came(&mut self) -> Result<bool, CommError> {
        let Self { port, engine, traffic, connecting, happenings, .. } = self;
        let mut came = false;
        port.progress(&mut |incoming| {
            came = true;
            match incoming {
                Incoming::Packet { from, lane, words } => {
                    traffic.received_messages += 1;
                    traffic.received_bytes += words.len() as u64 * 4;
                    match lane {
                        Lane::Message => happenings.push(Happening::Message { from, words: words.to_vec() }),
                        Lane::Data => match engine.take(from, words) {
                            Ok(()) => engine.drain(happenings),
                            Err(what) => happenings.push(Happening::Refused { peer: from, what }),
                        },
                    }
                }
                Incoming::Announced { from, words, payload, verdict } => match engine.announced(from, words, payload) {
                    Ok(Verdict::Later) => *verdict = Verdict::Later,
                    outcome => {
                        traffic.received_messages += 1;
                        traffic.received_bytes += (words.len() + payload) as u64 * 4;
                        match outcome {
                            Ok(good) => *verdict = good,
                            Err(what) => happenings.push(Happening::Refused { peer: from, what }),
                        }
                        engine.drain(happenings);
                    }
                },
                Incoming::Placed { from, whole } => {
                    engine.placed(from, whole);
                    engine.drain(happenings);
                }
                Incoming::Garbage { from, what } => happenings.push(Happening::Refused { peer: from, what }),
                Incoming::Up { peer } => {
                    if let Some(at) = connecting.iter().position(|&(waiting, _)| waiting == peer) {
                        let (_, number) = connecting.swap_remove(at);
                        engine.connect(peer, number);
                        happenings.push(Happening::Up { peer });
                    }
                }
                Incoming::Down { peer, cause } => happenings.push(Happening::Broken { peer, cause }),
            }
        })?;
        Ok(came)
    }
}

impl<P: Port> Transport for Packets<P> {
    fn rung(&self) -> Rung {
        P::RUNG
    }

    fn set_compression(&mut self, compression: Compression) {
        self.engine.set_compression(compression);
    }

    fn reaches(&self, peer: Rank) -> Result<(), Unavailable> {
        if self.knows(peer) {
            return Ok(());
        }
        let name = if P::RUNG == Rung::Mpi { "MPI" } else { P::RUNG.name() };
        Err(Unavailable::new(format!("it joined after the start, so {name} does not know it")))
    }

    fn share_among(&mut self, ranks: u32) {
        self.engine.share_among(ranks);
    }

    fn make_room(&mut self, size: u32) {
        self.port.make_room(size);
        self.engine.make_room(self.port.size());
    }

    fn register(&mut self, _id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        self.engine.register(Arc::clone(segment));
        Ok(())
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        self.reaches(peer)?;
        self.connecting.retain(|&(waiting, _)| waiting != peer);
        let theirs = self.port.offer(peer)?;
        let mut offer = self.engine.offer(peer).to_le_bytes().to_vec();
        offer.extend(self.engine.ranks().to_le_bytes());
        offer.extend(theirs);
        Ok(offer)
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        self.reaches(peer)?;
        let Some((&[a, b, c, d, ranks @ ..], theirs)) = theirs.split_first_chunk::<HEAD_BYTES>() else {
            return Err(Unavailable::new("its offer is too short; all ranks must run the same build of rankzero"));
        };
        let number = u32::from_le_bytes([a, b, c, d]);
        self.engine.agree(peer, u32::from_le_bytes(ranks));
        if self.port.connect(peer, theirs)? {
            self.engine.connect(peer, number);
            self.happenings.push(Happening::Up { peer });
        } else {
            self.connecting.push((peer, number));
        }
        Ok(())
    }

    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError> {
        if !self.knows(peer) {
            return Err(CommError::NotConnected { peer, rung: P::RUNG });
        }
        let posted = self.engine.accept(peer, write);
        self.send_what_may_go()?;
        Ok(posted)
    }

    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        // A port may hand over little at a time; what it holds for the caller must not wait for the next call, nor cost one more look.
        for _ in 0..BATCH_MAX {
            if !self.take_what_came()? || !self.happenings.is_empty() {
                break;
            }
        }
        into.append(&mut self.happenings);
        // The clock takes as long as a small packet, so it is not asked while there is something to tell, or nothing is owed.
        self.unclocked = if into.is_empty() { 0 } else { self.unclocked + 1 };
        if self.engine.owes && self.unclocked.is_multiple_of(UNCLOCKED_MAX) {
            let now = (self.clock)();
            if now >= self.acknowledge_at {
                self.acknowledge_at = now + ACKNOWLEDGE_AFTER;
                self.engine.owe_acknowledgements();
            }
        }
        self.send_what_may_go()
    }

    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>) {
        // What came before is taken; a port that fails here says so at the next progress.
        for _ in 0..BATCH_MAX {
            if !self.take_what_came().unwrap_or(false) {
                break;
            }
        }
        into.append(&mut self.happenings);
        into.retain(|happening| !matches!(happening, Happening::Broken { peer: broken, .. } if *broken == peer));
        if !self.knows(peer) {
            return;
        }
        self.engine.close(peer);
        self.connecting.retain(|&(waiting, _)| waiting != peer);
        self.port.close(peer);
    }

    fn describe(&self, peer: Rank) -> String {
        self.port.describe(peer)
    }

    fn carries_messages(&self, peer: Rank) -> bool {
        self.knows(peer) && self.port.carries_messages(peer)
    }

    fn send_message(&mut self, to: Rank, words: &[u32]) -> Result<(), CommError> {
        let mut packet = self.port.buffer();
        packet.clear();
        packet.extend_from_slice(words);
        self.send(to, Lane::Message, packet)
    }

    fn busy(&self) -> bool {
        self.port.busy()
    }

    fn unsent(&self) -> Option<Rank> {
        self.port.unsent()
    }

    fn traffic(&self) -> RungTraffic {
        self.traffic
    }
}
