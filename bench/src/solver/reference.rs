//! The truth that engines are held to: the same mesh and law in double precision, integrated explicitly in many small steps, without a
//! line of the solver.
//!
//! Nodes carry lumped masses. The energy of a tetrahedron of volume `V` is `V (μ/2 tr FᵀF + λ'/2 (det F − γ)²)` with `λ' = λ + μ` and
//! `γ = 1 + μ/λ'` (Smith, de Goes and Kim, *Stable Neo-Hookean Flesh Simulation*, 2018); nodes follow its gradient by the symplectic
//! Euler method. A plane stops a node that would pass it, with Coulomb friction. Once a wave crosses an element in many steps, the error is
//! that of the mesh alone, which all engines share.

use crate::engine::start_of;
use crate::world::{GRAVITY, RATE, World};

/// Integration steps of a step of 1/60 s. A wave takes 20 of them through the flattest element of a cube.
const SMALL: u32 = 400;
/// Coefficient between any body and any plane.
const FRICTION: f64 = 0.5;

type Vec3 = [f64; 3];

/// A tetrahedron at rest.
struct Tet {
    nodes: [usize; 4],
    /// Inverse of the matrix whose columns are the edges from the first node.
    inverse: [Vec3; 3],
    volume: f64,
}

/// One body of the world.
struct Truth {
    tets: Vec<Tet>,
    inverse_mass: Vec<f64>,
    x: Vec<Vec3>,
    v: Vec<Vec3>,
    planes: Vec<(Vec3, f64)>,
    mu: f64,
    lambda: f64,
    damping: f64,
}

fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] - b[k])
}

fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Columns from the first node to the others.
fn edges(nodes: [usize; 4], x: &[Vec3]) -> [Vec3; 3] {
    [1, 2, 3].map(|i| sub(x[nodes[i]], x[nodes[0]]))
}

impl Truth {
    fn new(world: &World, body: u32) -> Self {
        let topology = world.scene.topology(body);
        let wide = |p: &[f32; 3]| p.map(f64::from);
        let rest: Vec<Vec3> = topology.rest.iter().map(wide).collect();
        let [young, poisson, density, damping] =
            [topology.material.young, topology.material.poisson, topology.material.density, topology.material.damping]
                .map(f64::from);
        let mut mass = vec![0.0; rest.len()];
        let tet = |nodes: [u32; 4]| {
            let nodes = nodes.map(|n| n as usize);
            let [a, b, c] = edges(nodes, &rest);
            let volume = dot(a, cross(b, c)) / 6.0;
            let inverse = [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|entry| entry / (6.0 * volume)));
            nodes.iter().for_each(|&n| mass[n] += 0.25 * density * volume);
            Tet { nodes, inverse, volume }
        };
        let tets = topology.tets.iter().map(|t| t.nodes).map(tet).collect();
        let held = topology.inverse_mass.iter().map(|w| *w == 0.0);
        Self {
            tets,
            inverse_mass: mass.iter().zip(held).map(|(m, held)| if held { 0.0 } else { 1.0 / m }).collect(),
            x: start_of(&world.scene, body).iter().map(wide).collect(),
            v: vec![[0.0; 3]; rest.len()],
            planes: world.planes().iter().map(|(normal, offset)| (wide(normal), f64::from(*offset))).collect(),
            mu: young / (2.0 * (1.0 + poisson)),
            lambda: young * poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson)),
            damping,
        }
    }

    /// Forces of the material on the nodes, N.
    fn forces(&self) -> Vec<Vec3> {
        let volumetric = self.lambda + self.mu;
        let rest_value = 1.0 + self.mu / volumetric;
        let mut forces = vec![[0.0; 3]; self.x.len()];
        for tet in &self.tets {
            let e = edges(tet.nodes, &self.x);
            // Column j of F is the sum of the edges weighted by column j of the inverse.
            let f: [Vec3; 3] = [0, 1, 2].map(|j| [0, 1, 2].map(|k| (0..3).map(|i| e[i][k] * tet.inverse[i][j]).sum()));
            let cofactor = [cross(f[1], f[2]), cross(f[2], f[0]), cross(f[0], f[1])];
            let pressure = volumetric * (dot(f[0], cofactor[0]) - rest_value);
            let stress: [Vec3; 3] = [0, 1, 2].map(|j| [0, 1, 2].map(|k| self.mu * f[j][k] + pressure * cofactor[j][k]));
            for i in 0..3 {
                for k in 0..3 {
                    let force = -tet.volume * (0..3).map(|j| stress[j][k] * tet.inverse[i][j]).sum::<f64>();
                    forces[tet.nodes[i + 1]][k] += force;
                    forces[tet.nodes[0]][k] -= force;
                }
            }
        }
        forces
    }

    fn step(&mut self, h: f64) {
        let forces = self.forces();
        let keep = 1.0 / (1.0 + self.damping * h);
        for (node, force) in forces.iter().enumerate() {
            let inverse = self.inverse_mass[node];
            if inverse == 0.0 {
                continue;
            }
            let v = &mut self.v[node];
            for k in 0..3 {
                let gravity = if k == 1 { GRAVITY } else { 0.0 };
                v[k] = keep * (v[k] + h * (inverse * force[k] - gravity));
            }
            for (normal, offset) in &self.planes {
                // The velocity at which the node would just arrive.
                let arrives = (offset - dot(*normal, self.x[node])) / h;
                let push = arrives - dot(*normal, *v);
                if push > 0.0 {
                    let along: Vec3 = [0, 1, 2].map(|k| v[k] - normal[k] * (arrives - push));
                    let speed = dot(along, along).sqrt();
                    let kept = if speed > FRICTION * push { 1.0 - FRICTION * push / speed } else { 0.0 };
                    *v = [0, 1, 2].map(|k| normal[k] * arrives + along[k] * kept);
                }
            }
            for k in 0..3 {
                self.x[node][k] += h * v[k];
            }
        }
    }
}

/// Mean height of body 0's nodes after each of `steps` steps, by `weights`, m above where it starts; `coarser` divides the integration
/// steps.
pub fn track(world: &World, weights: &[f64], steps: u64, coarser: u32) -> Vec<f64> {
    let mut truth = Truth::new(world, 0);
    let total: f64 = weights.iter().sum();
    let height = |x: &[Vec3]| x.iter().zip(weights).map(|(p, w)| p[1] * w).sum::<f64>() / total;
    let start = height(&truth.x);
    let small = SMALL / coarser;
    let h = 1.0 / (RATE as f64 * f64::from(small));
    let one = |_| {
        (0..small).for_each(|_| truth.step(h));
        height(&truth.x) - start
    };
    (0..steps).map(one).collect()
}
