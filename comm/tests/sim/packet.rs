//! Rungs that move packets and messages: one that needs no connection, like MPI, and one of connections, like TCP.

use rankzero_comm::port::{Incoming, Lane, Port};
use rankzero_comm::{CommError, FailureCause, Rank, Rung, Unavailable};

use super::net::Shared;

/// A port under the name of rung number `R`.
#[derive(Debug)]
pub struct SimPort<const R: usize> {
    pub me: Rank,
    pub size: u32,
    pub net: Shared,
}

impl<const R: usize> SimPort<R> {
    /// Whether it is made of connections, which tell of the end of a peer.
    const STREAM: bool = R == Rung::Tcp as usize;

    fn peers(&self) -> impl Iterator<Item = Rank> + use<R> {
        let me = self.me;
        Rank::all(self.size).filter(move |&peer| peer != me)
    }
}

impl<const R: usize> Port for SimPort<R> {
    const RUNG: Rung = Rung::ALL[R];

    fn rank(&self) -> Rank {
        self.me
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn buffer(&mut self) -> Vec<u32> {
        vec![0x5a5a_5a5a; 3]
    }

    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        let mut net = self.net.net();
        let (mine, theirs) = net.ends(Self::RUNG, self.me, to);
        if Self::STREAM && (!mine.serves() || theirs.failed.is_some()) {
            // Behind what was lost nothing of a connection arrives.
            mine.failed.get_or_insert(20);
            return Ok(());
        }
        let ends = (mine.generation, mine.theirs.unwrap_or(0));
        theirs.packets[lane as usize].push_back((ends, packet));
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        for peer in self.peers() {
            let mut came: Vec<(Lane, Vec<u32>)> = Vec::new();
            let mut net = self.net.net();
            let end = net.end(Self::RUNG, self.me, peer);
            let coming_up = end.theirs.is_some() && std::mem::take(&mut end.coming_up);
            for lane in [Lane::Message, Lane::Data] {
                let end = net.end(Self::RUNG, self.me, peer);
                let awaited = !Self::STREAM || end.theirs.is_some() || !end.offered;
                let all = end.packets[lane as usize].len();
                let count = if awaited && all > 0 { net.some(all) } else { 0 };
                net.moves += count as u64;
                let end = net.end(Self::RUNG, self.me, peer);
                let expected = (end.theirs.unwrap_or(0), end.generation);
                let open = end.theirs.is_some() && !end.over;
                let packets: Vec<_> = end.packets[lane as usize].drain(..count).collect();
                for (ends, mut words) in packets {
                    if !Self::STREAM || (open && ends == expected) {
                        net.mutate(&mut words);
                        came.push((lane, words));
                    }
                }
            }
            let dead = net.dead[peer.index()];
            let end = net.end(Self::RUNG, self.me, peer);
            let down = match &mut end.failed {
                Some(0) if !end.over && (Self::STREAM || !dead) => {
                    end.over = true;
                    true
                }
                Some(later) => {
                    *later = later.saturating_sub(1);
                    false
                }
                None => false,
            };
            drop(net);
            if coming_up {
                sink(Incoming::Up { peer });
            }
            for (lane, words) in &came {
                sink(Incoming::Packet { from: peer, lane: *lane, words });
            }
            if down {
                let lost = FailureCause::Io { errno: 104 };
                sink(Incoming::Down { peer, cause: if dead { FailureCause::Refused } else { lost } });
            }
        }
        Ok(())
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        let mut net = self.net.net();
        if net.is_down(Self::RUNG, self.me, peer) {
            return Err(Unavailable::new("a test has broken it"));
        }
        let end = net.end(Self::RUNG, self.me, peer);
        end.close();
        end.generation += 1;
        end.offered = true;
        Ok(end.generation.to_le_bytes().to_vec())
    }

    fn connect(&mut self, peer: Rank, theirs: &[u8]) -> Result<bool, Unavailable> {
        let theirs = <[u8; 4]>::try_from(theirs).map_err(|_| Unavailable::new("no offer"))?;
        let mut net = self.net.net();
        let (down, at_once) = (net.is_down(Self::RUNG, self.me, peer), net.choices.below(2) == 0);
        let end = net.end(Self::RUNG, self.me, peer);
        if !end.offered {
            return Err(Unavailable::new("no offer was made before"));
        }
        end.theirs = Some(u32::from_le_bytes(theirs));
        end.coming_up = !at_once;
        if down {
            end.failed = Some(2);
        }
        Ok(at_once)
    }

    fn close(&mut self, peer: Rank) {
        let mut net = self.net.net();
        let end = net.end(Self::RUNG, self.me, peer);
        end.close();
        let generation = end.generation;
        let other = net.end(Self::RUNG, peer, self.me);
        if Self::STREAM && other.theirs == Some(generation) && other.failed.is_none() {
            // What was sent before arrives, then the end of the connection.
            other.failed = Some(10);
        }
    }

    fn describe(&self, _: Rank) -> String {
        format!("simulated {}", Self::RUNG)
    }

    fn carries_messages(&self, peer: Rank) -> bool {
        let mut net = self.net.net();
        if Self::STREAM {
            return net.end(Self::RUNG, self.me, peer).serves();
        }
        !net.is_down(Self::RUNG, self.me, peer)
    }
}
