//! Return codes of the library as errors.

use std::ffi::{c_char, c_int};

use mpi::ffi;

use crate::error::CommError;
use crate::ids::Rank;

/// `code` of the function `call` as a result.
pub(super) fn check(call: &'static str, peer: Option<Rank>, code: c_int) -> Result<(), CommError> {
    if code == ffi::MPI_SUCCESS as c_int {
        Ok(())
    } else {
        Err(CommError::Mpi { call, peer, code, text: error_text(code) })
    }
}

fn error_text(code: c_int) -> String {
    let mut text = [0u8; ffi::MPI_MAX_ERROR_STRING as usize];
    let mut len: c_int = 0;
    // SAFETY: the buffer has the length that the standard asks for.
    let outcome = unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast::<c_char>(), &mut len) };
    if outcome != ffi::MPI_SUCCESS as c_int {
        return "the library has no text for this code".to_owned();
    }
    let len = usize::try_from(len).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[..len]).into_owned()
}
