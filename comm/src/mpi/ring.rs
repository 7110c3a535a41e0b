//! Receives that are posted before anything comes: a ring of slots for packets of any sender.
//!
//! The library matches messages with slots in the order in which both were posted, so the oldest slot is nearly always the
//! next to be complete, and asking for that one alone also lets the library make progress once, and no more. A slot may
//! be held up by a sender that stopped in the middle of a message; all slots are looked at now and then for its sake. So a
//! sender's packets may be found out of order, and carry a number.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::c_int;
use std::mem::{MaybeUninit, take};
use std::time::{Duration, Instant};

use mpi::ffi;

use super::call::check;
use crate::error::CommError;

/// Tag of the packets.
pub const TAG_PACKET: c_int = 1;
/// Words of a packet, at most. 32 KiB: what most libraries send without asking the receiver first, and small enough
/// for the copies of two packets to overlap.
pub const SLOT_WORDS: usize = 8192;
/// Slots. With fewer, a burst of packets finds none and is copied once more by the library.
const SLOTS: usize = 32;
/// All slots are looked at in one of so many fruitless looks at the oldest.
const LOOK_AT_ALL: u32 = 32;
/// How long the library may take to give a slot back that nothing has come for.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    /// What ports that are gone have left posted. MPI belongs to one thread, so this does too.
    static LEFT: RefCell<Vec<Slots>> = const { RefCell::new(Vec::new()) };
}

/// Receives and the memory that they fill.
#[derive(Debug)]
struct Slots {
    requests: Vec<ffi::MPI_Request>,
    memory: Box<[u32]>,
    /// Posted ones, the oldest first.
    posted: VecDeque<usize>,
}

/// A packet in its slot.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    slot: usize,
    /// The sender as the library names it.
    pub source: c_int,
    bytes: usize,
}

/// The slots.
#[derive(Debug)]
pub struct Ring {
    slots: Slots,
    /// Filled slots that were found by a look at all.
    found: VecDeque<Filled>,
    fruitless: u32,
}

impl Ring {
    /// Posts all slots on `comm`.
    pub fn post(comm: ffi::MPI_Comm) -> Result<Ring, CommError> {
        // SAFETY: constant of the linked library.
        let null = unsafe { ffi::RSMPI_REQUEST_NULL };
        let memory = vec![0; SLOTS * SLOT_WORDS].into_boxed_slice();
        let mut ring = Ring {
            slots: Slots { requests: vec![null; SLOTS], memory, posted: VecDeque::with_capacity(SLOTS) },
            found: VecDeque::with_capacity(SLOTS),
            fruitless: 0,
        };
        for slot in 0..SLOTS {
            let Slots { requests, memory, .. } = &mut ring.slots;
            // SAFETY: the slot's words lie within `memory`, which is heap memory that no move of the ring moves, and which
            // goes to `LEFT` with its requests when the ring is dropped. The slot is read between its completion and its restart only.
            let code = unsafe {
                let place = memory.as_mut_ptr().add(slot * SLOT_WORDS).cast();
                let (any, bytes) = (ffi::RSMPI_ANY_SOURCE, (SLOT_WORDS * 4) as c_int);
                ffi::MPI_Recv_init(place, bytes, ffi::RSMPI_UINT8_T, any, TAG_PACKET, comm, &mut requests[slot])
            };
            check("MPI_Recv_init", None, code)?;
            ring.restart(slot)?;
        }
        Ok(ring)
    }

    fn restart(&mut self, slot: usize) -> Result<(), CommError> {
        // SAFETY: a request of this ring that is complete, or was never started; nobody holds a view of its slot.
        let code = unsafe { ffi::MPI_Start(&mut self.slots.requests[slot]) };
        check("MPI_Start", None, code)?;
        self.slots.posted.push_back(slot);
        Ok(())
    }

    /// The next filled slot, if there is one; lets the library make progress otherwise.
    pub fn next(&mut self) -> Result<Option<Filled>, CommError> {
        if let Some(filled) = self.found.pop_front() {
            return Ok(Some(filled));
        }
        let Some(&oldest) = self.slots.posted.front() else { return Ok(None) };
        let mut flag: c_int = 0;
        let mut status = MaybeUninit::<ffi::MPI_Status>::zeroed();
        // SAFETY: an active request of this ring; valid places for the answers.
        let code = unsafe { ffi::MPI_Test(&mut self.slots.requests[oldest], &mut flag, status.as_mut_ptr()) };
        check("MPI_Test", None, code)?;
        if flag != 0 {
            self.slots.posted.pop_front();
            // SAFETY: written by MPI_Test, and zeros are a valid status in any case: it is plain numbers.
            return filled(oldest, unsafe { status.assume_init_ref() }).map(Some);
        }
        self.fruitless = self.fruitless.wrapping_add(1);
        if self.fruitless.is_multiple_of(LOOK_AT_ALL) {
            self.look_at_all()?;
        }
        Ok(self.found.pop_front())
    }

