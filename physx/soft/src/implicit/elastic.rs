//! Forces of the stable Neo-Hookean energy and their derivative, without a matrix.
//!
//! `Ψ = μ/2 (tr FᵀF − 3) + λ/2 (det F − γ)²` per volume (Smith, de Goes and Kim, *Stable Neo-Hookean Flesh Simulation*, 2018, without
//! the logarithm), the energy that [`crate::neo_hookean`] projects. Its first term is quadratic in the positions: summed over the mesh
//! it is a net of springs of length zero along the edges, whose stiffnesses are `−μ` times the off-diagonal entries of the linear
//! elements' Laplacian matrix. They never change, so only the second term is left to the tetrahedra.
//!
//! Small vectors are written out, without `map` and `from_fn`: calls left in an inner loop are not compiled for the instructions, which
//! costs a factor of thirty.

use super::block::{self, Block, ZERO, add_scaled, cross_matrix, outer};
use crate::simd::Real;
use crate::topology::Topology;
use crate::vec3::{Vec3, add, fused_cross as cross, fused_dot as dot, scale, sub};

/// A tetrahedron as the volumetric term needs it.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its nodes.
    pub nodes: [u32; 4],
    /// `1/(6 × rest volume)`, 1/m³.
    pub inverse_volume6: f32,
    /// `λ × rest volume`, J.
    pub lambda_volume: f32,
}

/// The energy of a mesh, and the inertia of its nodes over a substep.
#[derive(Clone, Debug)]
pub(super) struct Elastic {
    /// The volumetric terms.
    pub elements: Vec<Element>,
    /// `1 + μ/λ`.
    pub gamma: f32,
    /// Start of each node's springs, and the end of the last one's.
    pub start: Vec<u32>,
    /// For each spring of a node, the node at the other end.
    pub other: Vec<u32>,
    /// For each spring of a node, its stiffness, N/m; negative between nodes that see each other at an obtuse angle.
    pub stiffness: Vec<f32>,
    /// For each node, half of what its springs hold at rest, J.
    pub spring_rest: Vec<f32>,
    /// Mass over the square of the substep, N/m; zero where pinned.
    pub inertia: Vec<f32>,
}

/// One row of blocks per node: (column, block), by columns, the diagonal included.
pub(super) type BlockRows = Vec<Vec<(u32, Block)>>;

/// The energy's Hessian matrix at rest in two parts, N/m: `μ` times the Laplacian, and the volumetric term's.
pub(super) fn rest_hessian(topology: &Topology) -> (BlockRows, BlockRows) {
    let (mu, lambda) = topology.material.neo_hookean();
    let n = topology.rest.len();
    let (mut laplacian, mut volumetric): (BlockRows, BlockRows) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    for tet in &topology.tets {
        let volume = f64::from(tet.volume6) / 6.0;
        let x = tet.nodes.map(|n| topology.rest[n as usize].map(f64::from));
        let e: [[f64; 3]; 3] = std::array::from_fn(|i| std::array::from_fn(|k| x[i + 1][k] - x[0][k]));
        let scale = 1.0 / f64::from(tet.volume6);
        let face = |a, b| block::cross(a, b).map(|c: f64| c * scale);
        let inner = [face(e[1], e[2]), face(e[2], e[0]), face(e[0], e[1])];
        let first: [f64; 3] = std::array::from_fn(|k| -(inner[0][k] + inner[1][k] + inner[2][k]));
        let gradient = [first, inner[0], inner[1], inner[2]];
        for i in 0..4 {
            for j in 0..4 {
                let along: f64 = (0..3).map(|k| gradient[i][k] * gradient[j][k]).sum();
                let at = (tet.nodes[i] as usize, tet.nodes[j]);
                accumulate(&mut laplacian, at, &block::diagonal(along), f64::from(mu) * volume);
                accumulate(&mut volumetric, at, &outer(gradient[i], gradient[j]), f64::from(lambda) * volume);
                accumulate(&mut volumetric, at, &determinant_hessian(&e, i, j), -f64::from(mu) * volume * scale);
            }
        }
    }
    for row in laplacian.iter_mut().chain(&mut volumetric) {
        row.sort_unstable_by_key(|entry| entry.0);
    }
    (laplacian, volumetric)
}

