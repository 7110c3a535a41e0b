//! The scenes of the solver suite, as every engine gets them.

use std::path::Path;
use std::sync::Arc;

use rankzero::scene::{Assets, Scene, build};
use rankzero_job::{Job, Overrides};
use rankzero_physx::cook::Cache;
use rankzero_physx::rigid::StaticShape;

use crate::error::BenchError;

/// Young's modulus of all bodies, Pa.
pub const YOUNG: f64 = 5e4;
/// Density of all bodies, kg/m³.
pub const DENSITY: f64 = 100.0;
/// Acceleration of free fall, m/s².
pub const GRAVITY: f64 = 9.81;
/// Steps of a second.
pub const RATE: u64 = 60;

/// The material of all bodies, but for its stiffness and damping.
const SOFT: &str = "density_kg_m3: 100, poisson: 0.3, friction: 0.5";
/// The same with its stiffness.
const MATERIAL: &str = "density_kg_m3: 100, young_pa: 5.0e4, poisson: 0.3, friction: 0.5";

/// A scene: its job, and its meshes as rankzero cooked them.
#[derive(Clone, Debug)]
pub struct World {
    name: String,
    text: String,
    assets: Assets,
    /// As rankzero simulates it with the substeps of the job. All bodies have one mesh.
    pub scene: Arc<Scene>,
}

impl World {
    /// From the text of a job. Meshes are named by whole paths.
    ///
    /// # Errors
    /// [`BenchError::Job`] where rankzero refuses it.
    pub fn new(name: &str, text: String) -> Result<Self, BenchError> {
        let assets = Assets::load(&job(name, &text, None)?, &Cache::disabled()).map_err(refused(name))?;
        let scene = scene(name, &text, &assets, None)?;
        Ok(Self { name: name.to_owned(), text, assets, scene })
    }

    /// The scene with another number of substeps.
    ///
    /// # Errors
    /// [`BenchError::Job`] where that is too few.
    pub fn scene_with(&self, substeps: u32) -> Result<Arc<Scene>, BenchError> {
        scene(&self.name, &self.text, &self.assets, Some(substeps))
    }

    /// The same with the job's `solver` set.
    ///
    /// # Errors
    /// [`BenchError::Job`] where there is no such solver.
    pub fn solved_by(&self, solver: &str) -> Result<Self, BenchError> {
        Self::new(&self.name, format!("{}solver: {solver}\n", self.text))
    }

    /// Number of bodies.
    pub fn bodies(&self) -> u32 {
        self.scene.bodies.len() as u32
    }

    /// Tetrahedra of all bodies.
    pub fn tets(&self) -> f64 {
        (0..self.bodies()).map(|body| self.scene.topology(body).tets.len() as f64).sum()
    }

    /// The planes of the environment: unit normal, and offset in m.
    pub fn planes(&self) -> Vec<([f32; 3], f32)> {
        let plane = |shape: &StaticShape| match *shape {
            StaticShape::Plane { normal, offset } => Some((normal, offset)),
            _ => None,
        };
        self.scene.statics.iter().filter_map(|fixed| plane(&fixed.shape)).collect()
    }
}

fn refused<E: ToString>(name: &str) -> impl Fn(E) -> BenchError {
    move |what| BenchError::Job { job: name.to_owned(), what: what.to_string() }
}

fn job(name: &str, text: &str, substeps: Option<u32>) -> Result<Job, BenchError> {
    let set = Overrides::from_set(substeps.map(|n| format!("time.substeps={n}")));
    Ok(rankzero_job::parse(text, name, &set).map_err(refused(name))?.job)
}

fn scene(name: &str, text: &str, assets: &Assets, substeps: Option<u32>) -> Result<Arc<Scene>, BenchError> {
    Ok(Arc::new(build(&job(name, text, substeps)?, assets).map_err(refused(name))?))
}

/// `side`² cubes of 1 m, 5 × 5 × 5 nodes and 384 tetrahedra, that fall 0.5 m onto a plane and never meet.
///
/// # Errors
/// As [`World::new`].
pub fn cubes(side: u32) -> Result<World, BenchError> {
    let shape = "box: { size_m: [1, 1, 1], cells: [4, 4, 4] }";
    World::new("cubes", fallen(shape, 1.0, 2.0, side, 0.0, false))
}

/// As [`cubes`], on the plane from the start and damped; `sleep` allows them to sleep.
///
/// # Errors
/// As [`World::new`].
pub fn resting_cubes(side: u32, sleep: bool) -> Result<World, BenchError> {
    let shape = "box: { size_m: [1, 1, 1], cells: [4, 4, 4] }";
    World::new("rest", fallen(shape, 0.5, 2.0, side, 8.0, sleep))
}

/// `side`² bodies of a surface file of about 1 m across, cooked to voxels, that fall onto a plane and never meet.
///
/// # Errors
/// As [`World::new`].
pub fn figures(file: &Path, side: u32) -> Result<World, BenchError> {
    let file = serde_json::Value::from(file.display().to_string());
    let shape = format!("mesh: {{ file: {file}, tetrahedra: {{ voxel: {{ resolution: 6 }} }} }}");
    World::new("figures", fallen(&shape, 1.2, 3.0, side, 0.0, false))
}

