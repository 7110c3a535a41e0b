//! The MPI rung: start-up, and data while every rank lives.
//!
//! MPI never reports a dead peer, hangs in collectives and in `MPI_Finalize` once a rank died, and some launchers end
//! everybody when a rank aborts. Hence the rules here: `MPI_ERRORS_RETURN` on every communicator, non-blocking calls
//! under our own deadlines, no collective after start-up, and no finalisation but an explicit clean one
//! ([`crate::world::shutdown`]).
//!
//! The library may be called from the thread that started it and from no other (`MPI_THREAD_FUNNELED`), which the types
//! enforce: [`MpiPort`] is not [`Send`]. The raw interface is used because the wrappers of the `mpi` crate discard return codes.
//!
//! MPI is linked always and started only by [`start`], which a program calls only under a launcher.

mod alias;
mod call;
pub(crate) mod copy;
mod inbox;
mod payload;
mod port;
mod ring;
mod sends;

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mpi::ffi;

pub use crate::idle::Patience;
pub use port::MpiPort;

use crate::error::CommError;
use call::check;

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

/// Starts MPI. To be called once, from the main thread.
///
/// # Errors
/// [`CommError::MpiUnusable`] when MPI was started before or allows no threads, [`CommError::Timeout`] when the other
/// ranks do not start in time, [`CommError::Mpi`].
pub fn start(patience: Patience, deadline: Instant) -> Result<MpiPort, CommError> {
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
    MpiPort::open(patience, deadline)
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

/// Ends the use of MPI; every rank calls it once no port is left.
pub(crate) fn finalize() -> Result<(), CommError> {
    ring::cancel_left()?;
    // SAFETY: started once, by this thread (a port is not Send, and was made here); every port is gone and left no request;
    // STARTED keeps another from being made.
    let code = unsafe { ffi::MPI_Finalize() };
    check("MPI_Finalize", None, code)
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
