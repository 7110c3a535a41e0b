//! What has come from each sender, handed over in the order in which it was sent.
//!
//! Behind its words a packet carries a trailer: its number among the packets of this sender to this rank, its lane, and how
//! many words of payload follow by themselves. A packet waits here for those before it, and for the payloads that
//! those announced; how much can wait is bounded by the windows of the senders.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use mpi::ffi;

use super::alias::Alias;
use super::payload::{Fate, Payload};
use crate::bootstrap::MAX_BOOTSTRAP_BYTES;
use crate::error::{CommError, Malformed};
use crate::ids::Rank;
use crate::port::{Incoming, Lane, Place, Verdict};
use crate::segment::Segment;

/// Length of the trailer, in words.
pub const TRAILER_WORDS: usize = 3;
/// Longest payload taken, in words.
pub const PAYLOAD_WORDS_MAX: usize = (MAX_BOOTSTRAP_BYTES + 4096) / 4;
/// Most payloads of one sender under way at once.
const PAYLOADS_MAX: usize = 16;
/// Most packets of one sender that came before an earlier one.
const EARLY_MAX: usize = 4096;

/// The trailer of a packet.
pub fn trailer(number: u32, lane: Lane, payload: usize) -> [u32; TRAILER_WORDS] {
    let lane = match lane {
        Lane::Data => 0,
        Lane::Message => 1,
    };
    [number, lane, payload as u32]
}

/// A packet, without its trailer.
#[derive(Debug)]
struct Parcel {
    number: u32,
    lane: Lane,
    payload: usize,
    words: Vec<u32>,
}

/// What is known of one sender.
#[derive(Debug, Default)]
struct Sender {
    /// Number of the next packet.
    expected: u32,
    /// Packets with later numbers.
    early: Vec<Parcel>,
    /// Packets in order that wait for a payload.
    held: VecDeque<Parcel>,
    /// Payloads under way, in order.
    payloads: VecDeque<Payload>,
    /// Segments under the addresses of this connection.
    aliases: Vec<Rc<Alias>>,
    /// Whether it is in the list of senders to look at.
    listed: bool,
}

/// What has come from all senders.
#[derive(Debug)]
pub struct Inbox {
    comm: ffi::MPI_Comm,
    senders: Vec<Sender>,
    /// Senders with something held or under way.
    waiting: Vec<Rank>,
}

impl Inbox {
    /// Nothing has come yet.
    pub fn new(comm: ffi::MPI_Comm, size: u32) -> Inbox {
        Inbox { comm, senders: (0..size).map(|_| Sender::default()).collect(), waiting: Vec::new() }
    }

    /// Whether a payload is under way.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes the words of a packet of `from`, with their trailer.
    pub fn take(&mut self, from: Rank, words: &[u32], sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        let Some((words, &[number, lane, payload])) = words.split_last_chunk::<TRAILER_WORDS>() else {
            let what = Malformed::Length { words: words.len(), expected: TRAILER_WORDS as u64 };
            sink(Incoming::Garbage { from, what });
            return Ok(());
        };
        let lane = match lane {
            0 => Lane::Data,
            1 => Lane::Message,
            other => {
                sink(Incoming::Garbage { from, what: Malformed::Kind(other) });
                return Ok(());
            }
        };
        let sender = &mut self.senders[from.index()];
        if number == sender.expected && payload == 0 && sender.held.is_empty() && sender.payloads.is_empty() {
            sender.expected = number.wrapping_add(1);
            sink(Incoming::Packet { from, lane, words });
            if sender.early.is_empty() {
                return Ok(());
            }
        } else {
            if sender.early.len() >= EARLY_MAX {
                let what = Malformed::Sequence { got: number.into(), expected: sender.expected.into() };
                sink(Incoming::Garbage { from, what });
                return Ok(());
            }
            sender.early.push(Parcel { number, lane, payload: payload as usize, words: words.to_vec() });
        }
        while let Some(at) = sender.early.iter().position(|parcel| parcel.number == sender.expected) {
            sender.expected = sender.expected.wrapping_add(1);
            sender.held.push_back(sender.early.swap_remove(at));
        }
        self.serve(from, sink)?;
        self.list(from);
        Ok(())
    }

