//! The connecting side of a handshake: tries the addresses of the peer one after the other.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::handshake::{
    GREETING_BYTES, HELLO_BYTES, Intake, Parties, Refusal, Session, Terms, WELCOME_BYTES, check_greeting,
    check_welcome, hello, nonce,
};
use super::poller::{Poller, Purpose, Token};
use super::socket::{connected, dial, errno};
use crate::error::FailureCause;

/// For the host to answer.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);
/// For the process to answer, while there are more addresses to try.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// For the process to answer at last: a rank that computes answers late.
const LAST_ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How often each address is tried: the peer drops who had to wait for long, and that may be a rank that computed.
const ROUNDS: usize = 2;

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// Under way.
    Pending,
    /// The peer has proven itself; the socket is registered for reading.
    Up(Socket, Token, Box<Session>),
    /// No address led to the peer.
    Failed(FailureCause),
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Greeting(Intake<GREETING_BYTES>),
    Welcome(Box<Session>, Intake<WELCOME_BYTES>),
}

#[derive(Debug)]
struct Attempt {
    socket: Socket,
    token: Token,
    stage: Stage,
    until: Instant,
}

/// An attempt to connect.
#[derive(Debug)]
pub struct Dial {
    parties: Parties,
    addresses: Vec<SocketAddr>,
    tried: usize,
    attempt: Option<Attempt>,
    cause: FailureCause,
    /// Where nobody but the peer can have listened: a refusal there proves its end.
    proof_at: Option<SocketAddr>,
}

impl Dial {
    /// To the first of `addresses` that leads to the peer. Nothing is tried before [`Dial::next`].
    pub fn new(parties: Parties, addresses: Vec<SocketAddr>) -> Dial {
        let cause = FailureCause::Io { errno: nix::libc::EHOSTUNREACH };
        Dial { parties, addresses, tried: 0, attempt: None, cause, proof_at: None }
    }

    /// [`Dial::new`] where a connection to `stood_at`, the peer's own port, has stood before: that address is tried first,
    /// and a refusal there ends the attempt with [`FailureCause::Refused`].
    pub fn again(parties: Parties, mut addresses: Vec<SocketAddr>, stood_at: Option<SocketAddr>) -> Dial {
        addresses.sort_by_key(|&address| Some(address) != stood_at);
        Dial { proof_at: stood_at, ..Dial::new(parties, addresses) }
    }

    /// When [`Dial::tick`] is due.
    pub fn until(&self) -> Option<Instant> {
        self.attempt.as_ref().map(|attempt| attempt.until)
    }

    /// Whether `error` at the address tried last proves that the peer has ended.
    fn proves_death(&self, error: &std::io::Error) -> bool {
        let count = self.addresses.len().max(1);
        let last = self.tried.checked_sub(1).and_then(|tried| self.addresses.get(tried % count));
        errno(error) == nix::libc::ECONNREFUSED && self.proof_at.is_some() && self.proof_at.as_ref() == last
    }

    /// Goes on to the next address.
    pub fn next(&mut self, poller: &mut Poller, now: Instant) -> Outcome {
        self.attempt = None;
        while self.tried < ROUNDS * self.addresses.len() {
            let address = self.addresses[self.tried % self.addresses.len()];
            self.tried += 1;
            let opened = dial(address)
                .and_then(|socket| Ok((poller.add(&socket, Purpose::Peer, self.parties.to.0, true)?, socket)));
            match opened {
                Ok((token, socket)) => {
                    let until = now + CONNECT_TIME_MAX;
                    self.attempt = Some(Attempt { socket, token, stage: Stage::Connecting, until });
                    return Outcome::Pending;
                }
                Err(error) if self.proves_death(&error) => return Outcome::Failed(FailureCause::Refused),
                Err(error) => self.cause = FailureCause::Io { errno: errno(&error) },
            }
        }
        Outcome::Failed(self.cause)
    }

    /// The socket with this token is ready.
    pub fn ready(&mut self, token: Token, terms: &Terms, poller: &mut Poller, now: Instant) -> Outcome {
        let last = self.tried >= ROUNDS * self.addresses.len();
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.token == token) else {
            return Outcome::Pending;
        };
        match attempt.advance(self.parties, terms, poller, now, last) {
            Ok(None) => Outcome::Pending,
            Ok(Some(session)) => {
                let taken = self.attempt.take();
                taken.map_or(Outcome::Pending, |attempt| Outcome::Up(attempt.socket, attempt.token, session))
            }
            Err(error) if self.proves_death(&error) => {
                self.attempt = None;
                Outcome::Failed(FailureCause::Refused)
            }
            Err(error) => {
                if error.get_ref().is_some_and(|inner| matches!(inner.downcast_ref(), Some(Refusal::Sealing { .. }))) {
                    tracing::warn!(peer = self.parties.to.0, %error, "refused a connection");
                } else {
                    tracing::debug!(peer = self.parties.to.0, %error, "an address does not lead to the peer");
                }
                self.cause = FailureCause::Io { errno: errno(&error) };
                self.next(poller, now)
            }
        }
    }

    /// Gives up on what takes too long.
    pub fn tick(&mut self, poller: &mut Poller, now: Instant) -> Outcome {
        if self.attempt.as_ref().is_some_and(|attempt| now < attempt.until) {
            return Outcome::Pending;
        }
        self.cause = FailureCause::Silent;
        self.next(poller, now)
    }
}

impl Attempt {
    /// Takes the handshake as far as it goes now; what the connection is about, once it is complete.
    fn advance(
        &mut self,
        parties: Parties,
        terms: &Terms,
        poller: &Poller,
        now: Instant,
        last: bool,
    ) -> std::io::Result<Option<Box<Session>>> {
        let refuse = |refusal| std::io::Error::new(ErrorKind::InvalidData, refusal);
        if matches!(self.stage, Stage::Connecting) {
            if !connected(&self.socket)? {
                return Ok(None);
            }
            poller.change(&self.socket, self.token, false)?;
            self.until = now + if last { LAST_ANSWER_TIME_MAX } else { ANSWER_TIME_MAX };
            self.stage = Stage::Greeting(Intake::new());
        }
        if let Stage::Greeting(intake) = &mut self.stage {
            let Some(frame) = intake.fill(&self.socket)? else { return Ok(None) };
            let acceptor = check_greeting(terms, &frame).map_err(refuse)?;
            let session = Session { parties, connector: nonce()?, acceptor, sealed: terms.sealed };
            // A fresh connection has room for it.
            let sent = self.socket.send_with_flags(&hello(&terms.key, &session), nix::libc::MSG_NOSIGNAL)?;
            if sent < HELLO_BYTES {
                return Err(ErrorKind::WriteZero.into());
            }
            self.stage = Stage::Welcome(Box::new(session), Intake::new());
        }
        if let Stage::Welcome(session, intake) = &mut self.stage {
            let Some(frame) = intake.fill(&self.socket)? else { return Ok(None) };
            check_welcome(&terms.key, &frame, session).map_err(refuse)?;
            return Ok(Some(session.clone()));
        }
        Ok(None)
    }
}
