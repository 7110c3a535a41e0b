//! The verbs rung beside perftest, in the RDMA laboratory. Its device is software in an emulated machine, so that instructions of
//! the programs themselves are counted beside the times.

use std::process::{Command, Stdio};

use super::lines::{self, Turns};
use super::{Effort, Programs, compile};
use crate::error::BenchError;
use crate::process::words;
use crate::report::Report;
use crate::root;

/// What the laboratory ends with where this machine lacks something.
const LACKS: i32 = 77;
/// Seconds that the guest may take.
const LIMIT: &str = "3600";

/// Times and instructions in one guest; nothing where there is no laboratory.
pub fn measure(programs: &Programs, effort: Effort, report: &mut Report) -> Result<(), BenchError> {
    let skip =
        |why: &str| eprintln!("SKIPPED: the RDMA laboratory did not run: {why}; the verbs rung is NOT MEASURED here");
    let calm = programs.own.join("calm.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let flags = ["-shared", "-fPIC", "-ldl"];
    if compile(&compiler, &flags, &root().join("bench/src/peers/calm.c"), &calm)?.is_none() {
        skip(&format!("there is no {compiler}"));
        return Ok(());
    }
    let counted = if Command::new("valgrind").arg("--version").output().is_ok() { effort.counted } else { 0 };
    if counted == 0 {
        eprintln!("SKIPPED: there is no valgrind: instructions of a message are NOT COUNTED here");
    }
    let mut command = Command::new(root().join("comm/lab/vm.sh"));
    command.args(["--limit", LIMIT, "--"]).arg(root().join("bench/src/fabrics/guest.sh"));
    command.arg(programs.examples.join("verbs_pingpong")).arg(&calm);
    command.args([effort.laboratory.to_string(), counted.to_string()]).current_dir(root()).stdin(Stdio::null());
    let output = command.output().map_err(BenchError::io("start", command.get_program()))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(LACKS) {
        skip(stderr.lines().last().unwrap_or("it does not say why"));
        return Ok(());
    }
    if !output.status.success() {
        return Err(BenchError::Failed { command: words(&command), status: output.status, stderr });
    }
    let mut turns = Turns::default();
    turns.take(&lines::parse("the laboratory", &String::from_utf8_lossy(&output.stdout))?);
    turns.add(report);
    Ok(())
}
