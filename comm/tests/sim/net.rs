//! What lies between the ranks: for each rung and pair two ends, what is on its way between them, and faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rankzero_comm::port::Lane;
use rankzero_comm::{Courier, Rank, Rung, Segment};

use super::Choices;

/// Calls of progress after which a fault is noticed by whoever notices it by itself.
const NOTICE_MAX: u64 = 40;

/// A write on its way: where it goes, and the words.
#[derive(Debug)]
pub struct Parcel {
    /// Generations of the sender's and the receiver's end.
    pub ends: (u32, u32),
    pub segment: usize,
    pub pieces: Vec<(usize, Vec<u32>)>,
    pub notification: u32,
}

/// A packet or message on its way: generations of the sender's and the receiver's end, words.
pub type Packet = ((u32, u32), Vec<u32>);

/// One end of a connection of one rung.
#[derive(Debug, Default)]
pub struct End {
    /// Counts the offers of this end; the connection is closed where `offered` is false.
    pub generation: u32,
    pub offered: bool,
    /// The generation of the peer's end, once connected.
    pub theirs: Option<u32>,
    /// `Up` was not reported yet.
    pub coming_up: bool,
    /// The connection has failed, and so many calls of progress later this end notices by itself.
    pub failed: Option<u64>,
    /// `Broken` was reported.
    pub over: bool,
    /// Writes of this end that have not reached the peer.
    pub wire: VecDeque<Parcel>,
    /// Writes of the peer that are in place here and not reported.
    pub arrived: VecDeque<u32>,
    /// Writes of this end that are in place there and not reported here.
    pub delivered: u64,
    /// Packets and messages to this end, by lane.
    pub packets: [VecDeque<Packet>; 2],
}

impl End {
    /// Ends what there was.
    pub fn close(&mut self) {
        *self = End { generation: self.generation, packets: std::mem::take(&mut self.packets), ..End::default() };
    }

    /// Whether both ends belong to each other.
    pub fn joined(&self, peer: &End) -> bool {
        self.offered && self.theirs == Some(peer.generation) && peer.theirs == Some(self.generation) && peer.offered
    }

    pub fn serves(&self) -> bool {
        self.theirs.is_some() && self.failed.is_none() && !self.over
    }
}

#[derive(Debug)]
pub struct Net {
    pub choices: Choices,
    pub size: usize,
    /// By rung, owner, peer.
    ends: Vec<End>,
    /// By rung and pair: whether new connections fail.
    down: Vec<bool>,
    pub dead: Vec<bool>,
    /// Whether things stay on their way for long.
    pub slow: bool,
    pub segments: Vec<Vec<Arc<Segment>>>,
    /// Whether words on their way are changed now.
    pub mutating: bool,
    /// How many were.
    pub mutations: u64,
    /// Mail between ranks that have no rung yet, by sender and receiver: never lost, never out of order.
    mail: Vec<VecDeque<Vec<u32>>>,
    /// Counts what moved, to tell when nothing does.
    pub moves: u64,
}

/// Shared by everything of one simulation; only one thread uses it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Net>>);

impl Shared {
    pub fn new(size: u32, choices: Choices) -> Shared {
        let size = size as usize;
        let count = Rung::ALL.len() * size * size;
        Shared(Arc::new(Mutex::new(Net {
            choices,
            size,
            ends: (0..count).map(|_| End::default()).collect(),
            down: vec![false; count],
            dead: vec![false; size],
            slow: false,
            segments: vec![Vec::new(); size],
            mutating: false,
            mutations: 0,
            mail: vec![VecDeque::new(); size * size],
            moves: 0,
        })))
    }

    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What carries mail of one rank.
#[derive(Debug)]
pub struct Post {
    pub me: Rank,
    pub net: Shared,
}

impl Courier for Post {
    fn send(&self, to: Rank, words: &[u32]) {
        self.net.net().post(self.me, to, words);
    }

    fn take(&self) -> Option<(Rank, Vec<u32>)> {
        self.net.net().collect(self.me)
    }
}

impl Net {
    fn at(&self, rung: Rung, owner: Rank, peer: Rank) -> usize {
        (rung as usize * self.size + owner.index()) * self.size + peer.index()
    }

    pub fn end(&mut self, rung: Rung, owner: Rank, peer: Rank) -> &mut End {
        let at = self.at(rung, owner, peer);
        &mut self.ends[at]
    }

    /// Both ends: the owner's and the peer's.
    pub fn ends(&mut self, rung: Rung, owner: Rank, peer: Rank) -> (&mut End, &mut End) {
        let (a, b) = (self.at(rung, owner, peer), self.at(rung, peer, owner));
        let [a, b] = self.ends.get_disjoint_mut([a, b]).expect("two ranks");
        (a, b)
    }

    pub fn is_down(&self, rung: Rung, a: Rank, b: Rank) -> bool {
        self.down[self.at(rung, a.min(b), a.max(b))]
    }

    /// Lets new connections of a pair fail, or no longer.
    pub fn set_down(&mut self, rung: Rung, a: Rank, b: Rank, down: bool) {
        let at = self.at(rung, a.min(b), a.max(b));
        self.down[at] = down;
    }

