//! Packets over point-to-point messages: `MPI_Isend`, `MPI_Improbe`, `MPI_Imrecv`, `MPI_Test`.
//!
//! **Invariant.** A buffer that a request may touch lives, unmoved, until the library says that the request is
//! complete; when the port goes away before that, the buffer is leaked on purpose.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::time::Instant;

use mpi::ffi;

use super::ThisThreadOnly;
use super::call::check;
use crate::bootstrap::MAX_BOOTSTRAP_BYTES;
use crate::error::{CommError, Malformed};
use crate::idle::{Idle, Patience};
use crate::ids::{Rank, Rung};
use crate::port::{Incoming, Lane, Port};

/// Buffers kept for reuse.
const SPARE_MAX: usize = 64;
/// Largest buffer kept for reuse, in words: a start-up message is not kept.
const SPARE_WORDS_MAX: usize = 1 << 18;
/// Messages handed over by one call of progress, so that a fast sender cannot hold the caller.
const BATCH_MAX: usize = 256;
/// Longest message taken.
const MESSAGE_BYTES_MAX: usize = MAX_BOOTSTRAP_BYTES + 4096;

const TAG_DATA: c_int = 1;
const TAG_MESSAGE: c_int = 2;

/// Packets over MPI.
#[derive(Debug)]
pub struct MpiPort {
    comm: ffi::MPI_Comm,
    rank: Rank,
    size: u32,
    /// Requests of sends under way; `send_buffers` and `send_peers` run in parallel.
    sends: Vec<ffi::MPI_Request>,
    send_buffers: Vec<Vec<u32>>,
    send_peers: Vec<Rank>,
    /// Room for the answers of `MPI_Testsome`, as long as `sends`.
    finished: Vec<c_int>,
    /// Receives in the order in which their messages were matched.
    receives: VecDeque<Receive>,
    spare: Vec<Vec<u32>>,
    this_thread_only: ThisThreadOnly,
}

/// A message that was matched and is being received.
#[derive(Debug)]
struct Receive {
    from: Rank,
    lane: Result<Lane, Malformed>,
    bytes: usize,
    buffer: Vec<u32>,
    request: ffi::MPI_Request,
    complete: bool,
}

impl MpiPort {
    /// Opens a communicator of our own among all ranks.
    pub(super) fn open(patience: Patience, deadline: Instant) -> Result<MpiPort, CommError> {
        // SAFETY: constants of the linked library, which is initialised.
        let (world, itself) = unsafe { (ffi::RSMPI_COMM_WORLD, ffi::RSMPI_COMM_SELF) };
        return_errors(world)?;
        return_errors(itself)?;
        let (mut rank, mut size): (c_int, c_int) = (0, 0);
        // SAFETY: valid communicator, valid places for the answers.
        check("MPI_Comm_rank", None, unsafe { ffi::MPI_Comm_rank(world, &mut rank) })?;
        // SAFETY: as above.
        check("MPI_Comm_size", None, unsafe { ffi::MPI_Comm_size(world, &mut size) })?;
        let (Ok(rank), Ok(size)) = (u32::try_from(rank), u32::try_from(size)) else {
            return Err(CommError::MpiUnusable(format!("it says rank {rank} of {size}")));
        };
        let comm = duplicate(world, Idle::new(patience), size, deadline)?;
        return_errors(comm)?;
        Ok(MpiPort {
            comm,
            rank: Rank(rank),
            size,
            sends: Vec::new(),
            send_buffers: Vec::new(),
            send_peers: Vec::new(),
            finished: Vec::new(),
            receives: VecDeque::new(),
            spare: Vec::new(),
            this_thread_only: PhantomData,
        })
    }

    fn recycle(&mut self, buffer: Vec<u32>) {
        if self.spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_WORDS_MAX {
            self.spare.push(buffer);
        }
    }

    /// Takes back the buffers of the sends that are complete.
    fn reap_sends(&mut self) -> Result<(), CommError> {
        if self.sends.is_empty() {
            return Ok(());
        }
        let pending = self.sends.len();
        self.finished.resize(pending, 0);
        let mut count: c_int = 0;
        // SAFETY: `sends` holds `pending` requests made by this port, `finished` as many places; no statuses are asked for.
        let code = unsafe {
            ffi::MPI_Testsome(
                pending as c_int,
                self.sends.as_mut_ptr(),
                &mut count,
                self.finished.as_mut_ptr(),
                ffi::RSMPI_STATUSES_IGNORE,
            )
        };
        check("MPI_Testsome", self.unsent(), code)?;
        let count = usize::try_from(count).unwrap_or(0).min(pending);
        // From the back, so that what fills a gap is never one that is still to be removed.
        self.finished[..count].sort_unstable();
        for at in (0..count).rev() {
            let index = self.finished[at] as usize;
            self.sends.swap_remove(index);
            self.send_peers.swap_remove(index);
            let buffer = self.send_buffers.swap_remove(index);
            self.recycle(buffer);
        }
        Ok(())
    }

