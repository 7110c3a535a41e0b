//! Encrypted TCP connections through real sockets, with somebody between the two ends who listens, and changes what passes. All traffic
//! stays on the loopback interface.

mod members;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use members::{KEY, LIMIT};
use rankzero_comm::control::links::{LinkEvent, Links};
use rankzero_comm::port::{Incoming, Lane, Port};
use rankzero_comm::tcp::{Choice, TcpPort};
use rankzero_comm::{FailureCause, Malformed, Rank};

/// Bytes of the handshake from the connecting to the accepting side; what follows are records.
const HELLO_BYTES: usize = 92;
/// Where an offer names the port.
const OFFER_PORT: std::ops::Range<usize> = 8..10;

/// What the one in between does with the bytes from the connecting to the accepting side, which it is given with the number of those before.
type Meddle = Box<dyn FnMut(usize, &mut Vec<u8>) + Send>;

/// Somebody between the two ends: passes bytes on in both directions and keeps a copy.
struct Wire {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Towards `port`; `meddle` is asked on the first connection only.
    fn towards(port: u16, meddle: Meddle) -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("an option");
        let own = listener.local_addr().expect("an address").port();
        let (heard, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (keeps, ends) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut meddle = Some(meddle);
            let (mut pairs, mut open) = (Vec::new(), Vec::new());
            while !ends.load(Ordering::Relaxed) {
                if let Ok((near, _)) = listener.accept() {
                    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("listening");
                    let meddle = meddle.take().unwrap_or_else(|| Box::new(|_, _| ()));
                    let again = |stream: &TcpStream| stream.try_clone().expect("a file");
                    let (near_again, far_again) = (again(&near), again(&far));
                    open.extend([again(&near), again(&far)]);
                    let kept = Arc::clone(&keeps);
                    pairs.push(std::thread::spawn(move || pass_on(near, far, &kept, meddle)));
                    let kept = Arc::clone(&keeps);
                    pairs.push(std::thread::spawn(move || pass_on(far_again, near_again, &kept, Box::new(|_, _| ()))));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            pairs.into_iter().for_each(|pair| pair.join().expect("no panic"));
        });
        Wire { port: own, heard, over, thread: Some(thread) }
    }

    /// An offer that leads here.
    fn bend(&self, offer: &[u8]) -> Vec<u8> {
        let mut bent = offer.to_vec();
        bent[OFFER_PORT].copy_from_slice(&self.port.to_le_bytes());
        bent
    }

