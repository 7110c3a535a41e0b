//! The rung itself: devices, rails, and a connection a peer.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{Connection, Phase};
use super::context::{BATCH, Completion};
use super::device::{ChosenPort, RAILS_MAX, Wanted, choose};
use super::lane::{Lane, Rail};
use super::memory_keys::{Ends, Keys};
use super::offer::{Offer, SegmentOffer};
use super::opened::Opened;
use super::options::Options;
use super::work_id::{RANKS_MAX, WorkId};
use super::{discover, route};
use crate::fabric::{Put, RungTraffic};
use crate::ids::{Rank, Rung, SegmentId};
use crate::segment::Segment;
use crate::transport::{Happening, Unavailable};

/// Completions taken from one queue in one call, in batches: the others get their turn.
const BATCHES_A_CALL: usize = 64;

/// A device of this rank.
#[derive(Debug)]
pub(super) struct Device {
    pub name: String,
    /// `None` once it is lost and nothing uses it any more.
    pub open: Option<Opened>,
    /// Why it is lost.
    pub lost: Option<String>,
}

/// A port of this rank.
#[derive(Debug)]
pub(super) struct Port {
    pub device: usize,
    pub chosen: ChosenPort,
    pub down: bool,
}

/// RDMA to the ranks of one run.
#[derive(Debug)]
pub struct Verbs {
    pub(super) me: Rank,
    pub(super) options: Options,
    /// By rank. First here, so that they end before what they use.
    pub(super) connections: Vec<Option<Connection>>,
    pub(super) ports: Vec<Port>,
    pub(super) devices: Vec<Device>,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Peers whose connection has a fault that was not told yet.
    pub(super) faulty: Vec<Rank>,
    /// Peers that were connected on this side and are not up.
    pub(super) greeting: Vec<Rank>,
    /// Peers towards which writes wait in this process.
    pub(super) waiting: Vec<Rank>,
    pub(super) happenings: Vec<Happening>,
    pub(super) pieces: Vec<Put>,
    pub(super) most_words: usize,
    pub(super) traffic: RungTraffic,
    pub(super) lives: u32,
    pub(super) calls: u32,
    pub(super) looked: Instant,
}

impl Verbs {
    /// Opens the ports that serve best.
    ///
    /// # Errors
    /// Why none serves, with the remedy.
    pub fn open(me: Rank, size: u32, options: Options) -> Result<Verbs, Unavailable> {
        if size > RANKS_MAX || me.0 >= size {
            return Err(Unavailable::new(format!("RDMA serves at most {RANKS_MAX} ranks, not {me} of {size}")));
        }
        let facts = discover::ports()?;
        let towards = options.towards.map(route::towards).transpose()?;
        let wanted = Wanted { device: options.device.clone(), route: towards, rails: options.rails };
        let choice = choose(&facts, &wanted);
        for reason in &choice.rejected {
            tracing::debug!(%reason, "an RDMA port is passed over");
        }
        if choice.rails.is_empty() {
            return Err(Unavailable::new(format!("no RDMA port serves: {}", choice.rejected.join("; "))));
        }
        let mut devices: Vec<Device> = Vec::new();
        let mut ports = Vec::new();
        let mut most_bytes = u32::MAX;
        for chosen in choice.rails {
            let device = match devices.iter().position(|device| device.name == chosen.device) {
                Some(at) => at,
                None => {
                    let refuse = |error| Unavailable::new(format!("{} cannot be opened: {error}", chosen.device));
                    let open = Some(Opened::open(&chosen.device, &options).map_err(refuse)?);
                    devices.push(Device { name: chosen.device.clone(), open, lost: None });
                    devices.len() - 1
                }
            };
            if let Some(Ok(limits)) = devices[device].open.as_ref().map(|open| open.context().port(chosen.port)) {
                most_bytes = most_bytes.min(limits.message_bytes);
            }
            ports.push(Port { device, chosen, down: false });
        }
        let traffic =
            RungTraffic { rung: Rung::Verbs, sent_bytes: 0, sent_messages: 0, received_bytes: 0, received_messages: 0 };
        Ok(Verbs {
            me,
            options,
            connections: (0..size).map(|_| None).collect(),
            ports,
            devices,
            segments: Vec::new(),
            faulty: Vec::new(),
            greeting: Vec::new(),
            waiting: Vec::new(),
            happenings: Vec::new(),
            pieces: Vec::new(),
            most_words: (most_bytes as usize / 4).max(1),
            traffic,
            lives: random(),
            calls: 0,
            looked: Instant::now(),
        })
    }

    /// The next life of a connection: completions of older ones are told by it.
    pub(super) fn next_life(&mut self) -> u32 {
        self.lives = self.lives.wrapping_add(1);
        self.lives
    }

    /// One lane on every rail that is up.
    pub(super) fn make_lanes(&mut self, peer: Rank, life: u32) -> Result<Vec<Lane>, Unavailable> {
        let mut lanes = Vec::new();
        let mut reasons = Vec::new();
        for index in 0..self.ports.len() {
            let id = WorkId { peer, life: life as u16, lane: lanes.len() as u8, send: None };
            match self.make_lane(index, id) {
                Ok(lane) => lanes.push(lane),
                Err(reason) => reasons.push(reason),
            }
        }
        if lanes.is_empty() { Err(Unavailable::new(reasons.join("; "))) } else { Ok(lanes) }
    }

