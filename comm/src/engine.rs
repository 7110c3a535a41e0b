//! What a packet rung does apart from moving packets: order, flow control, validation, placement. No I/O, no clock.
//!
//! **Flow control.** A sender counts the words of the packets that it sent to a peer, the peer returns how many it has
//! taken: on every packet that it sends anyway, and in a packet of its own once a quarter of the window is owed. At
//! most [`Limits::window_words`] are unacknowledged; what exceeds them waits as a description of its ranges (the words
//! stay in the segment), up to [`Limits::backlog_words`]. So a peer that is slow or stopped bounds our memory, whatever
//! the library underneath buffers.
//!
//! **Invariants.** A refused packet has no effect. A packet is placed in whole before its notification is queued.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{CommError, FailureCause, Malformed};
use crate::fabric::{Event, Put, Write};
use crate::ids::{Rank, SegmentId, Token};
use crate::segment::Segment;
use crate::wire::{HEADER_WORDS, Header, Kind, PIECE_WORDS, Packet, Piece};

/// Most segments of one fabric.
pub const SEGMENTS_MAX: usize = 1 << 16;

/// Bounds of a packet rung. Units: 32-bit words.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest packet. Default 256 KiB: large enough for full bandwidth, small enough to overlap the copies.
    pub packet_words: usize,
    /// Most unacknowledged words towards one peer. Default 4 MiB.
    pub window_words: u64,
    /// Most words towards one peer that wait for room in the window. Default 64 MiB. A single larger write is
    /// taken when nothing else waits.
    pub backlog_words: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { packet_words: 1 << 16, window_words: 1 << 20, backlog_words: 1 << 24 }
    }
}

/// A write that was accepted and not yet packed in whole.
#[derive(Debug)]
struct Outgoing {
    token: Token,
    source: Arc<Segment>,
    target: SegmentId,
    notification: u32,
    puts: Vec<Put>,
    /// Next put to pack, and how many of its words are packed.
    next: (usize, usize),
}

#[derive(Debug, Default)]
struct Peer {
    queue: VecDeque<Outgoing>,
    queued_words: u64,
    sent_packets: u64,
    sent_words: u64,
    acknowledged_words: u64,
    taken_packets: u64,
    taken_words: u64,
    /// Of `taken_words`, what the peer has been told.
    reported_words: u64,
    failed: Option<FailureCause>,
    /// Whether it is in the list of peers to serve.
    listed: bool,
}

/// The state of one rank towards all peers.
#[derive(Debug)]
pub struct Engine {
    me: Rank,
    generation: u32,
    limits: Limits,
    segments: Vec<Arc<Segment>>,
    peers: Vec<Peer>,
    to_serve: Vec<Rank>,
    events: VecDeque<Event>,
    next_token: u64,
    /// Source ranges of the packet in the making; kept for its memory.
    ranges: Vec<(usize, usize)>,
}

impl Engine {
    /// The engine of rank `me` of `size`. Packets of older generations are dropped, of later ones refused.
    pub fn new(me: Rank, size: u32, generation: u32, limits: Limits) -> Engine {
        assert!(limits.packet_words > HEADER_WORDS + PIECE_WORDS, "a packet holds at least one word");
        assert!(limits.packet_words as u64 * 2 <= limits.window_words, "an acknowledgement must open the window");
        assert!(u32::try_from(limits.packet_words).is_ok(), "the header counts in 32 bits");
        Engine {
            me,
            generation,
            limits,
            segments: Vec::new(),
            peers: (0..size).map(|_| Peer::default()).collect(),
            to_serve: Vec::new(),
            events: VecDeque::new(),
            next_token: 0,
            ranges: Vec::new(),
        }
    }

    /// The rank whose state this is.
    pub fn rank(&self) -> Rank {
        self.me
    }

    /// Ranks of the run.
    pub fn size(&self) -> u32 {
        self.peers.len() as u32
    }

    /// Why `peer` counts as gone, if it does.
    pub fn failure(&self, peer: Rank) -> Option<FailureCause> {
        self.peers.get(peer.index()).and_then(|peer| peer.failed)
    }