    fn has_heard(&self, words: &[u8]) -> bool {
        let heard = self.heard.lock().expect("no panic");
        heard.windows(words.len()).any(|window| window == words)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Mutex<Vec<u8>>, mut meddle: Meddle) {
    from.set_nonblocking(false).expect("an option");
    let (mut before, mut room) = (0, vec![0; 1 << 16]);
    while let Ok(len @ 1..) = from.read(&mut room) {
        let mut bytes = room[..len].to_vec();
        heard.lock().expect("no panic").extend_from_slice(&bytes);
        meddle(before, &mut bytes);
        before += len;
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}

#[derive(Clone, Debug, PartialEq)]
enum Told {
    Up,
    Packet(Lane, Vec<u32>),
    Garbage(Malformed),
    Down(FailureCause),
}

/// Two ports of one thread, and what each was told; the first connects.
struct Pair {
    ports: [TcpPort; 2],
    told: [Vec<Told>; 2],
}

impl Pair {
    fn new(sealed: [bool; 2], keys: [[u8; 32]; 2], persistent: bool) -> Pair {
        let open = |rank: usize| {
            let opened = TcpPort::open_on(Rank(rank as u32), 2, 0..=0, keys[rank], &Choice::parse("lo"));
            let mut port = opened.expect("a port");
            if sealed[rank] {
                port.seal();
            }
            if persistent {
                port.persist();
            }
            port
        };
        Pair { ports: [0, 1].map(open), told: [Vec::new(), Vec::new()] }
    }

    /// Asks for the connection; the first by what `bend` makes of the offer of the second.
    fn ask(&mut self, bend: impl FnOnce(&[u8]) -> Vec<u8>) {
        let mut offers = [0, 1].map(|me| self.ports[me].offer(Rank(1 - me as u32)).expect("an offer"));
        // What tells the host is derived from the key.
        let host = offers[0][12..28].to_vec();
        offers[1][12..28].copy_from_slice(&host);
        assert_eq!(self.ports[0].connect(Rank(1), &bend(&offers[1])), Ok(false));
        assert_eq!(self.ports[1].connect(Rank(0), &offers[0]), Ok(false));
    }

    fn connected(sealed: bool, persistent: bool, meddle: Meddle) -> (Pair, Wire) {
        let mut pair = Pair::new([sealed; 2], [KEY; 2], persistent);
        let wire = Wire::towards(pair.ports[1].listens_on(), meddle);
        pair.ask(|offer| wire.bend(offer));
        pair.until(|pair| pair.told.iter().all(|told| *told == [Told::Up]));
        pair.told = [Vec::new(), Vec::new()];
        (pair, wire)
    }

    fn turn(&mut self) {
        for (port, told) in self.ports.iter_mut().zip(&mut self.told) {
            let sink = &mut |incoming: Incoming<'_>| {
                told.push(match incoming {
                    Incoming::Up { .. } => Told::Up,
                    Incoming::Packet { lane, words, .. } => Told::Packet(lane, words.to_vec()),
                    Incoming::Garbage { what, .. } => Told::Garbage(what),
                    Incoming::Down { cause, .. } => Told::Down(cause),
                    other => panic!("{other:?}"),
                });
            };
            port.progress(sink).expect("progress");
        }
    }

    fn until(&mut self, done: impl Fn(&Pair) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done(self) {
            assert!(Instant::now() < deadline, "{:?}", self.told.each_ref().map(Vec::len));
            self.turn();
        }
    }

    fn send(&mut self, me: usize, lane: Lane, words: &[u32]) {
        self.ports[me].send(Rank(1 - me as u32), lane, words.to_vec()).expect("sent");
    }
}

fn nothing() -> Meddle {
    Box::new(|_, _| ())
}

fn words(len: usize, mark: u32) -> Vec<u32> {
    (0..len as u32).map(|word| word.wrapping_mul(0x9e37_79b9) ^ mark).collect()
}

#[test]
fn packets_of_all_sizes_pass_in_both_lanes_and_directions_at_once() {
    let (mut pair, _wire) = Pair::connected(true, false, nothing());
    let lengths = [0, 1, 2, 4095, 4096, 4097, 100_003, 1 << 21, 3, 0];
    let mut expected = [Vec::new(), Vec::new()];
    for (mark, &len) in lengths.iter().enumerate() {
        for me in [0, 1] {
            let lane = if mark % 2 == me { Lane::Data } else { Lane::Message };
            let packet = words(len, (mark * 2 + me) as u32);
            pair.send(me, lane, &packet);
            expected[1 - me].push(Told::Packet(lane, packet));
            pair.turn();
        }
    }
    pair.until(|pair| pair.told.iter().all(|told| told.len() == lengths.len()));
    assert!(pair.told == expected);
    assert!(pair.ports[0].describe(Rank(1)).ends_with("encrypted"));
}

#[test]
fn who_listens_reads_the_words_of_an_open_connection_and_none_of_a_sealed_one() {
    let word = u32::from_ne_bytes(*b"word");
    for sealed in [false, true] {
        let (mut pair, wire) = Pair::connected(sealed, false, nothing());
        for me in [0, 1] {
            pair.send(me, Lane::Data, &[word; 5000]);
            pair.send(me, Lane::Message, &[word; 6]);
        }
        pair.until(|pair| pair.told.iter().all(|told| told.len() == 2));
        assert_eq!(wire.has_heard(b"wordword"), !sealed);
        assert!(wire.heard.lock().expect("no panic").len() > 2 * 4 * 5006, "all of it passed there");
        // The key is never sent.
        assert!(!wire.has_heard(&KEY[..8]));
    }
}

#[test]
fn a_bit_that_is_flipped_on_the_way_ends_the_connection_and_what_came_before_counts() {
    // A bit of the header of the second packet, of its words, of its tag.
    let second = HELLO_BYTES + 24 + 40 + 16;
    for at in [second, second + 5, second + 23, second + 24, second + 24 + 39, second + 24 + 40] {
        let flip: Meddle = Box::new(move |before, bytes| {
            if let Some(byte) = at.checked_sub(before).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 0x10;
            }
        });
        let (mut pair, _wire) = Pair::connected(true, false, flip);
        for mark in 0..3 {
            pair.send(0, Lane::Message, &words(10, mark));
        }
        pair.until(|pair| pair.told[1].len() >= 3);
        let expected = [
            Told::Packet(Lane::Message, words(10, 0)),
            Told::Garbage(Malformed::Seal),
            Told::Down(FailureCause::Protocol),
        ];
        assert_eq!(pair.told[1], expected, "byte {at}");
    }
}

#[test]
fn what_is_said_twice_by_somebody_in_between_counts_once() {
    let record = 24 + 40 + 16;
    let repeat: Meddle = Box::new(move |before, bytes| {
        if before >= HELLO_BYTES && bytes.len() == record {
            bytes.extend_from_within(..);
        }
    });
    let (mut pair, _wire) = Pair::connected(true, false, repeat);
    pair.send(0, Lane::Data, &words(10, 1));
    pair.until(|pair| pair.told[1].len() >= 3);
    let expected =
        [Told::Packet(Lane::Data, words(10, 1)), Told::Garbage(Malformed::Seal), Told::Down(FailureCause::Protocol)];
    assert_eq!(pair.told[1], expected);
}

