//! The emulated CUDA driver: a libcuda.so whose device is the emulator; and a libnvrtc.so that compiles nothing for it.
//!
//! Once [`EmulatedCuda::start`] was called, whoever opens these libraries in this process gets them: the code that would drive a card
//! drives the emulator, unchanged. Another process gets them where [`libraries`] comes first in its LD_LIBRARY_PATH. Device 0 is a Hopper with little memory, device 1 is too old. Work is done as late as CUDA allows, one piece each
//! time somebody asks for it.

use std::ffi::c_int;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libloading::Library;

use crate::Order;

/// The driver, for one test at a time.
pub struct EmulatedCuda {
    library: Library,
    _compiler: Library,
    _alone: MutexGuard<'static, ()>,
}

/// How the emulated driver is to behave.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Bytes of device memory.
    pub memory: u64,
    /// How threads of a block take turns.
    pub order: Order,
    /// So often it is asked for finished work, in vain, before work goes on.
    pub stall: u64,
    /// Bytes of memory that a block may ask for.
    pub block_bytes: u32,
    /// So many kernels run before one fails, after half of its blocks.
    pub good: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { memory: 1 << 30, order: Order::Shuffled(1), stall: 0, block_bytes: 232_448, good: u64::MAX }
    }
}

/// The folder of libcuda.so and libnvrtc.so.
pub fn libraries() -> &'static Path {
    Path::new(env!("EMULATED_LIBRARIES"))
}

static ALONE: Mutex<()> = Mutex::new(());

impl EmulatedCuda {
    /// Makes the emulated driver this process's CUDA driver, from its first use on. Who calls it while another has it waits.
    ///
    /// # Panics
    /// If it cannot be loaded.
    pub fn start(behaviour: Behaviour) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |name: &str| {
            // SAFETY: the library has no constructors that matter; it is what build.rs made.
            let library = unsafe { Library::new(libraries().join(name)) };
            library.unwrap_or_else(|error| panic!("the emulated {name} does not load: {error}"))
        };
        let started = Self { library: open("libcuda.so"), _compiler: open("libnvrtc.so"), _alone: alone };
        started.reset(behaviour);
        started
    }

    /// Has it behave otherwise, and forget failures.
    pub fn reset(&self, Behaviour { memory, order, stall, block_bytes, good }: Behaviour) {
        let (order, seed) = crate::order_words(order);
        // SAFETY: declared as in cpp/driver.cpp.
        unsafe {
            type Reset = unsafe extern "C" fn(u64, c_int, u64, u64, c_int, u64);
            let reset = self.library.get::<Reset>(b"emulated_cuda_reset").expect("build.rs made it so");
            reset(memory, order, seed, stall, block_bytes as c_int, good);
        }
    }

    /// Does all work that is still to be done, also what everybody has given up.
    pub fn finish(&self) {
        // SAFETY: declared as in cpp/driver_work.cpp.
        unsafe { self.library.get::<unsafe extern "C" fn()>(b"emulated_cuda_finish").expect("build.rs made it so")() }
    }

    /// Kernels launched since the last reset, those of recorded work once.
    pub fn launches(&self) -> u64 {
        self.count(b"emulated_cuda_launches")
    }

    /// Kernels run since the last reset, those of recorded work each time.
    pub fn runs(&self) -> u64 {
        self.count(b"emulated_cuda_runs")
    }

    /// Pieces of memory, of the device and pinned, that are reserved now.
    pub fn allocations(&self) -> u64 {
        self.count(b"emulated_cuda_allocations")
    }

    fn count(&self, name: &[u8]) -> u64 {
        // SAFETY: declared as in cpp/driver.cpp.
        unsafe { self.library.get::<unsafe extern "C" fn() -> u64>(name).expect("build.rs made it so")() }
    }
}
