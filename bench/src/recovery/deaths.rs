//! Ranks that are killed, one a run, at many moments; every run must come to the digest of one that was left in peace.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::BenchError;
use crate::overhead::program::{Program, Recovery, Run, folder};
use crate::report::Report;
use crate::root;

const RANKS: u32 = 8;
/// Few bodies, so that a step is short and what is measured is the recovery.
const SHORT: [&str; 9] = [
    "time.duration_s=null",
    "time.steps=96",
    "output.frames={geometry: none}",
    "soft_bodies[0].count=8",
    "soft_bodies[1].count=8",
    "soft_bodies[2].count=8",
    "soft_bodies[3].count=8",
    "network.sync_interval_ms=100",
    "network.result_timeout_ms=60000",
];

/// `kills` runs, with another victim and another moment each.
pub fn measure(program: &Program, kills: u32, report: &mut Report) -> Result<(), BenchError> {
    let cache = folder()?;
    let job = root().join("jobs/demo.yaml");
    let run = |faults: String| {
        let run = Run { job: &job, ranks: RANKS, set: &SHORT, cache: cache.path() };
        program.run_with(&run, &[("RANKZERO_FAULTS", &faults)])
    };
    let peace = run(String::new())?.digest;
    let (mut recoveries, mut notices) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        // Every third time rank 0, else one after the other; moments that have nothing to do with epochs.
        let victim = if kill % 3 == 0 { 0 } else { kill % RANKS };
        let faults = format!("{}:kill:{victim}", 20 + kill * 7 % 60);
        let summary = run(faults.clone())?;
        let recovery = summary.recoveries.into_iter().next();
        match recovery {
            Some(recovery) if summary.digest == peace => recoveries.push(recovery),
            other => {
                let what = format!("{faults}: digest {} instead of {peace}, {other:?}", summary.digest);
                return Err(BenchError::Unexpected { command: "rankzero launch".to_owned(), what });
            }
        }
        notices.push(notice()?);
    }
    let of = |figure: &dyn Fn(&Recovery) -> f64| -> Vec<f64> { recoveries.iter().map(figure).collect() };
    let detected = |r: &Recovery| r.detected_ms.unwrap_or(0.0);
    report.quantiles("kernel, kill to end of file on a socket", "ms", &notices);
    report.quantiles(&format!("{RANKS} ranks, kill to noticed"), "ms", &of(&detected));
    report.quantiles(&format!("{RANKS} ranks, noticed to elected"), "ms", &of(&|r| r.elected_ms));
    report.quantiles(&format!("{RANKS} ranks, elected to restored"), "ms", &of(&|r| r.restored_ms - r.elected_ms));
    report.quantiles(
        &format!("{RANKS} ranks, restored to next step done"),
        "ms",
        &of(&|r| r.resumed_ms - r.restored_ms),
    );
    report.quantiles(
        &format!("{RANKS} ranks, kill to resumed (target p99 500)"),
        "ms",
        &of(&|r| detected(r) + r.resumed_ms),
    );
    report.quantiles(
        &format!("{RANKS} ranks, steps computed again"),
        "steps",
        &of(&|r| (r.at_step - r.from_step) as f64),
    );
    Ok(())
}

/// Milliseconds from the killing of a process to the end of its connection, as the process at the other end sees it.
fn notice() -> Result<f64, BenchError> {
    let io = |what: &'static str| move |source| BenchError::io(what, "loopback")(source);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io("listen on"))?;
    let stream = TcpStream::connect(listener.local_addr().map_err(io("listen on"))?).map_err(io("connect on"))?;
    let (mut own, _) = listener.accept().map_err(io("connect on"))?;
    // The child inherits the other end as its standard input, and nothing else keeps it open.
    let theirs = std::os::fd::OwnedFd::from(stream);
    let mut child =
        Command::new("sleep").arg("60").stdin(Stdio::from(theirs)).spawn().map_err(io("start a process on"))?;
    let begun = Instant::now();
    child.kill().map_err(io("kill a process on"))?;
    let ended = own.read(&mut [0]);
    let took = begun.elapsed();
    child.wait().map_err(io("wait for a process on"))?;
    ended.map_err(io("read from"))?;
    Ok(took.as_secs_f64() * 1e3)
}
