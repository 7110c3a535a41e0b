//! Convex solids by their signed distance.

use crate::vec3::{Vec3, dot, length, scale, sub};

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
        planes: Vec<[f32; 4]>,
        /// No point of the solid is farther from the origin.
        radius: f32,
    },
}

impl Shape {
    /// Signed distance of `p` (negative inside) and the outward unit normal there.
    ///
    /// Exact for box, sphere and capsule; for a convex solid exact inside, and outside never more than the true distance.
    pub fn distance(&self, p: Vec3) -> (f32, Vec3) {
        match self {
            Shape::Box { half } => box_distance(*half, p),
            Shape::Sphere { radius } => from_point(p, *radius),
            Shape::Capsule { radius, half_height } => {
                let low = if p[0] > -half_height { p[0] } else { -half_height };
                let on_axis = if low < *half_height { low } else { *half_height };
                from_point(sub(p, [on_axis, 0.0, 0.0]), *radius)
            }
            Shape::Convex { planes, .. } => {
                let mut best = (f32::MIN, [0.0, 1.0, 0.0]);
                for plane in planes {
                    let normal = [plane[0], plane[1], plane[2]];
                    let d = dot(normal, p) + plane[3];
                    if d > best.0 {
                        best = (d, normal);
                    }
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

fn from_point(p: Vec3, radius: f32) -> (f32, Vec3) {
    let len = length(p);
    let normal = if len > 1e-9 { scale(p, 1.0 / len) } else { [0.0, 1.0, 0.0] };
    (len - radius, normal)
}

fn box_distance(half: Vec3, p: Vec3) -> (f32, Vec3) {
    let over: Vec3 = std::array::from_fn(|k| p[k].abs() - half[k]);
    let outside = over.map(|o| if o > 0.0 { o } else { 0.0 });
    let sign = |k: usize| if p[k] < 0.0 { -1.0 } else { 1.0 };
    let len = length(outside);
    if len > 0.0 {
        return (len, std::array::from_fn(|k| sign(k) * outside[k] / len));
    }
    let mut axis = 0;
    for k in 1..3 {
        if over[k] > over[axis] {
            axis = k;
        }
    }
    let mut normal = [0.0; 3];
    normal[axis] = sign(axis);
    (over[axis], normal)
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
        let convex = Shape::Convex { planes, radius: 9.0 };
        assert_eq!(convex.distance([0.75, 0.0, 0.0]), (-0.25, [1.0, 0.0, 0.0]));
    }
}
