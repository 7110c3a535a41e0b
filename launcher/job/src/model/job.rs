//! The job itself, and the sections that shape the motion of every body.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AutoOr, Balance, Cost, Environment, FaultTolerance, Material, Metrics, Network, Output, RigidBodies, SlurmOptions,
    SoftBodies,
};

/// A simulation, whole: what exists, what it is made of, for how long it moves, and how the ranks run it.
///
/// The state after a step is a function of this alone. SI units; y points up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name of the job, for run directories and logs; letters, digits, `-` and `_`.
    pub name: String,
    /// Seed of everything random in the job. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// Acceleration of free fall, m/s². Default 9.81 downwards.
    #[serde(default = "Job::default_gravity")]
    pub gravity_m_s2: [f32; 3],
    /// How long, and in what steps.
    pub time: Time,
    /// How elasticity is solved.
    #[serde(default)]
    pub solver: Solver,
    /// Contacts between bodies.
    #[serde(default)]
    pub contact: Contact,
    /// When bodies at rest stop being computed.
    #[serde(default)]
    pub sleep: Sleep,
    /// Materials by name.
    #[serde(default)]
    pub materials: BTreeMap<String, Material>,
    /// Groups of soft bodies. Body ids follow the order of this list.
    #[serde(default)]
    pub soft_bodies: Vec<SoftBodies>,
    /// Groups of rigid bodies.
    #[serde(default)]
    pub rigid_bodies: Vec<RigidBodies>,
    /// What does not move.
    #[serde(default)]
    pub environment: Environment,
    /// How bodies are bundled into the unit that ranks own.
    #[serde(default)]
    pub batches: Batches,
    /// Worker threads of each rank. `auto`: the rank's share of the cores.
    #[serde(default)]
    pub threads_per_rank: AutoOr<u32>,
    /// How ranks reach each other.
    #[serde(default)]
    pub network: Network,
    /// Which rank owns which batch.
    #[serde(default)]
    pub balance: Balance,
    /// What is kept for the case that ranks die.
    #[serde(default)]
    pub fault_tolerance: FaultTolerance,
    /// Measurement and alerts.
    #[serde(default)]
    pub metrics: Metrics,
    /// What is written.
    #[serde(default)]
    pub output: Output,
    /// What the machine costs.
    #[serde(default)]
    pub cost: Cost,
    /// What `rankzero submit` asks of Slurm.
    #[serde(default)]
    pub slurm: SlurmOptions,
}

impl Job {
    fn default_gravity() -> [f32; 3] {
        [0.0, -9.81, 0.0]
    }

    /// Number of soft bodies, over all groups.
    pub fn soft_body_count(&self) -> u64 {
        self.soft_bodies.iter().map(SoftBodies::body_count).fold(0, u64::saturating_add)
    }

    /// Number of rigid bodies, over all groups.
    pub fn rigid_body_count(&self) -> u64 {
        self.rigid_bodies.iter().map(RigidBodies::body_count).fold(0, u64::saturating_add)
    }
}

/// How long the simulation runs, and in what steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Time {
    /// Length of a step in simulated seconds; above 0, at most 1. Default 1/60, the rate of a screen.
    pub step_s: f32,
    /// Number of steps. Give this or `duration_s`.
    pub steps: Option<u64>,
    /// Simulated time in seconds, rounded to whole steps. Give this or `steps`.
    pub duration_s: Option<f32>,
    /// Solver substeps per step, 1 to 1000. `auto`: from stiffness, density and mesh size.
    pub substeps: AutoOr<u32>,
}

impl Default for Time {
    fn default() -> Self {
        Self { step_s: 1.0 / 60.0, steps: None, duration_s: None, substeps: AutoOr::Auto }
    }
}

impl Time {
    /// Number of steps: `steps`, or `duration_s` over `step_s` to the nearest whole step and at least one. 0 where neither is given.
    pub fn step_count(&self) -> u64 {
        match (self.steps, self.duration_s) {
            (Some(steps), _) => steps,
            (None, Some(duration)) => steps_in(f64::from(duration), self.step_s),
            (None, None) => 0,
        }
    }
}

/// `seconds` in steps of `step_s`, to the nearest whole step and at least one.
pub(crate) fn steps_in(seconds: f64, step_s: f32) -> u64 {
    let steps = libm::round(seconds / f64::from(step_s));
    // A cast from float saturates, so that nonsense becomes a large number, which validation refuses.
    (steps as u64).max(1)
}

/// How elasticity is solved in a substep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Each group by what is cheaper for it: `xpbd`, or `implicit` where it is so stiff that the other would need many substeps.
    #[default]
    Auto,
    /// Extended position-based dynamics: a sweep over the elements. Cheapest for soft bodies; needs substeps in proportion to the
    /// square root of the stiffness.
    Xpbd,
    /// An implicit step over all nodes at once. Right at any stiffness with few substeps; damps fast vibrations.
    Implicit,
}

/// Contacts between bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    /// How many times per step bodies learn of each other's surfaces, 1 to the number of substeps, which it must divide. `auto`: in every
    /// substep, where contacts are stiffest.
    pub exchanges: AutoOr<u32>,
    /// Distance at which surfaces begin to touch, in metres; above 0. Default 0.005.
    pub margin_m: f32,
    /// Greatest speed at which overlapping bodies are pushed apart, m/s; above 0. Default 3, so that an overlap never explodes.
    pub max_depenetration_m_s: f32,
}

impl Default for Contact {
    fn default() -> Self {
        Self { exchanges: AutoOr::Auto, margin_m: 0.005, max_depenetration_m_s: 3.0 }
    }
}

/// When a body at rest stops being computed. A touch wakes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sleep {
    /// Whether bodies sleep at all. Default yes.
    pub enabled: bool,
    /// A body is quiet while the root mean square of its nodes' speeds is below this, in m/s, and no node is faster than 5 times
    /// this. Default 0.02.
    pub speed_m_s: f32,
    /// For how many steps in a row; at least 1. Default 30, half a second at the default step.
    pub steps: u32,
}

impl Default for Sleep {
    fn default() -> Self {
        Self { enabled: true, speed_m_s: 0.02, steps: 30 }
    }
}

/// How bodies are bundled into batches, the unit that a rank owns. Never depends on the number of ranks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Batches {
    /// Soft bodies per batch; at least 1. `auto`: from the number of bodies and their size.
    pub bodies: AutoOr<u32>,
}
