//! The atomics of the queue and the bell. Their model under `loom` (`tests/shm_model.rs`) puts loom's here.

pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
