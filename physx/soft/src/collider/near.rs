//! The colliders that the bodies of a pack may reach in one step, and what they do to them.

use super::{Collider, Geometry, HeightField, Moving, SignedDistance, Touch, TriangleMesh};
use crate::bounds::Aabb;
use crate::candidates::Nearest;
use crate::material::Friction;
use crate::quat::Quat;
use crate::simd::{Mask, Real};
use crate::vec3::{Vec3, add, add_scaled, choose, dot, lane, length, scale, splat, sub, zero};

/// A collider that some bodies of a pack may reach.
#[derive(Clone, Copy, Debug)]
struct Reached {
    collider: u32,
    /// The lanes of those bodies, as bits.
    lanes: u32,
    friction: Friction,
}

/// The colliders in reach.
#[derive(Clone, Debug, Default)]
pub struct Near {
    /// By collider.
    reached: Vec<Reached>,
    /// For each mesh among them and each lane, the triangles near each node.
    triangles: Vec<Nearest>,
}

/// The surface nodes of a pack in a substep, a body a lane.
pub struct Nodes<'a, R> {
    /// Origins of the bodies, m.
    pub origin: Vec3<R>,
    /// Positions relative to the origins, m.
    pub x: &'a mut [Vec3<R>],
    /// Positions that the velocities led to.
    pub predicted: &'a [Vec3<R>],
    /// Velocities, m/s.
    pub v: &'a [Vec3<R>],
    /// 1/kg, 0 where held.
    pub inverse_mass: &'a [f32],
}

/// When and how finely a substep resolves contacts.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time since the step's start, s.
    pub t: f32,
    /// Length of the substep, s.
    pub h: f32,
    /// How much of a depth that was there before is taken back at once, m.
    pub most: f32,
}

impl Near {
    /// Forgets all colliders.
    pub fn clear(&mut self) {
        self.reached.clear();
    }

    /// Picks for lane `lane` of `lanes` the colliders that meet `reach`, the box of its body's motion over the step.
    ///
    /// `nodes` are the body's surface nodes at the step's start (world frame); `margin` is how far a node may move. Lanes come in
    /// ascending order, after [`Near::clear`].
    pub fn gather(
        &mut self,
        all: &[Collider],
        (lane, lanes): (usize, usize),
        reach: &Aabb,
        nodes: impl Iterator<Item = Vec3> + Clone,
        margin: f32,
        friction: Friction,
    ) {
        for (i, collider) in all.iter().enumerate().filter(|(_, c)| c.geometry.reaches(reach)) {
            let found = self.reached.binary_search_by_key(&(i as u32), |r| r.collider);
            let at = found.unwrap_or_else(|at| {
                let friction = collider.friction.between(friction);
                self.reached.insert(at, Reached { collider: i as u32, lanes: 0, friction });
                at
            });
            self.reached[at].lanes |= 1 << lane;
            if let Geometry::Mesh(mesh) = &collider.geometry {
                let first = meshes_before(all, i) * lanes;
                if self.triangles.len() < first + lanes {
                    self.triangles.resize_with(first + lanes, Nearest::default);
                }
                mesh.candidates(reach, nodes.clone(), margin, &mut self.triangles[first + lane]);
            }
        }
    }

    /// Pushes the nodes out of the colliders, one collider after the other, with friction against their motion since the substep's
    /// start.
    #[inline(always)]
    pub fn resolve<R: Real>(&self, all: &[Collider], nodes: &mut Nodes<'_, R>, moment: Moment) {
        for reached in &self.reached {
            let solid = Solid { lanes: reached.lanes, friction: reached.friction, moment };
            match &all[reached.collider as usize].geometry {
                Geometry::Plane { normal, offset } => {
                    solid.push_all(nodes, &Plane { normal: *normal, offset: *offset })
                }
                Geometry::HeightField(field) => solid.push_all(nodes, &Looked { field, lanes: reached.lanes }),
                Geometry::Field(field) => solid.push_all(nodes, &Looked { field, lanes: reached.lanes }),
                Geometry::Mesh(mesh) => {
                    let near = &self.triangles[meshes_before(all, reached.collider as usize) * R::LANES..];
                    solid.push_all(nodes, &Triangles { mesh, near, lanes: reached.lanes });
                }
                Geometry::Moving(moving) => solid.push_all(nodes, &Posed { moving, pose: moving.pose(moment.t) }),
            }
        }
    }

    /// Whether no body can touch anything.
    pub fn is_empty(&self) -> bool {
        self.reached.is_empty()
    }
}

/// How many meshes come before a collider: the place of its triangles, whatever else is in reach.
fn meshes_before(all: &[Collider], collider: usize) -> usize {
    all[..collider].iter().filter(|c| matches!(c.geometry, Geometry::Mesh(_))).count()
}

/// A collider as nodes meet it.
trait Probe {
    /// What node `i` of each body touches at `x`.
    fn touch<R: Real>(&self, i: usize, x: Vec3<R>) -> Touch<R>;
}

struct Plane {
    normal: Vec3,
    offset: f32,
}

impl Probe for Plane {
    #[inline(always)]
    fn touch<R: Real>(&self, _i: usize, x: Vec3<R>) -> Touch<R> {
        let normal = splat(self.normal);
        Touch { depth: R::splat(self.offset) - dot(normal, x), normal, velocity: zero() }
    }
}

