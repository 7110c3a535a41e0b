//! The memory of a rank and the writes to and from it, as `launcher/src/engine/link.rs` and the fabric have them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rankzero_comm::Rank;

use super::words::{Data, Kind, RunMessage, Word};
use crate::{Output, Random};

/// What goes to one peer, each piece once and in order, whatever becomes of connections.
#[derive(Clone, Debug)]
struct Lane<T> {
    sent: u64,
    log: VecDeque<(u64, T)>,
    expected: u64,
}

impl<T: Clone> Lane<T> {
    fn new() -> Lane<T> {
        Lane { sent: 0, log: VecDeque::new(), expected: 0 }
    }

    fn send(&mut self, piece: T) -> (u64, T) {
        self.log.push_back((self.sent, piece.clone()));
        self.sent += 1;
        (self.sent - 1, piece)
    }

    /// The peer has had all below `count`. What that completes.
    fn acknowledged(&mut self, count: u64) -> Vec<T> {
        let mut done = Vec::new();
        while self.log.front().is_some_and(|(number, _)| *number < count) {
            done.extend(self.log.pop_front().map(|(_, piece)| piece));
        }
        done
    }

    /// Whether the piece with this number is the next one.
    fn takes(&mut self, number: u64) -> bool {
        let next = number == self.expected;
        self.expected += u64::from(next);
        next
    }
}

/// A piece that has not left.
#[derive(Clone, Debug)]
struct Piece {
    ranges: Vec<(usize, usize)>,
    note: Option<(Kind, u64)>,
    put: u64,
    slow: bool,
}

#[derive(Clone, Debug)]
struct Peer {
    queue: VecDeque<Piece>,
    data: Lane<Data>,
    mail: Lane<Word>,
    /// By kind, the sequence number after the last one that came.
    next: [u64; Kind::COUNT],
    marker: Option<u64>,
}

/// Memory and writes.
#[derive(Clone, Debug)]
pub struct Link {
    me: Rank,
    /// All words that others may write.
    pub memory: Vec<u64>,
    peers: Vec<Peer>,
    /// The other members of the view, ascending.
    pub others: Vec<Rank>,
    view: u64,
    /// Puts that are not complete: kind, parity, peer, number.
    unsettled: Vec<(Kind, u64, Rank, u64)>,
    puts: u64,
    fenced: BTreeSet<Rank>,
    next_piece: Duration,
    piece_us: u64,
    /// What comes before markers counts: a mistake on purpose.
    pub heedless: bool,
}

impl Link {
    /// Of `me` among `capacity` ranks, `members` of which take part.
    pub fn new(me: Rank, capacity: u32, members: &[Rank], words: usize, piece_us: u64) -> Link {
        let peer = Peer {
            queue: VecDeque::new(),
            data: Lane::new(),
            mail: Lane::new(),
            next: [0; Kind::COUNT],
            marker: Some(0),
        };
        Link {
            me,
            memory: vec![0; words],
            peers: vec![peer; capacity as usize],
            others: members.iter().copied().filter(|rank| *rank != me).collect(),
            view: 0,
            unsettled: Vec::new(),
            puts: 0,
            fenced: BTreeSet::new(),
            next_piece: Duration::ZERO,
            piece_us,
            heedless: false,
        }
    }

    /// Whether `peer` has announced `sequence` of `kind`.
    pub fn has(&self, peer: Rank, kind: Kind, sequence: u64) -> bool {
        self.peers[peer.index()].next[kind as usize] > sequence
    }

    /// The first of all others that has not.
    pub fn missing(&self, kind: Kind, sequence: u64) -> Option<Rank> {
        self.others.iter().copied().find(|peer| !self.has(*peer, kind, sequence))
    }

    /// Whom a write of this kind and parity still goes to.
    pub fn unsettled(&self, kind: Kind, sequence: u64) -> Option<Rank> {
        let of = self.unsettled.iter().find(|(of, parity, ..)| (*of, *parity) == (kind, sequence & 1));
        of.map(|(_, _, peer, _)| *peer)
    }

    /// Writes ranges to the same places at `peer` and announces them.
    pub fn put(&mut self, peer: Rank, ranges: Vec<(usize, usize)>, kind: Kind, sequence: u64) {
        self.puts += 1;
        let put = self.puts;
        self.unsettled.push((kind, sequence & 1, peer, put));
        let queue = &mut self.peers[peer.index()].queue;
        let note = Some((kind, sequence));
        if kind == Kind::Epoch {
            let pieces = ranges.into_iter().map(|range| Piece { ranges: vec![range], note: None, put, slow: true });
            queue.extend(pieces);
            queue.push_back(Piece { ranges: Vec::new(), note, put, slow: false });
        } else {
            queue.push_back(Piece { ranges, note, put, slow: false });
        }
    }

    /// Mail.
    pub fn post(&mut self, to: Rank, word: Word, out: &mut Vec<Output<RunMessage>>) {
        let (number, word) = self.peers[to.index()].mail.send(word);
        out.push(Output::Send { to, message: RunMessage::Mail(number, word) });
    }

    /// Whether all mail to `peer` has come.
    pub fn is_delivered(&self, peer: Rank) -> bool {
        self.peers[peer.index()].mail.log.is_empty()
    }

