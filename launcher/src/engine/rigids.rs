//! The rigid bodies: every rank steps the same PhysX scene with the same impulses, so all hold the same bits.
//!
//! Within a step a rigid body moves under gravity and the wrenches of the soft bodies; at its end PhysX takes the sum of the
//! wrenches and resolves contacts among rigid bodies and with the environment. At fixed steps the scene is rebuilt from its
//! states, so that a run resumed there has the same bits.

use rankzero_physx::rigid::{
    Item, RigidDesc, RigidError, RigidState, RigidWorld, Shape as PhysxShape, StaticDesc, StaticShape,
};
use rankzero_physx::sdf::{Resolution, SdfError, cook_sdf};
use rankzero_soft::Friction;
use rankzero_soft::collider::{Collider, Geometry, HeightField, Moving, Shape, SignedDistance, TriangleMesh};
use rankzero_soft::quat::multiply;
use rankzero_soft::rigid::{RigidForm, RigidMotion, Wrench};
use rankzero_soft::rule::StepRule;
use rankzero_soft::vec3::{Vec3, length, scale, sub};

use super::couple::RigidReach;
use crate::scene::{Scene, Script};

/// Wrench of a soft on a rigid body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// The rigid body.
    pub rigid: u32,
    /// The soft body.
    pub body: u32,
    /// What the soft does to the rigid one.
    pub wrench: Wrench,
}

/// The rigid bodies of a run.
#[derive(Debug)]
pub struct Rigids {
    world: RigidWorld,
    /// Dynamic bodies have a form, kinematic ones a script.
    forms: Vec<Option<RigidForm>>,
    scripts: Vec<Option<Script>>,
    shapes: Vec<Shape>,
    frictions: Vec<Friction>,
    motions: Vec<RigidMotion>,
    totals: Vec<Wrench>,
    /// How many of the colliders are the environment.
    statics: usize,
    /// The environment, then the kinematic bodies of the running step.
    pub colliders: Vec<Collider>,
    rebuild_steps: u64,
    step_s: f32,
}

impl Rigids {
    /// Builds the PhysX scene.
    ///
    /// # Errors
    /// [`RigidError`] naming the static or rigid body that PhysX refuses.
    pub fn new(scene: &Scene) -> Result<Self, RigidError> {
        let descs: Vec<RigidDesc> = scene.rigids.iter().map(|r| r.desc.clone()).collect();
        let world = RigidWorld::new(scene.rule.gravity, scene.rule.step, &scene.statics, &descs)?;
        let shapes: Vec<Shape> = descs.iter().enumerate().map(|(i, d)| soft_shape(&world, i, &d.shape)).collect();
        let frictions: Vec<Friction> = descs
            .iter()
            .map(|d| Friction { static_: d.material.static_friction, dynamic: d.material.dynamic_friction })
            .collect();
        let forms =
            (0..descs.len()).map(|i| dynamic_form(&world, i, &shapes[i], &descs[i].shape, frictions[i])).collect();
        let mut rigids = Self {
            forms,
            scripts: scene.rigids.iter().map(|r| r.script.clone()).collect(),
            shapes,
            frictions,
            motions: Vec::new(),
            totals: vec![Wrench::default(); descs.len()],
            statics: scene.statics.len(),
            colliders: static_colliders(&world, &scene.statics)?,
            rebuild_steps: scene.rebuild_steps,
            step_s: scene.rule.step,
            world,
        };
        rigids.read_motions();
        Ok(rigids)
    }