/// Second derivative of `e₁ · (e₂ × e₃)` by the positions of nodes `i` and `j`.
fn determinant_hessian(e: &[[f64; 3]; 3], i: usize, j: usize) -> Block {
    // Of edges a and b it is the cross matrix of the third edge, with the sign of the permutation; node 0 is minus the sum of the edges.
    let edges = |a: usize, b: usize| match (3 + b - a) % 3 {
        1 => cross_matrix(e[3 - a - b].map(|c| -c)),
        2 => cross_matrix(e[3 - a - b]),
        _ => ZERO,
    };
    let mut sum = ZERO;
    for a in 0..3 {
        for b in 0..3 {
            let sign = |node: usize, edge: usize| if node == 0 { -1.0 } else { f64::from(u8::from(node == edge + 1)) };
            add_scaled(&mut sum, &edges(a, b), sign(i, a) * sign(j, b));
        }
    }
    sum
}

fn accumulate(rows: &mut BlockRows, (i, j): (usize, u32), block: &Block, scale: f64) {
    let row = &mut rows[i];
    let at = row.iter().position(|entry| entry.0 == j).unwrap_or_else(|| {
        row.push((j, ZERO));
        row.len() - 1
    });
    add_scaled(&mut row[at].1, block, scale);
}

/// Half of what each node's springs hold at rest, J.
fn spring_rest(topology: &Topology, laplacian: &BlockRows) -> Vec<f32> {
    let mut energies = Vec::with_capacity(laplacian.len());
    for (x, row) in topology.rest.iter().zip(laplacian) {
        let mut sum = 0.0;
        for (j, block) in row {
            let other = topology.rest[*j as usize];
            let length2: f64 = (0..3).map(|k| (f64::from(other[k]) - f64::from(x[k])).powi(2)).sum();
            sum -= 0.25 * block[0][0] * length2;
        }
        energies.push(sum as f32);
    }
    energies
}

impl Elastic {
    /// Prepares the energy for substeps of `h` seconds; `laplacian` comes from [`rest_hessian`].
    pub fn new(topology: &Topology, laplacian: &BlockRows, h: f32) -> Self {
        let (_, lambda) = topology.material.neo_hookean();
        let element = |tet: &crate::topology::Tet| Element {
            nodes: tet.nodes,
            inverse_volume6: 1.0 / tet.volume6,
            lambda_volume: lambda * tet.volume6 / 6.0,
        };
        let (mut start, mut other, mut stiffness) = (vec![0], Vec::new(), Vec::new());
        for (i, row) in laplacian.iter().enumerate() {
            for (j, block) in row.iter().filter(|entry| entry.0 as usize != i) {
                other.push(*j);
                stiffness.push(-block[0][0] as f32);
            }
            start.push(other.len() as u32);
        }
        let inertia = topology.mass.iter().zip(&topology.inverse_mass);
        let inertia = inertia.map(|(&m, &w)| if w == 0.0 { 0.0 } else { m / (h * h) }).collect();
        Self {
            spring_rest: spring_rest(topology, laplacian),
            elements: topology.tets.iter().map(element).collect(),
            gamma: topology.gamma,
            start,
            other,
            stiffness,
            inertia,
        }
    }

    /// `out = M/h² (target − x) + f(x)`: what is missing to the balance of inertia and elastic forces, N. Zero at pinned nodes.
    #[inline(always)]
    pub fn residual<R: Real>(&self, x: &[Vec3<R>], target: &[Vec3<R>], out: &mut [Vec3<R>]) {
        for i in 0..x.len() {
            let inertia = R::splat(self.inertia[i]);
            let mut sum = scale(sub(target[i], x[i]), inertia);
            for s in self.start[i] as usize..self.start[i + 1] as usize {
                let (to, k) = (x[self.other[s] as usize], R::splat(self.stiffness[s]));
                for c in 0..3 {
                    sum[c] = (to[c] - x[i][c]).fma(k, sum[c]);
                }
            }
            out[i] = sum;
        }
        for element in &self.elements {
            let n = element.nodes.map(|n| n as usize);
            let face = faces(&edges(x, n));
            let stress = -(self.pressure(element, &edges(x, n), &face));
            scatter(out, n, [scale(face[0], stress), scale(face[1], stress), scale(face[2], stress)]);
        }
        for (out, &inertia) in out.iter_mut().zip(&self.inertia) {
            if inertia == 0.0 {
                *out = [R::splat(0.0); 3];
            }
        }
    }

