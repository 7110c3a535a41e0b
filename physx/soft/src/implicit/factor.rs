//! What the implicit solves of all bodies of one mesh share.

use super::block::{self, add_scaled};
use super::cholesky::Cholesky;
use super::elastic::{Elastic, Element, rest_hessian};
use super::momentum::Momentum;
use crate::simd::Real;
use crate::topology::Topology;
use crate::vec3::{Vec3, dot, fused_cross, fused_dot, scale, sub};

/// Mean deformation gradients whose columns are shorter than this say nothing about how a body is turned.
const COLUMN_MIN: f32 = 1e-3;

/// The energy of a mesh for one length of substep, and the preconditioner of its implicit solve.
///
/// The preconditioner is `P = Q (M/h² + K₀) Qᵀ`, where `K₀` is the Hessian matrix of the energy at rest and `Q` turns the rest frame
/// into the body's. It is factored once; all bodies and lanes of the mesh share the factor.
#[derive(Clone, Debug)]
pub struct Factor {
    pub(super) elastic: Elastic,
    pub(super) momentum: Momentum,
    /// No node is pinned, so that momentum is to be kept.
    pub(super) free: bool,
    /// Energies closer than this are the same to `f32`, J.
    pub(super) slack: f32,
    cholesky: Cholesky,
    /// Vectors `b` (1/m) of the nodes with `Σ x bᵀ = F`: the linear map that takes the rest shape closest to `x`, by mass.
    frame: Vec<Vec3>,
}

/// What a [`Factor`] is made of, for those who compute elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Of each tetrahedron, in their order: `1/(6 × rest volume)` in 1/m³, and `λ × rest volume` in J.
    pub elements: &'a [Element],
    /// `1 + μ/λ`.
    pub gamma: f32,
    /// Start of each node's springs, and the end of the last one's.
    pub spring_start: &'a [u32],
    /// For each spring the node at the other end.
    pub spring_other: &'a [u32],
    /// For each spring its stiffness, N/m.
    pub spring_stiffness: &'a [f32],
    /// For each node half of what its springs hold at rest, J.
    pub spring_rest: &'a [f32],
    /// For each node its mass over the square of the substep, N/m; zero where pinned.
    pub inertia: &'a [f32],
    /// `1 / Σ mass`, 1/kg.
    pub inverse_total_mass: f32,
    /// No node is pinned.
    pub free: bool,
    /// Energies closer than this are the same, J.
    pub slack: f32,
    /// For each node the vector of which the sum with the positions is the mean deformation gradient, 1/m.
    pub frame: &'a [Vec3],
    /// Of the preconditioner's factor: the node of each column, in order of elimination.
    pub column_node: &'a [u32],
    /// Start of each column's entries, and the end of the last one's.
    pub column_start: &'a [u32],
    /// For each entry the node of its row.
    pub entry_row: &'a [u32],
    /// Each entry with its sign changed, by rows.
    pub entry: &'a [[f32; 9]],
    /// Of each column the inverse of the diagonal block, by rows.
    pub inverse: &'a [[f32; 9]],
}

