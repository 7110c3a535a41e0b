//! Large pieces without a copy: a packet announces the piece, its words follow by themselves, from segment to segment.
//!
//! The announcement is checked like any packet, and a place is named for the payload only then. It takes its number in the
//! order of packets at once, but counts as taken, so that it is acknowledged, when its payload is in place. Payloads of
//! one sender may be under way at the same time as long as their places do not overlap; the port hands over no other
//! packet of that sender meanwhile, so that data stays before word and words in order.
//!
//! In the window a payload counts as a full packet at most: it occupies no memory here, but a library may keep its beginning.

use super::engine::{Engine, Outgoing};
use super::wire::{HEADER_WORDS, Header, Kind, PIECE_WORDS, Packet, Piece};
use crate::error::{FailureCause, Malformed};
use crate::ids::Rank;
use crate::port::{Place, Verdict};
use crate::transport::Happening;

/// Which pieces go by themselves. Units: words. The same on all ranks.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    packet_words: usize,
    /// Shortest and longest piece.
    direct: Option<(usize, usize)>,
}

impl Ways {
    /// None does.
    pub fn packets_only(packet_words: usize) -> Ways {
        Ways { packet_words, direct: None }
    }

    /// Those from `least` words on, at most `most` at once.
    pub fn with_direct(self, least: usize, most: usize) -> Ways {
        let most = most.clamp(1, u32::MAX as usize);
        Ways { direct: Some((least.max(1), most)), ..self }
    }

    /// Whether a put of so many words goes by itself.
    pub fn goes_by_itself(&self, len: usize) -> bool {
        self.direct.is_some_and(|(least, _)| len >= least)
    }

    /// What an announced payload of so many words counts in the window.
    pub fn charge(&self, len: usize) -> u64 {
        len.saturating_add(HEADER_WORDS + PIECE_WORDS).min(self.packet_words) as u64
    }

    /// What a put will about count in the window.
    pub fn estimate(&self, len: usize) -> u64 {
        match self.direct {
            Some((least, most)) if len >= least => len.div_ceil(most) as u64 * self.charge(len),
            _ => (len + PIECE_WORDS) as u64,
        }
    }
}

/// An announced payload that is not in place yet.
#[derive(Debug)]
pub struct Arriving {
    place: Place,
    charge: u64,
    /// The notification, where the write ends with this payload.
    ends_with: Option<u32>,
}

impl Arriving {
    fn overlaps(&self, other: &Place) -> bool {
        let Place { segment, at, len } = &self.place;
        std::sync::Arc::ptr_eq(segment, &other.segment) && *at < other.at + other.len && other.at < at + len
    }
}

impl Outgoing {
    /// Writes the announcement of the next payload into `packet`, if the next put goes by itself.
    pub fn announce(&mut self, header: &mut Header, ways: &Ways, packet: &mut Vec<u32>) -> Option<Place> {
        let (index, done) = self.next;
        let put = *self.puts.get(index)?;
        let (_, most) = ways.direct.filter(|&(least, _)| put.len >= least)?;
        let len = (put.len - done).min(most);
        self.next = if done + len == put.len { (index + 1, 0) } else { (index, done + len) };
        (header.pieces, header.payload) = (1, len as u32);
        self.label(header, Kind::Direct { last: self.is_packed() });
        packet.clear();
        packet.extend(header.encode());
        packet.extend(Piece { to: (put.to + done) as u64, len: len as u32 }.encode());
        Some(Place { segment: std::sync::Arc::clone(&self.source), at: put.from + done, len })
    }
}

impl Engine {
    /// Takes an announcement of `from` of a payload of `payload` words: checks it and says where the payload goes.
    ///
    /// # Errors
    /// Why it was refused. It had no effect then, and its payload goes nowhere.
    pub fn announced(&mut self, from: Rank, words: &[u32], payload: usize) -> Result<Verdict, Malformed> {
        let packet = Packet::parse(words)?;
        let header = packet.header;
        let Kind::Direct { last } = header.kind else {
            return Err(Malformed::Length { words: words.len() + payload, expected: words.len() as u64 });
        };
        if payload as u64 != u64::from(header.payload) {
            return Err(Malformed::Length { words: payload, expected: u64::from(header.payload) });
        }
        if self.is_old(from, &header) {
            return Ok(Verdict::Nowhere);
        }
        self.check(from, &packet)?;
        let Some(Piece { to, .. }) = packet.pieces().next() else { return Ok(Verdict::Nowhere) };
        let segment = std::sync::Arc::clone(&self.segments[header.segment as usize]);
        let place = Place { segment, at: to as usize, len: payload };
        let peer = &mut self.peers[from.index()];
        if peer.arriving.iter().any(|earlier| earlier.overlaps(&place)) {
            return Ok(Verdict::Later);
        }
        peer.taken_packets += 1;
        peer.arriving.push_back(Arriving {
            place: place.clone(),
            charge: self.ways.charge(payload),
            ends_with: last.then_some(header.notification),
        });
        self.acknowledged(from, header.acknowledged);
        self.list(from);
        Ok(Verdict::Into(place))
    }

    /// The oldest payload of `from` is done. One that did not come as announced ends the connection: it cannot be
    /// acknowledged, and what follows cannot be taken without it.
    pub fn placed(&mut self, from: Rank, whole: bool) {
        let peer = &mut self.peers[from.index()];
        let Some(arrived) = peer.arriving.pop_front() else { return };
        if !whole {
            self.happenings.push_back(Happening::Broken { peer: from, cause: FailureCause::Protocol });
            return;
        }
        peer.taken_words += arrived.charge;
        if let Some(notification) = arrived.ends_with {
            self.happenings.push_back(Happening::Arrived { from, notification });
        }
        self.list(from);
    }
}
