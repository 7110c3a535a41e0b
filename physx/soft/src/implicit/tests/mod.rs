//! Boxes of tetrahedra, and their motion.

mod derivative;
mod lanes;
mod motion;
mod speed;
mod statics;

use super::*;
use crate::material::{Friction, Material};
use crate::simd::{Isa, Kernel, Real};
use crate::topology::{RestMesh, Topology};
use crate::vec3::{Vec3, add, add_scaled, cross, length, sub};

fn material(young: f32, poisson: f32, density: f32, damping: f32) -> Material {
    Material { density, young, poisson, damping, friction: Friction { static_: 0.5, dynamic: 0.5 } }
}

/// A box of cells, each of six tetrahedra around its diagonal; nodes at points for which `pin` holds are pinned.
fn mesh(cells: [usize; 3], size: [f32; 3], material: Material, pin: impl Fn(Vec3) -> bool) -> Topology {
    let [nx, ny, nz] = cells;
    let id = |n: [usize; 3]| ((n[2] * (ny + 1) + n[1]) * (nx + 1) + n[0]) as u32;
    let grid = |nx: usize, ny: usize, nz: usize| {
        (0..nz).flat_map(move |k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
    };
    let at = |n: [usize; 3]| std::array::from_fn(|k| size[k] * n[k] as f32 / cells[k] as f32);
    let points: Vec<Vec3> = grid(nx + 1, ny + 1, nz + 1).map(at).collect();
    let mut tets = Vec::new();
    for cell in grid(nx, ny, nz) {
        for axes in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]] {
            let mut corner = cell;
            let mut tet = [id(cell); 4];
            for (node, &axis) in tet[1..].iter_mut().zip(&axes) {
                corner[axis] += 1;
                *node = id(corner);
            }
            if (axes[0] + 1) % 3 != axes[1] {
                tet.swap(2, 3);
            }
            tets.push(tet);
        }
    }
    let rest = RestMesh { points: &points, tets: &tets, surface: &[] };
    Topology::new(rest, material, |n| pin(points[n])).unwrap()
}

/// One body that moves by itself.
struct Motion {
    topology: Topology,
    factor: Factor,
    effort: Effort,
    h: f32,
    gravity: Vec3,
    x: Vec<Vec3>,
    v: Vec<Vec3>,
    /// Iterations and shortenings of each substep.
    work: Vec<Work>,
}

struct Substeps<'a>(&'a mut Motion, u32);

impl Kernel for Substeps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        assert_eq!(R::LANES, 1);
        let Substeps(m, count) = self;
        let n = m.x.len();
        let mut scratch = vec![[R::splat(0.0); 3]; SCRATCH * n];
        let mut moved = vec![[R::splat(0.0); 3]; n];
        for _ in 0..count {
            let begin: Vec<[R; 3]> = m.x.iter().map(|x| x.map(R::splat)).collect();
            for i in (0..n).filter(|&i| m.topology.inverse_mass[i] != 0.0) {
                m.v[i] = add_scaled(m.v[i], m.gravity, m.h);
                m.x[i] = add_scaled(m.x[i], m.v[i], m.h);
            }
            let mut x: Vec<[R; 3]> = m.x.iter().map(|x| x.map(R::splat)).collect();
            m.work.push(solve(&m.factor, &m.effort, &begin, &mut x, &mut moved, &mut scratch));
            for i in 0..n {
                let solved = x[i].map(|c| c.lane(0));
                m.v[i] = add_scaled(m.v[i], moved[i].map(|c| c.lane(0)), 1.0 / m.h);
                m.x[i] = solved;
            }
        }
    }
}

impl Motion {
    fn new(topology: Topology, h: f32, gravity: Vec3) -> Self {
        let factor = Factor::new(&topology, h);
        let x = topology.rest.clone();
        let v = vec![[0.0; 3]; x.len()];
        Self { topology, factor, effort: Effort::default(), h, gravity, x, v, work: Vec::new() }
    }

    /// `substeps` substeps, then damping.
    fn step(&mut self, substeps: u32) {
        Isa::best().narrow().run(Substeps(self, substeps));
        crate::damping::damp(&self.topology, &self.x, &mut self.v, self.h * substeps as f32);
    }

    /// The node at `point` of the rest shape.
    fn node(&self, point: Vec3) -> usize {
        let near = |p: &Vec3| length(sub(*p, point)) < 1e-4;
        self.topology.rest.iter().position(near).unwrap()
    }

    /// Linear momentum (kg m/s), and angular momentum about the centre (kg m²/s).
    fn momenta(&self) -> (Vec3, Vec3) {
        let nodes = || self.topology.mass.iter().zip(&self.x).zip(&self.v);
        let total: f64 = self.topology.mass.iter().map(|&m| f64::from(m)).sum();
        let (mut linear, mut centre, mut angular) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        for ((&m, x), v) in nodes() {
            for k in 0..3 {
                linear[k] += f64::from(m) * f64::from(v[k]);
                centre[k] += f64::from(m) * f64::from(x[k]) / total;
            }
        }
        for ((&m, x), v) in nodes() {
            let arm: [f64; 3] = std::array::from_fn(|k| f64::from(x[k]) - centre[k]);
            let part = block::cross(arm, v.map(|c| f64::from(c) * f64::from(m)));
            for k in 0..3 {
                angular[k] += part[k];
            }
        }
        (linear.map(|c| c as f32), angular.map(|c| c as f32))
    }

    /// Kinetic and elastic energy, J.
    fn energy(&self) -> (f32, f32) {
        let nodes = self.topology.mass.iter().zip(&self.v);
        (nodes.map(|(m, v)| 0.5 * m * length(*v).powi(2)).sum(), self.factor.elastic.energy(&self.x, &self.x))
    }

    /// The largest relative change of a tetrahedron's edge.
    fn strain(&self) -> f32 {
        let span = |x: &[Vec3], a: u32, b: u32| length(sub(x[a as usize], x[b as usize]));
        let edges = self.topology.tets.iter().flat_map(|t| (1..4).map(|i| (t.nodes[0], t.nodes[i])));
        let strains = edges.map(|(a, b)| (span(&self.x, a, b) / span(&self.topology.rest, a, b) - 1.0).abs());
        strains.fold(0.0, f32::max)
    }

    /// Mean and most iterations of a substep.
    fn iterations(&self) -> (f32, u32) {
        let each = || self.work.iter().map(|w| w.iterations);
        (each().sum::<u32>() as f32 / self.work.len() as f32, each().max().unwrap_or(0))
    }
}

/// Numbers in `[−1, 1)`, the same ones every time.
struct Dice(u32);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn vector(&mut self, size: f32) -> Vec3 {
        [self.roll() * size, self.roll() * size, self.roll() * size]
    }
}
