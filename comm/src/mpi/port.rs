//! Packets over point-to-point messages, received by a ring of receives that are posted beforehand.
//!
//! What does not fit a slot of the ring, a large payload for a segment or a large message, is announced by a packet and
//! follows as a message of its own, received where it belongs.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::time::Instant;

use mpi::ffi;

use super::ThisThreadOnly;
use super::call::check;
use super::inbox::{Inbox, PAYLOAD_WORDS_MAX, TRAILER_WORDS, trailer};
use super::payload::TAG_PAYLOAD;
use super::ring::{Ring, SLOT_WORDS, TAG_PACKET};
use super::sends::Sends;
use crate::error::{CommError, Malformed};
use crate::idle::{Idle, Patience};
use crate::ids::{Rank, Rung};
use crate::port::{Direct, Incoming, Lane, Place, Port};
use crate::transport::Unavailable;

/// Shortest range that is sent by itself, in words.
const DIRECT_WORDS_MIN: usize = 16 << 10;
/// Longest range that is sent by itself, in words: 16 MiB, which bounds a buffer where a segment cannot be mapped twice.
const DIRECT_WORDS_MAX: usize = 4 << 20;
/// Sends are looked at in one pass of so many: the question costs as much as a look for packets, and only frees memory.
const REAP_PASSES: u32 = 16;
/// But in every pass after so many without a packet, or with so many sends under way.
const REAP_WHEN_IDLE: u32 = 64;
const REAP_SENDS: usize = 64;

/// Packets over MPI.
#[derive(Debug)]
pub struct MpiPort {
    rank: Rank,
    size: u32,
    ring: Ring,
    inbox: Inbox,
    sends: Sends,
    /// Number of the next packet to each peer.
    numbers: Vec<u32>,
    passes: u32,
    /// Passes since the last packet came.
    idle_passes: u32,
    this_thread_only: ThisThreadOnly,
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
            rank: Rank(rank),
            size,
            ring: Ring::post(comm)?,
            inbox: Inbox::new(comm, size),
            sends: Sends::new(comm),
            numbers: vec![0; size as usize],
            passes: 0,
            idle_passes: 0,
            this_thread_only: PhantomData,
        })
    }

    /// Sends a packet; `payload` words follow by themselves.
    fn send_packet(&mut self, to: Rank, lane: Lane, mut packet: Vec<u32>, payload: usize) -> Result<(), CommError> {
        assert!(to.0 < self.size, "the engine names only ranks of the run");
        assert!(packet.len() + TRAILER_WORDS <= SLOT_WORDS && payload <= PAYLOAD_WORDS_MAX, "packets are bounded");
        let number = &mut self.numbers[to.index()];
        packet.extend(trailer(*number, lane, payload));
        *number = number.wrapping_add(1);
        self.sends.send_buffer(to, TAG_PACKET, packet)
    }

    /// Takes the next packet, if one has come.
    fn take_one(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<bool, CommError> {
        let Some(filled) = self.ring.next()? else { return Ok(false) };
        let from = u32::try_from(filled.source).ok().filter(|&from| from < self.size).map(Rank);
        let Some(from) = from else {
            return Err(CommError::MpiUnusable(format!("it names a source {} of {}", filled.source, self.size)));
        };
        match self.ring.words(filled) {
            Some(words) => self.inbox.take(from, words, sink)?,
            None => sink(Incoming::Garbage { from, what: Malformed::Length { words: 0, expected: 0 } }),
        }
        self.ring.give_back(filled)?;
        Ok(true)
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
        self.sends.buffer()
    }

    fn send(&mut self, to: Rank, lane: Lane, packet: Vec<u32>) -> Result<(), CommError> {
        if packet.len() + TRAILER_WORDS <= SLOT_WORDS {
            return self.send_packet(to, lane, packet, 0);
        }
        assert_eq!(lane, Lane::Message, "the engine knows the longest packet");
        let announcement = self.sends.buffer_empty();
        self.send_packet(to, lane, announcement, packet.len())?;
        self.sends.send_buffer(to, TAG_PAYLOAD, packet)
    }

    /// One packet at most: the question whether there is another makes the library look at its sockets again, which is better left to
    /// the next call.
    fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
        self.passes = self.passes.wrapping_add(1);
        self.idle_passes = if self.take_one(sink)? { 0 } else { self.idle_passes.saturating_add(1) };
        self.inbox.progress(sink)?;
        let due = self.passes.is_multiple_of(REAP_PASSES) || self.idle_passes > REAP_WHEN_IDLE;
        if due || self.sends.len() > REAP_SENDS {
            self.sends.reap()?;
        }
        Ok(())
    }

    fn packet_words_max(&self) -> usize {
        SLOT_WORDS - TRAILER_WORDS
    }

    fn direct(&mut self) -> Option<&mut dyn Direct> {
        Some(self)
    }

    fn offer(&mut self, peer: Rank) -> Result<Vec<u8>, Unavailable> {
        self.inbox.close(peer);
        Ok(Vec::new())
    }

    fn close(&mut self, peer: Rank) {
        self.inbox.close(peer);
    }

    fn describe(&self, _peer: Rank) -> String {
        super::library().lines().next().unwrap_or("MPI").to_owned()
    }

    fn busy(&self) -> bool {
        self.sends.unsent().is_some() || self.inbox.is_busy()
    }

    fn unsent(&self) -> Option<Rank> {
        self.sends.unsent()
    }
}

impl Direct for MpiPort {
    fn words_min(&self) -> usize {
        DIRECT_WORDS_MIN
    }

    fn words_max(&self) -> usize {
        DIRECT_WORDS_MAX
    }

    fn send_announced(&mut self, to: Rank, packet: Vec<u32>, payload: Place) -> Result<(), CommError> {
        self.send_packet(to, Lane::Data, packet, payload.len)?;
        self.sends.send_range(to, TAG_PAYLOAD, payload)
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
