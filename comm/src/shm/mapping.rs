//! Memory that other processes of this node can map: an anonymous file of the kernel's, which vanishes with its last user.

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU32;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Words of an anonymous file, mapped.
#[derive(Debug)]
pub struct Mapping {
    memory: MmapRaw,
    words: usize,
    file: File,
}

impl Mapping {
    /// A new file of `words` words, all zero, committed by the system at first touch.
    ///
    /// # Errors
    /// What the system said.
    pub fn create(words: usize) -> io::Result<Mapping> {
        let bytes = words.checked_mul(4).and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let file = File::from(memfd_create(c"rankzero", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(bytes.max(4))?;
        Mapping::of(file, words)
    }

    /// Maps the file of another process of this node.
    ///
    /// # Errors
    /// What the system said; also where the file is shorter than `words` words.
    pub fn of(file: File, words: usize) -> io::Result<Mapping> {
        let bytes = words.checked_mul(4).ok_or(io::ErrorKind::OutOfMemory)?.max(4);
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than its owner said"));
        }
        let memory = MmapOptions::new().len(bytes).map_raw(&file)?;
        Ok(Mapping { memory, words, file })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: the mapping is readable, writable, page-aligned and `words` words long, and lives as long as `self`. Whoever
        // else maps the file may change it at any time, which is what atomics are for. Nobody shortens the file: this crate
        // never does, and it can be reached by processes of the same user only.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast::<AtomicU32>(), self.words) }
    }

    /// The file, to be mapped by others.
    pub fn file(&self) -> &File {
        &self.file
    }
}