    /// Makes a segment known under the next number.
    ///
    /// # Errors
    /// [`CommError::TooManySegments`].
    pub fn register(&mut self, segment: Arc<Segment>) -> Result<SegmentId, CommError> {
        let id = u16::try_from(self.segments.len()).map_err(|_| CommError::TooManySegments(SEGMENTS_MAX))?;
        self.segments.push(segment);
        Ok(SegmentId(id))
    }

    /// Accepts a write; its packets come out of [`Engine::next_packet`].
    ///
    /// # Errors
    /// See [`crate::Fabric::write_notify`].
    pub fn accept(&mut self, to: Rank, write: &Write<'_>) -> Result<Token, CommError> {
        let size = self.size();
        let source = self.segments.get(write.source.index()).ok_or(CommError::UnknownSegment(write.source))?;
        if self.segments.len() <= write.target.index() {
            return Err(CommError::UnknownSegment(write.target));
        }
        let mut words = HEADER_WORDS as u64;
        for put in write.puts {
            if !source.holds(put.from, put.len) || put.to.checked_add(put.len).is_none() {
                let Put { from, len, .. } = *put;
                return Err(CommError::OutOfBounds { segment: write.source, from, len, words: source.len() });
            }
            words = words.saturating_add((put.len + PIECE_WORDS) as u64);
        }
        let peer = self.peers.get_mut(to.index()).ok_or(CommError::UnknownPeer { peer: to, size })?;
        if let Some(cause) = peer.failed {
            return Err(CommError::PeerFailed { peer: to, cause });
        }
        let backlog = peer.queued_words.saturating_add(words);
        if !peer.queue.is_empty() && backlog > self.limits.backlog_words {
            return Err(CommError::Backpressure {
                peer: to,
                backlog_words: peer.queued_words + (peer.sent_words - peer.acknowledged_words),
                limit_words: self.limits.backlog_words,
            });
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        peer.queued_words = backlog;
        peer.queue.push_back(Outgoing {
            token,
            source: Arc::clone(source),
            target: write.target,
            notification: write.notification,
            puts: write.puts.to_vec(),
            next: (0, 0),
        });
        self.list(to);
        Ok(token)
    }

    /// The peers for which [`Engine::next_packet`] may have something, each once.
    pub fn take_to_serve(&mut self, into: &mut Vec<Rank>) {
        into.clear();
        into.append(&mut self.to_serve);
        for peer in into.iter() {
            self.peers[peer.index()].listed = false;
        }
    }

    /// The next packet for `to`, in a buffer of the caller's, if there is one that may be sent now.
    pub fn next_packet(&mut self, to: Rank, buffer: impl FnOnce() -> Vec<u32>) -> Option<Vec<u32>> {
        let Engine { generation, limits, peers, events, ranges, .. } = self;
        let peer = &mut peers[to.index()];
        if peer.failed.is_some() {
            return None;
        }
        let in_flight = peer.sent_words - peer.acknowledged_words;
        let room = in_flight + limits.packet_words as u64 <= limits.window_words;
        let mut header = Header {
            kind: Kind::Ack,
            generation: *generation,
            sequence: peer.sent_packets,
            acknowledged: peer.taken_words,
            segment: 0,
            notification: 0,
            pieces: 0,
            payload: 0,
        };
        let packet = match peer.queue.front_mut() {
            Some(write) if room => {
                let mut packet = buffer();
                let last = write.pack(&mut header, limits.packet_words, ranges, &mut packet);
                peer.sent_packets += 1;
                peer.sent_words += packet.len() as u64;
                if last {
                    events.push_back(Event::Completed { token: write.token });
                    peer.queue.pop_front();
                }
                // Table and header words of a split write exceed the estimate, so the count must not go below.
                let packed = packet.len() as u64;
                peer.queued_words = if peer.queue.is_empty() { 0 } else { peer.queued_words.saturating_sub(packed) };
                packet
            }
            _ if peer.taken_words - peer.reported_words >= limits.window_words / 4 => {
                let mut packet = buffer();
                packet.clear();
                packet.extend(header.encode());
                packet
            }
            _ => return None,
        };
        peer.reported_words = peer.taken_words;
        Some(packet)
    }

    /// Takes a packet of `from`: checks it, places its words, queues its event.
    ///
    /// # Errors
    /// Why it was refused. It had no effect then.
    pub fn take(&mut self, from: Rank, words: &[u32]) -> Result<(), Malformed> {
        assert!(from.index() < self.peers.len(), "the port names only ranks of the run");
        let packet = Packet::parse(words)?;
        let header = packet.header;
        if header.generation < self.generation {
            tracing::debug!(peer = from.0, theirs = header.generation, "dropped a packet of an older generation");
            return Ok(());
        }
        self.check(from, &packet)?;
        let peer = &mut self.peers[from.index()];
        peer.acknowledged_words = header.acknowledged;
        if let Kind::Write { last } = header.kind {
            let segment = &self.segments[header.segment as usize];
            for (piece, words) in packet.pieces() {
                segment.store(piece.to as usize, words);
            }
            peer.taken_packets += 1;
            peer.taken_words += words.len() as u64;
            if last {
                self.events.push_back(Event::Arrived { from, notification: header.notification });
            }
        }
        self.list(from);
        Ok(())
    }

    /// The peer is gone: what waits for it is dropped, and the event is queued once.
    pub fn fail(&mut self, peer: Rank, cause: FailureCause) {
        let state = &mut self.peers[peer.index()];
        if state.failed.is_none() {
            state.failed = Some(cause);
            state.queue.clear();
            state.queued_words = 0;
            self.events.push_back(Event::PeerFailed { peer, cause });
        }
    }

    /// Whether an event waits.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Moves all waiting events to `into`.
    pub fn drain_events(&mut self, into: &mut Vec<Event>) {
        into.extend(self.events.drain(..));
    }

    fn list(&mut self, peer: Rank) {
        let state = &mut self.peers[peer.index()];
        if !state.listed {
            state.listed = true;
            self.to_serve.push(peer);
        }
    }

    /// Everything that a packet must satisfy towards the state of this rank.
    fn check(&self, from: Rank, packet: &Packet<'_>) -> Result<(), Malformed> {
        let peer = &self.peers[from.index()];
        let header = packet.header;
        if header.generation != self.generation {
            return Err(Malformed::Generation { theirs: header.generation, ours: self.generation });
        }
        let (least, most) = (peer.acknowledged_words, peer.sent_words);
        if !(least..=most).contains(&header.acknowledged) {
            return Err(Malformed::Acknowledgement { got: header.acknowledged, least, most });
        }
        if header.kind == Kind::Ack {
            return Ok(());
        }
        if header.sequence != peer.taken_packets {
            return Err(Malformed::Sequence { got: header.sequence, expected: peer.taken_packets });
        }
        let segment = self.segments.get(header.segment as usize).ok_or(Malformed::Segment(header.segment))?;
        for (Piece { to, len }, _) in packet.pieces() {
            if !usize::try_from(to).is_ok_and(|to| segment.holds(to, len as usize)) {
                return Err(Malformed::Range { segment: header.segment, to, len, words: segment.len() });
            }
        }
        Ok(())
    }
}

impl Outgoing {
    /// Packs as much as one packet holds; whether that was the rest.
    fn pack(
        &mut self,
        header: &mut Header,
        packet_words: usize,
        ranges: &mut Vec<(usize, usize)>,
        packet: &mut Vec<u32>,
    ) -> bool {
        packet.clear();
        packet.resize(HEADER_WORDS, 0);
        ranges.clear();
        let mut room = packet_words - HEADER_WORDS;
        let (mut index, mut done) = self.next;
        while let Some(put) = self.puts.get(index) {
            let left = put.len - done;
            if left > 0 {
                if room <= PIECE_WORDS {
                    break;
                }
                let len = left.min(room - PIECE_WORDS);
                packet.extend(Piece { to: (put.to + done) as u64, len: len as u32 }.encode());
                ranges.push((put.from + done, len));
                header.payload += len as u32;
                room -= PIECE_WORDS + len;
                done += len;
            }
            if done == put.len {
                (index, done) = (index + 1, 0);
            }
        }
        for &(from, len) in ranges.iter() {
            self.source.append_to(from, len, packet);
        }
        self.next = (index, done);
        let last = index == self.puts.len();
        header.kind = Kind::Write { last };
        header.segment = u32::from(self.target.0);
        header.notification = self.notification;
        header.pieces = ranges.len() as u32;
        packet[..HEADER_WORDS].copy_from_slice(&header.encode());
        last
    }
}
