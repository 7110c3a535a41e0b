//! MPI, RDMA and ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use rankzero_comm::verbs::device_memory::{DeviceRoute, probe};

use super::{Check, Status};
use crate::launch::{LaunchError, find, linked};

/// Ports of the control connections and of HTTP, unless the job says otherwise.
const PORTS: [u16; 11] = [8080, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 9009, 9010];

/// The launcher, and the library that this program is linked to.
pub(super) fn mpi() -> Check {
    const NAME: &str = "MPI";
    const MEANS: &str = "runs have one rank; more need MPI";
    let (_, library) = linked();
    let launcher = find(std::env::var_os("PATH").as_deref());
    match launcher {
        Ok(mpi) => {
            let found = format!("{} ({}); linked to {library}", mpi.version, mpi.program.display());
            match mpi.agrees_with(&rankzero_comm::mpi::library()) {
                Ok(()) => Check::ok(NAME, found),
                Err(error) => Check::lack(NAME, Status::Warn, found, MEANS, &error.to_string()),
            }
        }
        Err(error @ LaunchError::NoMpi) => {
            Check::lack(NAME, Status::Missing, format!("no launcher; linked to {library}"), MEANS, &error.to_string())
        }
        Err(error) => Check::lack(
            NAME,
            Status::Warn,
            format!("no usable launcher; linked to {library}"),
            MEANS,
            &error.to_string(),
        ),
    }
}

/// RDMA devices that the kernel shows, and the library to use them.
pub(super) fn rdma() -> Check {
    const NAME: &str = "RDMA";
    const MEANS: &str = "ranks of different nodes talk over TCP: higher latency, more CPU; the result is the same";
    let devices = rdma_devices(Path::new("/sys/class/infiniband"));
    let library = library("libibverbs.so.1");
    let shown = devices.join(", ");
    match (devices.is_empty(), library) {
        (false, Some(library)) => Check::ok(NAME, format!("{shown}; {library}")),
        (false, None) => Check::lack(
            NAME,
            Status::Warn,
            format!("{shown}; no libibverbs"),
            MEANS,
            "`apt-get install libibverbs1 rdma-core`, or the vendor's driver package",
        ),
        (true, library) => Check::lack(
            NAME,
            Status::Missing,
            format!("no device in /sys/class/infiniband; {}", library.unwrap_or_else(|| "no libibverbs".to_owned())),
            MEANS,
            "on a node with an RDMA card load its driver (`modprobe mlx5_ib`), and pass /dev/infiniband to a container",
        ),
    }
}

/// How RDMA reaches the memory of GPUs, where a machine has both.
pub(super) fn device_memory() -> Option<Check> {
    const NAME: &str = "GPU memory for RDMA";
    let gpus = rankzero_gpu::probe().devices;
    let devices = names(Path::new("/sys/class/infiniband"));
    if gpus.is_empty() || devices.is_empty() {
        return None;
    }
    let exports = gpus.iter().any(|gpu| gpu.dma_buf);
    let line = |device: &String| match probe(device, exports) {
        Ok((DeviceRoute::DmaBuf, _)) => format!("{device}: dma-buf"),
        Ok((DeviceRoute::PeerMemory, reasons)) => format!("{device}: nvidia_peermem ({})", reasons.join("; ")),
        Ok((DeviceRoute::Staging, reasons)) => format!("{device}: through the host's ({})", reasons.join("; ")),
        Err(error) => format!("{device}: {error}"),
    };
    Some(Check::ok(NAME, devices.iter().map(line).collect::<Vec<_>>().join("; ")))
}

/// What a folder holds, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// `name port: state, link layer, rate` of each port of each device.
fn rdma_devices(class: &Path) -> Vec<String> {
    let mut devices = Vec::new();
    for device in names(class) {
        for port in names(&class.join(&device).join("ports")) {
            let read = |file: &str| {
                let path = class.join(&device).join("ports").join(&port).join(file);
                std::fs::read_to_string(path).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
            };
            devices.push(format!("{device} port {port}: {}, {}, {}", read("state"), read("link_layer"), read("rate")));
        }
    }
    devices
}

/// Where the loader's usual folders have a library.
fn library(name: &str) -> Option<String> {
    let own = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib", "/usr/local/lib"];
    own.split(':')
        .filter(|folder| !folder.is_empty())
        .chain(usual)
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .map(|path| path.display().to_string())
}

/// Whether the ports that a run listens on are free.
pub(super) fn ports() -> Check {
    const NAME: &str = "ports";
    let taken: Vec<String> = PORTS
        .iter()
        .filter(|&&port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_err())
        .map(u16::to_string)
        .collect();
    if taken.is_empty() {
        return Check::ok(NAME, "8080 and 9001-9010 are free");
    }
    Check::lack(
        NAME,
        Status::Warn,
        format!("in use: {}", taken.join(", ")),
        "a run that asks for one of these cannot listen on it",
        "`ss -ltnp` shows who has them; set other ports in the `network` section of the job",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_their_files() {
        let class = std::env::temp_dir().join(format!("rankzero-doctor-{}", std::process::id()));
        let port = class.join("mlx5_0/ports/1");
        std::fs::create_dir_all(&port).expect("temporary folder");
        std::fs::write(port.join("state"), "4: ACTIVE\n").expect("file");
        std::fs::write(port.join("link_layer"), "Ethernet\n").expect("file");
        assert_eq!(rdma_devices(&class), ["mlx5_0 port 1: 4: ACTIVE, Ethernet, ?"]);
        std::fs::remove_dir_all(&class).expect("own folder");
        assert!(rdma_devices(&class).is_empty());
    }
}
