//! One implicit Euler substep of a body's elasticity, in lanes.

use super::factor::Factor;
use crate::simd::{Mask, Real};
use crate::vec3::{Vec3, add, scale, sub};

/// How much work a solve may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Newton steps per substep. What one leaves undone of the balance, the next substep does: in vibrating and spinning bodies a
    /// second step changed the energy in the third digit only, at twice the cost.
    pub newton: u32,
    /// Conjugate gradient iterations per Newton step, at most.
    pub iterations: u32,
    /// Iterations end when the residual, measured as `sqrt(rᵀ P⁻¹ r)`, has fallen to this share.
    pub tolerance: f32,
}

impl Default for Effort {
    fn default() -> Self {
        Self { newton: 1, iterations: ITERATIONS, tolerance: TOLERANCE }
    }
}

/// See [`Effort::iterations`]. Stiff bodies need one or two, soft ones that hang far from their rest shape up to eleven (ν = 0.47). Only
/// what was torn or turned inside out comes here, and there an exact solution of the linearised system is worth little.
pub const ITERATIONS: u32 = 12;

/// See [`Effort::tolerance`]. With it a cantilever hangs within 0.3 % of where it does with a thirtieth of this.
pub const TOLERANCE: f32 = 3e-2;

/// How often a step that would raise the energy is shortened; the last time to nothing.
const SHORTENINGS: u32 = 6;

/// Vectors per node that [`solve`] needs as scratch.
pub const SCRATCH: usize = 7;

/// What a solve took, the most of all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Conjugate gradient iterations.
    pub iterations: u32,
    /// How often steps were shortened.
    pub shortenings: u32,
}

/// Does a substep's elasticity: `x` comes in as the predicted positions and leaves as those that balance inertia and elastic forces.
///
/// `begin` and `x` hold positions (m, any common origin near the body) of all nodes at the substep's start and after free
/// flight over it; `scratch` holds [`SCRATCH`] vectors per node, with anything in them. `moved` comes out as the way from the
/// predicted positions, which over the substep is the change of velocities, in more digits than `x` has. Pinned nodes stay where they are.
/// A lane's numbers depend on that lane alone.
///
/// # Panics
/// If the slices do not fit the mesh.
#[inline(always)]
pub fn solve<R: Real>(
    factor: &Factor,
    effort: &Effort,
    begin: &[Vec3<R>],
    x: &mut [Vec3<R>],
    moved: &mut [Vec3<R>],
    scratch: &mut [Vec3<R>],
) -> Work {
    let n = factor.nodes();
    assert!(begin.len() == n && x.len() == n && moved.len() == n, "not of this mesh");
    assert!(scratch.len() >= SCRATCH * n, "too little to work in");
    let (target, scratch) = scratch.split_at_mut(n);
    let (at, scratch) = scratch.split_at_mut(n);
    let (step, scratch) = scratch.split_at_mut(n);
    target.copy_from_slice(x);
    let mut work = Work::default();
    let mut energy = choose_start(factor, begin, target, at);
    for round in 0..effort.newton {
        if round > 0 {
            at.copy_from_slice(x);
        }
        let slope = newton_step(factor, effort, target, at, step, scratch, &mut work);
        energy = descend(factor, target, at, step, x, (energy, slope), &mut work);
    }
    for i in 0..n {
        moved[i] = add(sub(at[i], target[i]), step[i]);
    }
    if factor.free {
        factor.momentum.restore(begin, target, moved);
    }
    for i in 0..n {
        x[i] = add(target[i], moved[i]);
    }
    work
}

/// Sets `at` to the predicted positions or, in lanes where these hold more energy, to those of the substep's start moved along with the
/// body. Gives the energy there.
///
/// The predicted positions know of rotation and fall, and are the better start for all but a body torn faster than it can follow. There
/// the other choice bounds the energy that the solve ends with by what the substep began with, motion included.
#[inline(always)]
fn choose_start<R: Real>(factor: &Factor, begin: &[Vec3<R>], target: &[Vec3<R>], at: &mut [Vec3<R>]) -> R {
    let along = if factor.free { factor.momentum.mean(|i| sub(target[i], begin[i])) } else { [R::splat(0.0); 3] };
    for (at, begin) in at.iter_mut().zip(begin) {
        *at = add(*begin, along);
    }
    let (still, moved) = (factor.elastic.energy(at, target), factor.elastic.energy(target, target));
    let take = moved.at_most(still + R::splat(factor.slack));
    for (at, target) in at.iter_mut().zip(target) {
        for k in 0..3 {
            at[k] = R::select(take, target[k], at[k]);
        }
    }
    R::select(take, moved, still)
}

