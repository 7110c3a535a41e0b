//! What a packet rung does apart from moving packets: order, flow control, validation, placement. No I/O, no clock.
//!
//! **Connections.** Every rank numbers its side of a connection to a peer anew with each offer, and a packet carries the
//! number that its receiver gave. So packets of an older connection are recognised and dropped, however late they come.
//!
//! **Flow control.** A sender counts the words of the packets that it sent to a peer, the peer returns how many it has
//! taken: on every packet that it sends anyway, in a packet of its own once a quarter of the window is owed, and for the rest
//! when [`Engine::owe_acknowledgements`] says that it is time. At most [`Limits::window_words`] are unacknowledged. A write is
//! delivered once all of its words are acknowledged.
//!
//! Large pieces go by themselves where the port can do that: see [`direct`](super::direct).
//!
//! **Invariants.** A refused packet has no effect. A packet is placed in whole before its notification is queued.

use std::collections::VecDeque;
use std::sync::Arc;

use super::compress::{Compression, Compressor};
use super::direct::{Arriving, Ways};
use super::wire::{HEADER_WORDS, Header, Kind, PIECE_WORDS, Packet, Piece};
use crate::delta::Mode;
use crate::error::Malformed;
use crate::fabric::{Put, Write};
use crate::ids::{Rank, SegmentId};
use crate::port::Place;
use crate::segment::Segment;
use crate::transport::{Happening, Posted};

/// Bounds of a packet rung. Units: 32-bit words.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest packet. Default 256 KiB: large enough for full bandwidth, small enough to overlap the copies.
    pub packet_words: usize,
    /// Most unacknowledged words towards one peer. Default 4 MiB.
    pub window_words: u64,
    /// Most words of writes towards one peer that are not delivered. Default 64 MiB. A single larger write is taken when
    /// nothing else waits.
    pub backlog_words: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { packet_words: 1 << 16, window_words: 1 << 20, backlog_words: 1 << 24 }
    }
}

/// A write that was accepted and not yet packed in whole.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) source: Arc<Segment>,
    target: SegmentId,
    notification: u32,
    /// None is empty.
    pub(super) puts: Vec<Put>,
    /// Next put to pack, and how many of its words are packed.
    pub(super) next: (usize, usize),
}

/// One side of a connection.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// The number that this rank gave its side; 0: no offer was made.
    pub(super) mine: u32,
    /// The number that the peer gave its side, where connected.
    theirs: Option<u32>,
    queue: VecDeque<Outgoing>,
    queued_words: u64,
    sent_packets: u64,
    sent_words: u64,
    acknowledged_words: u64,
    /// For each write that was packed in whole and is not delivered: words sent up to its end.
    ends: VecDeque<u64>,
    pub(super) taken_packets: u64,
    pub(super) taken_words: u64,
    /// Of `taken_words`, what the peer has been told.
    reported_words: u64,
    /// Whether an acknowledgement of less than a quarter window is due.
    acknowledge: bool,
    /// Made with the connection; what both sides remember belongs to it.
    compressor: Option<Compressor>,
    /// Whether it is in the list of peers to serve.
    listed: bool,
    /// Payloads that were announced and are not placed.
    pub(super) arriving: VecDeque<Arriving>,
}

impl Peer {
    /// Forgets the connection, but for the number of this side.
    fn reset(&mut self) {
        *self = Peer { mine: self.mine, listed: self.listed, ..Peer::default() };
    }
}

/// The state of one rank towards all peers.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    compression: Compression,
    /// Among so many ranks what connections remember is shared out.
    ranks: u32,
    pub(super) ways: Ways,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) peers: Vec<Peer>,
    to_serve: Vec<Rank>,
    pub(super) happenings: VecDeque<Happening>,
    /// Whether a peer may have to be told what this rank has taken.
    pub(super) owes: bool,
    /// Source ranges of the packet in the making; kept for its memory.
    ranges: Vec<(usize, usize)>,
}

