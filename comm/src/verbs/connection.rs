//! One connection to one peer: writes that wait, completions, and how it ends. Knows nothing of devices.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::context::Completion;
use super::lane::{GREETING, Lane};
use super::memory_keys::Ends;
use super::offer::Offer;
use super::plan;
use super::send_queue::Done;
use super::work_id::WorkId;
use crate::error::FailureCause;
use crate::fabric::Put;
use crate::ids::Rank;
use crate::transport::{Happening, Posted};

/// `enum ibv_wc_status`: came back unprocessed, as something else failed before.
const FLUSHED: u32 = 5;
/// `enum ibv_wc_status`: no acknowledgement.
const NO_ANSWER: u32 = 12;
/// Writes that may wait here, beyond those that the device holds.
const WAITING_MAX: usize = 8;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Offered; the peer's offer is not known.
    Offered,
    /// Connected on this side; the peer may not be. To be up before this.
    Greeting(Instant),
    /// Writes may be posted.
    Up,
    /// Being closed: completions still count, failures do not.
    Closing,
    /// Lost.
    Broken(FailureCause),
}

/// A write that is not posted entirely.
#[derive(Debug)]
struct Waiting {
    ends: Ends,
    /// By lane, what is not posted yet; from `at` on.
    stripes: Vec<Stripe>,
    notification: u32,
    /// Lanes other than the first whose stripe is not known to be in place.
    unfinished: usize,
}

#[derive(Debug, Default)]
struct Stripe {
    pieces: Vec<Put>,
    posted: usize,
}

/// The connection.
#[derive(Debug)]
pub struct Connection {
    /// Its queue pairs. The first one carries the notifications, and with them the order.
    pub lanes: Vec<Lane>,
    /// How far it is.
    pub phase: Phase,
    /// What the peer offered.
    pub theirs: Option<Offer>,
    /// Whether this rank speaks first.
    greets: bool,
    waiting: VecDeque<Waiting>,
    /// Number of the oldest waiting write.
    oldest: u64,
    fault: Option<FailureCause>,
    done: Vec<Done>,
    /// Writes that are queued and not delivered.
    pub undelivered: u64,
}

/// What a completion led to, beyond happenings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Bytes of the write that carried an arrived notification.
    pub arrived_bytes: Option<u32>,
    /// A fault was seen; [`Connection::settle`] is due.
    pub faulty: bool,
}

impl Connection {
    /// Over these lanes, at least one.
    pub fn new(lanes: Vec<Lane>, greets: bool) -> Connection {
        Connection {
            lanes,
            phase: Phase::Offered,
            theirs: None,
            greets,
            waiting: VecDeque::new(),
            oldest: 0,
            fault: None,
            done: Vec::new(),
            undelivered: 0,
        }
    }

    /// Starts a write of these pieces, of `total` words in all. Those of more than `stripe_words` are spread over the lanes.
    pub fn post(&mut self, ends: Ends, pieces: &[Put], total: usize, notification: u32, stripe_words: usize) -> Posted {
        let spread = self.lanes.len() > 1 && total > stripe_words;
        let first = &self.lanes[0];
        let slots = pieces.len().max(1);
        let at_once = self.waiting.is_empty() && !spread && slots <= first.sends.depth();
        if at_once && slots > first.sends.room() || self.waiting.len() >= WAITING_MAX {
            return Posted::Full;
        }
        self.undelivered += 1;
        if at_once {
            let outcome = self.post_chain(&ends, pieces, notification);
            self.note(outcome);
            return Posted::Queued;
        }
        let mut stripes: Vec<Stripe> = self.lanes.iter().map(|_| Stripe::default()).collect();
        if spread {
            for (stripe, pieces) in stripes.iter_mut().zip(plan::stripes(pieces, total, self.lanes.len())) {
                stripe.pieces = pieces;
            }
        } else {
            stripes[0].pieces = pieces.to_vec();
        }
        let unfinished = stripes[1..].iter().filter(|stripe| !stripe.pieces.is_empty()).count();
        self.waiting.push_back(Waiting { ends, stripes, notification, unfinished });
        self.pump();
        Posted::Queued
    }

