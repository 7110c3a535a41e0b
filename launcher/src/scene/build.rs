//! Putting the scene together.

use std::sync::Arc;

use rankzero_frames::candy;
use rankzero_job::{Job, PinBox, SoftBodies};
use rankzero_mesh::CookedMesh;
use rankzero_soft::contact::Law;
use rankzero_soft::rule::{SleepRule, StepRule};
use rankzero_soft::{Friction, Material, RestMesh, Topology};

use super::assets::Assets;
use super::batches;
use super::error::SceneError;
use super::plan::{BodyPlan, DrawnSkin, Form, Scene};
use super::{rigid, solver};

/// Steps between rebuilds of the PhysX scene. Part of the law: changing it changes results of scenes with rigid bodies.
const REBUILD_STEPS: u64 = 16;
/// No scene's state may be larger, bytes.
const STATE_BYTES_MAX: u64 = 4 << 30;

/// What a group of soft bodies comes to.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its bodies.
    pub bodies: u64,
    /// Nodes of each.
    pub nodes: usize,
    /// Tetrahedra of each.
    pub tets: usize,
    /// Smallest altitude of a tetrahedron, m.
    pub altitude_min: f32,
    /// Substeps that its stiffness needs, where it is not solved implicitly.
    pub substeps_needed: u32,
    /// Whether it is solved implicitly.
    pub implicit: bool,
}

/// What each group of soft bodies of a built scene comes to.
pub fn groups(job: &Job, scene: &Scene) -> Vec<Group> {
    let group = |(g, group): (&SoftBodies, &Form)| {
        let topology = &group.topology;
        Group {
            name: g.name.clone(),
            bodies: g.body_count(),
            nodes: topology.layout.nodes,
            tets: topology.tets.len(),
            altitude_min: topology.altitude_min,
            substeps_needed: topology.material.substeps_needed(scene.rule.step, topology.altitude_min),
            implicit: topology.is_implicit(),
        }
    };
    job.soft_bodies.iter().zip(&scene.forms).map(group).collect()
}

/// Builds the scene of a valid job.
///
/// # Errors
/// [`SceneError`]: a mesh that cannot be simulated, a material too stiff for the substeps asked, exchanges that do not divide
/// the substeps, a layout that is too small, a state that is too large.
pub fn build(job: &Job, assets: &Assets) -> Result<Scene, SceneError> {
    let mut forms = Vec::new();
    for (g, (group, mesh)) in job.soft_bodies.iter().zip(&assets.soft).enumerate() {
        forms.push(form(job, g, group, mesh)?);
    }
    let (substeps, per_interval) = solver::decide(job, &mut forms)?;
    let bodies = bodies(job)?;
    let positions: Vec<[f32; 3]> = bodies.iter().map(|b| b.position).collect();
    let size = job.batches.bodies.or(batches::auto_size(bodies.len()) as u32);
    let sleep =
        SleepRule { speed: job.sleep.speed_m_s, steps: if job.sleep.enabled { job.sleep.steps } else { u32::MAX } };
    let rule = StepRule {
        step: job.time.step_s,
        substeps,
        per_interval,
        gravity: job.gravity_m_s2,
        margin: job.contact.margin_m,
        recovery_speed_max: job.contact.max_depenetration_m_s,
        sleep,
    };
    let scene = Scene {
        steps: job.time.step_count(),
        law: Law { interval: rule.interval(), recovery_speed_max: job.contact.max_depenetration_m_s },
        rule,
        batches: batches::cut(&batches::beside(&positions, job.gravity_m_s2), size as usize),
        forms,
        bodies,
        statics: rigid::statics(job, assets),
        rigids: rigid::rigids(job, assets)?,
        rebuild_steps: REBUILD_STEPS,
    };
    if let Some(i) = job.balance.moves.iter().position(|m| m.batch as usize >= scene.batches.len()) {
        let message = format!("there is no batch {}: the job has {}", job.balance.moves[i].batch, scene.batches.len());
        return Err(
            SceneError::new(format!("balance.moves[{i}].batch"), message).help("`rankzero check` tells how many")
        );
    }
    if scene.state_bytes() > STATE_BYTES_MAX {
        let message = format!(
            "the bodies' state is {:.1} GiB; at most {} GiB can be simulated",
            scene.state_bytes() as f64 / (1u64 << 30) as f64,
            STATE_BYTES_MAX >> 30
        );
        return Err(
            SceneError::new("soft_bodies", message).help("lower the counts, or raise edge_m for coarser meshes")
        );
    }
    Ok(scene)
}

fn form(job: &Job, g: usize, group: &SoftBodies, mesh: &CookedMesh) -> Result<Form, SceneError> {
    let path = format!("soft_bodies[{g}]");
    let material = &job.materials[&group.material];
    let material = Material {
        density: material.density_kg_m3,
        young: material.young_pa,
        poisson: material.poisson,
        damping: material.damping_per_s,
        friction: Friction { static_: material.friction.at_rest, dynamic: material.friction.sliding },
    };
    let boundary = mesh.tets.boundary();
    let rest = RestMesh { points: &mesh.tets.points, tets: &mesh.tets.tets, surface: &boundary };
    let held =
        |node: usize| group.pinned.iter().any(|rankzero_job::Pin::Box(pin)| pin_holds(pin, mesh.tets.points[node]));
    let topology =
        Topology::new(rest, material, held).map_err(|e| SceneError::new(format!("{path}.shape"), e.to_string()))?;
    for (p, rankzero_job::Pin::Box(pin)) in group.pinned.iter().enumerate() {
        if !mesh.tets.points.iter().any(|&x| pin_holds(pin, x)) {
            return Err(SceneError::new(format!("{path}.pinned[{p}]"), "no node of the body lies in this box")
                .help("boxes are in the body's own frame, before rotation and placement, in metres"));
        }
    }
    let mut solver_node = vec![0; topology.mesh_node.len()];
    for (s, &m) in topology.mesh_node.iter().enumerate() {
        solver_node[m as usize] = s as u32;
    }
    let skin = mesh.skin.as_ref().map(|skin| {
        let tets = mesh.tets.tets.iter().map(|t| t.map(|n| solver_node[n as usize])).collect();
        Arc::new(DrawnSkin { skin: skin.clone(), tets })
    });
    Ok(Form { topology: Arc::new(topology), skin })
}

fn pin_holds(pin: &PinBox, x: [f32; 3]) -> bool {
    (0..3).all(|k| pin.min_m[k] <= x[k] && x[k] <= pin.max_m[k])
}

fn bodies(job: &Job) -> Result<Vec<BodyPlan>, SceneError> {
    let mut plans = Vec::new();
    for (g, group) in job.soft_bodies.iter().enumerate() {
        let places =
            job.soft_placements(g).map_err(|e| SceneError::new(format!("soft_bodies[{g}].layout"), e.to_string()))?;
        for place in places {
            plans.push(BodyPlan {
                form: g as u32,
                group: g as u32,
                position: place.position_m,
                rotation: place.rotation,
                velocity: group.velocity_m_s,
                angular: group.angular_velocity_rad_s,
                priority: group.priority,
                colour: group.colour.map_or_else(|| candy(plans.len() as u32), |c| c.0),
            });
        }
    }
    Ok(plans)
}
