//! What a machine offers for CUDA: plain data, and the words that `rankzero doctor` prints.

use std::fmt;

use crate::compile::Capability;

/// A version of a CUDA library, as major and minor number. Versions order as one expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 12 of 12.8.
    pub major: u32,
    /// The 8 of 12.8.
    pub minor: u32,
}

/// The state of a library that is opened at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Library {
    /// The loader finds no such library.
    Missing,
    /// The library is there but refuses to work: its own words.
    Broken(String),
    /// The library works. For the driver, the newest CUDA it supports.
    Ready(Version),
}

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number in the driver's order, which `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` change.
    pub ordinal: u32,
    /// Its name in the trade.
    pub name: String,
    /// Compute capability, major and minor: (9, 0) on Hopper.
    pub compute_capability: (u32, u32),
    /// Device memory, bytes.
    pub memory: u64,
    /// PCI bus id, `domain:bus:device.function` in hexadecimal, as sysfs names it (in lower case).
    pub pci_bus_id: String,
    /// Whether the device can export memory as a dma-buf, which RDMA cards read and write without the host.
    pub dma_buf: bool,
}

impl Device {
    /// What it can do.
    pub fn capability(&self) -> Capability {
        Capability(self.compute_capability.0, self.compute_capability.1)
    }
}

/// Something a machine lacks for running on CUDA. Its display says what is missing, what that means, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// No `libcuda.so`.
    Driver,
    /// `libcuda.so` is there but does not start.
    BrokenDriver(String),
    /// The driver is older than what is asked of it.
    AncientDriver(Version),
    /// The driver works and knows no device.
    Device,
    /// The driver works and could not describe its devices.
    UnreadableDevice(String),
    /// No `libnvrtc.so`.
    Nvrtc,
    /// `libnvrtc.so` is there but does not answer.
    BrokenNvrtc(String),
    /// NVRTC is older than what the kernels are written for.
    OldNvrtc(Version),
    /// NVRTC is newer than what the driver can load.
    OldDriver {
        /// Newest CUDA the driver supports.
        driver: Version,
        /// NVRTC's version.
        nvrtc: Version,
    },
}

/// The oldest driver that is used, by the CUDA that it supports: it has all the functions that are called.
const DRIVER_MIN: Version = Version { major: 12, minor: 0 };

/// The oldest NVRTC that is used: from this release on it does all that is asked of it.
const NVRTC_MIN: Version = Version { major: 12, minor: 0 };

/// The version of an NVRTC that can be used, or what is lacking.
pub(crate) fn usable_nvrtc(nvrtc: &Library) -> Result<Version, Lack> {
    match nvrtc {
        Library::Missing => Err(Lack::Nvrtc),
        Library::Broken(words) => Err(Lack::BrokenNvrtc(words.clone())),
        Library::Ready(version) if *version < NVRTC_MIN => Err(Lack::OldNvrtc(*version)),
        Library::Ready(version) => Ok(*version),
    }
}

/// What [`probe`](crate::probe) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuReport {
    /// The CUDA driver, `libcuda.so`.
    pub driver: Library,
    /// The run-time compiler, `libnvrtc.so`.
    pub nvrtc: Library,
    /// The devices, in the driver's order.
    pub devices: Vec<Device>,
    /// Why a run on CUDA is not possible here; empty if it is.
    pub lacks: Vec<Lack>,
}

impl Lack {
    /// Whether the driver or the devices are what is lacking, so that no card can be opened.
    pub(crate) fn is_of_driver(&self) -> bool {
        use Lack::{AncientDriver, BrokenDriver, Device, Driver, UnreadableDevice};
        matches!(self, Driver | BrokenDriver(_) | AncientDriver(_) | Device | UnreadableDevice(_))
    }
}

impl GpuReport {
    pub(crate) fn new(driver: Library, nvrtc: Library, devices: Result<Vec<Device>, String>) -> Self {
        let mut lacks = Vec::new();
        let (devices, unreadable) = match devices {
            Ok(devices) => (devices, None),
            Err(words) => (Vec::new(), Some(Lack::UnreadableDevice(words))),
        };
        match &driver {
            Library::Missing => lacks.push(Lack::Driver),
            Library::Broken(words) => lacks.push(Lack::BrokenDriver(words.clone())),
            Library::Ready(version) if *version < DRIVER_MIN => lacks.push(Lack::AncientDriver(*version)),
            Library::Ready(_) if devices.is_empty() => lacks.push(unreadable.unwrap_or(Lack::Device)),
            Library::Ready(_) => {}
        }
        lacks.extend(usable_nvrtc(&nvrtc).err());
        // PTX of a newer minor release does not load in an older driver.
        if let (Library::Ready(d), Library::Ready(n)) = (&driver, &nvrtc)
            && n > d
        {
            lacks.push(Lack::OldDriver { driver: *d, nvrtc: *n });
        }
        GpuReport { driver, nvrtc, devices, lacks }
    }