    /// Rigid bodies of any kind.
    pub fn len(&self) -> usize {
        self.forms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Canonical states, by id.
    pub fn states(&self) -> &[RigidState] {
        self.world.states()
    }

    /// Face planes `[n, d]` and vertices of a convex body, own frame; `None` for other shapes.
    pub fn hull(&self, rigid: usize) -> Option<(&[[f32; 4]], &[Vec3])> {
        self.world.convex(rigid).map(|h| (h.planes.as_slice(), h.vertices.as_slice()))
    }

    /// Makes `states` the states of the bodies, as after a rebuild.
    ///
    /// # Errors
    /// [`RigidError`] where a state is not finite or the count is wrong.
    pub fn restore(&mut self, states: &[RigidState]) -> Result<(), RigidError> {
        self.world.rebuild(states)?;
        self.read_motions();
        Ok(())
    }

    /// Starts step `step`: rebuilds the scene where it is due, moves the kinematic bodies along their scripts.
    ///
    /// # Errors
    /// [`RigidError`] where PhysX refuses.
    pub fn begin(&mut self, step: u64) -> Result<(), RigidError> {
        if step > 0 && step.is_multiple_of(self.rebuild_steps) && !self.is_empty() {
            let states = self.world.states().to_vec();
            self.restore(&states)?;
        }
        self.totals.fill(Wrench::default());
        self.colliders.truncate(self.statics);
        for i in 0..self.len() {
            if self.forms[i].is_some() {
                continue;
            }
            let pose = self.world.states()[i].pose;
            let mut moving = Moving {
                shape: self.shapes[i].clone(),
                position: pose.p,
                rotation: pose.q,
                linear: [0.0; 3],
                angular: [0.0; 3],
                step: self.step_s,
            };
            if let Some(script) = &self.scripts[i] {
                let target = script.pose((step + 1) as f64 * f64::from(self.step_s));
                moving.linear = scale(sub(target.p, pose.p), 1.0 / self.step_s);
                moving.angular = turn_rate(pose.q, target.q, self.step_s);
                self.world.set_kinematic_target(i, target)?;
            }
            self.colliders.push(Collider { geometry: Geometry::Moving(moving), friction: self.frictions[i] });
        }
        Ok(())
    }

    /// What each dynamic body may reach in the step, by id, into `out`.
    pub fn reaches(&self, rule: &StepRule, out: &mut Vec<RigidReach>) {
        let dynamic = |i: usize| Some((i, self.forms[i].as_ref()?));
        out.clear();
        out.extend(
            (0..self.len())
                .filter_map(dynamic)
                .map(|(i, form)| RigidReach::of(i as u32, form, &self.motions[i], &self.world.states()[i], rule)),
        );
    }

    /// The form of a dynamic body and its motion at the interval's start.
    ///
    /// # Panics
    /// If the body is kinematic.
    pub fn dynamic(&self, rigid: u32) -> (&RigidForm, &RigidMotion) {
        let i = rigid as usize;
        (self.forms[i].as_ref().expect("only dynamic bodies have reaches"), &self.motions[i])
    }

    /// Ends an interval of `interval` seconds in which `contacts`, sorted by (rigid, body), acted.
    pub fn advance(&mut self, contacts: &[Contact], gravity: Vec3, interval: f32) {
        let mut rest = contacts;
        for i in 0..self.len() {
            let Some(form) = &self.forms[i] else { continue };
            let here = rest.partition_point(|c| (c.rigid as usize) < i);
            rest = &rest[here..];
            let own = rest.partition_point(|c| c.rigid as usize == i);
            let sum = rest[..own].iter().fold(Wrench::default(), |sum, c| sum.plus(c.wrench));
            self.totals[i] = self.totals[i].plus(sum);
            if !self.world.states()[i].asleep {
                self.motions[i] = form.advanced(&self.motions[i], &sum, gravity, interval);
            }
        }
    }

    /// Ends the step: PhysX takes the summed wrenches. `disturbed` tells whether an unquiet soft body touches a rigid one.
    ///
    /// # Errors
    /// [`RigidError`] where PhysX fails or a body's state is not finite.
    pub fn finish(&mut self, disturbed: impl Fn(u32) -> bool) -> Result<(), RigidError> {
        if self.is_empty() {
            return Ok(());
        }
        for i in 0..self.len() {
            let total = self.totals[i];
            if self.forms[i].is_some() && total != Wrench::default() {
                self.world.apply_impulse(i, total.linear, total.angular, disturbed(i as u32))?;
            }
        }
        self.world.step()?;
        self.read_motions();
        Ok(())
    }

    fn read_motions(&mut self) {
        self.motions.clear();
        self.motions.extend(self.world.states().iter().map(|s| RigidMotion {
            position: s.pose.p,
            rotation: s.pose.q,
            linear: s.linear,
            angular: s.angular,
        }));
    }
}

fn static_colliders(world: &RigidWorld, statics: &[StaticDesc]) -> Result<Vec<Collider>, RigidError> {
    statics.iter().enumerate().map(|(i, desc)| static_collider(world, i, desc)).collect()
}

/// A static as the soft bodies meet it: the very surface that PhysX holds, or the distances to it.
fn static_collider(world: &RigidWorld, i: usize, desc: &StaticDesc) -> Result<Collider, RigidError> {
    let geometry = match &desc.shape {
        StaticShape::Plane { normal, offset } => {
            let inverse = 1.0 / length(*normal);
            Geometry::Plane { normal: scale(*normal, inverse), offset: offset * inverse }
        }
        StaticShape::HeightField { .. } => {
            let s = world.height_surface(i).expect("a height field has a surface");
            let size = [s.rows as usize, s.columns as usize];
            Geometry::HeightField(HeightField::new(size, s.spacing, s.origin, s.heights.clone()))
        }
        StaticShape::TriangleMesh { points, triangles } => mesh_geometry(i, points, triangles)?,
    };
    let friction = Friction { static_: desc.material.static_friction, dynamic: desc.material.dynamic_friction };
    Ok(Collider { geometry, friction })
}

/// A closed mesh by its distances; its triangles where it is open or its walls are too thin for them.
///
/// The choice depends on the mesh alone, so that every rank makes the same; what may depend on the machine is an error.
fn mesh_geometry(i: usize, points: &[Vec3], triangles: &[[u32; 3]]) -> Result<Geometry, RigidError> {
    match cook_sdf(points, triangles, &Resolution::default()) {
        Ok(sdf) => return Ok(Geometry::Field(SignedDistance::new(sdf.dims, sdf.origin, sdf.spacing, sdf.values))),
        Err(SdfError::Start(error)) => return Err(error.into()),
        Err(error @ SdfError::Refused { .. }) => {
            let detail = format!(": {error}");
            return Err(RigidError::Refused { item: Item::Static(i), what: "distance field", detail });
        }
        Err(reason) => tracing::info!("static {i} is met by its triangles, which is slow: {reason}"),
    }
    let edges = triangles.iter().flat_map(|t| [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])]);
    let sum: f32 = edges.map(|(a, b)| length(sub(points[a as usize], points[b as usize]))).sum();
    // Deeper than an edge and a half behind a triangle counts as being elsewhere.
    let thickness = 1.5 * sum / (3 * triangles.len()) as f32;
    Ok(Geometry::Mesh(TriangleMesh::new(points, triangles, thickness)))
}