impl Engine {
    /// The engine of a rank of `size`.
    pub fn new(size: u32, limits: Limits) -> Engine {
        assert!(limits.packet_words > HEADER_WORDS + PIECE_WORDS, "a packet holds at least one word");
        assert!(limits.packet_words as u64 * 2 <= limits.window_words, "an acknowledgement must open the window");
        assert!(u32::try_from(limits.packet_words).is_ok(), "the header counts in 32 bits");
        Engine {
            limits,
            compression: Compression::Off,
            ranks: size,
            ways: Ways::packets_only(limits.packet_words),
            segments: Vec::new(),
            peers: (0..size).map(|_| Peer::default()).collect(),
            to_serve: Vec::new(),
            happenings: VecDeque::new(),
            owes: false,
            ranges: Vec::new(),
        }
    }

    /// Says whether connections that are made from now on send differences; what a peer sends is taken either way.
    pub fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Says among how many ranks connections that are made from now on share what they remember.
    pub fn share_among(&mut self, ranks: u32) {
        self.ranks = ranks;
    }

    /// Makes room for ranks up to `size`.
    pub fn make_room(&mut self, size: u32) {
        let size = self.peers.len().max(size as usize);
        self.peers.resize_with(size, Peer::default);
    }

    /// See [`Engine::share_among`].
    pub fn ranks(&self) -> u32 {
        self.ranks
    }

    /// Makes the next segment known.
    pub fn register(&mut self, segment: Arc<Segment>) {
        self.segments.push(segment);
    }

    /// Makes this side of a new connection; packets may come from now on. Returns its number, which the peer must know.
    pub fn offer(&mut self, peer: Rank) -> u32 {
        let ranks = self.ranks;
        let state = &mut self.peers[peer.index()];
        state.reset();
        // Never 0, and different from all numbers of packets that may still be on their way.
        state.mine = state.mine.wrapping_add(1).max(1);
        state.compressor = Some(Compressor::new(self.compression, self.limits.packet_words, ranks));
        state.mine
    }

    /// The peer shares its memory out among `ranks`: both sides must remember as much, which is what the poorer one can. Before the peer's
    /// first packet.
    pub fn agree(&mut self, peer: Rank, ranks: u32) {
        let Engine { compression, limits, ranks: ours, peers, .. } = self;
        if ranks > *ours {
            peers[peer.index()].compressor = Some(Compressor::new(*compression, limits.packet_words, ranks));
        }
    }

    /// The peer's side has this number: packets may be sent from now on.
    pub fn connect(&mut self, peer: Rank, theirs: u32) {
        self.peers[peer.index()].theirs = Some(theirs);
        self.list(peer);
    }

    /// Ends the connection; what comes later of it is dropped.
    pub fn close(&mut self, peer: Rank) {
        let state = &mut self.peers[peer.index()];
        state.reset();
        state.mine = state.mine.wrapping_add(1).max(1);
    }

    /// Accepts a write whose source ranges were checked; its packets come out of [`Engine::next_packet`].
    pub fn accept(&mut self, to: Rank, write: &Write<'_>) -> Posted {
        let Some(source) = self.segments.get(write.source.index()) else { return Posted::Full };
        let peer = &mut self.peers[to.index()];
        let words: u64 = write.puts.iter().map(|put| self.ways.estimate(put.len)).sum();
        let queued = peer.queued_words + words + HEADER_WORDS as u64;
        if peer.theirs.is_none() || (!peer.queue.is_empty() && queued > self.limits.window_words) {
            return Posted::Full;
        }
        peer.queued_words = queued;
        peer.queue.push_back(Outgoing {
            source: Arc::clone(source),
            target: write.target,
            notification: write.notification,
            puts: write.puts.iter().filter(|put| put.len > 0).copied().collect(),
            next: (0, 0),
        });
        self.list(to);
        Posted::Queued
    }

    /// The peers for which [`Engine::next_packet`] may have something, each once.
    pub fn take_to_serve(&mut self, into: &mut Vec<Rank>) {
        into.clear();
        into.append(&mut self.to_serve);
        for peer in into.iter() {
            self.peers[peer.index()].listed = false;
        }
    }

