//! The rung as the ladder sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Phase};
use super::device::GidKind;
use super::offer::Offer;
use super::plan;
use super::rung::Verbs;
use crate::error::CommError;
use crate::fabric::{RungTraffic, Write};
use crate::ids::{Rank, Rung, SegmentId};
use crate::segment::Segment;
use crate::transport::{Happening, Posted, Transport, Unavailable};

/// Calls of [`Transport::progress`] between two looks at devices and deadlines: these cost system calls.
const LOOK_EVERY: u32 = 32;
/// How long closing waits for what the device gives back.
const DRAIN_WITHIN: Duration = Duration::from_millis(100);

impl Transport for Verbs {
    fn rung(&self) -> Rung {
        Rung::Verbs
    }

    fn register(&mut self, _id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        for device in &mut self.devices {
            let Some(open) = &mut device.open else { continue };
            open.register(segment).map_err(|source| CommError::Io {
                operation: "registering memory for RDMA",
                peer: None,
                source,
            })?;
        }
        self.segments.push(Arc::clone(segment));
        Ok(())
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        if peer == self.me || peer.index() >= self.connections.len() {
            return Err(Unavailable::new(format!("RDMA does not lead from {} to {peer}", self.me)));
        }
        let mut old = Vec::new();
        self.close(peer, &mut old);
        self.happenings.append(&mut old);
        self.reopen()?;
        let life = self.next_life();
        let lanes = self.make_lanes(peer, life)?;
        let bytes = self.offer_of(peer, life, &lanes).encode()?;
        // The lower rank greets; the other one waits for it.
        self.connections[peer.index()] = Some(Connection::new(lanes, self.me < peer));
        Ok(bytes)
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        let theirs = Offer::decode(theirs)?;
        if theirs.from != peer || theirs.to != self.me {
            return Err(Unavailable::new(format!(
                "the RDMA offer is from {} to {}, not from {peer} to {}",
                theirs.from, theirs.to, self.me
            )));
        }
        let connection = self.connections.get_mut(peer.index()).and_then(Option::as_mut);
        let Some(connection) = connection.filter(|connection| connection.phase == Phase::Offered) else {
            return Err(Unavailable::new(format!("{} has made no RDMA offer to {peer}", self.me)));
        };
        connection.lanes.truncate(theirs.rails.len());
        for (lane, rail) in connection.lanes.iter().zip(&theirs.rails) {
            let (mine, other) = (lane.rail.gid, rail);
            if mine.kind != other.kind || mine.kind == GidKind::RoceV2 && mine.gid.is_ipv4() != other.gid.is_ipv4() {
                return Err(Unavailable::new(format!(
                    "{peer} is at {} {}, this rank at {} {}: the two do not meet",
                    other.kind, other.gid, mine.kind, mine.gid
                )));
            }
        }
        let until = Instant::now() + self.options.connect_within;
        if let Err(error) = connection.connect(theirs, self.options.timeout, self.options.retries, until) {
            self.connections[peer.index()] = None;
            return Err(Unavailable::new(format!("the RDMA connection to {peer} cannot be set up: {error}")));
        }
        self.greeting.push(peer);
        Ok(())
    }

    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError> {
        let connection = match self.connections.get(peer.index()) {
            Some(Some(connection)) if connection.phase == Phase::Up => connection,
            _ => return Err(CommError::NotConnected { peer, rung: Rung::Verbs }),
        };
        let source = self.segments.get(write.source.index()).ok_or(CommError::UnknownSegment(write.source))?;
        let segments = connection.theirs.as_ref().map_or(&[][..], |theirs| &theirs.segments);
        let target = segments.get(write.target.index());
        let words = target.map_or(0, |target| usize::try_from(target.words).unwrap_or(usize::MAX));
        for put in write.puts {
            if !source.holds(put.from, put.len) {
                let (segment, words) = (write.source, source.len());
                return Err(CommError::OutOfBounds { segment, from: put.from, len: put.len, words });
            }
            if put.to.checked_add(put.len).is_none_or(|end| end > words) {
                let segment = write.target;
                return Err(CommError::BeyondPeer { peer, segment, to: put.to, len: put.len, words });
            }
        }
        let ends = self.ends(connection, write.source, target);
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        let total = plan::pieces(write.puts, self.most_words, &mut pieces);
        let mut posted = Posted::Full;
        if let Some(connection) = &mut self.connections[peer.index()] {
            posted = connection.post(ends, &pieces, total, write.notification, self.options.stripe_bytes / 4);
            if connection.is_faulty() && !self.faulty.contains(&peer) {
                self.faulty.push(peer);
            }
            if connection.has_waiting() && !self.waiting.contains(&peer) {
                self.waiting.push(peer);
            }
        }
        self.pieces = pieces;
        if posted == Posted::Queued {
            self.traffic.sent_messages += 1;
            self.traffic.sent_bytes += 4 * total as u64 + 4;
        }
        Ok(posted)
    }

    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(LOOK_EVERY) {
            self.look_around();
        }
        // A broken connection is told once nothing that came before is left in the queues.
        if self.poll() && self.is_unsettled() {
            self.settle();
        }
        let connections = &self.connections;
        self.waiting.retain(|peer| connections[peer.index()].as_ref().is_some_and(Connection::has_waiting));
        into.append(&mut self.happenings);
        Ok(())
    }

    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>) {
        let Some(Some(connection)) = self.connections.get_mut(peer.index()) else { return };
        if connection.phase != Phase::Offered {
            connection.phase = Phase::Closing;
            connection.stop();
            let until = Instant::now() + DRAIN_WITHIN;
            loop {
                self.poll();
                let open = self.connections[peer.index()].as_ref();
                let drained = open.is_none_or(|open| open.lanes.iter().all(|lane| lane.is_drained()));
                if drained || Instant::now() >= until {
                    tracing::debug!(%peer, drained, "an RDMA connection is closed");
                    break;
                }
            }
        }
        // Destroyed here: from now on the device refuses what the peer sends.
        self.connections[peer.index()] = None;
        self.faulty.retain(|faulty| *faulty != peer);
        self.greeting.retain(|greeting| *greeting != peer);
        let happenings = std::mem::take(&mut self.happenings);
        for happening in happenings {
            match happening {
                Happening::Arrived { from, .. } if from == peer => into.push(happening),
                Happening::Delivered { peer: to, .. } if to == peer => into.push(happening),
                Happening::Up { peer: of } | Happening::Broken { peer: of, .. } if of == peer => {}
                other => self.happenings.push(other),
            }
        }
    }

    fn fence(&mut self) -> Result<(), CommError> {
        let mut late = Vec::new();
        Rank::all(self.connections.len() as u32).for_each(|peer| self.close(peer, &mut late));
        // What was registered are the old pages.
        self.devices.iter_mut().for_each(|device| device.open = None);
        self.reopen().map_err(|why| CommError::Io {
            operation: "registering moved memory for RDMA",
            peer: None,
            source: std::io::Error::other(why),
        })
    }

    fn describe(&self, peer: Rank) -> String {
        let Some(Some(connection)) = self.connections.get(peer.index()) else { return "not connected".into() };
        let Some(lane) = connection.lanes.first() else { return "its device is lost".into() };
        let theirs = connection.theirs.as_ref().and_then(|theirs| theirs.rails.first());
        let mtu = 128_u32 << theirs.map_or(lane.rail.mtu, |theirs| theirs.mtu.min(lane.rail.mtu));
        let (device, entry) = (&self.ports[lane.rail.index].chosen.device, lane.rail.gid);
        let rails = connection.lanes.len();
        format!(
            "{device} port {}, {} GID {} (index {}), MTU {mtu}, {rails} {}",
            lane.rail.port,
            entry.kind,
            entry.gid,
            entry.index,
            if rails == 1 { "rail" } else { "rails" }
        )
    }

    fn busy(&self) -> bool {
        self.is_unsettled() || !self.greeting.is_empty() || !self.waiting.is_empty()
    }

    fn unsent(&self) -> Option<Rank> {
        // What the device has not delivered ends with this process.
        let unsent = |peer: &Rank| {
            self.is_up(*peer) && self.connections[peer.index()].as_ref().is_some_and(|open| open.undelivered > 0)
        };
        Rank::all(self.connections.len() as u32).find(unsent)
    }

    fn traffic(&self) -> RungTraffic {
        self.traffic
    }
}
