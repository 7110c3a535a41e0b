//! One reliable connection on one port: states, receives, and posting of writes.

use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use rdma_sys as sys;
use sys::ibv_qp_attr_mask as mask;
use sys::ibv_qp_state as state;

use super::context::{CompletionQueue, Domain, check};
use super::device::{Gid, LinkLayer};

/// Shortest pause that a sender makes when the receiver has no receive posted: 0.01 ms, code 1 of the InfiniBand standard.
const RNR_TIMER: u8 = 1;
/// Resend without end while the receiver has no receive posted: a peer that computes is no failure.
const RNR_RETRY_FOR_EVER: u8 = 7;
/// Receives posted at a time, at most.
pub const RECEIVE_BATCH: usize = 64;

/// Sizes of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Work requests of the send queue.
    pub sends: u32,
    /// Work requests of the receive queue.
    pub receives: u32,
    /// Most bytes that are copied into a work request.
    pub inline_bytes: u32,
}

/// How the other end is reached.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Number of the peer's queue pair.
    pub queue_pair: u32,
    /// Its first packet's number.
    pub packet: u32,
    /// Its local identifier, with InfiniBand.
    pub lid: u16,
    /// Its address.
    pub gid: Gid,
    /// Smaller of the two active MTUs, as `enum ibv_mtu`.
    pub mtu: u32,
    /// What both ports are joined to.
    pub link: LinkLayer,
    /// This rank's entry of its GID table.
    pub own_index: u8,
    /// This rank's own address.
    pub own_gid: Gid,
    /// This rank's port.
    pub own_port: u8,
    /// This rank's first packet's number.
    pub own_packet: u32,
    /// Acknowledgement timeout: 4.096 µs · 2^timeout.
    pub timeout: u8,
    /// How often a packet without acknowledgement is sent again.
    pub retries: u8,
}

/// One write, as the device sees it.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Comes back with the completion.
    pub id: u64,
    /// Address of the source here.
    pub local: u64,
    /// Key of the source.
    pub local_key: u32,
    /// Bytes; 0 with an immediate alone.
    pub bytes: u32,
    /// Address of the target there.
    pub remote: u64,
    /// Key of the target.
    pub remote_key: u32,
    /// The notification.
    pub immediate: Option<u32>,
    /// Whether its completion is reported.
    pub signaled: bool,
}

/// A queue pair.
pub struct QueuePair {
    raw: NonNull<sys::ibv_qp>,
    sizes: Sizes,
    sends: Box<[sys::ibv_send_wr]>,
    sources: Box<[sys::ibv_sge]>,
    _domain: Arc<Domain>,
    _completions: Arc<CompletionQueue>,
}

impl std::fmt::Debug for QueuePair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuePair").field("number", &self.number()).field("sizes", &self.sizes).finish()
    }
}

// SAFETY: one owner uses it at a time; the pointers in its scratch space are written anew by every call that uses them.
unsafe impl Send for QueuePair {}

