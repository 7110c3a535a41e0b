//! The rung over shared memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::bell;
use super::mapping::Mapping;
use super::node::{FileName, Node, Process};
use super::offer::{Offer, Offered};
use super::pair::{Inbox, Outbox, RING_SLOTS};
use super::ring::End;
use crate::error::{CommError, FailureCause};
use crate::fabric::{RungTraffic, Write};
use crate::ids::{Rank, Rung, SegmentId};
use crate::segment::Segment;
use crate::transport::{Happening, Posted, Transport, Unavailable};

/// Up to so many connections, all queues are looked at each time and the doorbell is left ringing, which spares the peers
/// the exchange of its cache line.
const DIRECT_PEERS_MAX: usize = 8;
/// How often peers are looked after: whether they live, and whether a queue holds something that was not rung for.
const INSPECTION_EVERY: Duration = Duration::from_millis(1);
/// The clock is read in one of so many calls of `progress`.
const TURNS_PER_CLOCK: u32 = 16;

/// Shared memory with peers of this node. Copies are made by the writer, inside of [`Transport::post`]; peers are told from
/// dead ones by the kernel, within milliseconds of calls to [`Transport::progress`].
#[derive(Debug)]
pub struct Shm {
    me: Rank,
    node: Node,
    process: Process,
    segments: Vec<Arc<Segment>>,
    /// A bit per place in `pairs`.
    bell: Mapping,
    /// Connections and halves of such; a place is reused.
    pairs: Vec<Option<Pair>>,
    /// By rank, its place in `pairs`.
    places: Vec<Option<u32>>,
    /// Places of connected peers.
    connected: Vec<u32>,
    /// Which processes have ended.
    ended: Epoll,
    /// What `progress` reports before all else.
    pending: Vec<Happening>,
    /// A connection may have failed: look after it in the next call.
    suspicion: bool,
    turns: u32,
    inspected: Instant,
    traffic: RungTraffic,
}

/// What there is with one peer.
#[derive(Debug)]
struct Pair {
    peer: Rank,
    inbox: Inbox,
    /// Once connected.
    outbox: Option<Outbox>,
    fault: Option<FailureCause>,
    /// `Broken` was reported: nothing follows.
    over: bool,
}

impl Shm {
    /// Ready for offers, on rank `me` of `size`.
    ///
    /// # Errors
    /// What this node lacks, with the remedy.
    pub fn open(me: Rank, size: u32) -> Result<Shm, Unavailable> {
        let traffic =
            RungTraffic { rung: Rung::Shm, sent_bytes: 0, sent_messages: 0, received_bytes: 0, received_messages: 0 };
        Ok(Shm {
            me,
            node: Node::here()?,
            process: Process::this()?,
            segments: Vec::new(),
            bell: new_bell(size)?,
            pairs: Vec::new(),
            places: vec![None; size as usize],
            connected: Vec::new(),
            ended: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| {
                Unavailable::new(format!("no epoll instance: {error}; raise the limit of open files"))
            })?,
            pending: Vec::new(),
            suspicion: false,
            turns: 0,
            inspected: Instant::now(),
            traffic,
        })
    }

    /// Closes all connections, as [`Transport::close`], and moves all segments to new memory, where nobody who has mapped the
    /// old one can write; addresses and content stay. Peers that are to write here again need a new offer. Other threads of
    /// this process must not store to the segments meanwhile, as what they store may be lost, and devices to which the
    /// memory was registered must be given it anew.
    ///
    /// # Errors
    /// [`CommError::Io`] where the system has no memory for a second copy of what the segments hold. Connections are closed
    /// then, but old peers can still write into the segments that were not moved.
    pub fn fence(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        for at in 0..self.pairs.len() {
            if let Some(peer) = self.pairs[at].as_ref().map(|pair| pair.peer) {
                self.close(peer, into);
            }
        }
        let failed = |source| CommError::Io { operation: "moving a segment to new memory", peer: None, source };
        for segment in &self.segments {
            if let Some(mapping) = segment.mapping() {
                mapping.replace().map_err(failed)?;
            }
        }
        self.bell.replace().map_err(failed)
    }

    fn place(&self, peer: Rank) -> Option<usize> {
        self.places.get(peer.index()).copied().flatten().map(|place| place as usize)
    }

    /// The first free place, made where there is none.
    fn free_place(&mut self) -> usize {
        self.pairs.iter().position(Option::is_none).unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        })
    }

    /// Reports what arrived over one connection, and its end.
    fn visit(&mut self, place: usize, into: &mut Vec<Happening>) {
        let Some(pair) = self.pairs.get_mut(place).and_then(Option::as_mut) else { return };
        if pair.over || pair.outbox.is_none() {
            return;
        }
        let from = pair.peer;
        let before = into.len();
        let outcome = pair.inbox.drain(|notification| into.push(Happening::Arrived { from, notification }));
        self.traffic.received_messages += (into.len() - before) as u64;
        match outcome {
            // There may be more: it is looked at in the next call, so that this one ends.
            Ok(RING_SLOTS) => bell::ring(&self.bell.pairs()[place / 64], 1 << (place % 64)),
            Ok(_) => {}
            Err(_) => pair.fault = Some(FailureCause::Protocol),
        }
        if let Some(cause) = pair.fault {
            pair.over = true;
            into.push(Happening::Broken { peer: from, cause });
        }
    }

    /// Looks after all connections, rung for or not.
    fn inspect(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        for &place in &self.connected {
            let Some(pair) = &mut self.pairs[place as usize] else { continue };
            if let Some(Err(end)) = pair.outbox.as_mut().map(Outbox::room) {
                pair.fault.get_or_insert(cause(end));
            }
        }
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.ended.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => {
                let source = error.into();
                return Err(CommError::Io { operation: "asking which peers have ended", peer: None, source });
            }
        };
        for event in &events[..count] {
            if let Some(pair) = self.pairs.get_mut(event.data() as usize).and_then(Option::as_mut) {
                pair.fault = Some(FailureCause::Exited);
            }
        }
        // What a peer pushed before its end is in the queue by now.
        for at in 0..self.connected.len() {
            self.visit(self.connected[at] as usize, into);
        }
        Ok(())
    }

    fn make_offer(&self, peer: Rank, place: usize, inbox: &Inbox) -> Result<Vec<u8>, Unavailable> {
        let unnamed = |error| Unavailable::new(format!("own memory has no name to offer: {error}"));
        let mut segments = Vec::with_capacity(self.segments.len());
        for mapping in self.segments.iter().filter_map(|segment| segment.mapping()) {
            let file = FileName::of_file(&mapping.file()).map_err(unnamed)?;
            segments.push(Offered { file, words: mapping.words().len() as u64 });
        }
        let offer = Offer {
            from: self.me,
            to: peer,
            node: self.node,
            process: self.process,
            nonce: inbox.nonce,
            ring: inbox.name().map_err(unnamed)?,
            bell: FileName::of_file(&self.bell.file()).map_err(unnamed)?,
            bell_words: self.bell.pairs().len() as u32,
            bell_bit: place as u32,
            segments,
        };
        offer.encode()
    }

    /// The offer, where it is one to this rank that can be taken.
    fn check_offer(&self, peer: Rank, theirs: &[u8]) -> Result<Offer, Unavailable> {
        let offer = Offer::decode(theirs)?;
        if (offer.from, offer.to) != (peer, self.me) {
            let Offer { from, to, .. } = offer;
            return Err(Unavailable::new(format!("the offer of {from} to {to} came as one of {peer} to {}", self.me)));
        }
        self.node.reaches(&offer.node)?;
        Ok(offer)
    }
}

