//! The elastic constraint of one tetrahedron.
//!
//! Stable Neo-Hookean energy as two constraints, the deviatoric `C_D = sqrt(tr FᵀF)` and the volumetric
//! `C_H = det F − γ`, with compliances `1/(μV)` and `1/(λV)` (Macklin and Müller, *A Constraint-based Formulation of Stable
//! Neo-Hookean Materials*, MIG 2021). Both are linearised at the same configuration and solved together as a 2×2 system,
//! which keeps the order of the two from biasing the result.

use crate::simd::Real;
use crate::vec3::{Vec3, add, fused_cross as cross, fused_dot as dot, neg, scale, sub};

/// A tetrahedron's rest quantities in lanes, with the compliances divided by the square of the substep.
#[derive(Clone, Copy)]
pub struct Rest<R> {
    /// Inverse rest edge matrix by rows, 1/m.
    pub inverse: [[R; 3]; 3],
    /// Six times the volume at which the volumetric constraint is fulfilled, `6 V γ` with `γ = 1 + μ/λ`, m³.
    pub balance6: R,
    /// `1/(μ V h²)`.
    pub alpha_deviatoric: R,
    /// `(6V)²/(λ V h²)`.
    pub alpha_volume: R,
}

/// Moves four nodes that are at `x` (metres), with inverse masses `w` (1/kg), towards the balance of the tetrahedron's energy: adds the way
/// to `moved`, whose last digits are worth more than those of positions.
#[inline(always)]
pub fn project<R: Real>(rest: &Rest<R>, x: &[Vec3<R>; 4], w: [R; 4], moved: &mut [Vec3<R>; 4]) {
    let edges = [sub(x[1], x[0]), sub(x[2], x[0]), sub(x[3], x[0])];
    let d = &rest.inverse;
    let f = [
        combine(edges, [d[0][0], d[1][0], d[2][0]]),
        combine(edges, [d[0][1], d[1][1], d[2][1]]),
        combine(edges, [d[0][2], d[1][2], d[2][2]]),
    ];

    // The square of C_D; its root is never taken: with the gradient and the multiplier of C_D² / 2 instead, both a factor C_D away
    // from those of C_D, the same step comes out.
    let square = (dot(f[0], f[0]) + dot(f[1], f[1]) + dot(f[2], f[2])).larger(R::splat(1e-12));
    let g = with_first([combine(f, d[0]), combine(f, d[1]), combine(f, d[2])]);
    // Likewise 6 V C_H, the determinant of the edges less that of the balance, stands for C_H.
    let q = with_first([cross(edges[1], edges[2]), cross(edges[2], edges[0]), cross(edges[0], edges[1])]);
    let volume_error = dot(edges[0], q[1]) - rest.balance6;

    let a = weighted(&g, &g, w, rest.alpha_deviatoric * square);
    let c = weighted(&q, &q, w, rest.alpha_volume);
    let b = weighted(&g, &q, w, R::splat(0.0));
    let inverse_det = R::splat(1.0) / (a * c - b * b);
    let deviatoric_step = -((c * square - b * volume_error) * inverse_det);
    let volume_step = -((a * volume_error - b * square) * inverse_det);
    for i in 0..4 {
        for k in 0..3 {
            let along = q[i][k].fma(volume_step, g[i][k] * deviatoric_step);
            moved[i][k] = along.fma(w[i], moved[i][k]);
        }
    }
}

/// `a₀ c₀ + a₁ c₁ + a₂ c₂`, fused from the first to the last.
#[inline(always)]
fn combine<R: Real>(a: [Vec3<R>; 3], c: [R; 3]) -> Vec3<R> {
    let mut sum = scale(a[0], c[0]);
    for k in 0..3 {
        sum[k] = a[2][k].fma(c[2], a[1][k].fma(c[1], sum[k]));
    }
    sum
}

/// `start + Σ wᵢ aᵢ · bᵢ`.
#[inline(always)]
fn weighted<R: Real>(a: &[Vec3<R>; 4], b: &[Vec3<R>; 4], w: [R; 4], start: R) -> R {
    let first = dot(a[1], b[1]).fma(w[1], dot(a[0], b[0]).fma(w[0], start));
    dot(a[3], b[3]).fma(w[3], dot(a[2], b[2]).fma(w[2], first))
}

/// Gradients of nodes 1–3, with node 0's in front: they sum to zero, since a shift changes nothing.
#[inline(always)]
fn with_first<R: Real>(g: [Vec3<R>; 3]) -> [Vec3<R>; 4] {
    [neg(add(add(g[0], g[1]), g[2])), g[0], g[1], g[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(alpha: f32) -> Rest<f32> {
        let inverse = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Rest { inverse, balance6: 1.0 + 1.5, alpha_deviatoric: alpha, alpha_volume: alpha * 1.5 }
    }

    const REST: [[f32; 3]; 4] = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    /// μ/λ = 1.5 makes γ = 2.5; at rest the two constraints' pulls must cancel: C_D/α_D ∇C_D + C_H/α_H ∇C_H = 0.
    #[test]
    fn the_rest_shape_is_a_balance() {
        let rest = unit(1e-2);
        let mut moved = [[0.0; 3]; 4];
        project(&rest, &REST, [1.0; 4], &mut moved);
        assert!(moved.iter().flatten().all(|moved| moved.abs() < 1e-5), "{moved:?}");
    }

    #[test]
    fn momentum_is_kept_and_a_stretched_tet_contracts() {
        let rest = unit(1e-2);
        let mut x = REST;
        x[1][0] = 1.5;
        let w = [1.0, 0.5, 0.25, 2.0];
        let mut moved = [[0.0; 3]; 4];
        project(&rest, &x, w, &mut moved);
        assert!(moved[1][0] < moved[0][0]);
        for k in 0..3 {
            let shift: f32 = (0..4).map(|i| moved[i][k] / w[i]).sum();
            assert!(shift.abs() < 1e-6);
        }
    }

    #[test]
    fn pinned_nodes_do_not_move() {
        let mut x = REST;
        x[2][1] = 0.2;
        let mut moved = [[0.0; 3]; 4];
        project(&unit(1e-3), &x, [0.0, 1.0, 1.0, 0.0], &mut moved);
        assert_eq!((moved[0], moved[3]), ([0.0; 3], [0.0; 3]));
        assert_ne!(moved[1], [0.0; 3]);
    }
}
