//! The calls into the CUDA libraries. `cudarc` panics when a library is missing, so each function here asks for its
//! library first.

use std::ffi::{CStr, c_char, c_int};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;
use cudarc::nvrtc::sys as nvrtc_sys;

use crate::report::{Device, Library, Version};

/// Starts the CUDA driver, if there is one.
pub fn driver() -> Library {
    // SAFETY: opens and closes a shared library whose constructors are the driver's own.
    if !unsafe { sys::is_culib_present() } {
        return Library::Missing;
    }
    if let Err(error) = result::init() {
        return Library::Broken(words(error));
    }
    let mut version: c_int = 0;
    // SAFETY: the library is there; the call writes one integer.
    match unsafe { sys::cuDriverGetVersion(&mut version) }.result() {
        // CUDA packs 12.8 as 12080.
        Ok(()) => Library::Ready(Version { major: number(version / 1000), minor: number(version % 1000 / 10) }),
        Err(error) => Library::Broken(words(error)),
    }
}

/// Asks NVRTC for its version, if it is there.
pub fn nvrtc() -> Library {
    // SAFETY: opens and closes a shared library without side effects of its constructors.
    if !unsafe { nvrtc_sys::is_culib_present() } {
        return Library::Missing;
    }
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    // SAFETY: the library is there; the call writes two integers.
    match unsafe { nvrtc_sys::nvrtcVersion(&mut major, &mut minor) } {
        nvrtc_sys::nvrtcResult::NVRTC_SUCCESS => Library::Ready(Version { major: number(major), minor: number(minor) }),
        error => Library::Broken(format!("{error:?}")),
    }
}

/// All devices, in the driver's order. Call it only after [`driver`] returned [`Library::Ready`].
pub fn devices() -> Result<Vec<Device>, String> {
    let count = result::device::get_count().map_err(words)?;
    (0..count).map(|ordinal| device(ordinal).map_err(words)).collect()
}

fn device(ordinal: c_int) -> Result<Device, DriverError> {
    use sys::CUdevice_attribute_enum as attribute;
    let handle = result::device::get(ordinal)?;
    // SAFETY: `handle` comes from the driver just now, and devices do not go away.
    let ask = |which| unsafe { result::device::get_attribute(handle, which) };
    let major = ask(attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = ask(attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    // A driver too old to know the attribute cannot export either.
    let dma_buf = ask(attribute::CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED).is_ok_and(|yes| yes != 0);
    // SAFETY: as above.
    let memory = unsafe { result::device::total_mem(handle)? };
    Ok(Device {
        ordinal: number(ordinal),
        name: result::device::get_name(handle)?,
        compute_capability: (number(major), number(minor)),
        memory: memory as u64,
        pci_bus_id: pci_bus_id(handle)?,
        dma_buf,
    })
}

fn pci_bus_id(handle: sys::CUdevice) -> Result<String, DriverError> {
    let mut text = [0u8; 32];
    // SAFETY: the driver writes at most `len` bytes, NUL included, into a buffer of that size.
    unsafe { sys::cuDeviceGetPCIBusId(text.as_mut_ptr().cast::<c_char>(), text.len() as c_int, handle) }.result()?;
    let id = CStr::from_bytes_until_nul(&text).map(CStr::to_string_lossy).unwrap_or_default();
    Ok(id.to_ascii_lowercase())
}

/// The driver's own words.
pub(crate) fn words(error: DriverError) -> String {
    match error.error_string() {
        Ok(text) => format!("{:?}: {}", error.0, text.to_string_lossy()),
        Err(_) => format!("{:?}", error.0),
    }
}

/// CUDA's counts are never negative.
fn number(n: c_int) -> u32 {
    u32::try_from(n).unwrap_or(0)
}
