//! One rail's part of a connection: its queue pair, its books, its receives.

use std::io;
use std::sync::Arc;

use super::context::{CompletionQueue, Domain};
use super::device::{GidEntry, LinkLayer};
use super::memory_keys::Ends;
use super::offer::RailOffer;
use super::queue_pair::{QueuePair, RECEIVE_BATCH, Route, Sizes, Work};
use super::send_queue::{Done, SendQueue};
use super::work_id::WorkId;
use crate::fabric::Put;
use crate::ids::Rank;

/// Immediate of the first write of a connection; `RZHI`.
pub const GREETING: u32 = 0x4948_5a52;

/// Which rail, and what this rank offers on it.
#[derive(Clone, Copy, Debug)]
pub struct Rail {
    /// Number of the rail among all of this rank.
    pub index: usize,
    /// Port on the device.
    pub port: u8,
    /// What the port is joined to.
    pub link: LinkLayer,
    /// This rank's address.
    pub gid: GidEntry,
    /// Local identifier.
    pub lid: u16,
    /// Active MTU, as `enum ibv_mtu`.
    pub mtu: u8,
}

/// One queue pair of a connection.
#[derive(Debug)]
pub struct Lane {
    /// The rail that it runs on.
    pub rail: Rail,
    /// The queue pair.
    pub pair: QueuePair,
    /// What is under way.
    pub sends: SendQueue,
    /// Whether the greeting has come or was taken.
    pub greeted: bool,
    /// Receives that are posted.
    receives: usize,
    /// Receives that were taken and not posted again yet.
    due: usize,
    packet: u32,
    works: Vec<Work>,
    id: WorkId,
}

impl Lane {
    /// A lane that takes receives and waits for its peer.
    ///
    /// # Errors
    /// What the library said.
    pub fn new(
        rail: Rail,
        domain: &Arc<Domain>,
        completions: &Arc<CompletionQueue>,
        sizes: Sizes,
        id: WorkId,
        packet: u32,
    ) -> io::Result<Lane> {
        let pair = QueuePair::new(domain, completions, sizes)?;
        let sends = SendQueue::new(sizes.sends);
        let mut lane = Lane { rail, pair, sends, greeted: false, receives: 0, due: 0, packet, works: Vec::new(), id };
        lane.prepare()?;
        Ok(lane)
    }

    fn prepare(&mut self) -> io::Result<()> {
        self.pair.initialize(self.rail.port)?;
        let all = self.pair.sizes().receives as usize;
        self.pair.post_receives(all, WorkId { send: None, ..self.id }.pack())?;
        (self.receives, self.due, self.greeted) = (all, 0, false);
        Ok(())
    }

    /// What the peer must know.
    pub fn offer(&self) -> RailOffer {
        RailOffer {
            queue_pair: self.pair.number(),
            packet: self.packet,
            lid: self.rail.lid,
            gid: self.rail.gid.gid,
            kind: self.rail.gid.kind,
            mtu: self.rail.mtu,
        }
    }

    /// Connects to the other end.
    ///
    /// # Errors
    /// What the library said.
    pub fn connect(&mut self, theirs: &RailOffer, timeout: u8, retries: u8) -> io::Result<()> {
        self.pair.connect(&Route {
            queue_pair: theirs.queue_pair,
            packet: theirs.packet,
            lid: theirs.lid,
            gid: theirs.gid,
            mtu: u32::from(theirs.mtu.min(self.rail.mtu)),
            link: self.rail.link,
            own_index: self.rail.gid.index,
            own_gid: self.rail.gid.gid,
            own_port: self.rail.port,
            own_packet: self.packet,
            timeout,
            retries,
        })
    }

    /// Makes it as new under another life, with the same number: the peer was not there yet.
    ///
    /// # Errors
    /// What the library said.
    pub fn start_over(&mut self, life: u16) -> io::Result<()> {
        self.pair.reset()?;
        self.id.life = life;
        self.sends = SendQueue::new(self.sends.depth() as u32);
        self.prepare()
    }

    /// Sends the greeting.
    ///
    /// # Errors
    /// What the library said.
    pub fn greet(&mut self) -> io::Result<()> {
        self.announce(GREETING, Done::Greeting)?;
        self.flush()
    }

    /// Adds a write of one range to the chain. [`Lane::flush`] posts it.
    ///
    /// # Panics
    /// Without room.
    pub fn write(&mut self, ends: &Ends, lane: usize, put: &Put, immediate: Option<u32>, done: Option<Done>) {
        let (number, signaled) = self.sends.push(done);
        self.works.push(Work {
            id: WorkId { send: Some(number), ..self.id }.pack(),
            local: ends.local + 4 * put.from as u64,
            local_key: ends.local_keys[lane],
            // Ranges are cut to what a message may hold, below 4 GiB.
            bytes: 4 * put.len as u32,
            remote: ends.remote + 4 * put.to as u64,
            remote_key: ends.remote_keys[lane],
            immediate,
            signaled,
        });
    }

    /// Posts a notification alone, behind what the chain holds.
    ///
    /// # Errors
    /// What the library said.
    pub fn announce(&mut self, immediate: u32, done: Done) -> io::Result<()> {
        let nothing = Ends { local: 0, local_keys: [0; 8], remote: 0, remote_keys: [0; 8] };
        self.write(&nothing, 0, &Put { from: 0, to: 0, len: 0 }, Some(immediate), Some(done));
        self.flush()
    }

    /// Posts the chain. The sources lie within their segments.
    ///
    /// # Errors
    /// What the library said; the connection is of no use then.
    pub fn flush(&mut self) -> io::Result<()> {
        // SAFETY: sources come from `write`, whose callers checked them against a segment that is registered and thereby
        // alive; its words may be read at any time.
        let outcome = unsafe { self.pair.post(&self.works) };
        self.works.clear();
        outcome
    }

    /// Counts a receive that came back.
    pub fn received(&mut self) {
        self.receives = self.receives.saturating_sub(1);
        self.due += 1;
    }

    /// Posts receives again once a batch is due.
    ///
    /// # Errors
    /// What the library said.
    pub fn replenish(&mut self) -> io::Result<()> {
        let batch = RECEIVE_BATCH.min(self.pair.sizes().receives as usize / 4).max(1);
        if self.due < batch {
            return Ok(());
        }
        let now = std::mem::take(&mut self.due);
        self.receives += now;
        self.pair.post_receives(now, WorkId { send: None, ..self.id }.pack())
    }

    /// Whether nothing of it can come out of the completion queue any more.
    pub fn is_drained(&self) -> bool {
        self.receives == 0 && self.sends.is_empty()
    }

    /// Whether this completion belongs to its present life.
    pub fn owns(&self, id: WorkId) -> bool {
        self.id.life == id.life && self.id.peer == id.peer
    }

    /// The peer.
    pub fn peer(&self) -> Rank {
        self.id.peer
    }
}