fn fallen(shape: &str, height: f64, spacing: f64, side: u32, damping: f64, sleep: bool) -> String {
    format!(
        "name: fall
time: {{ steps: 600, substeps: 10 }}
sleep: {{ enabled: {sleep} }}
materials: {{ soft: {{ {MATERIAL}, damping_per_s: {damping} }} }}
soft_bodies:
  - name: bodies
    shape: {{ {shape} }}
    material: soft
    layout: {{ grid: {{ origin_m: [0, {height}, 0], spacing_m: [{spacing}, 1, {spacing}], cells: [{side}, 1, {side}] }} }}
environment: {{ planes: [{{ friction: 0.5 }}] }}
"
    )
}

/// Length of the bars of [`bars`], m.
pub const BAR: f64 = 1.0;

/// Young's modulus of [`beam`], Pa.
pub const BEAM_YOUNG: f64 = 4e6;
/// Density of [`beam`], kg/m³.
pub const BEAM_DENSITY: f64 = 500.0;
/// Steps after which [`beam`] rests: its swing has fallen to `e⁻¹²`.
pub const BEAM_STEPS: u64 = 3 * RATE;

/// `side`² bars of 1 m and 96 tetrahedra that hang by their upper ends and are let go at once; `damping` in 1/s.
///
/// # Errors
/// As [`World::new`].
pub fn bars(side: u32, damping: f64) -> Result<World, BenchError> {
    World::new("bars", hung(side, YOUNG, damping))
}

/// One of [`bars`], a tenth as stiff and without damping, so that it swings by a fifth of its length.
///
/// # Errors
/// As [`World::new`].
pub fn soft_bar() -> Result<World, BenchError> {
    World::new("bar", hung(1, 0.1 * YOUNG, 0.0))
}

fn hung(side: u32, young: f64, damping: f64) -> String {
    format!(
        "name: bars
time: {{ steps: 600, substeps: 10 }}
sleep: {{ enabled: false }}
materials: {{ soft: {{ {SOFT}, young_pa: {young:e}, damping_per_s: {damping} }} }}
soft_bodies:
  - name: bars
    shape: {{ box: {{ size_m: [0.5, {BAR}, 0.5], cells: [2, 4, 2] }} }}
    material: soft
    layout: {{ grid: {{ origin_m: [0, 2, 0], spacing_m: [2, 1, 2], cells: [{side}, 1, {side}] }} }}
    pinned: [{{ box: {{ min_m: [-1, 0.499, -1], max_m: [1, 0.501, 1] }} }}]
"
    )
}

/// A bar of 1 × 0.2 × 0.2 m of so many `cells`, clamped at one end, that bends under its own weight and comes to rest.
///
/// Its material is [`BEAM_YOUNG`] and [`BEAM_DENSITY`] with ν = 0.3. Substeps are as many as the job's solver takes by itself.
///
/// # Errors
/// As [`World::new`].
pub fn beam(cells: [u32; 3]) -> Result<World, BenchError> {
    let text = format!(
        "name: beam
time: {{ steps: {BEAM_STEPS} }}
sleep: {{ enabled: false }}
materials: {{ gum: {{ density_kg_m3: {BEAM_DENSITY}, young_pa: {BEAM_YOUNG:e}, poisson: 0.3, damping_per_s: 8 }} }}
soft_bodies:
  - name: beam
    shape: {{ box: {{ size_m: [1, 0.2, 0.2], cells: {cells:?} }} }}
    material: gum
    pinned: [{{ box: {{ min_m: [-0.51, -1, -1], max_m: [-0.499, 1, 1] }} }}]
"
    );
    World::new("beam", text)
}

/// `side`² × `layers` cubes of 0.5 m and 48 tetrahedra that fall together into a pit, crosswise turned, until they lie on each other.
///
/// # Errors
/// As [`World::new`].
pub fn heap(side: u32, layers: u32) -> Result<World, BenchError> {
    let (spacing, half) = (0.6, 0.3 * f64::from(side) + 0.05);
    let first = -0.5 * spacing * f64::from(side - 1);
    let text = format!(
        "name: heap
time: {{ steps: 600, substeps: 10 }}
sleep: {{ enabled: false }}
materials: {{ soft: {{ {MATERIAL}, damping_per_s: 2 }} }}
soft_bodies:
  - name: cubes
    shape: {{ box: {{ size_m: [0.5, 0.5, 0.5], cells: [2, 2, 2] }} }}
    material: soft
    rotation: {{ axis: [0, 1, 0], degrees: 10 }}
    layout:
      grid:
        origin_m: [{first}, 0.4, {first}]
        spacing_m: [{spacing}, {spacing}, {spacing}]
        cells: [{side}, {layers}, {side}]
environment:
  planes:
    - {{ friction: 0.5 }}
    - {{ normal: [1, 0, 0], offset_m: -{half} }}
    - {{ normal: [-1, 0, 0], offset_m: -{half} }}
    - {{ normal: [0, 0, 1], offset_m: -{half} }}
    - {{ normal: [0, 0, -1], offset_m: -{half} }}
"
    );
    World::new("heap", text)
}
