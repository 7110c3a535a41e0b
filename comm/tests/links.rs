//! Control links between threads and between processes: this very binary, as the ignored tests below. All traffic stays on the
//! loopback interface or in network namespaces that end with the test.

mod members;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use members::{Guard, KEY, LIMIT, Meeting};
use rankzero_comm::control::links::{LinkEvent, Links, MESSAGE_WORDS_MAX};
use rankzero_comm::tcp::Choice;
use rankzero_comm::{FailureCause, Rank};

/// The links of one rank, and what was told of them.
struct Station {
    me: Rank,
    links: Links,
    up: BTreeSet<Rank>,
    down: Vec<(Rank, FailureCause)>,
    messages: Vec<(Rank, Vec<u32>)>,
}

impl Station {
    fn on(rank: u32, size: u32, key: [u8; 32], interfaces: &str) -> Station {
        // An interface that was just set up takes up to a second to run.
        let deadline = Instant::now() + Duration::from_secs(5);
        let links = loop {
            match Links::open_on(Rank(rank), size, 0..=0, key, &Choice::parse(interfaces)) {
                Ok(links) => break links,
                Err(reason) => assert!(Instant::now() < deadline, "{reason}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Station { me: Rank(rank), links, up: BTreeSet::new(), down: Vec::new(), messages: Vec::new() }
    }

    fn new(rank: u32, size: u32) -> Station {
        Station::on(rank, size, KEY, "lo")
    }

    fn turn(&mut self) {
        let mut events = Vec::new();
        self.links.progress(&mut events).expect("progress");
        for event in events {
            match event {
                LinkEvent::Up { peer } => assert!(self.up.insert(peer), "{peer} comes up once"),
                LinkEvent::Down { peer, cause } => {
                    self.up.remove(&peer);
                    self.down.push((peer, cause));
                }
                LinkEvent::Message { from, words } => self.messages.push((from, words)),
            }
        }
    }

    /// Waits and makes progress until `done`.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Station) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done(self) {
            assert!(Instant::now() < deadline, "{}: {what}: up: {:?}, down: {:?}", self.me, self.up, self.down);
            self.links.wait(Instant::now() + Duration::from_millis(5)).expect("waits");
            self.turn();
        }
    }

    /// Finds the others through the meeting and links up with all of them.
    fn join(&mut self, meeting: &Meeting, size: u32) {
        meeting.put(&format!("links-{}", self.me.0), &self.links.offer());
        let others: Vec<Rank> = Rank::all(size).filter(|&peer| peer != self.me).collect();
        for &peer in &others {
            let offer = meeting.wait(&format!("links-{}", peer.0));
            self.links.connect(peer, &offer).expect("connects");
        }
        self.until("links", |station| station.up.len() == others.len());
    }
}

/// Stations of one thread, all linked.
fn linked(size: u32) -> Vec<Station> {
    let mut stations: Vec<Station> = (0..size).map(|rank| Station::new(rank, size)).collect();
    let offers: Vec<Vec<u8>> = stations.iter().map(|station| station.links.offer()).collect();
    for station in &mut stations {
        for (peer, offer) in Rank::all(size).zip(&offers).filter(|&(peer, _)| peer != station.me) {
            station.links.connect(peer, offer).expect("connects");
        }
    }
    all_until(&mut stations, "links", |stations| stations.iter().all(|station| station.up.len() == size as usize - 1));
    stations
}

fn all_until(stations: &mut [Station], what: &str, mut done: impl FnMut(&mut [Station]) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done(stations) {
        assert!(Instant::now() < deadline, "{what}");
        stations.iter_mut().for_each(Station::turn);
    }
}

#[test]
fn messages_of_any_length_go_between_three_and_what_is_too_long_does_not() {
    let mut stations = linked(3);
    let lengths = [0, 1, 1000, MESSAGE_WORDS_MAX];
    let message = |from: Rank, to: Rank, len: usize| vec![from.0 << 8 | to.0; len];
    for &len in &lengths {
        for station in &mut stations {
            for peer in Rank::all(3).filter(|&peer| peer != station.me) {
                let words = message(station.me, peer, len);
                assert!(station.links.send(peer, words), "{} to {peer}: {len} words", station.me);
            }
        }
        all_until(&mut stations, "messages", |stations| stations.iter().all(|station| station.messages.len() == 2));
        for station in &mut stations {
            station.messages.sort();
            let from = Rank::all(3).filter(|&peer| peer != station.me);
            let expected: Vec<_> = from.map(|from| (from, message(from, station.me, len))).collect();
            assert!(station.messages == expected, "{} of {len} words", station.me);
            station.messages.clear();
        }
    }
    assert!(!stations[0].links.send(Rank(1), vec![0; MESSAGE_WORDS_MAX + 1]));
    assert!(!stations[0].links.send(Rank(0), vec![0]) && !stations[0].links.send(Rank(3), vec![0]));
    assert!(stations[0].links.describe(Rank(1)).contains("127.0.0.1:"));
    // The peer does not listen, and what waits for it stays bounded.
    let mut sent = 0;
    while stations[0].links.send(Rank(1), vec![0; MESSAGE_WORDS_MAX / 4]) {
        sent += 1;
        assert!(sent < 64, "no bound");
    }
}

#[test]
fn the_links_of_a_rank_may_move_to_another_thread() {
    let mut stations = linked(2);
    let mut moved = stations.remove(1);
    let thread = std::thread::spawn(move || {
        moved.until("a message", |station| !station.messages.is_empty());
        moved.links.close(Rank(0));
        moved.messages
    });
    assert!(stations[0].links.send(Rank(1), vec![4, 5]));
    stations[0].until("goodbye", |station| !station.down.is_empty());
    assert!(!stations[0].down[0].1.proves_death());
    assert_eq!(thread.join().expect("no panic"), [(Rank(0), vec![4, 5])]);
}

#[test]
fn a_wait_ends_when_another_thread_wakes_it() {
    let station = Station::new(0, 1);
    assert_eq!(station.links.offer(), [], "nobody to connect");
    let waker = station.links.waker();
    let far = Instant::now() + Duration::from_secs(3600);
    let woken = std::thread::spawn(move || {
        let mut station = station;
        // What is due by time ends a wait too, so the word itself is looked for.
        let (told, tell) = (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), waker.clone());
        let flag = std::sync::Arc::clone(&told);
        let other = std::thread::spawn(move || {
            flag.store(true, std::sync::atomic::Ordering::SeqCst);
            tell.wake();
        });
        while !told.load(std::sync::atomic::Ordering::SeqCst) {
            station.links.wait(far).expect("waits");
            station.turn();
        }
        other.join().expect("no panic");
    });
    woken.join().expect("no panic");
}