    /// The whole write in one chain: the last piece carries the notification.
    fn post_chain(&mut self, ends: &Ends, pieces: &[Put], notification: u32) -> io::Result<()> {
        let lane = &mut self.lanes[0];
        let Some((last, before)) = pieces.split_last() else { return lane.announce(notification, Done::Write) };
        for put in before {
            lane.write(ends, 0, put, None, None);
        }
        lane.write(ends, 0, last, Some(notification), Some(Done::Write));
        lane.flush()
    }

    /// Posts of the waiting writes what there is room for. Data may run ahead, notifications go in order, each only once
    /// the stripes on the other lanes are in place.
    pub fn pump(&mut self) {
        if self.phase != Phase::Up || self.waiting.is_empty() {
            return;
        }
        let outcome = self.try_pump();
        self.note(outcome);
    }

    fn try_pump(&mut self) -> io::Result<()> {
        let mut at = 0;
        while let Some(write) = self.waiting.get_mut(at) {
            let mut all = true;
            for (index, (lane, stripe)) in self.lanes.iter_mut().zip(&mut write.stripes).enumerate() {
                all &= post_stripe(lane, index, stripe, &write.ends, self.oldest + at as u64)?;
            }
            let ready = at == 0 && all && write.unfinished == 0 && self.lanes[0].sends.room() > 0;
            if ready {
                self.lanes[0].announce(write.notification, Done::Write)?;
                self.waiting.pop_front();
                self.oldest += 1;
            } else if all {
                at += 1;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Takes in a completion of its present life.
    pub fn completed(&mut self, id: WorkId, of: &Completion, into: &mut Vec<Happening>) -> Effect {
        let mut effect = Effect::default();
        let index = usize::from(id.lane);
        let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.owns(id)) else { return effect };
        if id.send.is_none() {
            lane.received();
        }
        match (of.status, id.send) {
            (0, Some(number)) => self.sent(index, number, into),
            (0, None) => effect.arrived_bytes = self.arrived(index, of, into),
            (status, send) => {
                // What is flushed frees its slots too: closing waits for that.
                if let Some(number) = send {
                    lane.sends.complete(number, &mut self.done);
                    self.done.clear();
                }
                self.blame(FailureCause::Rdma { status });
            }
        }
        effect.faulty = self.fault.is_some();
        effect
    }

    fn sent(&mut self, index: usize, number: u32, into: &mut Vec<Happening>) {
        let peer = self.lanes[index].peer();
        let mut done = std::mem::take(&mut self.done);
        self.lanes[index].sends.complete(number, &mut done);
        let mut count = 0;
        for done in done.drain(..) {
            match done {
                Done::Data => {}
                Done::Write => count += 1,
                Done::Stripe(write) => {
                    let at = write.wrapping_sub(self.oldest) as usize;
                    if let Some(write) = self.waiting.get_mut(at) {
                        write.unfinished = write.unfinished.saturating_sub(1);
                    }
                }
                Done::Greeting => self.greeted(index, into),
            }
        }
        self.done = done;
        if count > 0 {
            self.undelivered = self.undelivered.saturating_sub(count);
            into.push(Happening::Delivered { peer, count });
        }
        self.pump();
    }

    fn arrived(&mut self, index: usize, of: &Completion, into: &mut Vec<Happening>) -> Option<u32> {
        let lane = &mut self.lanes[index];
        let from = lane.peer();
        let closing = self.phase == Phase::Closing;
        let outcome = if closing { Ok(()) } else { lane.replenish() };
        let greeting = !self.greets && !lane.greeted;
        self.note(outcome);
        match of.immediate {
            Some(GREETING) if greeting => self.greeted(index, into),
            Some(notification) if !greeting && index == 0 => {
                into.push(Happening::Arrived { from, notification });
                return Some(of.bytes);
            }
            _ => self.blame(FailureCause::Protocol),
        }
        None
    }

    fn greeted(&mut self, index: usize, into: &mut Vec<Happening>) {
        self.lanes[index].greeted = true;
        if matches!(self.phase, Phase::Greeting(_)) && self.lanes.iter().all(|lane| lane.greeted) {
            self.phase = Phase::Up;
            into.push(Happening::Up { peer: self.lanes[index].peer() });
        }
    }

    /// Connects the lanes to those of the peer, and greets it where this rank speaks first.
    ///
    /// # Errors
    /// What the library said.
    pub fn connect(&mut self, theirs: Offer, timeout: u8, retries: u8, until: Instant) -> io::Result<()> {
        for (lane, rail) in self.lanes.iter_mut().zip(&theirs.rails) {
            lane.connect(rail, timeout, retries)?;
        }
        self.theirs = Some(theirs);
        self.phase = Phase::Greeting(until);
        if self.greets {
            self.lanes.iter_mut().try_for_each(Lane::greet)?;
        }
        Ok(())
    }

    /// Whether the greeting found nobody yet and is to be said again: no failure while the peer connects.
    pub fn wants_another_try(&self) -> bool {
        self.greets
            && matches!(self.phase, Phase::Greeting(until) if Instant::now() < until)
            && self.fault == Some(FailureCause::Rdma { status: NO_ANSWER })
    }

    /// Starts over under another life and greets again.
    ///
    /// # Errors
    /// What the library said.
    pub fn start_over(&mut self, life: u16, timeout: u8, retries: u8) -> io::Result<()> {
        self.fault = None;
        let rails = self.theirs.iter().flat_map(|theirs| &theirs.rails);
        for (lane, rail) in self.lanes.iter_mut().zip(rails) {
            lane.start_over(life)?;
            lane.connect(rail, timeout, retries)?;
            lane.greet()?;
        }
        Ok(())
    }

    /// Notes a cause of failure; the first one that is no consequence counts.
    pub fn blame(&mut self, cause: FailureCause) {
        if matches!(self.phase, Phase::Closing | Phase::Broken(_)) {
            return;
        }
        if self.fault.is_none_or(|fault| fault == FailureCause::Rdma { status: FLUSHED }) {
            self.fault = Some(cause);
        }
    }

    fn note(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            self.blame(FailureCause::Io { errno: error.raw_os_error().unwrap_or(nix::libc::EIO) });
        }
    }

    /// Whether a fault waits to be settled.
    pub fn is_faulty(&self) -> bool {
        self.fault.is_some()
    }

    /// Ends it where a fault was noted, and tells which.
    pub fn settle(&mut self) -> Option<FailureCause> {
        let cause = self.fault.take()?;
        self.phase = Phase::Broken(cause);
        self.waiting.clear();
        Some(cause)
    }

    /// Stops all lanes in both directions; what is posted comes back as flushed.
    pub fn stop(&mut self) {
        for lane in &mut self.lanes {
            // Of a device that is gone this fails; there is nothing to stop then.
            let _ = lane.pair.fail();
        }
    }

    /// Whether writes wait here for room or for other rails.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The peer.
    pub fn peer(&self) -> Option<Rank> {
        self.lanes.first().map(Lane::peer)
    }
}

/// Posts what fits of one lane's part of a write; tells whether that was all.
fn post_stripe(lane: &mut Lane, index: usize, stripe: &mut Stripe, ends: &Ends, write: u64) -> io::Result<bool> {
    let left = &stripe.pieces[stripe.posted..];
    let now = left.len().min(lane.sends.room());
    if now == 0 {
        return Ok(left.is_empty());
    }
    for (at, put) in left[..now].iter().enumerate() {
        let last = at + 1 == left.len();
        let done = match (last, index) {
            (true, 1..) => Some(Done::Stripe(write)),
            _ => (at + 1 == now).then_some(Done::Data),
        };
        lane.write(ends, index, put, None, done);
    }
    let all = now == left.len();
    stripe.posted += now;
    lane.flush()?;
    Ok(all)
}
