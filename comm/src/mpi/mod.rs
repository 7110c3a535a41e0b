//! The MPI rung: start-up, and data while every rank lives.
//!
//! MPI never reports a dead peer, hangs in collectives and in `MPI_Finalize` once a rank died, and some launchers end
//! everybody when a rank aborts. Hence the rules here: `MPI_ERRORS_RETURN` on every communicator, non-blocking calls
//! under our own deadlines, no collective after start-up, and no finalisation but an explicit clean one
//! ([`MpiFabric::shutdown`]).
//!
//! The library may be called from the thread that started it and from no other (`MPI_THREAD_FUNNELED`), which the types
//! enforce: [`MpiPort`] is not [`Send`]. The raw interface is used because the wrappers of the `mpi` crate discard return codes.
//!
//! MPI is linked always and started only by [`start`], which a program calls only under a launcher.

mod call;
mod port;

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mpi::ffi;

pub use crate::idle::Patience;
pub use port::MpiPort;

use crate::error::CommError;
use crate::fabric::Bootstrap;
use crate::packet_fabric::{Limits, PacketFabric};
use call::check;

/// A fabric over MPI.
pub type MpiFabric = PacketFabric<MpiPort>;

/// Whether [`start`] has been called; MPI starts once a process.
static STARTED: AtomicBool = AtomicBool::new(false);

/// How much the library allows threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadLevel {
    /// Only one thread may exist.
    Single,
    /// Only the thread that started MPI may call it.
    Funneled,
    /// Any thread, one at a time.
    Serialized,
    /// Any thread.
    Multiple,
}

/// Version of the MPI library that is linked, in its own words. May be called before [`start`].
pub fn library() -> String {
    let mut text = [0u8; ffi::MPI_MAX_LIBRARY_VERSION_STRING as usize];
    let mut len: c_int = 0;
    // SAFETY: the buffer has the length that the standard asks for; the call is allowed before MPI_Init.
    let code = unsafe { ffi::MPI_Get_library_version(text.as_mut_ptr().cast::<c_char>(), &mut len) };
    if code != ffi::MPI_SUCCESS as c_int {
        return "unknown MPI library".to_owned();
    }
    let len = usize::try_from(len).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[..len]).trim_end_matches(['\0', '\n']).to_owned()
}

/// Starts MPI and returns the fabric among all ranks of the launcher. To be called once, from the main thread.
///
/// # Errors
/// [`CommError::MpiUnusable`] when MPI was started before or allows no threads, [`CommError::Timeout`] when the other
/// ranks do not start in time, [`CommError::Mpi`].
pub fn start(limits: Limits, patience: Patience, deadline: Instant) -> Result<MpiFabric, CommError> {
    if STARTED.swap(true, Ordering::SeqCst) {
        return Err(CommError::MpiUnusable("it was started before, and starts only once a process".to_owned()));
    }
    let level = init()?;
    if level == ThreadLevel::Single {
        return Err(CommError::MpiUnusable(format!(
            "the library ({}) allows no threads; use one built with thread support",
            library()
        )));
    }
    // Sleeps of this thread then last what they are told to, and not 50 µs more. Refused, they are only less exact.
    let _ = nix::sys::prctl::set_timerslack(1000);
    let port = MpiPort::open(level, patience, deadline)?;
    Ok(PacketFabric::new(port, 0, limits))
}

fn init() -> Result<ThreadLevel, CommError> {
    let mut provided: c_int = 0;
    // SAFETY: null argument pointers are allowed since MPI-2; STARTED makes this the only call in the process.
    let code = unsafe {
        ffi::MPI_Init_thread(std::ptr::null_mut(), std::ptr::null_mut(), ffi::RSMPI_THREAD_FUNNELED, &mut provided)
    };
    check("MPI_Init_thread", None, code)?;
    // SAFETY: constants of the linked library.
    let levels = unsafe {
        [
            (ffi::RSMPI_THREAD_FUNNELED, ThreadLevel::Funneled),
            (ffi::RSMPI_THREAD_SERIALIZED, ThreadLevel::Serialized),
            (ffi::RSMPI_THREAD_MULTIPLE, ThreadLevel::Multiple),
        ]
    };
    let level = levels.iter().find(|(value, _)| *value == provided).map_or(ThreadLevel::Single, |&(_, level)| level);
    Ok(level)
}

impl MpiFabric {
    /// How much the library allows threads.
    pub fn thread_level(&self) -> ThreadLevel {
        self.port.thread_level()
    }

    /// Ends the use of MPI.
    ///
    /// `clean`: all ranks call it, meet at a barrier, and MPI is finalised. Otherwise (some rank has failed) nothing is
    /// said to MPI at all, as any word may hang or take the survivors down: the caller flushes its files and leaves by
    /// `_exit(0)`, so that the library's exit handlers do not run either.
    ///
    /// # Errors
    /// What kept the barrier from being passed: MPI is not finalised then, and the caller leaves as after a failure.
    pub fn shutdown(mut self, clean: bool, deadline: Instant) -> Result<(), CommError> {
        if !clean {
            return Ok(());
        }
        self.barrier(deadline)?;
        self.flush(deadline)?;
        drop(self);
        // SAFETY: started once, by this thread (the fabric is not Send); no request is left; after this no fabric
        // exists, and STARTED keeps another from being made.
        let code = unsafe { ffi::MPI_Finalize() };
        check("MPI_Finalize", None, code)
    }

    /// Makes progress until the library has taken everything that was sent.
    fn flush(&mut self, deadline: Instant) -> Result<(), CommError> {
        let begun = Instant::now();
        while let Some(peer) = self.port.sending_to() {
            self.progress()?;
            if Instant::now() >= deadline {
                let missing = vec![peer];
                return Err(CommError::Timeout { operation: "last messages", waited: begun.elapsed(), missing });
            }
            crate::packet_fabric::Port::wait(&mut self.port, deadline);
        }
        Ok(())
    }
}

/// Ends the process at once: no destructors, no exit handlers, so that the MPI library's clean-up cannot hang.
pub fn exit_now(code: i32) -> ! {
    unsafe extern "C" {
        fn _exit(code: c_int) -> !;
    }
    // SAFETY: the C library's _exit takes any number and does not return.
    unsafe { _exit(code) }
}

/// Marks what must stay in the thread that started MPI.
type ThisThreadOnly = PhantomData<*const ()>;
