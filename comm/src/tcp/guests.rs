//! Accepted connections that have not yet proven to belong to the run. Each costs little and not for long, and there
//! are never more than a fixed number of them.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::handshake::{HELLO_BYTES, Intake, Nonce, Session, Terms, check_hello, greeting, nonce};
use super::poller::{Poller, Purpose, Token};
use super::socket::prepare;

/// For the frame that proves who connects.
pub const TIME_MAX: Duration = Duration::from_secs(2);
/// Most guests in a run of no ranks; each rank adds one.
const GUESTS_MIN: usize = 64;

#[derive(Debug)]
struct Guest {
    socket: Socket,
    token: Token,
    nonce: Nonce,
    intake: Intake<HELLO_BYTES>,
    since: Instant,
}

/// The guests.
#[derive(Debug)]
pub struct Guests {
    slots: Vec<Option<Guest>>,
}

impl Guests {
    /// Nobody yet, in a run of `size` ranks.
    pub fn new(size: u32) -> Guests {
        Guests { slots: (0..GUESTS_MIN + size as usize).map(|_| None).collect() }
    }

    /// In a run of up to `size` ranks from now on.
    pub fn make_room(&mut self, size: u32) {
        let slots = self.slots.len().max(GUESTS_MIN + size as usize);
        self.slots.resize_with(slots, || None);
    }

    /// Greets who has connected. When there is no room the longest waiting guest must go.
    ///
    /// # Errors
    /// A failed call; the connection is dropped.
    pub fn greet(&mut self, socket: Socket, terms: &Terms, poller: &mut Poller, now: Instant) -> io::Result<()> {
        let free = self.slots.iter().position(Option::is_none);
        let oldest = || {
            let since = |slot: &Option<Guest>| slot.as_ref().map(|guest| guest.since);
            (0..self.slots.len()).min_by_key(|&at| since(&self.slots[at])).unwrap_or(0)
        };
        let index = free.unwrap_or_else(oldest);
        self.slots[index] = None;
        prepare(&socket)?;
        let nonce = nonce()?;
        // A fresh connection has room for it.
        socket.send_with_flags(&greeting(terms, &nonce), nix::libc::MSG_NOSIGNAL)?;
        let token = poller.add(&socket, Purpose::Guest, index as u32, false)?;
        self.slots[index] = Some(Guest { socket, token, nonce, intake: Intake::new(), since: now });
        Ok(())
    }

    /// The guest with this token has sent something; its connection, once it has proven that it belongs to the run. Who
    /// fails to is dropped. The socket is out of the poller then.
    pub fn ready(&mut self, token: Token, terms: &Terms, poller: &Poller) -> Option<(Socket, Session)> {
        let (_, index) = token.of();
        let slot = self.slots.get_mut(index as usize)?;
        let guest = slot.as_mut().filter(|guest| guest.token == token)?;
        let frame = match guest.intake.fill(&guest.socket) {
            Ok(None) => return None,
            Ok(Some(frame)) => frame,
            Err(_) => {
                *slot = None;
                return None;
            }
        };
        let guest = slot.take()?;
        match check_hello(terms, &frame, guest.nonce) {
            Ok(session) if waits(&guest.socket) => {
                poller.remove(&guest.socket).ok()?;
                Some((guest.socket, session))
            }
            Ok(_) => None,
            Err(refusal) => {
                tracing::warn!(from = ?guest.socket.peer_addr().ok().and_then(|a| a.as_socket()), %refusal,
                    "refused a connection");
                None
            }
        }
    }

    /// Drops who has taken too long.
    pub fn expire(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|guest| now.saturating_duration_since(guest.since) >= TIME_MAX) {
                *slot = None;
            }
        }
    }
}

