//! CUDA devices for rankzero.
//!
//! Nothing here needs CUDA to build or to run: the libraries are opened at run time, and their absence is an answer,
//! not a failure. [`probe`] tells what a machine has, what it lacks, and what each lack means for a run.

#![deny(unsafe_code)]

mod beat;
pub mod budget;
pub mod cache;
#[allow(unsafe_code)]
mod card;
pub mod choose;
#[allow(unsafe_code)]
pub mod compile;
#[allow(unsafe_code)]
mod cuda;
mod error;
#[allow(unsafe_code)]
mod export;
#[allow(unsafe_code)]
mod lane;
pub mod law;
#[allow(unsafe_code)]
mod lent;
#[allow(unsafe_code)]
mod pinned;
mod region;
mod report;

pub use beat::Beat;
pub use card::{Card, Kernel, Memory};
pub use error::GpuError;
pub use export::Exported;
pub use lane::{ArenaId, BufferId, Lane, Shape, WORK_MAX, grown};
pub use lent::Lent;
pub use pinned::Pinned;
pub use region::Region;
pub use report::{Device, GpuReport, Lack, Library, Version};

/// Looks for the CUDA driver, the run-time compiler NVRTC and the devices. Never panics for want of any of them,
/// creates no CUDA context, and takes milliseconds (a second at most where the driver has to wake the devices).
pub fn probe() -> GpuReport {
    let driver = cuda::driver();
    let nvrtc = cuda::nvrtc();
    let devices = if let Library::Ready(_) = driver { cuda::devices() } else { Ok(Vec::new()) };
    GpuReport::new(driver, nvrtc, devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probing_any_machine_gives_a_consistent_report() {
        let report = probe();
        assert_eq!(report.is_usable(), !report.devices.is_empty() && report.lacks.is_empty());
        if !matches!(report.driver, Library::Ready(_)) {
            assert!(report.devices.is_empty() && !report.is_usable());
        }
        assert_eq!(probe(), report, "a second probe sees the same machine");
        let text = report.to_string();
        assert!(text.contains("CUDA driver") && text.contains("NVRTC"), "{text}");
        println!("{text}");
    }
}
