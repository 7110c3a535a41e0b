//! How a ladder is put together: its rungs, its room, its settings.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect::{SCRATCH, scratch_words};
use super::open::node_identity;
use super::pair::{self, Pair};
use super::{Ladder, Policy};
use crate::bootstrap::Mailbox;
use crate::error::CommError;
use crate::idle::{Idle, Patience};
use crate::ids::{Rank, Rung};
use crate::key::RunKey;
use crate::packets::{Compression, Limits};
use crate::segment::Segment;
use crate::transport::Transport;

impl<T: Transport + ?Sized> Ladder<T> {
    /// A ladder of one of `size` ranks that start together, with one rung, which carries the messages of the start. Of `limits` the
    /// backlog concerns the ladder itself.
    ///
    /// # Errors
    /// [`CommError::OutOfMemory`].
    pub fn new(
        me: Rank,
        size: u32,
        first: Box<T>,
        policy: Policy,
        limits: Limits,
        patience: Patience,
    ) -> Result<Self, CommError> {
        let present = Rank::all(size).filter(|&rank| rank != me).collect();
        let mut ladder = Ladder::bare(me, size, present, policy, limits, patience);
        ladder.at_start = size;
        ladder.messenger = Some(first.rung());
        ladder.add(first);
        Ok(ladder)
    }

    /// The ladder of a rank that comes to a run of up to `capacity` ranks, all of them vacant to it: it is given rungs and segments, as the
    /// others were, and a courier, and then admits whoever takes part.
    pub fn newcomer(me: Rank, capacity: u32, policy: Policy, limits: Limits, patience: Patience) -> Self {
        Ladder::bare(me, capacity, Vec::new(), policy, limits, patience)
    }

    fn bare(me: Rank, size: u32, present: Vec<Rank>, policy: Policy, limits: Limits, patience: Patience) -> Self {
        let now = Instant::now();
        let vacant = |rank: Rank| rank != me && !present.contains(&rank);
        Ladder {
            me,
            size,
            at_start: 0,
            pairs: Rank::all(size).map(|rank| Pair::new(0, vacant(rank), now)).collect(),
            present,
            joining: Vec::new(),
            early: BTreeMap::new(),
            courier: None,
            node: node_identity(),
            policy,
            limits,
            transports: Vec::new(),
            missing: Vec::new(),
            messenger: None,
            key: None,
            segments: Vec::new(),
            neighbours: Vec::new(),
            events: VecDeque::new(),
            stalled: Vec::new(),
            hot: Vec::new(),
            banned: Vec::new(),
            retired: None,
            happenings: Vec::new(),
            coming: VecDeque::new(),
            mailbox: Mailbox::default(),
            refused_data: None,
            refused_start: None,
            next_token: 0,
            next_question: 0,
            next_tick: now,
            passes: 0,
            attempts: 0,
            tested: now,
            opening: false,
            retry_first: pair::RETRY_FIRST,
            clock: Instant::now,
            idle: Idle::new(patience),
        }
    }

    /// Makes room for ranks beyond those that started together; before the first segment. All ranks make the same room.
    pub fn make_room(&mut self, newcomers: u32) {
        assert!(self.segments.is_empty(), "room comes before segments");
        let now = self.now();
        self.size = self.size.max(self.at_start.saturating_add(newcomers));
        let backoff = self.retry_first;
        let rungs = self.transports.len();
        self.pairs.resize_with(self.size as usize, || Pair::new(rungs, true, now));
        self.transports.iter_mut().for_each(|transport| transport.make_room(self.size));
        self.pairs.iter_mut().flat_map(|pair| &mut pair.links).for_each(|link| link.backoff = backoff);
    }

    /// Adds a rung; all before the first segment is registered. All ranks add the same rungs, or say that they miss them.
    pub fn add(&mut self, transport: Box<T>) {
        assert!(self.segments.is_empty(), "rungs come before segments");
        self.transports.push(transport);
        self.transports.sort_by_key(|transport| transport.rung());
        self.renew_links();
        self.share_out();
    }

    fn renew_links(&mut self) {
        let (now, backoff) = (self.now(), self.retry_first);
        for pair in &mut self.pairs {
            pair.links = Pair::untried(self.transports.len(), now);
            pair.links.iter_mut().for_each(|link| link.backoff = backoff);
        }
        self.hot = vec![true; self.transports.len()];
    }

    /// Tells the rungs among how many ranks they share what they remember.
    pub(super) fn share_out(&mut self) {
        let ranks = self.present.len() as u32 + 1;
        self.transports.iter_mut().for_each(|transport| transport.share_among(ranks));
    }

    /// The rungs are complete and there is room for everybody: makes the segment of the tests. Does nothing a second time.
    pub(super) fn seal(&mut self) -> Result<(), CommError> {
        if !self.segments.is_empty() {
            return Ok(());
        }
        let scratch = Segment::new(scratch_words(self.size))?;
        let mut at = 0;
        while let Some(transport) = self.transports.get_mut(at) {
            let rung = transport.rung();
            match transport.register(SCRATCH, &scratch) {
                Ok(()) => at += 1,
                Err(error) if Some(rung) == self.messenger => return Err(error),
                Err(error) => {
                    self.transports.remove(at);
                    self.renew_links();
                    self.miss(rung, error.to_string());
                }
            }
        }
        self.segments.push(Arc::clone(&scratch));
        Ok(())
    }

    /// Sets the first wait before a broken rung is tried again; each further one is twice as long, up to half a minute.
    /// Default one second.
    pub fn retry_first(&mut self, wait: Duration) {
        self.pairs.iter_mut().flat_map(|pair| &mut pair.links).for_each(|link| link.backoff = wait);
        self.retry_first = wait;
    }

    /// Tells the time by another clock, so that a test decides what is due; deadlines are of that clock then. Waits still last
    /// as long as they do, so such a test polls with deadlines that have passed.
    pub fn set_clock(&mut self, clock: fn() -> Instant) {
        self.clock = clock;
        (self.next_tick, self.tested) = (clock(), clock());
    }

    /// Says that this rank lives on another node than it does, for a test; before the start.
    pub fn set_node(&mut self, node: Vec<u8>) {
        self.node = node;
    }

    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The bounds that it was made with.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many ranks started together.
    pub fn at_start(&self) -> u32 {
        self.at_start
    }

    /// Tells the key of the run, where all ranks have it without this fabric.
    pub(crate) fn share_key(&mut self, key: RunKey) {
        self.key = Some(key);
    }

    pub(crate) fn shared_key(&self) -> Option<RunKey> {
        self.key.clone()
    }

    /// Asks for other paths than those it was made with; before [`crate::Fabric::open`], and the same on all ranks.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Says when the packet rungs carry differences, from the next connection on.
    pub fn set_compression(&mut self, compression: Compression) {
        self.transports.iter_mut().for_each(|transport| transport.set_compression(compression));
    }

    /// Tells that this process has not got a rung, and why.
    pub fn miss(&mut self, rung: Rung, reason: String) {
        tracing::info!(%rung, %reason, "a rung is not available");
        self.missing.push((rung, reason));
    }

    /// Why it has no rung, if it has none.
    pub(crate) fn reasons_without_rungs(&self) -> Option<String> {
        let reasons = || self.missing.iter().map(|(rung, reason)| format!("{rung}: {reason}")).collect::<Vec<_>>();
        self.transports.is_empty().then(|| reasons().join("; "))
    }
}
