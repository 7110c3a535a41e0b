//! An established connection to a peer.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read};
use std::net::SocketAddr;
use std::time::Instant;

use socket2::Socket;

use super::diag::Diagnosis;
use super::frame::{Decoder, Flow, Kind};
use super::outbox::{Outbox, SLICES_MAX};
use super::poller::{Poller, Token};
use super::seal::{Opener, Seals};
use super::socket::{ends, errno};
use super::spares::Spares;
use super::watch::{SILENCE_MAX_BLIND, Watch};
use crate::error::Malformed;
use crate::port::Lane;

/// Words of the buffer that small packets are received through: 64 KiB.
pub const STAGING_WORDS: usize = 1 << 14;
/// Of that buffer, the bytes that may be filled behind a large packet: enough for the next header, little to copy.
const BEHIND_BYTES: usize = 4096;
/// Most bytes read in one turn, so that a fast sender cannot hold the caller.
const TURN_BYTES: usize = 1 << 20;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed it on purpose and lives.
    Goodbye,
    /// It is lost, with this error number.
    Lost(i32),
    /// The peer sent what is no frame.
    Malformed(Malformed),
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    token: Token,
    local: SocketAddr,
    remote: SocketAddr,
    decoder: Decoder,
    /// Stands before the decoder where the connection is sealed.
    opener: Option<Box<Opener>>,
    outbox: Outbox,
    watch: Watch,
    /// The system refused to send any more, with this error number.
    broken: Option<i32>,
    /// Readiness to write is reported.
    waits_to_write: bool,
    used: bool,
}

impl Link {
    /// Over a connected socket that is registered for reading, for packets of up to `words_max` words, sealed where there are `seals`.
    pub fn new(socket: Socket, token: Token, words_max: usize, seals: Option<Seals>) -> Option<Link> {
        let (local, remote) = ends(&socket)?;
        let (sealer, opener) = seals.map(|seals| (seals.sealer, Box::new(seals.opener))).unzip();
        Some(Link {
            socket,
            token,
            local,
            remote,
            decoder: Decoder::up_to(words_max),
            opener,
            outbox: Outbox::sealed_by(sealer),
            watch: Watch::default(),
            broken: None,
            waits_to_write: false,
            used: false,
        })
    }

    /// Its registration.
    pub fn token(&self) -> Token {
        self.token
    }

    /// For tests that break the rules.
    #[cfg(test)]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// This end and the other.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.remote)
    }

    /// Whether anything was ever sent or received.
    pub fn used(&self) -> bool {
        self.used
    }

    /// Words that wait to be sent.
    pub fn waiting_words(&self) -> u64 {
        self.outbox.words()
    }

    /// Whether something waits to be sent.
    pub fn unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether part of a packet has arrived.
    pub fn amid_packet(&self) -> bool {
        self.decoder.amid_frame() || self.opener.as_ref().is_some_and(|opener| opener.amid_record())
    }

    /// Whether sending has failed: [`Link::read`] tells what still arrived, and the end.
    pub fn broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Queues a packet and sends what the system takes.
    pub fn send(&mut self, lane: Lane, packet: Vec<u32>, poller: &Poller, spares: &mut Spares) {
        self.used = true;
        let idle = self.outbox.is_empty();
        self.outbox.push(Kind::Packet(lane), packet);
        if idle {
            self.flush(poller, spares);
        }
    }

    /// Sends what the system takes.
    pub fn flush(&mut self, poller: &Poller, spares: &mut Spares) {
        while !self.outbox.is_empty() && self.broken.is_none() {
            self.outbox.seal_ahead();
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.outbox.slices(&mut slices);
            // Without the flag a peer that is gone would end this process with SIGPIPE where that is not ignored.
            match self.socket.send_vectored_with_flags(&slices[..count], nix::libc::MSG_NOSIGNAL) {
                Ok(bytes) => self.outbox.advance(bytes, spares),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.broken = Some(errno(&error)),
            }
        }
        let waits = self.unsent() && self.broken.is_none();
        if waits != self.waits_to_write {
            match poller.change(&self.socket, self.token, waits) {
                Ok(()) => self.waits_to_write = waits,
                Err(error) => self.broken = Some(errno(&error)),
            }
        }
    }

    /// Reads one turn and hands over the packets that are whole. `Some`: the connection has ended, and everything that
    /// arrived was handed over.
    pub fn read(
        &mut self,
        staging: &mut [u32; STAGING_WORDS],
        spares: &mut Spares,
        sink: &mut dyn FnMut(Lane, &[u32]),
    ) -> Option<End> {
        let mut turn = 0;
        while turn < TURN_BYTES {
            // What is sealed is opened on its way to the packet's own place.
            let (offset, room) = match self.opener {
                None => (self.decoder.offset(), self.decoder.room()),
                Some(_) => (0, &mut [][..]),
            };
            let behind = if room.is_empty() { STAGING_WORDS * 4 } else { BEHIND_BYTES };
            let behind = &mut bytemuck::cast_slice_mut(&mut staging[..])[offset..behind];
            let (room_len, asked) = (room.len(), room.len() + behind.len());
            let mut places = [IoSliceMut::new(room), IoSliceMut::new(behind)];
            let got = match (&self.socket).read_vectored(&mut places) {
                Ok(0) => return Some(End::Lost(self.broken.unwrap_or(nix::libc::ECONNRESET))),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.broken.map(End::Lost),
                Err(error) => return Some(End::Lost(self.broken.unwrap_or(errno(&error)))),
            };
            self.used = true;
            turn += got;
            let direct = got.min(room_len);
            self.decoder.filled(direct, spares, sink);
            let staged = &bytemuck::cast_slice(&staging[..])[offset..offset + got - direct];
            let flow = match &mut self.opener {
                None => self.decoder.take(staged, spares, sink),
                Some(opener) => opener.take(staged, &mut self.decoder, spares, sink),
            };
            match flow {
                Ok(Flow::Open) => {}
                Ok(Flow::Goodbye) => return Some(End::Goodbye),
                Err(what) => return Some(End::Malformed(what)),
            }
            // A short read has emptied the socket; a broken one is read until it says so itself.
            if got < asked && self.broken.is_none() {
                return None;
            }
        }
        None
    }

    /// Whether the host of the peer leaves everything unanswered; to be asked every [`super::watch::PERIOD`].
    pub fn silent(&mut self, now: Instant, diagnosis: &mut Diagnosis) -> bool {
        if let Some(signs) = diagnosis.ask(self.local, self.remote) {
            return self.watch.lost(now, signs);
        }
        // It is not for this side to fail where the system does not know this option.
        let _ = self.socket.set_tcp_user_timeout(Some(SILENCE_MAX_BLIND));
        false
    }

    /// Tells the peer that the connection is closed on purpose, as far as that can be done without waiting.
    pub fn say_goodbye(mut self, poller: &Poller, spares: &mut Spares) {
        if self.outbox.is_empty() {
            self.outbox.push(Kind::Goodbye, Vec::new());
            self.flush(poller, spares);
        }
    }
}