    /// Matches the next message and starts to receive it; whether there was one.
    fn match_one(&mut self) -> Result<bool, CommError> {
        let mut found: c_int = 0;
        // SAFETY: constant of the linked library.
        let mut message = unsafe { ffi::RSMPI_MESSAGE_NULL };
        let mut status = MaybeUninit::<ffi::MPI_Status>::zeroed();
        // SAFETY: valid communicator, valid places for the answers.
        let code = unsafe {
            let (source, tag) = (ffi::RSMPI_ANY_SOURCE, ffi::RSMPI_ANY_TAG);
            ffi::MPI_Improbe(source, tag, self.comm, &mut found, &mut message, status.as_mut_ptr())
        };
        check("MPI_Improbe", None, code)?;
        if found == 0 {
            return Ok(false);
        }
        // SAFETY: written by MPI_Improbe, and zeros are a valid status in any case: it is plain numbers.
        let status = unsafe { status.assume_init() };
        let mut bytes: c_int = 0;
        // SAFETY: a status of a matched message; constant of the linked library.
        let code = unsafe { ffi::MPI_Get_count(&status, ffi::RSMPI_UINT8_T, &mut bytes) };
        check("MPI_Get_count", None, code)?;
        let from = u32::try_from(status.MPI_SOURCE).ok().filter(|&from| from < self.size).map(Rank);
        let Some(from) = from else {
            return Err(CommError::MpiUnusable(format!("it names a source {} of {}", status.MPI_SOURCE, self.size)));
        };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let lane = match status.MPI_TAG {
            _ if bytes > MESSAGE_BYTES_MAX => {
                Err(Malformed::TooLarge { bytes: bytes as u64, limit: MESSAGE_BYTES_MAX as u64 })
            }
            _ if !bytes.is_multiple_of(4) => Err(Malformed::Length { words: bytes / 4, expected: 0 }),
            TAG_DATA => Ok(Lane::Data),
            TAG_MESSAGE => Ok(Lane::Message),
            other => Err(Malformed::Kind(other as u32)),
        };
        self.receive(message, from, lane, bytes)?;
        Ok(true)
    }

    fn receive(
        &mut self,
        mut message: ffi::MPI_Message,
        from: Rank,
        lane: Result<Lane, Malformed>,
        bytes: usize,
    ) -> Result<(), CommError> {
        // Too large: the message is received into nothing, that is truncated, to be rid of it.
        let bytes = if bytes > MESSAGE_BYTES_MAX { 0 } else { bytes };
        let mut buffer = self.buffer();
        buffer.clear();
        buffer.reserve(bytes.div_ceil(4));
        // SAFETY: constant of the linked library.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        // SAFETY: `buffer` has room for `bytes` bytes, and is kept in `receives` until the request is complete; a move
        // of the Vec does not move what it owns.
        let code = unsafe {
            let place = buffer.as_mut_ptr().cast();
            ffi::MPI_Imrecv(place, bytes as c_int, ffi::RSMPI_UINT8_T, &mut message, &mut request)
        };
        if lane.is_ok() {
            check("MPI_Imrecv", Some(from), code)?;
        }
        self.receives.push_back(Receive { from, lane, bytes, buffer, request, complete: false });
        Ok(())
    }

    /// Hands over the received messages that no earlier one of the same sender precedes.
    fn deliver(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        let mut at = 0;
        // Few are ever incomplete, so the search for an earlier one of the same sender is short.
        while at < self.receives.len() {
            let from = self.receives[at].from;
            let behind = self.receives.range(..at).any(|earlier| earlier.from == from);
            if !self.receives[at].test()? || behind {
                at += 1;
                continue;
            }
            let Some(done) = self.receives.remove(at) else { break };
            sink(match done.lane {
                Ok(lane) => Incoming::Packet { from, lane, words: &done.buffer },
                Err(what) => Incoming::Garbage { from, what },
            });
            self.recycle(done.buffer);
        }
        Ok(())
    }
}

