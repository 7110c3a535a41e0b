//! Checks of everything that enters a rigid world, before PhysX sees any of it.
//!
//! A description that passes is finite, in range and normalised; PhysX's release build checks none of this itself.

use super::error::{Item, RigidError};
use super::types::{Material, Motion, Pose, RigidDesc, RigidState, Shape, StaticShape};

/// Largest coordinate PhysX handles with millimetres to spare.
const MAX_COORDINATE: f32 = 1e6;
/// A cloud is flat if its thickness is below this part of its extent.
const MIN_THICKNESS: f64 = 1e-4;
/// A stored quaternion may be off unit length by this much; it is used as it stands, to the bit.
const UNIT_TOLERANCE: f64 = 1e-3;

/// A rigid body whose values all passed, its quaternion of unit length.
pub(super) fn rigid(index: usize, desc: &RigidDesc) -> Result<RigidDesc, RigidError> {
    let item = Item::Rigid(index);
    shape(item, &desc.shape)?;
    material(item, &desc.material)?;
    if let Motion::Dynamic { density, linear, angular } = &desc.motion {
        positive(item, "density", *density)?;
        finite(item, "linear", linear)?;
        finite(item, "angular", angular)?;
    }
    Ok(RigidDesc { pose: pose(item, &desc.pose)?, ..desc.clone() })
}

/// A pose that is finite, its quaternion normalised.
pub(super) fn pose(item: Item, pose: &Pose) -> Result<Pose, RigidError> {
    coordinates(item, "pose.p", &pose.p)?;
    finite(item, "pose.q", &pose.q)?;
    let length = pose.q.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length < 1e-6 {
        return Err(RigidError::invalid(item, "pose.q", "is zero; must be a rotation"));
    }
    // A second normalisation must not move a bit: quaternions of unit length pass as they are.
    if (length - 1.0).abs() < 1e-6 {
        return Ok(*pose);
    }
    Ok(Pose { p: pose.p, q: pose.q.map(|x| (f64::from(x) / length) as f32) })
}

/// A state is taken as it stands or not at all: to change a bit of it would break a resume.
pub(super) fn state(index: usize, state: &RigidState) -> Result<(), RigidError> {
    let item = Item::State(index);
    coordinates(item, "pose.p", &state.pose.p)?;
    finite(item, "pose.q", &state.pose.q)?;
    finite(item, "linear", &state.linear)?;
    finite(item, "angular", &state.angular)?;
    let length = state.pose.q.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if (length - 1.0).abs() > UNIT_TOLERANCE {
        return Err(RigidError::invalid(item, "pose.q", format!("has length {length}; must be 1")));
    }
    if !(state.wake_counter.is_finite() && state.wake_counter >= 0.0) {
        let problem = format!("is {}; must be finite and at least 0", state.wake_counter);
        return Err(RigidError::invalid(item, "wake_counter", problem));
    }
    Ok(())
}

/// The friction and restitution of a surface.
pub(super) fn material(item: Item, m: &Material) -> Result<(), RigidError> {
    not_negative(item, "static_friction", m.static_friction)?;
    not_negative(item, "dynamic_friction", m.dynamic_friction)?;
    not_negative(item, "restitution", m.restitution)?;
    if m.restitution > 1.0 {
        return Err(RigidError::invalid(item, "restitution", format!("is {}; must be at most 1", m.restitution)));
    }
    Ok(())
}

/// A plane with its normal of unit length; a height field is checked when it is quantised.
pub(super) fn statics(item: Item, shape: &StaticShape) -> Result<StaticShape, RigidError> {
    match shape {
        StaticShape::Plane { normal, offset } => {
            finite(item, "normal", normal)?;
            finite(item, "offset", &[*offset])?;
            let length = dot(wide(*normal), wide(*normal)).sqrt();
            if length < 1e-6 {
                return Err(RigidError::invalid(item, "normal", "is zero; must be a direction"));
            }
            Ok(StaticShape::Plane {
                normal: normal.map(|x| (f64::from(x) / length) as f32),
                offset: (f64::from(*offset) / length) as f32,
            })
        }
        StaticShape::HeightField { .. } => Ok(shape.clone()),
        StaticShape::TriangleMesh { points, triangles } => {
            triangle_mesh(item, points, triangles)?;
            Ok(shape.clone())
        }
    }
}

fn shape(item: Item, shape: &Shape) -> Result<(), RigidError> {
    match shape {
        Shape::Box { half } => half.iter().try_for_each(|&h| positive(item, "half", h)),
        Shape::Sphere { radius } => positive(item, "radius", *radius),
        Shape::Capsule { radius, half_height } => {
            positive(item, "radius", *radius)?;
            positive(item, "half_height", *half_height)
        }
        Shape::Convex { points } => cloud(item, points),
    }
}

