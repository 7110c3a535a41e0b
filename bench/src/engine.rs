//! What the suite asks of an engine, and rankzero's own answer to it.

use std::sync::Arc;
use std::time::Duration;

use rankzero::engine::board::HEADER_WORDS;
use rankzero::engine::{Engine as RankEngine, TimeSplit};
use rankzero::scene::Scene;
use rankzero_comm::Rank;
use rankzero_comm::local::{LocalFabric, hub};
use rankzero_physx::rigid::pin_float_environment;

use crate::clock::{Taken, Whose};
use crate::error::BenchError;
use crate::world::World;

/// Nobody is waited for longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A scene in some engine, ready to be stepped.
pub trait Engine {
    /// Advances all bodies by 1/60 s.
    ///
    /// # Errors
    /// [`BenchError::Engine`] where the engine gives up.
    fn step(&mut self) -> Result<(), BenchError>;
    /// Where a body's nodes are, m, in the order of [`rankzero_soft::Topology`].
    fn nodes(&self, body: u32) -> Vec<[f32; 3]>;
}

/// Where a body's nodes start, m.
pub fn start_of(scene: &Scene, body: u32) -> Vec<[f32; 3]> {
    let state = scene.initial_state(body);
    triples(&state[scene.layout(body).positions()])
}

fn triples(words: &[u32]) -> Vec<[f32; 3]> {
    words.chunks_exact(3).map(|c| [0, 1, 2].map(|k| f32::from_bits(c[k]))).collect()
}

/// Rankzero, on one rank, in the thread pool of the caller.
#[derive(Debug)]
pub struct Ours(RankEngine<LocalFabric>);

impl Ours {
    /// A scene of rankzero's.
    ///
    /// # Errors
    /// [`BenchError::Engine`] where the engine refuses it.
    pub fn new(scene: Arc<Scene>) -> Result<Self, BenchError> {
        let owners = vec![Rank(0); scene.batches.len()];
        let engine = RankEngine::new(scene, hub(1).map_err(failed)?.remove(0), owners, TIMEOUT).map_err(failed)?;
        Ok(Self(engine))
    }

    /// A world with this number of substeps.
    ///
    /// # Errors
    /// As [`Ours::new`], and [`BenchError::Job`] where the substeps are too few.
    pub fn of(world: &World, substeps: u32) -> Result<Self, BenchError> {
        Self::new(world.scene_with(substeps)?)
    }

    /// Where the time of the main thread went so far.
    pub fn split(&self) -> TimeSplit {
        self.0.time
    }

    /// Bodies that slept through the last step.
    pub fn asleep(&self) -> usize {
        self.0.asleep()
    }
}

fn failed(error: impl ToString) -> BenchError {
    BenchError::Engine { engine: "rankzero", what: error.to_string() }
}

impl Engine for Ours {
    fn step(&mut self) -> Result<(), BenchError> {
        self.0.step(&[0; HEADER_WORDS]).map(drop).map_err(failed)
    }

    fn nodes(&self, body: u32) -> Vec<[f32; 3]> {
        triples(&self.0.state(body)[self.0.scene().layout(body).positions()])
    }
}

/// Steps that were taken, and how long they took.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// How many.
    pub steps: u64,
    /// Of all of them; CPU seconds of the calling thread.
    pub taken: Taken,
}

/// Takes `steps` steps, or fewer once they have taken `budget_s` CPU seconds.
///
/// # Errors
/// As [`Engine::step`].
pub fn run(engine: &mut dyn Engine, steps: u64, budget_s: f64) -> Result<Ran, BenchError> {
    let start = Whose::Thread.cpu_s();
    let (done, taken) = Whose::Thread.time(|| {
        for step in 0..steps {
            if Whose::Thread.cpu_s() - start > budget_s {
                return Ok(step);
            }
            engine.step()?;
        }
        Ok(steps)
    });
    Ok(Ran { steps: done?, taken })
}

/// Runs something on a pool of `threads` threads, the first of which runs `work` itself.
///
/// # Errors
/// Those of `work`, and [`BenchError::Engine`] where the system gives no threads.
pub fn on_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, BenchError> + Send,
) -> Result<T, BenchError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(|_| pin_float_environment());
    pool.build().map_err(failed)?.install(work)
}