impl Receive {
    /// Whether the message is here; its words are in the buffer then.
    fn test(&mut self) -> Result<bool, CommError> {
        if self.complete {
            return Ok(true);
        }
        let mut flag: c_int = 0;
        // SAFETY: the request was made by this port; no status is asked for.
        let code = unsafe { ffi::MPI_Test(&mut self.request, &mut flag, ffi::RSMPI_STATUS_IGNORE) };
        if self.lane.is_ok() {
            check("MPI_Test", Some(self.from), code)?;
        }
        self.complete = flag != 0 || code != ffi::MPI_SUCCESS as c_int;
        if self.complete && self.lane.is_ok() {
            let words = self.bytes / 4;
            assert!(words <= self.buffer.capacity(), "the buffer was reserved for this message");
            // SAFETY: within the capacity, and the library has written these words (it matched a message of this length).
            unsafe { self.buffer.set_len(words) };
        }
        Ok(self.complete)
    }
}

impl Port for MpiPort {
    const RUNG: Rung = Rung::Mpi;

    fn rank(&self) -> Rank {
        self.rank
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn buffer(&mut self) -> Vec<u32> {
        self.spare.pop().unwrap_or_default()
    }

    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        assert!(to.0 < self.size, "the engine names only ranks of the run");
        let tag = match lane {
            Lane::Data => TAG_DATA,
            Lane::Message => TAG_MESSAGE,
        };
        let bytes = packet.len() * 4;
        assert!(bytes <= MESSAGE_BYTES_MAX, "packets are bounded");
        // SAFETY: constant of the linked library.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        // SAFETY: `packet` is kept in `send_buffers`, unchanged, until the request is complete; a move of the Vec does
        // not move what it owns.
        let code = unsafe {
            let place = packet.as_ptr().cast();
            ffi::MPI_Isend(place, bytes as c_int, ffi::RSMPI_UINT8_T, to.0 as c_int, tag, self.comm, &mut request)
        };
        check("MPI_Isend", Some(to), code)?;
        self.sends.push(request);
        self.send_buffers.push(packet);
        self.send_peers.push(to);
        Ok(())
    }

    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        self.reap_sends()?;
        for _ in 0..BATCH_MAX {
            if !self.match_one()? {
                break;
            }
        }
        self.deliver(sink)
    }

    fn describe(&self, _peer: Rank) -> String {
        super::library().lines().next().unwrap_or("MPI").to_owned()
    }

    fn busy(&self) -> bool {
        !(self.sends.is_empty() && self.receives.is_empty())
    }

    fn unsent(&self) -> Option<Rank> {
        self.send_peers.first().copied()
    }
}

impl Drop for MpiPort {
    fn drop(&mut self) {
        // The library may still read or write these.
        if !self.sends.is_empty() {
            std::mem::forget(std::mem::take(&mut self.send_buffers));
        }
        if !self.receives.is_empty() {
            std::mem::forget(std::mem::take(&mut self.receives));
        }
    }
}

fn return_errors(comm: ffi::MPI_Comm) -> Result<(), CommError> {
    // SAFETY: valid communicator, constant of the linked library.
    let code = unsafe { ffi::MPI_Comm_set_errhandler(comm, ffi::RSMPI_ERRORS_RETURN) };
    check("MPI_Comm_set_errhandler", None, code)
}

/// A communicator of our own, so that nobody else's messages are ours. The duplication is a collective, so it waits no
/// longer than `deadline`.
fn duplicate(world: ffi::MPI_Comm, mut idle: Idle, size: u32, deadline: Instant) -> Result<ffi::MPI_Comm, CommError> {
    let begun = Instant::now();
    // On the heap, and leaked at a timeout: the library writes the handle when the operation completes, whenever that is.
    // SAFETY: constants of the linked library.
    let answer = Box::into_raw(Box::new(unsafe { (ffi::RSMPI_COMM_NULL, ffi::RSMPI_REQUEST_NULL) }));
    // SAFETY: `answer` is valid until it is freed below, which is after completion only.
    let code = unsafe { ffi::MPI_Comm_idup(world, &raw mut (*answer).0, &raw mut (*answer).1) };
    check("MPI_Comm_idup", None, code)?;
    loop {
        let mut flag: c_int = 0;
        // SAFETY: as above.
        let code = unsafe { ffi::MPI_Test(&raw mut (*answer).1, &mut flag, ffi::RSMPI_STATUS_IGNORE) };
        check("MPI_Comm_idup", None, code)?;
        if flag != 0 {
            // SAFETY: made by Box::into_raw above; the library is done with it.
            return Ok(unsafe { Box::from_raw(answer) }.0);
        }
        if Instant::now() >= deadline {
            let missing = Rank::all(size).collect();
            return Err(CommError::Timeout { operation: "MPI start-up", waited: begun.elapsed(), missing });
        }
        idle.wait(deadline, false);
    }
}
