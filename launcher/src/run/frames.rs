//! Frames: what the bodies look like, written by each rank for its own, listed by the master.

use std::path::Path;

use rankzero_comm::{Fabric, Rank};
use rankzero_frames::{BodyLook, Collection, FrameDir, Kind, Stamp, Surface, Volume};
use rankzero_job::{FrameGeometry, Job};
use rankzero_physx::rigid::{Pose, Shape, StaticShape};
use rankzero_soft::quat::rotate;
use rankzero_soft::vec3::{Vec3, add, add_scaled, cross, normalized, scale};

use super::error::RunError;
use crate::engine::Engine;
use crate::scene::Scene;
use crate::shapes;

/// The colour of the ground.
const SAND: [u8; 3] = [0xe9, 0xc9, 0x9e];
/// The half width of the square by which a plane is drawn, m, beyond the bodies' starting box.
const PLANE_BEYOND: f32 = 4.0;

/// The writer of frames.
pub struct Frames {
    dir: FrameDir,
    collection: Collection,
    every: u64,
    geometry: FrameGeometry,
    step_s: f64,
    has_static: bool,
    surface: Surface,
    volume: Volume,
    /// Frames written.
    pub count: u64,
}

impl Frames {
    /// Prepares `frames/`; rank 0 writes what never moves. `None` where the job wants no frames.
    ///
    /// # Errors
    /// [`RunError::Frame`] where the disk refuses.
    pub fn new(job: &Job, scene: &Scene, run_dir: &Path, rank: Rank) -> Result<Option<Self>, RunError> {
        let Some(every) = job.output.frames.interval_steps(job.time.step_s) else { return Ok(None) };
        let dir = FrameDir::create(run_dir)?;
        let mut environment = Surface::new();
        for desc in &scene.statics {
            let (points, triangles) = static_surface(&desc.shape, scene);
            let look = BodyLook { kind: Kind::Static, colour: SAND, ..Default::default() };
            environment.append_body(&look, &flat(&points), &[], &triangles)?;
        }
        let has_static = environment.point_count() > 0;
        if has_static && rank == Rank(0) {
            dir.write_static(&environment)?;
        }
        Ok(Some(Self {
            // Not empty where a checkpoint of the same run directory is restored.
            collection: dir.read_collection().unwrap_or_default(),
            dir,
            every,
            geometry: job.output.frames.geometry,
            step_s: f64::from(job.time.step_s),
            has_static,
            surface: Surface::new(),
            volume: Volume::new(),
            count: 0,
        }))
    }

    /// Whether a frame is due after `step` steps.
    pub fn due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Writes this rank's part of a frame; the master lists it and adds the rigid bodies.
    ///
    /// # Errors
    /// [`RunError::Frame`] where the disk refuses.
    pub fn write<F: Fabric>(&mut self, engine: &Engine<F>) -> Result<(), RunError> {
        let step = engine.steps_done();
        let stamp = Stamp { step, time_s: step as f64 * self.step_s };
        let scene = engine.scene().clone();
        let rank = engine.rank();
        self.surface.clear();
        self.volume.clear();
        for id in engine.own_ids() {
            let look = BodyLook {
                body: id,
                kind: Kind::Soft,
                colour: scene.bodies[id as usize].colour,
                rank: rank.0,
                batch: engine.batch_of()[id as usize],
            };
            self.soft(&scene, id, &engine.state(id), &look)?;
        }
        if engine.is_master() {
            self.rigids(engine, &scene)?;
        }
        self.dir.write_surface(stamp, rank.0, &self.surface)?;
        if self.geometry == FrameGeometry::Volume {
            self.dir.write_volume(stamp, rank.0, &self.volume)?;
        }
        // Every rank keeps the list, as any may have to go on with it.
        let master = engine.master().0;
        let mut ranks: Vec<u32> = engine.ownership().batches().iter().map(|r| r.0).chain([master]).collect();
        ranks.sort_unstable();
        ranks.dedup();
        self.collection.add_frame(stamp, &ranks, self.has_static);
        if engine.is_master() {
            self.dir.write_collection(&self.collection)?;
        }
        self.count += 1;
        Ok(())
    }

    /// Goes back to the end of `step` steps: later frames will be written again.
    pub fn rewind(&mut self, step: u64) {
        self.collection.truncate_after((step as f64 + 0.5) * self.step_s);
        let kept = self.collection.data_sets().iter().map(|part| part.time_s.to_bits());
        self.count = kept.collect::<std::collections::BTreeSet<_>>().len() as u64;
    }

