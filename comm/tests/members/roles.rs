//! What the children of the tests do.

use std::time::{Duration, Instant};

use rankzero_comm::port::{Lane, Port};
use rankzero_comm::{FailureCause, Rank};

use super::{Meeting, Member};

/// Lengths of the packets of the exchange, in words.
const LENGTHS: [usize; 7] = [0, 1, 2, 1001, 16_384, 300_007, 1 << 20];
/// Packets that the stopped rank is sent, and their length in words: 64 MiB.
pub const FLOOD: (u32, usize) = (256, 1 << 16);

/// The words of one packet: every word differs, so that a misplaced one is seen.
pub fn words(from: Rank, to: Rank, number: usize, len: usize) -> impl Iterator<Item = u32> {
    let seed = (from.0 << 24) ^ (to.0 << 16) ^ ((number as u32) << 8);
    (0..len as u32).map(move |at| at.wrapping_mul(0x9e37_79b9) ^ seed)
}

/// Everybody sends packets of all lengths to everybody in both lanes; every word is compared.
pub fn exchange(member: &mut Member) {
    let (me, size) = (member.port.rank(), member.port.size());
    let others: Vec<Rank> = (0..size).map(Rank).filter(|other| *other != me).collect();
    member.join();
    for (number, &len) in LENGTHS.iter().enumerate() {
        for &peer in &others {
            for (lane, number) in [(Lane::Data, 2 * number), (Lane::Message, 2 * number + 1)] {
                let mut packet = member.port.buffer();
                packet.clear();
                packet.extend(words(me, peer, number, len));
                member.port.send(peer, lane, packet).expect("sent");
                member.turn();
            }
        }
    }
    let expected = 2 * LENGTHS.len() * others.len();
    member.until("all packets", |member| member.packets.len() >= expected);
    member.drain();
    for &from in &others {
        for (lane, first) in [(Lane::Data, 0), (Lane::Message, 1)] {
            let got = member.packets.iter().filter(|packet| packet.0 == from && packet.1 == lane);
            let got: Vec<&Vec<u32>> = got.map(|packet| &packet.2).collect();
            assert_eq!(got.len(), LENGTHS.len());
            for (number, (packet, len)) in got.iter().zip(LENGTHS).enumerate() {
                let expected = words(from, me, 2 * number + first, len);
                assert!(packet.iter().copied().eq(expected), "{from} to {me}: packet {number} in {lane:?}");
            }
        }
    }
    // Nobody leaves before everybody has everything, as the end of a process is not a goodbye.
    member.meeting.put(&format!("done-{}", me.0), &[]);
    member.until("the others", |member| (0..size).all(|rank| member.meeting.get(&format!("done-{rank}")).is_some()));
    assert_eq!(member.garbage, []);
}

#[test]
#[ignore = "one rank of a test"]
fn exchanges() {
    exchange(&mut Member::child());
}

/// Sends numbered packets until it is ended.
#[test]
#[ignore = "one rank of a test"]
fn talks() {
    let mut member = Member::child();
    member.join();
    let peer = *member.up.first().expect("joined");
    for number in 0.. {
        member.port.send(peer, Lane::Data, vec![number; 1000]).expect("sent");
        member.until("packets leave", |me| me.port.unsent().is_none() || !me.down.is_empty());
        if !member.down.is_empty() {
            break;
        }
    }
}

/// Takes the flood and compares every word.
#[test]
#[ignore = "one rank of a test"]
fn takes_the_flood() {
    let mut member = Member::child();
    member.join();
    member.meeting.put("ready", &[]);
    for number in 0..FLOOD.0 {
        member.until("the flood", |member| !member.packets.is_empty());
        assert_eq!(member.down, []);
        let (_, _, packet) = member.packets.remove(0);
        assert!(packet.iter().copied().eq(words(Rank(0), Rank(1), number as usize, FLOOD.1)), "packet {number}");
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    member.meeting.put("peak", peak.trim().trim_end_matches(" kB").as_bytes());
    member.until("goodbye", |member| !member.down.is_empty());
}

/// One end of a link that the test cuts: rank 0 sends all the while, rank 1 only listens. Tells when and why the
/// connection went down.
#[test]
#[ignore = "one rank of a test"]
fn is_cut_off() {
    let meeting = Meeting::of_parent();
    let rank: u32 = std::env::var("RANKZERO_TEST_RANK").expect("set by the test").parse().expect("a rank");
    meeting.put(&format!("pid-{rank}"), std::process::id().to_string().as_bytes());
    meeting.wait("linked");
    let mut member = Member::on(meeting, rank, 2, super::KEY, "10.77.0.0/24");
    member.join();
    let peer = Rank(1 - rank);
    let description = member.port.describe(peer);
    assert!(description.contains("10.77.0.1:") && description.contains("10.77.0.2:"), "{description}");
    assert!(description.ends_with(", rz0"), "{description}");
    member.until("words over the link", |member| {
        if rank == 0 && member.port.unsent().is_none() {
            member.port.send(peer, Lane::Data, vec![7; 100]).expect("sent");
        }
        rank == 0 || !member.packets.is_empty()
    });
    member.meeting.put(&format!("talking-{rank}"), &[]);
    let mut cut = None;
    member.until("the cut", |member| {
        if cut.is_none() && member.meeting.get("cut").is_some() {
            cut = Some(Instant::now());
        }
        if rank == 0 && member.port.unsent().is_none() {
            member.port.send(peer, Lane::Data, vec![7; 100]).expect("sent");
        }
        member.packets.clear();
        std::thread::sleep(Duration::from_millis(1));
        !member.down.is_empty()
    });
    let after = cut.map(|cut| cut.elapsed());
    let cause = member.down[0].1;
    eprintln!("rank {rank}: down {after:?} after the cut: {cause}");
    assert!(matches!(cause, FailureCause::Io { .. }), "{cause:?}");
    let after = after.expect("not before the cut");
    assert!(after < Duration::from_secs(8), "{after:?}");
}
