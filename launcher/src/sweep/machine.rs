//! What a sweep runs on, in facts that a reader of its results wants.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rankzero_sweep::Machine;

use crate::launch::{capture, linked};

/// How long git and Slurm may take to tell what they are.
const PATIENCE: Duration = Duration::from_secs(10);

/// This machine, and this build of the program.
pub fn machine() -> Machine {
    let topology = crate::binding::Machine::read();
    let uname = nix::sys::utsname::uname().ok();
    let of = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let (family, library) = linked();
    let program = std::env::current_exe().ok();
    Machine {
        host: uname.as_ref().map(|u| of(u.nodename())).unwrap_or_default(),
        cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_model(&text)).unwrap_or_else(unknown),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32),
        cores: topology.as_ref().map_or(0, |topology| topology.cores as u32),
        memory_bytes: topology.as_ref().map_or(0, |topology| topology.memory_bytes),
        kernel: uname.as_ref().map(|u| format!("{} {}", of(u.sysname()), of(u.release()))).unwrap_or_default(),
        mpi: if family.is_some() { library } else { format!("unknown: {library}") },
        slurm: first_line(&["srun", "--version"]),
        rankzero: env!("CARGO_PKG_VERSION").to_owned(),
        build: program.as_deref().and_then(build).unwrap_or_else(unknown),
        checkout: program.as_deref().and_then(Path::parent).and_then(checkout),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The model in the words of the kernel.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// One number a build.
fn build(program: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut fs::File::open(program).ok()?, &mut hasher).ok()?;
    Some(hasher.finalize().to_hex()[..16].to_owned())
}

/// What git says of the tree that a directory lies in. It is what is checked out there now, which need not be what was built.
fn checkout(directory: &Path) -> Option<String> {
    first_line(&["git", "-C", directory.to_str()?, "describe", "--always", "--dirty", "--abbrev=12"])
}

/// The first line that a command prints; none where it is not there, says nothing, or takes too long.
fn first_line(words: &[&str]) -> Option<String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let said = capture(&words, PATIENCE).ok().filter(|said| said.in_time)?.stdout;
    said.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_and_a_missing_command_is_no_error() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: EPYC 7\n").as_deref(), Some("EPYC 7"));
        assert_eq!(cpu_model("processor : 0"), None);
        assert_eq!(first_line(&["/no/such/command"]), None);
        assert_eq!(first_line(&["true"]), None);
        assert_eq!(first_line(&["printf", " a\\nb"]).as_deref(), Some("a"));
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = machine();
        assert!(facts.cpus > 0 && !facts.host.is_empty() && facts.build.len() == 16, "{facts:?}");
        assert_eq!(machine().build, facts.build);
    }
}
