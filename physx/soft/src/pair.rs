//! Contact forces between two soft bodies, from nothing but their surfaces.
//!
//! Nodes of each are tested against the triangles of the other. The result is the same to the bit wherever it is computed, and
//! what one body gains in momentum the other loses.

use crate::bounds::Aabb;
use crate::candidates::{Faces, Nearest, Sought, Triangle, plane_gap};
use crate::contact::{Contact, Law};
use crate::material::Friction;
use crate::reach::Reach;
use crate::topology::Topology;
use crate::vec3::{Vec3, add, add_scaled, at, length, scale, sub};

/// A body's surface in the last substep of an interval, world frame; see [`Body::surface`](crate::Body::surface).
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// Positions `[x y z; surface]`, then displacements `[dx dy dz; surface]`, m.
    pub words: &'a [f32],
    /// What the body is an instance of.
    pub topology: &'a Topology,
}

impl<'a> Surface<'a> {
    /// Position of surface node `i`.
    #[inline(always)]
    pub fn x(&self, i: u32) -> Vec3 {
        at(self.words, i as usize)
    }
    /// Displacement of surface node `i` over the interval.
    #[inline(always)]
    pub fn moved(&self, i: u32) -> Vec3 {
        at(self.words, self.topology.layout.surface + i as usize)
    }
    /// The box of the surface.
    pub fn bounds(&self) -> Aabb {
        (0..self.topology.layout.surface as u32).fold(Aabb::EMPTY, |b, i| b.with(self.x(i)))
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
    fn corners(&self, t: u32) -> ([u32; 3], [Vec3; 3]) {
        let nodes = self.topology.triangles[t as usize];
        (nodes, nodes.map(|n| self.x(n)))
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
        let (nodes, corners) = surface.corners(t);
        let Some((distance, normal, weights)) = plane_gap(corners, x) else { continue };
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

/// Two bodies that may touch in this step.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    nodes_of_a: Nearest,
    nodes_of_b: Nearest,
    hits: Vec<Hit>,
    /// Sum of the weights with which each surface node of A and B takes part in contacts.
    shares: [Vec<f32>; 2],
    /// What the contacts do to A and to B.
    pub pushes: [Pushes; 2],
}

#[derive(Clone, Debug)]
struct Hit {
    /// 0 where the node is A's and the triangle B's, 1 the other way round.
    side: usize,
    node: u32,
    triangle: [u32; 3],
    weights: Vec3,
    contact: Contact,
}

impl Pair {
    /// Finds, once a step of `step` seconds, what may touch; `law` tells the interval that the surfaces' displacements belong to.
    ///
    /// Returns whether anything may.
    pub fn find(
        &mut self,
        a: (&Surface<'_>, &Reach),
        b: (&Surface<'_>, &Reach),
        step: f32,
        law: &Law,
        faces: &mut Faces,
    ) -> bool {
        let margin = a.1.approach(b.1.velocity, b.1.spread, step);
        let region = a.0.bounds().grown(margin).overlap(&b.0.bounds().grown(margin));
        for (nearest, (nodes, _), (other, reach)) in [(&mut self.nodes_of_a, a, b), (&mut self.nodes_of_b, b, a)] {
            let inside = SOUGHT * depth_max(other.topology);
            let inside = if inside > margin { inside } else { margin };
            other.triangles_in(&region.grown(inside), faces);
            let normals = nodes.topology.node_normals(|n| nodes.x(n), |n| region.holds(nodes.x(n)));
            let sought = normals.iter().map(|&(node, normal)| {
                let velocity = scale(nodes.moved(node), 1.0 / law.interval);
                let outside = length(sub(velocity, reach.velocity)) * step + reach.spread;
                Sought { node, x: nodes.x(node), normal, outside, inside }
            });
            nearest.find(sought, faces);
        }
        !(self.nodes_of_a.is_empty() && self.nodes_of_b.is_empty())
    }

    /// Resolves the contacts between the two, into [`Pair::pushes`].
    pub fn push(&mut self, a: &Surface<'_>, b: &Surface<'_>, law: &Law) {
        let bodies = [a, b];
        self.collect(bodies);
        self.pushes.iter_mut().for_each(Vec::clear);
        if self.hits.is_empty() {
            return;
        }
        self.count_shares(bodies);
        let friction = a.topology.material.friction.between(b.topology.material.friction);
        for hit in &self.hits {
            let pushes = hit.pushes(bodies, &self.shares, law, friction);
            let Some((of_node, of_triangle)) = pushes else {
                continue;
            };
            self.pushes[hit.side].push((hit.node, of_node));
            self.pushes[1 - hit.side].extend((0..3).map(|k| (hit.triangle[k], of_triangle[k])));
        }
    }

    fn collect(&mut self, bodies: [&Surface<'_>; 2]) {
        self.hits.clear();
        for (side, nearest) in [&self.nodes_of_a, &self.nodes_of_b].into_iter().enumerate() {
            let (own, other) = (bodies[side], bodies[1 - side]);
            for (node, near) in nearest.iter() {
                let found = touch(other, near, own.x(node), own.moved(node), 0.0);
                if let Some((contact, triangle, weights)) = found {
                    self.hits.push(Hit { side, node, triangle, weights, contact });
                }
            }
        }
    }

    fn count_shares(&mut self, bodies: [&Surface<'_>; 2]) {
        for (shares, body) in self.shares.iter_mut().zip(bodies) {
            shares.clear();
            shares.resize(body.topology.layout.surface, 0.0);
        }
        for hit in &self.hits {
            self.shares[hit.side][hit.node as usize] += 1.0;
            for (n, weight) in hit.triangle.into_iter().zip(hit.weights) {
                self.shares[1 - hit.side][n as usize] += weight.abs();
            }
        }
    }
}

impl Hit {
    /// Displacements of the node and of the triangle's corners.
    fn pushes(
        &self,
        bodies: [&Surface<'_>; 2],
        shares: &[Vec<f32>; 2],
        law: &Law,
        friction: Friction,
    ) -> Option<(Vec3, [Vec3; 3])> {
        let other = 1 - self.side;
        let inverse_mass = |side: usize, node: u32| bodies[side].topology.inverse_mass[node as usize];
        let split = |side: usize, node: u32| shares[side][node as usize] * inverse_mass(side, node);
        // A corner's mass is split in proportion to the weights, so its square of the weight meets a share of 1/weight.
        let corner = |k: usize| self.weights[k].abs() * split(other, self.triangle[k]);
        let w = split(self.side, self.node) + (corner(0) + corner(1) + corner(2));
        let push = law.push(&self.contact, w, friction)?;
        let of_corner = |k: usize| scale(push, -self.weights[k] * inverse_mass(other, self.triangle[k]));
        Some((scale(push, inverse_mass(self.side, self.node)), [of_corner(0), of_corner(1), of_corner(2)]))
    }
}

/// Adds a list of pushes to the corrections of a body's surface nodes.
pub fn add_pushes(pushes: &Pushes, corrections: &mut [Vec3]) {
    for &(node, push) in pushes {
        corrections[node as usize] = add(corrections[node as usize], push);
    }
}