    /// The next packet for `to`, in a buffer of the caller's, if there is one that may be sent now; and what it announces.
    pub fn next_packet(&mut self, to: Rank, buffer: impl FnOnce() -> Vec<u32>) -> Option<(Vec<u32>, Option<Place>)> {
        let Engine { limits, ways, peers, ranges, .. } = self;
        let peer = &mut peers[to.index()];
        let connection = peer.theirs?;
        let in_flight = peer.sent_words - peer.acknowledged_words;
        let room = in_flight + limits.packet_words as u64 <= limits.window_words;
        let mut header = Header {
            kind: Kind::Ack,
            connection,
            sequence: peer.sent_packets,
            acknowledged: peer.taken_words,
            segment: 0,
            notification: 0,
            pieces: 0,
            payload: 0,
        };
        let owed = peer.taken_words - peer.reported_words;
        let mut payload = None;
        let packet = match peer.queue.front_mut() {
            Some(write) if room => {
                let mut packet = buffer();
                // What goes by itself is not encoded, so that is for links that are faster than encoding.
                let packets_only = peer.compressor.as_ref().is_some_and(|compressor| !compressor.may_go_raw());
                let ways = if packets_only { Ways::packets_only(limits.packet_words) } else { *ways };
                payload = write.announce(&mut header, &ways, &mut packet);
                let last = match payload {
                    Some(_) => write.is_packed(),
                    None => write.pack(&mut header, limits.packet_words, &ways, ranges, &mut packet),
                };
                let raw_words = payload.as_ref().map_or(packet.len() as u64, |place| ways.charge(place.len));
                if let Some(compressor) = &mut peer.compressor {
                    if payload.is_none() {
                        encode(compressor, &mut header, &mut packet);
                    }
                    compressor.sends(peer.acknowledged_words);
                }
                let packed = if payload.is_some() { raw_words } else { packet.len() as u64 };
                peer.sent_packets += 1;
                peer.sent_words += packed;
                if last {
                    peer.ends.push_back(peer.sent_words);
                    peer.queue.pop_front();
                }
                // Table and header words of a split write exceed the estimate, so the count must not go below.
                let rest = peer.queued_words.saturating_sub(raw_words);
                peer.queued_words = if peer.queue.is_empty() { 0 } else { rest };
                packet
            }
            _ if owed >= limits.window_words / 4 || (owed > 0 && peer.acknowledge) => {
                let mut packet = buffer();
                packet.clear();
                packet.extend(header.encode());
                packet
            }
            _ => return None,
        };
        peer.reported_words = peer.taken_words;
        peer.acknowledge = false;
        Some((packet, payload))
    }