    /// Lets what is due leave.
    pub fn flush(&mut self, now: Duration, random: &mut Random, out: &mut Vec<Output<RunMessage>>) {
        while now >= self.next_piece {
            match self.flush_one(random, out) {
                Some(true) => self.next_piece = now + random.micros(0..self.piece_us),
                Some(false) => {}
                None => return,
            }
        }
    }

    /// Lets one piece leave, to whomever, if there is one. Whether it takes its time.
    pub fn flush_one(&mut self, random: &mut Random, out: &mut Vec<Output<RunMessage>>) -> Option<bool> {
        let waiting: Vec<usize> = (0..self.peers.len()).filter(|&peer| !self.peers[peer].queue.is_empty()).collect();
        let index = *waiting.get(random.below(waiting.len() as u64) as usize)?;
        let piece = self.peers[index].queue.pop_front()?;
        let memory = &self.memory;
        let writes = piece.ranges.iter().map(|&(at, len)| (at, memory[at..at + len].to_vec())).collect();
        let data = Data { writes, note: piece.note, put: piece.put };
        let (number, data) = self.peers[index].data.send(data);
        out.push(Output::Send { to: Rank(index as u32), message: RunMessage::Data(number, data) });
        Some(piece.slow)
    }

    /// When the next piece leaves.
    pub fn deadline(&self) -> Duration {
        if self.peers.iter().any(|peer| !peer.queue.is_empty()) { self.next_piece } else { Duration::MAX }
    }

    /// A piece has come. Returns what it writes, if it is not dropped; it must be stored then.
    pub fn arrived(
        &mut self,
        from: Rank,
        number: u64,
        data: Data,
        out: &mut Vec<Output<RunMessage>>,
    ) -> Vec<(usize, Vec<u64>)> {
        if self.fenced.contains(&from) {
            return Vec::new();
        }
        let peer = &mut self.peers[from.index()];
        let takes = peer.data.takes(number);
        if data.note.is_some() || !takes {
            out.push(Output::Send { to: from, message: RunMessage::DataAck(peer.data.expected) });
        }
        if !takes {
            return Vec::new();
        }
        if let Some((kind, sequence)) = data.note {
            if kind == Kind::View {
                peer.marker = Some(sequence);
            } else if peer.marker == Some(self.view) || self.heedless {
                peer.next[kind as usize] = sequence + 1;
            }
        }
        data.writes
    }

    /// The peer has had so many pieces.
    pub fn acknowledged(&mut self, from: Rank, count: u64) {
        for data in self.peers[from.index()].data.acknowledged(count) {
            if data.note.is_some() {
                self.unsettled.retain(|(.., put)| *put != data.put);
            }
        }
    }

    /// Mail has come; whether it is new.
    pub fn takes_mail(&mut self, from: Rank, number: u64, out: &mut Vec<Output<RunMessage>>) -> bool {
        let mail = &mut self.peers[from.index()].mail;
        let takes = mail.takes(number);
        out.push(Output::Send { to: from, message: RunMessage::MailAck(mail.expected) });
        takes
    }

    /// The peer has had so much mail.
    pub fn mail_acknowledged(&mut self, from: Rank, count: u64) {
        self.peers[from.index()].mail.acknowledged(count);
    }

    /// There is a new connection.
    pub fn connected(&mut self, peer: Rank, out: &mut Vec<Output<RunMessage>>) {
        let lanes = &self.peers[peer.index()];
        let message = RunMessage::Resume { data: lanes.data.expected, mail: lanes.mail.expected };
        out.push(Output::Send { to: peer, message });
    }

    /// The peer tells what it has had by older connections: the rest is sent again.
    pub fn resume(&mut self, from: Rank, data: u64, mail: u64, out: &mut Vec<Output<RunMessage>>) {
        self.acknowledged(from, data);
        self.mail_acknowledged(from, mail);
        let lanes = &self.peers[from.index()];
        let data = lanes.data.log.iter().map(|(number, data)| RunMessage::Data(*number, data.clone()));
        let mail = lanes.mail.log.iter().map(|(number, word)| RunMessage::Mail(*number, word.clone()));
        out.extend(data.chain(mail).map(|message| Output::Send { to: from, message }));
    }

    /// Ends all ways by which `left` could write here.
    pub fn exclude(&mut self, left: &[Rank]) {
        self.fenced.extend(left);
        left.iter().for_each(|rank| self.peers[rank.index()].queue.clear());
    }

    /// Begins to enter a view: markers go out.
    pub fn enter(&mut self, view: u64, others: Vec<Rank>) {
        self.others = others;
        self.view = view;
        if !self.heedless {
            self.peers.iter_mut().for_each(|peer| peer.next = [0; Kind::COUNT]);
        }
        let others = self.others.clone();
        self.unsettled.retain(|(_, _, peer, _)| others.contains(peer));
        others.into_iter().for_each(|peer| self.put(peer, Vec::new(), Kind::View, view));
    }

    /// Whom this rank waits for before it has entered.
    pub fn entering(&self) -> Option<Rank> {
        let late = self.others.iter().copied().find(|peer| self.peers[peer.index()].marker != Some(self.view));
        late.filter(|_| !self.heedless).or_else(|| self.unsettled.first().map(|(_, _, peer, _)| *peer))
    }

    /// Whether somebody may write here.
    pub fn lets_in(&self, from: Rank) -> bool {
        from != self.me && self.others.contains(&from)
    }
}
