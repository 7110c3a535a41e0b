//! How memory of a GPU is reached by RDMA on this machine: decided by probing, with the reasons.

use std::io;
use std::path::Path;

use nix::libc::EOPNOTSUPP;

use super::context::{Context, Domain};
use super::memory::{DmaBuf, Registration, reg_dmabuf_mr};
use crate::transport::Unavailable;

/// How memory of another device is reached, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRoute {
    /// The GPU's driver exports a buffer, the RDMA device maps it.
    DmaBuf,
    /// A kernel module makes pointers of the GPU registrable like any memory.
    PeerMemory,
    /// Through locked memory of the host, with a copy.
    Staging,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Whether libibverbs has the call.
    pub library: bool,
    /// Error number of registering what is no buffer; `None` where it was not tried.
    pub answer: Option<i32>,
    /// Whether the GPU exports buffers: its driver says so.
    pub exports: bool,
    /// The kernel module for pointers of GPUs that is loaded.
    pub module: Option<String>,
}

/// Decides, and says why better ways are not taken.
pub fn decide(facts: &DeviceFacts) -> (DeviceRoute, Vec<String>) {
    let mut reasons = Vec::new();
    // A driver that knows buffers complains of the descriptor, one that does not of the operation.
    match (facts.library, facts.answer, facts.exports) {
        (false, _, _) => reasons.push("dma-buf: libibverbs has no ibv_reg_dmabuf_mr; rdma-core 34 has it".into()),
        (true, None, _) => reasons.push("dma-buf: the RDMA device was not asked".into()),
        (true, Some(EOPNOTSUPP), _) => reasons.push("dma-buf: the driver of the RDMA device does not know it".into()),
        (true, Some(_), false) => reasons.push("dma-buf: the GPU's driver exports no buffers".into()),
        (true, Some(_), true) => return (DeviceRoute::DmaBuf, reasons),
    }
    if facts.module.is_some() {
        return (DeviceRoute::PeerMemory, reasons);
    }
    reasons.push("peer memory: nvidia_peermem is not loaded; `modprobe nvidia_peermem` loads it".into());
    (DeviceRoute::Staging, reasons)
}

/// Decides for one RDMA device. `exports`: whether the GPU's driver exports buffers, as CUDA's attribute
/// `DMA_BUF_SUPPORTED` says.
///
/// # Errors
/// When the device cannot be opened.
pub fn probe(device: &str, exports: bool) -> Result<(DeviceRoute, Vec<String>), Unavailable> {
    let refuse = |error: io::Error| Unavailable::new(format!("{device} cannot be opened: {error}"));
    let context = std::sync::Arc::new(Context::open(device).map_err(refuse)?);
    let domain = Domain::new(&context).map_err(refuse)?;
    let library = reg_dmabuf_mr().is_some();
    let nothing = DmaBuf { fd: -1, offset: 0, bytes: 4096, address: 0 };
    let answer = library.then(|| match Registration::of_dma_buf(&domain, nothing) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(EOPNOTSUPP),
    });
    let loaded = |name: &&str| Path::new("/sys/module").join(name).exists();
    let module = ["nvidia_peermem", "nv_peer_mem"].iter().copied().find(loaded).map(str::to_owned);
    Ok(decide(&DeviceFacts { library, answer, exports, module }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc::EBADF;

    const BEST: DeviceFacts = DeviceFacts { library: true, answer: Some(EBADF), exports: true, module: None };

    #[test]
    fn a_buffer_comes_before_a_module_before_a_copy() {
        assert_eq!(decide(&BEST), (DeviceRoute::DmaBuf, vec![]));
        let module = Some("nvidia_peermem".to_owned());
        let (route, reasons) = decide(&DeviceFacts { answer: Some(EOPNOTSUPP), module: module.clone(), ..BEST });
        assert_eq!(route, DeviceRoute::PeerMemory);
        assert!(reasons[0].contains("driver of the RDMA device"), "{reasons:?}");
        let (route, reasons) = decide(&DeviceFacts { library: false, answer: None, ..BEST });
        assert_eq!(route, DeviceRoute::Staging);
        assert!(reasons[0].contains("rdma-core 34") && reasons[1].contains("modprobe nvidia_peermem"), "{reasons:?}");
        let (route, _) = decide(&DeviceFacts { exports: false, module, ..BEST });
        assert_eq!(route, DeviceRoute::PeerMemory);
    }
}
