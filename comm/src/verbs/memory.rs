//! Registered memory: what a device may read and peers may write.

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit};
use rdma_sys as sys;

use super::context::Domain;
use crate::segment::Segment;

const ACCESS: u32 = sys::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0 | sys::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE.0;

/// A registration with one device. Ends before the memory and the protection domain do.
#[derive(Debug)]
pub struct Registration {
    raw: NonNull<sys::ibv_mr>,
    _domain: Arc<Domain>,
    /// What keeps the words in place; device memory is its owner's to keep.
    _segment: Option<Arc<Segment>>,
}

// SAFETY: a registration is only read after it was made; libibverbs is thread-safe.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

/// Where in an exported buffer of a device the memory lies.
#[derive(Clone, Copy, Debug)]
pub struct DmaBuf {
    /// Descriptor of the buffer; may be closed once registered.
    pub fd: i32,
    /// First byte within the buffer.
    pub offset: u64,
    /// Bytes.
    pub bytes: usize,
    /// Address that peers and work requests use: that of the memory on its device.
    pub address: u64,
}

impl Registration {
    /// Registers the words of a segment.
    ///
    /// # Errors
    /// What the system said; out of memory is explained as what it is, the limit of locked memory.
    pub fn of_segment(domain: &Arc<Domain>, segment: &Arc<Segment>) -> io::Result<Registration> {
        let words = segment.words();
        let bytes = size_of_val(words);
        // SAFETY: the words are valid for reads and writes of others as long as the segment lives, which the registration
        // keeps: they are atomics. Nothing moves them.
        let raw = unsafe { sys::ibv_reg_mr(domain.raw(), words.as_ptr().cast_mut().cast(), bytes, ACCESS as i32) };
        let raw = NonNull::new(raw).ok_or_else(|| explain(io::Error::last_os_error(), bytes))?;
        Ok(Registration { raw, _domain: Arc::clone(domain), _segment: Some(Arc::clone(segment)) })
    }

    /// Registers memory of another device, as a GPU, through the buffer that its driver exported.
    ///
    /// # Errors
    /// `Unsupported` where the library does not know how; else what the system said.
    pub fn of_dma_buf(domain: &Arc<Domain>, buffer: DmaBuf) -> io::Result<Registration> {
        let DmaBuf { fd, offset, bytes, address } = buffer;
        let register = reg_dmabuf_mr().ok_or(io::ErrorKind::Unsupported)?;
        // SAFETY: the symbol has this signature in every library that has it; the kernel checks descriptor and range.
        let raw = unsafe { register(domain.raw(), offset, bytes, address, fd, ACCESS as i32) };
        let raw = NonNull::new(raw).ok_or_else(io::Error::last_os_error)?;
        Ok(Registration { raw, _domain: Arc::clone(domain), _segment: None })
    }

    /// Key for work requests of this rank.
    pub fn local_key(&self) -> u32 {
        // SAFETY: the registration exists.
        unsafe { self.raw.as_ref().lkey }
    }

    /// Key for writes of peers.
    pub fn remote_key(&self) -> u32 {
        // SAFETY: the registration exists.
        unsafe { self.raw.as_ref().rkey }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: made once. Work requests that still name it fail; they do not reach the memory.
        unsafe { sys::ibv_dereg_mr(self.raw.as_ptr()) };
    }
}

type RegDmaBuf = unsafe extern "C" fn(*mut sys::ibv_pd, u64, usize, u64, i32, i32) -> *mut sys::ibv_mr;

/// The library's call, looked up at run time: libraries before rdma-core 34 lack it.
pub fn reg_dmabuf_mr() -> Option<RegDmaBuf> {
    // SAFETY: a look-up by a terminated name; the symbol, where there is one, has that signature.
    unsafe {
        let symbol = nix::libc::dlsym(nix::libc::RTLD_DEFAULT, c"ibv_reg_dmabuf_mr".as_ptr());
        (!symbol.is_null()).then(|| std::mem::transmute::<*mut nix::libc::c_void, RegDmaBuf>(symbol))
    }
}

/// Says what the error of a registration means.
fn explain(error: io::Error, bytes: usize) -> io::Error {
    if error.kind() != io::ErrorKind::OutOfMemory {
        return error;
    }
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map(|(soft, _)| soft).unwrap_or(0);
    io::Error::new(io::ErrorKind::OutOfMemory, out_of_locked_memory(bytes, limit))
}

fn out_of_locked_memory(bytes: usize, limit: u64) -> String {
    let limit = if limit == u64::MAX { "unlimited".to_owned() } else { format!("{limit} bytes") };
    format!(
        "cannot lock {bytes} bytes for RDMA; the limit of locked memory is {limit} (RLIMIT_MEMLOCK). Raise it with \
         `ulimit -l unlimited`, under Slurm with LimitMEMLOCK=infinity in the unit of slurmd"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_lock_names_limit_and_remedy() {
        let text = out_of_locked_memory(1 << 20, 65536);
        for part in ["1048576 bytes", "65536 bytes", "ulimit -l unlimited", "LimitMEMLOCK", "slurmd"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert!(out_of_locked_memory(1, u64::MAX).contains("unlimited (RLIMIT_MEMLOCK)"));
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let error = explain(io::Error::from_raw_os_error(nix::libc::EINVAL), 1);
        assert_eq!(error.raw_os_error(), Some(nix::libc::EINVAL));
    }
}