/// Whether the other side still waits for an answer. It sends nothing meanwhile, so anything to read is its end.
pub fn waits(socket: &Socket) -> bool {
    matches!(socket.peek(&mut [std::mem::MaybeUninit::uninit()]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;
    use crate::ids::Rank;
    use crate::tcp::handshake::{GREETING_BYTES, Key, Parties, check_greeting, hello};
    use crate::tcp::socket::listen;

    const KEY: Key = Key([3; 32]);
    const TERMS: Terms = Terms { key: KEY, sealed: false };

    struct Door {
        listener: Socket,
        port: u16,
        poller: Poller,
        guests: Guests,
    }

    impl Door {
        fn open() -> Door {
            let (listener, port) = listen(0..=0).expect("a port");
            Door { listener, port, poller: Poller::new().expect("epoll"), guests: Guests::new(0) }
        }

        /// A connection that is greeted.
        fn visit(&mut self, now: Instant) -> TcpStream {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("listening");
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
            let socket = loop {
                match self.listener.accept() {
                    Ok((socket, _)) => break socket,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            };
            self.guests.greet(socket, &TERMS, &mut self.poller, now).expect("greeted");
            stream
        }

        /// What the guests that are ready turn out to be.
        fn serve(&mut self) -> Option<Session> {
            let mut tokens = Vec::new();
            let deadline = Instant::now() + Duration::from_millis(100);
            while Instant::now() < deadline {
                tokens.clear();
                self.poller.ready(&mut tokens).expect("epoll");
                for &token in &tokens {
                    if let Some((_, session)) = self.guests.ready(token, &TERMS, &self.poller) {
                        return Some(session);
                    }
                }
            }
            None
        }

        fn count(&self) -> usize {
            self.guests.slots.iter().flatten().count()
        }
    }

    fn greeted(stream: &mut TcpStream) -> Nonce {
        let mut frame = [0; GREETING_BYTES];
        stream.read_exact(&mut frame).expect("a greeting");
        check_greeting(&TERMS, &frame).expect("of this version")
    }

    fn session(acceptor: Nonce) -> Session {
        let parties = Parties { from: Rank(0), to: Rank(1), from_generation: 1, to_generation: 1 };
        Session { parties, connector: [8; 32], acceptor, sealed: false }
    }

    fn send(mut stream: &TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).expect("sent");
    }

    #[test]
    fn a_peer_is_let_in_and_others_are_dropped() {
        let mut door = Door::open();
        let mut stream = door.visit(Instant::now());
        let expected = session(greeted(&mut stream));
        let frame = hello(&KEY, &expected);
        send(&stream, &frame[..50]);
        assert_eq!(door.serve(), None);
        send(&stream, &frame[50..]);
        assert_eq!(door.serve(), Some(expected));
        // The same frame again, the frame of another run, and noise.
        let mut stream = door.visit(Instant::now());
        let nonce = greeted(&mut stream);
        for wrong in [frame, hello(&Key([4; 32]), &session(nonce)), [0x5a; HELLO_BYTES]] {
            let stream = door.visit(Instant::now());
            send(&stream, &wrong);
            assert_eq!(door.serve(), None);
        }
        // Who has left is not let in: its place may be taken by its next attempt.
        let mut left = door.visit(Instant::now());
        let frame = hello(&KEY, &session(greeted(&mut left)));
        send(&left, &frame);
        drop(left);
        assert_eq!(door.serve(), None);
        assert_eq!(door.count(), 1, "who has said nothing yet");
    }

    #[test]
    fn who_sends_a_byte_now_and_then_is_dropped_in_time() {
        let mut door = Door::open();
        let now = Instant::now();
        let mut slow = door.visit(now);
        let frame = hello(&KEY, &session(greeted(&mut slow)));
        for byte in &frame[..20] {
            send(&slow, &[*byte]);
            door.serve();
        }
        door.guests.expire(now + TIME_MAX - Duration::from_millis(1));
        assert_eq!(door.count(), 1);
        door.guests.expire(now + TIME_MAX);
        assert_eq!(door.count(), 0);
        assert!(matches!(slow.read(&mut [0]), Ok(0) | Err(_)), "closed");
    }

    #[test]
    fn the_longest_waiting_guest_makes_room() {
        let mut door = Door::open();
        let begun = Instant::now();
        let mut streams: Vec<TcpStream> =
            (0..GUESTS_MIN as u64 + 2).map(|turn| door.visit(begun + Duration::from_millis(turn))).collect();
        assert_eq!(door.count(), GUESTS_MIN);
        for (turn, stream) in streams.iter_mut().enumerate() {
            greeted(stream);
            stream.set_nonblocking(true).expect("an option");
            let kept = matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            assert_eq!(kept, turn >= 2, "guest {turn}");
        }
    }
}
