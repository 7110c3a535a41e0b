//! Runs rankzero's CUDA kernels on the CPU, for tests on machines without a GPU.
//!
//! The sources of `gpu/kernels` are compiled with the C++ compiler. Each thread of a block is a fiber; they run one after the other from
//! barrier to barrier, in order, the other way round or shuffled. Where a barrier is missing the outcome depends on that order, so a
//! kernel that gives the same bits in all of them, whatever the seed, and the bits of the CPU's solver besides, has none missing that
//! matters. What the emulator cannot show: that a GPU's arithmetic is IEEE's (which its makers promise for the instructions that the
//! kernels compile to), and how fast it is.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod driver;

pub use driver::{Behaviour, EmulatedCuda, libraries};

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

/// The order in which the threads of a block run between two barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first to the last.
    Ascending,
    /// From the last to the first.
    Descending,
    /// In another order after each barrier, by this seed.
    Shuffled(u64),
}

/// The size of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks.
    pub blocks: u32,
    /// Threads of a block, at most 1024.
    pub threads: u32,
    /// Bytes of memory that the threads of a block share.
    pub block_bytes: usize,
}

/// A mistake that a kernel made, or that was made in launching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name is none of a kernel's.
    #[error("no kernel of that name")]
    Unknown,
    /// More threads than a block may have, or none.
    #[error("a block has from 1 to 1024 threads")]
    Size,
    /// The system gave no memory.
    #[error("no memory for the emulated block")]
    Memory,
    /// Some threads wait at a barrier that others never reach.
    #[error("threads wait at a barrier that others never reach")]
    Barrier,
    /// A thread wrote past the block's memory.
    #[error("a thread wrote past the end of the block's memory")]
    Outside,
}

/// Runs kernel `name` with `parameter`, the only one it takes.
///
/// # Errors
/// [`Fault`], where the kernel or the launch is wrong.
///
/// # Safety
/// `parameter` must be what the kernel takes, and the pointers in it must lead to as much memory as the kernel reads and writes.
#[allow(unsafe_code)]
pub unsafe fn run<P: Copy>(name: &str, parameter: &P, launch: Launch, order: Order) -> Result<(), Fault> {
    if !(1..=1024).contains(&launch.threads) {
        return Err(Fault::Size);
    }
    let name = CString::new(name).map_err(|_| Fault::Unknown)?;
    let (order, seed) = order_words(order);
    let parameter = std::ptr::from_ref(parameter).cast::<c_void>();
    // SAFETY: the name ends with NUL; the rest is the caller's promise.
    let outcome = unsafe {
        emulator_run(name.as_ptr(), parameter, launch.blocks, launch.threads, launch.block_bytes, order, seed)
    };
    match outcome {
        0 => Ok(()),
        1 => Err(Fault::Memory),
        2 => Err(Fault::Barrier),
        3 => Err(Fault::Outside),
        _ => Err(Fault::Unknown),
    }
}

/// As `Order` of cpp/fibers.hpp, and the seed.
fn order_words(order: Order) -> (c_int, u64) {
    match order {
        Order::Ascending => (0, 0),
        Order::Descending => (1, 0),
        Order::Shuffled(seed) => (2, seed),
    }
}

#[allow(unsafe_code)]
// SAFETY: declared as in cpp/kernels.cpp.
unsafe extern "C" {
    fn emulator_run(
        name: *const c_char,
        parameter: *const c_void,
        blocks: c_uint,
        threads: c_uint,
        block_bytes: usize,
        order: c_int,
        seed: u64,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel over numbers writes.
    fn numbers(name: &str, order: Order) -> Result<Vec<u32>, Fault> {
        let mut out = vec![0u32; 64];
        let launch = Launch { blocks: 1, threads: 64, block_bytes: 4 * 64 };
        let parameter = out.as_mut_ptr();
        // SAFETY: these kernels take one pointer, to a number for each thread.
        #[allow(unsafe_code)]
        unsafe { run(name, &parameter, launch, order) }.map(|()| out)
    }

    #[test]
    fn with_its_barrier_a_kernel_gives_the_same_in_every_order() {
        let expected: Vec<u32> = (0..64).map(|i| (i + 1) % 64).collect();
        for order in [Order::Ascending, Order::Descending, Order::Shuffled(1), Order::Shuffled(2)] {
            assert_eq!(numbers("neighbour", order).unwrap(), expected, "{order:?}");
        }
    }

    #[test]
    fn a_missing_barrier_shows_as_a_difference() {
        let outcomes = [Order::Ascending, Order::Descending, Order::Shuffled(1), Order::Shuffled(2)]
            .map(|order| numbers("neighbour_without_barrier", order).unwrap());
        for (i, one) in outcomes.iter().enumerate() {
            assert!(outcomes[..i].iter().all(|other| other != one), "{i}");
        }
    }

    #[test]
    fn faults_are_told() {
        assert_eq!(numbers("divergent_barrier", Order::Ascending), Err(Fault::Barrier));
        assert_eq!(numbers("outside", Order::Ascending), Err(Fault::Outside));
        assert_eq!(numbers("nothing", Order::Ascending), Err(Fault::Unknown));
        let none = Launch { blocks: 1, threads: 0, block_bytes: 0 };
        // SAFETY: it does not come to run the kernel.
        #[allow(unsafe_code)]
        let outcome = unsafe { run("neighbour", &0u64, none, Order::Ascending) };
        assert_eq!(outcome, Err(Fault::Size));
    }
}