    /// `|x − target|² M/(2 h²) + Ψ(x) − Ψ(rest)`, J: what an implicit Euler step minimises.
    ///
    /// The rest's share is taken off node by node and element by element, so that small energies keep their digits.
    #[inline(always)]
    pub fn energy<R: Real>(&self, x: &[Vec3<R>], target: &[Vec3<R>]) -> R {
        let (half, quarter) = (R::splat(0.5), R::splat(0.25));
        let mut sum = R::splat(0.0);
        for i in 0..x.len() {
            let away = sub(target[i], x[i]);
            let mut springs = R::splat(0.0);
            for s in self.start[i] as usize..self.start[i + 1] as usize {
                let edge = sub(x[self.other[s] as usize], x[i]);
                springs = dot(edge, edge).fma(R::splat(self.stiffness[s]), springs);
            }
            // Each spring is met from both ends.
            let elastic = springs.fma(quarter, -R::splat(self.spring_rest[i]));
            sum = sum + dot(away, away).fma(half * R::splat(self.inertia[i]), elastic);
        }
        for element in &self.elements {
            let e = edges(x, element.nodes.map(|n| n as usize));
            let growth = dot(e[0], cross(e[1], e[2])).fma(R::splat(element.inverse_volume6), R::splat(-1.0));
            let density = growth * growth.fma(half, R::splat(1.0 - self.gamma));
            sum = density.fma(R::splat(element.lambda_volume), sum);
        }
        sum
    }

    /// `out = (M/h² + K(x)) p`, K being the exact Hessian matrix of the energy; `p` is zero at pinned nodes, where `out` means nothing.
    #[inline(always)]
    pub fn multiply<R: Real>(&self, x: &[Vec3<R>], p: &[Vec3<R>], out: &mut [Vec3<R>]) {
        for i in 0..x.len() {
            let inertia = R::splat(self.inertia[i]);
            let mut sum = scale(p[i], inertia);
            for s in self.start[i] as usize..self.start[i + 1] as usize {
                let (to, k) = (p[self.other[s] as usize], R::splat(self.stiffness[s]));
                for c in 0..3 {
                    sum[c] = (p[i][c] - to[c]).fma(k, sum[c]);
                }
            }
            out[i] = sum;
        }
        for element in &self.elements {
            let n = element.nodes.map(|n| n as usize);
            let (e, d) = (edges(x, n), edges(p, n));
            let face = faces(&e);
            let pressure = self.pressure(element, &e, &face);
            let change = dot(d[2], face[2]) + dot(d[1], face[1]) + dot(d[0], face[0]);
            let stiffness = element.lambda_volume * element.inverse_volume6 * element.inverse_volume6;
            let stiffening = change * R::splat(stiffness);
            let turned = [turn(&e, &d, 1, 2), turn(&e, &d, 2, 0), turn(&e, &d, 0, 1)];
            let mut force = [[R::splat(0.0); 3]; 3];
            for i in 0..3 {
                for k in 0..3 {
                    force[i][k] = face[i][k].fma(stiffening, turned[i][k] * pressure);
                }
            }
            scatter(out, n, force);
        }
    }

    /// `λ V (det F − γ) / (6 V)`: its product with a face's cross product is the pull of the volumetric term.
    #[inline(always)]
    fn pressure<R: Real>(&self, element: &Element, e: &[Vec3<R>; 3], face: &[Vec3<R>; 3]) -> R {
        let excess = dot(e[0], face[0]).fma(R::splat(element.inverse_volume6), -R::splat(self.gamma));
        excess * R::splat(element.lambda_volume * element.inverse_volume6)
    }
}

#[inline(always)]
fn edges<R: Real>(x: &[Vec3<R>], n: [usize; 4]) -> [Vec3<R>; 3] {
    [sub(x[n[1]], x[n[0]]), sub(x[n[2]], x[n[0]]), sub(x[n[3]], x[n[0]])]
}

/// The derivative of six times the volume by each edge.
#[inline(always)]
fn faces<R: Real>(e: &[Vec3<R>; 3]) -> [Vec3<R>; 3] {
    [cross(e[1], e[2]), cross(e[2], e[0]), cross(e[0], e[1])]
}

/// The change of `e[a] × e[b]`.
#[inline(always)]
fn turn<R: Real>(e: &[Vec3<R>; 3], d: &[Vec3<R>; 3], a: usize, b: usize) -> Vec3<R> {
    let (e, f, d, c) = (e[a], e[b], d[a], d[b]);
    [
        e[1].fma(c[2], (-e[2]).fma(c[1], d[1].fma(f[2], -(d[2] * f[1])))),
        e[2].fma(c[0], (-e[0]).fma(c[2], d[2].fma(f[0], -(d[0] * f[2])))),
        e[0].fma(c[1], (-e[1]).fma(c[0], d[0].fma(f[1], -(d[1] * f[0])))),
    ]
}

/// Adds the forces of the edges to their nodes; node 0 takes the opposite of their sum.
#[inline(always)]
fn scatter<R: Real>(out: &mut [Vec3<R>], n: [usize; 4], force: [Vec3<R>; 3]) {
    out[n[0]] = sub(out[n[0]], add(add(force[0], force[1]), force[2]));
    for i in 0..3 {
        out[n[i + 1]] = add(out[n[i + 1]], force[i]);
    }
}
