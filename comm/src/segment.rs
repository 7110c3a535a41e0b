//! Registered memory: 32-bit words that peers may write into.
//!
//! Words are atomics, so that a write of a peer that meets a read here is never undefined: at worst the read sees old
//! and new words mixed. Whoever reads after the notification sees all of the write, as the notification orders it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use memmap2::MmapRaw;

use crate::error::CommError;
use crate::mpi::copy;
use crate::shm::Mapping;

/// Registered memory. Zero at the start; pages that nobody touches cost no physical memory.
#[derive(Debug)]
pub struct Segment {
    memory: Memory,
}

/// Where the words lie.
#[derive(Debug)]
enum Memory {
    /// In a file that other processes of the node can map.
    Shared(Mapping),
    /// In this process alone.
    Private(Box<[AtomicU32]>),
}

impl Segment {
    /// Reserves `words` 32-bit words, all zero, committed by the system at first touch.
    ///
    /// # Errors
    /// [`CommError::OutOfMemory`] when the system refuses the reservation.
    pub fn new(words: usize) -> Result<Arc<Segment>, CommError> {
        match Mapping::create(words) {
            Ok(mapping) => Ok(Arc::new(Segment { memory: Memory::Shared(mapping) })),
            Err(error) => {
                tracing::debug!(%error, words, "a segment cannot be shared, so it is private");
                Segment::private(words)
            }
        }
    }

    /// [`Segment::new`], in memory that no other process can map.
    ///
    /// # Errors
    /// [`CommError::OutOfMemory`] when the system refuses the reservation.
    pub fn private(words: usize) -> Result<Arc<Segment>, CommError> {
        let words = bytemuck::allocation::try_zeroed_slice_box(words)
            .map_err(|()| CommError::OutOfMemory { bytes: words as u128 * 4 })?;
        Ok(Arc::new(Segment { memory: Memory::Private(words) }))
    }

    /// Length in words.
    pub fn len(&self) -> usize {
        self.words().len()
    }

    /// Whether it has no words.
    pub fn is_empty(&self) -> bool {
        self.words().is_empty()
    }

    /// All its words.
    pub fn words(&self) -> &[AtomicU32] {
        match &self.memory {
            Memory::Shared(mapping) => mapping.words(),
            Memory::Private(words) => words,
        }
    }

    /// Its memory, to be given to a device; `None` where it is none of its own. The device has it until [`Segment::moves`] changes.
    pub fn memory(&self) -> Option<&Arc<MmapRaw>> {
        self.mapping().map(Mapping::memory)
    }

    /// How often it has moved to other pages, since somebody who had mapped the old ones was excluded. What a device was given are the old ones.
    pub fn moves(&self) -> u64 {
        self.mapping().map_or(0, Mapping::replaced)
    }

    /// The mapping, where other processes of the node can map it too.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match &self.memory {
            Memory::Shared(mapping) => Some(mapping),
            Memory::Private(_) => None,
        }
    }

    /// Copies the words from `at` on into `out`.
    ///
    /// # Panics
    /// When the range exceeds the segment.
    pub fn load(&self, at: usize, out: &mut [u32]) {
        copy::load(self.range(at, out.len()), out);
    }

    /// Copies `from` into the words from `at` on.
    ///
    /// # Panics
    /// When the range exceeds the segment.
    pub fn store(&self, at: usize, from: &[u32]) {
        copy::store(from, self.range(at, from.len()));
    }

    /// [`Segment::load`] of the bits of `f32`.
    ///
    /// # Panics
    /// When the range exceeds the segment.
    pub fn load_f32(&self, at: usize, out: &mut [f32]) {
        self.load(at, bytemuck::cast_slice_mut(out));
    }

    /// [`Segment::store`] of the bits of `f32`.
    ///
    /// # Panics
    /// When the range exceeds the segment.
    pub fn store_f32(&self, at: usize, from: &[f32]) {
        self.store(at, bytemuck::cast_slice(from));
    }

    /// The `len` words from `at` on, for access without a copy.
    ///
    /// # Panics
    /// When the range exceeds the segment.
    pub fn range(&self, at: usize, len: usize) -> &[AtomicU32] {
        assert!(self.holds(at, len), "range of {len} words at {at} exceeds the {} words of the segment", self.len());
        &self.words()[at..at + len]
    }

    /// Whether `len` words from `at` on lie within the segment.
    pub fn holds(&self, at: usize, len: usize) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len())
    }

    /// Appends `len` words from `at` on to `out`.
    pub(crate) fn append_to(&self, at: usize, len: usize, out: &mut Vec<u32>) {
        let end = out.len();
        out.resize(end + len, 0);
        copy::load(self.range(at, len), &mut out[end..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_segment_costs_only_what_is_touched() {
        let before = resident_pages();
        let segment = Segment::new(1 << 28).expect("1 GiB of address space");
        segment.store(1 << 27, &[7]);
        let mut out = [0u32; 2];
        segment.load(1 << 27, &mut out);
        assert_eq!(out, [7, 0]);
        assert!(resident_pages() - before < 4096, "16 MiB would mean that the zeros were written");
    }

    #[test]
    fn an_impossible_reservation_is_an_error() {
        assert!(matches!(Segment::new(usize::MAX / 8), Err(CommError::OutOfMemory { .. })));
        assert!(matches!(Segment::new(usize::MAX), Err(CommError::OutOfMemory { .. })));
    }

    #[test]
    fn floats_keep_their_bits() {
        let segment = Segment::new(4).expect("memory");
        let values = [f32::NAN, -0.0, f32::from_bits(1), f32::MAX];
        segment.store_f32(0, &values);
        let mut out = [0f32; 4];
        segment.load_f32(0, &mut out);
        assert_eq!(out.map(f32::to_bits), values.map(f32::to_bits));
    }

    #[test]
    #[should_panic(expected = "range of 2 words at 3 exceeds the 4 words")]
    fn a_range_beyond_the_end_is_a_programming_error() {
        Segment::new(4).expect("memory").store(3, &[1, 2]);
    }

    #[test]
    fn bounds_do_not_overflow() {
        let segment = Segment::new(4).expect("memory");
        assert!(!segment.holds(usize::MAX, 2));
        assert!(segment.holds(4, 0));
    }

    fn resident_pages() -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").expect("procfs");
        text.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("resident pages")
    }
}
