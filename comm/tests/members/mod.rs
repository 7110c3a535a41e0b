//! A rank of a test: its port, what came out of it, and how it finds the others.
#![allow(dead_code)]

pub mod roles;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rankzero_comm::port::{Incoming, Lane, Port};
use rankzero_comm::tcp::{Choice, TcpPort};
use rankzero_comm::{FailureCause, Malformed, Rank};

pub const KEY: [u8; 32] = *b"a key that only these tests know";
/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A directory through which ranks exchange offers. Gone with its maker.
pub struct Meeting {
    path: PathBuf,
    own: bool,
}

impl Meeting {
    pub fn new(name: &str) -> Meeting {
        let path = std::env::temp_dir().join(format!("rankzero-tcp-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Meeting { path, own: true }
    }

    /// The one that the test names to its children.
    pub fn of_parent() -> Meeting {
        Meeting { path: std::env::var_os("RANKZERO_TEST_MEETING").expect("started by a test").into(), own: false }
    }

    pub fn again(&self) -> Meeting {
        Meeting { path: self.path.clone(), own: false }
    }

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        let draft = self.path.join(format!("{name}.draft"));
        std::fs::write(&draft, bytes).expect("a temporary file");
        std::fs::rename(draft, self.path.join(name)).expect("a temporary file");
    }

    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path.join(name)).ok()
    }

    pub fn wait(&self, name: &str) -> Vec<u8> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(bytes) = self.get(name) {
                return bytes;
            }
            assert!(Instant::now() < deadline, "{name} does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts this very binary as `role` of `rank`; `before` is a command that runs it.
    pub fn spawn(&self, before: &[&str], role: &str, rank: u32, size: u32) -> Guard {
        self.spawn_test(before, &format!("members::roles::{role}"), rank, size)
    }

    /// Starts this very binary with its test `name` as `rank`.
    pub fn spawn_test(&self, before: &[&str], name: &str, rank: u32, size: u32) -> Guard {
        let own = std::env::current_exe().expect("own path").into_os_string();
        let mut words = before.iter().map(Into::into).chain([own]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).args(["--ignored", "--nocapture", "--test-threads=1", "--exact"]);
        command.arg(name);
        command.env("RANKZERO_TEST_MEETING", &self.path);
        command.env("RANKZERO_TEST_RANK", rank.to_string()).env("RANKZERO_TEST_SIZE", size.to_string());
        Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("own binary"))
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        if self.own {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A child that ends with the test.
pub struct Guard(pub Child);

impl Guard {
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id() as i32), signal).expect("own child");
    }

    /// Waits for its good end.
    pub fn succeeds(mut self, name: &str) {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().expect("own child") {
                assert!(status.success(), "{name}: {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} does not end");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Member {
    pub port: TcpPort,
    pub meeting: Meeting,
    pub packets: Vec<(Rank, Lane, Vec<u32>)>,
    pub up: BTreeSet<Rank>,
    pub down: Vec<(Rank, FailureCause)>,
    pub garbage: Vec<(Rank, Malformed)>,
}

impl Member {
    pub fn on(meeting: Meeting, rank: u32, size: u32, key: [u8; 32], interfaces: &str) -> Member {
        let choice = Choice::parse(interfaces);
        // An interface that was just set up takes up to a second to run.
        let deadline = Instant::now() + Duration::from_secs(5);
        let port = loop {
            match TcpPort::open_on(Rank(rank), size, 0..=0, key, &choice) {
                Ok(port) => break port,
                Err(reason) => assert!(Instant::now() < deadline, "{reason}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Member { port, meeting, packets: Vec::new(), up: BTreeSet::new(), down: Vec::new(), garbage: Vec::new() }
    }

    pub fn new(meeting: Meeting, rank: u32, size: u32) -> Member {
        Member::on(meeting, rank, size, KEY, "127.0.0.0/8,::1")
    }

    /// The one that the test named to this child.
    pub fn child() -> Member {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok()).expect("set by the test");
        Member::new(Meeting::of_parent(), number("RANKZERO_TEST_RANK"), number("RANKZERO_TEST_SIZE"))
    }

    pub fn turn(&mut self) {
        let Member { port, packets, up, down, garbage, .. } = self;
        port.progress(&mut |incoming| match incoming {
            Incoming::Up { peer } => assert!(up.insert(peer), "{peer} comes up once"),
            Incoming::Packet { from, lane, words } => packets.push((from, lane, words.to_vec())),
            Incoming::Garbage { from, what } => garbage.push((from, what)),
            Incoming::Down { peer, cause } => {
                up.remove(&peer);
                down.push((peer, cause));
            }
            Incoming::Announced { .. } | Incoming::Placed { .. } => panic!("TCP announces nothing"),
        })
        .expect("progress");
    }

    /// Makes progress until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Member) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done(self) {
            assert!(Instant::now() < deadline, "{}: {what}: down: {:?}", self.port.rank(), self.down);
            self.turn();
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    pub fn offer(&mut self, peer: Rank, round: u32) {
        let offer = self.port.offer(peer).expect("an offer");
        self.meeting.put(&format!("offer-{}-{}-{round}", self.port.rank().0, peer.0), &offer);
    }

    pub fn connect(&mut self, peer: Rank, round: u32) {
        let name = format!("offer-{}-{}-{round}", peer.0, self.port.rank().0);
        let mut offer = None;
        self.until(&name, |me| {
            offer = me.meeting.get(&name);
            offer.is_some()
        });
        let offer = offer.expect("waited for");
        if self.port.connect(peer, &offer).expect("connects") {
            self.up.insert(peer);
        }
    }

    /// Connects to everybody.
    pub fn join(&mut self) {
        let me = self.port.rank();
        let others: Vec<Rank> = (0..self.port.size()).map(Rank).filter(|other| *other != me).collect();
        others.iter().for_each(|&peer| self.offer(peer, 0));
        others.iter().for_each(|&peer| self.connect(peer, 0));
        self.until("connections", |member| member.up.len() == others.len());
    }

    /// Sends what is left.
    pub fn drain(&mut self) {
        self.until("the last packets leave", |me| me.port.unsent().is_none());
    }
}
