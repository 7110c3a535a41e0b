//! TCP where no other library carries the first words: connections of the process that stand before the fabric opens, and come back
//! by themselves.
//!
//! Messages use them at any time. The connections of the fabric, which carry data, are made over them by a word: one is lost with the
//! connection below it, and the fabric makes another when that is back. What comes of data while the fabric has none is of an earlier one
//! and dropped.
//!
//! That holds among those who start together. With ranks that come later the fabric makes connections by their offers, as it does over
//! any other port.

use std::ops::RangeInclusive;

use super::port::TcpPort;
use crate::error::CommError;
use crate::ids::{Rank, Rung};
use crate::port::{Incoming, Lane, Port};
use crate::transport::Unavailable;

/// A TCP port whose connections stand from the start.
#[derive(Debug)]
pub struct TcpCarrier {
    port: TcpPort,
    /// What each peer must know, the same for all.
    offer: Vec<u8>,
    /// By rank of those who start together, whether a connection of the fabric is open.
    open: Vec<bool>,
}

impl TcpCarrier {
    /// The port of rank `me` of `size` that start together, with room for `newcomers` more, as [`TcpPort::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(
        me: Rank,
        size: u32,
        newcomers: u32,
        ports: RangeInclusive<u16>,
        key: [u8; 32],
    ) -> Result<TcpCarrier, Unavailable> {
        let mut port = TcpPort::open(me, size.saturating_add(newcomers), ports, key)?;
        port.persist_below(Rank(size));
        let mut offer = Vec::new();
        for peer in Rank::all(size).filter(|&peer| peer != me) {
            offer = port.offer(peer)?;
        }
        Ok(TcpCarrier { port, offer, open: vec![false; size as usize] })
    }

    /// As [`TcpPort::seal`].
    pub fn seal(&mut self) {
        self.port.seal();
    }

    /// What peers must know to reach this rank.
    pub fn address(&self) -> &[u8] {
        &self.offer
    }

    /// Connects to `peer` by what it says of itself; once for each peer. [`Port::carries_messages`] tells when the connection stands.
    ///
    /// # Errors
    /// Why none of its addresses leads there.
    pub fn reach(&mut self, peer: Rank, address: &[u8]) -> Result<(), Unavailable> {
        self.port.connect(peer, address).map(drop)
    }

    /// Whether a rank comes later than those who start together.
    fn is_newcomer(&self, peer: Rank) -> bool {
        peer.index() >= self.open.len()
    }

    fn set(&mut self, peer: Rank, open: bool) {
        if let Some(place) = self.open.get_mut(peer.index()) {
            *place = open;
        }
    }
}

impl Port for TcpCarrier {
    const RUNG: Rung = Rung::Tcp;

    fn rank(&self) -> Rank {
        self.port.rank()
    }

    fn size(&self) -> u32 {
        self.port.size()
    }

    fn buffer(&mut self) -> Vec<u32> {
        self.port.buffer()
    }

    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        if lane == Lane::Data && self.open.get(to.index()) == Some(&false) {
            return Ok(());
        }
        self.port.send(to, lane, packet)
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        let TcpCarrier { port, open, .. } = self;
        port.progress(&mut |incoming| match incoming {
            // Among those who start together the fabric asks for its own connection.
            Incoming::Up { peer } if peer.index() < open.len() => {}
            Incoming::Packet { from, lane: Lane::Data, .. } if open.get(from.index()) == Some(&false) => {}
            Incoming::Down { peer, .. } => {
                if let Some(place) = open.get_mut(peer.index()) {
                    *place = false;
                }
                sink(incoming);
            }
            incoming => sink(incoming),
        })
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        if self.is_newcomer(peer) {
            return self.port.offer(peer);
        }
        self.set(peer, false);
        Ok(Vec::new())
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<bool, Unavailable> {
        if self.is_newcomer(peer) {
            return self.port.connect(peer, theirs);
        }
        if !self.port.carries_messages(peer) {
            return Err(Unavailable::new(format!("the connection to {peer} is lost for now")));
        }
        self.set(peer, true);
        Ok(true)
    }

    fn close(&mut self, peer: Rank) {
        if self.is_newcomer(peer) {
            return self.port.close(peer);
        }
        self.set(peer, false);
    }

    fn describe(&self, peer: Rank) -> String {
        self.port.describe(peer)
    }

    fn carries_messages(&self, peer: Rank) -> bool {
        self.port.carries_messages(peer)
    }

    fn busy(&self) -> bool {
        self.port.busy()
    }

    fn unsent(&self) -> Option<Rank> {
        self.port.unsent()
    }
}
