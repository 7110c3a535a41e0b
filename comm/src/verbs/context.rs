//! Opened devices and what hangs on them. Each handle keeps what it was made from alive: a queue pair its completion queue
//! and protection domain, those the context.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::libc;
use rdma_sys as sys;

/// An opened device.
#[derive(Debug)]
pub struct Context {
    raw: NonNull<sys::ibv_context>,
    /// What vanishes from sysfs when the device is removed, even while the kernel waits for this process to let go.
    presence: PathBuf,
}

// SAFETY: libibverbs objects may be used from any thread; the library and its providers lock where they must.
unsafe impl Send for Context {}
// SAFETY: as above; the calls that take `&self` are thread-safe.
unsafe impl Sync for Context {}

/// Bounds of a device.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most work requests of one queue.
    pub queue: u32,
    /// Most entries of one completion queue.
    pub completions: u32,
}

/// What is known of a port once its device is open.
#[derive(Clone, Copy, Debug)]
pub struct PortLimits {
    /// Local identifier; 0 with RoCE.
    pub lid: u16,
    /// Active MTU, as `enum ibv_mtu`: 1 is 256 bytes, 5 is 4096.
    pub mtu: u32,
    /// Most bytes of one message.
    pub message_bytes: u32,
}

/// What the device says unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncEvent {
    /// The device has failed or is being removed.
    DeviceFatal,
    /// This port went down.
    PortDown(u8),
    /// This port is up again.
    PortUp(u8),
    /// A queue pair has failed, with the work completion status that comes closest.
    QueuePair {
        /// Its address, see `QueuePair::address`.
        address: usize,
        /// As in `enum ibv_wc_status`.
        status: u32,
    },
}

impl Context {
    /// Opens the device of this name.
    ///
    /// # Errors
    /// What the library said; `NotFound` where there is no such device.
    pub fn open(name: &str) -> io::Result<Context> {
        let mut count = 0;
        // SAFETY: the list is freed below, once, and not used afterwards.
        let list = unsafe { sys::__ibv_get_device_list(&raw mut count) };
        if list.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut opened = Err(io::Error::new(io::ErrorKind::NotFound, "the device is gone"));
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the list holds `count` devices, each with a terminated name.
            let (device, of) = unsafe { (*list.add(at), CStr::from_ptr(sys::ibv_get_device_name(*list.add(at)))) };
            if of.to_bytes() == name.as_bytes() {
                // SAFETY: the device is on the list, which is still there; an opened context outlives it. Its `dev_path` is a
                // terminated string.
                opened = unsafe {
                    let path = CStr::from_ptr((&raw const (*device).dev_path).cast());
                    match NonNull::new(sys::ibv_open_device(device)) {
                        Some(raw) => Ok((raw, PathBuf::from(path.to_string_lossy().into_owned()))),
                        None => Err(io::Error::last_os_error()),
                    }
                };
                break;
            }
        }
        // SAFETY: it came from the call above.
        unsafe { sys::ibv_free_device_list(list) };
        let (raw, presence) = opened?;
        let context = Context { raw, presence };
        context.set_async_nonblocking()?;
        Ok(context)
    }

    fn set_async_nonblocking(&self) -> io::Result<()> {
        // SAFETY: the context is open, and with it this descriptor.
        let failed = unsafe {
            let fd = (*self.raw.as_ptr()).async_fd;
            let flags = libc::fcntl(fd, libc::F_GETFL);
            flags < 0 || libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) < 0
        };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The library's pointer, valid as long as `self`.
    pub fn raw(&self) -> *mut sys::ibv_context {
        self.raw.as_ptr()
    }

    /// Whether the system still lists the device. A system call.
    pub fn is_present(&self) -> bool {
        self.presence.exists()
    }

    /// The bounds of the device.
    ///
    /// # Errors
    /// What the library said.
    pub fn bounds(&self) -> io::Result<Bounds> {
        let mut of = MaybeUninit::<sys::ibv_device_attr>::zeroed();
        // SAFETY: the context is open; the library fills the structure, all of whose fields are numbers or strings.
        let code = unsafe { sys::ibv_query_device(self.raw(), of.as_mut_ptr()) };
        check(code)?;
        // SAFETY: zeroed is valid for it, and the call succeeded.
        let of = unsafe { of.assume_init() };
        let positive = |value: i32| u32::try_from(value).unwrap_or(0);
        Ok(Bounds { queue: positive(of.max_qp_wr), completions: positive(of.max_cqe) })
    }

    /// What holds for a port now.
    ///
    /// # Errors
    /// What the library said.
    pub fn port(&self, port: u8) -> io::Result<PortLimits> {
        let mut of = MaybeUninit::<sys::ibv_port_attr>::zeroed();
        // SAFETY: the context is open; the structure has the size that the wrapper passes on.
        let code = unsafe { sys::___ibv_query_port(self.raw(), port, of.as_mut_ptr()) };
        check(code)?;
        // SAFETY: zeroed is valid for its numbers, and the call succeeded.
        let of = unsafe { of.assume_init() };
        Ok(PortLimits { lid: of.lid, mtu: of.active_mtu, message_bytes: of.max_msg_sz })
    }

    /// The next thing that the device says unasked; `None` when there is nothing new. A system call, never waits.
    pub fn next_event(&self) -> Option<AsyncEvent> {
        loop {
            let mut event = MaybeUninit::<sys::ibv_async_event>::zeroed();
            // SAFETY: the context is open and its descriptor does not block.
            if unsafe { sys::ibv_get_async_event(self.raw(), event.as_mut_ptr()) } != 0 {
                return None;
            }
            let at = event.as_mut_ptr();
            // SAFETY: the library filled it. The kind is read as a number, as a newer library may know more of them than the
            // enumeration has; of the union, what belongs to the kind. Acknowledged once: destroying waits for that.
            let seen = unsafe {
                let kind = (&raw const (*at).event_type).cast::<u32>().read();
                let seen = read_event(kind, &(*at).element);
                sys::ibv_ack_async_event(at);
                seen
            };
            if seen.is_some() {
                return seen;
            }
        }
    }
}