/// Solves `(M/h² + K) step = residual` at `at` by preconditioned conjugate gradients, truncated where the curvature is not positive
/// (Steihaug 1983; Nash and Sofer, *Assessing a search direction within a truncated-Newton method*, 1990). Gives `residual · step`.
///
/// A lane that has ended takes no more of what the others go on with.
#[inline(always)]
fn newton_step<R: Real>(
    factor: &Factor,
    effort: &Effort,
    target: &[Vec3<R>],
    at: &[Vec3<R>],
    step: &mut [Vec3<R>],
    scratch: &mut [Vec3<R>],
    work: &mut Work,
) -> R {
    let n = at.len();
    let (r, scratch) = scratch.split_at_mut(n);
    let (z, scratch) = scratch.split_at_mut(n);
    let (p, scratch) = scratch.split_at_mut(n);
    let product = &mut scratch[..n];
    let zero = R::splat(0.0);
    step.fill([zero; 3]);
    factor.elastic.residual(at, target, r);
    let turn = factor.rotation(at);
    factor.precondition(&turn, r, z);
    p.copy_from_slice(z);
    let mut rz = dot_all(r, z);
    let enough = rz * R::splat(effort.tolerance * effort.tolerance);
    let mut active = zero.less(rz);
    let mut slope = zero;
    for k in 0..effort.iterations {
        if !active.any() {
            break;
        }
        work.iterations += 1;
        factor.elastic.multiply(at, p, product);
        let curvature = dot_all(p, product);
        let convex = zero.less(curvature);
        let mut length = rz / curvature;
        if k == 0 {
            // The preconditioner's own step goes downhill as well, and is of a sensible length.
            length = R::select(convex, length, R::splat(1.0));
        } else {
            active = active & convex;
        }
        for (step, p) in step.iter_mut().zip(&*p) {
            for k in 0..3 {
                step[k] = R::select(active, p[k].fma(length, step[k]), step[k]);
            }
        }
        // The first residual's product with a direction is that of the present one.
        slope = R::select(active, length.fma(rz, slope), slope);
        active = active & convex;
        if !active.any() {
            break;
        }
        add_multiple(r, product, -length);
        factor.precondition(&turn, r, z);
        let next = dot_all(r, z);
        active = active & enough.less(next);
        let share = next / rz;
        rz = next;
        for (p, z) in p.iter_mut().zip(&*z) {
            for k in 0..3 {
                p[k] = p[k].fma(share, z[k]);
            }
        }
    }
    slope
}

/// Sets `x` to where `step` leads from `at`, shortened until the energy does not rise; gives the energy there. `before` is the energy at
/// `at`, `slope` how fast it falls at first.
#[inline(always)]
fn descend<R: Real>(
    factor: &Factor,
    target: &[Vec3<R>],
    at: &[Vec3<R>],
    step: &mut [Vec3<R>],
    x: &mut [Vec3<R>],
    (before, mut slope): (R, R),
    work: &mut Work,
) -> R {
    for i in 0..at.len() {
        x[i] = add(at[i], step[i]);
    }
    let mut energy = factor.elastic.energy(x, target);
    let most = before + R::splat(factor.slack);
    for round in 1..=SHORTENINGS {
        let fine = energy.at_most(most);
        if !(!fine).any() {
            break;
        }
        work.shortenings += 1;
        // The lowest point of the parabola through what is known of the energy.
        let lowest = slope / ((energy - before + slope) * R::splat(2.0));
        let shorter = lowest.larger(R::splat(0.1)).smaller(R::splat(0.5));
        let shorter = R::select(fine, R::splat(1.0), if round == SHORTENINGS { R::splat(0.0) } else { shorter });
        slope = slope * shorter;
        for i in 0..at.len() {
            step[i] = scale(step[i], shorter);
            x[i] = add(at[i], step[i]);
        }
        energy = factor.elastic.energy(x, target);
    }
    energy
}

/// `a · b` over all nodes, component by component.
#[inline(always)]
fn dot_all<R: Real>(a: &[Vec3<R>], b: &[Vec3<R>]) -> R {
    let mut sum = [R::splat(0.0); 3];
    for (a, b) in a.iter().zip(b) {
        for k in 0..3 {
            sum[k] = a[k].fma(b[k], sum[k]);
        }
    }
    sum[0] + sum[1] + sum[2]
}

/// `y ← y + x × s`.
#[inline(always)]
fn add_multiple<R: Real>(y: &mut [Vec3<R>], x: &[Vec3<R>], s: R) {
    for (y, x) in y.iter_mut().zip(x) {
        for k in 0..3 {
            y[k] = x[k].fma(s, y[k]);
        }
    }
}
