//! The system's allocator, with a count of what is asked of it.
//!
//! SAFETY, for the implementation below: every call goes to [`System`] unchanged, so that its contract is kept as far as the caller keeps
//! it; the counters are atomic and allocate nothing.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static CALLS: AtomicU64 = AtomicU64::new(0);
static ASKED: AtomicU64 = AtomicU64::new(0);
static GIVEN_BACK: AtomicU64 = AtomicU64::new(0);

/// The allocator; a program that counts makes it its global one.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// What the program has allocated since its start. Memory that C++ allocates is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// Calls that asked for memory.
    pub calls: u64,
    /// Bytes in use.
    pub live_bytes: u64,
}

impl Allocations {
    /// Until now.
    pub fn now() -> Self {
        Self { calls: CALLS.load(Relaxed), live_bytes: ASKED.load(Relaxed).saturating_sub(GIVEN_BACK.load(Relaxed)) }
    }
}

fn count(asked: usize, given_back: usize) {
    if asked > 0 {
        CALLS.fetch_add(1, Relaxed);
    }
    ASKED.fetch_add(asked as u64, Relaxed);
    GIVEN_BACK.fetch_add(given_back as u64, Relaxed);
}

// SAFETY: see the module.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: see the module.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: see the module.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: see the module.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: see the module.
        unsafe { System.dealloc(at, layout) }
    }
}