fn soft_shape(world: &RigidWorld, i: usize, shape: &PhysxShape) -> Shape {
    match shape {
        PhysxShape::Box { half } => Shape::Box { half: *half },
        PhysxShape::Sphere { radius } => Shape::Sphere { radius: *radius },
        PhysxShape::Capsule { radius, half_height } => Shape::Capsule { radius: *radius, half_height: *half_height },
        PhysxShape::Convex { .. } => {
            let hull = world.convex(i).expect("a convex shape has a hull");
            let radius = hull.vertices.iter().map(|v| length(*v)).fold(0.0, |m: f32, r| if r > m { r } else { m });
            Shape::Convex { planes: hull.planes.as_slice().into(), radius }
        }
    }
}

fn dynamic_form(
    world: &RigidWorld,
    i: usize,
    shape: &Shape,
    physx: &PhysxShape,
    friction: Friction,
) -> Option<RigidForm> {
    if world.is_kinematic(i) {
        return None;
    }
    let samples = match physx {
        PhysxShape::Box { half } => corners(*half),
        PhysxShape::Sphere { radius } => vec![([0.0; 3], *radius)],
        PhysxShape::Capsule { radius, half_height } => {
            [-1.0, 0.0, 1.0].map(|s| ([s * half_height, 0.0, 0.0], *radius)).to_vec()
        }
        PhysxShape::Convex { .. } => {
            world.convex(i).map(|h| h.vertices.iter().map(|&v| (v, 0.0)).collect()).unwrap_or_default()
        }
    };
    let mass = world.mass_properties()[i];
    Some(RigidForm {
        shape: shape.clone(),
        samples,
        friction,
        inverse_mass: mass.inv_mass,
        inverse_inertia: mass.inv_inertia,
        centre: mass.mass_pose.p,
        axes: mass.mass_pose.q,
    })
}

fn corners(half: Vec3) -> Vec<(Vec3, f32)> {
    let sign = |i: usize, k: usize| if i >> k & 1 == 0 { -half[k] } else { half[k] };
    (0..8).map(|i| ([sign(i, 0), sign(i, 1), sign(i, 2)], 0.0)).collect()
}

/// The angular velocity that turns `from` into `to` in `t` seconds, to first order.
fn turn_rate(from: [f32; 4], to: [f32; 4], t: f32) -> Vec3 {
    let back = [-from[0], -from[1], -from[2], from[3]];
    let d = multiply(to, back);
    let twice = if d[3] < 0.0 { -2.0 / t } else { 2.0 / t };
    [d[0] * twice, d[1] * twice, d[2] * twice]
}
