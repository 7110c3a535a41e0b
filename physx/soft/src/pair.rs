//! Contact forces between two soft bodies, from nothing but their surfaces.
//!
//! Nodes of each are tested against the triangles of the other. The result is the same to the bit wherever it is computed, and
//! what one body gains in momentum the other loses.

use crate::bounds::Aabb;
use crate::candidates::{Nearest, Triangle, plane_gap};
use crate::contact::{Contact, Law};
use crate::material::Friction;
use crate::topology::Topology;
use crate::vec3::{Vec3, add, add_scaled, at, scale, sub};

/// A body's surface at the start of an interval, world frame: positions, then velocities at its end if nothing touched it.
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// `[x y z; surface]` then `[vx vy vz; surface]`, m and m/s.
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
    /// Velocity of surface node `i`.
    #[inline(always)]
    pub fn v(&self, i: u32) -> Vec3 {
        at(self.words, self.topology.layout.surface + i as usize)
    }
    /// The surface nodes inside a box, with their positions.
    pub fn nodes_in(&self, region: Aabb) -> impl Iterator<Item = (u32, Vec3)> + use<'a> {
        let this = *self;
        (0..self.topology.layout.surface as u32).map(move |i| (i, this.x(i))).filter(move |(_, x)| region.holds(*x))
    }
    /// The triangles that meet a box.
    pub fn triangles_in(&self, region: &Aabb, out: &mut Vec<(u32, Triangle)>) {
        out.clear();
        for (t, nodes) in self.topology.triangles.iter().enumerate() {
            let triangle = Triangle::new(nodes.map(|n| self.x(n)));
            if triangle.bounds().meets(region) {
                out.push((t as u32, triangle));
            }
        }
    }
    fn corners(&self, t: u32) -> ([u32; 3], [Vec3; 3]) {
        let nodes = self.topology.triangles[t as usize];
        (nodes, nodes.map(|n| self.x(n)))
    }
}

/// How deep a node may be inside a body and still be pushed out through the nearest face, m.
pub fn depth_max(topology: &Topology) -> f32 {
    if topology.depth_max < topology.surface_edge { topology.depth_max } else { topology.surface_edge }
}

/// The least deep contact of point `x` moving with `v` among candidate triangles of `surface`, each seen `radius` nearer;
/// with the triangle's nodes and weights.
pub fn touch(surface: &Surface<'_>, near: &[u32], x: Vec3, v: Vec3, radius: f32) -> Option<(Contact, [u32; 3], Vec3)> {
    let deepest = depth_max(surface.topology) + radius;
    let mut best: Option<(Contact, [u32; 3], Vec3)> = None;
    for &t in near {
        let (nodes, corners) = surface.corners(t);
        let Some((distance, normal, weights)) = plane_gap(corners, x) else {
            continue;
        };
        let gap = distance - radius;
        if gap < -deepest || best.as_ref().is_some_and(|(c, ..)| c.gap.abs() <= gap.abs()) {
            continue;
        }
        let there = (0..3).fold([0.0; 3], |sum, k| add_scaled(sum, surface.v(nodes[k]), weights[k]));
        best = Some((Contact { normal, gap, approach: sub(v, there) }, nodes, weights));
    }
    best
}

/// Accelerations of surface nodes, in the order in which they are to be added.
pub type Pushes = Vec<(u32, Vec3)>;

/// Two bodies that may touch in this step.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    nodes_of_a: Nearest,
    nodes_of_b: Nearest,
    hits: Vec<Hit>,
    /// Sum of the weights with which each surface node of A and B takes part in contacts.
    shares: [Vec<f32>; 2],
    /// What the interval does to A and to B, m/s².
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
    /// Finds, once a step, what may touch: `margin` is how far the two may approach within the step, m.
    ///
    /// Returns whether anything may.
    pub fn find(&mut self, a: &Surface<'_>, b: &Surface<'_>, region: &Aabb, margin: f32) -> bool {
        let mut triangles = Vec::new();
        let reach = |t: &Topology| {
            if margin > depth_max(t) { margin } else { depth_max(t) }
        };
        for (nearest, nodes, faces) in [(&mut self.nodes_of_a, a, b), (&mut self.nodes_of_b, b, a)] {
            let distance = reach(faces.topology);
            faces.triangles_in(&region.grown(distance), &mut triangles);
            let normals = nodes.topology.node_normals(|n| nodes.x(n), |n| region.holds(nodes.x(n)));
            let inside = normals.iter().map(|&(n, normal)| (n, nodes.x(n), normal));
            nearest.find(inside, &triangles, distance);
        }
        !(self.nodes_of_a.is_empty() && self.nodes_of_b.is_empty())
    }

    /// Computes the interval's accelerations of both bodies into [`Pair::pushes`].
    pub fn push(&mut self, a: &Surface<'_>, b: &Surface<'_>, law: &Law) {
        let bodies = [a, b];
        self.collect(bodies, law);
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

    fn collect(&mut self, bodies: [&Surface<'_>; 2], law: &Law) {
        self.hits.clear();
        for (side, nearest) in [&self.nodes_of_a, &self.nodes_of_b].into_iter().enumerate() {
            let (own, other) = (bodies[side], bodies[1 - side]);
            for (node, near) in nearest.iter() {
                let found = touch(other, near, own.x(node), own.v(node), 0.0);
                if let Some((contact, triangle, weights)) = found.filter(|(c, ..)| law.closes(c)) {
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
    /// Accelerations of the node and of the triangle's corners.
    fn pushes(
        &self,
        bodies: [&Surface<'_>; 2],
        shares: &[Vec<f32>; 2],
        law: &Law,
        friction: Friction,
    ) -> Option<(Vec3, [Vec3; 3])> {
        let other = 1 - self.side;
        let split =
            |side: usize, node: u32| shares[side][node as usize] * law.inverse_inertia(bodies[side].topology, node);
        // A corner's mass is split in proportion to the weights, so its square of the weight meets a share of 1/weight.
        let corner = |k: usize| self.weights[k].abs() * split(other, self.triangle[k]);
        let w = split(self.side, self.node) + (corner(0) + corner(1) + corner(2));
        let force = scale(law.impulse(&self.contact, w, friction)?, 1.0 / law.interval);
        let inverse_mass = |side: usize, node: u32| bodies[side].topology.inverse_mass[node as usize];
        let of_corner = |k: usize| scale(force, -self.weights[k] * inverse_mass(other, self.triangle[k]));
        Some((scale(force, inverse_mass(self.side, self.node)), [of_corner(0), of_corner(1), of_corner(2)]))
    }
}

/// Adds a list of pushes to the accelerations of a body's surface nodes.
pub fn add_pushes(pushes: &Pushes, accelerations: &mut [Vec3]) {
    for &(node, push) in pushes {
        accelerations[node as usize] = add(accelerations[node as usize], push);
    }
}
