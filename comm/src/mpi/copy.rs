//! Copies between words that others may change at any time and words of our own.
//!
//! One atomic access a word is right but an order of magnitude slower than the memory: compilers do not join atomic accesses. The
//! processor's own copy instruction may stand for any such run of accesses, as the compiler cannot look into it; beyond that it is
//! promised nothing but that each word is copied in some moment between the beginning and the end.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// From so many words on the instruction pays for its start.
#[cfg(target_arch = "x86_64")]
const INSTRUCTION_MIN: usize = 32;

/// Copies `from` into `to`.
///
/// # Panics
/// When the lengths differ.
pub fn load(from: &[AtomicU32], to: &mut [u32]) {
    assert_eq!(from.len(), to.len(), "as many words on both sides");
    #[cfg(target_arch = "x86_64")]
    if from.len() >= INSTRUCTION_MIN {
        // SAFETY: both ranges are valid for their length, which is the same; `to` is ours alone, so they do not overlap.
        return unsafe { copy(from.as_ptr().cast(), to.as_mut_ptr(), from.len()) };
    }
    for (from, to) in from.iter().zip(to) {
        *to = from.load(Relaxed);
    }
}

/// Copies `from` into `to`.
///
/// # Panics
/// When the lengths differ.
pub fn store(from: &[u32], to: &[AtomicU32]) {
    assert_eq!(from.len(), to.len(), "as many words on both sides");
    #[cfg(target_arch = "x86_64")]
    if from.len() >= INSTRUCTION_MIN {
        // SAFETY: both ranges are valid for their length, which is the same; atomics may be written through a shared reference; nobody
        // writes `from` while it is borrowed, so they do not overlap.
        return unsafe { copy(from.as_ptr(), to.as_ptr().cast::<u32>().cast_mut(), from.len()) };
    }
    for (from, to) in from.iter().zip(to) {
        to.store(*from, Relaxed);
    }
}

/// # Safety
/// Both ranges are valid for `words` words and do not overlap.
#[cfg(target_arch = "x86_64")]
unsafe fn copy(from: *const u32, to: *mut u32, words: usize) {
    // SAFETY: reads and writes the two ranges alone; the direction flag is clear, as the calling convention has it.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") words * 4 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_copied_at_every_length() {
        for len in (0..200).chain([4096, 70_001]) {
            let values: Vec<u32> = (1..=len).collect();
            let words: Vec<AtomicU32> = values.iter().map(|_| AtomicU32::new(0)).collect();
            store(&values, &words);
            let mut out = vec![0; values.len()];
            load(&words, &mut out);
            assert_eq!(out, values);
        }
    }

    #[test]
    #[should_panic(expected = "as many words")]
    fn lengths_must_agree() {
        store(&[1, 2], &[AtomicU32::new(0)]);
    }
}