#[test]
fn a_connection_that_was_spoilt_comes_back_with_fresh_keys_where_it_is_to() {
    let spoil: Meddle = Box::new(|before, bytes| {
        if before >= HELLO_BYTES {
            bytes[0] ^= 1;
        }
    });
    let (mut pair, wire) = Pair::connected(true, true, spoil);
    pair.send(0, Lane::Message, &words(10, 1));
    pair.until(|pair| pair.told.iter().all(|told| told.last() == Some(&Told::Up)));
    assert_eq!(pair.told[1], [Told::Garbage(Malformed::Seal), Told::Down(FailureCause::Protocol), Told::Up]);
    pair.told = [Vec::new(), Vec::new()];
    let before = wire.heard.lock().expect("no panic").len();
    for me in [0, 1] {
        pair.send(me, Lane::Message, &words(10, 1));
    }
    pair.until(|pair| pair.told.iter().all(|told| *told == [Told::Packet(Lane::Message, words(10, 1))]));
    // The same words by other keys in the other direction, and on the earlier connection.
    let heard = wire.heard.lock().expect("no panic");
    let (earlier, later) = heard.split_at(before);
    assert_eq!(later.len(), 2 * (24 + 40 + 16));
    let (one, other) = later.split_at(24 + 40 + 16);
    assert_ne!(one, other);
    assert!(!earlier.windows(16).any(|window| later.windows(16).any(|again| again == window)));
}

#[test]
fn another_setting_or_another_key_is_refused() {
    let other = [9; 32];
    for (sealed, keys) in [([true, false], [KEY; 2]), ([false, true], [KEY; 2]), ([true; 2], [KEY, other])] {
        let mut pair = Pair::new(sealed, keys, false);
        pair.ask(<[u8]>::to_vec);
        pair.until(|pair| !pair.told[0].is_empty());
        assert!(matches!(pair.told[0][..], [Told::Down(FailureCause::Io { .. })]), "{:?}", pair.told[0]);
        assert!(
            pair.told[1].is_empty() && pair.ports.iter().all(|port| !port.carries_messages(Rank(1 - port.rank().0)))
        );
    }
}

#[test]
fn nobody_in_between_talks_the_two_out_of_encryption() {
    // What tells whether a side seals is rewritten in the only frame that the connecting side sends in the clear.
    let lie: Meddle = Box::new(|before, bytes| {
        if before == 0 && bytes.len() >= HELLO_BYTES {
            bytes[8] = 0;
        }
    });
    let mut pair = Pair::new([true; 2], [KEY; 2], false);
    let wire = Wire::towards(pair.ports[1].listens_on(), lie);
    pair.ask(|offer| wire.bend(offer));
    // Its second attempt is left alone.
    pair.until(|pair| pair.told.iter().all(|told| *told == [Told::Up]));
    pair.send(0, Lane::Data, &[u32::from_ne_bytes(*b"word"); 100]);
    pair.until(|pair| pair.told[1].len() == 2);
    assert!(!wire.has_heard(b"wordword"));
}

#[test]
fn control_links_are_sealed_and_refuse_those_that_are_not() {
    for sealed in [[true; 2], [true, false]] {
        let open = |rank: usize| {
            let mut links = Links::open_on(Rank(rank as u32), 2, 0..=0, KEY, &Choice::parse("lo")).expect("links");
            if sealed[rank] {
                links.seal();
            }
            links
        };
        let mut links = [0, 1].map(open);
        let offers = links.each_ref().map(Links::offer);
        let wire = Wire::towards(links[1].port(), nothing());
        links[0].connect(Rank(1), &wire.bend(&offers[1])).expect("connects");
        links[1].connect(Rank(0), &offers[0]).expect("connects");
        let (mut events, mut sent) = (Vec::new(), false);
        let begun = Instant::now();
        let quiet = Duration::from_secs(1);
        while begun.elapsed() < LIMIT {
            links.iter_mut().for_each(|links| links.progress(&mut events).expect("progress"));
            if links[0].stands(Rank(1)) && !sent {
                sent = links[0].send(Rank(1), vec![u32::from_ne_bytes(*b"word"); 100]);
            }
            let came = events.iter().any(|event| matches!(event, LinkEvent::Message { .. }));
            if came || (sealed != [true; 2] && begun.elapsed() > quiet) {
                break;
            }
        }
        let came = events.iter().any(|event| matches!(event, LinkEvent::Message { words, .. } if words.len() == 100));
        assert_eq!(came, sealed == [true; 2], "{events:?}");
        assert!(!wire.has_heard(b"wordword"));
        let up = events.iter().any(|event| matches!(event, LinkEvent::Up { .. }));
        assert_eq!(up, came);
    }
}
