//! Memory that other processes of this node can map: an anonymous file of the kernel's, which vanishes with its last user.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::{Whence, lseek};

use super::copy;

/// Words of an anonymous file, mapped. It holds no descriptor of the file.
#[derive(Debug)]
pub(super) struct View {
    memory: Arc<MmapRaw>,
    words: usize,
}

impl View {
    /// Maps a file, maybe one of another process of this node.
    ///
    /// # Errors
    /// What the system said; also where the file is shorter than `words` words, or could become so.
    pub fn of(file: &File, words: usize) -> io::Result<View> {
        let bytes = length(words)?;
        // A file that shrinks under its mapping kills whoever touches it; so it must be sealed against that. Files of
        // other kinds know no seals.
        let seals = fcntl(file, FcntlArg::F_GET_SEALS).unwrap_or(0);
        if seals & SealFlag::F_SEAL_SHRINK.bits() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is not sealed against shrinking"));
        }
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than its owner said"));
        }
        Ok(View { memory: Arc::new(MmapOptions::new().len(bytes).map_raw(file)?), words })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: the mapping is readable, writable, page-aligned and `words` words long, and lives as long as `self`. Whoever
        // else maps the file may change it at any time, which is what atomics are for. It is sealed against shrinking.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast::<AtomicU32>(), self.words) }
    }

    /// The words in pairs, for memory that is accessed in pairs only; an odd last word is left out.
    pub fn pairs(&self) -> &[AtomicU64] {
        // SAFETY: as in `words`; a page is aligned for 64 bits.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast::<AtomicU64>(), self.words / 2) }
    }
}

/// Words of this process that others can map.
#[derive(Debug)]
pub struct Mapping {
    view: View,
    /// Changes in [`Mapping::replace`].
    file: Mutex<Arc<File>>,
    replaced: AtomicU64,
}

impl Mapping {
    /// A new file of `words` words, all zero, committed by the system at first touch.
    ///
    /// # Errors
    /// What the system said.
    pub fn create(words: usize) -> io::Result<Mapping> {
        let file = new_file(length(words)?)?;
        let view = View::of(&file, words)?;
        Ok(Mapping { view, file: Mutex::new(Arc::new(file)), replaced: AtomicU64::new(0) })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        self.view.words()
    }

    /// As [`View::pairs`].
    pub(super) fn pairs(&self) -> &[AtomicU64] {
        self.view.pairs()
    }

    /// The memory, for devices that are to be given it. Its first words are these words.
    pub fn memory(&self) -> &Arc<MmapRaw> {
        &self.view.memory
    }

    /// How often it was replaced: a device that was given the memory before has the old pages.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// The file, to be mapped by others.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new file with the same content behind the same words: who has mapped the old one shares nothing with this
    /// process any more. Nobody else may store to the words meanwhile: what they store may be lost. Devices that were given
    /// the memory still hold the old pages.
    ///
    /// # Errors
    /// What the system said. The words are as they were then.
    pub(super) fn replace(&self) -> io::Result<()> {
        let mut current = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let View { memory, words } = &self.view;
        let bytes = memory.len();
        let file = new_file(bytes)?;
        let new = View::of(&file, *words)?;
        let mut end = 0;
        while let Some(start) = seek(&current, end, Whence::SeekData)? {
            end = seek(&current, start, Whence::SeekHole)?.unwrap_or(bytes);
            let range = start / 4..(end / 4).min(*words);
            if !range.is_empty() {
                copy::words(&self.words()[range.clone()], &new.words()[range]);
            }
        }
        let address = NonZeroUsize::new(memory.as_ptr() as usize).ok_or(io::ErrorKind::InvalidInput)?;
        let length = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the range is exactly that of `memory`, which this call replaces in one step and which `memory`
        // unmaps in the end as if it were its own. References to the words stay valid, as address, length, access rights and
        // content are the same, and atomics may change anyway.
        unsafe { mmap(Some(address), length, access, MapFlags::MAP_SHARED | MapFlags::MAP_FIXED, &file, 0) }?;
        *current = Arc::new(file);
        self.replaced.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// The next data or hole from `from` on, in bytes; none beyond the end.
fn seek(file: &File, from: usize, what: Whence) -> io::Result<Option<usize>> {
    let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
    match lseek(file, from, what) {
        Ok(at) => usize::try_from(at).map(Some).map_err(io::Error::other),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Bytes of `words` words; a file has some, as nothing cannot be mapped.
fn length(words: usize) -> io::Result<usize> {
    let bytes = words.checked_mul(4).filter(|bytes| i64::try_from(*bytes).is_ok());
    Ok(bytes.ok_or(io::ErrorKind::OutOfMemory)?.max(4))
}

/// A file of zeros whose length is final.
fn new_file(bytes: usize) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Some systems refuse files that could be executed; those before Linux 6.3 do not know how to ask for another.
    let no_exec = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let file = memfd_create(c"rankzero", no_exec).or_else(|_| memfd_create(c"rankzero", flags))?;
    let file = File::from(file);
    file.set_len(bytes as u64)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_was_mapped_before_is_cut_off() {
        const WORDS: usize = 1 << 22;
        let ours = Mapping::create(WORDS).expect("memory");
        let theirs = View::of(&ours.file(), WORDS).expect("mapped");
        let words = ours.words();
        words[5].store(1, Relaxed);
        words[WORDS - 1].store(2, Relaxed);
        assert_eq!(ours.replaced(), 0);
        ours.replace().expect("replaced");
        assert_eq!(ours.replaced(), 1);
        theirs.words()[5].store(9, Relaxed);
        theirs.words()[6].store(9, Relaxed);
        assert_eq!([5, 6, WORDS - 1].map(|at| words[at].load(Relaxed)), [1, 0, 2]);
        let of_new = View::of(&ours.file(), WORDS).expect("mapped");
        of_new.words()[7].store(3, Relaxed);
        assert_eq!(words[7].load(Relaxed), 3);
        let touched = ours.file().metadata().expect("metadata").blocks() * 512;
        assert!(touched <= 4 * 4096, "{touched} bytes: holes stay holes");
    }

    #[test]
    fn a_file_that_can_shrink_is_refused() {
        let file = File::from(memfd_create(c"test", MFdFlags::MFD_ALLOW_SEALING).expect("memfd"));
        file.set_len(4096).expect("length");
        assert!(View::of(&file, 4).is_err());
        let ordinary = File::open("/proc/self/exe").expect("this program");
        assert!(View::of(&ordinary, 4).is_err());
    }

    #[test]
    fn a_file_shorter_than_said_is_refused_and_none_can_be_cut() {
        let ours = Mapping::create(1024).expect("memory");
        assert!(View::of(&ours.file(), 1025).is_err());
        assert!(ours.file().set_len(8).is_err());
    }

    #[test]
    fn no_words_are_possible_too() {
        let empty = Mapping::create(0).expect("memory");
        empty.replace().expect("replaced");
        assert!(empty.words().is_empty() && empty.pairs().is_empty());
    }
}
