//! The bytes of a message: fixed layout, little-endian, checked to the last byte.
//!
//! Reading never takes more memory than the bytes that came, whatever they claim.

use std::collections::BTreeSet;

use super::message::{RANKS_MAX, VIEWS_MAX};
use super::{Doing, Message, Term, View};
use crate::Rank;

/// What was wrong with the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    /// Fewer bytes than the layout needs.
    #[error("the message ends too early, after {0} bytes")]
    Short(usize),
    /// More bytes than the layout needs.
    #[error("{0} bytes follow the message")]
    Long(usize),
    /// A kind of message, or of what a thread does, that this version does not know.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// A list that is longer than any can be.
    #[error("a list of {0} entries")]
    List(usize),
    /// Ranks that do not ascend, or a view without members.
    #[error("ranks in no order")]
    Order,
}

const COMPUTING: u8 = 0;
const WAITING: u8 = 1;

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn term(&mut self, term: Term) {
        self.u32(term.round);
        self.u32(term.candidate.0);
    }

    fn ranks<'a>(&mut self, ranks: impl ExactSizeIterator<Item = &'a Rank>) {
        self.u32(ranks.len() as u32);
        ranks.for_each(|rank| self.u32(rank.0));
    }

    fn view(&mut self, view: &View) {
        self.term(view.term);
        self.ranks(view.members.iter());
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], MalformedMessage> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(MalformedMessage::Short(self.whole))?;
        self.rest = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, MalformedMessage> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, MalformedMessage> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn term(&mut self) -> Result<Term, MalformedMessage> {
        Ok(Term { round: self.u32()?, candidate: Rank(self.u32()?) })
    }

    /// The length of a list whose entries take at least `bytes` each.
    fn length(&mut self, most: usize, bytes: usize) -> Result<usize, MalformedMessage> {
        let length = self.u32()? as usize;
        if length > most {
            return Err(MalformedMessage::List(length));
        }
        if length * bytes > self.rest.len() {
            return Err(MalformedMessage::Short(self.whole));
        }
        Ok(length)
    }

    fn ranks(&mut self) -> Result<Vec<Rank>, MalformedMessage> {
        let length = self.length(RANKS_MAX, 4)?;
        (0..length).map(|_| self.u32().map(Rank)).collect()
    }

    fn set(&mut self) -> Result<BTreeSet<Rank>, MalformedMessage> {
        let ranks = self.ranks()?;
        if !ranks.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(MalformedMessage::Order);
        }
        Ok(ranks.into_iter().collect())
    }

    fn view(&mut self) -> Result<View, MalformedMessage> {
        let view = View { term: self.term()?, members: self.ranks()? };
        if view.is_ordered() { Ok(view) } else { Err(MalformedMessage::Order) }
    }

    fn views(&mut self) -> Result<Vec<View>, MalformedMessage> {
        let length = self.length(VIEWS_MAX, 16)?;
        (0..length).map(|_| self.view()).collect()
    }

    fn doing(&mut self) -> Result<Doing, MalformedMessage> {
        match self.byte()? {
            COMPUTING => Ok(Doing::Computing),
            WAITING => Ok(Doing::Waiting { on: Rank(self.u32()?), for_ms: self.u32()? }),
            other => Err(MalformedMessage::Kind(other)),
        }
    }

    fn flag(&mut self) -> Result<bool, MalformedMessage> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(MalformedMessage::Kind(other)),
        }
    }

    fn message(&mut self) -> Result<Message, MalformedMessage> {
        Ok(match self.byte()? {
            0 => {
                let (term, steps) = (self.term()?, u64::from_le_bytes(self.bytes()?));
                Message::Heartbeat { term, steps, doing: self.doing()? }
            }
            1 => Message::Ask { base: self.term()?, promised: self.term()?, dead: self.set()? },
            2 => Message::Would { base: self.term()?, yes: self.flag()?, dead: self.set()? },
            3 => Message::Stand { term: self.term()?, base: self.term()?, dead: self.set()? },
            4 => Message::Vote {
                term: self.term()?,
                confirmed: self.view()?,
                accepted: self.views()?,
                dead: self.set()?,
                estranged: self.set()?,
            },
            5 => Message::Refuse { term: self.term()?, promised: self.term()? },
            6 => Message::Propose { view: self.view()?, dead: self.set()?, estranged: self.set()? },
            7 => Message::Accept { term: self.term()? },
            8 => Message::Confirm { view: self.view()? },
            9 => Message::Excluded { view: self.view()? },
            other => return Err(MalformedMessage::Kind(other)),
        })
    }
}

impl Message {
    /// The bytes of this message.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer(Vec::with_capacity(64));
        match self {
            Message::Heartbeat { term, steps, doing } => {
                to.0.push(0);
                to.term(*term);
                to.0.extend(steps.to_le_bytes());
                match doing {
                    Doing::Computing => to.0.push(COMPUTING),
                    Doing::Waiting { on, for_ms } => {
                        to.0.push(WAITING);
                        to.u32(on.0);
                        to.u32(*for_ms);
                    }
                }
            }
            Message::Ask { base: a, promised: b, dead } | Message::Stand { term: a, base: b, dead } => {
                to.0.push(if matches!(self, Message::Ask { .. }) { 1 } else { 3 });
                to.term(*a);
                to.term(*b);
                to.ranks(dead.iter());
            }
            Message::Would { base, yes, dead } => {
                to.0.push(2);
                to.term(*base);
                to.0.push(u8::from(*yes));
                to.ranks(dead.iter());
            }
            Message::Vote { term, confirmed, accepted, dead, estranged } => {
                to.0.push(4);
                to.term(*term);
                to.view(confirmed);
                to.u32(accepted.len() as u32);
                accepted.iter().for_each(|view| to.view(view));
                to.ranks(dead.iter());
                to.ranks(estranged.iter());
            }
            Message::Refuse { term, promised } => {
                to.0.push(5);
                to.term(*term);
                to.term(*promised);
            }
            Message::Propose { view, dead, estranged } => {
                to.0.push(6);
                to.view(view);
                to.ranks(dead.iter());
                to.ranks(estranged.iter());
            }
            Message::Accept { term } => {
                to.0.push(7);
                to.term(*term);
            }
            Message::Confirm { view } | Message::Excluded { view } => {
                to.0.push(if matches!(self, Message::Confirm { .. }) { 8 } else { 9 });
                to.view(view);
            }
        }
        to.0
    }

    /// The message of these bytes.
    ///
    /// # Errors
    /// [`MalformedMessage`], if [`Message::encode`] does not give such bytes.
    pub fn decode(bytes: &[u8]) -> Result<Message, MalformedMessage> {
        let mut from = Reader { rest: bytes, whole: bytes.len() };
        let message = from.message()?;
        if from.rest.is_empty() { Ok(message) } else { Err(MalformedMessage::Long(from.rest.len())) }
    }
}
