//! The engine's end of the fabric: who has said what, and waiting for the rest.
//!
//! Alone, a link gives a peer a time to answer and then names it. Under a [`Desk`], who is alive is decided elsewhere: the link tells what it
//! sees and whom it waits for, and waits until the answer comes or the view changes ([`EngineError::Disturbed`]).
//!
//! Invariants:
//! - **L1** Notifications of one peer and kind come in sequence, so "has come" is one comparison.
//! - **L2** A range that a write still reads is not changed: [`Link::settle`] waits for the writes of a slot first.
//! - **L3** Every view begins with a marker from each member to each, behind all of its writes in the view before. What comes before the
//!   marker of this view counts for nothing, and once all markers are there nothing older can be written into this rank's memory.

use std::time::{Duration, Instant};

use rankzero_comm::control::Desk;
use rankzero_comm::{
    Bootstrap, CommError, Event, Fabric, FailureCause, Left, Pick, Put, Rank, Resident, Rung, RungTraffic, SegmentId,
    Token, Write,
};

use super::board::{Kind, notification, parse};
use super::error::EngineError;

/// Slots of outstanding writes: kind and parity.
const SLOTS: usize = 2 * Kind::COUNT;
/// How long one look at the fabric lasts under a desk, which is looked at in between.
const LOOK: Duration = Duration::from_millis(2);

/// Fabric and bookkeeping.
#[derive(Debug)]
pub struct Link<F> {
    fabric: F,
    events: Vec<Event>,
    /// Per peer and kind the sequence number after the last one that came.
    next: Vec<[u64; Kind::COUNT]>,
    /// Per kind the sequence number where this rank is.
    now: [u64; Kind::COUNT],
    failed: Vec<Option<FailureCause>>,
    unsettled: [Vec<(Token, Rank)>; SLOTS],
    timeout: Duration,
    /// The other members of the view, ascending.
    others: Vec<Rank>,
    /// The number of the view.
    view: u64,
    /// By rank, the number of the view whose marker came last.
    markers: Vec<u64>,
    desk: Option<Desk>,
    /// Time spent waiting for peers.
    pub waited: Duration,
    /// The longest single wait, and for whom.
    pub longest: Option<(Duration, Rank)>,
    /// How often a pair of this rank changed its rung.
    pub rung_changes: u64,
    /// Changes that nobody has taken yet.
    changes: Vec<RungChange>,
}

/// A sign of life of whoever computes, to be given after each piece of work, from any thread.
#[derive(Clone, Debug)]
pub struct Pulse(Option<Desk>);

impl Pulse {
    /// Gives it.
    pub fn beat(&self) {
        if let Some(desk) = &self.0 {
            desk.working();
        }
    }
}

/// A pair of this rank goes another way from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RungChange {
    /// The peer.
    pub peer: Rank,
    /// The rung until now.
    pub from: Rung,
    /// The rung from now on.
    pub to: Rung,
    /// What was wrong with the old one, if anything was.
    pub cause: Option<FailureCause>,
}

impl<F: Fabric> Link<F> {
    /// A link that gives a peer `timeout` to answer.
    pub fn new(fabric: F, timeout: Duration) -> Self {
        let size = fabric.size() as usize;
        let me = fabric.rank();
        Self {
            others: fabric.present().into_iter().filter(|&rank| rank != me).collect(),
            view: 0,
            markers: vec![0; size],
            desk: None,
            fabric,
            events: Vec::new(),
            next: vec![[0; Kind::COUNT]; size],
            now: [0; Kind::COUNT],
            failed: vec![None; size],
            unsettled: Default::default(),
            timeout,
            waited: Duration::ZERO,
            longest: None,
            rung_changes: 0,
            changes: Vec::new(),
        }
    }

    /// This rank.
    pub fn rank(&self) -> Rank {
        self.fabric.rank()
    }