impl QueuePair {
    /// A new one, with as much of the inline bytes as the device grants.
    ///
    /// # Errors
    /// What the library said.
    pub fn new(domain: &Arc<Domain>, completions: &Arc<CompletionQueue>, wanted: Sizes) -> io::Result<QueuePair> {
        let mut last = io::Error::from(io::ErrorKind::InvalidInput);
        for inline_bytes in [wanted.inline_bytes, wanted.inline_bytes / 2, wanted.inline_bytes / 4, 0] {
            match create(domain, completions, Sizes { inline_bytes, ..wanted }) {
                Ok((raw, granted)) => {
                    let count = wanted.sends as usize;
                    return Ok(QueuePair {
                        raw,
                        sizes: Sizes { inline_bytes: granted, ..wanted },
                        // SAFETY: zero is a valid value of these plain structures of numbers, unions of such, and pointers.
                        sends: (0..count).map(|_| unsafe { std::mem::zeroed() }).collect(),
                        sources: (0..count).map(|_| sys::ibv_sge { addr: 0, length: 0, lkey: 0 }).collect(),
                        _domain: Arc::clone(domain),
                        _completions: Arc::clone(completions),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Its number, for the peer.
    pub fn number(&self) -> u32 {
        // SAFETY: it exists.
        unsafe { self.raw.as_ref().qp_num }
    }

    /// Its identity in asynchronous events.
    pub fn address(&self) -> usize {
        self.raw.as_ptr() as usize
    }

    /// Its sizes; the inline bytes are those that the device grants.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// From new or reset to taking receives.
    ///
    /// # Errors
    /// What the library said.
    pub fn initialize(&mut self, port: u8) -> io::Result<()> {
        let mut to = attributes(state::IBV_QPS_INIT);
        to.port_num = port;
        to.qp_access_flags = sys::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE.0;
        self.modify(
            &mut to,
            mask::IBV_QP_STATE | mask::IBV_QP_PKEY_INDEX | mask::IBV_QP_PORT | mask::IBV_QP_ACCESS_FLAGS,
        )
    }

    /// From initialized to sending.
    ///
    /// # Errors
    /// What the library said.
    pub fn connect(&mut self, route: &Route) -> io::Result<()> {
        let mut to = attributes(state::IBV_QPS_RTR);
        to.path_mtu = route.mtu;
        to.dest_qp_num = route.queue_pair;
        to.rq_psn = route.packet;
        to.max_dest_rd_atomic = 1;
        to.min_rnr_timer = RNR_TIMER;
        to.ah_attr.port_num = route.own_port;
        to.ah_attr.dlid = route.lid;
        // Ethernet has no other address than the GID; InfiniBand needs it to leave its subnet.
        if route.link == LinkLayer::Ethernet || route.gid.subnet() != route.own_gid.subnet() {
            to.ah_attr.is_global = 1;
            to.ah_attr.grh.dgid.raw = route.gid.0;
            to.ah_attr.grh.sgid_index = route.own_index;
            to.ah_attr.grh.hop_limit = 64;
        }
        let path = mask::IBV_QP_AV | mask::IBV_QP_PATH_MTU | mask::IBV_QP_DEST_QPN | mask::IBV_QP_RQ_PSN;
        let bounds = mask::IBV_QP_MAX_DEST_RD_ATOMIC | mask::IBV_QP_MIN_RNR_TIMER;
        self.modify(&mut to, mask::IBV_QP_STATE | path | bounds)?;
        to.qp_state = state::IBV_QPS_RTS;
        to.timeout = route.timeout;
        to.retry_cnt = route.retries;
        to.rnr_retry = RNR_RETRY_FOR_EVER;
        to.sq_psn = route.own_packet;
        to.max_rd_atomic = 1;
        let retry = mask::IBV_QP_TIMEOUT | mask::IBV_QP_RETRY_CNT | mask::IBV_QP_RNR_RETRY;
        self.modify(&mut to, mask::IBV_QP_STATE | retry | mask::IBV_QP_SQ_PSN | mask::IBV_QP_MAX_QP_RD_ATOMIC)
    }

    /// Stops it in both directions; what is posted comes back as flushed.
    ///
    /// # Errors
    /// What the library said.
    pub fn fail(&mut self) -> io::Result<()> {
        self.modify(&mut attributes(state::IBV_QPS_ERR), mask::IBV_QP_STATE)
    }

    /// Empties it, to be initialized anew.
    ///
    /// # Errors
    /// What the library said.
    pub fn reset(&mut self) -> io::Result<()> {
        self.modify(&mut attributes(state::IBV_QPS_RESET), mask::IBV_QP_STATE)
    }

    fn modify(&mut self, to: &mut sys::ibv_qp_attr, of: mask) -> io::Result<()> {
        // SAFETY: the queue pair exists; the mask names the fields that were set.
        check(unsafe { sys::ibv_modify_qp(self.raw.as_ptr(), to, of.0 as i32) })
    }

    /// Posts `count` receives without memory, all with this number: they take the notifications of the peer's writes.
    ///
    /// # Errors
    /// What the library said.
    pub fn post_receives(&mut self, count: usize, id: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(RECEIVE_BATCH);
            let mut chain: [sys::ibv_recv_wr; RECEIVE_BATCH] = std::array::from_fn(|_| sys::ibv_recv_wr {
                wr_id: id,
                next: null_mut(),
                sg_list: null_mut(),
                num_sge: 0,
            });
            let first = chain.as_mut_ptr();
            let mut bad = null_mut();
            // SAFETY: the first `now` are linked within the array, which outlives the call; the last one ends the chain.
            let code = unsafe {
                for at in 1..now {
                    (*first.add(at - 1)).next = first.add(at);
                }
                sys::ibv_post_recv(self.raw.as_ptr(), first, &raw mut bad)
            };
            check(code)?;
            left -= now;
        }
        Ok(())
    }

    /// Posts these writes, in order, in one call.
    ///
    /// # Errors
    /// What the library said. A part may have been posted: the connection is of no use any more.
    ///
    /// # Panics
    /// With more writes than the queue holds.
    ///
    /// # Safety
    /// Sources of at most [`Sizes::inline_bytes`] are read in this call: they must be readable. Longer ones are read by the
    /// device, which refuses what their key does not cover.
    pub unsafe fn post(&mut self, works: &[Work]) -> io::Result<()> {
        assert!(works.len() <= self.sends.len(), "more writes than the queue holds");
        for (at, work) in works.iter().enumerate() {
            self.sources[at] = sys::ibv_sge { addr: work.local, length: work.bytes, lkey: work.local_key };
            let send = &mut self.sends[at];
            send.wr_id = work.id;
            send.num_sge = i32::from(work.bytes > 0);
            send.opcode = match work.immediate {
                Some(_) => sys::ibv_wr_opcode::IBV_WR_RDMA_WRITE_WITH_IMM,
                None => sys::ibv_wr_opcode::IBV_WR_RDMA_WRITE,
            };
            send.imm_data_invalidated_rkey_union.imm_data = work.immediate.unwrap_or(0).to_be();
            let signaled = if work.signaled { sys::ibv_send_flags::IBV_SEND_SIGNALED.0 } else { 0 };
            let inline = work.bytes > 0 && work.bytes <= self.sizes.inline_bytes;
            send.send_flags = signaled | if inline { sys::ibv_send_flags::IBV_SEND_INLINE.0 } else { 0 };
            send.wr.rdma = sys::rdma_t { remote_addr: work.remote, rkey: work.remote_key };
        }
        let (sends, sources) = (self.sends.as_mut_ptr(), self.sources.as_mut_ptr());
        let mut bad = null_mut();
        // SAFETY: the chain and its sources lie in arrays that outlive the call, which copies them; the last one ends it.
        let code = unsafe {
            for at in 0..works.len() {
                (*sends.add(at)).sg_list = sources.add(at);
                (*sends.add(at)).next = if at + 1 < works.len() { sends.add(at + 1) } else { null_mut() };
            }
            if works.is_empty() { 0 } else { sys::ibv_post_send(self.raw.as_ptr(), sends, &raw mut bad) }
        };
        check(code)
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // SAFETY: made once. Waits until its events are acknowledged, which happens as they are read.
        unsafe { sys::ibv_destroy_qp(self.raw.as_ptr()) };
    }
}

fn create(domain: &Domain, completions: &CompletionQueue, sizes: Sizes) -> io::Result<(NonNull<sys::ibv_qp>, u32)> {
    let mut of = sys::ibv_qp_init_attr {
        qp_context: null_mut(),
        send_cq: completions.raw(),
        recv_cq: completions.raw(),
        srq: null_mut(),
        cap: sys::ibv_qp_cap {
            max_send_wr: sizes.sends,
            max_recv_wr: sizes.receives,
            max_send_sge: 1,
            max_recv_sge: 1,
            max_inline_data: sizes.inline_bytes,
        },
        qp_type: sys::ibv_qp_type::IBV_QPT_RC,
        sq_sig_all: 0,
    };
    // SAFETY: domain and queue exist and are of the same device, which the library checks.
    let raw = unsafe { sys::ibv_create_qp(domain.raw(), &raw mut of) };
    let raw = NonNull::new(raw).ok_or_else(io::Error::last_os_error)?;
    Ok((raw, of.cap.max_inline_data))
}

fn attributes(to: state::Type) -> sys::ibv_qp_attr {
    // SAFETY: zero is a valid value of this plain structure of numbers.
    let mut of: sys::ibv_qp_attr = unsafe { std::mem::zeroed() };
    of.qp_state = to;
    of
}
