//! Host memory that a card reads and writes by itself.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use cudarc::driver::{result, sys};

use crate::card::{Card, during};
use crate::error::GpuError;

/// Words of host memory that are never paged out, and that a card reads and writes where they lie. They are atomics, as the card may do so at
/// any time; what a piece of work has written is there for whoever has waited for its end.
pub struct Pinned {
    card: Arc<Card>,
    memory: *mut u32,
    address: u64,
    words: usize,
}

// SAFETY: it is memory that stays where it is; through shared references it is reached as atomics alone.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("words", &self.words).finish_non_exhaustive()
    }
}

impl Pinned {
    /// Reserves words, filled with zeros.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, words: usize) -> Result<Self, GpuError> {
        card.context.bind_to_thread().map_err(during("using the device"))?;
        let bytes = 4 * words.max(1);
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: the memory is written below, before anybody reads it.
        let memory = unsafe { result::malloc_host(bytes, flags) }.map_err(during("pinning host memory"))?;
        let mut pinned = Self { card: card.clone(), memory: memory.cast(), address: 0, words };
        // SAFETY: so many bytes were reserved just now.
        unsafe { std::ptr::write_bytes(memory.cast::<u8>(), 0, bytes) };
        pinned.address = address_of(memory)?;
        Ok(pinned)
    }

    /// Its size in words.
    pub fn len(&self) -> usize {
        self.words
    }

    /// Whether it has no words.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// The address by which the card reads and writes it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: it has so many words, aligned, all of which were written when it was made; whoever reaches them through a shared reference
        // does so by atomics, and who has the only one (`Lane::words`) gives out no other meanwhile.
        unsafe { std::slice::from_raw_parts(self.memory.cast::<AtomicU32>(), self.words) }
    }

    pub(crate) fn as_ptr(&self) -> *mut u32 {
        self.memory
    }
}

/// The address by which the card of this thread's context has mapped host memory that begins here.
pub(crate) fn address_of(memory: *mut c_void) -> Result<u64, GpuError> {
    let mut address = 0;
    // SAFETY: the driver writes one address; of memory that it has not mapped it says so.
    unsafe { sys::cuMemHostGetDevicePointer_v2(&mut address, memory, 0) }
        .result()
        .map_err(during("mapping host memory"))?;
    Ok(address)
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.card.context.bind_to_thread().is_ok() {
            // SAFETY: it was reserved by `new`, and whoever gave it to the card to work on has waited for that (`Lane`).
            let _ = unsafe { result::free_host(self.memory.cast()) };
        }
    }
}
