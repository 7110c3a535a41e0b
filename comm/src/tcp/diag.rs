//! What the system knows of one connection, by its `sock_diag` interface. The same is to be had from `getsockopt`, but
//! not without unsafe code.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::watch::Signs;

/// `NETLINK_SOCK_DIAG`.
const NETLINK_SOCK_DIAG: i32 = 4;
/// `SOCK_DIAG_BY_FAMILY`, of question and answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `INET_DIAG_INFO`: the attribute that holds a `struct tcp_info`.
const INFO: u16 = 2;
/// Length of `struct nlmsghdr`, in bytes.
const HEADER_BYTES: usize = 16;
/// Length of `struct inet_diag_req_v2`, in bytes.
const QUESTION_BYTES: usize = 56;
/// Length of `struct inet_diag_msg`, in bytes.
const ANSWER_BYTES: usize = 72;

/// Asks the system about connections of this host.
#[derive(Debug)]
pub struct Diagnosis {
    /// `None` where the system does not answer.
    socket: Option<Socket>,
    serial: u32,
}

impl Diagnosis {
    /// Ready to ask, as far as the system allows.
    pub fn new() -> Diagnosis {
        let open = || {
            let netlink = Domain::from(nix::libc::AF_NETLINK);
            let socket = Socket::new(netlink, Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
            socket.set_nonblocking(true)?;
            std::io::Result::Ok(socket)
        };
        Diagnosis { socket: open().ok(), serial: 0 }
    }

    /// What the system knows; `None` if it does not tell.
    pub fn ask(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<Signs> {
        self.serial = self.serial.wrapping_add(1);
        let mut socket = self.socket.as_ref()?;
        socket.send(&question(self.serial, local, remote)).ok()?;
        let mut answer = [0; 2048];
        // The answer is there once the question is sent; that of an earlier one may be before it.
        loop {
            let len = socket.read(&mut answer).ok()?;
            match read(&answer[..len], self.serial) {
                Answer::Other => {}
                Answer::Unknown => return None,
                Answer::Signs(signs) => return Some(signs),
            }
        }
    }
}

fn question(serial: u32, local: SocketAddr, remote: SocketAddr) -> [u8; HEADER_BYTES + QUESTION_BYTES] {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&[a, b, c, d]);
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    };
    let family = if local.is_ipv4() { nix::libc::AF_INET } else { nix::libc::AF_INET6 };
    let mut bytes = [0; HEADER_BYTES + QUESTION_BYTES];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(&((HEADER_BYTES + QUESTION_BYTES) as u32).to_ne_bytes());
    put(&BY_FAMILY.to_ne_bytes());
    put(&REQUEST.to_ne_bytes());
    put(&serial.to_ne_bytes());
    put(&[0; 4]);
    put(&[family as u8, nix::libc::IPPROTO_TCP as u8, 1 << (INFO - 1), 0]);
    // Any state.
    put(&[0xff; 4]);
    put(&local.port().to_be_bytes());
    put(&remote.port().to_be_bytes());
    put(&octets(local.ip()));
    put(&octets(remote.ip()));
    put(&[0; 4]);
    // No cookie.
    put(&[0xff; 8]);
    bytes
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// To another question.
    Other,
    /// The system does not know the connection, or does not tell.
    Unknown,
    Signs(Signs),
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn read(answer: &[u8], serial: u32) -> Answer {
    if word(answer, 8) != Some(serial) {
        return Answer::Other;
    }
    if short(answer, 4) != Some(BY_FAMILY) {
        return Answer::Unknown;
    }
    let mut rest = answer.get(HEADER_BYTES + ANSWER_BYTES..).unwrap_or_default();
    while let (Some(len), Some(kind)) = (short(rest, 0).map(usize::from), short(rest, 2)) {
        if kind == INFO {
            let info = rest.get(4..len).unwrap_or_default();
            return signs(info).map_or(Answer::Unknown, Answer::Signs);
        }
        rest = rest.get(len.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    Answer::Unknown
}

/// From a `struct tcp_info`.
fn signs(info: &[u8]) -> Option<Signs> {
    const PROBES: usize = 3;
    const UNACKED: usize = 24;
    const LAST_ACK_RECEIVED_MS: usize = 56;
    Some(Signs {
        unanswered: word(info, UNACKED)? > 0 || *info.get(PROBES)? > 0,
        since_answer: Duration::from_millis(u64::from(word(info, LAST_ACK_RECEIVED_MS)?)),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_system_knows_a_connection_and_no_other() {
        for any in ["127.0.0.1:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(any) else { continue };
            let port = listener.local_addr().expect("bound").port();
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("listening");
            let (accepted, _) = listener.accept().expect("connected");
            let mut diagnosis = Diagnosis::new();
            let (local, remote) = (stream.local_addr().expect("open"), stream.peer_addr().expect("open"));
            let Some(signs) = diagnosis.ask(local, remote) else {
                eprintln!("SKIPPED: sock_diag does not answer, so silent hosts are NOT noticed early here");
                return;
            };
            assert!(!signs.unanswered, "nothing was sent");
            assert!(diagnosis.ask(remote, local).is_some(), "the accepted end of {any}");
            drop((accepted, stream));
            let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
            assert_eq!(diagnosis.ask(nowhere, nowhere), None);
        }
    }

    #[test]
    fn an_answer_is_read_wherever_it_ends() {
        let mut answer = vec![0; HEADER_BYTES + ANSWER_BYTES];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer[8..12].copy_from_slice(&9u32.to_ne_bytes());
        answer.extend([6u16, 7, 1, 0].map(u16::to_ne_bytes).concat());
        answer.extend([4 + 104u16, INFO].map(u16::to_ne_bytes).concat());
        let mut info = [0; 104];
        (info[3], info[56]) = (1, 200);
        answer.extend(info);
        let expected = Signs { unanswered: true, since_answer: Duration::from_millis(200) };
        assert_eq!(read(&answer, 9), Answer::Signs(expected));
        assert_eq!(read(&answer, 8), Answer::Other);
        for len in 0..answer.len() {
            assert!(!matches!(read(&answer[..len], 9), Answer::Signs(_)), "{len} bytes");
        }
    }
}