/// A solid whose depth is looked up in a table, lane by lane.
trait Table {
    fn bounds(&self) -> Aabb;
    fn depth(&self, x: Vec3) -> Option<(f32, Vec3)>;
}

impl Table for HeightField {
    fn bounds(&self) -> Aabb {
        self.bounds()
    }
    fn depth(&self, x: Vec3) -> Option<(f32, Vec3)> {
        self.depth(x)
    }
}

impl Table for SignedDistance {
    fn bounds(&self) -> Aabb {
        self.bounds()
    }
    fn depth(&self, x: Vec3) -> Option<(f32, Vec3)> {
        self.depth(x)
    }
}

struct Looked<'a, T> {
    field: &'a T,
    lanes: u32,
}

impl<T: Table> Probe for Looked<'_, T> {
    #[inline(always)]
    fn touch<R: Real>(&self, _i: usize, x: Vec3<R>) -> Touch<R> {
        let bounds = self.field.bounds();
        let lanes = within(bounds.min, bounds.max, x).bits() & self.lanes;
        each_lane(x, lanes, |_, x| self.field.depth(x))
    }
}

struct Triangles<'a> {
    mesh: &'a TriangleMesh,
    /// By lane.
    near: &'a [Nearest],
    lanes: u32,
}

impl Probe for Triangles<'_> {
    #[inline(always)]
    fn touch<R: Real>(&self, i: usize, x: Vec3<R>) -> Touch<R> {
        each_lane(x, self.lanes, |lane, x| self.mesh.depth(self.near[lane].of(i), x))
    }
}

struct Posed<'a> {
    moving: &'a Moving,
    pose: (Vec3, Quat),
}

impl Probe for Posed<'_> {
    #[inline(always)]
    fn touch<R: Real>(&self, _i: usize, x: Vec3<R>) -> Touch<R> {
        self.moving.touch(x, self.pose)
    }
}

/// One collider in one substep.
#[derive(Clone, Copy)]
struct Solid {
    lanes: u32,
    friction: Friction,
    moment: Moment,
}

impl Solid {
    #[inline(always)]
    fn push_all<R: Real>(&self, nodes: &mut Nodes<'_, R>, probe: &impl Probe) {
        let reaches = R::Mask::from_bits(self.lanes);
        for i in 0..nodes.x.len() {
            let x = add(nodes.origin, nodes.x[i]);
            let touch = probe.touch(i, x);
            let inside = R::splat(0.0).less(touch.depth) & reaches;
            if nodes.inverse_mass[i] == 0.0 || !inside.any() {
                continue;
            }
            let start = add_scaled(nodes.predicted[i], nodes.v[i], R::splat(-self.moment.h));
            let out = self.push(x, add(nodes.origin, start), &touch);
            nodes.x[i] = choose(inside, sub(out, nodes.origin), nodes.x[i]);
        }
    }

    /// Moves a node to the surface and takes back sliding: all of it while friction holds, else the dynamic share.
    #[inline(always)]
    fn push<R: Real>(&self, x: Vec3<R>, before: Vec3<R>, touch: &Touch<R>) -> Vec3<R> {
        let Moment { h, most, .. } = self.moment;
        let carried = scale(touch.velocity, R::splat(h));
        let approach = sub(sub(x, before), carried);
        let depth = recoverable(touch.depth, -dot(approach, touch.normal), R::splat(most));
        let out = add_scaled(x, touch.normal, depth);
        let motion = sub(sub(out, before), carried);
        let slide = sub(motion, scale(touch.normal, dot(motion, touch.normal)));
        let len = length(slide);
        let holds = len.at_most(R::splat(self.friction.static_) * depth);
        let share = R::splat(self.friction.dynamic) * depth / len;
        let back = R::select(holds, R::splat(1.0), share);
        sub(out, scale(slide, back))
    }
}

/// How much of a depth is taken back at once: what the approach `gained` (m, negative where the two part) in the time at hand, and
/// `most` (m) of what was there before. So an impact is stopped whatever its speed, and what started inside is not thrown out.
#[inline(always)]
pub(crate) fn recoverable<R: Real>(depth: R, gained: R, most: R) -> R {
    let limit = gained.larger(R::splat(0.0)) + most;
    depth.smaller(limit)
}

/// Whether `x` lies in a box.
#[inline(always)]
fn within<R: Real>(low: Vec3, high: Vec3, x: Vec3<R>) -> R::Mask {
    let mut inside = R::Mask::splat(true);
    for k in 0..3 {
        inside = inside & R::splat(low[k]).at_most(x[k]) & x[k].at_most(R::splat(high[k]));
    }
    inside
}

/// Depth and normal lane by lane, for colliders that are not worth writing in lanes; nothing where `f` finds nothing.
#[inline(always)]
fn each_lane<R: Real>(x: Vec3<R>, lanes: u32, f: impl Fn(usize, Vec3) -> Option<(f32, Vec3)>) -> Touch<R> {
    let mut touch = Touch { depth: R::splat(-1.0), normal: zero(), velocity: zero() };
    let mut rest = lanes;
    while rest != 0 {
        let l = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        if let Some((depth, normal)) = f(l, lane(&x, l))
            && depth > 0.0
        {
            touch.depth.set_lane(l, depth);
            for k in 0..3 {
                touch.normal[k].set_lane(l, normal[k]);
            }
        }
    }
    touch
}
