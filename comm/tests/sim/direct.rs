//! A rung that writes into the peer's memory by itself, like RDMA and shared memory.

use std::sync::Arc;

use rankzero_comm::{
    CommError, FailureCause, Happening, Posted, Rank, Rung, RungTraffic, Segment, SegmentId, Transport, Unavailable,
    Write,
};

use super::net::{Parcel, Shared};

/// Writes that the queue of one end holds.
const QUEUE: usize = 6;

#[derive(Debug)]
pub struct Direct {
    rung: Rung,
    me: Rank,
    size: u32,
    net: Shared,
    segments: Vec<Arc<Segment>>,
}

impl Direct {
    pub fn new(rung: Rung, me: Rank, size: u32, net: Shared) -> Direct {
        Direct { rung, me, size, net, segments: Vec::new() }
    }

    /// Shared memory: what is posted is in place at once.
    fn at_once(&self) -> bool {
        self.rung == Rung::Shm
    }
}

impl Transport for Direct {
    fn rung(&self) -> Rung {
        self.rung
    }

    fn register(&mut self, _: SegmentId, segment: &Arc<Segment>) -> Result<(), CommError> {
        self.segments.push(Arc::clone(segment));
        // Every direct rung registers the same segments; peers look at the list of the one that is the furthest.
        let mut net = self.net.net();
        let known = &mut net.segments[self.me.index()];
        if known.len() < self.segments.len() {
            known.push(Arc::clone(segment));
        }
        Ok(())
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        let mut net = self.net.net();
        if net.is_down(self.rung, self.me, peer) && net.choices.below(2) == 0 {
            return Err(Unavailable::new("a test has broken it"));
        }
        let end = net.end(self.rung, self.me, peer);
        end.close();
        end.generation += 1;
        end.offered = true;
        Ok(end.generation.to_le_bytes().to_vec())
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<(), Unavailable> {
        let theirs = <[u8; 4]>::try_from(theirs).map_err(|_| Unavailable::new("no offer"))?;
        let mut net = self.net.net();
        let down = net.is_down(self.rung, self.me, peer);
        if down && net.choices.below(2) == 0 {
            return Err(Unavailable::new("a test has broken it"));
        }
        let end = net.end(self.rung, self.me, peer);
        if !end.offered || end.theirs.is_some() {
            return Err(Unavailable::new("no offer was made before"));
        }
        end.theirs = Some(u32::from_le_bytes(theirs));
        end.coming_up = true;
        if down {
            end.failed = Some(3);
        }
        Ok(())
    }

    fn post(&mut self, peer: Rank, write: &Write<'_>) -> Result<Posted, CommError> {
        let mut net = self.net.net();
        let end = net.end(self.rung, self.me, peer);
        if end.theirs.is_none() {
            return Err(CommError::NotConnected { peer, rung: self.rung });
        }
        if end.over || end.wire.len() >= QUEUE {
            return Ok(Posted::Full);
        }
        if end.failed.is_some() {
            // Shared memory notices at once; a network card takes it and loses it.
            return Ok(if self.at_once() { Posted::Full } else { Posted::Queued });
        }
        let source = &self.segments[write.source.index()];
        let pieces = write.puts.iter().map(|put| {
            let mut words = vec![0; put.len];
            source.load(put.from, &mut words);
            (put.to, words)
        });
        let parcel = Parcel {
            ends: (end.generation, end.theirs.unwrap_or(0)),
            segment: write.target.index(),
            pieces: pieces.collect(),
            notification: write.notification,
        };
        if !self.at_once() {
            end.wire.push_back(parcel);
            return Ok(Posted::Queued);
        }
        let segments = net.segments[peer.index()].clone();
        let (mine, theirs) = net.ends(self.rung, self.me, peer);
        if !theirs.offered || mine.theirs != Some(theirs.generation) || theirs.over || theirs.arrived.len() >= QUEUE {
            if !theirs.offered || mine.theirs != Some(theirs.generation) || theirs.over {
                mine.failed.get_or_insert(1);
            }
            return Ok(Posted::Full);
        }
        for (to, words) in &parcel.pieces {
            segments[parcel.segment].store(*to, words);
        }
        theirs.arrived.push_back(parcel.notification);
        net.moves += 1;
        Ok(Posted::Delivered)
    }

    fn progress(&mut self, into: &mut Vec<Happening>) -> Result<(), CommError> {
        let mut net = self.net.net();
        for peer in Rank::all(self.size).filter(|&peer| peer != self.me) {
            net.carry(self.rung, self.me, peer);
            net.carry(self.rung, peer, self.me);
            let end = net.end(self.rung, self.me, peer);
            if end.theirs.is_none() || end.over {
                continue;
            }
            if std::mem::take(&mut end.coming_up) {
                into.push(Happening::Up { peer });
            }
            let (arrived, delivered) = (end.arrived.len(), end.delivered as usize);
            let (arrived, delivered) = (net.some(arrived), net.some(delivered) as u64);
            let dead = net.dead[peer.index()];
            let end = net.end(self.rung, self.me, peer);
            into.extend(
                end.arrived.drain(..arrived).map(|notification| Happening::Arrived { from: peer, notification }),
            );
            if delivered > 0 {
                end.delivered -= delivered;
                into.push(Happening::Delivered { peer, count: delivered });
            }
            match &mut end.failed {
                Some(0) => {
                    end.over = true;
                    let rest = end.arrived.drain(..);
                    into.extend(rest.map(|notification| Happening::Arrived { from: peer, notification }));
                    let cause = match self.rung {
                        Rung::Shm if dead => FailureCause::Exited,
                        _ => FailureCause::Rdma { status: 12 },
                    };
                    into.push(Happening::Broken { peer, cause });
                }
                Some(later) => *later -= 1,
                None => {}
            }
            net.moves += (arrived as u64) + delivered;
        }
        Ok(())
    }

    fn close(&mut self, peer: Rank, into: &mut Vec<Happening>) {
        let mut net = self.net.net();
        let end = net.end(self.rung, self.me, peer);
        if end.theirs.is_some() && !end.over {
            into.extend(end.arrived.drain(..).map(|notification| Happening::Arrived { from: peer, notification }));
            if end.delivered > 0 {
                into.push(Happening::Delivered { peer, count: end.delivered });
            }
        }
        end.close();
        // The peer's card notices that nobody answers, sooner or later.
        let generation = end.generation;
        let other = net.end(self.rung, peer, self.me);
        if other.theirs == Some(generation) && other.failed.is_none() {
            let notice = if net.choices.below(2) == 0 { 10 } else { 1000 };
            net.end(self.rung, peer, self.me).failed = Some(notice);
        }
    }

    fn describe(&self, _: Rank) -> String {
        format!("simulated {}", self.rung)
    }

    fn traffic(&self) -> RungTraffic {
        RungTraffic::new(self.rung)
    }
}
