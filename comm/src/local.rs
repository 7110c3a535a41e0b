//! Ranks as threads of one process: the fabric of a run with one rank, and the one on which protocols are tested.
//!
//! The same engine, packets and start-up protocol as between processes; only the moving is a channel. [`Faults`] injects
//! what a network may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Instant;

use crate::error::{CommError, FailureCause};
use crate::ids::{Rank, Rung};
use crate::packet_fabric::{Incoming, Lane, Limits, PacketFabric, Port};

/// A fabric among threads.
pub type LocalFabric = PacketFabric<LocalPort>;

#[derive(Debug)]
enum Parcel {
    Packet {
        from: Rank,
        lane: Lane,
        words: Vec<u32>,
    },
    /// Someone ended: look who.
    Wake,
}

/// One rank's end of the channels.
#[derive(Debug)]
pub struct LocalPort {
    me: Rank,
    inbox: Receiver<Parcel>,
    outboxes: Vec<Sender<Parcel>>,
    ended: Arc<[AtomicBool]>,
    /// Whose end has been reported.
    reported: Vec<bool>,
    /// A parcel that ended a wait.
    held: Option<Parcel>,
}

/// The fabrics of a run of `size` ranks, by rank; each may move to a thread of its own.
pub fn hub(size: u32) -> Vec<LocalFabric> {
    hub_with(size, Limits::default())
}

/// [`hub`] with other bounds.
pub fn hub_with(size: u32, limits: Limits) -> Vec<LocalFabric> {
    let ended: Arc<[AtomicBool]> = (0..size).map(|_| AtomicBool::new(false)).collect();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..size).map(|_| channel()).unzip();
    Rank::all(size)
        .zip(inboxes)
        .map(|(me, inbox)| {
            let outboxes = outboxes.clone();
            let reported = vec![false; size as usize];
            let port = LocalPort { me, inbox, outboxes, ended: Arc::clone(&ended), reported, held: None };
            PacketFabric::new(port, 0, limits)
        })
        .collect()
}

/// Injects faults into a hub, from any thread.
#[derive(Clone, Debug)]
pub struct Faults {
    outboxes: Vec<Sender<Parcel>>,
    ended: Arc<[AtomicBool]>,
}

impl LocalFabric {
    /// A handle that injects faults into this fabric's hub.
    pub fn faults(&self) -> Faults {
        Faults { outboxes: self.port.outboxes.clone(), ended: Arc::clone(&self.port.ended) }
    }
}

impl Faults {
    /// Ends a rank as the death of its process would: its peers see it as failed, its own calls fail.
    pub fn kill(&self, rank: Rank) {
        end(rank, &self.ended, &self.outboxes);
    }

    /// Puts a packet of any content before `to`, as if `from` had sent it.
    pub fn inject(&self, from: Rank, to: Rank, words: Vec<u32>) {
        // A receiver that has ended takes nothing, as with a dead process.
        let _ = self.outboxes[to.index()].send(Parcel::Packet { from, lane: Lane::Data, words });
    }
}

fn end(rank: Rank, ended: &[AtomicBool], outboxes: &[Sender<Parcel>]) {
    ended[rank.index()].store(true, Ordering::Release);
    for outbox in outboxes {
        // Whoever has ended needs no waking.
        let _ = outbox.send(Parcel::Wake);
    }
}

impl LocalPort {
    fn has_ended(&self, rank: Rank) -> bool {
        self.ended[rank.index()].load(Ordering::Acquire)
    }
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        end(self.me, &self.ended, &self.outboxes);
    }
}

impl Port for LocalPort {
    const RUNG: Rung = Rung::Local;

    fn rank(&self) -> Rank {
        self.me
    }

    fn size(&self) -> u32 {
        self.outboxes.len() as u32
    }

    fn buffer(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn send(&mut self, to: Rank, lane: Lane, words: Vec<u32>) -> Result<(), CommError> {
        if self.has_ended(self.me) {
            return Err(CommError::PeerFailed { peer: self.me, cause: FailureCause::Closed });
        }
        // An ended receiver comes out of progress.
        let _ = self.outboxes[to.index()].send(Parcel::Packet { from: self.me, lane, words });
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        if self.has_ended(self.me) {
            return Err(CommError::PeerFailed { peer: self.me, cause: FailureCause::Closed });
        }
        // Read before the inbox: whatever a rank sent before its end is then in the inbox already.
        let down: Vec<Rank> =
            Rank::all(self.size()).filter(|&peer| !self.reported[peer.index()] && self.has_ended(peer)).collect();
        let mut next = self.held.take();
        loop {
            match next.take().map_or_else(|| self.inbox.try_recv(), Ok) {
                Ok(Parcel::Packet { from, lane, words }) => {
                    if !self.reported[from.index()] {
                        sink(Incoming::Packet { from, lane, words: &words });
                    }
                }
                Ok(Parcel::Wake) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        for peer in down {
            self.reported[peer.index()] = true;
            sink(Incoming::Down { peer, cause: FailureCause::Closed });
        }
        Ok(())
    }

    fn wait(&mut self, deadline: Instant) {
        if self.held.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            self.held = self.inbox.recv_timeout(left).ok();
        }
    }
}
