//! A rank that writes to all others, and checks all that it is told.

use std::collections::VecDeque;
use std::sync::Arc;

use rankzero_comm::local::LocalFabric;
use rankzero_comm::{CommError, Endpoint, Event, Fabric, Put, Rank, Rung, Segment, SegmentId, Token, Write};

/// Places of one writer, used in turn.
pub const PLACES: u32 = 12;
/// Most words of a write: more than one packet holds.
const WORDS_MAX: usize = 130;

/// What is in word `at` of write `number`.
fn word(from: Rank, to: Rank, number: u32, at: usize) -> u32 {
    (number + 1).wrapping_mul(0x9e37_79b9) ^ (from.0 << 28) ^ (to.0 << 24) ^ at as u32
}

/// Words of a write; some have none and are a notification alone.
fn length(from: Rank, to: Rank, number: u32) -> usize {
    let mixed = word(from, to, number, 0).wrapping_mul(0x85eb_ca6b) >> 16;
    if mixed.is_multiple_of(5) { 0 } else { mixed as usize % (WORDS_MAX + 1) }
}

fn place(peer: Rank, number: u32) -> usize {
    (peer.index() * PLACES as usize + (number % PLACES) as usize) * WORDS_MAX
}

#[derive(Debug)]
pub struct Member {
    pub ladder: LocalFabric,
    source: Arc<Segment>,
    inbox: Arc<Segment>,
    ids: (SegmentId, SegmentId),
    /// By peer: writes begun, those that are not completed, and arrivals.
    pub begun: Vec<u32>,
    pending: Vec<VecDeque<(Token, u32)>>,
    pub arrived: Vec<u32>,
    pub failed: Vec<bool>,
    pub changes: u64,
    /// Whether what comes may be anything, as it was changed on the way.
    pub gullible: bool,
    /// Refusals, which only changed words bring about.
    pub refusals: u64,
}

impl Member {
    pub fn new(mut ladder: LocalFabric) -> Member {
        let size = ladder.size() as usize;
        let words = size * PLACES as usize * WORDS_MAX;
        let source = Segment::private(words).expect("memory");
        let inbox = Segment::private(words).expect("memory");
        let mut register = |segment: &Arc<Segment>| ladder.register(Arc::clone(segment)).expect("registered");
        let ids = (register(&source), register(&inbox));
        Member {
            ladder,
            source,
            inbox,
            ids,
            begun: vec![0; size],
            pending: vec![VecDeque::new(); size],
            arrived: vec![0; size],
            failed: vec![false; size],
            changes: 0,
            gullible: false,
            refusals: 0,
        }
    }

    /// Whether everything that it began is completed, where that is still possible.
    pub fn is_done_with(&self, peer: Rank) -> bool {
        self.failed[peer.index()] || self.pending[peer.index()].is_empty()
    }

    /// How many of its writes to a peer are not completed.
    pub fn under_way(&self, peer: Rank) -> usize {
        self.pending[peer.index()].len()
    }

    /// Starts the next write, if its places are free; `seen`: as many have arrived there.
    pub fn write(&mut self, to: Rank, seen: u32) {
        let (me, number) = (self.ladder.rank(), self.begun[to.index()]);
        if self.failed[to.index()] || self.under_way(to) >= PLACES as usize || number >= seen + PLACES {
            return;
        }
        let (from, at) = (place(to, number), place(me, number));
        let words: Vec<u32> = (0..length(me, to, number)).map(|at| word(me, to, number, at)).collect();
        self.source.store(from, &words);
        let half = words.len() / 2;
        // The later half first: order is that of writes, not of pieces.
        let puts = [Put { from: from + half, to: at + half, len: words.len() - half }, Put { from, to: at, len: half }];
        let puts = if words.is_empty() { &puts[..0] } else { &puts[..] };
        let _who = tracing::error_span!("write", me = me.0, number).entered();
        let write = Write { source: self.ids.0, target: self.ids.1, puts, notification: number };
        match self.ladder.write_notify(to, &write) {
            Ok(token) => {
                self.begun[to.index()] += 1;
                self.pending[to.index()].push_back((token, number));
            }
            Err(CommError::Backpressure { .. }) => {}
            // The event that says so has not been polled yet.
            Err(CommError::PeerFailed { .. }) => {}
            Err(error) => panic!("{me} to {to}: {error}"),
        }
    }

    /// Takes what is there; whether something was.
    pub fn poll(&mut self) -> bool {
        let mut events = Vec::new();
        let _who = tracing::error_span!("poll", me = self.ladder.rank().0).entered();
        match self.ladder.poll(super::now(), &mut events) {
            Ok(()) => {}
            Err(CommError::Malformed { .. }) if self.gullible => self.refusals += 1,
            Err(error) => panic!("{}: {error}", self.ladder.rank()),
        }
        let some = !events.is_empty();
        for event in events {
            tracing::trace!(?event);
            self.take(event);
        }
        some
    }

    fn take(&mut self, event: Event) {
        let me = self.ladder.rank();
        match event {
            Event::Arrived { .. } if self.gullible => {}
            Event::Arrived { from, notification } => {
                assert!(!self.failed[from.index()], "{me}: {from} writes after its end");
                let expected = self.arrived[from.index()];
                assert_eq!(notification, expected, "{from} to {me}: lost, repeated or out of order");
                self.arrived[from.index()] += 1;
                let mut words = vec![0; length(from, me, notification)];
                self.inbox.load(place(from, notification), &mut words);
                let wrong = words.iter().enumerate().find(|&(at, &got)| got != word(from, me, notification, at));
                assert_eq!(wrong, None, "{from} to {me}: write {notification} is not in place");
            }
            Event::Completed { token } => {
                let oldest = |queue: &VecDeque<(Token, u32)>| queue.front().is_some_and(|&(first, _)| first == token);
                let peer = self.pending.iter().position(oldest);
                let peer = peer.unwrap_or_else(|| panic!("{me}: {token:?} completed twice, or before an older one"));
                assert!(!self.failed[peer], "{me}: a write completed after its peer had failed");
                self.pending[peer].pop_front();
            }
            Event::RungChanged { .. } => self.changes += 1,
            Event::PeerFailed { peer, .. } => {
                assert!(!self.failed[peer.index()], "{me}: {peer} failed twice");
                self.failed[peer.index()] = true;
            }
        }
    }

    /// Whether a rung serves a peer or stands by for it.
    pub fn stands(&self, peer: Rank, rung: Rung) -> bool {
        let picks = self.ladder.picks();
        let Some(pick) = picks.iter().find(|pick| pick.peer == peer) else { return false };
        pick.rung == Some(rung) || pick.others.iter().any(|(other, why)| *other == rung && why.starts_with("ready"))
    }
}
