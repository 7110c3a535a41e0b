//! What happens to devices and ports while connections run over them.

use std::time::{Duration, Instant};

use super::connection::Phase;
use super::context::AsyncEvent;
use super::rung::Verbs;
use crate::error::FailureCause;
use crate::ids::Rank;

/// How often the system is asked whether a device is still there. Drivers that cannot let go of a device while a process
/// uses it report nothing, and the removal waits for this process.
const PRESENCE_EVERY: Duration = Duration::from_millis(100);
/// `enum ibv_wc_status`: fatal error.
const FATAL: u32 = 19;

impl Verbs {
    /// Asks the devices for news, and connections for their deadlines.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        let presence = now.duration_since(self.looked) >= PRESENCE_EVERY;
        if presence {
            self.looked = now;
        }
        for device in 0..self.devices.len() {
            while let Some(event) = self.next_event(device) {
                self.take_event(device, event);
            }
            let open = self.devices[device].open.as_ref();
            if presence && open.is_some_and(|open| !open.context().is_present()) {
                self.lose(device, "it was removed");
            }
        }
        let mut late = Vec::new();
        let connections = &self.connections;
        self.greeting.retain(|peer| match connections[peer.index()].as_ref().map(|connection| connection.phase) {
            Some(Phase::Greeting(until)) if now >= until => {
                late.push(*peer);
                false
            }
            Some(Phase::Greeting(_)) => true,
            _ => false,
        });
        for peer in late {
            self.blame(peer, FailureCause::Silent);
        }
    }

    fn next_event(&self, device: usize) -> Option<AsyncEvent> {
        self.devices[device].open.as_ref()?.context().next_event()
    }

    fn take_event(&mut self, device: usize, event: AsyncEvent) {
        tracing::debug!(device = %self.devices[device].name, ?event, "an RDMA device reports");
        match event {
            AsyncEvent::DeviceFatal => self.lose(device, "it has failed or is being removed"),
            AsyncEvent::PortDown(port) => self.set_port(device, port, true),
            AsyncEvent::PortUp(port) => self.set_port(device, port, false),
            AsyncEvent::QueuePair { address, status } => {
                let concerned = |lane: &super::lane::Lane| lane.pair.address() == address;
                for peer in self.peers(concerned) {
                    self.blame(peer, FailureCause::Rdma { status });
                }
            }
        }
    }

    fn set_port(&mut self, device: usize, port: u8, down: bool) {
        let Some(at) = self.ports.iter().position(|of| of.device == device && of.chosen.port == port) else { return };
        self.ports[at].down = down;
        if down {
            for peer in self.peers(|lane| lane.rail.index == at) {
                self.blame(peer, FailureCause::Rdma { status: FATAL });
            }
        }
    }

    /// Gives a device up: its connections are broken, it serves no new ones.
    pub(super) fn lose(&mut self, device: usize, why: &str) {
        if self.devices[device].lost.is_some() {
            return;
        }
        let text = format!("{}: {why}", self.devices[device].name);
        tracing::warn!(device = %self.devices[device].name, %why, "an RDMA device is lost");
        self.devices[device].lost = Some(text);
        let ports: Vec<bool> = self.ports.iter().map(|port| port.device == device).collect();
        for peer in self.peers(|lane| ports[lane.rail.index]) {
            self.blame(peer, FailureCause::Rdma { status: FATAL });
        }
    }

    /// Lets go of lost devices once all that was to be told of them is told: a removal may wait for it.
    pub(super) fn let_go(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].lost.is_none() || self.devices[device].open.is_none() {
                continue;
            }
            for slot in &mut self.connections {
                let Some(connection) = slot else { continue };
                if !connection.lanes.iter().any(|lane| self.ports[lane.rail.index].device == device) {
                    continue;
                }
                match connection.phase {
                    // Nobody has heard of it.
                    Phase::Offered => *slot = None,
                    _ => connection.lanes.clear(),
                }
            }
            self.devices[device].open = None;
        }
    }

    fn peers(&self, concerned: impl Fn(&super::lane::Lane) -> bool) -> Vec<Rank> {
        let open = self.connections.iter().flatten();
        open.filter(|connection| connection.lanes.iter().any(&concerned))
            .filter_map(|connection| connection.peer())
            .collect()
    }

    /// Notes why the connection to this peer has failed; told at the next settlement.
    pub(super) fn blame(&mut self, peer: Rank, cause: FailureCause) {
        let Some(connection) = self.connections[peer.index()].as_mut() else { return };
        if connection.phase == Phase::Offered {
            return;
        }
        connection.blame(cause);
        if connection.is_faulty() && !self.faulty.contains(&peer) {
            self.faulty.push(peer);
        }
    }
}
