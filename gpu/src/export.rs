//! Device memory that an RDMA card reads and writes without the host.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use cudarc::driver::sys::{self, CUmemRangeHandleType};

use crate::card::{Card, Memory, during};
use crate::error::GpuError;

/// Device memory with a file descriptor that stands for it.
#[derive(Debug)]
pub struct Exported {
    memory: Memory,
    file: OwnedFd,
}

/// The driver gives memory of whole multiples of this a place that is one as well; a dma-buf wants both, of the host's pages at least.
const GRAIN_WORDS: usize = (2 << 20) / 4;

impl Exported {
    /// Reserves at least so many words and exports them.
    ///
    /// # Errors
    /// [`GpuError::NoDmaBuf`] where the device or its driver cannot, [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>, words: usize) -> Result<Self, GpuError> {
        if !card.device().dma_buf {
            return Err(GpuError::NoDmaBuf { device: card.device().to_string() });
        }
        let memory = Memory::new(card, words.max(1).next_multiple_of(GRAIN_WORDS))?;
        let mut file: RawFd = -1;
        let kind = CUmemRangeHandleType::CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD;
        // SAFETY: for this kind the driver writes one file descriptor; the range is that of the memory.
        unsafe {
            sys::cuMemGetHandleForAddressRange(
                std::ptr::from_mut(&mut file).cast(),
                memory.address(),
                4 * memory.words(),
                kind,
                0,
            )
        }
        .result()
        .map_err(during("exporting device memory"))?;
        // SAFETY: the driver made the descriptor for us, and nobody else closes it.
        Ok(Self { memory, file: unsafe { OwnedFd::from_raw_fd(file) } })
    }

    /// The memory, from the start of the export on.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl AsFd for Exported {
    /// The dma-buf, to be registered as long as this lives; it covers [`Exported::memory`] from byte 0 on.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
