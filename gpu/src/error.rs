//! What can go wrong with a GPU.

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
}