    /// True if kernels can be compiled and run here.
    pub fn is_usable(&self) -> bool {
        self.lacks.is_empty() && !self.devices.is_empty()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Library::Missing => f.write_str("not found"),
            Library::Broken(words) => write!(f, "found, but it does not work: {words}"),
            Library::Ready(version) => version.fmt(f),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.compute_capability;
        let memory = self.memory / (1 << 20);
        let dma_buf = if self.dma_buf { "yes" } else { "no" };
        write!(
            f,
            "{}: {}, compute capability {major}.{minor}, {memory} MiB, PCI {}, dma-buf export: {dma_buf}",
            self.ordinal, self.name, self.pci_bus_id
        )
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Driver => f.write_str(
                "no CUDA driver (libcuda.so): no NVIDIA device can be used; runs go on the CPU. \
                 On a GPU node, install the NVIDIA driver, or start the container with its GPUs",
            ),
            Lack::BrokenDriver(words) => write!(
                f,
                "the CUDA driver does not start ({words}): no device can be used; runs go on the CPU. \
                 Check that the kernel module is loaded and of the version of libcuda.so (nvidia-smi tells)"
            ),
            Lack::AncientDriver(version) => write!(
                f,
                "the CUDA driver supports CUDA {version}: {DRIVER_MIN} or newer is needed; runs go on the CPU. Update the NVIDIA driver"
            ),
            Lack::Device => f.write_str(
                "no CUDA device is visible: runs go on the CPU. \
                 Check --gres or --gpus of the allocation, and CUDA_VISIBLE_DEVICES",
            ),
            Lack::UnreadableDevice(words) => {
                write!(
                    f,
                    "the CUDA driver could not describe its devices ({words}): none is used; nvidia-smi tells more"
                )
            }
            Lack::Nvrtc => f.write_str(
                "no NVRTC (libnvrtc.so): kernels cannot be compiled; runs go on the CPU. \
                 Install the CUDA toolkit's NVRTC, and put its folder into LD_LIBRARY_PATH",
            ),
            Lack::BrokenNvrtc(words) => {
                write!(
                    f,
                    "NVRTC does not answer ({words}): kernels cannot be compiled; runs go on the CPU. Reinstall it"
                )
            }
            Lack::OldNvrtc(version) => {
                write!(
                    f,
                    "NVRTC is {version}: kernels want {NVRTC_MIN} or newer; runs go on the CPU. Install a newer CUDA toolkit"
                )
            }
            Lack::OldDriver { driver, nvrtc } => write!(
                f,
                "the driver supports CUDA {driver}, older than NVRTC {nvrtc}: compiled kernels may not load. \
                 Update the driver, or use an NVRTC no newer than {driver}"
            ),
        }
    }
}

impl fmt::Display for GpuReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CUDA driver: {}", self.driver)?;
        writeln!(f, "NVRTC: {}", self.nvrtc)?;
        self.devices.iter().try_for_each(|device| writeln!(f, "device {device}"))?;
        self.lacks.iter().try_for_each(|lack| writeln!(f, "lack: {lack}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCIENT: Version = Version { major: 11, minor: 8 };
    const OLD: Version = Version { major: 12, minor: 2 };
    const NEW: Version = Version { major: 12, minor: 8 };

    fn device() -> Device {
        Device {
            ordinal: 0,
            name: "NVIDIA H200".into(),
            compute_capability: (9, 0),
            memory: 150 << 30,
            pci_bus_id: "0000:1b:00.0".into(),
            dma_buf: true,
        }
    }

    #[test]
    fn every_lack_is_found_and_explained() {
        use Library::{Broken, Missing, Ready};
        let words = || "CUDA_ERROR_NO_DEVICE".to_string();
        let one = || Ok(vec![device()]);
        let table = [
            (Missing, Missing, Ok(vec![]), vec![Lack::Driver, Lack::Nvrtc]),
            (Broken(words()), Ready(NEW), Ok(vec![]), vec![Lack::BrokenDriver(words())]),
            (Ready(NEW), Ready(NEW), Ok(vec![]), vec![Lack::Device]),
            (Ready(NEW), Missing, Err(words()), vec![Lack::UnreadableDevice(words()), Lack::Nvrtc]),
            (Ready(NEW), Broken(words()), one(), vec![Lack::BrokenNvrtc(words())]),
            (Ready(OLD), Ready(NEW), one(), vec![Lack::OldDriver { driver: OLD, nvrtc: NEW }]),
            (Ready(NEW), Ready(OLD), one(), vec![]),
            (Ready(ANCIENT), Ready(ANCIENT), one(), vec![Lack::AncientDriver(ANCIENT), Lack::OldNvrtc(ANCIENT)]),
            (Ready(NEW), Ready(ANCIENT), one(), vec![Lack::OldNvrtc(ANCIENT)]),
        ];
        for (driver, nvrtc, devices, lacks) in table {
            let report = GpuReport::new(driver, nvrtc, devices);
            assert_eq!(report.lacks, lacks);
            assert_eq!(report.is_usable(), lacks.is_empty());
            let text = report.to_string();
            assert!(lacks.iter().all(|l| text.contains(&l.to_string())), "{text}");
        }
    }

    #[test]
    fn a_device_reads_well() {
        assert_eq!(
            device().to_string(),
            "0: NVIDIA H200, compute capability 9.0, 153600 MiB, PCI 0000:1b:00.0, dma-buf export: yes"
        );
    }
}
