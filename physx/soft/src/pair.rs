//! Contact forces between two soft bodies, from nothing but their surfaces.
//!
//! Nodes of each are tested against the triangles of the other. The result is the same to the bit wherever it is computed, and
//! what one body gains in momentum the other loses.

use crate::batch::Batch;
use crate::body::Reach;
use crate::bounds::Aabb;
use crate::candidates::{Faces, Sought, Triangle, plane_gap};
use crate::contact::{Contact, Law};
use crate::material::Friction;
use crate::search::Search;
use crate::shell::Shell;
use crate::simd::Isa;
use crate::topology::Topology;
use crate::watch::{Touch, Watch};
use crate::vec3::{Vec3, add, add_scaled, length, scale, sub};

/// A body's surface in the last substep of an interval, world frame; see [`Body::surface`](crate::Body::surface).
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// Positions `[x y z; surface]`, then displacements `[dx dy dz; surface]`, m.
    pub words: &'a [f32],
    /// What the body is an instance of.
    pub topology: &'a Topology,
    /// What was worked out about it; [updated](Shell::update) with these words.
    pub shell: &'a Shell,
}

impl<'a> Surface<'a> {
    /// Positions of the surface nodes.
    #[inline(always)]
    pub fn positions(&self) -> &'a [Vec3] {
        &self.words.as_chunks().0[..self.topology.layout.surface]
    }
    /// Displacements of the surface nodes over the interval.
    #[inline(always)]
    pub fn displacements(&self) -> &'a [Vec3] {
        &self.words.as_chunks().0[self.topology.layout.surface..]
    }
    /// Position of surface node `i`.
    #[inline(always)]
    pub fn x(&self, i: u32) -> Vec3 {
        self.positions()[i as usize]
    }
    /// Displacement of surface node `i` over the interval.
    #[inline(always)]
    pub fn moved(&self, i: u32) -> Vec3 {
        self.displacements()[i as usize]
    }
    /// The surface nodes inside a box, with their positions.
    pub fn nodes_in(&self, region: Aabb) -> impl Iterator<Item = (u32, Vec3)> + use<'a> {
        let this = *self;
        (0..self.topology.layout.surface as u32).map(move |i| (i, this.x(i))).filter(move |(_, x)| region.holds(*x))
    }
    /// The triangles that meet a box.
    pub fn triangles_in(&self, region: &Aabb, out: &mut Faces) {
        out.clear();
        for (t, nodes) in self.topology.triangles.iter().enumerate() {
            let corners = nodes.map(|n| self.x(n));
            if Triangle::bounds_of(&corners).meets(region) {
                out.add(t as u32, Triangle::new(corners));
            }
        }
    }
}

/// Contacts are sought, at a step's start, no deeper than this share of [`depth_max`]: they are found before they get there.
const SOUGHT: f32 = 0.6;

/// How deep a node may be inside a body and still be pushed out through the nearest face, m.
pub fn depth_max(topology: &Topology) -> f32 {
    if topology.depth_max < topology.surface_edge { topology.depth_max } else { topology.surface_edge }
}

/// The least deep contact of point `x`, displaced by `moved` over the interval, among candidate triangles of `surface`, each seen
/// `radius` nearer; with the triangle's nodes and weights. `None` where the point is inside none of them.
pub fn touch(
    surface: &Surface<'_>,
    near: &[u32],
    x: Vec3,
    moved: Vec3,
    radius: f32,
) -> Option<(Contact, [u32; 3], Vec3)> {
    let deepest = depth_max(surface.topology) + radius;
    let mut best: Option<(Contact, [u32; 3], Vec3)> = None;
    let mut least = f32::MAX;
    for &t in near {
        let nodes = surface.topology.triangles[t as usize];
        let Some((distance, normal, weights)) = plane_gap(nodes.map(|n| surface.x(n)), x) else { continue };
        let depth = radius - distance;
        if depth > deepest || depth.abs() >= least {
            continue;
        }
        least = depth.abs();
        let there = (0..3).fold([0.0; 3], |sum, k| add_scaled(sum, surface.moved(nodes[k]), weights[k]));
        best = Some((Contact { normal, depth, slip: sub(moved, there) }, nodes, weights));
    }
    // A point outside the nearest triangle is outside, though it may lie behind a farther one.
    best.filter(|(contact, ..)| contact.depth > 0.0)
}

/// Displacements of surface nodes in m, in the order in which they are to be added.
pub type Pushes = Vec<(u32, Vec3)>;

/// Memory that one pair after another works in.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    search: Search,
    batch: Batch,
    /// Nodes of A inside B, and the other way round.
    hits: [Vec<Touch>; 2],
    /// Sum of the weights with which each surface node of A and B takes part in contacts.
    shares: [Vec<f32>; 2],
}

/// Two bodies that may touch in this step.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// What nodes of A may touch of B, and the other way round.
    watches: [Watch; 2],
    /// What the contacts do to A and to B.
    pub pushes: [Pushes; 2],
}

