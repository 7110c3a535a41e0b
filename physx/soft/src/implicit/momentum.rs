//! Keeps a free body's momentum, whatever the solve left undone.

use crate::simd::{Mask, Real};
use crate::topology::Topology;
use crate::vec3::{Vec3, add, fused_cross as cross, fused_dot as dot, scale, sub};

/// Rotations found to first order, at most.
const TURNS: u32 = 4;

/// Below this angle (rad) the first order is enough: the next ones are 10⁻⁴ of it. A body that spins with 20 rad/s at 240 substeps
/// per second needs 4·10⁻⁴ rad.
const TURN_LINEAR: f32 = 1e-2;

/// The first order says nothing of larger angles (rad).
const TURN_MAX: f32 = 0.5;

/// The masses of a body, for sums over its nodes.
#[derive(Clone, Debug)]
pub(super) struct Momentum {
    /// Nodal masses, kg.
    mass: Vec<f32>,
    /// `1 / Σ mass`, 1/kg.
    inverse_total: f32,
}

impl Momentum {
    /// The masses of a mesh.
    pub fn new(topology: &Topology) -> Self {
        let total: f64 = topology.mass.iter().map(|&m| f64::from(m)).sum();
        Self { mass: topology.mass.clone(), inverse_total: (1.0 / total) as f32 }
    }

    /// `1 / Σ mass`, 1/kg.
    pub(super) fn inverse_total(&self) -> f32 {
        self.inverse_total
    }

    /// Centre of mass of `x`, or of any other field by node.
    #[inline(always)]
    pub fn mean<R: Real>(&self, x: impl Fn(usize) -> Vec3<R>) -> Vec3<R> {
        let mut sum = [R::splat(0.0); 3];
        for (i, &m) in self.mass.iter().enumerate() {
            let x = x(i);
            for k in 0..3 {
                sum[k] = x[k].fma(R::splat(m), sum[k]);
            }
        }
        scale(sum, R::splat(self.inverse_total))
    }

    /// Moves `target + moved` as a rigid body until going there from `begin` within a substep has the linear and the angular momentum of
    /// going to `target`. All of it happens in the small numbers `moved`, whose last digits are worth more than those of positions.
    ///
    /// Implicit Euler takes a share `(ω h)²/2` of the angular momentum in every substep, since the displacement `x − begin` is not
    /// along the motion at `begin`: with few substeps a spinning body would visibly slow down.
    #[inline(always)]
    pub fn restore<R: Real>(&self, begin: &[Vec3<R>], target: &[Vec3<R>], moved: &mut [Vec3<R>]) {
        let shift = self.mean(|i| moved[i]);
        for moved in moved.iter_mut() {
            *moved = sub(*moved, shift);
        }
        let (from, centre) = (self.mean(|i| begin[i]), self.mean(|i| target[i]));
        let mut active = R::Mask::splat(true);
        for _ in 0..TURNS {
            let turn = self.missing_turn(begin, from, target, moved, centre);
            let length = dot(turn, turn).sqrt();
            // Not where it is no number, or has no end.
            active = active & length.less(R::splat(f32::MAX));
            rotate(target, moved, centre, scale(turn, R::splat(1.0).smaller(R::splat(TURN_MAX) / length)), active);
            active = active & R::splat(TURN_LINEAR).less(length);
            if !active.any() {
                break;
            }
        }
    }

    /// The rotation vector (rad) about `centre` that gives `target + moved` the angular momentum of `target`, to first order.
    #[inline(always)]
    fn missing_turn<R: Real>(
        &self,
        begin: &[Vec3<R>],
        from: Vec3<R>,
        target: &[Vec3<R>],
        moved: &[Vec3<R>],
        centre: Vec3<R>,
    ) -> Vec3<R> {
        // Σ m a × (t × b) = T t with T = Σ m ((a · b) 1 − b aᵀ).
        let zero = R::splat(0.0);
        let (mut missing, mut trace, mut outer) = ([zero; 3], zero, [[zero; 3]; 3]);
        for (i, &m) in self.mass.iter().enumerate() {
            let (a, b) = (scale(sub(begin[i], from), R::splat(m)), add(sub(target[i], centre), moved[i]));
            missing = sub(missing, cross(a, moved[i]));
            trace = trace + dot(a, b);
            for (row, b) in outer.iter_mut().zip(b) {
                for (entry, a) in row.iter_mut().zip(a) {
                    *entry = b.fma(a, *entry);
                }
            }
        }
        let rows: [Vec3<R>; 3] =
            std::array::from_fn(|i| std::array::from_fn(|j| if i == j { trace - outer[i][j] } else { -outer[i][j] }));
        solve3(&rows, missing)
    }
}

/// Turns `target + moved` about `centre` where the mask holds, by Cayley's map: a rotation for any vector, which for small ones is the
/// rotation vector (rad).
#[inline(always)]
fn rotate<R: Real>(target: &[Vec3<R>], moved: &mut [Vec3<R>], centre: Vec3<R>, turn: Vec3<R>, active: R::Mask) {
    let half = scale(turn, R::splat(0.5));
    let share = R::splat(2.0) / (R::splat(1.0) + dot(half, half));
    for (moved, target) in moved.iter_mut().zip(target) {
        let first = cross(half, add(sub(*target, centre), *moved));
        let both = add(first, cross(half, first));
        for k in 0..3 {
            moved[k] = R::select(active, both[k].fma(share, moved[k]), moved[k]);
        }
    }
}

/// Solves a system of three equations given by its rows; not finite where it is singular.
#[inline(always)]
fn solve3<R: Real>(m: &[Vec3<R>; 3], b: Vec3<R>) -> Vec3<R> {
    let c = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let inverse = R::splat(1.0) / dot(m[0], c[0]);
    std::array::from_fn(|k| c[2][k].fma(b[2], c[1][k].fma(b[1], c[0][k] * b[0])) * inverse)
}
