//! Memory of others that a card reads and writes where it lies.

use std::sync::Arc;

use cudarc::driver::sys;
use memmap2::MmapRaw;

use crate::card::{Card, during};
use crate::error::GpuError;
use crate::pinned::address_of;

/// A mapping of somebody else's that is lent to a card: its pages stay in memory, and the card reads and writes them as its owner does. So
/// what kernels write can be what an RDMA device sends.
#[derive(Debug)]
pub struct Lent {
    card: Arc<Card>,
    memory: Arc<MmapRaw>,
    address: u64,
}

impl Lent {
    /// Lends a mapping. A part of it may not be lent twice at a time.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, memory: &Arc<MmapRaw>) -> Result<Self, GpuError> {
        card.context.bind_to_thread().map_err(during("using the device"))?;
        let start = memory.as_mut_ptr().cast();
        let flags = sys::CU_MEMHOSTREGISTER_PORTABLE | sys::CU_MEMHOSTREGISTER_DEVICEMAP;
        // SAFETY: the range is all of a mapping, which lives as long as `lent`. Nobody has a reference to it but as atomics, since a mapping of
        // this kind gives out none.
        unsafe { sys::cuMemHostRegister_v2(start, memory.len(), flags) }
            .result()
            .map_err(during("lending host memory to the device"))?;
        let mut lent = Self { card: card.clone(), memory: memory.clone(), address: 0 };
        lent.address = address_of(start)?;
        Ok(lent)
    }

    /// The address by which the card reads and writes it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its size in words.
    pub fn words(&self) -> usize {
        self.memory.len() / 4
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.card.context.bind_to_thread().is_ok() {
            // SAFETY: it was registered by `new`, and whoever gave it to the card to work on has waited for that (`Lane`).
            let _ = unsafe { sys::cuMemHostUnregister(self.memory.as_mut_ptr().cast()) };
        }
    }
}
