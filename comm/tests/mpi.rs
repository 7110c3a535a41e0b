//! The MPI rung between processes: runs this very binary, as the ranks of [`ranks`], under mpirun. Skipped, loudly,
//! without mpirun.

mod ranks;

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest run of one check.
const LIMIT: Duration = Duration::from_secs(90);

/// mpirun for `ranks` ranks, or `None` with a loud line.
fn mpirun(ranks: u32) -> Option<Command> {
    let version = Command::new("mpirun").arg("--version").output();
    let text = match version {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => {
            eprintln!("SKIPPED: mpirun is not installed, so the MPI rung is NOT TESTED here");
            return None;
        }
    };
    let mut command = Command::new("mpirun");
    if text.contains("Open MPI") || text.contains("OpenRTE") || text.contains("PRRTE") {
        command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    }
    command.args(["-n", &ranks.to_string()]);
    Some(command)
}

/// Ends the child if a test leaves early.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a check on `ranks` ranks; every rank must say that it is well.
fn check(name: &str, ranks: u32, more: &[&str]) {
    let Some(mut command) = mpirun(ranks) else { return };
    let output = std::env::temp_dir().join(format!("rankzero-mpi-{}-{name}-{ranks}", std::process::id()));
    let file = std::fs::File::create(&output).expect("temporary file");
    let errors = file.try_clone().expect("temporary file");
    command.args(more).arg(std::env::current_exe().expect("own path"));
    command.args(["--ignored", "--nocapture", "--test-threads=1", "--exact", &format!("ranks::{name}")]);
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    let mut child = Guard(command.spawn().expect("mpirun starts"));
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.0.try_wait().expect("own child") {
            break Some(status);
        }
        if Instant::now() >= deadline {
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let text = std::fs::read_to_string(&output).expect("temporary file");
    let _ = std::fs::remove_file(&output);
    let well = (0..ranks).all(|rank| text.contains(&format!("rank {rank}: {name} ok")));
    assert!(well && status.is_some_and(|status| status.success()), "{name} on {ranks} ranks: {status:?}\n{text}");
}

#[test]
fn every_word_of_a_ring_arrives_in_its_place() {
    check("ring", 4, &[]);
    check("ring", 1, &[]);
}

#[test]
fn start_up_exchanges_agree() {
    check("start", 4, &[]);
}

#[test]
fn a_write_beyond_the_segment_is_refused_by_its_receiver() {
    check("malformed", 3, &[]);
}

/// MPI over TCP, where that is Open MPI: what serves between nodes, and the slowest to take a large payload.
const TCP: [&str; 6] = ["--mca", "btl", "tcp,self", "--mca", "pml", "ob1"];

fn is_open_mpi() -> bool {
    let version = Command::new("mpirun").arg("--version").output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("Open MPI"))
}

#[test]
fn large_and_small_writes_keep_their_order_and_their_places() {
    check("mixed", 4, &[]);
    check("mixed", 2, if is_open_mpi() { &TCP } else { &[] });
}

#[test]
fn a_large_write_beyond_the_segment_is_refused_and_its_payload_goes_nowhere() {
    check("refused", 3, &[]);
    check("refused", 2, if is_open_mpi() { &TCP } else { &[] });
}

#[test]
fn nothing_is_written_after_a_close_with_a_payload_under_way() {
    if is_open_mpi() {
        // The ranks leave without MPI_Finalize, which mpirun otherwise takes for a failure.
        check("closing", 2, &["--enable-recovery"]);
        check("closing", 2, &[&["--enable-recovery"][..], &TCP].concat());
    } else {
        check("closing", 2, &[]);
    }
}

#[test]
fn a_silent_rank_is_named_and_nobody_hangs() {
    // The ranks leave without MPI_Finalize, which mpirun otherwise takes for a failure.
    check("missing", 3, if is_open_mpi() { &["--enable-recovery"] } else { &[] });
}