impl Transport for Shm {
    fn rung(&self) -> Rung {
        Rung::Shm
    }

    fn register(&mut self, id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        let refused = |why: String| CommError::Io {
            operation: "sharing a segment",
            peer: None,
            source: std::io::Error::new(std::io::ErrorKind::Unsupported, why),
        };
        if id.index() != self.segments.len() {
            return Err(refused(format!("{id} came as the {}th", self.segments.len())));
        }
        if segment.mapping().is_none() {
            return Err(refused(format!("{id} lies in memory of this process alone")));
        }
        self.segments.push(Arc::clone(segment));
        Ok(())
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        if peer.index() >= self.places.len() {
            return Err(Unavailable::new(format!("{peer} does not exist in a run of {} ranks", self.places.len())));
        }
        let mut left = Vec::new();
        self.close(peer, &mut left);
        self.pending.append(&mut left);
        let inbox = Inbox::create().map_err(|error| {
            Unavailable::new(format!(
                "no shared memory for a queue ({error}): raise the limits of memory and open files"
            ))
        })?;
        let place = self.free_place();
        let bytes = self.make_offer(peer, place, &inbox)?;
        self.pairs[place] = Some(Pair { peer, inbox, outbox: None, fault: None, over: false });
        self.places[peer.index()] = Some(place as u32);
        Ok(bytes)
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        let offer = self.check_offer(peer, theirs)?;
        let place = self.place(peer).ok_or_else(|| Unavailable::new(format!("no offer was made to {peer} before")))?;
        let Some(pair) = self.pairs[place].as_mut().filter(|pair| pair.outbox.is_none()) else {
            return Err(Unavailable::new(format!("{peer} is connected already")));
        };
        let outbox = Outbox::open(&offer)?;
        self.ended
            .add(outbox.watch(), EpollEvent::new(EpollFlags::EPOLLIN, place as u64))
            .map_err(|error| Unavailable::new(format!("process {} cannot be watched: {error}", outbox.process.pid)))?;
        pair.outbox = Some(outbox);
        self.connected.push(place as u32);
        // What the peer wrote before this moment is looked at in the next call.
        for word in self.bell.pairs() {
            word.store(u64::MAX, std::sync::atomic::Ordering::Release);
        }
        self.pending.push(Happening::Up { peer });
        Ok(())
    }

    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError> {
        let place = self.place(peer);
        let pair = place.and_then(|place| self.pairs[place].as_mut());
        let Some((outbox, fault)) = pair.and_then(|pair| Some((pair.outbox.as_mut()?, &mut pair.fault))) else {
            return Err(CommError::NotConnected { peer, rung: Rung::Shm });
        };
        let source = self.segments.get(write.source.index()).ok_or(CommError::UnknownSegment(write.source))?;
        outbox.check(peer, write, source)?;
        if fault.is_some() {
            return Ok(Posted::Full);
        }
        let outcome = match outbox.room() {
            Ok(false) => return Ok(Posted::Full),
            Ok(true) => outbox.write(write, source),
            Err(end) => Err(end),
        };
        match outcome {
            Ok(bytes) => {
                self.traffic.sent_bytes += bytes;
                self.traffic.sent_messages += 1;
                Ok(Posted::Delivered)
            }
            Err(end) => {
                // The peer has not got it; the next call of `progress` says that the connection is over.
                *fault = Some(cause(end));
                self.suspicion = true;
                Ok(Posted::Full)
            }
        }
    }

    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        into.append(&mut self.pending);
        if self.connected.len() <= DIRECT_PEERS_MAX {
            for at in 0..self.connected.len() {
                self.visit(self.connected[at] as usize, into);
            }
        } else {
            for at in 0..self.pairs.len().div_ceil(64) {
                let mut rung = bell::answer(&self.bell.pairs()[at]);
                while rung != 0 {
                    self.visit(at * 64 + rung.trailing_zeros() as usize, into);
                    rung &= rung - 1;
                }
            }
        }
        self.turns = self.turns.wrapping_add(1);
        if self.suspicion || self.turns.is_multiple_of(TURNS_PER_CLOCK) && self.inspected.elapsed() >= INSPECTION_EVERY
        {
            self.suspicion = false;
            self.inspect(into)?;
            self.inspected = Instant::now();
        }
        Ok(())
    }

    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>) {
        let Some(place) = self.place(peer) else { return };
        self.places[peer.index()] = None;
        let Some(mut pair) = self.pairs[place].take() else { return };
        self.connected.retain(|connected| *connected as usize != place);
        // An `Up` that was not reported yet would come after the end.
        self.pending.retain(|happening| *happening != Happening::Up { peer });
        if let Some(outbox) = &pair.outbox {
            // The kernel forgets it with the handle anyway.
            let _ = self.ended.delete(outbox.watch());
        }
        let before = into.len();
        let mut take = |notification| into.push(Happening::Arrived { from: peer, notification });
        let outcome = if pair.over { pair.inbox.close(|_| ()) } else { pair.inbox.close(&mut take) };
        if outcome.is_err() {
            tracing::warn!(%peer, "its queue held what no rank writes");
        }
        self.traffic.received_messages += (into.len() - before) as u64;
        self.traffic.received_bytes = self.traffic.received_bytes.saturating_add(pair.inbox.sent_bytes());
    }

    fn fence(&mut self) -> Result<(), CommError> {
        let mut late = Vec::new();
        Shm::fence(self, &mut late)?;
        self.pending.append(&mut late);
        Ok(())
    }

    fn describe(&self, peer: Rank) -> String {
        let pair = self.place(peer).and_then(|place| self.pairs[place].as_ref());
        match pair.and_then(|pair| pair.outbox.as_ref()) {
            Some(outbox) => {
                let (pid, segments) = (outbox.process.pid, outbox.segments());
                format!("shared memory of process {pid}: {segments} segments, a queue of {RING_SLOTS} notifications")
            }
            None => "shared memory, not connected".into(),
        }
    }

    fn traffic(&self) -> RungTraffic {
        let open = self.pairs.iter().flatten().map(|pair| pair.inbox.sent_bytes());
        let received_bytes = open.fold(self.traffic.received_bytes, u64::saturating_add);
        RungTraffic { received_bytes, ..self.traffic }
    }
}

impl Drop for Shm {
    fn drop(&mut self) {
        // So that peers, which keep memory of this rank mapped, learn that nobody reads it any more.
        for pair in self.pairs.iter_mut().flatten() {
            let _ = pair.inbox.close(|_| ());
        }
    }
}

fn new_bell(size: u32) -> Result<Mapping, Unavailable> {
    let words = (size as usize).div_ceil(64).max(1) * 2;
    Mapping::create(words).map_err(|error| {
        Unavailable::new(format!("no shared memory ({error}): raise the limits of memory and open files"))
    })
}

/// Why a queue that has ended ends the connection.
fn cause(end: End) -> FailureCause {
    match end {
        // The peer lives, as far as this tells.
        End::Closed => FailureCause::Io { errno: libc::ECONNRESET },
        End::Nonsense => FailureCause::Protocol,
    }
}

#[cfg(all(test, not(miri)))]
#[path = "rung_tests.rs"]
mod tests;