    /// Removes the files of frames later than `step` steps: they will be written again, maybe by other ranks. Nobody writes meanwhile.
    ///
    /// # Errors
    /// [`RunError::Frame`] where the disk refuses.
    pub fn forget_after(&mut self, step: u64) -> Result<(), RunError> {
        Ok(self.dir.remove_after(step)?)
    }

    fn soft(&mut self, scene: &Scene, id: u32, state: &[u32], look: &BodyLook) -> Result<(), RunError> {
        let form = &scene.forms[scene.bodies[id as usize].form as usize];
        let layout = form.topology.layout;
        let words: Vec<f32> = state.iter().map(|w| f32::from_bits(*w)).collect();
        let (x, v) = (&words[layout.positions()], &words[layout.velocities()]);
        match &form.skin {
            None => {
                let n = 3 * layout.surface;
                self.surface.append_body(look, &x[..n], &v[..n], &form.topology.triangles)?;
            }
            Some(drawn) => {
                let mixed = |flat: &[f32]| -> Vec<f32> {
                    let points = drawn.skin.embedding.iter().flat_map(|(tet, weights)| {
                        let nodes = drawn.tets[*tet as usize];
                        let at = |n: u32| rankzero_soft::vec3::at(flat, n as usize);
                        (0..4).fold([0.0; 3], |sum, k| add_scaled(sum, at(nodes[k]), weights[k]))
                    });
                    points.collect()
                };
                self.surface.append_body(look, &mixed(x), &mixed(v), &drawn.skin.triangles)?;
            }
        }
        if self.geometry == FrameGeometry::Volume {
            let tets: Vec<[u32; 4]> = form.topology.tets.iter().map(|t| t.nodes).collect();
            self.volume.append_body(look, x, v, &tets)?;
        }
        Ok(())
    }

    fn rigids<F: Fabric>(&mut self, engine: &Engine<F>, scene: &Scene) -> Result<(), RunError> {
        for (i, (plan, state)) in scene.rigids.iter().zip(engine.rigids().states()).enumerate() {
            let (local, triangles) = rigid_surface(&plan.desc.shape, engine.rigids().hull(i));
            let Pose { p, q } = state.pose;
            let points: Vec<Vec3> = local.iter().map(|&x| add(p, rotate(q, x))).collect();
            let body = (scene.bodies.len() + i) as u32;
            let look = BodyLook { body, kind: Kind::Rigid, colour: plan.colour, ..Default::default() };
            self.surface.append_body(&look, &flat(&points), &[], &triangles)?;
        }
        Ok(())
    }
}

fn flat(points: &[Vec3]) -> Vec<f32> {
    points.iter().flatten().copied().collect()
}

fn rigid_surface(shape: &Shape, hull: Option<(&[[f32; 4]], &[Vec3])>) -> (Vec<Vec3>, Vec<[u32; 3]>) {
    match (shape, hull) {
        (Shape::Box { half }, _) => shapes::cuboid(*half),
        (Shape::Sphere { radius }, _) => shapes::capsule(*radius, 0.0),
        (Shape::Capsule { radius, half_height }, _) => shapes::capsule(*radius, *half_height),
        (Shape::Convex { .. }, Some((planes, vertices))) => shapes::convex(planes, vertices),
        (Shape::Convex { .. }, None) => (Vec::new(), Vec::new()),
    }
}

fn static_surface(shape: &StaticShape, scene: &Scene) -> (Vec<Vec3>, Vec<[u32; 3]>) {
    match shape {
        StaticShape::TriangleMesh { points, triangles } => (points.clone(), triangles.clone()),
        StaticShape::HeightField { rows, columns, spacing, origin, heights } => {
            shapes::terrain([*rows, *columns], *spacing, *origin, heights)
        }
        StaticShape::Plane { normal, offset } => {
            let up = normalized(*normal).unwrap_or([0.0, 1.0, 0.0]);
            let aside = if up[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 0.0, 1.0] };
            let u = normalized(cross(aside, up)).unwrap_or([0.0, 0.0, 1.0]);
            let v = cross(up, u);
            let reach = scene.bodies.iter().flat_map(|b| b.position).fold(0.0, |m: f32, c| m.max(c.abs()));
            let half = reach + PLANE_BEYOND;
            let length = rankzero_soft::vec3::length(*normal);
            let corner = |a: f32, b: f32| add_scaled(add_scaled(scale(up, offset / length), u, a * half), v, b * half);
            let points = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
            (points, vec![[0, 1, 2], [0, 2, 3]])
        }
    }
}
