//! Material damping: motion other than the rigid one decays, so momentum and free flight are untouched.
//!
//! The rigid part is the velocity field of a rigid body with the same linear and angular momentum (Müller et al., *Position
//! Based Dynamics*, 2007, section 3.5).

use crate::topology::Topology;
use crate::vec3::{Vec3, ZERO, add, add_scaled, cross, dot, scale, solve3, sub};

/// Scales the velocities relative to the rigid motion by `1/(1 + rate × dt)`; all velocities where nodes are pinned.
///
/// `x` and `v` hold positions (m, any common origin) and velocities (m/s) of all nodes; `dt` in s.
pub fn damp(topology: &Topology, x: &[Vec3], v: &mut [Vec3], dt: f32) {
    let rate = topology.material.damping;
    if !(rate > 0.0) {
        return;
    }
    let keep = 1.0 / (rate * dt + 1.0);
    if topology.pinned {
        v.iter_mut().for_each(|v| *v = scale(*v, keep));
        return;
    }
    let (centre, velocity, spin) = rigid_motion(topology, x, v);
    for (x, v) in x.iter().zip(v) {
        let rigid = add(velocity, cross(spin, sub(*x, centre)));
        *v = add_scaled(rigid, sub(*v, rigid), keep);
    }
}

/// Centre of mass, its velocity and the angular velocity that carries the angular momentum.
fn rigid_motion(topology: &Topology, x: &[Vec3], v: &[Vec3]) -> (Vec3, Vec3, Vec3) {
    let (mut mass, mut at, mut momentum) = (0.0, ZERO, ZERO);
    for ((&m, x), v) in topology.mass.iter().zip(x).zip(v) {
        mass += m;
        at = add_scaled(at, *x, m);
        momentum = add_scaled(momentum, *v, m);
    }
    let (centre, velocity) = (scale(at, 1.0 / mass), scale(momentum, 1.0 / mass));
    let mut angular = ZERO;
    let mut inertia = [[0.0f32; 3]; 3];
    for ((&m, x), v) in topology.mass.iter().zip(x).zip(v) {
        let arm = sub(*x, centre);
        angular = add_scaled(angular, cross(arm, sub(*v, velocity)), m);
        let square = dot(arm, arm);
        for (i, row) in inertia.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                let diagonal = if i == j { square } else { 0.0 };
                *entry += (diagonal - arm[i] * arm[j]) * m;
            }
        }
    }
    (centre, velocity, solve3(inertia, angular).unwrap_or(ZERO))
}
