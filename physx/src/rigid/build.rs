//! From a checked description to cooked PhysX shapes, and from shapes and states to a scene.

use super::error::{Item, RigidError};
use super::height::HeightSurface;
use super::types::{Motion, Pose, RigidDesc, RigidState, Shape, StaticDesc, StaticShape};
use super::validate;
use super::world::ConvexHull;
use crate::ffi::foundation::{Physics, Report, failures};
use crate::ffi::mesh::{ConvexMesh, HeightField, TriangleMesh};
use crate::ffi::scene::{Body, Scene};
use crate::ffi::shape::{self, Geometry};

/// Something that never moves, cooked.
#[derive(Debug)]
pub(super) struct Fixed {
    shape: shape::Shape,
    pose: Pose,
    pub surface: Option<HeightSurface>,
    pub mesh: Option<TriangleMesh>,
}

/// A rigid body, cooked.
#[derive(Debug)]
pub(super) struct Part {
    shape: shape::Shape,
    body: Body,
    pub hull: Option<ConvexHull>,
}

impl Part {
    pub fn is_kinematic(&self) -> bool {
        matches!(self.body, Body::Kinematic)
    }
}

/// Checks and cooks one static.
pub(super) fn fixed(physics: &Physics, index: usize, desc: &StaticDesc) -> Result<Fixed, RigidError> {
    let item = Item::Static(index);
    validate::material(item, &desc.material)?;
    let make =
        |geometry: Geometry<'_>| shape::Shape::new(physics, geometry, &desc.material).map_err(refused(item, "shape"));
    match &validate::statics(item, &desc.shape)? {
        StaticShape::Plane { normal, offset } => {
            let pose = shape::plane_pose(*normal, *offset);
            Ok(Fixed { shape: make(Geometry::Plane)?, pose, surface: None, mesh: None })
        }
        StaticShape::HeightField { rows, columns, spacing, origin, heights } => {
            let (surface, samples) = HeightSurface::quantise(item, (*rows, *columns), *spacing, *origin, heights)?;
            let field = HeightField::new(physics, *rows, *columns, &samples).map_err(refused(item, "height field"))?;
            let shape = make(Geometry::HeightField(&field, surface.scale, *spacing))?;
            Ok(Fixed { shape, pose: Pose::at(surface.origin), surface: Some(surface), mesh: None })
        }
        StaticShape::TriangleMesh { points, triangles } => {
            let mesh = TriangleMesh::cook(physics, points, triangles).map_err(refused(item, "triangle mesh"))?;
            let shape = make(Geometry::TriangleMesh(&mesh))?;
            Ok(Fixed { shape, pose: Pose::IDENTITY, surface: None, mesh: Some(mesh) })
        }
    }
}

/// Checks and cooks one rigid body, and gives its initial state.
pub(super) fn part(physics: &Physics, index: usize, desc: &RigidDesc) -> Result<(Part, RigidState), RigidError> {
    let item = Item::Rigid(index);
    let desc = validate::rigid(index, desc)?;
    let mut hull = None;
    let cooked;
    let geometry = match &desc.shape {
        Shape::Box { half } => Geometry::Box(*half),
        Shape::Sphere { radius } => Geometry::Sphere(*radius),
        Shape::Capsule { radius, half_height } => Geometry::Capsule(*radius, *half_height),
        Shape::Convex { points } => {
            cooked = ConvexMesh::cook(physics, points).map_err(refused(item, "convex hull"))?;
            let parts = cooked.parts();
            hull = Some(ConvexHull { planes: parts.planes, vertices: parts.vertices });
            Geometry::Convex(&cooked)
        }
    };
    let shape = shape::Shape::new(physics, geometry, &desc.material).map_err(refused(item, "shape"))?;
    let still = RigidState { pose: desc.pose, linear: [0.0; 3], angular: [0.0; 3], wake_counter: 0.0, asleep: false };
    let (body, state) = match desc.motion {
        Motion::Kinematic => (Body::Kinematic, still),
        Motion::Dynamic { density, linear, angular } => {
            (Body::Dynamic(density), RigidState { linear, angular, wake_counter: WAKE_COUNTER, ..still })
        }
    };
    Ok((Part { shape, body, hull }, state))
}

/// Seconds a body stays awake at least once it is woken: PhysX's own value.
pub(super) const WAKE_COUNTER: f32 = 0.4;

/// Builds the PhysX scene: statics by index, then bodies by index.
pub(super) fn scene(
    physics: &'static Physics,
    gravity: [f32; 3],
    statics: &[Fixed],
    parts: &[Part],
    states: &[RigidState],
) -> Result<Scene, RigidError> {
    let mut scene = Scene::new(physics, gravity).map_err(refused(Item::World, "scene"))?;
    for (i, fixed) in statics.iter().enumerate() {
        scene.add_static(&fixed.shape, &fixed.pose).map_err(refused(Item::Static(i), "actor"))?;
    }
    for (i, (part, state)) in parts.iter().zip(states).enumerate() {
        scene.add_body(&part.shape, part.body, state).map_err(refused(Item::Rigid(i), "actor"))?;
    }
    Ok(scene)
}

fn refused(item: Item, what: &'static str) -> impl Fn(Vec<Report>) -> RigidError {
    move |reports| RigidError::refused(item, what, failures(&reports))
}