#[test]
fn who_joins_later_is_reached_by_the_same_offer() {
    let mut stations: Vec<Station> = (0..3).map(|rank| Station::new(rank, 8)).collect();
    let offers: Vec<Vec<u8>> = stations.iter().map(|station| station.links.offer()).collect();
    stations[0].links.connect(Rank(1), &offers[1]).expect("connects");
    stations[1].links.connect(Rank(0), &offers[0]).expect("connects");
    all_until(&mut stations, "the first", |stations| stations[..2].iter().all(|station| station.up.len() == 1));
    for (me, peer) in [(2, 0), (0, 2), (2, 1), (1, 2)] {
        stations[me].links.connect(Rank(peer as u32), &offers[peer]).expect("connects");
    }
    all_until(&mut stations, "the newcomer", |stations| stations.iter().all(|station| station.up.len() == 2));
    assert!(stations[0].links.connect(Rank(2), &offers[2]).is_err(), "once for each peer");
    assert!(stations[0].links.connect(Rank(8), &offers[2]).is_err(), "nobody has this number");
}

#[test]
fn a_killed_process_is_proven_dead_to_all_others() {
    let meeting = Meeting::new("links-killed");
    // In the middle: one of the others connects to it, the other accepts it.
    let mut child = meeting.spawn_test(&[], "talks_to_all", 1, 3);
    let mut stations = [0, 2].map(|rank| Station::new(rank, 3));
    for station in &stations {
        meeting.put(&format!("links-{}", station.me.0), &station.links.offer());
    }
    let offers: Vec<Vec<u8>> = (0..3).map(|rank| meeting.wait(&format!("links-{rank}"))).collect();
    for station in &mut stations {
        for (peer, offer) in Rank::all(3).zip(&offers).filter(|&(peer, _)| peer != station.me) {
            station.links.connect(peer, offer).expect("connects");
        }
    }
    let talk = |stations: &mut [Station]| stations.iter().all(|station| station.messages.len() > 3);
    all_until(&mut stations, "messages", talk);
    child.0.kill().expect("own child");
    all_until(&mut stations, "the proof", |stations| stations.iter().all(|station| !station.down.is_empty()));
    let quiet = Instant::now() + Duration::from_millis(500);
    all_until(&mut stations, "silence", |_| Instant::now() >= quiet);
    for station in &stations {
        assert_eq!(station.down, [(Rank(1), FailureCause::Refused)], "{}", station.me);
        assert_eq!(station.up.len(), 1, "the others are linked");
    }
}

#[test]
#[ignore = "one rank of a test"]
fn talks_to_all() {
    let mut station = child("lo");
    station.join(&Meeting::of_parent(), 3);
    station.until("the end of the process", |station| {
        for &peer in &station.up {
            station.links.send(peer, vec![1; 100]);
        }
        false
    });
}

