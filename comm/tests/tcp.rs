//! The TCP rung between threads and between processes: this very binary, in the roles of [`members::roles`]. All
//! traffic stays on the loopback interface or in network namespaces that end with the test.

mod members;

use std::process::Command;
use std::time::{Duration, Instant};

use members::roles::{FLOOD, exchange, words};
use members::{Guard, KEY, Meeting, Member};
use nix::sys::signal::Signal;
use rankzero_comm::port::{Lane, Port};
use rankzero_comm::{CommError, FailureCause, Rank};

#[test]
fn every_word_between_four_threads_arrives_in_its_place() {
    let meeting = Meeting::new("threads");
    std::thread::scope(|scope| {
        for rank in 0..4 {
            let meeting = meeting.again();
            scope.spawn(move || exchange(&mut Member::new(meeting, rank, 4)));
        }
    });
}

#[test]
fn every_word_between_four_processes_arrives_in_its_place() {
    let meeting = Meeting::new("processes");
    let children: Vec<Guard> = (0..4).map(|rank| meeting.spawn(&[], "exchanges", rank, 4)).collect();
    children.into_iter().for_each(|child| child.succeeds("a rank"));
}

/// The killed peer is the connecting side of the pair, then the accepting one.
#[test]
fn a_killed_peer_is_known_to_be_dead_at_once() {
    for (me, peer) in [(1, Rank(0)), (0, Rank(1))] {
        let meeting = Meeting::new(&format!("killed-{me}"));
        let mut child = meeting.spawn(&[], "talks", peer.0, 2);
        let mut member = Member::new(meeting.again(), me, 2);
        member.join();
        member.until("packets", |member| member.packets.len() > 20);
        child.0.kill().expect("own child");
        let killed = Instant::now();
        member.until("its end", |member| !member.down.is_empty());
        let took = killed.elapsed();
        assert_eq!(member.down, [(peer, FailureCause::Refused)]);
        assert!(took < Duration::from_millis(500), "{took:?}");
        eprintln!("rank {me}: the death of {peer} was proven after {took:?}");
        let in_order = member.packets.iter().enumerate().all(|(number, packet)| packet.2 == [number as u32; 1000]);
        assert!(in_order, "what came before is whole");
        // Told once, and what is sent to nobody is no error.
        member.port.send(peer, Lane::Data, vec![1]).expect("dropped");
        let quiet = Instant::now() + Duration::from_millis(400);
        member.until("nothing", |_| Instant::now() >= quiet);
        assert_eq!(member.down.len(), 1);
        assert!(!member.port.busy() && !member.port.carries_messages(peer));
    }
}

