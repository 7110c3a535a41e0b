//! A whole step by a kernel in the emulator.

use rankzero_gpu_emulator::{Fault, Launch, Order, run};
use rankzero_gpu_solver::{Colliders, Form, Rule, Step};

use super::common::rig::Bodies;
use super::common::scene::Scene;

/// A whole step by a kernel in the emulator, `threads` a block.
pub fn in_emulator(kernel: &str, scene: &Scene, bodies: &mut Bodies, threads: u32, order: Order) -> Result<(), Fault> {
    let form = Form::new(&scene.topology);
    let mut colliders = Colliders::default();
    colliders.set(&scene.colliders).unwrap();
    // Slots run against the order of states, so that neither can be taken for the other.
    let words = scene.topology.layout.words();
    let count = bodies.states.len();
    let mut states: Vec<u32> = bodies.states.iter().rev().flatten().copied().collect();
    let state_at: Vec<u64> = (0..count).map(|slot| ((count - 1 - slot) * words) as u64).collect();
    let slots: Vec<u32> = (0..count as u32).collect();
    let block_bytes = form.block_bytes(colliders.len());
    let mut workspace = vec![u32::MAX; count * block_bytes.div_ceil(16) * 4];
    let step = Step {
        form: form.words().as_ptr() as u64,
        slots: slots.as_ptr() as u64,
        state_at: state_at.as_ptr() as u64,
        states: states.as_mut_ptr() as u64,
        reaches: bodies.reaches.as_mut_ptr() as u64,
        colliders: colliders.records().as_ptr() as u64,
        collider_count: colliders.len() as u64,
        pool: colliders.pool().as_ptr() as u64,
        workspace: workspace.as_mut_ptr() as u64,
        workspace_words: (block_bytes.div_ceil(16) * 4) as u64,
        rule: Rule::new(&scene.rule),
    };
    let launch = Launch { blocks: count as u32, threads, block_bytes };
    // SAFETY: the addresses are those of the slices above, which hold what the kernel reads and writes for these slots.
    unsafe { run(kernel, &step, launch, order)? };
    for (state, words) in bodies.states.iter_mut().rev().zip(states.chunks(words)) {
        state.copy_from_slice(words);
    }
    Ok(())
}
