//! The rigid world: canonical states on our side, PhysX behind them.

use super::build::{self, Fixed, Part};
use super::error::{Item, RigidError};
use super::height::HeightSurface;
use super::impulse;
use super::types::{MassProperties, Pose, RigidDesc, RigidState, StaticDesc};
use super::validate;
use crate::ffi::foundation::{self, Physics, pin_float_environment};
use crate::ffi::scene::Scene;

/// A convex hull as PhysX cooked it, in the body's own frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvexHull {
    /// Faces as `[nx, ny, nz, d]`, `n` of unit length and outward: inside, `n · x + d ≤ 0` for each of them. Metres.
    pub planes: Vec<[f32; 4]>,
    /// Metres.
    pub vertices: Vec<[f32; 3]>,
}

/// A scene of rigid bodies and statics.
///
/// It is `Send` and `Sync`: one thread at a time steps it, and between steps any number of threads may ask
/// [`overlap`](Self::overlap) and [`mesh_triangles`](Self::mesh_triangles) at once through `&self`.
#[derive(Debug)]
pub struct RigidWorld {
    physics: &'static Physics,
    gravity: [f32; 3],
    dt: f32,
    statics: Vec<Fixed>,
    parts: Vec<Part>,
    mass: Vec<MassProperties>,
    states: Vec<RigidState>,
    /// Targets set since the last step, by rigid index.
    targets: Vec<Option<Pose>>,
    scene: Scene,
}

impl RigidWorld {
    /// Builds a world: `gravity` in m/s², steps of `dt` seconds. Indices are positions in `statics` and `rigids`.
    ///
    /// # Errors
    /// [`RigidError::Invalid`] names the item and the field; [`RigidError::Refused`] carries PhysX's own words.
    pub fn new(gravity: [f32; 3], dt: f32, statics: &[StaticDesc], rigids: &[RigidDesc]) -> Result<Self, RigidError> {
        pin_float_environment();
        validate::finite(Item::World, "gravity", &gravity)?;
        validate::positive(Item::World, "dt", dt)?;
        if u32::try_from(rigids.len()).is_err() {
            return Err(RigidError::invalid(Item::World, "rigids", "are more than 2³²"));
        }
        let physics = foundation::ensure()?;
        let mut fixed = Vec::with_capacity(statics.len());
        for (i, desc) in statics.iter().enumerate() {
            fixed.push(build::fixed(physics, i, desc)?);
        }
        let mut parts = Vec::with_capacity(rigids.len());
        let mut states = Vec::with_capacity(rigids.len());
        for (i, desc) in rigids.iter().enumerate() {
            let (part, state) = build::part(physics, i, desc)?;
            parts.push(part);
            states.push(state);
        }
        let scene = build::scene(physics, gravity, &fixed, &parts, &states)?;
        let mass = parts.iter().enumerate().map(|(i, p)| mass_of(&scene, i, p)).collect();
        let targets = vec![None; parts.len()];
        Ok(RigidWorld { physics, gravity, dt, statics: fixed, parts, mass, states, targets, scene })
    }

    /// The number of rigid bodies.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// True if there is no rigid body.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The canonical states, by rigid index.
    pub fn states(&self) -> &[RigidState] {
        &self.states
    }

    /// Mass and inertia, by rigid index; zeros for kinematic bodies.
    pub fn mass_properties(&self) -> &[MassProperties] {
        &self.mass
    }

    /// True if rigid `i` is kinematic, false if it is dynamic or not there.
    pub fn is_kinematic(&self, i: usize) -> bool {
        self.parts.get(i).is_some_and(Part::is_kinematic)
    }

    /// The hull PhysX cooked for rigid `i`; `None` if its shape is no convex, or there is no such rigid.
    pub fn convex(&self, i: usize) -> Option<&ConvexHull> {
        self.parts.get(i)?.hull.as_ref()
    }

    /// The terrain of static `i`, to the bit as PhysX holds it; `None` if static `i` is no height field.
    pub fn height_surface(&self, i: usize) -> Option<&HeightSurface> {
        self.statics.get(i)?.surface.as_ref()
    }

    /// Where kinematic rigid `i` is to be at the end of the next step. Targets wait through a
    /// [`rebuild`](Self::rebuild), and the last one set before a step counts.
    ///
    /// # Errors
    /// [`RigidError::Misuse`] if there is no such rigid or it is dynamic; [`RigidError::Invalid`] for a bad pose.
    pub fn set_kinematic_target(&mut self, i: usize, pose: Pose) -> Result<(), RigidError> {
        let item = Item::Rigid(i);
        let part = self.parts.get(i).ok_or(RigidError::Misuse { item, problem: "there is no such rigid" })?;
        if !part.is_kinematic() {
            return Err(RigidError::Misuse { item, problem: "is dynamic; only kinematic rigids take targets" });
        }
        self.targets[i] = Some(validate::pose(item, &pose)?);
        Ok(())
    }