    fn look_at_all(&mut self) -> Result<(), CommError> {
        let mut indices = [0; SLOTS];
        let mut statuses = [const { MaybeUninit::<ffi::MPI_Status>::zeroed() }; SLOTS];
        let mut count: c_int = 0;
        // SAFETY: as many requests as places for answers; a filled slot is in `found` or was restarted, so that those which are
        // not posted are inactive and are passed over.
        let code = unsafe {
            let requests = self.slots.requests.as_mut_ptr();
            let statuses = statuses.as_mut_ptr().cast();
            ffi::MPI_Testsome(SLOTS as c_int, requests, &mut count, indices.as_mut_ptr(), statuses)
        };
        check("MPI_Testsome", None, code)?;
        let count = usize::try_from(count).unwrap_or(0).min(SLOTS);
        for (&slot, status) in indices.iter().zip(&statuses).take(count) {
            let Some(slot) = usize::try_from(slot).ok().filter(|&slot| slot < SLOTS) else { continue };
            // SAFETY: as in `next`.
            let filled = filled(slot, unsafe { status.assume_init_ref() })?;
            self.slots.posted.retain(|&posted| posted != slot);
            self.found.push_back(filled);
        }
        Ok(())
    }

    /// The bytes of a filled slot, as words; `None` where they are no whole words.
    pub fn words(&self, filled: Filled) -> Option<&[u32]> {
        let first = filled.slot * SLOT_WORDS;
        let whole = filled.bytes.is_multiple_of(4) && filled.bytes <= SLOT_WORDS * 4;
        whole.then(|| &self.slots.memory[first..first + filled.bytes / 4])
    }

    /// Posts a filled slot again.
    pub fn give_back(&mut self, filled: Filled) -> Result<(), CommError> {
        self.restart(filled.slot)
    }
}

fn filled(slot: usize, status: &ffi::MPI_Status) -> Result<Filled, CommError> {
    let mut bytes: c_int = 0;
    // SAFETY: a status of a receive; constant of the linked library.
    let code = unsafe { ffi::MPI_Get_count(status, ffi::RSMPI_UINT8_T, &mut bytes) };
    check("MPI_Get_count", None, code)?;
    Ok(Filled { slot, source: status.MPI_SOURCE, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) })
}

impl Drop for Ring {
    fn drop(&mut self) {
        let Slots { requests, memory, posted } = &mut self.slots;
        let slots = Slots { requests: take(requests), memory: take(memory), posted: take(posted) };
        // Without a word to MPI, which may hang once a rank has failed. Where even the list is gone, the thread ends: leaked.
        let mut slots = Some(slots);
        let _ = LEFT.try_with(|left| left.borrow_mut().extend(slots.take()));
        std::mem::forget(slots);
    }
}

/// Takes back what ports that are gone have left posted, as MPI wants it before its end. A slot that the library does not
/// give back in time is leaked with its memory.
pub fn cancel_left() -> Result<(), CommError> {
    let left = LEFT.with(|left| take(&mut *left.borrow_mut()));
    let deadline = Instant::now() + CANCEL_TIME_MAX;
    for Slots { mut requests, memory, posted } in left {
        let mut all_back = true;
        for (slot, request) in requests.iter_mut().enumerate() {
            all_back &= cancel(request, posted.contains(&slot), deadline)?;
        }
        if !all_back {
            std::mem::forget(memory);
        }
    }
    Ok(())
}

/// Whether the slot was given back in time.
fn cancel(request: &mut ffi::MPI_Request, posted: bool, deadline: Instant) -> Result<bool, CommError> {
    if posted {
        // SAFETY: an active request of a ring that is gone.
        check("MPI_Cancel", None, unsafe { ffi::MPI_Cancel(request) })?;
    }
    loop {
        let mut flag: c_int = 0;
        // SAFETY: as above; no status is asked for.
        check("MPI_Test", None, unsafe { ffi::MPI_Test(request, &mut flag, ffi::RSMPI_STATUS_IGNORE) })?;
        if flag != 0 {
            // SAFETY: inactive now.
            return check("MPI_Request_free", None, unsafe { ffi::MPI_Request_free(request) }).map(|()| true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::yield_now();
    }
}
