//! Memory that each worker thread keeps to itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One value a thread of the pool at hand, made when first needed and kept.
#[derive(Debug, Default)]
pub struct PerThread<T>(Vec<Mutex<T>>);

impl<T: Default> PerThread<T> {
    /// Makes room for the threads of the pool at hand.
    pub fn prepare(&mut self) {
        self.0.resize_with(rayon::current_num_threads(), Mutex::default);
    }

    /// The calling thread's value. What holds it must not wait for other work of the pool.
    ///
    /// # Panics
    /// If nothing was prepared.
    pub fn own(&self) -> MutexGuard<'_, T> {
        let own = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        // Scratch memory: what a panic left there is overwritten.
        self.0[own].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
