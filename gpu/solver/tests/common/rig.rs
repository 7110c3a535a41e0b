//! The same step twice: by the CPU's solver, a body at a time in one lane, and by the kernels in the emulator.

use rankzero_gpu_emulator::{Fault, Launch, Order, run};
use rankzero_gpu_solver::{Colliders, Form, NEXT_REACH_WORDS, Rule, Step, block_bytes};
use rankzero_soft::Pack;
use rankzero_soft::reach::{REACH_WORDS, Reach};
use rankzero_soft::simd::Isa;

use super::scene::Scene;

/// What is known of all bodies between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Bodies {
    /// Canonical states.
    pub states: Vec<Vec<u32>>,
    /// Reaches, and whether they are finite.
    pub reaches: Vec<[u32; NEXT_REACH_WORDS]>,
}

impl Bodies {
    /// At the start of a scene.
    pub fn of(scene: &Scene) -> Self {
        let reaches = scene.reaches().iter().map(|reach| with_finite(reach, true)).collect();
        Self { states: scene.states.clone(), reaches }
    }

    /// The same with one NaN for all, since which one comes out is nobody's promise.
    pub fn with_one_nan(mut self) -> Self {
        let all = self.states.iter_mut().flatten().chain(self.reaches.iter_mut().flatten());
        for word in all.filter(|word| f32::from_bits(**word).is_nan()) {
            *word = f32::NAN.to_bits();
        }
        self
    }
}

fn with_finite(reach: &Reach, finite: bool) -> [u32; NEXT_REACH_WORDS] {
    let mut words = [u32::from(finite); NEXT_REACH_WORDS];
    words[..REACH_WORDS].copy_from_slice(&reach.to_words());
    words
}

fn reach_of(words: &[u32; NEXT_REACH_WORDS]) -> Reach {
    Reach::from_words(&std::array::from_fn(|i| words[i]))
}

/// A whole step on the CPU.
pub fn on_cpu(scene: &Scene, bodies: &mut Bodies) {
    let isa = Isa::best().narrow();
    let mut pack = Pack::new(scene.topology.clone(), 1, isa);
    for (state, reach) in bodies.states.iter_mut().zip(&mut bodies.reaches) {
        pack.reset(&scene.topology, 1);
        pack.join(state, &reach_of(reach), &scene.rule, &scene.colliders);
        pack.whole_step(&scene.rule, &scene.colliders);
        pack.end(&scene.rule);
        pack.state(0, state);
        *reach = with_finite(&pack.reach(0), pack.is_finite(0));
    }
}

/// A whole step by a kernel in the emulator, `threads` a block.
pub fn in_emulator(kernel: &str, scene: &Scene, bodies: &mut Bodies, threads: u32, order: Order) -> Result<(), Fault> {
    let form = Form::new(&scene.topology);
    let colliders = Colliders::new(&scene.colliders).unwrap();
    // Slots run against the order of states, so that neither can be taken for the other.
    let words = scene.topology.layout.words();
    let count = bodies.states.len();
    let mut states: Vec<u32> = bodies.states.iter().rev().flatten().copied().collect();
    let state_at: Vec<u64> = (0..count).map(|slot| ((count - 1 - slot) * words) as u64).collect();
    let slots: Vec<u32> = (0..count as u32).collect();
    let step = Step {
        form: form.words().as_ptr() as u64,
        slots: slots.as_ptr() as u64,
        state_at: state_at.as_ptr() as u64,
        states: states.as_mut_ptr() as u64,
        reaches: bodies.reaches.as_mut_ptr() as u64,
        colliders: colliders.records().as_ptr() as u64,
        collider_count: colliders.len() as u64,
        pool: colliders.pool().as_ptr() as u64,
        rule: Rule::new(&scene.rule),
    };
    let block_bytes = block_bytes(form.nodes(), colliders.len());
    let launch = Launch { blocks: count as u32, threads, block_bytes };
    // SAFETY: the addresses are those of the slices above, which hold what the kernel reads and writes for these slots.
    unsafe { run(kernel, &step, launch, order)? };
    for (state, words) in bodies.states.iter_mut().rev().zip(states.chunks(words)) {
        state.copy_from_slice(words);
    }
    Ok(())
}
