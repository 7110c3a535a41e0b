//! Transports within this process that break when a test says so.

// Each user of this module needs another part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rankzero_comm::local::{Faults, LocalFabric, LocalPort, ports};
use rankzero_comm::mpi::Patience;
use rankzero_comm::packets::{Compression, Packets};
use rankzero_comm::{
    CommError, FailureCause, Happening, Ladder, Limits, Policy, Posted, Rank, Rung, RungTraffic, Segment, SegmentId,
    Transport, Unavailable, Write,
};

/// The rungs of one rank.
type Rungs = Vec<Box<dyn Transport + Send>>;

/// Breaks a rung of all ranks from outside: an odd number means that it is broken.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<AtomicU64>, Arc<AtomicBool>);

impl Switch {
    /// Breaks the rung.
    pub fn break_it(&self) {
        if !self.is_broken() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Has every call into it fail, as of a library that has lost its mind.
    pub fn fail_calls(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    /// Lets it come up again.
    pub fn mend(&self) {
        if self.is_broken() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn is_broken(&self) -> bool {
        self.0.load(Ordering::SeqCst) % 2 == 1
    }
}

/// A packet rung under another name, with a switch.
#[derive(Debug)]
struct Flaky {
    rung: Rung,
    inner: Packets<LocalPort>,
    switch: Switch,
    /// The count of the switch up to which peers were reported as broken.
    seen: u64,
    connected: Vec<bool>,
    /// Whether messages go this way too.
    messages: bool,
    /// Messages that wait until the rung lives again.
    held: VecDeque<(Rank, Vec<u32>)>,
}

impl Transport for Flaky {
    fn rung(&self) -> Rung {
        self.rung
    }

    fn set_compression(&mut self, compression: Compression) {
        self.inner.set_compression(compression);
    }

    fn reaches(&self, peer: Rank) -> Result<(), Unavailable> {
        self.inner.reaches(peer)
    }

    fn share_among(&mut self, ranks: u32) {
        self.inner.share_among(ranks);
    }

    fn register(&mut self, id: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        self.inner.register(id, segment)
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        if self.switch.is_broken() {
            return Err(Unavailable::new("a test has broken it"));
        }
        self.connected[peer.index()] = false;
        self.inner.offer(peer)
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        self.connected[peer.index()] = true;
        self.inner.connect(peer, theirs)
    }

    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError> {
        // What is posted to a dead rung is lost, as with a network card that has lost its link.
        if self.switch.is_broken() { Ok(Posted::Queued) } else { self.inner.post(peer, write) }
    }

    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        if self.switch.1.load(Ordering::SeqCst) {
            return Err(CommError::Mpi {
                call: "MPI_Test",
                peer: None,
                code: 76,
                text: "a process has failed".to_owned(),
            });
        }
        let count = self.switch.0.load(Ordering::SeqCst);
        if count > self.seen {
            self.seen = count;
            for (index, connected) in self.connected.iter_mut().enumerate().filter(|(_, connected)| **connected) {
                *connected = false;
                let (peer, cause) = (Rank(index as u32), FailureCause::Rdma { status: 12 });
                into.push(Happening::Broken { peer, cause });
            }
        }
        if self.switch.is_broken() {
            return Ok(());
        }
        for (to, words) in self.held.drain(..) {
            self.inner.send_message(to, &words)?;
        }
        self.inner.progress(into)
    }

    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>) {
        self.connected[peer.index()] = false;
        self.inner.close(peer, into);
    }

    fn describe(&self, _peer: Rank) -> String {
        format!("flaky {}", self.rung)
    }

    fn carries_messages(&self, peer: Rank) -> bool {
        self.messages && self.inner.carries_messages(peer) && !self.switch.is_broken()
    }

    fn send_message(&mut self, to: Rank, words: &[u32]) -> Result<(), CommError> {
        if self.switch.is_broken() {
            self.held.push_back((to, words.to_vec()));
            return Ok(());
        }
        self.inner.send_message(to, words)
    }

    fn traffic(&self) -> RungTraffic {
        RungTraffic { rung: self.rung, ..self.inner.traffic() }
    }
}

/// A column of rungs for each rank, with a switch for each rung. Each rung is named with how many ranks it knows; the others miss it. The rungs in
/// `messengers` carry messages.
pub fn columns(
    capacity: u32,
    rungs: &[(Rung, u32)],
    messengers: &[Rung],
    limits: Limits,
) -> (Vec<Rungs>, Vec<Switch>, Vec<Faults>) {
    let mut columns: Vec<Vec<Box<dyn Transport + Send>>> = (0..capacity).map(|_| Vec::new()).collect();
    let (mut switches, mut all_faults) = (Vec::new(), Vec::new());
    for &(rung, size) in rungs {
        let switch = Switch::default();
        let (ports, faults) = ports(size);
        for (column, port) in columns.iter_mut().zip(ports) {
            column.push(Box::new(Flaky {
                rung,
                inner: Packets::new(port, limits),
                switch: switch.clone(),
                seen: 0,
                connected: vec![false; capacity as usize],
                messages: messengers.contains(&rung),
                held: VecDeque::new(),
            }));
        }
        switches.push(switch);
        all_faults.push(faults);
    }
    (columns, switches, all_faults)
}

/// Ladders of `size` ranks with these rungs, the last of which carries the messages, and a switch for each.
pub fn ladders(size: u32, rungs: &[Rung], limits: Limits, policy: Policy) -> (Vec<LocalFabric>, Vec<Switch>) {
    let named: Vec<(Rung, u32)> = rungs.iter().map(|&rung| (rung, size)).collect();
    let (columns, switches, _) = columns(size, &named, &rungs[rungs.len() - 1..], limits);
    let ladders = Rank::all(size).zip(columns).map(|(me, mut column)| {
        let messenger = column.pop().expect("a rung");
        let mut ladder = Ladder::new(me, size, messenger, policy, limits, Patience::SHARED_CORE).expect("memory");
        column.into_iter().for_each(|transport| ladder.add(transport));
        ladder.set_compression(Compression::On);
        ladder.retry_first(std::time::Duration::from_millis(5));
        ladder
    });
    (ladders.collect(), switches)
}
