//! Time, contact, sleep and materials.

use super::{Checker, MAX_STEPS, MAX_SUBSTEPS};
use crate::model::{Friction, Job, Material, Time};
use crate::path::FieldPath;

pub(super) fn check(c: &mut Checker, job: &Job) {
    let root = FieldPath::default();
    c.identifier(root.key("name"), &job.name);
    c.vector(&root.key("gravity_m_s2"), job.gravity_m_s2, 1000.0);
    time(c, &root.key("time"), &job.time);

    let contact = root.key("contact");
    c.within_if(contact.key("exchanges"), job.contact.exchanges.fixed(), 1..=MAX_SUBSTEPS);
    if let (Some(exchanges), Some(substeps)) = (job.contact.exchanges.fixed(), job.time.substeps.fixed())
        && substeps < exchanges
        && exchanges <= MAX_SUBSTEPS
    {
        let message = format!("must not exceed `time.substeps`, {exchanges} is above {substeps}");
        c.wrong(contact.key("exchanges"), message);
    }
    c.positive(contact.key("margin_m"), job.contact.margin_m, 1.0);
    c.positive(contact.key("max_depenetration_m_s"), job.contact.max_depenetration_m_s, 1000.0);

    let sleep = root.key("sleep");
    c.positive(sleep.key("speed_m_s"), job.sleep.speed_m_s, 100.0);
    c.within(sleep.key("steps"), job.sleep.steps, 1..=1_000_000);

    for (name, material) in &job.materials {
        let at = root.key("materials").key(name);
        c.identifier(at.clone(), name);
        self::material(c, &at, material);
    }
}

fn time(c: &mut Checker, at: &FieldPath, time: &Time) {
    c.positive(at.key("step_s"), time.step_s, 1.0);
    c.within_if(at.key("substeps"), time.substeps.fixed(), 1..=MAX_SUBSTEPS);
    c.within_if(at.key("steps"), time.steps, 1..=MAX_STEPS);
    c.positive_if(at.key("duration_s"), time.duration_s, 1.0e9);
    match (time.steps, time.duration_s) {
        (Some(_), Some(_)) => {
            let help = "remove one; on the command line, `--set time.steps=null` does";
            c.wrong_with_help(at.key("duration_s"), "`steps` and `duration_s` are both given", help);
        }
        (None, None) => {
            let help = "add `steps: 600` or `duration_s: 10`";
            c.wrong_with_help(at.clone(), "neither `steps` nor `duration_s` is given", help);
        }
        (None, Some(duration)) if time.step_s > 0.0 && duration > 0.0 => {
            if duration < 0.5 * time.step_s {
                let message = format!("is shorter than half a step of {} s", time.step_s);
                c.wrong(at.key("duration_s"), message);
            }
            let steps = time.step_count();
            if steps > MAX_STEPS {
                c.wrong(at.key("duration_s"), format!("makes {steps} steps; at most {MAX_STEPS} are run"));
            }
        }
        _ => {}
    }
}

fn material(c: &mut Checker, at: &FieldPath, material: &Material) {
    c.positive(at.key("density_kg_m3"), material.density_kg_m3, 1.0e5);
    c.positive(at.key("young_pa"), material.young_pa, 1.0e12);
    if !(0.0..=0.49).contains(&material.poisson) {
        let message = format!("must be from 0 to 0.49, is {}", material.poisson);
        let help = "for a nearly incompressible material take 0.49; linear tetrahedra lock above it";
        c.wrong_with_help(at.key("poisson"), message, help);
    }
    c.within(at.key("damping_per_s"), material.damping_per_s, 0.0..=1.0e4);
    friction(c, &at.key("friction"), material.friction);
}

pub(super) fn friction(c: &mut Checker, at: &FieldPath, friction: Friction) {
    if friction.at_rest == friction.sliding {
        return c.within(at.clone(), friction.at_rest, 0.0..=10.0);
    }
    c.within(at.key("static"), friction.at_rest, 0.0..=10.0);
    c.within(at.key("dynamic"), friction.sliding, 0.0..=10.0);
    if friction.sliding > friction.at_rest {
        let message = format!("must not exceed `static`, {} is above {}", friction.sliding, friction.at_rest);
        c.wrong(at.key("dynamic"), message);
    }
}
