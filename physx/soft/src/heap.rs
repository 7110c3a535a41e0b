//! Bodies for the tests of contact: boxes of six tetrahedra a cell, and surfaces that move.

use crate::bounds::Aabb;
use crate::contact::Law;
use crate::material::{Friction, Material};
use crate::pair::Surface;
use crate::reach::Reach;
use crate::rule::{SleepRule, StepRule};
use crate::shell::Shell;
use crate::simd::Isa;
use crate::topology::{RestMesh, Topology};
use crate::vec3::Vec3;

/// The rule of a step of 1/60 s in 10 intervals.
pub(crate) fn rule() -> StepRule {
    StepRule {
        step: 1.0 / 60.0,
        substeps: 10,
        per_interval: 1,
        gravity: [0.0, -9.81, 0.0],
        margin: 0.005,
        recovery_speed_max: 3.0,
        sleep: SleepRule { speed: 0.01, steps: 10 },
    }
}

/// The law of contact in an interval of that step.
pub(crate) fn law() -> Law {
    Law { interval: rule().interval(), recovery_speed_max: 3.0 }
}

/// A box of 1 m with `cells` cells along each axis, centred on the origin.
pub(crate) fn cube(cells: usize) -> Topology {
    let n = cells + 1;
    let id = |c: [usize; 3]| (c[0] * n * n + c[1] * n + c[2]) as u32;
    let all = (0..n * n * n).map(|i| [i / (n * n), i / n % n, i % n]);
    let points: Vec<Vec3> = all.map(|c| c.map(|c| c as f32 / cells as f32 - 0.5)).collect();
    let mut tets = Vec::new();
    for cell in 0..cells * cells * cells {
        let low = [cell / (cells * cells), cell / cells % cells, cell % cells];
        let corner = |bits: usize| id(std::array::from_fn(|k| low[k] + (bits >> k & 1)));
        // Around the cell's diagonal; even turns are positive.
        for (p, q) in [(1, 3), (3, 2), (2, 6), (6, 4), (4, 5), (5, 1)] {
            tets.push([corner(0), corner(p), corner(q), corner(7)]);
        }
    }
    let mut faces = std::collections::BTreeMap::new();
    for t in &tets {
        for face in [[t[1], t[2], t[3]], [t[0], t[3], t[2]], [t[0], t[1], t[3]], [t[0], t[2], t[1]]] {
            let mut key = face;
            key.sort_unstable();
            faces.entry(key).and_modify(|(count, _)| *count += 1).or_insert((1, face));
        }
    }
    let surface: Vec<[u32; 3]> = faces.into_values().filter(|(count, _)| *count == 1).map(|(_, face)| face).collect();
    let friction = Friction { static_: 0.5, dynamic: 0.4 };
    let material = Material { density: 1000.0, young: 1e5, poisson: 0.3, damping: 0.0, friction };
    Topology::new(RestMesh { points: &points, tets: &tets, surface: &surface }, material, |_| false).expect("a box")
}

/// Numbers between −1 and 1.
pub(crate) struct Random(pub u32);

impl Random {
    pub(crate) fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    }
    pub(crate) fn vector(&mut self, size: f32) -> Vec3 {
        [self.number() * size, self.number() * size, self.number() * size]
    }
}

/// A surface that moves, with its shell.
pub(crate) struct Shown<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) words: Vec<f32>,
    pub(crate) shell: Shell,
}

impl<'a> Shown<'a> {
    /// The rest shape about `centre`, each node displaced by up to `rough` m and moving with `velocity`, give or take `rough` m/s.
    pub(crate) fn new(topology: &'a Topology, centre: Vec3, velocity: Vec3, rough: f32, random: &mut Random) -> Self {
        let surface = topology.layout.surface;
        let mut words = vec![0.0; 6 * surface];
        for i in 0..surface {
            let (off, swirl) = (random.vector(rough), random.vector(rough));
            for k in 0..3 {
                words[3 * i + k] = topology.rest[i][k] + centre[k] + off[k];
                words[3 * (surface + i) + k] = (velocity[k] + swirl[k]) * law().interval;
            }
        }
        Self { topology, words, shell: Shell::default() }
    }
    /// Moves every node by its displacement.
    pub(crate) fn advance(&mut self) {
        let (positions, displacements) = self.words.split_at_mut(3 * self.topology.layout.surface);
        positions.iter_mut().zip(displacements).for_each(|(x, d)| *x += *d);
    }
    pub(crate) fn show(&mut self, first: bool, isa: Isa) {
        self.shell.update(first, &self.words, self.topology, isa);
    }
    pub(crate) fn surface(&self) -> Surface<'_> {
        Surface { words: &self.words, topology: self.topology, shell: &self.shell }
    }
    /// Its reach, from its velocities.
    pub(crate) fn reach(&self) -> Reach {
        let surface = self.topology.layout.surface;
        let (positions, displacements) = self.words.as_chunks::<3>().0.split_at(surface);
        let (mut bounds, mut speeds) = (Aabb::EMPTY, Aabb::EMPTY);
        for (x, d) in positions.iter().zip(displacements) {
            bounds = bounds.with(*x);
            speeds = speeds.with(d.map(|d| d / law().interval));
        }
        Reach::new(bounds, speeds, 0, &rule())
    }
}
