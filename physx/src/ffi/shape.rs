//! Surfaces and collision shapes. Shapes are made once and shared by the actors of every rebuild.

use std::ptr::NonNull;

use physx_sys as px;

use super::foundation::{Physics, Report, construction, watch};
use super::mesh::{ConvexMesh, HeightField, TriangleMesh};
use crate::rigid::{Material, Pose};

/// The geometry of a shape, borrowed from whoever cooked it.
#[derive(Debug, Clone, Copy)]
pub enum Geometry<'a> {
    /// Half edges, metres.
    Box([f32; 3]),
    /// Radius, metres.
    Sphere(f32),
    /// Radius and half height along x, metres.
    Capsule(f32, f32),
    /// The half-space x ≤ 0 of the actor's frame.
    Plane,
    /// A cooked hull.
    Convex(&'a ConvexMesh),
    /// A cooked field, with metres per sample, per row and per column.
    HeightField(&'a HeightField, f32, [f32; 2]),
    /// A cooked mesh.
    TriangleMesh(&'a TriangleMesh),
}

/// A collision shape, used for contacts and for queries.
#[derive(Debug)]
pub struct Shape(NonNull<px::PxShape>);

impl Shape {
    /// Makes a shape that any number of actors may share. The values are the caller's to check.
    pub fn new(physics: &Physics, geometry: Geometry<'_>, material: &Material) -> Result<Self, Vec<Report>> {
        let _making = construction();
        let (shape, reports) = watch(|| {
            // SAFETY: the surface and the shape are made from live objects; the shape takes its own reference to the
            // surface, so ours is given back at once.
            unsafe {
                let surface = px::PxPhysics_createMaterial_mut(
                    physics.as_ptr(),
                    material.static_friction,
                    material.dynamic_friction,
                    material.restitution,
                );
                if surface.is_null() {
                    return std::ptr::null_mut();
                }
                let shape = create(physics, geometry, surface);
                px::PxRefCounted_release_mut(surface.cast());
                shape
            }
        });
        NonNull::new(shape).map(Shape).ok_or(reports)
    }

    pub(super) fn as_ptr(&self) -> *mut px::PxShape {
        self.0.as_ptr()
    }
}

/// # Safety
/// `surface` must be a live PhysX material.
unsafe fn create(physics: &Physics, geometry: Geometry<'_>, surface: *const px::PxMaterial) -> *mut px::PxShape {
    // SAFETY: each description is one of PhysX's geometry classes, made by its own constructor; the cooked meshes
    // are alive while they are borrowed, and the shape takes its own reference.
    unsafe {
        match geometry {
            Geometry::Box([x, y, z]) => of(physics, &px::PxBoxGeometry_new(x, y, z), surface),
            Geometry::Sphere(radius) => of(physics, &px::PxSphereGeometry_new(radius), surface),
            Geometry::Capsule(radius, half) => of(physics, &px::PxCapsuleGeometry_new(radius, half), surface),
            Geometry::Plane => of(physics, &px::PxPlaneGeometry_new(), surface),
            Geometry::Convex(mesh) => {
                let scale = px::PxMeshScale_new();
                let flags = px::PxConvexMeshGeometryFlags::TightBounds;
                of(physics, &px::PxConvexMeshGeometry_new(mesh.as_ptr(), &scale, flags), surface)
            }
            Geometry::HeightField(field, height, [row, column]) => {
                let flags = px::PxMeshGeometryFlags::empty();
                let geometry = px::PxHeightFieldGeometry_new(field.as_ptr(), flags, height, row, column);
                of(physics, &geometry, surface)
            }
            Geometry::TriangleMesh(mesh) => of(physics, &mesh.geometry(), surface),
        }
    }
}

/// # Safety
/// `G` must be a geometry class of PhysX, its meshes alive, and `surface` a live PhysX material.
unsafe fn of<G>(physics: &Physics, geometry: &G, surface: *const px::PxMaterial) -> *mut px::PxShape {
    let flags = px::PxShapeFlags::SimulationShape | px::PxShapeFlags::SceneQueryShape;
    // SAFETY: every geometry class starts with `PxGeometry`, whose type tag tells PhysX which one it is; PhysX
    // copies the description.
    unsafe {
        let geometry = std::ptr::from_ref(geometry).cast();
        px::PxPhysics_createShape_mut(physics.as_ptr(), geometry, surface, false, flags)
    }
}

/// The frame of a plane's actor: its x axis is the normal. `normal` has unit length, and `normal · x = offset`.
pub fn plane_pose(normal: [f32; 3], offset: f32) -> Pose {
    let [x, y, z] = normal;
    // SAFETY: plain arithmetic on values.
    let at = unsafe { px::phys_PxTransformFromPlaneEquation(&px::PxPlane_new_1(x, y, z, -offset)) };
    from_px(&at)
}

pub(super) fn to_px(pose: &Pose) -> px::PxTransform {
    let [x, y, z, w] = pose.q;
    px::PxTransform { q: px::PxQuat { x, y, z, w }, p: vector(pose.p) }
}

pub(super) fn from_px(at: &px::PxTransform) -> Pose {
    Pose { p: array(&at.p), q: [at.q.x, at.q.y, at.q.z, at.q.w] }
}

pub(super) fn vector([x, y, z]: [f32; 3]) -> px::PxVec3 {
    px::PxVec3 { x, y, z }
}

pub(super) fn array(v: &px::PxVec3) -> [f32; 3] {
    [v.x, v.y, v.z]
}

impl Drop for Shape {
    fn drop(&mut self) {
        let _making = construction();
        // SAFETY: we own one reference, and give it back once; actors hold their own.
        unsafe { px::PxShape_release_mut(self.as_ptr()) }
    }
}

// SAFETY: a shared shape is immutable once attached; its reference count is atomic.
unsafe impl Send for Shape {}
// SAFETY: as above; `&self` methods only read.
unsafe impl Sync for Shape {}
