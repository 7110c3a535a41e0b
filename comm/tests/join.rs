//! Processes that join a run: this very binary, as the ignored tests below, with a membership, over shared memory and TCP. All traffic stays
//! on the loopback interface.

mod members;
mod parts;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use members::{Guard, KEY, Meeting};
use parts::{CAPACITY, Play};
use rankzero_comm::world::{self, Options};
use rankzero_comm::{Endpoint, Fabric, Rank, RunKey, Rung};

fn me() -> Rank {
    Rank(std::env::var("RANKZERO_TEST_RANK").expect("set by the test").parse().expect("a rank"))
}

#[test]
#[ignore = "one rank of a test"]
fn takes_part() {
    drop(Play::of_parent().join(me()).play());
}

#[test]
#[ignore = "one rank of a test, under mpirun"]
fn takes_part_from_the_start() {
    let deadline = Instant::now() + Duration::from_secs(60);
    let play = Play::of_parent();
    let mut fabric = world::start(&Options::default(), deadline).expect("MPI");
    let key = RunKey::agree(&mut fabric, deadline).expect("a key");
    world::equip(&mut fabric, &play.wish(), &key, deadline).expect("equipped");
    assert_eq!((fabric.size(), fabric.at_start()), (CAPACITY, play.founders));
    if fabric.rank() == Rank(0) {
        play.meeting.put("key", &key.to_bytes());
    }
    let mut part = play.found(fabric);
    part.fabric.open(deadline).expect("opened");
    let fabric = part.play();
    world::shutdown(fabric, true, deadline).expect("all are there");
}

/// Comes and ends by itself after some turns, as the rank that it is.
#[test]
#[ignore = "one rank of a test"]
fn dies_early() {
    let (me, play) = (me(), Play::of_parent());
    let turns = u32::from_le_bytes(play.meeting.wait("turns").try_into().expect("a number"));
    let mut part = play.join(me);
    while part.fabric.present().len() == 1 {
        part.turn();
    }
    for _ in 0..turns {
        part.turn();
    }
    std::process::abort();
}

/// A meeting for `founders`; in the end `cast` is there.
fn meeting(name: &str, founders: u32, cast: &str, only: Option<Rung>) -> Meeting {
    let meeting = Meeting::new(&format!("join-{name}"));
    meeting.put("cast", format!("{founders} {cast}").as_bytes());
    meeting.put("only", only.map_or("", Rung::name).as_bytes());
    meeting
}

fn until(meeting: &Meeting, names: &[&str]) {
    names.iter().for_each(|name| drop(meeting.wait(name)));
}

fn all_end_well(ranks: Vec<(u32, Guard)>) {
    for (rank, guard) in ranks {
        guard.succeeds(&format!("rank {rank}"));
    }
}

fn spawn(meeting: &Meeting, role: &str, ranks: impl IntoIterator<Item = u32>) -> Vec<(u32, Guard)> {
    ranks.into_iter().map(|rank| (rank, meeting.spawn_test(&[], role, rank, CAPACITY))).collect()
}

#[test]
fn processes_join_over_shared_memory() {
    let meeting = meeting("shm", 2, "0 1 2 3", None);
    meeting.put("key", &KEY);
    let mut all = spawn(&meeting, "takes_part", 0..2);
    until(&meeting, &["control-0", "control-1"]);
    all.extend(spawn(&meeting, "takes_part", 2..4));
    all_end_well(all);
}

#[test]
fn processes_join_over_tcp() {
    let meeting = meeting("tcp", 1, "0 1 2", Some(Rung::Tcp));
    meeting.put("key", &KEY);
    let mut all = spawn(&meeting, "takes_part", 0..1);
    until(&meeting, &["control-0"]);
    all.extend(spawn(&meeting, "takes_part", 1..2));
    until(&meeting, &["control-1"]);
    all.extend(spawn(&meeting, "takes_part", 2..3));
    all_end_well(all);
}

#[test]
fn the_others_go_on_when_one_dies_while_it_joins() {
    for turns in [0u32, 1, 3, 30] {
        let meeting = meeting(&format!("death-{turns}"), 2, "0 1 3", None);
        meeting.put("key", &KEY);
        meeting.put("turns", &turns.to_le_bytes());
        let mut all = spawn(&meeting, "takes_part", 0..2);
        until(&meeting, &["control-0", "control-1"]);
        let mut dying = spawn(&meeting, "dies_early", [2]);
        let (_, guard) = &mut dying[0];
        assert!(!guard.0.wait().expect("own child").success());
        all.extend(spawn(&meeting, "takes_part", [3]));
        all_end_well(all);
    }
}

#[test]
fn a_process_joins_ranks_that_mpi_has_started() {
    let found = Command::new("mpirun").arg("--version").output();
    let Some(version) = found.ok().filter(|output| output.status.success()) else {
        eprintln!("SKIPPED: mpirun is not installed, so joining ranks of MPI is NOT TESTED here");
        return;
    };
    let meeting = meeting("mpi", 2, "0 1 2", None);
    let mut command = Command::new("mpirun");
    let text = String::from_utf8_lossy(&version.stdout);
    if text.contains("Open MPI") || text.contains("OpenRTE") || text.contains("PRRTE") {
        command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    }
    command.args(["-n", "2"]).arg(std::env::current_exe().expect("own path"));
    command.args(["--ignored", "--nocapture", "--test-threads=1", "--exact", "takes_part_from_the_start"]);
    command.env("RANKZERO_TEST_MEETING", meeting.path());
    let founders = Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("mpirun starts"));
    until(&meeting, &["key", "control-0", "control-1"]);
    let newcomer = spawn(&meeting, "takes_part", [2]);
    all_end_well(newcomer);
    founders.succeeds("mpirun");
}
