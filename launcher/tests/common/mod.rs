//! Runs of jobs inside the test process: ranks are threads, joined by the in-process fabric.
#![allow(dead_code)]

pub mod energy;

use std::sync::Arc;
use std::time::Duration;

use rankzero::engine::Engine;
use rankzero::engine::board::HEADER_WORDS;
use rankzero::engine::migrate::Move;
use rankzero::scene::{Assets, Scene, build};
use rankzero_comm::Rank;
use rankzero_comm::local::{LocalFabric, hub};
use rankzero_job::Overrides;
use rankzero_physx::cook::Cache;

pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The scene of a job given as text.
pub fn scene(text: &str) -> Arc<Scene> {
    let loaded = rankzero_job::parse(text, "test.yaml", &Overrides::none()).unwrap_or_else(|e| panic!("{e}"));
    let assets = Assets::load(&loaded.job, &Cache::disabled()).unwrap();
    Arc::new(build(&loaded.job, &assets).unwrap())
}

/// A run on one rank, step by step.
pub struct Run {
    pub scene: Arc<Scene>,
    pub engine: Engine<LocalFabric>,
}

impl Run {
    pub fn new(text: &str) -> Self {
        Self::of(scene(text))
    }

    /// As `new`, with the job's solver set.
    pub fn with(solver: &str, text: &str) -> Self {
        Self::new(&format!("{text}solver: {solver}\n"))
    }

    pub fn of(scene: Arc<Scene>) -> Self {
        let fabric = hub(1).unwrap().remove(0);
        let owners = vec![Rank(0); scene.batches.len()];
        let engine = Engine::new(scene.clone(), fabric, owners, TIMEOUT).unwrap();
        Run { scene, engine }
    }

    pub fn steps(&mut self, count: u64) {
        for _ in 0..count {
            self.engine.step(&[0; HEADER_WORDS]).unwrap();
        }
    }

    pub fn finish(&mut self) {
        self.steps(self.scene.steps - self.engine.steps_done());
    }

    /// Positions of a body's nodes, solver order.
    pub fn positions(&self, body: u32) -> Vec<[f32; 3]> {
        self.vectors(body, 0)
    }

    /// Velocities of a body's nodes.
    pub fn velocities(&self, body: u32) -> Vec<[f32; 3]> {
        self.vectors(body, 1)
    }

    fn vectors(&self, body: u32, which: usize) -> Vec<[f32; 3]> {
        let n = self.scene.layout(body).nodes;
        let state = self.engine.state(body);
        let f = |i: usize| f32::from_bits(state[3 * n * which + i]);
        (0..n).map(|i| [f(3 * i), f(3 * i + 1), f(3 * i + 2)]).collect()
    }

    /// Mass-weighted mean over a body's nodes.
    pub fn mean(&self, body: u32, of: &[[f32; 3]]) -> [f64; 3] {
        let mass = &self.scene.topology(body).mass;
        let total: f64 = mass.iter().map(|&m| f64::from(m)).sum();
        std::array::from_fn(|k| of.iter().zip(mass).map(|(v, &m)| f64::from(v[k]) * f64::from(m)).sum::<f64>() / total)
    }

    pub fn centre(&self, body: u32) -> [f64; 3] {
        self.mean(body, &self.positions(body))
    }

    pub fn velocity(&self, body: u32) -> [f64; 3] {
        self.mean(body, &self.velocities(body))
    }

    pub fn mass(&self, body: u32) -> f64 {
        self.scene.topology(body).mass.iter().map(|&m| f64::from(m)).sum()
    }

    pub fn volume(&self, body: u32) -> f64 {
        let x = self.positions(body);
        let d = |a: [f32; 3], b: [f32; 3]| [0, 1, 2].map(|k| f64::from(a[k]) - f64::from(b[k]));
        self.scene
            .topology(body)
            .tets
            .iter()
            .map(|t| {
                let [a, b, c] = [1, 2, 3].map(|i| d(x[t.nodes[i] as usize], x[t.nodes[0] as usize]));
                (a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
                    + a[2] * (b[0] * c[1] - b[1] * c[0]))
                    / 6.0
            })
            .sum()
    }
}

/// How a run is spread.
#[derive(Clone, Default)]
pub struct Spread {
    pub ranks: u32,
    /// The owner of each batch; round-robin where it is empty.
    pub owners: Vec<Rank>,
    /// Moves before the given steps.
    pub moves: Vec<(u64, Move)>,
}

/// The digest of a scene after all its steps on several ranks.
pub fn digest(scene: &Arc<Scene>, spread: &Spread) -> String {
    digest_of(scene, spread, |_| ())
}

/// The same, with something done to each engine before its first step.
pub fn digest_of(
    scene: &Arc<Scene>,
    spread: &Spread,
    prepare: impl Fn(&mut Engine<LocalFabric>) + Clone + Send + 'static,
) -> String {
    let owners: Vec<Rank> = if spread.owners.is_empty() {
        (0..scene.batches.len()).map(|b| Rank(b as u32 % spread.ranks)).collect()
    } else {
        spread.owners.clone()
    };
    let runs: Vec<_> = hub(spread.ranks)
        .unwrap()
        .into_iter()
        .map(|fabric| {
            let (scene, owners, moves) = (scene.clone(), owners.clone(), spread.moves.clone());
            let prepare = prepare.clone();
            std::thread::spawn(move || {
                let mut engine = Engine::new(scene.clone(), fabric, owners, TIMEOUT).unwrap();
                prepare(&mut engine);
                for step in 0..scene.steps {
                    let now: Vec<Move> = moves.iter().filter(|(s, _)| *s == step).map(|(_, m)| *m).collect();
                    engine.migrate(&now).unwrap();
                    engine.step(&[0; HEADER_WORDS]).unwrap();
                }
                engine.digest().unwrap()
            })
        })
        .collect();
    let digests: Vec<Option<String>> = runs.into_iter().map(|r| r.join().unwrap()).collect();
    digests.into_iter().flatten().next().expect("rank 0 has a digest")
}

/// The digest of a scene on one rank, in the thread pool of the caller.
pub fn digest_here(scene: &Arc<Scene>) -> String {
    let fabric = hub(1).unwrap().remove(0);
    let mut engine = Engine::new(scene.clone(), fabric, vec![Rank(0); scene.batches.len()], TIMEOUT).unwrap();
    for _ in 0..scene.steps {
        engine.step(&[0; HEADER_WORDS]).unwrap();
    }
    engine.digest().unwrap().expect("rank 0 has a digest")
}
