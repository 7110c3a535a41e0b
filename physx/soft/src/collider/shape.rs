//! Convex solids by their signed distance.

use std::sync::Arc;

use crate::simd::Real;
use crate::vec3::{Vec3, choose, dot, length, scale, splat};

/// A convex solid in its own frame, metres.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Half extents along x, y, z.
    Box {
        /// Half extents.
        half: Vec3,
    },
    /// A ball around the origin.
    Sphere {
        /// Its radius.
        radius: f32,
    },
    /// All points within `radius` of the segment from `−half_height` to `half_height` on the x axis.
    Capsule {
        /// Its radius.
        radius: f32,
        /// Half the length of its axis.
        half_height: f32,
    },
    /// The common part of half-spaces `n · x + d ≤ 0`, rows `[n, d]` with unit `n`; `radius` bounds it around the origin.
    Convex {
        /// The half-spaces.
        planes: Arc<[[f32; 4]]>,
        /// No point of the solid is farther from the origin.
        radius: f32,
    },
}

impl Shape {
    /// Signed distance of `p` (negative inside) and the outward unit normal there.
    ///
    /// Exact for box, sphere and capsule; for a convex solid exact inside, and outside never more than the true distance.
    #[inline(always)]
    pub fn distance<R: Real>(&self, p: Vec3<R>) -> (R, Vec3<R>) {
        match self {
            Shape::Box { half } => box_distance(splat(*half), p),
            Shape::Sphere { radius } => from_point(p, R::splat(*radius)),
            Shape::Capsule { radius, half_height } => {
                let on_axis = p[0].larger(R::splat(-half_height)).smaller(R::splat(*half_height));
                from_point([p[0] - on_axis, p[1], p[2]], R::splat(*radius))
            }
            Shape::Convex { planes, .. } => {
                let mut best = (R::splat(f32::MIN), splat(UP));
                for plane in planes.iter() {
                    let normal = splat([plane[0], plane[1], plane[2]]);
                    let d = dot(normal, p) + R::splat(plane[3]);
                    let farther = best.0.less(d);
                    best = (R::select(farther, d, best.0), choose(farther, normal, best.1));
                }
                best
            }
        }
    }

    /// A radius around the frame's origin that holds the whole solid.
    pub fn radius(&self) -> f32 {
        match self {
            Shape::Box { half } => length(*half),
            Shape::Sphere { radius } => *radius,
            Shape::Capsule { radius, half_height } => radius + half_height,
            Shape::Convex { radius, .. } => *radius,
        }
    }
}

/// The normal where there is none.
const UP: Vec3 = [0.0, 1.0, 0.0];

#[inline(always)]
fn from_point<R: Real>(p: Vec3<R>, radius: R) -> (R, Vec3<R>) {
    let len = length(p);
    let normal = choose(R::splat(1e-9).less(len), scale(p, R::splat(1.0) / len), splat(UP));
    (len - radius, normal)
}

#[inline(always)]
fn box_distance<R: Real>(half: Vec3<R>, p: Vec3<R>) -> (R, Vec3<R>) {
    let (nought, one) = (R::splat(0.0), R::splat(1.0));
    let (mut sign, mut over, mut outside) = ([one; 3], p, p);
    for k in 0..3 {
        sign[k] = R::select(p[k].less(nought), -one, one);
        over[k] = p[k].abs() - half[k];
        outside[k] = over[k].larger(nought);
    }
    let len = length(outside);
    // Inside, the nearest face counts; of equally near ones the first.
    let (y, z) = (over[0].less(over[1]), over[0].larger(over[1]).less(over[2]));
    let deepest = over[0].larger(over[1]).larger(over[2]);
    let face = [R::select(y | z, nought, sign[0]), R::select(y & !z, sign[1], nought), R::select(z, sign[2], nought)];
    let away = [sign[0] * outside[0] / len, sign[1] * outside[1] / len, sign[2] * outside[2] / len];
    let out = nought.less(len);
    (R::select(out, len, deepest), choose(out, away, face))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_inside_and_outside() {
        let shape = Shape::Box { half: [1.0, 2.0, 3.0] };
        assert_eq!(shape.distance([0.5, 0.0, 0.0]), (-0.5, [1.0, 0.0, 0.0]));
        assert_eq!(shape.distance([0.0, -3.0, 0.0]), (1.0, [0.0, -1.0, 0.0]));
        let capsule = Shape::Capsule { radius: 0.5, half_height: 1.0 };
        assert_eq!(capsule.distance([2.0, 0.0, 0.0]), (0.5, [1.0, 0.0, 0.0]));
        assert_eq!(capsule.distance([0.3, 0.25, 0.0]), (-0.25, [0.0, 1.0, 0.0]));
        let planes = vec![[1.0, 0.0, 0.0, -1.0], [-1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, -1.0]];
        let convex = Shape::Convex { planes: planes.into(), radius: 9.0 };
        assert_eq!(convex.distance([0.75, 0.0, 0.0]), (-0.25, [1.0, 0.0, 0.0]));
    }
}
