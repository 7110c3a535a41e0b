//! Processors and GPUs.

use rankzero_gpu::Library;

use super::{Check, Status, bytes};
use crate::binding::Machine;

/// Vector instructions that the solver has kernels for.
pub(super) fn cpu_features() -> Check {
    const NAME: &str = "CPU features";
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let known: [(&str, bool); 3] = [("avx2", false), ("fma", false), ("avx512f", false)];
    let there: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    match known.map(|(_, there)| there) {
        [true, true, _] => Check::ok(NAME, there.join(" ")),
        _ => Check::lack(
            NAME,
            Status::Warn,
            if there.is_empty() { "neither avx2 nor fma".to_owned() } else { there.join(" ") },
            "the solver runs on scalar code: the same result, several times slower",
            "use a machine of 2013 or later, or let the virtual machine see the host's CPU (`-cpu host`)",
        ),
    }
}

/// Cores, memory nodes and caches.
pub(super) fn topology() -> Check {
    const NAME: &str = "topology";
    let Some(machine) = Machine::read() else {
        return Check::lack(
            NAME,
            Status::Warn,
            "hwloc cannot read this machine",
            "threads are not bound to cores, which costs speed where a node has several memory nodes",
            "make /sys readable in the container",
        );
    };
    let caches: Vec<String> = machine
        .caches
        .iter()
        .map(|cache| format!("L{} {} × {}", cache.level, cache.count, bytes(cache.bytes)))
        .collect();
    let found = format!(
        "{} cores, {} hardware threads, {} sockets, {} memory nodes, {} of memory; {}",
        machine.cores,
        machine.processing_units,
        machine.packages,
        machine.memory_nodes,
        bytes(machine.memory_bytes),
        caches.join(", ")
    );
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    if allowed < machine.cores {
        return Check::lack(
            NAME,
            Status::Warn,
            format!("{found}; this process may use {allowed}"),
            "a CPU quota or a binding leaves fewer cores than the machine has; the number of threads follows it",
            "raise the container's CPU limit, or start without taskset, if more was meant",
        );
    }
    Check::ok(NAME, found)
}

/// CUDA devices.
pub(super) fn gpus() -> Check {
    const NAME: &str = "GPUs";
    let report = rankzero_gpu::probe();
    let devices: Vec<String> = report.devices.iter().map(ToString::to_string).collect();
    let version = |library: &Library| match library {
        Library::Missing => "not there".to_owned(),
        Library::Broken(_) => "broken".to_owned(),
        Library::Ready(version) => version.to_string(),
    };
    let libraries = format!("driver {}, NVRTC {}", version(&report.driver), version(&report.nvrtc));
    if report.is_usable() {
        return Check::ok(NAME, format!("{}; {libraries}", devices.join("; ")));
    }
    let found = if devices.is_empty() { "none".to_owned() } else { devices.join("; ") };
    let lacks: Vec<String> = report.lacks.iter().map(ToString::to_string).collect();
    Check::lack(
        NAME,
        Status::Missing,
        format!("{found}; {libraries}"),
        "everything runs on the CPU, with the same result",
        &lacks.join("; "),
    )
}
