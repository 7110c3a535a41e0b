//! What is known of bodies between two steps, and the step by the CPU's solver, a body at a time in one lane.

use rankzero_gpu_solver::NEXT_REACH_WORDS;
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

/// A reach and whether it is finite, in words.
pub fn with_finite(reach: &Reach, finite: bool) -> [u32; NEXT_REACH_WORDS] {
    let mut words = [u32::from(finite); NEXT_REACH_WORDS];
    words[..REACH_WORDS].copy_from_slice(&reach.to_words());
    words
}

/// The reach in these words.
pub fn reach_of(words: &[u32; NEXT_REACH_WORDS]) -> Reach {
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