    /// Changes the velocity of dynamic rigid `i` at once by an impulse `linear` (N·s) through its centre of mass and
    /// `angular` (N·m·s) about it, both in the world frame. With `wake`, the body wakes and its time to rest starts
    /// anew. Without, an awake body goes on towards rest, and a sleeping body takes no notice: its supports hold it.
    ///
    /// # Errors
    /// [`RigidError::Misuse`] if there is no such rigid or it is kinematic; [`RigidError::Invalid`] if the impulse or
    /// the velocity it gives is not finite. The state is then as before.
    pub fn apply_impulse(
        &mut self,
        i: usize,
        linear: [f32; 3],
        angular: [f32; 3],
        wake: bool,
    ) -> Result<(), RigidError> {
        let item = Item::Rigid(i);
        let part = self.parts.get(i).ok_or(RigidError::Misuse { item, problem: "there is no such rigid" })?;
        if part.is_kinematic() {
            return Err(RigidError::Misuse { item, problem: "is kinematic; no impulse moves it" });
        }
        let state = &mut self.states[i];
        if state.asleep && !wake {
            return Ok(());
        }
        let now = (state.linear, state.angular);
        let (v, w) = impulse::applied(&state.pose, &self.mass[i], now, (linear, angular));
        validate::finite(item, "impulse", &v)?;
        validate::finite(item, "impulse", &w)?;
        state.wake_counter = self.scene.set_velocity(i, v, w, wake);
        (state.linear, state.angular, state.asleep) = (v, w, false);
        Ok(())
    }

    /// Advances the world by one step.
    ///
    /// # Errors
    /// [`RigidError::Step`] if PhysX reports a failure, [`RigidError::Diverged`] if a state is no longer finite. After
    /// either, only [`rebuild`](Self::rebuild) makes the world usable again.
    pub fn step(&mut self) -> Result<(), RigidError> {
        for (i, target) in self.targets.iter_mut().enumerate() {
            if let Some(pose) = target.take() {
                self.scene.set_target(i, &pose);
            }
        }
        self.scene.step(self.dt).map_err(|detail| RigidError::Step { detail })?;
        for (i, (part, state)) in self.parts.iter().zip(&mut self.states).enumerate() {
            self.scene.read(i, part.is_kinematic(), state);
        }
        match self.states.iter().position(|s| !s.is_finite()) {
            Some(rigid) => Err(RigidError::Diverged { rigid }),
            None => Ok(()),
        }
    }

    /// Makes `states` the state of the world: tears the PhysX scene down and builds it again in index order, with no
    /// history. Both sides of a resume must do it at the same step; then they go on with equal bits.
    ///
    /// # Errors
    /// [`RigidError::Invalid`] if a state is missing or not finite. The world is then as before.
    pub fn rebuild(&mut self, states: &[RigidState]) -> Result<(), RigidError> {
        if states.len() != self.parts.len() {
            let problem = format!("are {}; the world has {} rigids", states.len(), self.parts.len());
            return Err(RigidError::invalid(Item::World, "states", problem));
        }
        for (i, state) in states.iter().enumerate() {
            validate::state(i, state)?;
        }
        self.scene = build::scene(self.physics, self.gravity, &self.statics, &self.parts, states)?;
        self.states.copy_from_slice(states);
        Ok(())
    }

    /// The indices of all rigids, dynamic and kinematic, that meet the box from `min` to `max` (metres), ascending, in
    /// place of what `out` held. A box with a NaN or with `min > max` meets nothing.
    pub fn overlap(&self, min: [f32; 3], max: [f32; 3], out: &mut Vec<u32>) {
        out.clear();
        if let Some((centre, half)) = centre_and_half(min, max) {
            self.scene.overlap(centre, half, out);
            out.sort_unstable();
        }
    }

    /// The triangles of static `i` that meet the box from `min` to `max` (metres), by their index as given, ascending,
    /// in place of what `out` held. Empty if static `i` is no triangle mesh, or the box is as for
    /// [`overlap`](Self::overlap).
    pub fn mesh_triangles(&self, i: usize, min: [f32; 3], max: [f32; 3], out: &mut Vec<u32>) {
        out.clear();
        let mesh = self.statics.get(i).and_then(|s| s.mesh.as_ref());
        if let (Some(mesh), Some((centre, half))) = (mesh, centre_and_half(min, max)) {
            mesh.overlap(centre, half, out);
            out.sort_unstable();
        }
    }
}

fn mass_of(scene: &Scene, i: usize, part: &Part) -> MassProperties {
    if part.is_kinematic() {
        MassProperties { inv_mass: 0.0, inv_inertia: [0.0; 3], mass_pose: Pose::IDENTITY }
    } else {
        scene.mass_properties(i)
    }
}

/// The box about its centre, no smaller than given; a flat box gets some thickness, as PhysX wants one.
fn centre_and_half(min: [f32; 3], max: [f32; 3]) -> Option<([f32; 3], [f32; 3])> {
    let mut centre = [0.0; 3];
    let mut half = [0.0; 3];
    for i in 0..3 {
        if !(min[i] <= max[i] && min[i].is_finite() && max[i].is_finite()) {
            return None;
        }
        centre[i] = min[i] * 0.5 + max[i] * 0.5;
        let (low, high) = (centre[i] - min[i], max[i] - centre[i]);
        let larger = if low > high { low } else { high };
        half[i] = if larger > 1e-6 { larger } else { 1e-6 };
    }
    Some((centre, half))
}
