//! Rotations as unit quaternions `x y z w`, with arithmetic only.

use crate::simd::Real;
use crate::vec3::{Vec3, add, add_scaled, cross, dot, neg, scale, splat};

/// A unit quaternion, components x y z w.
pub type Quat = [f32; 4];

/// No rotation.
pub const IDENTITY: Quat = [0.0, 0.0, 0.0, 1.0];

/// Rotates `v` by `q`.
#[inline(always)]
pub fn rotate<R: Real>(q: Quat, v: Vec3<R>) -> Vec3<R> {
    let u = splat([q[0], q[1], q[2]]);
    let t = scale(cross(u, v), R::splat(2.0));
    add(add_scaled(v, t, R::splat(q[3])), cross(u, t))
}

/// Rotates `v` by the inverse of `q`.
#[inline(always)]
pub fn rotate_back<R: Real>(q: Quat, v: Vec3<R>) -> Vec3<R> {
    let n = neg([q[0], q[1], q[2]]);
    rotate([n[0], n[1], n[2], q[3]], v)
}

/// The product `a b`: first `b`, then `a`.
pub fn multiply(a: Quat, b: Quat) -> Quat {
    let (u, v) = ([a[0], a[1], a[2]], [b[0], b[1], b[2]]);
    let r = add_scaled(add_scaled(cross(u, v), v, a[3]), u, b[3]);
    [r[0], r[1], r[2], a[3] * b[3] - dot(u, v)]
}

/// `q` scaled to unit length; the identity where it vanishes.
pub fn normalized(q: Quat) -> Quat {
    let len = (q[3] * q[3] + dot([q[0], q[1], q[2]], [q[0], q[1], q[2]])).sqrt();
    if len > 1e-12 { q.map(|c| c / len) } else { IDENTITY }
}

/// `q` after turning with angular velocity `w` (rad/s) for `t` seconds, to first order and normalised.
pub fn turned(q: Quat, w: Vec3, t: f32) -> Quat {
    let half = 0.5 * t;
    let d = multiply([w[0], w[1], w[2], 0.0], q);
    normalized(std::array::from_fn(|k| d[k] * half + q[k]))
}
