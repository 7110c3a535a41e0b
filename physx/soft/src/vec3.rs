//! Vectors of three numbers, in the fixed operation order that the law asks for.
//!
//! Nothing is fused here: this is code for any x86-64, where a fused operation may be a call into the C library. Elastic kernels,
//! which are compiled for the instruction, ask for it by name ([`fused_dot`], [`fused_cross`]).
//!
//! No closures over [`Real`] here, nor in a kernel's inner loops: where one is not inlined into what is compiled for the register's
//! instructions, every operation is a call. What takes one all the same is `#[inline(always)]` and generic over it.

use crate::simd::Real;

/// Three components, x y z.
pub type Vec3<R = f32> = [R; 3];

/// The zero vector.
pub const ZERO: Vec3 = [0.0; 3];

/// `a + b`.
#[inline(always)]
pub fn add<R: Real>(a: Vec3<R>, b: Vec3<R>) -> Vec3<R> {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a − b`.
#[inline(always)]
pub fn sub<R: Real>(a: Vec3<R>, b: Vec3<R>) -> Vec3<R> {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a × s`.
#[inline(always)]
pub fn scale<R: Real>(a: Vec3<R>, s: R) -> Vec3<R> {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// `a + b × s`.
#[inline(always)]
pub fn add_scaled<R: Real>(a: Vec3<R>, b: Vec3<R>, s: R) -> Vec3<R> {
    [a[0] + b[0] * s, a[1] + b[1] * s, a[2] + b[2] * s]
}

/// `a · b`, from x to z.
#[inline(always)]
pub fn dot<R: Real>(a: Vec3<R>, b: Vec3<R>) -> R {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a × b`.
#[inline(always)]
pub fn cross<R: Real>(a: Vec3<R>, b: Vec3<R>) -> Vec3<R> {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `a · b`, fused from x to z.
#[inline(always)]
pub fn fused_dot<R: Real>(a: Vec3<R>, b: Vec3<R>) -> R {
    a[2].fma(b[2], a[1].fma(b[1], a[0] * b[0]))
}

/// `a × b`, fused.
#[inline(always)]
pub fn fused_cross<R: Real>(a: Vec3<R>, b: Vec3<R>) -> Vec3<R> {
    [a[1].fma(b[2], -(a[2] * b[1])), a[2].fma(b[0], -(a[0] * b[2])), a[0].fma(b[1], -(a[1] * b[0]))]
}

/// `−a`.
#[inline(always)]
pub fn neg<R: Real>(a: Vec3<R>) -> Vec3<R> {
    [-a[0], -a[1], -a[2]]
}

/// Length of `a`.
#[inline(always)]
pub fn length<R: Real>(a: Vec3<R>) -> R {
    dot(a, a).sqrt()
}

/// `a` scaled to unit length, or `None` where it is shorter than `1e-12`.
#[inline(always)]
pub fn normalized(a: Vec3) -> Option<Vec3> {
    let len = length(a);
    (len > 1e-12).then(|| scale(a, 1.0 / len))
}

/// Component-wise smaller, by compare-and-select.
#[inline(always)]
pub fn lower(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|k| if a[k] < b[k] { a[k] } else { b[k] })
}

/// Component-wise larger, by compare-and-select.
#[inline(always)]
pub fn upper(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|k| if a[k] > b[k] { a[k] } else { b[k] })
}

/// The `i`-th vector of a flat array `x y z x y z …`.
#[inline(always)]
pub fn at(flat: &[f32], i: usize) -> Vec3 {
    [flat[3 * i], flat[3 * i + 1], flat[3 * i + 2]]
}

/// Solves the 3×3 system given by its rows; zero where it is singular to `f32`.
#[inline(always)]
pub fn solve3<R: Real>(m: [Vec3<R>; 3], b: Vec3<R>) -> Vec3<R> {
    let c0 = cross(m[1], m[2]);
    let det = dot(m[0], c0);
    let (c1, c2) = (cross(m[2], m[0]), cross(m[0], m[1]));
    // The adjugate's columns are the cofactor rows, so the solution is a combination of them.
    let inv = R::select(R::splat(1e-30).less(det.abs()), R::splat(1.0) / det, R::splat(0.0));
    scale(add(add(scale(c0, b[0]), scale(c1, b[1])), scale(c2, b[2])), inv)
}

/// The zero vector in every lane.
#[inline(always)]
pub fn zero<R: Real>() -> Vec3<R> {
    [R::splat(0.0); 3]
}

/// The same vector in every lane.
#[inline(always)]
pub fn splat<R: Real>(a: Vec3) -> Vec3<R> {
    [R::splat(a[0]), R::splat(a[1]), R::splat(a[2])]
}

/// `then` where the mask holds, `otherwise` elsewhere.
#[inline(always)]
pub fn choose<R: Real>(mask: R::Mask, then: Vec3<R>, otherwise: Vec3<R>) -> Vec3<R> {
    [
        R::select(mask, then[0], otherwise[0]),
        R::select(mask, then[1], otherwise[1]),
        R::select(mask, then[2], otherwise[2]),
    ]
}

/// One lane's vector.
#[inline(always)]
pub fn lane<R: Real>(a: &Vec3<R>, lane: usize) -> Vec3 {
    [a[0].lane(lane), a[1].lane(lane), a[2].lane(lane)]
}
