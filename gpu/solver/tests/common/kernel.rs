//! A whole step by a kernel in the emulator.

use rankzero_gpu_emulator::{Fault, Launch, Order, run};
use rankzero_gpu_solver::{ColliderTable, Colliders, FOUND_WORDS, Form, Place, Rule, Search, Step};

use super::common::rig::Bodies;
use super::common::scene::Scene;

/// A whole step by a kernel in the emulator, `threads` a block.
pub fn in_emulator(kernel: &str, scene: &Scene, bodies: &mut Bodies, threads: u32, order: Order) -> Result<(), Fault> {
    let form = Form::new(&scene.topology);
    let mut colliders = Colliders::default();
    colliders.set(&scene.colliders);
    // States lie against the order of blocks, so that neither can be taken for the other.
    let words = scene.topology.layout.words();
    let count = bodies.states.len();
    let mut states: Vec<u32> = bodies.states.iter().rev().flatten().copied().collect();
    // Every other one stays on the card as well.
    let mut resident = vec![0u32; count * words];
    let places: Vec<Place> = (0..count)
        .map(|block| {
            let state = states[(count - 1 - block) * words..].as_mut_ptr() as u64;
            let home = if block % 2 == 0 { resident[block * words..].as_mut_ptr() as u64 } else { 0 };
            Place { from: state, out: state, resident: home, reach: (&raw mut bodies.reaches[block]) as u64 }
        })
        .collect();
    let block_bytes = form.block_bytes(colliders.len());
    let mut workspace = vec![u32::MAX; count * block_bytes.div_ceil(16) * 4];
    let found_words = FOUND_WORDS * colliders.meshes() * scene.topology.layout.surface;
    let mut found = vec![u32::MAX; count * found_words];
    let step = Step {
        form: form.words().as_ptr() as u64,
        places: places.as_ptr() as u64,
        colliders: ColliderTable {
            all: colliders.records().as_ptr() as u64,
            count: colliders.len() as u64,
            pool: colliders.pool().as_ptr() as u64,
            found: found.as_mut_ptr() as u64,
            found_words: found_words as u64,
        },
        workspace: workspace.as_mut_ptr() as u64,
        workspace_words: (block_bytes.div_ceil(16) * 4) as u64,
        rule: Rule::new(&scene.rule),
    };
    if colliders.meshes() > 0 {
        let Step { form, places, colliders, rule, .. } = step;
        let search = Search { form, places, stride: size_of::<Place>() as u64, numbers: 0, colliders, rule };
        let block_bytes = 4 * threads as usize;
        // SAFETY: as below.
        unsafe { run("find_triangles", &search, Launch { blocks: count as u32, threads, block_bytes }, order)? };
    }
    let launch = Launch { blocks: count as u32, threads, block_bytes };
    // SAFETY: the addresses are those of the slices above, which hold what the kernel reads and writes for these blocks.
    unsafe { run(kernel, &step, launch, order)? };
    for (block, state) in bodies.states.iter_mut().enumerate() {
        state.copy_from_slice(&states[(count - 1 - block) * words..][..words]);
        if block % 2 == 0 {
            assert_eq!(resident[block * words..][..words], **state, "what stays is what is brought");
        }
    }
    Ok(())
}
