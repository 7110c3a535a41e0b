//! What limits a card, measured on it: how many tetrahedra it projects in registers, how many bytes it copies, and how many it writes to the
//! host's memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytemuck::{Pod, Zeroable};
use rankzero_gpu::cache::Cache;
use rankzero_gpu::{Card, GpuError, Kernel, Lane, Memory, Shape};
use rankzero_soft::Topology;

use crate::form::Form;
use crate::kernels::{load, load_compiled};
use crate::source::{ROOF, ROOF_KERNELS};

/// As `Roof` of `roof.cu`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Parameter {
    form: u64,
    from: u64,
    to: u64,
    quads: u64,
    rounds: u32,
    inverse_h2: f32,
}
const _: () = assert!(size_of::<Parameter>() == 40);

/// Threads of a block.
const THREADS: u32 = 256;

/// How much is done to find the limits.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Blocks of threads that project; many more than the card has multiprocessors.
    pub blocks: u32,
    /// How often each thread projects its tetrahedron.
    pub rounds: u32,
    /// Words that are copied; many more than a cache holds.
    pub words: usize,
}

/// The limits of a card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roof {
    /// Projections of a tetrahedron in a second.
    pub projections_per_s: f64,
    /// Bytes read and bytes written, together, in a second.
    pub bytes_per_s: f64,
    /// Bytes written to the host's memory in a second.
    pub host_bytes_per_s: f64,
}

impl Roof {
    /// Measures the limits, the best of five; `compiled` is a folder with the unit's machine code, for machines without NVRTC.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn measure(
        card: &Arc<Card>,
        compiled: Option<&Path>,
        topology: &Topology,
        h: f32,
        effort: Effort,
    ) -> Result<Self, GpuError> {
        let [project, copy] = kernels(card, compiled)?;
        let mut lane = Lane::new(card)?;
        let form = lane.add_memory(Memory::holding(card, Form::new(topology).words())?);
        let threads = u64::from(effort.blocks) * u64::from(THREADS);
        let words = effort.words.max(4 * threads as usize).next_multiple_of(4);
        let (from, to) = (lane.add_buffer(words)?, lane.add_buffer(words)?);
        // A fraction, as the way to the host is slower.
        let host_words = (words / 16).next_multiple_of(4);
        let host = lane.add_arena(host_words)?;
        let parameter = Parameter {
            form: lane.address(form),
            from: lane.address(from),
            to: lane.address(to),
            quads: words as u64 / 4,
            rounds: effort.rounds,
            inverse_h2: 1.0 / (h * h),
        };
        let to_host = Parameter { to: lane.arena_address(host), quads: host_words as u64 / 4, ..parameter };
        let shape = Shape { blocks: effort.blocks, threads: THREADS, block_bytes: 0 };
        let mut best = |kernel: &Kernel, parameter: &Parameter| -> Result<f64, GpuError> {
            let mut best = f64::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                // SAFETY: `Parameter` is what both kernels take. Its addresses are those of buffers and an arena of the lane: a form, and twice as
                // many quads as are copied, where a kernel writes for each thread at least one for each.
                unsafe { lane.launch(kernel, shape, parameter)? };
                lane.wait()?;
                best = best.min(start.elapsed().as_secs_f64());
            }
            Ok(best)
        };
        Ok(Self {
            projections_per_s: threads as f64 * f64::from(effort.rounds) / best(&project, &parameter)?,
            bytes_per_s: 8.0 * words as f64 / best(&copy, &parameter)?,
            host_bytes_per_s: 4.0 * host_words as f64 / best(&copy, &to_host)?,
        })
    }
}

fn kernels(card: &Arc<Card>, compiled: Option<&Path>) -> Result<[Kernel; 2], GpuError> {
    let kernels = match compiled {
        Some(folder) => load_compiled(card, folder, ROOF, &ROOF_KERNELS)?,
        None => load(card, ROOF, &ROOF_KERNELS, &Cache::new(None))?.0,
    };
    Ok(kernels.try_into().expect("as many as names"))
}