#[test]
fn a_stranger_gets_nowhere_and_disturbs_nobody() {
    let mut stations = linked(2);
    let mut stranger = Station::on(0, 2, [9; 32], "lo");
    // The stranger takes the loopback interface for that of another host, unless it is told otherwise.
    let mut offer = stations[1].links.offer();
    offer[12..28].copy_from_slice(&stranger.links.offer()[12..28]);
    stranger.links.connect(Rank(1), &offer).expect("tries");
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        stranger.turn();
        stations.iter_mut().for_each(Station::turn);
    }
    assert!(stranger.up.is_empty() && stranger.down.len() == 1, "{:?}", stranger.down);
    assert!(stations.iter().all(|station| station.down.is_empty()));
    assert!(stations[0].links.send(Rank(1), vec![3]));
    all_until(&mut stations, "a message", |stations| !stations[1].messages.is_empty());
}

/// Two processes, each in a network namespace of its own that ends with it, and a link between them that is down for 3 s, and then
/// until both have noticed.
#[test]
fn links_come_back_after_the_network_was_down() {
    let mut trial = Command::new("unshare");
    trial.args("-n ip link add rz0 type veth peer name rz1".split(' '));
    if !run(&mut trial) {
        eprintln!("SKIPPED: network namespaces are not permitted, so links that come back are NOT TESTED here");
        return;
    }
    let meeting = Meeting::new("links-cut");
    let children: Vec<Guard> =
        (0..2).map(|rank| meeting.spawn_test(&["unshare", "-n"], "is_cut_off_twice", rank, 2)).collect();
    let pids = [0, 1].map(|rank| String::from_utf8(meeting.wait(&format!("pid-{rank}"))).expect("text"));
    let ip = |rank: usize, words: &str| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &pids[rank], "-n", "ip"]).args(words.split(' '));
        assert!(run(&mut command), "ip {words}");
    };
    ip(0, &format!("link add rz0 type veth peer name rz0 netns {}", pids[1]));
    for rank in 0..2 {
        ip(rank, &format!("address add 10.77.0.{}/24 dev rz0", rank + 1));
        ip(rank, "link set rz0 up");
    }
    meeting.put("linked", &[]);
    let both = |word: &str| (0..2).for_each(|rank| drop(meeting.wait(&format!("{word}-{rank}"))));
    both("talking");
    ip(0, "link set rz0 down");
    std::thread::sleep(Duration::from_secs(3));
    ip(0, "link set rz0 up");
    meeting.put("mended", &[]);
    both("talking-again");
    ip(0, "link set rz0 down");
    meeting.put("cut", &[]);
    both("noticed");
    std::thread::sleep(Duration::from_secs(3));
    ip(0, "link set rz0 up");
    children.into_iter().for_each(|child| child.succeeds("an end of the link"));
}

#[test]
#[ignore = "one rank of a test"]
fn is_cut_off_twice() {
    let meeting = Meeting::of_parent();
    let rank: u32 = std::env::var("RANKZERO_TEST_RANK").expect("set by the test").parse().expect("a rank");
    meeting.put(&format!("pid-{rank}"), std::process::id().to_string().as_bytes());
    meeting.wait("linked");
    let mut station = child("10.77.0.0/24");
    station.join(&meeting, 2);
    let peer = Rank(1 - rank);
    let mut last = Instant::now();
    let mut say = move |station: &mut Station, word: u32| {
        if last.elapsed() > Duration::from_millis(50) {
            station.links.send(peer, vec![word]);
            last = Instant::now();
        }
    };
    let hears = |station: &Station, word: u32| station.messages.iter().any(|message| message.1 == [word]);
    station.until("the first word", |station| {
        say(station, 1);
        hears(station, 1)
    });
    meeting.put(&format!("talking-{rank}"), &[]);
    station.until("the end of the first cut", |station| {
        say(station, 1);
        meeting.get("mended").is_some()
    });
    station.until("a word after it", |station| {
        say(station, 2);
        hears(station, 2)
    });
    meeting.put(&format!("talking-again-{rank}"), &[]);
    station.until("the second cut", |station| {
        say(station, 2);
        meeting.get("cut").is_some()
    });
    station.until("the loss", |station| {
        say(station, 2);
        !station.up.contains(&peer)
    });
    assert!(!station.links.send(peer, vec![99]), "what is sent while there is no link is dropped");
    meeting.put(&format!("noticed-{rank}"), &[]);
    let lost = Instant::now();
    station.until("the link again", |station| station.up.contains(&peer));
    eprintln!("rank {rank}: linked again {:?} after the loss was noticed: {:?}", lost.elapsed(), station.down);
    station.until("a word after the second cut", |station| {
        say(station, 3);
        hears(station, 3)
    });
    assert!(station.down.iter().all(|(_, cause)| !cause.proves_death()), "{:?}", station.down);
    assert!(!hears(&station, 99));
    meeting.put(&format!("done-{rank}"), &[]);
    station.until("the other", |station| {
        say(station, 3);
        meeting.get(&format!("done-{}", peer.0)).is_some()
    });
}

/// The station that the test named to this child.
fn child(interfaces: &str) -> Station {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok()).expect("set by the test");
    Station::on(number("RANKZERO_TEST_RANK"), number("RANKZERO_TEST_SIZE"), KEY, interfaces)
}

/// Runs a command; whether it went well.
fn run(command: &mut Command) -> bool {
    command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}
