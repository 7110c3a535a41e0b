//! How each form is solved, and in how many substeps.

use std::sync::Arc;

use rankzero_job::{Job, MAX_SUBSTEPS, Solver};

use super::error::SceneError;
use super::plan::Form;

/// Substeps of a step at the least, where the job leaves it to us: contacts want them even where the material does not.
const SUBSTEPS_MIN: u32 = 6;

/// The same where a form is solved implicitly. Elasticity would do with fewer; but contacts come after its solve, and with less than this
/// the outermost elements of a stack tremble and never sleep.
const SUBSTEPS_MIN_IMPLICIT: u32 = 16;

/// A form that would need more sweeps a step than this is solved implicitly, where the job leaves it to us: an implicit substep costs
/// three to five sweeps, so that [`SUBSTEPS_MIN_IMPLICIT`] of them are cheaper from here on.
const SWEEPS_MAX: u32 = 60;

/// A form of more nodes is never solved implicitly unless the job says so: factoring its matrix takes seconds, and using it more
/// than the sweeps that it saves.
const IMPLICIT_NODES_MAX: usize = 2000;

/// Decides the substeps of a step and of an interval, and prepares the forms that are solved implicitly.
///
/// # Errors
/// [`SceneError`]: a material too stiff for the substeps asked or for any, exchanges that do not divide the substeps.
pub fn decide(job: &Job, forms: &mut [Form]) -> Result<(u32, u32), SceneError> {
    let needed: Vec<u32> = forms
        .iter()
        .map(|form| form.topology.material.substeps_needed(job.time.step_s, form.topology.altitude_min))
        .collect();
    let asked = job.time.substeps.fixed();
    let implicit: Vec<bool> = needed
        .iter()
        .zip(&*forms)
        .map(|(&needed, form)| match job.solver {
            Solver::Xpbd => false,
            Solver::Implicit => true,
            Solver::Auto => needed > SWEEPS_MAX && form.topology.layout.nodes <= IMPLICIT_NODES_MAX,
        })
        .collect();
    let swept = (0..forms.len()).filter(|&g| !implicit[g]);
    let stiffest = swept.max_by_key(|&g| needed[g]);
    let most = stiffest.map_or(1, |g| needed[g]);
    let exchanges = job.contact.exchanges.fixed();
    let substeps = match asked {
        Some(asked) if asked >= most => asked,
        None if most <= MAX_SUBSTEPS => {
            let least = if implicit.contains(&true) { SUBSTEPS_MIN_IMPLICIT } else { SUBSTEPS_MIN };
            most.max(least).next_multiple_of(exchanges.unwrap_or(1))
        }
        _ => return Err(too_stiff(job, stiffest.unwrap_or(0), most)),
    };
    // Contacts are stiffest when they are resolved in every substep.
    let exchanges = exchanges.unwrap_or(substeps);
    if exchanges > substeps || !substeps.is_multiple_of(exchanges) {
        let message = format!("{exchanges} exchanges do not divide the {substeps} substeps of a step");
        return Err(SceneError::new("contact.exchanges", message).help("choose a divisor, or auto"));
    }
    for (form, _) in forms.iter_mut().zip(implicit).filter(|(_, implicit)| *implicit) {
        Arc::make_mut(&mut form.topology).solve_implicitly(job.time.step_s / substeps as f32);
    }
    Ok((substeps, substeps / exchanges))
}

/// The refusal of group `g`, which needs `most` substeps.
fn too_stiff(job: &Job, g: usize, most: u32) -> SceneError {
    let (material, name) = (&job.soft_bodies[g].material, &job.soft_bodies[g].name);
    let implicit = "set solver to implicit, ";
    match job.time.substeps.fixed() {
        Some(asked) => {
            let message = format!(
                "{asked} substeps are too few for material `{material}` on the mesh of `{name}`, which needs {most}"
            );
            SceneError::new("time.substeps", message).help(format!(
                "{implicit}set time.substeps to auto or to {most} and more, lower materials.{material}.young_pa, or mesh it coarser"
            ))
        }
        None => {
            let message = format!(
                "material `{material}` on the mesh of `{name}` needs {most} substeps; at most {MAX_SUBSTEPS} are possible"
            );
            SceneError::new(format!("materials.{material}.young_pa"), message)
                .help(format!("{implicit}lower it, shorten time.step_s, or mesh the body coarser or more evenly"))
        }
    }
}