impl Pair {
    /// Finds, in the first interval of a step of `step` seconds, what may touch; `law` tells the interval that the surfaces'
    /// displacements belong to, `work` is memory to work in.
    ///
    /// Returns whether anything may.
    pub fn find(
        &mut self,
        a: (&Surface<'_>, &Reach),
        b: (&Surface<'_>, &Reach),
        step: f32,
        law: &Law,
        work: &mut Workspace,
        isa: Isa,
    ) -> bool {
        let margin = a.1.approach(b.1.velocity, b.1.spread, step);
        let region = a.0.shell.bounds().grown(margin).overlap(&b.0.shell.bounds().grown(margin));
        let sides = [(a, b), (b, a)];
        for (watch, ((nodes, _), (other, reach))) in self.watches.iter_mut().zip(sides) {
            let inside = SOUGHT * depth_max(other.topology);
            let inside = if inside > margin { inside } else { margin };
            work.search.prepare(other, &region.grown(inside), isa);
            let per_second = 1.0 / law.interval;
            let positions = nodes.positions().iter().zip(nodes.displacements()).zip(&nodes.shell.normals);
            let within = positions.enumerate().filter(|(_, ((x, _), _))| region.holds(**x));
            let sought = within.map(|(node, ((x, moved), normal))| {
                let outside = length(sub(scale(*moved, per_second), reach.velocity)) * step + reach.spread;
                Sought { node: node as u32, x: *x, normal: *normal, outside, inside }
            });
            work.search.find(sought, watch.restart(), isa);
        }
        self.watches.iter().any(|watch| !watch.is_empty())
    }

    /// Resolves the contacts between the two, into [`Pair::pushes`]; to be called in every interval of the step, of which `work` keeps
    /// nothing.
    pub fn push(&mut self, a: &Surface<'_>, b: &Surface<'_>, law: &Law, work: &mut Workspace, isa: Isa) {
        let Workspace { batch, hits, shares, .. } = work;
        hits.iter_mut().for_each(Vec::clear);
        self.pushes.iter_mut().for_each(Vec::clear);
        let [of_a, of_b] = &mut self.watches;
        of_a.look(a, b, isa, batch, &mut hits[0]);
        of_b.look(b, a, isa, batch, &mut hits[1]);
        if hits.iter().all(Vec::is_empty) {
            return;
        }
        count_shares(hits, [a, b], shares);
        let friction = a.topology.material.friction.between(b.topology.material.friction);
        let a = Masses { inverse: &a.topology.inverse_mass, shares: &shares[0] };
        let b = Masses { inverse: &b.topology.inverse_mass, shares: &shares[1] };
        let [to_a, to_b] = &mut self.pushes;
        resolve(&hits[0], (a, to_a), (b, to_b), law, friction);
        resolve(&hits[1], (b, to_b), (a, to_a), law, friction);
    }
}

fn count_shares(hits: &[Vec<Touch>; 2], bodies: [&Surface<'_>; 2], shares: &mut [Vec<f32>; 2]) {
    for (shares, body) in shares.iter_mut().zip(bodies) {
        shares.clear();
        shares.resize(body.topology.layout.surface, 0.0);
    }
    let [a, b] = shares;
    add_shares(&hits[0], a, b);
    add_shares(&hits[1], b, a);
}

fn add_shares(hits: &[Touch], own: &mut [f32], other: &mut [f32]) {
    for hit in hits {
        own[hit.node as usize] += 1.0;
        for k in 0..3 {
            other[hit.triangle[k] as usize] += hit.weights[k].abs();
        }
    }
}

/// A body of a pair: its inverse masses (1/kg) and the sums of weights, by surface node.
#[derive(Clone, Copy)]
struct Masses<'a> {
    inverse: &'a [f32],
    shares: &'a [f32],
}

/// Appends what the hits do to the nodes' body and to the triangles'.
fn resolve(
    hits: &[Touch],
    (own, to_own): (Masses<'_>, &mut Pushes),
    (other, to_other): (Masses<'_>, &mut Pushes),
    law: &Law,
    friction: Friction,
) {
    for hit in hits {
        let Some((of_node, [a, b, c])) = pushes(hit, own, other, law, friction) else { continue };
        to_own.push((hit.node, of_node));
        let [i, j, k] = hit.triangle;
        to_other.extend_from_slice(&[(i, a), (j, b), (k, c)]);
    }
}

/// Displacements of the node and of the triangle's corners.
#[inline(always)]
fn pushes(hit: &Touch, own: Masses<'_>, other: Masses<'_>, law: &Law, friction: Friction) -> Option<(Vec3, [Vec3; 3])> {
    let node = hit.node as usize;
    let corners = hit.triangle.map(|n| n as usize);
    let inverse = corners.map(|n| other.inverse[n]);
    // A corner's mass is split in proportion to the weights, so its square of the weight meets a share of 1/weight.
    let corner = |k: usize| hit.weights[k].abs() * (other.shares[corners[k]] * inverse[k]);
    let w = own.shares[node] * own.inverse[node] + (corner(0) + corner(1) + corner(2));
    let push = law.push(&hit.contact, w, friction)?;
    let of_corner = |k: usize| scale(push, -hit.weights[k] * inverse[k]);
    Some((scale(push, own.inverse[node]), [of_corner(0), of_corner(1), of_corner(2)]))
}

/// Adds a list of pushes to the corrections of a body's surface nodes.
pub fn add_pushes(pushes: &Pushes, corrections: &mut [Vec3]) {
    for &(node, push) in pushes {
        corrections[node as usize] = add(corrections[node as usize], push);
    }
}
