//! The MPI rung beside a plain C program over the same library and medium.

use std::process::Command;

use super::lines::{self, Line, Turns};
use super::{Effort, Programs, compile};
use crate::error::BenchError;
use crate::process::output;
use crate::report::Report;
use crate::root;

/// Media, and what they ask of Open MPI: sockets, as between nodes without RDMA, and what it chooses itself.
const MEDIA: [(&str, &[&str]); 2] =
    [("mpi over tcp", &["--mca", "btl", "tcp,self", "--mca", "pml", "ob1"]), ("mpi", &[])];
/// As the launcher sets it where ranks have cores of their own; packets of 256 KiB; the sizes only.
const OURS: [&str; 4] = ["--json", "own", "65536", "brief"];

/// Half round trips; nothing where there is no MPI.
pub fn measure(programs: &Programs, effort: Effort, report: &mut Report) -> Result<(), BenchError> {
    let plain = programs.own.join("plain-mpi");
    let compiler = std::env::var("MPICC").unwrap_or_else(|_| "mpicc".to_owned());
    let Ok(version) = output(Command::new("mpirun").arg("--version")) else {
        eprintln!("SKIPPED: there is no mpirun: the MPI rung is NOT MEASURED here");
        return Ok(());
    };
    if compile(&compiler, &[], &root().join("bench/src/peers/pingpong.c"), &plain)?.is_none() {
        eprintln!("SKIPPED: there is no {compiler}: the MPI rung is NOT MEASURED here");
        return Ok(());
    }
    let open_mpi = ["Open MPI", "OpenRTE", "PRRTE"].iter().any(|name| version.contains(name));
    let common: &[&str] = if open_mpi { &["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] } else { &[] };
    let media = if open_mpi { &MEDIA[..] } else { &MEDIA[1..] };
    for (medium, flags) in media {
        let run = |program: &std::path::Path, arguments: &[&str]| -> Result<Vec<Line>, BenchError> {
            let mut command = Command::new("mpirun");
            let text = output(command.args(common).args(*flags).args(["-n", "2"]).arg(program).args(arguments))?;
            let mut lines = lines::parse("mpirun", &text)?;
            for line in &mut lines {
                line.name = line.name.replacen("mpi", medium, 1);
            }
            Ok(lines)
        };
        let mut turns = Turns::default();
        for _ in 0..effort.runs {
            turns.take(&run(&programs.examples.join("pingpong"), &OURS)?);
            let mut theirs = run(&plain, &[])?;
            theirs.iter_mut().for_each(|line| line.peer = Some("plain MPI".to_owned()));
            turns.take(&theirs);
        }
        turns.add(report);
    }
    Ok(())
}