/// Refuses a cloud without a volume: PhysX would quietly make a slab of it.
fn cloud(item: Item, points: &[[f32; 3]]) -> Result<(), RigidError> {
    let bad = |problem: String| Err(RigidError::invalid(item, "points", problem));
    if points.len() < 4 {
        return bad(format!("are {}; a convex needs at least 4", points.len()));
    }
    points.iter().try_for_each(|p| coordinates(item, "points", p))?;
    let a = wide(points[0]);
    let farthest = |measure: &dyn Fn([f64; 3]) -> f64| {
        let mut best = (a, 0.0);
        for &p in points {
            let value = measure(wide(p));
            if value > best.1 {
                best = (wide(p), value);
            }
        }
        best
    };
    let (b, extent2) = farthest(&|p| dot(sub(p, a), sub(p, a)));
    let extent = extent2.sqrt();
    if extent < 1e-6 {
        return bad(String::from("all lie in one place; a convex needs a volume"));
    }
    let along = sub(b, a).map(|x| x / extent);
    let (c, width2) = farthest(&|p| dot(cross(along, sub(p, a)), cross(along, sub(p, a))));
    let width = width2.sqrt();
    if width < extent * MIN_THICKNESS {
        return bad(String::from("lie on one line; a convex needs a volume"));
    }
    let normal = cross(along, sub(c, a)).map(|x| x / width);
    let (_, thickness) = farthest(&|p| dot(normal, sub(p, a)).abs());
    if thickness < extent * MIN_THICKNESS {
        return bad(format!(
            "lie in one plane (thickness {thickness:.2e} m, extent {extent:.2e} m); a convex needs a volume"
        ));
    }
    Ok(())
}

fn triangle_mesh(item: Item, points: &[[f32; 3]], triangles: &[[u32; 3]]) -> Result<(), RigidError> {
    if triangles.is_empty() {
        return Err(RigidError::invalid(item, "triangles", "is empty"));
    }
    if u32::try_from(points.len()).is_err() || u32::try_from(triangles.len()).is_err() {
        return Err(RigidError::invalid(item, "triangles", "or points exceed 2³²"));
    }
    points.iter().try_for_each(|p| coordinates(item, "points", p))?;
    for (t, triangle) in triangles.iter().enumerate() {
        if let Some(i) = triangle.iter().find(|i| **i as usize >= points.len()) {
            let problem = format!("[{t}] names point {i}; there are {}", points.len());
            return Err(RigidError::invalid(item, "triangles", problem));
        }
        let [a, b, c] = triangle.map(|i| wide(points[i as usize]));
        let (u, v) = (sub(b, a), sub(c, a));
        let longest = dot(u, u).max(dot(v, v));
        let doubled_area = dot(cross(u, v), cross(u, v)).sqrt();
        if doubled_area <= 1e-10 * longest {
            let problem = format!("[{t}] {triangle:?} has no area; remove or merge it");
            return Err(RigidError::invalid(item, "triangles", problem));
        }
    }
    Ok(())
}

pub(super) fn finite(item: Item, field: &'static str, values: &[f32]) -> Result<(), RigidError> {
    match values.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(RigidError::invalid(item, field, format!("contains {x}; must be finite"))),
        None => Ok(()),
    }
}

fn coordinates(item: Item, field: &'static str, values: &[f32; 3]) -> Result<(), RigidError> {
    match values.iter().find(|x| !(-MAX_COORDINATE..=MAX_COORDINATE).contains(*x)) {
        Some(x) => Err(RigidError::invalid(item, field, format!("contains {x}; must be finite and within ±10⁶ m"))),
        None => Ok(()),
    }
}

/// A positive number that PhysX can square and cube without leaving the normal numbers.
pub(super) fn positive(item: Item, field: &'static str, x: f32) -> Result<(), RigidError> {
    if (1e-6..=1e9).contains(&x) {
        return Ok(());
    }
    Err(RigidError::invalid(item, field, format!("is {x}; must be positive, between 1e-6 and 1e9")))
}

fn not_negative(item: Item, field: &'static str, x: f32) -> Result<(), RigidError> {
    if x.is_finite() && x >= 0.0 {
        return Ok(());
    }
    Err(RigidError::invalid(item, field, format!("is {x}; must be finite and at least 0")))
}

fn wide(p: [f32; 3]) -> [f64; 3] {
    p.map(f64::from)
}

fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