    fn make_lane(&mut self, index: usize, id: WorkId) -> Result<Lane, String> {
        let Port { device, chosen, down } = &self.ports[index];
        let name = format!("{} port {}", chosen.device, chosen.port);
        let device = &mut self.devices[*device];
        let (Some(open), None) = (&mut device.open, &device.lost) else {
            return Err(device.lost.clone().unwrap_or_else(|| format!("{name} is gone")));
        };
        if *down {
            return Err(format!("{name} is down"));
        }
        let mut make = || {
            let limits = open.context().port(chosen.port)?;
            let rail = Rail {
                index,
                port: chosen.port,
                link: chosen.link,
                gid: chosen.gid,
                lid: limits.lid,
                mtu: u8::try_from(limits.mtu).unwrap_or(1).clamp(1, 5),
            };
            let queue = open.queue_with_room()?;
            Lane::new(rail, &open.domain, &queue, open.sizes, id, random() & 0xff_ffff)
        };
        make().map_err(|error: std::io::Error| format!("no queue pair on {name}: {error}"))
    }

    /// The offer of a connection of these lanes.
    pub(super) fn offer_of(&self, to: Rank, generation: u32, lanes: &[Lane]) -> Offer {
        let segments = self.segments.iter().enumerate().map(|(at, segment)| SegmentOffer {
            address: segment.words().as_ptr() as u64,
            words: segment.len() as u64,
            keys: self.keys(lanes, at, |(_, remote)| remote),
        });
        let rails = lanes.iter().map(Lane::offer).collect();
        Offer { from: self.me, to, generation, rails, segments: segments.collect() }
    }

    fn keys(&self, lanes: &[Lane], segment: usize, pick: impl Fn((u32, u32)) -> u32) -> Keys {
        let mut keys = [0; RAILS_MAX];
        for (key, lane) in keys.iter_mut().zip(lanes) {
            let device = &self.devices[self.ports[lane.rail.index].device];
            *key = device.open.as_ref().map_or(0, |open| pick(open.keys(segment)));
        }
        keys
    }

    /// Where the words of a write between these segments lie; the target may be unknown where nothing is written.
    pub(super) fn ends(&self, of: &Connection, source: SegmentId, target: Option<&SegmentOffer>) -> Ends {
        let words = self.segments[source.index()].words();
        Ends {
            local: words.as_ptr() as u64,
            local_keys: self.keys(&of.lanes, source.index(), |(local, _)| local),
            remote: target.map_or(0, |target| target.address),
            remote_keys: target.map_or([0; RAILS_MAX], |target| target.keys),
        }
    }

    /// Takes completions from all queues; tells whether nothing is left.
    pub(super) fn poll(&mut self) -> bool {
        let mut batch = [Completion::default(); BATCH];
        let mut empty = true;
        for device in 0..self.devices.len() {
            let mut at = 0;
            while let Some(queue) = self.devices[device].open.as_ref().and_then(|open| open.queues.get(at)) {
                let queue = Arc::clone(queue);
                let mut left = BATCHES_A_CALL;
                loop {
                    let count = match queue.poll(&mut batch) {
                        Ok(count) => count,
                        Err(error) => {
                            self.lose(device, &format!("completions cannot be read: {error}"));
                            break;
                        }
                    };
                    for completion in &batch[..count] {
                        self.completed(completion);
                    }
                    left -= 1;
                    if count < BATCH {
                        break;
                    }
                    if left == 0 {
                        empty = false;
                        break;
                    }
                }
                at += 1;
            }
        }
        empty
    }

    fn completed(&mut self, of: &Completion) {
        let id = WorkId::unpack(of.id);
        // Of a connection that is no more.
        let Some(connection) = self.connections.get_mut(id.peer.index()).and_then(Option::as_mut) else { return };
        let effect = connection.completed(id, of, &mut self.happenings);
        if let Some(bytes) = effect.arrived_bytes {
            self.traffic.received_messages += 1;
            self.traffic.received_bytes += u64::from(bytes) + 4;
        }
        if effect.faulty && !self.faulty.contains(&id.peer) {
            self.faulty.push(id.peer);
        }
    }

    /// Tells of connections that have failed, or greets again where the peer was not there yet.
    pub(super) fn settle(&mut self) {
        let mut failed = Vec::new();
        for peer in std::mem::take(&mut self.faulty) {
            let life = self.next_life();
            let Some(connection) = self.connections[peer.index()].as_mut() else { continue };
            if connection.wants_another_try() {
                let again = connection.start_over(life as u16, self.options.timeout, self.options.retries);
                let Err(error) = again else { continue };
                tracing::debug!(%peer, %error, "the connection cannot start over");
                connection.blame(crate::FailureCause::Io { errno: error.raw_os_error().unwrap_or(nix::libc::EIO) });
            }
            connection.stop();
            failed.push(peer);
        }
        // What arrived before the end is told before it.
        self.poll();
        self.faulty.retain(|peer| !failed.contains(peer));
        for peer in failed {
            if let Some(cause) = self.connections[peer.index()].as_mut().and_then(Connection::settle) {
                self.happenings.push(Happening::Broken { peer, cause });
            }
        }
        self.let_go();
    }

    /// Whether [`Verbs::settle`] has something to do.
    pub(super) fn is_unsettled(&self) -> bool {
        let losing = |device: &Device| device.lost.is_some() && device.open.is_some();
        !self.faulty.is_empty() || self.devices.iter().any(losing)
    }

    /// Whether the connection to this peer is up.
    pub(super) fn is_up(&self, peer: Rank) -> bool {
        matches!(self.connections.get(peer.index()), Some(Some(connection)) if connection.phase == Phase::Up)
    }
}

/// Some number that is not easily met again.
pub(super) fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}
