//! The doorbell of a rank: a bit per peer that says that its queue may hold something, so that an idle rank looks at one
//! word instead of at all its queues.
//!
//! Both sides fence between their own write and their look at the other's, so that either the ringer sees the bit cleared
//! and sets it again, or the one who cleared it sees the notification.

use super::sync::{AtomicU64, Ordering, fence};

/// Rings: after a push. A bit that is set already costs no exchange of the cache line.
pub(super) fn ring(word: &AtomicU64, bit: u64) {
    fence(Ordering::SeqCst);
    if word.load(Ordering::Relaxed) & bit == 0 {
        word.fetch_or(bit, Ordering::Release);
    }
}

/// Who has rung; the bits are cleared. To be called before the queues are looked at.
pub(super) fn answer(word: &AtomicU64) -> u64 {
    if word.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    let rung = word.swap(0, Ordering::AcqRel);
    fence(Ordering::SeqCst);
    rung
}
