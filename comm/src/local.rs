//! Ranks as threads of one process: the fabric of a run with one rank, and the one on which protocols are tested.
//!
//! The same engine, packets and protocols as between processes; only the moving is a channel. [`Faults`] injects what a
//! network may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{CommError, FailureCause};
use crate::idle::Patience;
use crate::ids::{Rank, Rung};
use crate::ladder::{Ladder, Policy};
use crate::packets::{Limits, Packets};
use crate::port::{Incoming, Lane, Port};
use crate::transport::Transport;

/// A fabric among threads.
pub type LocalFabric = Ladder<dyn Transport + Send>;

#[derive(Debug)]
struct Parcel {
    from: Rank,
    lane: Lane,
    words: Vec<u32>,
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
}

/// The fabrics of a run of `size` ranks, by rank; each may move to a thread of its own.
///
/// # Errors
/// [`CommError::OutOfMemory`].
pub fn hub(size: u32) -> Result<Vec<LocalFabric>, CommError> {
    Ok(hub_with(size, Limits::default())?.0)
}

/// [`hub`] with other bounds, and a handle that injects faults.
///
/// # Errors
/// [`CommError::OutOfMemory`].
pub fn hub_with(size: u32, limits: Limits) -> Result<(Vec<LocalFabric>, Faults), CommError> {
    let (ports, faults) = ports(size);
    let fabrics = ports
        .into_iter()
        .map(|port| {
            let (me, policy) = (port.me, Policy::default());
            let first: Box<dyn Transport + Send> = Box::new(Packets::new(port, limits));
            Ladder::new(me, size, first, policy, limits, Patience::SHARED_CORE)
        })
        .collect::<Result<_, _>>()?;
    Ok((fabrics, faults))
}

/// The ends of the channels of `size` ranks, by rank, and a handle that injects faults.
pub fn ports(size: u32) -> (Vec<LocalPort>, Faults) {
    let ended: Arc<[AtomicBool]> = (0..size).map(|_| AtomicBool::new(false)).collect();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..size).map(|_| channel()).unzip();
    let faults = Faults { outboxes: outboxes.clone(), ended: Arc::clone(&ended) };
    let ports = Rank::all(size)
        .zip(inboxes)
        .map(|(me, inbox)| {
            let reported = vec![false; size as usize];
            LocalPort { me, inbox, outboxes: outboxes.clone(), ended: Arc::clone(&ended), reported }
        })
        .collect();
    (ports, faults)
}

/// Injects faults into a hub, from any thread.
#[derive(Clone, Debug)]
pub struct Faults {
    outboxes: Vec<Sender<Parcel>>,
    ended: Arc<[AtomicBool]>,
}

impl Faults {
    /// Ends a rank as the death of its process would: its peers see it as failed, its own calls fail.
    pub fn kill(&self, rank: Rank) {
        self.ended[rank.index()].store(true, Ordering::Release);
    }

    /// Puts a packet of any content before `to`, as if `from` had sent it.
    pub fn inject(&self, from: Rank, to: Rank, words: Vec<u32>) {
        // A receiver that has ended gets nothing.
        let _ = self.outboxes[to.index()].send(Parcel { from, lane: Lane::Data, words });
    }
}

impl LocalPort {
    fn has_ended(&self, rank: Rank) -> bool {
        self.ended[rank.index()].load(Ordering::Acquire)
    }

    fn check_alive(&self) -> Result<(), CommError> {
        if self.has_ended(self.me) {
            return Err(CommError::PeerFailed { peer: self.me, cause: FailureCause::Closed });
        }
        Ok(())
    }
}

impl Drop for LocalPort {
    fn drop(&mut self) {
        self.ended[self.me.index()].store(true, Ordering::Release);
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
        self.check_alive()?;
        // An ended receiver comes out of progress.
        let _ = self.outboxes[to.index()].send(Parcel { from: self.me, lane, words });
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        self.check_alive()?;
        // Read before the inbox: whatever a rank sent before its end is then in the inbox already.
        let down: Vec<Rank> =
            Rank::all(self.size()).filter(|&peer| !self.reported[peer.index()] && self.has_ended(peer)).collect();
        while let Ok(Parcel { from, lane, words }) = self.inbox.try_recv() {
            if !self.reported[from.index()] {
                sink(Incoming::Packet { from, lane, words: &words });
            }
        }
        for peer in down {
            self.reported[peer.index()] = true;
            sink(Incoming::Down { peer, cause: FailureCause::Closed });
        }
        Ok(())
    }

    fn describe(&self, _peer: Rank) -> String {
        "channel between threads".to_owned()
    }
}
