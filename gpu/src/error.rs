//! What can go wrong with a GPU.

use std::path::PathBuf;
use std::time::Duration;

use crate::budget::Shortfall;
use crate::law::Breach;
use crate::report::Lack;

/// Why a GPU cannot be used, or has stopped working.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// Something is missing on this machine.
    #[error("{0}")]
    Lack(Lack),
    /// The compiler refused the kernels.
    #[error("NVRTC does not compile {unit} for {target}: {words}")]
    Compile {
        /// The source.
        unit: String,
        /// The architecture.
        target: String,
        /// The compiler's words.
        words: String,
    },
    /// The compiler did not do as it was told.
    #[error(
        "NVRTC does not keep the law in {unit} for {target}: {breach}. Results would differ from the CPU's, so the kernels are not used; \
         try another version of NVRTC"
    )]
    Unlawful {
        /// The source.
        unit: String,
        /// The architecture.
        target: String,
        /// The instruction.
        breach: Breach,
    },
    /// Kernels that were compiled elsewhere cannot be read.
    #[error("compiled kernels {file}: {source}", file = .file.display())]
    Image {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No device has this number.
    #[error("there is no CUDA device {ordinal}: {devices} are visible. Check CUDA_VISIBLE_DEVICES")]
    NoDevice {
        /// The number.
        ordinal: u32,
        /// How many there are.
        devices: usize,
    },
    /// The device has not what kernels need.
    #[error(
        "too old for the kernels, which need compute capability 7.0 (Volta) and an NVRTC that knows the card: device {device}"
    )]
    TooOld {
        /// The device.
        device: String,
    },
    /// The device cannot export its memory.
    #[error(
        "device {device} does not export its memory as a dma-buf: its driver must be the open kernel modules, on Linux 5.12 or newer"
    )]
    NoDmaBuf {
        /// The device.
        device: String,
    },
    /// Memory is none that a device can be lent.
    #[error(
        "memory of this process cannot be lent to device {device}: the system makes no anonymous file (memfd_create) for it"
    )]
    Unlendable {
        /// The device.
        device: String,
    },
    /// The driver refused, or the device failed in earlier work.
    #[error("{operation}: the CUDA driver says {words}")]
    Driver {
        /// What was going on.
        operation: &'static str,
        /// The driver's words.
        words: String,
    },
    /// The device does not come to an end.
    #[error("device {device} has not finished its work after {waited:?}: it hangs. nvidia-smi may tell more")]
    Deadline {
        /// The device.
        device: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Bodies do not fit into device memory.
    #[error("{0}")]
    Memory(Shortfall),
}
