//! Groups of bodies.

use std::collections::BTreeMap;

use super::{Checker, MAX_BODIES, MAX_COORDINATE_M, layout, shape, simulation};
use crate::model::{Job, Kinematic, Motion, Pin, RigidBodies, SoftBodies};
use crate::path::FieldPath;

/// Greatest speed at the start, m/s.
const MAX_SPEED_M_S: f32 = 1.0e4;

pub(super) fn check(c: &mut Checker, job: &Job) {
    let root = FieldPath::default();
    let mut names = BTreeMap::new();
    for (i, group) in job.soft_bodies.iter().enumerate() {
        let at = root.key("soft_bodies").index(i);
        c.name(at.key("name"), &group.name, &mut names);
        soft(c, &at, group, job);
    }
    for (i, group) in job.rigid_bodies.iter().enumerate() {
        let at = root.key("rigid_bodies").index(i);
        c.name(at.key("name"), &group.name, &mut names);
        rigid(c, &at, group);
    }
    for (list, count) in [("soft_bodies", job.soft_body_count()), ("rigid_bodies", job.rigid_body_count())] {
        if count > MAX_BODIES {
            c.wrong(root.key(list), format!("makes {count} bodies; at most {MAX_BODIES} are simulated"));
        }
    }
    if job.soft_bodies.is_empty() && job.rigid_bodies.is_empty() {
        let help = "add a group to `soft_bodies` or `rigid_bodies`";
        c.wrong_with_help(root, "the job has no bodies", help);
    }
}

fn soft(c: &mut Checker, at: &FieldPath, group: &SoftBodies, job: &Job) {
    shape::soft(c, &at.key("shape"), &group.shape);
    c.reference(at.key("material"), "material", &group.material, job.materials.keys().map(String::as_str));
    layout::check(c, at, &group.layout, group.count);
    layout::rotation(c, &at.key("rotation"), group.rotation);
    c.vector(&at.key("velocity_m_s"), group.velocity_m_s, MAX_SPEED_M_S);
    c.vector(&at.key("angular_velocity_rad_s"), group.angular_velocity_rad_s, MAX_SPEED_M_S);
    for (i, pin) in group.pinned.iter().enumerate() {
        let Pin::Box(pin) = pin;
        c.corners(&at.key("pinned").index(i).key("box"), pin.min_m, pin.max_m);
    }
}

fn rigid(c: &mut Checker, at: &FieldPath, group: &RigidBodies) {
    shape::rigid(c, &at.key("shape"), &group.shape);
    simulation::friction(c, &at.key("friction"), group.friction);
    c.within(at.key("restitution"), group.restitution, 0.0..=1.0);
    layout::check(c, at, &group.layout, group.count);
    layout::rotation(c, &at.key("rotation"), group.rotation);
    c.vector(&at.key("velocity_m_s"), group.velocity_m_s, MAX_SPEED_M_S);
    c.vector(&at.key("angular_velocity_rad_s"), group.angular_velocity_rad_s, MAX_SPEED_M_S);
    match &group.motion {
        Motion::Dynamic(dynamic) => {
            let at = at.key("motion").key("dynamic").key("density_kg_m3");
            c.positive(at, dynamic.density_kg_m3, 1.0e5);
            return;
        }
        Motion::Kinematic(script) => kinematic(c, &at.key("motion").key("kinematic"), script),
        Motion::Fixed => {}
    }
    let velocities = [("velocity_m_s", group.velocity_m_s), ("angular_velocity_rad_s", group.angular_velocity_rad_s)];
    for (field, velocity) in velocities {
        if velocity != [0.0; 3] {
            let help = "remove it, or make the motion `dynamic`";
            c.wrong_with_help(at.key(field), "only dynamic bodies have an initial velocity", help);
        }
    }
}

fn kinematic(c: &mut Checker, at: &FieldPath, script: &Kinematic) {
    let at_frames = at.key("keyframes");
    if script.keyframes.is_empty() {
        let help = "for a body that never moves write `motion: fixed`";
        c.wrong_with_help(at_frames.clone(), "is an empty list; expected at least one keyframe", help);
    }
    let mut last = None;
    for (i, frame) in script.keyframes.iter().enumerate() {
        let at = at_frames.index(i);
        c.within(at.key("time_s"), frame.time_s, 0.0..=1.0e9);
        if let Some(last) = last.filter(|&last| frame.time_s <= last) {
            let message = format!("must be later than the keyframe before, {} is not after {last}", frame.time_s);
            c.wrong(at.key("time_s"), message);
        }
        last = Some(frame.time_s);
        c.vector(&at.key("offset_m"), frame.offset_m, MAX_COORDINATE_M);
        layout::rotation(c, &at.key("rotation"), frame.rotation);
    }
    if script.repeat && script.keyframes.len() < 2 {
        c.wrong(at.key("repeat"), "needs at least two keyframes to repeat");
    }
}