    /// Lets every peer be told what this rank has taken, however little that is.
    pub fn owe_acknowledgements(&mut self) {
        self.owes = false;
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if peer.theirs.is_some() && peer.taken_words > peer.reported_words {
                peer.acknowledge = true;
                self.list(Rank(index as u32));
            }
        }
    }

    /// Takes a packet of `from`: checks it, places its words, queues what happened.
    ///
    /// # Errors
    /// Why it was refused. It had no effect then.
    pub fn take(&mut self, from: Rank, words: &[u32]) -> Result<(), Malformed> {
        assert!(from.index() < self.peers.len(), "the port names only ranks of the run");
        let packet = Packet::parse(words)?;
        let header = packet.header;
        if matches!(header.kind, Kind::Direct { .. }) {
            return Err(Malformed::Length {
                words: words.len(),
                expected: words.len() as u64 + u64::from(header.payload),
            });
        }
        if self.is_old(from, &header) {
            return Ok(());
        }
        self.check(from, &packet)?;
        let peer = &mut self.peers[from.index()];
        // Last of all that can be refused, as it changes what is remembered.
        let payload = match (header.kind, &mut peer.compressor) {
            (Kind::Write { mode, .. }, Some(compressor)) => {
                compressor.decoder().decode(mode, header.segment, packet.pieces(), packet.payload())?
            }
            _ => packet.payload(),
        };
        if let Kind::Write { .. } = header.kind {
            let (segment, mut rest) = (&self.segments[header.segment as usize], payload);
            for piece in packet.pieces() {
                let (words, later) = rest.split_at(piece.len as usize);
                segment.store(piece.to as usize, words);
                rest = later;
            }
        }
        self.acknowledged(from, header.acknowledged);
        let peer = &mut self.peers[from.index()];
        if let Kind::Write { last, .. } = header.kind {
            peer.taken_packets += 1;
            peer.taken_words += words.len() as u64;
            self.owes = true;
            if last {
                self.happenings.push_back(Happening::Arrived { from, notification: header.notification });
            }
        }
        self.list(from);
        Ok(())
    }

    /// Moves what happened to `into`.
    pub fn drain(&mut self, into: &mut Vec<Happening>) {
        into.extend(self.happenings.drain(..));
    }

    /// Whether the packet belongs to a connection before the one of now.
    pub(super) fn is_old(&self, from: Rank, header: &Header) -> bool {
        let mine = self.peers[from.index()].mine;
        let old = header.connection.wrapping_sub(mine) as i32 <= -1;
        if old {
            tracing::debug!(peer = from.0, theirs = header.connection, mine, "dropped a packet of an older connection");
        }
        old
    }

    /// The peer has taken so many words; checked.
    pub(super) fn acknowledged(&mut self, from: Rank, words: u64) {
        let peer = &mut self.peers[from.index()];
        peer.acknowledged_words = words;
        if let Some(compressor) = &mut peer.compressor {
            compressor.acknowledged(words, peer.sent_words - words);
        }
        let delivered = peer.ends.iter().take_while(|&&end| end <= words).count();
        peer.ends.drain(..delivered);
        if delivered > 0 {
            self.happenings.push_back(Happening::Delivered { peer: from, count: delivered as u64 });
        }
    }

    pub(super) fn list(&mut self, peer: Rank) {
        let state = &mut self.peers[peer.index()];
        if !state.listed {
            state.listed = true;
            self.to_serve.push(peer);
        }
    }

    /// Everything that a packet must satisfy towards the state of this rank.
    pub(super) fn check(&self, from: Rank, packet: &Packet<'_>) -> Result<(), Malformed> {
        let peer = &self.peers[from.index()];
        let header = packet.header;
        if header.connection != peer.mine {
            return Err(Malformed::Connection { theirs: header.connection, ours: peer.mine });
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
        for Piece { to, len } in packet.pieces() {
            if !usize::try_from(to).is_ok_and(|to| segment.holds(to, len as usize)) {
                return Err(Malformed::Range { segment: header.segment, to, len, words: segment.len() });
            }
        }
        Ok(())
    }
}

/// Encodes the words of a packet where that is worthwhile, and says so in its header.
fn encode(compressor: &mut Compressor, header: &mut Header, packet: &mut Vec<u32>) {
    let at = HEADER_WORDS + header.pieces as usize * PIECE_WORDS;
    let (table, _) = packet[HEADER_WORDS..at].as_chunks::<PIECE_WORDS>();
    let pieces: Vec<Piece> = table.iter().copied().map(Piece::decode).collect();
    let mode = compressor.encode(header.segment, pieces.iter().copied(), packet, at);
    if let Kind::Write { mode: how, .. } = &mut header.kind {
        *how = mode;
    }
    header.payload = (packet.len() - at) as u32;
    packet[..HEADER_WORDS].copy_from_slice(&header.encode());
}

impl Outgoing {
    /// Packs as much as one packet holds; whether that was the rest.
    fn pack(
        &mut self,
        header: &mut Header,
        packet_words: usize,
        ways: &Ways,
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
                if room <= PIECE_WORDS || ways.goes_by_itself(put.len) {
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
        let last = self.is_packed();
        header.pieces = ranges.len() as u32;
        self.label(header, Kind::Write { last, mode: Mode::Raw });
        packet[..HEADER_WORDS].copy_from_slice(&header.encode());
        last
    }

    /// Whether nothing is left to pack.
    pub(super) fn is_packed(&self) -> bool {
        self.next.0 == self.puts.len()
    }

    /// Writes into the header what a packet of this write says of it.
    pub(super) fn label(&self, header: &mut Header, kind: Kind) {
        header.kind = kind;
        header.segment = u32::from(self.target.0);
        header.notification = self.notification;
    }
}