impl Factor {
    /// What it is made of.
    pub fn parts(&self) -> Parts<'_> {
        let (elastic, cholesky) = (&self.elastic, &self.cholesky);
        Parts {
            elements: &elastic.elements,
            gamma: elastic.gamma,
            spring_start: &elastic.start,
            spring_other: &elastic.other,
            spring_stiffness: &elastic.stiffness,
            spring_rest: &elastic.spring_rest,
            inertia: &elastic.inertia,
            inverse_total_mass: self.momentum.inverse_total(),
            free: self.free,
            slack: self.slack,
            frame: &self.frame,
            column_node: &cholesky.node,
            column_start: &cholesky.start,
            entry_row: &cholesky.row,
            entry: &cholesky.entry,
            inverse: &cholesky.inverse,
        }
    }

    /// Prepares the mesh for substeps of `h` seconds.
    pub fn new(topology: &Topology, h: f32) -> Self {
        let (laplacian, mut rows) = rest_hessian(topology);
        let elastic = Elastic::new(topology, &laplacian, h);
        for (i, (row, springs)) in rows.iter_mut().zip(&laplacian).enumerate() {
            for (at, other) in row.iter_mut().zip(springs) {
                add_scaled(&mut at.1, &other.1, 1.0);
                if at.0 as usize == i {
                    let inertia = f64::from(topology.mass[i]) / (f64::from(h) * f64::from(h));
                    add_scaled(&mut at.1, &block::diagonal(inertia), 1.0);
                }
            }
        }
        Self {
            slack: 1e-5 * elastic.spring_rest.iter().sum::<f32>(),
            elastic,
            momentum: Momentum::new(topology),
            free: !topology.pinned,
            cholesky: Cholesky::new(&rows, |i| topology.inverse_mass[i] != 0.0),
            frame: frame(topology),
        }
    }

    /// Nodes of the mesh.
    pub fn nodes(&self) -> usize {
        self.frame.len()
    }

    /// Off-diagonal 3×3 blocks of the factor: what its memory and the time of its use go by.
    pub fn blocks(&self) -> usize {
        self.cholesky.row.len()
    }

    /// The turn of a body at `x`, by columns: the mean deformation gradient made orthogonal column by column.
    ///
    /// Any rotation gives a preconditioner. In a stiff body the gradient is close to one, so that nothing finer is needed.
    #[inline(always)]
    pub(super) fn rotation<R: Real>(&self, x: &[Vec3<R>]) -> [Vec3<R>; 3] {
        let mut f = [[R::splat(0.0); 3]; 2];
        for (x, b) in x.iter().zip(&self.frame) {
            for j in 0..2 {
                for k in 0..3 {
                    f[j][k] = x[k].fma(R::splat(b[j]), f[j][k]);
                }
            }
        }
        let (first, first_fits) = unit(f[0]);
        let (second, second_fits) = unit(sub(f[1], scale(first, fused_dot(first, f[1]))));
        let fits = first_fits & second_fits;
        let mut columns = [first, second, fused_cross(first, second)];
        for (j, column) in columns.iter_mut().enumerate() {
            for (k, c) in column.iter_mut().enumerate() {
                *c = R::select(fits, *c, R::splat(if j == k { 1.0 } else { 0.0 }));
            }
        }
        columns
    }

    /// `z = P⁻¹ r` for a body turned by `q`; zero at pinned nodes.
    #[inline(always)]
    pub(super) fn precondition<R: Real>(&self, q: &[Vec3<R>; 3], r: &[Vec3<R>], z: &mut [Vec3<R>]) {
        for (i, &inertia) in self.elastic.inertia.iter().enumerate() {
            z[i] = [fused_dot(q[0], r[i]), fused_dot(q[1], r[i]), fused_dot(q[2], r[i])];
            if inertia == 0.0 {
                z[i] = [R::splat(0.0); 3];
            }
        }
        self.cholesky.solve(z);
        for z in z {
            let turned = *z;
            for k in 0..3 {
                z[k] = q[2][k].fma(turned[2], q[1][k].fma(turned[1], q[0][k] * turned[0]));
            }
        }
    }
}

/// `v` at unit length, and whether it was long enough for that.
#[inline(always)]
fn unit<R: Real>(v: Vec3<R>) -> (Vec3<R>, R::Mask) {
    let length = fused_dot(v, v).sqrt();
    (scale(v, R::splat(1.0) / length), R::splat(COLUMN_MIN).less(length))
}

/// See [`Factor::frame`].
fn frame(topology: &Topology) -> Vec<Vec3> {
    let total: f32 = topology.mass.iter().sum();
    let mut mean = [0.0; 3];
    for (m, x) in topology.mass.iter().zip(&topology.rest) {
        mean = crate::vec3::add_scaled(mean, *x, *m / total);
    }
    let mut spread = block::ZERO;
    for (m, x) in topology.mass.iter().zip(&topology.rest) {
        let arm = sub(*x, mean).map(f64::from);
        add_scaled(&mut spread, &block::outer(arm, arm), f64::from(*m));
    }
    let inverse = block::inverse(&spread).map(|row| row.map(|c| c as f32));
    let nodes = topology.mass.iter().zip(&topology.rest);
    nodes.map(|(&m, &x)| inverse.map(|row| dot(row, scale(sub(x, mean), m)))).collect()
}
