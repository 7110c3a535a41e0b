//! Limits, folders and the batch system.

use std::path::PathBuf;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use rankzero_slurm::launch::{Launch, environment};

use super::{Check, Status, bytes};
use crate::launch::on_path;

/// Registered memory wanted at the least: state and halos of a middling rank.
const LOCKED_BYTES_WANTED: u64 = 1 << 30;
/// Open files wanted: sockets to some hundred ranks and the files of a run.
const FILES_WANTED: u64 = 4096;
/// Shared memory wanted: MPI keeps its queues there, some MiB a rank.
const SHARED_BYTES_WANTED: u64 = 256 << 20;

/// How much memory RDMA may pin.
pub(super) fn locked_memory() -> Check {
    const NAME: &str = "locked memory";
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft == RLIM_INFINITY => Check::ok(NAME, "unlimited"),
        Ok((soft, _)) if soft >= LOCKED_BYTES_WANTED => Check::ok(NAME, bytes(soft)),
        Ok((soft, hard)) => Check::lack(
            NAME,
            Status::Warn,
            format!(
                "{} (at most {})",
                bytes(soft),
                if hard == RLIM_INFINITY { "unlimited".to_owned() } else { bytes(hard) }
            ),
            "RDMA and pinned GPU memory cannot register what a run needs; it falls back to TCP",
            "`ulimit -l unlimited`; for good, `* - memlock unlimited` in /etc/security/limits.d, \
             `LimitMEMLOCK=infinity` for slurmd, `--ulimit memlock=-1` for a container",
        ),
        Err(error) => unknown(NAME, &error.to_string()),
    }
}

/// How many files and sockets may be open.
pub(super) fn open_files() -> Check {
    const NAME: &str = "open files";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft == RLIM_INFINITY => Check::ok(NAME, "unlimited"),
        Ok((soft, _)) if soft >= FILES_WANTED => Check::ok(NAME, soft.to_string()),
        Ok((soft, hard)) => Check::lack(
            NAME,
            Status::Warn,
            format!("{soft} (at most {hard})"),
            "enough for some hundred ranks; more may fail to connect",
            &format!("`ulimit -n {}`", FILES_WANTED.min(hard)),
        ),
        Err(error) => unknown(NAME, &error.to_string()),
    }
}

/// Room for the queues between the ranks of a node.
pub(super) fn shared_memory() -> Check {
    const NAME: &str = "shared memory";
    match statvfs("/dev/shm") {
        Ok(stat) => {
            let free = stat.fragment_size().saturating_mul(stat.blocks_available());
            let found = format!("{} free in /dev/shm", bytes(free));
            if free >= SHARED_BYTES_WANTED {
                return Check::ok(NAME, found);
            }
            Check::lack(
                NAME,
                Status::Warn,
                found,
                "many ranks on this node may end with a bus error in MPI",
                "`--shm-size=1g` for a container; remove what ended runs left in /dev/shm",
            )
        }
        Err(error) => Check::lack(
            NAME,
            Status::Missing,
            format!("/dev/shm: {error}"),
            "ranks of one node talk over TCP or files, more slowly",
            "mount a tmpfs at /dev/shm",
        ),
    }
}

/// Where cooked meshes are kept: the folder that the mesh cache takes.
pub(super) fn cache_folder() -> Check {
    const NAME: &str = "mesh cache";
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("RANKZERO_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("rankzero")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache").join("rankzero")));
    let lack = |found: String| {
        Check::lack(
            NAME,
            Status::Warn,
            found,
            "every run makes its meshes anew",
            "set RANKZERO_CACHE_DIR to a writable folder, best one that all nodes share",
        )
    };
    let Some(folder) = folder else { return lack("neither RANKZERO_CACHE_DIR nor HOME is set".to_owned()) };
    // The folder is made at the first use; what counts is its nearest ancestor that is there.
    let there = folder.ancestors().find(|path| path.exists());
    let writable = there.is_some_and(|path| nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok());
    let shown = folder.display();
    if writable { Check::ok(NAME, format!("{shown} is writable")) } else { lack(format!("{shown} is not writable")) }
}

/// Slurm's commands, and whether this is inside an allocation.
pub(super) fn slurm() -> Check {
    const NAME: &str = "Slurm";
    let path = std::env::var_os("PATH");
    let (there, missing): (Vec<&str>, Vec<&str>) =
        ["srun", "sbatch", "scontrol", "squeue"].iter().partition(|name| on_path(path.as_deref(), name).is_some());
    let inside = match Launch::detect(&environment()) {
        Ok(Launch { allocation: Some(allocation), .. }) => {
            format!("inside job {} on {} nodes", allocation.job, allocation.nodes.len())
        }
        Ok(_) => "outside of any allocation".to_owned(),
        Err(error) => {
            return Check::lack(
                NAME,
                Status::Warn,
                error.to_string(),
                "a run in this environment refuses to start",
                "start from a clean shell, or through one launcher",
            );
        }
    };
    if missing.is_empty() {
        return Check::ok(NAME, format!("{}; {inside}", there.join(", ")));
    }
    Check::lack(
        NAME,
        Status::Missing,
        format!("not on PATH: {}; {inside}", missing.join(", ")),
        "runs are started here by `rankzero launch` or mpirun",
        "on a cluster's login node `module load slurm` or the like",
    )
}

fn unknown(name: &'static str, error: &str) -> Check {
    Check::lack(name, Status::Warn, format!("unknown: {error}"), "the limit shows only when it is met", "none known")
}
