//! Rigid bodies and the environment of a job, as PhysX takes them.

use rankzero_job::{Friction, Job, Kinematic, Motion, RigidBodies, RigidShape};
use rankzero_physx::rigid::{Material, Motion as PhysxMotion, Pose, RigidDesc, Shape, StaticDesc, StaticShape};
use rankzero_soft::quat::{multiply, rotate};
use rankzero_soft::vec3::add;

use super::assets::Assets;
use super::error::SceneError;
use super::plan::{RigidPlan, Script};

/// The rigid bodies of a job, by id: group by group.
///
/// # Errors
/// [`SceneError`] where a random layout is too small.
pub fn rigids(job: &Job, assets: &Assets) -> Result<Vec<RigidPlan>, SceneError> {
    let mut plans = Vec::new();
    for (g, group) in job.rigid_bodies.iter().enumerate() {
        let (shape, turn) = shape(group, &assets.convex[g]);
        let places =
            job.rigid_placements(g).map_err(|e| SceneError::new(format!("rigid_bodies[{g}].layout"), e.to_string()))?;
        for place in places {
            let pose = Pose { p: place.position_m, q: place.rotation };
            let motion = match &group.motion {
                Motion::Dynamic(dynamic) => PhysxMotion::Dynamic {
                    density: dynamic.density_kg_m3,
                    linear: group.velocity_m_s,
                    angular: group.angular_velocity_rad_s,
                },
                Motion::Fixed | Motion::Kinematic(_) => PhysxMotion::Kinematic,
            };
            let script = match &group.motion {
                Motion::Kinematic(kinematic) => Some(script(kinematic, &pose, turn)),
                _ => None,
            };
            let start = script.as_ref().map_or(Pose { p: pose.p, q: multiply(pose.q, turn) }, |s| s.pose(0.0));
            let material = material(group.friction, group.restitution);
            let desc = RigidDesc { shape: shape.clone(), pose: start, motion, material };
            let colour = group.colour.map_or([0xb8, 0xbc, 0xc4], |c| c.0);
            plans.push(RigidPlan { desc, script, group: g as u32, colour });
        }
    }
    Ok(plans)
}

/// The shape, and the turn that takes PhysX's frame of it into the job's: capsules stand along y here, along x there.
fn shape(group: &RigidBodies, points: &[[f32; 3]]) -> (Shape, [f32; 4]) {
    let none = Pose::IDENTITY.q;
    match &group.shape {
        RigidShape::Box(b) => (Shape::Box { half: b.size_m.map(|s| 0.5 * s) }, none),
        RigidShape::Sphere(s) => (Shape::Sphere { radius: s.radius_m }, none),
        RigidShape::Capsule(c) => {
            let upright = rankzero_job::Rotation { axis: [0.0, 0.0, 1.0], degrees: 90.0 }.quaternion();
            (Shape::Capsule { radius: c.radius_m, half_height: c.half_height_m }, upright)
        }
        RigidShape::Convex(_) => (Shape::Convex { points: points.to_vec() }, none),
    }
}

fn script(kinematic: &Kinematic, place: &Pose, turn: [f32; 4]) -> Script {
    let keyframe = |k: &rankzero_job::Keyframe| {
        let p = add(place.p, rotate(place.q, k.offset_m));
        (k.time_s, Pose { p, q: multiply(multiply(place.q, k.rotation.quaternion()), turn) })
    };
    Script { keyframes: kinematic.keyframes.iter().map(keyframe).collect(), repeat: kinematic.repeat }
}

fn material(friction: Friction, restitution: f32) -> Material {
    Material { static_friction: friction.at_rest, dynamic_friction: friction.sliding, restitution }
}

/// The environment of a job: planes, then the height field, then triangle meshes.
pub fn statics(job: &Job, assets: &Assets) -> Vec<StaticDesc> {
    let environment = &job.environment;
    let mut out: Vec<StaticDesc> = environment
        .planes
        .iter()
        .map(|plane| StaticDesc {
            shape: StaticShape::Plane { normal: plane.normal, offset: plane.offset_m },
            material: material(plane.friction, 0.0),
        })
        .collect();
    out.extend(environment.height_field.iter().map(|field| StaticDesc {
        shape: StaticShape::HeightField {
            rows: field.rows,
            columns: field.columns,
            spacing: [field.spacing_m; 2],
            origin: field.corner_m(),
            heights: field.heights_m(),
        },
        material: material(field.friction, 0.0),
    }));
    out.extend(environment.triangle_meshes.iter().zip(&assets.surfaces).map(|(mesh, surface)| {
        let q = mesh.rotation.quaternion();
        let points = surface.points.iter().map(|&p| add(mesh.position_m, rotate(q, p))).collect();
        let shape = StaticShape::TriangleMesh { points, triangles: surface.triangles.clone() };
        StaticDesc { shape, material: material(mesh.friction, 0.0) }
    }));
    out
}
