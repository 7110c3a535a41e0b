//! Sends under way, and the memory that they read.
//!
//! **Invariant.** That memory lives, unmoved, until the library says that the send is complete; when the port goes away
//! before that, it is leaked on purpose.

use std::ffi::c_int;
use std::sync::Arc;

use mpi::ffi;

use super::call::check;
use crate::error::CommError;
use crate::ids::Rank;
use crate::port::Place;
use crate::segment::Segment;

/// Buffers kept for reuse.
const SPARE_MAX: usize = 64;
/// Largest buffer kept for reuse, in words: a start-up message is not kept.
const SPARE_WORDS_MAX: usize = 1 << 18;

/// What a send reads.
#[derive(Debug)]
enum Source {
    Buffer(Vec<u32>),
    Segment(#[expect(dead_code, reason = "kept for its memory")] Arc<Segment>),
}

/// Sends under way.
#[derive(Debug)]
pub struct Sends {
    comm: ffi::MPI_Comm,
    /// `sources` and `peers` run in parallel.
    requests: Vec<ffi::MPI_Request>,
    sources: Vec<Source>,
    peers: Vec<Rank>,
    /// Room for the answers of `MPI_Testsome`, as long as `requests`.
    finished: Vec<c_int>,
    spare: Vec<Vec<u32>>,
}

impl Sends {
    /// Nothing is under way.
    pub fn new(comm: ffi::MPI_Comm) -> Sends {
        let (requests, sources, peers) = (Vec::new(), Vec::new(), Vec::new());
        Sends { comm, requests, sources, peers, finished: Vec::new(), spare: Vec::new() }
    }

    /// A buffer of arbitrary content.
    pub fn buffer(&mut self) -> Vec<u32> {
        self.spare.pop().unwrap_or_default()
    }

    /// An empty buffer.
    pub fn buffer_empty(&mut self) -> Vec<u32> {
        let mut buffer = self.buffer();
        buffer.clear();
        buffer
    }

    /// Takes a buffer that is no longer needed.
    pub fn recycle(&mut self, buffer: Vec<u32>) {
        if self.spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_WORDS_MAX {
            self.spare.push(buffer);
        }
    }

    /// Starts to send the words of a buffer.
    pub fn send_buffer(&mut self, to: Rank, tag: c_int, buffer: Vec<u32>) -> Result<(), CommError> {
        // SAFETY: the buffer is kept unchanged until the request is complete; a move of the Vec does not move what it owns.
        let mut request = unsafe { self.start(to, tag, buffer.as_ptr(), buffer.len())? };
        let mut flag: c_int = 0;
        // Most libraries have copied a short message, or handed it to the kernel, by now: then this is cheap, and there is nothing
        // to be watched.
        // SAFETY: the request of just now; no status is asked for.
        let code = unsafe { ffi::MPI_Test(&mut request, &mut flag, ffi::RSMPI_STATUS_IGNORE) };
        if flag != 0 {
            self.recycle(buffer);
        } else {
            self.keep(request, Source::Buffer(buffer), to);
        }
        check("MPI_Test", Some(to), code)
    }

    /// Starts to send words of a segment.
    pub fn send_range(&mut self, to: Rank, tag: c_int, range: Place) -> Result<(), CommError> {
        let words = range.segment.range(range.at, range.len);
        // SAFETY: the segment is kept until the request is complete. Its words should not change until then, and if they do
        // after all, the library reads old and new ones mixed, through system calls or copies of its own: the receiver has closed the
        // connection then, or the writer has broken its word.
        let request = unsafe { self.start(to, tag, words.as_ptr().cast(), words.len())? };
        self.keep(request, Source::Segment(range.segment), to);
        Ok(())
    }

    /// # Safety
    /// The words are readable until the request is complete.
    unsafe fn start(&self, to: Rank, tag: c_int, words: *const u32, len: usize) -> Result<ffi::MPI_Request, CommError> {
        let bytes = c_int::try_from(len * 4)
            .map_err(|_| CommError::BootstrapTooLarge { bytes: len * 4, limit: c_int::MAX as usize })?;
        // SAFETY: constant of the linked library.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        // SAFETY: as the caller promises.
        let code = unsafe {
            ffi::MPI_Isend(words.cast(), bytes, ffi::RSMPI_UINT8_T, to.0 as c_int, tag, self.comm, &mut request)
        };
        check("MPI_Isend", Some(to), code).map(|()| request)
    }

    fn keep(&mut self, request: ffi::MPI_Request, source: Source, peer: Rank) {
        self.requests.push(request);
        self.sources.push(source);
        self.peers.push(peer);
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// A peer to whom one is under way.
    pub fn unsent(&self) -> Option<Rank> {
        self.peers.first().copied()
    }

    /// Takes back what the sends that are complete have read.
    pub fn reap(&mut self) -> Result<(), CommError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let pending = self.requests.len();
        self.finished.resize(pending, 0);
        let mut count: c_int = 0;
        // SAFETY: `requests` holds `pending` requests made here, `finished` as many places; no statuses are asked for.
        let code = unsafe {
            let (requests, finished) = (self.requests.as_mut_ptr(), self.finished.as_mut_ptr());
            ffi::MPI_Testsome(pending as c_int, requests, &mut count, finished, ffi::RSMPI_STATUSES_IGNORE)
        };
        check("MPI_Testsome", self.unsent(), code)?;
        let count = usize::try_from(count).unwrap_or(0).min(pending);
        // From the back, so that what fills a gap is never one that is still to be removed.
        self.finished[..count].sort_unstable();
        for at in (0..count).rev() {
            let index = self.finished[at] as usize;
            self.requests.swap_remove(index);
            self.peers.swap_remove(index);
            if let Source::Buffer(buffer) = self.sources.swap_remove(index) {
                self.recycle(buffer);
            }
        }
        Ok(())
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        // The library may still read these.
        std::mem::forget(std::mem::take(&mut self.sources));
    }
}
