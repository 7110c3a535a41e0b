//! Contact forces between two soft bodies, from nothing but their surfaces.
//!
//! Nodes of each are tested against the triangles of the other. The result is the same to the bit wherever it is computed, and
//! what one body gains in momentum the other loses.

use crate::batch::Batch;
use crate::bounds::Aabb;
use crate::candidates::{Faces, Sought, Triangle, plane_gap};
use crate::contact::{Contact, Law};
use crate::material::Friction;
use crate::reach::Reach;
use crate::search::Search;
use crate::shell::Shell;
use crate::simd::{Isa, Kernel, Real};
use crate::topology::Topology;
use crate::vec3::{Vec3, add_scaled, length, scale, sub};
use crate::watch::{Touch, Watch};

/// A body's surface in the last substep of an interval, world frame; see [`Pack::surface`](crate::Pack::surface).
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
        isa.run(Push { pair: self, bodies: [a, b], law, work });
    }
}

/// See [`Pair::push`].
struct Push<'a> {
    pair: &'a mut Pair,
    bodies: [&'a Surface<'a>; 2],
    law: &'a Law,
    work: &'a mut Workspace,
}

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        let ([a, b], law) = (self.bodies, self.law);
        let Workspace { batch, hits, shares, .. } = self.work;
        let Pair { watches, pushes } = self.pair;
        for (hits, pushes) in hits.iter_mut().zip(&mut *pushes) {
            hits.clear();
            pushes.clear();
        }
        watches[0].look::<R>(a, b, batch, &mut hits[0]);
        watches[1].look::<R>(b, a, batch, &mut hits[1]);
        if hits[0].is_empty() && hits[1].is_empty() {
            return;
        }
        count_shares(hits, [a, b], shares);
        let friction = a.topology.material.friction.between(b.topology.material.friction);
        let a = Masses { inverse: &a.topology.inverse_mass, shares: &shares[0] };
        let b = Masses { inverse: &b.topology.inverse_mass, shares: &shares[1] };
        let [to_a, to_b] = pushes;
        resolve(&hits[0], (a, to_a), (b, to_b), law, friction);
        resolve(&hits[1], (b, to_b), (a, to_a), law, friction);
    }
}

