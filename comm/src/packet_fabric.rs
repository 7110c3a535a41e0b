//! Drives the [`Engine`](crate::engine::Engine) over anything that moves whole packets in order.

use std::sync::Arc;
use std::time::Instant;

use crate::bootstrap::Mailbox;
use crate::engine::Engine;
pub use crate::engine::Limits;
use crate::error::{CommError, FailureCause, Malformed};
use crate::fabric::{Endpoint, Event, Fabric, RungTraffic, Write};
use crate::ids::{Rank, Rung, SegmentId, Token};
use crate::segment::Segment;

/// Two independent streams of packets between each pair of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Packets of the engine.
    Data,
    /// Messages of start-up.
    Start,
}

/// What a port hands over while it makes progress.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A packet.
    Packet {
        /// Its sender, a rank of the run.
        from: Rank,
        /// Its stream.
        lane: Lane,
        /// Its words, as sent.
        words: &'a [u32],
    },
    /// Something that is no packet.
    Garbage {
        /// Its sender, a rank of the run.
        from: Rank,
        /// What was wrong with it.
        what: Malformed,
    },
    /// A peer is gone; everything that it sent before has been handed over.
    Down {
        /// The peer.
        peer: Rank,
        /// The evidence.
        cause: FailureCause,
    },
}

/// What a packet rung provides. Packets of one sender, receiver and lane arrive whole and in order.
pub trait Port {
    /// The rung that this is.
    const RUNG: Rung;
    /// The rank of this process.
    fn rank(&self) -> Rank;
    /// Ranks of the run.
    fn size(&self) -> u32;
    /// A buffer for [`Port::send`], recycled where possible. Its content is arbitrary.
    fn buffer(&mut self) -> Vec<u32>;
    /// Starts to send and returns at once.
    ///
    /// # Errors
    /// A failed call. A peer that is gone is no error but comes out of [`Port::progress`].
    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError>;
    /// Hands over what has arrived, without waiting.
    ///
    /// # Errors
    /// A failed call.
    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError>;
    /// Called when progress yielded nothing: gives the core away for a moment, at most until `deadline`.
    fn wait(&mut self, deadline: Instant);
}

/// A [`Fabric`] and [`Bootstrap`](crate::Bootstrap) made of packets.
#[derive(Debug)]
pub struct PacketFabric<P> {
    pub(crate) port: P,
    pub(crate) engine: Engine,
    pub(crate) mailbox: Mailbox,
    traffic: RungTraffic,
    serving: Vec<Rank>,
    /// First refusal since it was last told, by lane: start-up must not fail for a data packet, nor the reverse.
    refused_data: Option<CommError>,
    refused_start: Option<CommError>,
}

impl<P: Port> PacketFabric<P> {
    /// A fabric over `port`. All ranks give the same `generation` and `limits`.
    pub fn new(port: P, generation: u32, limits: Limits) -> Self {
        let engine = Engine::new(port.rank(), port.size(), generation, limits);
        let traffic =
            RungTraffic { rung: P::RUNG, sent_bytes: 0, sent_messages: 0, received_bytes: 0, received_messages: 0 };
        PacketFabric {
            port,
            engine,
            mailbox: Mailbox::default(),
            traffic,
            serving: Vec::new(),
            refused_data: None,
            refused_start: None,
        }
    }

    /// Sends one packet and counts it.
    pub(crate) fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        self.traffic.sent_messages += 1;
        self.traffic.sent_bytes += packet.len() as u64 * 4;
        self.port.send(to, lane, packet)
    }

    /// Takes what has arrived and sends what may be sent. Refusals are kept for who asks for their lane.
    pub(crate) fn progress(&mut self) -> Result<(), CommError> {
        let Self { port, engine, mailbox, traffic, refused_data, refused_start, .. } = self;
        port.progress(&mut |incoming| {
            let (peer, outcome, refused) = match incoming {
                Incoming::Packet { from, lane, words } => {
                    traffic.received_messages += 1;
                    traffic.received_bytes += words.len() as u64 * 4;
                    match lane {
                        Lane::Data => (from, engine.take(from, words), &mut *refused_data),
                        Lane::Start => (from, mailbox.take(from, words), &mut *refused_start),
                    }
                }
                Incoming::Garbage { from, what } => (from, Err(what), &mut *refused_data),
                Incoming::Down { peer, cause } => return engine.fail(peer, cause),
            };
            if let Err(what) = outcome {
                tracing::warn!(peer = peer.0, %what, "refused a packet");
                refused.get_or_insert(CommError::Malformed { peer, what });
            }
        })?;
        self.send_what_may_go()
    }

    /// The first refused start-up message since the last call, as an error.
    pub(crate) fn refused_start(&mut self) -> Result<(), CommError> {
        self.refused_start.take().map_or(Ok(()), Err)
    }

    fn send_what_may_go(&mut self) -> Result<(), CommError> {
        let mut serving = std::mem::take(&mut self.serving);
        self.engine.take_to_serve(&mut serving);
        for &peer in &serving {
            while let Some(packet) = self.engine.next_packet(peer, || self.port.buffer()) {
                self.send(peer, Lane::Data, packet)?;
            }
        }
        self.serving = serving;
        Ok(())
    }
}

impl<P: Port> Endpoint for PacketFabric<P> {
    fn rank(&self) -> Rank {
        self.engine.rank()
    }

    fn size(&self) -> u32 {
        self.engine.size()
    }
}

impl<P: Port> Fabric for PacketFabric<P> {
    fn rung(&self, _peer: Rank) -> Rung {
        P::RUNG
    }

    fn register(&mut self, segment: Arc<Segment>) -> Result<SegmentId, CommError> {
        self.engine.register(segment)
    }

    fn write_notify(&mut self, peer: Rank, write: &Write<'_>) -> Result<Token, CommError> {
        let token = self.engine.accept(peer, write)?;
        self.send_what_may_go()?;
        Ok(token)
    }

    fn poll(&mut self, deadline: Instant, events: &mut Vec<Event>) -> Result<(), CommError> {
        loop {
            self.progress()?;
            if let Some(refused) = self.refused_data.take() {
                return Err(refused);
            }
            if self.engine.has_events() {
                self.engine.drain_events(events);
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            self.port.wait(deadline);
        }
    }

    fn traffic(&self) -> Vec<RungTraffic> {
        vec![self.traffic]
    }
}