/// The peer is stopped for longer than a host may be silent, with more under way than the system holds.
#[test]
fn nothing_is_lost_on_a_peer_that_is_stopped() {
    let meeting = Meeting::new("stopped");
    let child = meeting.spawn(&[], "takes_the_flood", 1, 2);
    let mut member = Member::new(meeting.again(), 0, 2);
    member.join();
    meeting.wait("ready");
    child.signal(Signal::SIGSTOP);
    let (stopped, mut resumed) = (Instant::now(), false);
    let mut sent = 0;
    member.until("the flood leaves", |member| {
        if sent < FLOOD.0 {
            let packet = words(Rank(0), Rank(1), sent as usize, FLOOD.1).collect();
            match member.port.send(Rank(1), Lane::Message, packet) {
                Ok(()) => sent += 1,
                Err(CommError::Backpressure { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        if !resumed && stopped.elapsed() > Duration::from_secs(8) {
            assert_eq!(member.port.unsent(), Some(Rank(1)));
            child.signal(Signal::SIGCONT);
            resumed = true;
        }
        sent == FLOOD.0 && member.port.unsent().is_none()
    });
    let peak = String::from_utf8(meeting.wait("peak")).expect("text");
    let peak: u64 = peak.trim().parse().expect("a number");
    assert!(peak < 48 << 10, "the receiver took {peak} KiB for 64 MiB in small packets");
    assert_eq!(member.down, []);
    member.port.close(Rank(1));
    child.succeeds("the stopped rank");
}

#[test]
fn messages_to_a_peer_that_lags_are_bounded() {
    let meeting = Meeting::new("lags");
    let mut pair = [0, 1].map(|rank| Member::new(meeting.again(), rank, 2));
    join(&mut pair, 0);
    let mut words = 0u64;
    let refusal = loop {
        match pair[0].port.send(Rank(1), Lane::Message, vec![0; 1 << 20]) {
            Ok(()) => words += 1 << 20,
            Err(refusal) => break refusal,
        }
        assert!(words < 64 << 20, "no bound");
    };
    assert!(matches!(refusal, CommError::Backpressure { peer: Rank(1), .. }), "{refusal}");
    let long = pair[0].port.send(Rank(1), Lane::Data, vec![0; (2 << 20) + 1]);
    assert!(matches!(long, Err(CommError::Io { .. })), "{long:?}");
    let nobody = pair[0].port.send(Rank(2), Lane::Data, Vec::new());
    assert!(matches!(nobody, Err(CommError::UnknownPeer { .. })), "{nobody:?}");
}

/// Both ends in one thread, connected.
fn join(pair: &mut [Member; 2], round: u32) {
    pair[0].offer(Rank(1), round);
    pair[1].offer(Rank(0), round);
    pair[0].connect(Rank(1), round);
    pair[1].connect(Rank(0), round);
    both_until(pair, "connected", |pair| pair.iter().all(|member| member.up.len() == 1));
}

fn both_until(pair: &mut [Member; 2], what: &str, done: impl Fn(&[Member; 2]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done(pair) {
        assert!(Instant::now() < deadline, "{what}");
        pair.iter_mut().for_each(Member::turn);
    }
}

#[test]
fn a_pair_connects_again_and_hears_nothing_of_before() {
    let meeting = Meeting::new("again");
    let mut pair = [0, 1].map(|rank| Member::new(meeting.again(), rank, 2));
    for round in 0..20 {
        join(&mut pair, round);
        // By turns one end closes, with packets of this round still under way.
        let (closer, other) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let peer = Rank(other as u32);
        for _ in 0..100 {
            pair[closer].port.send(peer, Lane::Data, vec![round; 500]).expect("sent");
        }
        both_until(&mut pair, "a packet", |pair| !pair[other].packets.is_empty());
        pair[closer].port.close(peer);
        pair[closer].up.clear();
        if round % 3 == 0 {
            both_until(&mut pair, "the end", |pair| !pair[other].down.is_empty());
            let reset = FailureCause::Io { errno: nix::libc::ECONNRESET };
            assert_eq!(pair[other].down, [(Rank(closer as u32), reset)], "a goodbye is no death");
        }
        pair[other].up.clear();
        assert!(pair[other].packets.iter().all(|packet| packet.2 == [round; 500]), "round {round}");
        pair.iter_mut().for_each(|member| {
            member.packets.clear();
            member.down.clear();
        });
    }
}

#[test]
fn another_run_is_not_let_in() {
    let meeting = Meeting::new("other-key");
    let mut ours = Member::new(meeting.again(), 1, 2);
    let mut stranger = Member::on(meeting.again(), 0, 2, [9; 32], "lo");
    stranger.offer(Rank(1), 0);
    ours.offer(Rank(0), 0);
    // The stranger shares the loopback interface but takes it for another host's, as it cannot know the name either.
    let name = "offer-1-0-0";
    let mut offer = ours.meeting.get(name).expect("made");
    let theirs = stranger.meeting.get("offer-0-1-0").expect("made");
    offer[12..28].copy_from_slice(&theirs[12..28]);
    assert_ne!(KEY, [9; 32]);
    assert_eq!(stranger.port.connect(Rank(1), &offer), Ok(false));
    assert_eq!(ours.port.connect(Rank(0), &theirs), Ok(false));
    let mut pair = [stranger, ours];
    both_until(&mut pair, "refused", |pair| !pair[0].down.is_empty());
    assert!(pair.iter().all(|member| member.up.is_empty()));
    assert!(matches!(pair[0].down[0], (Rank(1), FailureCause::Io { .. })), "{:?}", pair[0].down);
}

#[test]
fn a_connection_that_does_not_come_about_proves_no_death() {
    let meeting = Meeting::new("nobody");
    let mut member = Member::new(meeting.again(), 0, 2);
    let mut gone = Member::new(meeting.again(), 1, 2);
    let offer = gone.port.offer(Rank(0)).expect("an offer");
    drop(gone);
    assert!(member.port.connect(Rank(1), &offer).is_err(), "an offer of its own comes first");
    member.offer(Rank(1), 0);
    assert!(member.port.connect(Rank(1), &offer[1..]).is_err(), "no offer");
    assert_eq!(member.port.connect(Rank(1), &offer), Ok(false));
    member.until("the failure", |member| !member.down.is_empty());
    assert_eq!(member.down, [(Rank(1), FailureCause::Io { errno: nix::libc::ECONNREFUSED })]);
    assert!(member.port.offer(Rank(0)).is_err() && member.port.offer(Rank(2)).is_err());
}

/// Two processes, each in a network namespace of its own that ends with it, and a link between them.
#[test]
fn a_cut_link_is_noticed_by_both_ends() {
    let mut trial = Command::new("unshare");
    trial.args("-n ip link add rz0 type veth peer name rz1".split(' '));
    if !run(&mut trial) {
        eprintln!("SKIPPED: network namespaces are not permitted, so a cut link is NOT TESTED here");
        return;
    }
    let meeting = Meeting::new("cut");
    let children = [0, 1].map(|rank| meeting.spawn(&["unshare", "-n"], "is_cut_off", rank, 2));
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
    (0..2).for_each(|rank| drop(meeting.wait(&format!("talking-{rank}"))));
    ip(0, "link set rz0 down");
    meeting.put("cut", &[]);
    children.into_iter().for_each(|child| child.succeeds("an end of the link"));
}

/// Runs a command; whether it went well.
fn run(command: &mut Command) -> bool {
    command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}