    /// Looks at all payloads under way and hands over what they held up.
    pub fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        for at in (0..self.waiting.len()).rev() {
            let from = self.waiting[at];
            self.serve(from, sink)?;
            if !self.senders[from.index()].waits() {
                self.senders[from.index()].listed = false;
                self.waiting.swap_remove(at);
            }
        }
        Ok(())
    }

    /// From now on no payload of this connection reaches its place.
    pub fn close(&mut self, from: Rank) {
        let sender = &mut self.senders[from.index()];
        for payload in &mut sender.payloads {
            if matches!(payload.fate, Fate::Placed | Fate::Copied(_)) {
                payload.fate = Fate::Forgotten;
            }
        }
        for alias in sender.aliases.drain(..).filter(|alias| Rc::strong_count(alias) > 1) {
            if let Err(error) = alias.revoke() {
                tracing::error!(%from, %error, "memory could not be taken back from MPI: a late payload may land in it");
            }
        }
    }

    fn list(&mut self, from: Rank) {
        let sender = &mut self.senders[from.index()];
        if sender.waits() && !sender.listed {
            sender.listed = true;
            self.waiting.push(from);
        }
    }

    /// Hands over what may go now.
    fn serve(&mut self, from: Rank, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        let sender = &mut self.senders[from.index()];
        loop {
            sender.finish(from, sink);
            match sender.held.front() {
                Some(parcel) if parcel.payload == 0 && sender.payloads.is_empty() => {
                    sink(Incoming::Packet { from, lane: parcel.lane, words: &parcel.words });
                }
                Some(parcel) if parcel.payload > 0 && sender.may_begin() => {
                    let verdict = judge(from, parcel, sink);
                    let words = parcel.payload;
                    let Some(payload) = sender.begin(self.comm, from, words, verdict)? else { break };
                    sender.payloads.push_back(payload);
                }
                _ => break,
            }
            sender.held.pop_front();
        }
        Ok(())
    }
}

/// Where the payload of a parcel goes; `None`: it is a packet itself.
fn judge(from: Rank, parcel: &Parcel, sink: &mut dyn FnMut(Incoming<'_>)) -> Option<Verdict> {
    if parcel.payload > PAYLOAD_WORDS_MAX {
        let (bytes, limit) = (parcel.payload as u64 * 4, PAYLOAD_WORDS_MAX as u64 * 4);
        sink(Incoming::Garbage { from, what: Malformed::TooLarge { bytes, limit } });
        return Some(Verdict::Nowhere);
    }
    match parcel.lane {
        Lane::Message => None,
        Lane::Data => {
            let mut verdict = Verdict::Nowhere;
            sink(Incoming::Announced { from, words: &parcel.words, payload: parcel.payload, verdict: &mut verdict });
            Some(verdict)
        }
    }
}

impl Sender {
    fn waits(&self) -> bool {
        !(self.held.is_empty() && self.payloads.is_empty())
    }

    /// Whether one more payload may be received: several at once only if they need no memory of ours.
    fn may_begin(&self) -> bool {
        let in_place = |payload: &Payload| matches!(payload.fate, Fate::Placed);
        self.payloads.len() < PAYLOADS_MAX && self.payloads.iter().all(in_place)
    }

    /// Starts to receive a payload; `None`: later.
    fn begin(
        &mut self,
        comm: ffi::MPI_Comm,
        from: Rank,
        words: usize,
        verdict: Option<Verdict>,
    ) -> Result<Option<Payload>, CommError> {
        match verdict {
            None => Payload::into_buffer(comm, from, words, Fate::Message),
            Some(Verdict::Later) => return Ok(None),
            Some(Verdict::Into(place)) => match self.alias(&place.segment) {
                Some(alias) => Payload::into_alias(comm, from, &alias, &place),
                None => Payload::into_buffer(comm, from, place.len, Fate::Copied(place)),
            },
            Some(Verdict::Nowhere) => {
                // Too large: it is received into nothing, that is truncated, to be rid of it.
                let words = if words > PAYLOAD_WORDS_MAX { 0 } else { words };
                Payload::into_buffer(comm, from, words, Fate::Forgotten)
            }
        }
        .map(Some)
    }

    fn alias(&mut self, segment: &Arc<Segment>) -> Option<Rc<Alias>> {
        if let Some(alias) = self.aliases.iter().find(|alias| alias.is_of(segment)) {
            return Some(Rc::clone(alias));
        }
        let alias = Rc::new(Alias::of(segment)?);
        self.aliases.push(Rc::clone(&alias));
        Some(alias)
    }

    /// Hands over the payloads that are done, in order.
    fn finish(&mut self, from: Rank, sink: &mut dyn FnMut(Incoming<'_>)) {
        while let Some(payload) = self.payloads.front_mut() {
            if !payload.is_done() {
                break;
            }
            let whole = payload.whole == Some(true);
            match &payload.fate {
                Fate::Placed => sink(Incoming::Placed { from, whole }),
                Fate::Copied(Place { segment, at, .. }) => {
                    if whole {
                        segment.store(*at, payload.buffer());
                    }
                    sink(Incoming::Placed { from, whole });
                }
                Fate::Message if whole => {
                    sink(Incoming::Packet { from, lane: Lane::Message, words: payload.buffer() });
                }
                Fate::Message => {
                    sink(Incoming::Garbage { from, what: Malformed::Length { words: 0, expected: 0 } });
                }
                Fate::Forgotten => {}
            }
            self.payloads.pop_front();
        }
    }
}