/// # Safety
/// The element is what the library filled in for this kind of event.
unsafe fn read_event(kind: u32, element: &sys::ibv_async_event_element_t) -> Option<AsyncEvent> {
    use sys::ibv_event_type as kinds;
    // SAFETY: every member of the union is plain data; which one means something, the kind tells.
    let (port, address) = unsafe { (element.port_num as u8, element.qp as usize) };
    let qp = |status| Some(AsyncEvent::QueuePair { address, status });
    match kind {
        k if k == kinds::IBV_EVENT_DEVICE_FATAL as u32 => Some(AsyncEvent::DeviceFatal),
        k if k == kinds::IBV_EVENT_CQ_ERR as u32 => Some(AsyncEvent::DeviceFatal),
        k if k == kinds::IBV_EVENT_PORT_ERR as u32 => Some(AsyncEvent::PortDown(port)),
        k if k == kinds::IBV_EVENT_PORT_ACTIVE as u32 => Some(AsyncEvent::PortUp(port)),
        k if k == kinds::IBV_EVENT_QP_FATAL as u32 => qp(sys::ibv_wc_status::IBV_WC_FATAL_ERR),
        k if k == kinds::IBV_EVENT_QP_REQ_ERR as u32 => qp(sys::ibv_wc_status::IBV_WC_REM_INV_REQ_ERR),
        k if k == kinds::IBV_EVENT_QP_ACCESS_ERR as u32 => qp(sys::ibv_wc_status::IBV_WC_LOC_ACCESS_ERR),
        _ => None,
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was opened once, and all that was made from it holds an `Arc` of it. A removed device makes the call fail
        // after it has freed its memory; nothing is left to do then.
        unsafe { sys::ibv_close_device(self.raw()) };
    }
}

/// A protection domain: what ties memory to queue pairs.
#[derive(Debug)]
pub struct Domain {
    raw: NonNull<sys::ibv_pd>,
    context: Arc<Context>,
}

// SAFETY: as for `Context`.
unsafe impl Send for Domain {}
// SAFETY: as for `Context`.
unsafe impl Sync for Domain {}

