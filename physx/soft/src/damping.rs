//! Material damping: motion other than the rigid one decays, so momentum and free flight are untouched.
//!
//! The rigid part is the velocity field of a rigid body with the same linear and angular momentum (Müller et al., *Position
//! Based Dynamics*, 2007, section 3.5).

use crate::simd::Real;
use crate::topology::Topology;
use crate::vec3::{Vec3, add, add_scaled, cross, dot, scale, solve3, sub, zero};

/// Scales the velocities relative to the rigid motion by `1/(1 + rate × dt)`; all velocities where nodes are pinned.
///
/// `x` and `v` hold positions (m, any common origin) and velocities (m/s) of all nodes, a body a lane; `dt` in s.
#[inline(always)]
pub fn damp<R: Real>(topology: &Topology, x: &[Vec3<R>], v: &mut [Vec3<R>], dt: f32) {
    let rate = topology.material.damping;
    if !(rate > 0.0) {
        return;
    }
    let keep = R::splat(1.0 / (rate * dt + 1.0));
    if topology.pinned {
        for v in v {
            *v = scale(*v, keep);
        }
        return;
    }
    let (centre, velocity, spin) = rigid_motion(topology, x, v);
    for (x, v) in x.iter().zip(v) {
        let rigid = add(velocity, cross(spin, sub(*x, centre)));
        *v = add_scaled(rigid, sub(*v, rigid), keep);
    }
}

/// Centre of mass, its velocity and the angular velocity that carries the angular momentum.
#[inline(always)]
fn rigid_motion<R: Real>(topology: &Topology, x: &[Vec3<R>], v: &[Vec3<R>]) -> (Vec3<R>, Vec3<R>, Vec3<R>) {
    let (mut mass, mut at, mut momentum) = (0.0, zero(), zero());
    for ((&m, x), v) in topology.mass.iter().zip(x).zip(v) {
        mass += m;
        at = add_scaled(at, *x, R::splat(m));
        momentum = add_scaled(momentum, *v, R::splat(m));
    }
    let inverse = R::splat(1.0 / mass);
    let (centre, velocity) = (scale(at, inverse), scale(momentum, inverse));
    let mut angular = zero();
    let mut inertia = [zero(); 3];
    for ((&m, x), v) in topology.mass.iter().zip(x).zip(v) {
        let (m, arm) = (R::splat(m), sub(*x, centre));
        angular = add_scaled(angular, cross(arm, sub(*v, velocity)), m);
        let square = dot(arm, arm);
        for (i, row) in inertia.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                let diagonal = if i == j { square } else { R::splat(0.0) };
                *entry = *entry + (diagonal - arm[i] * arm[j]) * m;
            }
        }
    }
    (centre, velocity, solve3(inertia, angular))
}
