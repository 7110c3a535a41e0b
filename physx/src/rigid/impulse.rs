//! What an impulse does to a velocity, in our own arithmetic: + − × only, so its bits are the same on every machine.

use super::types::{MassProperties, Pose};

/// Linear and angular velocity after an impulse `linear` (N·s) through the centre of mass and `angular` (N·m·s)
/// about it, both in the world frame: v + P/m, ω + R I⁻¹ Rᵀ L, with R the rotation of the principal axes.
pub(super) fn applied(
    pose: &Pose,
    mass: &MassProperties,
    velocity: ([f32; 3], [f32; 3]),
    (linear, angular): ([f32; 3], [f32; 3]),
) -> ([f32; 3], [f32; 3]) {
    let r = rotation(product(pose.q, mass.mass_pose.q));
    let mut v = velocity.0;
    let mut w = velocity.1;
    let mut local = [0.0; 3];
    for (axis, value) in local.iter_mut().enumerate() {
        let along = r[0][axis] * angular[0] + r[1][axis] * angular[1] + r[2][axis] * angular[2];
        *value = mass.inv_inertia[axis] * along;
    }
    for i in 0..3 {
        v[i] += linear[i] * mass.inv_mass;
        w[i] += r[i][0] * local[0] + r[i][1] * local[1] + r[i][2] * local[2];
    }
    (v, w)
}

/// Hamilton product: first `b`, then `a`.
fn product(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    let ([ax, ay, az, aw], [bx, by, bz, bw]) = (a, b);
    [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ]
}

/// The rotation matrix of a unit quaternion, by rows.
fn rotation([x, y, z, w]: [f32; 4]) -> [[f32; 3]; 3] {
    let (x2, y2, z2) = (x + x, y + y, z + z);
    [
        [1.0 - y * y2 - z * z2, x * y2 - w * z2, x * z2 + w * y2],
        [x * y2 + w * z2, 1.0 - x * x2 - z * z2, y * z2 - w * x2],
        [x * z2 - w * y2, y * z2 + w * x2, 1.0 - x * x2 - y * y2],
    ]
}