impl Domain {
    /// A new one.
    ///
    /// # Errors
    /// What the library said.
    pub fn new(context: &Arc<Context>) -> io::Result<Arc<Domain>> {
        // SAFETY: the context is open.
        let raw = NonNull::new(unsafe { sys::ibv_alloc_pd(context.raw()) }).ok_or_else(io::Error::last_os_error)?;
        Ok(Arc::new(Domain { raw, context: Arc::clone(context) }))
    }

    /// The library's pointer, valid as long as `self`.
    pub fn raw(&self) -> *mut sys::ibv_pd {
        self.raw.as_ptr()
    }

    /// Its device.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: made once; queue pairs and registrations hold an `Arc` of it.
        unsafe { sys::ibv_dealloc_pd(self.raw()) };
    }
}

/// A completion queue.
#[derive(Debug)]
pub struct CompletionQueue {
    raw: NonNull<sys::ibv_cq>,
    _context: Arc<Context>,
}

// SAFETY: as for `Context`.
unsafe impl Send for CompletionQueue {}
// SAFETY: as for `Context`.
unsafe impl Sync for CompletionQueue {}

/// A completion, in the few words that matter here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Completion {
    /// As given when posted.
    pub id: u64,
    /// As in `enum ibv_wc_status`; 0 is success.
    pub status: u32,
    /// Only with success: the immediate of a peer's write.
    pub immediate: Option<u32>,
    /// Only with success, of a receive: bytes of the write that carried the immediate.
    pub bytes: u32,
}

/// Completions taken at a time.
pub const BATCH: usize = 32;

impl CompletionQueue {
    /// A new one with room for `entries`.
    ///
    /// # Errors
    /// What the library said.
    pub fn new(context: &Arc<Context>, entries: u32) -> io::Result<Arc<CompletionQueue>> {
        let entries = i32::try_from(entries).unwrap_or(i32::MAX);
        // SAFETY: the context is open; no channel, first completion vector.
        let raw = unsafe { sys::ibv_create_cq(context.raw(), entries, std::ptr::null_mut(), std::ptr::null_mut(), 0) };
        let raw = NonNull::new(raw).ok_or_else(io::Error::last_os_error)?;
        Ok(Arc::new(CompletionQueue { raw, _context: Arc::clone(context) }))
    }

    /// The library's pointer, valid as long as `self`.
    pub fn raw(&self) -> *mut sys::ibv_cq {
        self.raw.as_ptr()
    }

    /// Takes what has completed, at most [`BATCH`]; tells how many.
    ///
    /// # Errors
    /// The library's code where it cannot poll any more: the device is gone.
    pub fn poll(&self, into: &mut [Completion; BATCH]) -> io::Result<usize> {
        let mut raw = MaybeUninit::<[sys::ibv_wc; BATCH]>::uninit();
        // SAFETY: there is room for `BATCH` completions; the queue exists.
        let count = unsafe { sys::ibv_poll_cq(self.raw(), BATCH as i32, raw.as_mut_ptr().cast()) };
        let count = usize::try_from(count).map_err(|_| io::Error::from_raw_os_error(count.saturating_neg()))?;
        for (at, out) in into.iter_mut().enumerate().take(count) {
            // SAFETY: the library filled the first `count`. With an error only the number and the status mean something;
            // the others are plain numbers, written or not, and are read with success alone.
            *out = unsafe { read(raw.as_ptr().cast::<sys::ibv_wc>().add(at)) };
        }
        Ok(count.min(BATCH))
    }
}

/// # Safety
/// `wc` was filled by the library.
unsafe fn read(wc: *const sys::ibv_wc) -> Completion {
    // SAFETY: the caller's promise; fields are read one by one, what an error leaves unset is not read.
    unsafe {
        let mut of = Completion { id: (*wc).wr_id, status: (*wc).status, ..Completion::default() };
        if of.status == sys::ibv_wc_status::IBV_WC_SUCCESS
            && (*wc).opcode == sys::ibv_wc_opcode::IBV_WC_RECV_RDMA_WITH_IMM
        {
            of.immediate = Some(u32::from_be((*wc).imm_data_invalidated_rkey_union.imm_data));
            of.bytes = (*wc).byte_len;
        }
        of
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: made once; queue pairs hold an `Arc` of it.
        unsafe { sys::ibv_destroy_cq(self.raw()) };
    }
}

/// Error numbers that calls return, as a result.
pub fn check(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_abs())) }
}