    /// Some of `most`, mostly all, or mostly nothing where the network is slow.
    pub fn some(&mut self, most: usize) -> usize {
        match self.choices.below(if self.slow { 12 } else { 4 }) {
            0 | 1 => most,
            2 => most.min(1),
            4.. => 0,
            _ => self.choices.below(most as u64 + 1) as usize,
        }
    }

    /// When a fault is noticed: soon, later, or hardly ever.
    fn notice(&mut self) -> u64 {
        match self.choices.below(4) {
            0 | 1 => self.choices.below(4),
            2 => self.choices.below(NOTICE_MAX),
            _ => 2000,
        }
    }

    /// The connection fails at the owner's end. What has arrived there stays; what is under way to it is lost from some point on.
    pub fn fail(&mut self, rung: Rung, owner: Rank, peer: Rank) {
        let notice = self.notice();
        let keep = [0, 1].map(|_| self.choices.below(4) as usize);
        let end = self.end(rung, owner, peer);
        if end.failed.is_none() {
            end.failed = Some(notice);
        }
        // The word that some are in place there is lost with the connection.
        end.delivered = 0;
        end.packets[Lane::Message as usize].truncate(keep[1]);
        if rung != Rung::Mpi {
            end.packets[Lane::Data as usize].truncate(keep[0]);
        }
        end.wire.truncate(keep[0]);
    }

    /// Messages on their way between two ranks are lost.
    pub fn lose_messages(&mut self, rung: Rung, a: Rank, b: Rank) {
        let (a, b) = self.ends(rung, a, b);
        a.packets[Lane::Message as usize].clear();
        b.packets[Lane::Message as usize].clear();
    }

    /// All ends of a rank that has ended fail at its peers, where something tells of it.
    pub fn kill(&mut self, rank: Rank) {
        self.dead[rank.index()] = true;
        for peer in Rank::all(self.size as u32).filter(|&peer| peer != rank) {
            self.mail[peer.index() * self.size + rank.index()].clear();
            for rung in Rung::ALL {
                let end = self.end(rung, peer, rank);
                if end.offered && end.failed.is_none() {
                    end.failed = Some(3);
                }
                end.wire.clear();
                self.end(rung, rank, peer).close();
            }
        }
    }

    /// Mail on its way.
    pub fn post(&mut self, from: Rank, to: Rank, words: &[u32]) {
        if !self.dead[to.index()] {
            self.mail[from.index() * self.size + to.index()].push_back(words.to_vec());
        }
    }

    /// Some mail that has come.
    pub fn collect(&mut self, to: Rank) -> Option<(Rank, Vec<u32>)> {
        let from = Rank::all(self.size as u32).find(|&from| {
            let waits = !self.mail[from.index() * self.size + to.index()].is_empty();
            waits && self.choices.below(if self.slow { 8 } else { 2 }) == 0
        })?;
        self.moves += 1;
        Some((from, self.mail[from.index() * self.size + to.index()].pop_front()?))
    }

    /// Moves writes of `from` towards `to`.
    pub fn carry(&mut self, rung: Rung, from: Rank, to: Rank) {
        let most = self.end(rung, from, to).wire.len();
        if most == 0 {
            return;
        }
        let count = self.some(most);
        let segments = self.segments[to.index()].clone();
        let mut moved = 0;
        let (sender, receiver) = self.ends(rung, from, to);
        // An end that has failed sends what it had begun, which reaches the peer or does not.
        if !sender.joined(receiver) || receiver.failed.is_some() {
            let waiting = receiver.offered && receiver.theirs.is_none() && receiver.failed.is_none();
            if !(waiting && sender.theirs == Some(receiver.generation)) {
                sender.wire.clear();
                sender.failed.get_or_insert(5);
            }
            return;
        }
        for parcel in sender.wire.drain(..count) {
            if parcel.ends != (sender.generation, receiver.generation) {
                continue;
            }
            for (to, words) in &parcel.pieces {
                segments[parcel.segment].store(*to, words);
            }
            receiver.arrived.push_back(parcel.notification);
            sender.delivered += u64::from(sender.failed.is_none());
            moved += 1;
        }
        self.moves += moved;
    }

    /// Changes one word of a packet, or its length, if that is what happens now.
    pub fn mutate(&mut self, words: &mut Vec<u32>) {
        if !self.mutating || !self.choices.one_in(8) {
            return;
        }
        self.mutations += 1;
        let at = self.choices.below(words.len() as u64 + 1) as usize;
        let value = match self.choices.below(4) {
            0 => self.choices.below(256) as u32,
            1 => u32::MAX - self.choices.below(4) as u32,
            2 => (self.choices.below(1 << 16) << 16 | self.choices.below(1 << 16)) as u32,
            _ => words.get(at).map_or(7, |word| word ^ 1),
        };
        match words.get_mut(at) {
            Some(word) => *word = value,
            None => words.truncate(value as usize % (at + 1)),
        }
    }
}