#[inline(always)]
fn count_shares(hits: &[Vec<Touch>; 2], bodies: [&Surface<'_>; 2], shares: &mut [Vec<f32>; 2]) {
    for (shares, body) in shares.iter_mut().zip(bodies) {
        shares.clear();
        shares.resize(body.topology.layout.surface, 0.0);
    }
    let [a, b] = shares;
    add_shares(&hits[0], a, b);
    add_shares(&hits[1], b, a);
}

#[inline(always)]
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
#[inline(always)]
fn resolve(
    hits: &[Touch],
    (own, to_own): (Masses<'_>, &mut Pushes),
    (other, to_other): (Masses<'_>, &mut Pushes),
    law: &Law,
    friction: Friction,
) {
    to_own.reserve(hits.len());
    to_other.reserve(3 * hits.len());
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
    let corners = [hit.triangle[0] as usize, hit.triangle[1] as usize, hit.triangle[2] as usize];
    let inverse = [other.inverse[corners[0]], other.inverse[corners[1]], other.inverse[corners[2]]];
    // A corner's mass is split in proportion to the weights, so its square of the weight meets a share of 1/weight.
    let corner = |k: usize| hit.weights[k].abs() * (other.shares[corners[k]] * inverse[k]);
    let w = own.shares[node] * own.inverse[node] + (corner(0) + corner(1) + corner(2));
    let push = law.push(&hit.contact, w, friction)?;
    let of_corner = |k: usize| scale(push, -hit.weights[k] * inverse[k]);
    Some((scale(push, own.inverse[node]), [of_corner(0), of_corner(1), of_corner(2)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{Random, Shown, cube, law, rule};
    use crate::vec3::{ZERO, add, dot};

    /// Two boxes whose faces come to overlap by some centimetres over ten intervals, in some motion of their own.
    fn meeting<'a>(a: &'a Topology, b: &'a Topology, seed: u32) -> [Shown<'a>; 2] {
        let mut random = Random(seed);
        let a = Shown::new(a, [0.0; 3], [0.0, 1.0, 0.0], 0.02, &mut random);
        let offset = random.vector(0.2);
        let b = Shown::new(b, [offset[0], 1.01, offset[2]], [0.5, -1.0, 0.0], 0.02, &mut random);
        [a, b]
    }

    /// The pushes of all intervals of a step.
    fn pushes(mut bodies: [Shown<'_>; 2], isa: Isa) -> Vec<[Pushes; 2]> {
        let (mut pair, mut work) = (Pair::default(), Workspace::default());
        (0..rule().intervals())
            .map(|interval| {
                bodies.iter_mut().for_each(|body| body.show(interval == 0, isa));
                let [a, b] = &bodies;
                let (at, bt) = (a.surface(), b.surface());
                if interval == 0 {
                    assert!(pair.find((&at, &a.reach()), (&bt, &b.reach()), rule().step, &law(), &mut work, isa));
                }
                pair.push(&at, &bt, &law(), &mut work, isa);
                bodies.iter_mut().for_each(Shown::advance);
                pair.pushes.clone()
            })
            .collect()
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let (a, b) = (cube(3), cube(4));
        for seed in 1..6 {
            let scalar = pushes(meeting(&a, &b, seed), Isa::Scalar);
            assert!(scalar.iter().flatten().map(Vec::len).sum::<usize>() > 100);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                assert_eq!(pushes(meeting(&a, &b, seed), isa), scalar, "{isa:?}");
            }
        }
    }

    #[test]
    fn what_one_gains_in_momentum_the_other_loses() {
        let (a, b) = (cube(3), cube(4));
        for [to_a, to_b] in pushes(meeting(&a, &b, 2), Isa::best()) {
            let (mut sum, mut size) = (ZERO, 0.0);
            for (topology, list) in [(&a, to_a), (&b, to_b)] {
                for (node, push) in list {
                    sum = add_scaled(sum, push, topology.mass[node as usize]);
                    size += length(push) * topology.mass[node as usize];
                }
            }
            assert!(length(sum) <= 1e-5 * size, "{sum:?} of {size}");
        }
    }

    #[test]
    fn the_order_of_the_two_does_not_matter_to_what_touches() {
        let (a, b) = (cube(3), cube(4));
        let one = pushes(meeting(&a, &b, 4), Isa::best());
        let [first, second] = meeting(&a, &b, 4);
        for ([to_a, to_b], [of_b, of_a]) in one.into_iter().zip(pushes([second, first], Isa::best())) {
            for (mut one, mut other) in [(to_a, of_a), (to_b, of_b)] {
                one.sort_by_key(|(node, _)| *node);
                other.sort_by_key(|(node, _)| *node);
                assert_eq!(one.len(), other.len());
                let total = |list: &Pushes| list.iter().fold(ZERO, |sum, (_, push)| add(sum, *push));
                assert!(length(sub(total(&one), total(&other))) <= 1e-5 * (1.0 + dot(total(&one), total(&one))));
            }
        }
    }

    /// All nodes of `own` that touch `other`, by looking at each candidate of the search in each interval.
    #[test]
    fn a_watch_misses_nothing_that_looking_at_every_candidate_sees() {
        let (a, b) = (cube(3), cube(4));
        let mut hits = 0;
        for seed in 1..30 {
            let mut bodies = meeting(&a, &b, seed);
            let (mut pair, mut work) = (Pair::default(), Workspace::default());
            let mut candidates: Vec<(u32, Vec<u32>)> = Vec::new();
            for interval in 0..rule().intervals() {
                bodies.iter_mut().for_each(|body| body.show(interval == 0, Isa::best()));
                let [one, two] = &bodies;
                let (at, bt) = (one.surface(), two.surface());
                if interval == 0 {
                    let reaches = (one.reach(), two.reach());
                    pair.find((&at, &reaches.0), (&bt, &reaches.1), rule().step, &law(), &mut work, Isa::best());
                    candidates = pair.watches[0].candidates();
                }
                pair.push(&at, &bt, &law(), &mut work, Isa::best());
                let expected = candidates.iter().filter_map(|(node, near)| {
                    touch(&bt, near, at.x(*node), at.moved(*node), 0.0).map(|(contact, ..)| (*node, contact.depth))
                });
                let expected: Vec<(u32, f32)> = expected.collect();
                let seen: Vec<(u32, f32)> = work.hits[0].iter().map(|hit| (hit.node, hit.contact.depth)).collect();
                assert_eq!(seen.len(), expected.len(), "seed {seed}, interval {interval}");
                for (one, other) in seen.iter().zip(&expected) {
                    assert!(one.0 == other.0 && (one.1 - other.1).abs() < 1e-6, "{one:?} {other:?}");
                }
                hits += seen.len();
                bodies.iter_mut().for_each(Shown::advance);
            }
        }
        assert!(hits > 1000, "{hits}");
    }
}
