//! Memory that is lent to a card, and what is in it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Words of a file, mapped, as segments are.
pub struct Mapped(pub Arc<MmapRaw>);

impl Mapped {
    pub fn new(words: usize) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * words as u64).unwrap();
        Self(Arc::new(MmapOptions::new().map_raw(&file).unwrap()))
    }

    fn words(&self) -> &[AtomicU32] {
        // SAFETY: the mapping is readable, writable and aligned, and lives as long as `self`; the file keeps its length.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() / 4) }
    }

    pub fn load(&self, at: usize, words: usize) -> Vec<u32> {
        self.words()[at..at + words].iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    pub fn store(&self, at: usize, words: &[u32]) {
        self.words()[at..].iter().zip(words).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
    }
}