    /// Ranks of the run.
    pub fn size(&self) -> u32 {
        self.fabric.size()
    }

    /// The other members of the view.
    pub fn peers(&self) -> impl Iterator<Item = Rank> + use<F> {
        self.others.clone().into_iter()
    }

    /// Whether this rank is the only member.
    pub fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// From now on the desk decides who is alive.
    pub fn set_desk(&mut self, desk: Desk) {
        // What is said to newcomers goes by it, too.
        self.fabric.set_courier(Box::new(desk.clone()));
        self.desk = Some(desk);
    }

    /// Who has ever taken part.
    pub fn present(&self) -> Vec<Rank> {
        self.fabric.present()
    }

    /// Makes newcomers present in the fabric.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where there is no room.
    pub fn admit(&mut self, newcomers: &[Resident]) -> Result<(), EngineError> {
        Ok(self.fabric.admit(newcomers)?)
    }

    /// Whether all who are present and live are reached.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails.
    pub fn is_ready(&mut self) -> Result<bool, EngineError> {
        let ready = self.fabric.ready()?;
        self.look()?;
        Ok(ready)
    }

    /// What gives signs of life while this rank computes.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.desk.clone())
    }

    /// The desk, if there is one.
    pub fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// What went over each rung.
    pub fn traffic(&self) -> Vec<RungTraffic> {
        self.fabric.traffic()
    }

    /// How every peer is reached.
    pub fn picks(&self) -> Vec<Pick> {
        self.fabric.picks()
    }

    /// Breaks a rung between this rank and all peers, or lets it be tried again.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where a call fails.
    pub fn inject(&mut self, rung: Rung, broken: bool) -> Result<(), EngineError> {
        let outcome = if broken { self.fabric.break_rung(rung) } else { self.fabric.mend_rung(rung) };
        Ok(outcome?)
    }

    /// The changes of rungs since the last call.
    pub fn take_changes(&mut self) -> Vec<RungChange> {
        std::mem::take(&mut self.changes)
    }

    /// Gives everybody's `mine` to everybody, by rank; all ranks call it at the same point.
    ///
    /// # Errors
    /// [`EngineError::Comm`] naming who is missing.
    pub fn all_gather(&mut self, mine: &[u8], deadline: Instant) -> Result<Vec<Vec<u8>>, EngineError>
    where
        F: Bootstrap,
    {
        Ok(self.fabric.all_gather(mine, deadline)?)
    }

    /// Gives the fabric back, for the end of the run.
    pub fn into_fabric(self) -> F {
        self.fabric
    }

    /// Tells where this rank is, so that the 28 bits of a sequence number that arrives can be completed.
    pub fn begin_step(&mut self, step: u64, intervals: u32) {
        let exchange = step * u64::from(intervals);
        let [.., digest, epoch, view] = self.now;
        self.now = [step, exchange, exchange, step, digest, epoch, view];
    }

    /// Tells which epoch is the next one, likewise.
    pub fn begin_epoch(&mut self, index: u32) {
        self.now[Kind::Epoch as usize] = u64::from(index);
    }

    /// Tells how often the state was hashed, likewise.
    pub fn begin_digest(&mut self, count: u64) {
        self.now[Kind::Digest as usize] = count;
    }

    /// # Errors
    /// [`EngineError::Disturbed`] where the view is no longer in force.
    pub fn check(&self, step: u64) -> Result<(), EngineError> {
        match &self.desk {
            Some(desk) if desk.disturbed() => Err(EngineError::Disturbed { step }),
            _ => Ok(()),
        }
    }

    /// Whether `peer` has announced `sequence` of `kind`.
    pub fn has(&self, peer: Rank, kind: Kind, sequence: u64) -> bool {
        self.next[peer.index()][kind as usize] > sequence
    }

    /// Whether no write of this kind and parity is under way.
    pub fn is_settled(&self, kind: Kind, sequence: u64) -> bool {
        self.unsettled[slot(kind, sequence)].is_empty()
    }

    /// Takes note of what has happened, without waiting.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails.
    pub fn look(&mut self) -> Result<(), EngineError> {
        self.fabric.poll(Instant::now(), &mut self.events)?;
        self.digest_events();
        Ok(())
    }

    /// Ends all paths between this rank and `left`.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where that fails.
    pub fn exclude(&mut self, left: &[Left]) -> Result<(), EngineError> {
        self.fabric.exclude(left)?;
        self.look()
    }

    /// Enters the view with this number among `others`: sends the markers, and returns once those of all others are here and no older
    /// write of this rank is under way.
    ///
    /// # Errors
    /// [`EngineError::Disturbed`] where the next view comes before that.
    pub fn enter_view(&mut self, view: u64, others: Vec<Rank>, via: SegmentId, step: u64) -> Result<(), EngineError> {
        self.others = others;
        self.view = view;
        self.now = [0; Kind::COUNT];
        self.now[Kind::View as usize] = view;
        self.next.iter_mut().for_each(|next| *next = [0; Kind::COUNT]);
        let gone = |rank: &Rank| !self.others.contains(rank);
        self.unsettled.iter_mut().for_each(|slot| slot.retain(|(_, rank)| !gone(rank)));
        for peer in self.others.clone() {
            self.put(peer, via, &[], Kind::View, view)?;
        }
        let begun = Instant::now();
        let missing = |link: &Self| {
            let late = link.others.iter().find(|peer| link.markers[peer.index()] != view).copied();
            late.or_else(|| link.unsettled.iter().flatten().map(|&(_, peer)| peer).next())
        };
        while let Some(peer) = missing(self) {
            self.progress(begun, peer, Kind::View, step)?;
        }
        Ok(())
    }

    /// Writes ranges of `segment` to the same offsets at `peer` and announces them.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails, or has no room until the deadline.
    pub fn put(
        &mut self,
        peer: Rank,
        segment: SegmentId,
        ranges: &[(usize, usize)],
        kind: Kind,
        sequence: u64,
    ) -> Result<(), EngineError> {
        let puts: Vec<Put> = ranges.iter().map(|&(at, len)| Put { from: at, to: at, len }).collect();
        let notification = notification(kind, sequence);
        let write = Write { source: segment, target: segment, puts: &puts, notification };
        let begun = Instant::now();
        loop {
            let wait = if self.desk.is_some() { LOOK } else { self.timeout };
            match self.fabric.write_notify_by(peer, &write, Instant::now() + wait, &mut self.events) {
                Ok(token) => {
                    self.unsettled[slot(kind, sequence)].push((token, peer));
                    self.digest_events();
                    return Ok(());
                }
                // The desk decides whether the peer is gone; until then it is as if the words were on their way.
                Err(CommError::PeerFailed { cause, .. }) if self.desk.is_some() => {
                    self.digest_events();
                    self.report(peer, cause);
                    return Ok(());
                }
                Err(CommError::Backpressure { .. }) if self.desk.is_some() => {
                    self.digest_events();
                    self.wait_for(peer, begun.elapsed());
                    self.check(self.now[Kind::Reach as usize])?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn report(&self, peer: Rank, cause: FailureCause) {
        if let Some(desk) = &self.desk {
            desk.report(peer, cause);
        }
    }

    /// Tells the desk whom this rank waits for.
    fn wait_for(&self, peer: Rank, waited: Duration) {
        if let Some(desk) = &self.desk {
            desk.waiting(peer, waited);
        }
    }

    /// Waits until no write of this kind and parity reads its source any more.
    ///
    /// # Errors
    /// As for [`Link::expect`].
    pub fn settle(&mut self, kind: Kind, sequence: u64, step: u64) -> Result<(), EngineError> {
        let start = Instant::now();
        while let Some(&(_, peer)) = self.unsettled[slot(kind, sequence)].first() {
            self.progress(start, peer, kind, step)?;
        }
        Ok(())
    }

    /// Waits until all of `peers` have announced `sequence` of `kind`.
    ///
    /// # Errors
    /// [`EngineError::PeerFailed`] or [`EngineError::Silent`] naming the first peer that is missing, or a failed fabric.
    pub fn expect(
        &mut self,
        peers: impl Iterator<Item = Rank>,
        kind: Kind,
        sequence: u64,
        step: u64,
    ) -> Result<(), EngineError> {
        let start = Instant::now();
        for peer in peers {
            while self.next[peer.index()][kind as usize] <= sequence {
                self.progress(start, peer, kind, step)?;
            }
            let waited = start.elapsed();
            if let Some(desk) = &self.desk {
                desk.working();
            }
            if self.longest.is_none_or(|(longest, _)| waited > longest) {
                self.longest = Some((waited, peer));
            }
        }
        self.waited += start.elapsed();
        Ok(())
    }

    fn progress(&mut self, start: Instant, peer: Rank, kind: Kind, step: u64) -> Result<(), EngineError> {
        if self.desk.is_some() {
            self.check(step)?;
            self.wait_for(peer, start.elapsed());
            self.fabric.poll(Instant::now() + LOOK, &mut self.events)?;
            self.digest_events();
            return Ok(());
        }
        let (me, what) = (self.rank(), kind.name());
        if let Some(cause) = self.failed[peer.index()] {
            return Err(EngineError::PeerFailed { me, peer, what, step, cause });
        }
        let waited = start.elapsed();
        if waited > self.timeout {
            return Err(EngineError::Silent { me, peer, what, step, waited });
        }
        self.fabric.poll(start + self.timeout, &mut self.events)?;
        self.digest_events();
        Ok(())
    }

    fn digest_events(&mut self) {
        for event in self.events.drain(..) {
            match event {
                Event::Arrived { from, notification } => {
                    let (kind, sequence) = parse(notification);
                    let Some(&now) = self.now.get(kind) else { continue };
                    let sequence = whole(sequence, now);
                    if kind == Kind::View as usize {
                        self.markers[from.index()] = sequence;
                    } else if self.markers[from.index()] == self.view {
                        self.next[from.index()][kind] = sequence + 1;
                    }
                }
                Event::Completed { token } => {
                    for slot in &mut self.unsettled {
                        if let Some(i) = slot.iter().position(|(t, _)| *t == token) {
                            slot.swap_remove(i);
                            break;
                        }
                    }
                }
                Event::PeerFailed { peer, cause } => {
                    self.failed[peer.index()] = Some(cause);
                    if let Some(desk) = self.desk.as_ref().filter(|_| self.others.contains(&peer)) {
                        desk.report(peer, cause);
                    }
                }
                Event::RungChanged { peer, from, to, cause } => {
                    self.rung_changes += 1;
                    self.changes.push(RungChange { peer, from, to, cause });
                }
            }
        }
    }
}

/// The sequence number nearest to `now` that has these low 28 bits: peers are never more than a few exchanges apart.
fn whole(low: u32, now: u64) -> u64 {
    const CIRCLE: u64 = 1 << 28;
    let ahead = u64::from(low).wrapping_sub(now) % CIRCLE;
    if ahead < CIRCLE / 2 { now + ahead } else { (now + ahead).saturating_sub(CIRCLE) }
}

fn slot(kind: Kind, sequence: u64) -> usize {
    2 * kind as usize + (sequence & 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_survive_their_28_bits() {
        for now in [0u64, 5, (1 << 28) - 1, 1 << 28, (7 << 28) + 3] {
            for sequence in [now, now + 1, now + 9, now.saturating_sub(2)] {
                assert_eq!(whole((sequence & 0x0fff_ffff) as u32, now), sequence, "{sequence} at {now}");
            }
        }
    }
}
