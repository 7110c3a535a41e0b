//! A payload that was announced, on its way into a segment, a buffer, or nowhere.
//!
//! **Invariant.** What a receive may write to lives until the library says that the receive is complete; when it is dropped
//! before that, it is leaked on purpose.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::rc::Rc;

use mpi::ffi;

use super::alias::Alias;
use super::call::check;
use crate::error::CommError;
use crate::ids::Rank;
use crate::port::Place;

/// Tag of payloads. The announcements of a sender and its payloads come in the same order.
pub const TAG_PAYLOAD: c_int = 2;

/// Where the words are received.
#[derive(Debug)]
enum Memory {
    Alias(#[expect(dead_code, reason = "kept for its memory")] Rc<Alias>),
    /// Room for all of them; its length is set when they are there.
    Buffer(Vec<u32>),
}

/// What becomes of the words.
#[derive(Clone, Debug)]
pub enum Fate {
    /// They are in their place already.
    Placed,
    /// They are copied into their place.
    Copied(Place),
    /// They are a packet.
    Message,
    /// They are forgotten.
    Forgotten,
}

/// A receive under way.
#[derive(Debug)]
pub struct Payload {
    request: ffi::MPI_Request,
    memory: Memory,
    words: usize,
    /// What becomes of them.
    pub fate: Fate,
    /// Whether they came as announced, once that is known.
    pub whole: Option<bool>,
}

impl Payload {
    /// Receives straight into a segment, through its alias.
    pub fn into_alias(comm: ffi::MPI_Comm, from: Rank, alias: &Rc<Alias>, place: &Place) -> Result<Payload, CommError> {
        let Some(address) = alias.place(place.at, place.len) else {
            return Payload::into_buffer(comm, from, place.len, Fate::Copied(place.clone()));
        };
        // SAFETY: writable memory of that length; its alias is kept with the request.
        let request = unsafe { start(comm, from, address, place.len)? };
        let (memory, fate) = (Memory::Alias(Rc::clone(alias)), Fate::Placed);
        Ok(Payload { request, memory, words: place.len, fate, whole: None })
    }

    /// Receives into a buffer.
    pub fn into_buffer(comm: ffi::MPI_Comm, from: Rank, words: usize, fate: Fate) -> Result<Payload, CommError> {
        let mut buffer = Vec::new();
        if buffer.try_reserve_exact(words).is_err() {
            return Err(CommError::OutOfMemory { bytes: words as u128 * 4 });
        }
        // SAFETY: writable memory of that length; the buffer is kept with the request.
        let request = unsafe { start(comm, from, buffer.as_mut_ptr(), words)? };
        Ok(Payload { request, memory: Memory::Buffer(buffer), words, fate, whole: None })
    }

    /// Whether it is done; what it was supposed to write is written then.
    pub fn is_done(&mut self) -> bool {
        if self.whole.is_some() {
            return true;
        }
        let mut flag: c_int = 0;
        let mut status = MaybeUninit::<ffi::MPI_Status>::zeroed();
        // SAFETY: an active request, made here; valid places for the answers.
        let code = unsafe { ffi::MPI_Test(&mut self.request, &mut flag, status.as_mut_ptr()) };
        // An error ends a receive too: the payload was longer than its announcement, say.
        let failed = code != ffi::MPI_SUCCESS as c_int;
        if flag == 0 && !failed {
            return false;
        }
        if flag == 0 {
            // The library says no more of this request, so it may hold it still.
            std::mem::forget(std::mem::replace(&mut self.memory, Memory::Buffer(Vec::new())));
        }
        let mut bytes: c_int = 0;
        // SAFETY: written by MPI_Test, and zeros are a valid status in any case; constant of the linked library.
        let counted = unsafe { ffi::MPI_Get_count(status.as_ptr(), ffi::RSMPI_UINT8_T, &mut bytes) };
        let counted = counted == ffi::MPI_SUCCESS as c_int;
        let whole = !failed && counted && usize::try_from(bytes).is_ok_and(|bytes| bytes == self.words * 4);
        if let (true, Memory::Buffer(buffer)) = (whole, &mut self.memory) {
            assert!(self.words <= buffer.capacity(), "the buffer was reserved for this payload");
            // SAFETY: within the capacity, and the library has written these words.
            unsafe { buffer.set_len(self.words) };
        }
        self.whole = Some(whole);
        true
    }

    /// The words, where they were received into a buffer and are there.
    pub fn buffer(&self) -> &[u32] {
        match &self.memory {
            Memory::Buffer(buffer) => buffer,
            Memory::Alias(_) => &[],
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if self.whole.is_none() {
            std::mem::forget(std::mem::replace(&mut self.memory, Memory::Buffer(Vec::new())));
        }
    }
}

/// # Safety
/// The words are writable until the request is complete.
unsafe fn start(comm: ffi::MPI_Comm, from: Rank, words: *mut u32, len: usize) -> Result<ffi::MPI_Request, CommError> {
    let bytes = c_int::try_from(len * 4).map_err(|_| CommError::OutOfMemory { bytes: len as u128 * 4 })?;
    // SAFETY: constant of the linked library.
    let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
    // SAFETY: as the caller promises.
    let code = unsafe {
        let source = from.0 as c_int;
        ffi::MPI_Irecv(words.cast(), bytes, ffi::RSMPI_UINT8_T, source, TAG_PAYLOAD, comm, &mut request)
    };
    check("MPI_Irecv", Some(from), code).map(|()| request)
}
