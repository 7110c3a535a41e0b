//! Two ranks over shared memory, each a process: a test starts itself once more as its peer, and the two exchange offers as
//! lines of text.

use std::io::{BufRead, BufReader, Lines, StdinLock, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rankzero_comm::shm::Shm;
use rankzero_comm::{Happening, Posted, Put, Rank, Segment, SegmentId, Transport, Write};

/// Words of each segment: 8 MiB.
pub const WORDS: usize = 1 << 21;
/// Says which part a process plays that was started by a test.
pub const PART: &str = "RANKZERO_SHM_PART";
/// What sets lines of the peer apart from those of the test harness.
const MARK: &str = "peer: ";

/// One side: its transport, the segment that it sends from, the one that is written into.
pub struct Side {
    pub shm: Shm,
    pub source: Arc<Segment>,
    pub inbox: Arc<Segment>,
    pub ids: [SegmentId; 2],
    pub other: Rank,
    /// What came together with something that was waited for.
    early: Vec<Happening>,
}

impl Side {
    pub fn new(me: u32) -> Side {
        Side::with_words(me, WORDS)
    }

    pub fn with_words(me: u32, words: usize) -> Side {
        let mut shm = Shm::open(Rank(me), 2).expect("shared memory");
        let [source, inbox] = [(); 2].map(|()| Segment::new(words).expect("memory"));
        // The names of segments come from registration; a fabric of one rank gives them.
        let ids = [SegmentId::nth(0), SegmentId::nth(1)];
        shm.register(ids[0], &source).expect("shared");
        shm.register(ids[1], &inbox).expect("shared");
        Side { shm, source, inbox, ids, other: Rank(1 - me), early: Vec::new() }
    }

    pub fn progress(&mut self) -> Vec<Happening> {
        let mut happened = std::mem::take(&mut self.early);
        self.shm.progress(&mut happened).expect("progress");
        happened
    }

    /// What happens next.
    pub fn next(&mut self) -> Vec<Happening> {
        let end = deadline();
        loop {
            let happened = self.progress();
            if !happened.is_empty() {
                return happened;
            }
            assert!(Instant::now() < end, "nothing happens");
            std::thread::yield_now();
        }
    }

    pub fn post(&mut self, puts: &[Put], notification: u32) -> Posted {
        let write = Write { source: self.ids[0], target: self.ids[1], puts, notification };
        self.shm.post(self.other, &write).expect("posted")
    }

    pub fn is_up(&mut self) {
        let mut happened = self.next();
        assert_eq!(happened.remove(0), Happening::Up { peer: self.other });
        self.early = happened;
    }

    /// Sends the numbers below `send` and takes in as many as `receive`, in order, both at once.
    pub fn exchange(&mut self, send: u32, receive: u32) {
        let (mut sent, mut received) = (0, 0);
        let end = deadline();
        while sent < send || received < receive {
            while sent < send && self.post(&[], sent) == Posted::Delivered {
                sent += 1;
            }
            let happened = self.progress();
            let idle = happened.is_empty();
            for happening in happened {
                assert_eq!(happening, Happening::Arrived { from: self.other, notification: received });
                received += 1;
            }
            assert!(Instant::now() < end, "{sent} sent, {received} received");
            if idle {
                std::thread::yield_now();
            }
        }
    }
}

pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The peer of a test, as the test sees it.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts the test `peer` of this program in the role of `part`, and connects.
    pub fn start(part: &str, side: &mut Side) -> Peer {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--ignored", "--exact", "peer", "--nocapture"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut peer = Peer { child, input, output };
        peer.connect(side);
        peer
    }

    pub fn connect(&mut self, side: &mut Side) {
        let ours = side.shm.offer(side.other).expect("offer");
        let theirs = from_hex(&self.hear());
        self.say(&to_hex(&ours));
        side.shm.connect(side.other, &theirs).expect("same node");
        side.is_up();
        assert_eq!(self.hear(), "up");
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the peer listens");
    }

    /// The next line of the peer.
    pub fn hear(&mut self) -> String {
        loop {
            let line = self.output.next().expect("the peer ended early").expect("text");
            // The harness leaves its own line open.
            if let Some((_, said)) = line.split_once(MARK) {
                return said.to_owned();
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("signal");
    }

    pub fn ends_well(mut self) {
        assert_eq!(self.hear(), "done");
        self.say("end");
        assert!(self.child.wait().expect("ended").success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The test, as its peer sees it.
pub struct Parent(Lines<StdinLock<'static>>);

impl Parent {
    pub fn new() -> Parent {
        Parent(std::io::stdin().lines())
    }

    pub fn connect(&mut self, side: &mut Side) {
        let ours = side.shm.offer(side.other).expect("offer");
        self.say(&to_hex(&ours));
        let theirs = from_hex(&self.hear());
        side.shm.connect(side.other, &theirs).expect("same node");
        side.is_up();
        self.say("up");
    }

    pub fn say(&self, line: &str) {
        println!("{MARK}{line}");
    }

    pub fn hear(&mut self) -> String {
        self.0.next().expect("the test ended").expect("text")
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("hex"), 16).expect("hex")).collect()
}
