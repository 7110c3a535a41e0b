//! Vectors of three `f64`, made of `+ − × ÷ sqrt` only so that results do not depend on the machine.

pub(crate) type V3 = [f64; 3];

pub(crate) fn wide(p: [f32; 3]) -> V3 {
    p.map(f64::from)
}

pub(crate) fn narrow(p: V3) -> [f32; 3] {
    p.map(|x| x as f32)
}

pub(crate) fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: V3, s: f64) -> V3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub(crate) fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn length(a: V3) -> f64 {
    dot(a, a).sqrt()
}

/// Six times the signed volume of a tetrahedron: `(b − a) · ((c − a) × (d − a))`.
pub(crate) fn orient(a: V3, b: V3, c: V3, d: V3) -> f64 {
    dot(sub(b, a), cross(sub(c, a), sub(d, a)))
}

/// Twice the area of a triangle.
pub(crate) fn double_area(a: V3, b: V3, c: V3) -> f64 {
    length(cross(sub(b, a), sub(c, a)))
}

/// The smallest of the four altitudes of a tetrahedron, with the sign of its volume; 0 where it is flat.
/// Altitude over face *i* is `3 V / A_i`, so the smallest belongs to the largest face.
pub(crate) fn min_altitude(p: [V3; 4]) -> f64 {
    let largest = double_area(p[1], p[2], p[3])
        .max(double_area(p[0], p[2], p[3]))
        .max(double_area(p[0], p[1], p[3]))
        .max(double_area(p[0], p[1], p[2]));
    if largest > 0.0 { orient(p[0], p[1], p[2], p[3]) / largest } else { 0.0 }
}

/// Lower and upper corner of the bounding box; `None` for no points.
pub(crate) fn bounds(points: &[[f32; 3]]) -> Option<([f32; 3], [f32; 3])> {
    let first = *points.first()?;
    Some(points.iter().fold((first, first), |(mut low, mut high), p| {
        for axis in 0..3 {
            low[axis] = if p[axis] < low[axis] { p[axis] } else { low[axis] };
            high[axis] = if p[axis] > high[axis] { p[axis] } else { high[axis] };
        }
        (low, high)
    }))
}

/// Longest side of the bounding box; 0 for no points.
pub(crate) fn extent(points: &[[f32; 3]]) -> f64 {
    bounds(points).map_or(0.0, |(low, high)| {
        let side = sub(wide(high), wide(low));
        side[0].max(side[1]).max(side[2])
    })
}
