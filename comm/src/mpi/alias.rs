//! Memory of a segment under a second address, which can be taken away from the MPI library.
//!
//! MPI cannot end a receive whose message has begun to come. So payloads are received through a mapping of the segment's
//! file that belongs to one connection, and when that is closed while some are under way, pages that belong to nobody take
//! the place of the segment's under those addresses. The library may go on writing there for as long as it likes.
//!
//! This holds where the processor writes (sockets, shared memory). An adapter that writes by itself has the pages that it
//! was given until its transfer ends: with such an MPI a payload whose transfer the adapter has begun may still land.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::libc::c_void;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::segment::Segment;

/// A segment under a second address.
#[derive(Debug)]
pub struct Alias {
    segment: Arc<Segment>,
    base: NonNull<c_void>,
    bytes: NonZeroUsize,
}

impl Alias {
    /// Maps a segment once more; `None` where that cannot be done.
    pub fn of(segment: &Arc<Segment>) -> Option<Alias> {
        let mapping = segment.mapping()?;
        let bytes = NonZeroUsize::new(segment.len() * 4)?;
        let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping at an address of the system's choice; nobody shortens the file (see `shm::Mapping`).
        let base = unsafe { mmap(None, bytes, protection, flags, mapping.file(), 0) };
        match base {
            Ok(base) => Some(Alias { segment: Arc::clone(segment), base, bytes }),
            Err(error) => {
                tracing::debug!(%error, "a segment cannot be mapped twice, so payloads for it are copied");
                None
            }
        }
    }

    /// Whether it is of this segment.
    pub fn is_of(&self, segment: &Arc<Segment>) -> bool {
        Arc::ptr_eq(&self.segment, segment)
    }

    /// The address of `len` words from `at` on; `None` beyond the end.
    pub fn place(&self, at: usize, len: usize) -> Option<*mut u32> {
        // SAFETY: within the mapping, as checked.
        self.segment.holds(at, len).then(|| unsafe { self.base.as_ptr().cast::<u32>().add(at) })
    }

    /// From now on nothing that is written here reaches the segment; whether that could be done.
    pub fn revoke(&self) -> nix::Result<()> {
        let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        let address = NonZeroUsize::new(self.base.as_ptr() as usize);
        let flags = flags | MapFlags::MAP_FIXED | MapFlags::MAP_NORESERVE;
        // SAFETY: takes the place of a mapping of ours, to which no reference exists: it is known to the MPI library alone,
        // which writes to it as before.
        unsafe { mmap_anonymous(address, self.bytes, protection, flags) }.map(drop)
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        // SAFETY: a mapping of ours; every request that may write to it holds a count of it until it is complete. A refusal leaves
        // the mapping behind, which does no harm.
        let _ = unsafe { munmap(self.base, self.bytes.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_arrives_until_it_is_revoked() {
        let segment = Segment::new(5000).expect("memory");
        let alias = Alias::of(&segment).expect("mapped");
        let place = alias.place(4998, 2).expect("within");
        assert!(alias.place(4999, 2).is_none());
        // SAFETY: two words of the mapping.
        unsafe { place.write_volatile(7) };
        let mut out = [0; 2];
        segment.load(4998, &mut out);
        assert_eq!(out, [7, 0]);
        alias.revoke().expect("revoked");
        // SAFETY: as above; the addresses stay mapped.
        unsafe { place.add(1).write_volatile(8) };
        segment.load(4998, &mut out);
        assert_eq!(out, [7, 0]);
    }

    #[test]
    fn private_memory_has_no_alias() {
        assert!(Alias::of(&Segment::private(10).expect("memory")).is_none());
    }
}
