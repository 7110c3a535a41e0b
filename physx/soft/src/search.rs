//! Which triangles of another body the nodes of a body may touch in a step: the same rule as [`Sought`],
//! over patches of triangles in lanes.

use crate::bounds::Aabb;
use crate::candidates::{FACING, KEPT, SLACK, Sought};
use crate::pair::Surface;
use crate::patches::{PATCH, Patch};
use crate::shell::{Ball, Corners, corners, eight_lanes, load, splat, triangle};
use crate::simd::{Isa, Kernel, Mask, Real};
use crate::vec3::{Vec3, ZERO, cross, dot, length, scale, sub};

/// A triangle that a node may touch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub triangle: u32,
    /// How far the node is in front of the triangle's plane, m; negative behind. After the search, the reading of a clock that counts
    /// approach from then on at which it may get behind; see [`watch`](crate::watch).
    pub front: f32,
    /// How far the node is from the triangle's prism, m; at most zero inside. After the search a reading, as above.
    pub aside: f32,
}

/// A node that may touch something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seeker {
    /// Its id.
    pub node: u32,
    /// The end of its run of candidates.
    pub end: u32,
    /// It touches none of its candidates before, m: of each the larger of `front` and `aside`.
    pub due: f32,
}

impl Seeker {
    /// When the first of some candidates may be touched.
    #[inline(always)]
    pub fn due(candidates: &[Candidate]) -> f32 {
        candidates.iter().fold(f32::MAX, |first, c| {
            let due = if c.front > c.aside { c.front } else { c.aside };
            if due < first { due } else { first }
        })
    }
}

/// What a search has found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Nodes by ascending id.
    pub seekers: Vec<Seeker>,
    /// At most [`KEPT`] candidates of each, the nearest first.
    pub candidates: Vec<Candidate>,
}

/// Some patches of a surface, prepared for a search; its memory serves one search after another.
#[derive(Clone, Debug, Default)]
pub struct Search {
    blocks: Vec<Block>,
    /// Balls around the blocks, `[x y z radius][block]`, by eights.
    balls: Vec<[[f32; PATCH]; 4]>,
}

/// The triangles of a patch, by lanes.
#[derive(Clone, Debug)]
struct Block {
    ids: [u32; PATCH],
    /// Bit `i`: there is a triangle in lane `i`, and it has an area.
    live: u32,
    /// First corner.
    a: [[f32; PATCH]; 3],
    /// Outward unit normal.
    normal: [[f32; PATCH]; 3],
    /// Unit vectors along the edges: ab, bc, ca.
    along: [[[f32; PATCH]; 3]; 3],
    /// Lengths of the edges.
    length: [[f32; PATCH]; 3],
    /// Twice the area.
    area: [f32; PATCH],
}

/// The numbers of a [`Block`] in a register.
struct Lanes<R> {
    normal: Vec3<R>,
    along: [Vec3<R>; 3],
    length: Vec3<R>,
    area: R,
}

impl Search {
    /// Prepares those patches of a surface whose balls meet a box.
    pub fn prepare(&mut self, surface: &Surface<'_>, region: &Aabb, isa: Isa) {
        let (patches, balls) = (&surface.topology.patches[..], surface.shell.balls());
        eight_lanes(isa).run(Prepare { search: self, x: surface.positions(), patches, balls, region });
    }

    /// Finds what the nodes may touch (ids ascending).
    pub fn find(&self, nodes: impl Iterator<Item = Sought>, found: &mut Found, isa: Isa) {
        found.seekers.clear();
        found.candidates.clear();
        if !self.blocks.is_empty() {
            eight_lanes(isa).run(Find { search: self, nodes, found });
        }
    }
}

struct Prepare<'a> {
    search: &'a mut Search,
    x: &'a [Vec3],
    patches: &'a [Patch],
    balls: &'a [Ball],
    region: &'a Aabb,
}

impl Kernel for Prepare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        let Search { blocks, balls } = self.search;
        blocks.clear();
        balls.clear();
        for (patch, ball) in self.patches.iter().zip(self.balls) {
            if !ball.meets(self.region) {
                continue;
            }
            let lane = blocks.len() % PATCH;
            if lane == 0 {
                // A ball of negative radius is out of reach.
                balls.push([[0.0; PATCH], [0.0; PATCH], [0.0; PATCH], [-1e30; PATCH]]);
            }
            if let Some(last) = balls.last_mut() {
                for k in 0..3 {
                    last[k][lane] = ball.centre[k];
                }
                last[3][lane] = ball.radius;
            }
            blocks.push(Block::new::<R>(patch, &corners(patch, self.x)));
        }
    }
}

impl Block {
    #[inline(always)]
    fn new<R: Real>(patch: &Patch, corners: &Corners) -> Self {
        let zero = [[0.0; PATCH]; 3];
        let mut block = Block {
            ids: patch.ids,
            live: 0,
            a: corners[0],
            normal: zero,
            along: [zero; 3],
            length: zero,
            area: zero[0],
        };
        for from in (0..PATCH).step_by(R::LANES) {
            let (a, b, c) = triangle::<R>(corners, from);
            let n = cross(sub(b, a), sub(c, a));
            let area = length(n);
            block.live |= R::splat(1e-10).less(area).bits() << from;
            let one = R::splat(1.0);
            store(scale(n, one / area), &mut block.normal, from);
            area.store(&mut block.area[from..]);
            let edges = [sub(b, a), sub(c, b), sub(a, c)];
            for edge in 0..3 {
                let len = length(edges[edge]);
                store(scale(edges[edge], one / len), &mut block.along[edge], from);
                len.store(&mut block.length[edge][from..]);
            }
        }
        block.live &= (1 << patch.count) - 1;
        block
    }

    #[inline(always)]
    fn lanes<R: Real>(&self, from: usize) -> Lanes<R> {
        Lanes {
            normal: load(&self.normal, from),
            along: [load(&self.along[0], from), load(&self.along[1], from), load(&self.along[2], from)],
            length: load(&self.length, from),
            area: R::load(&self.area[from..]),
        }
    }
}

#[inline(always)]
fn store<R: Real>(v: Vec3<R>, to: &mut [[f32; PATCH]; 3], from: usize) {
    for k in 0..3 {
        v[k].store(&mut to[k][from..]);
    }
}

impl<R: Real> Lanes<R> {
    /// Squared distance of a point from the triangles, and its distance from their prisms, from `ax` (the point as seen from `a`) and
    /// `gap`, its signed distance from their planes.
    ///
    /// Seen in the plane, a point outside the triangle is as far from it as from the nearest edge: by `beside` across the edge and by
    /// `past` beyond its ends.
    #[inline(always)]
    fn distance2(&self, ax: Vec3<R>, gap: R) -> (R, R) {
        let zero = R::splat(0.0);
        let slack = R::splat(SLACK) * self.area;
        let bx = sub(ax, scale(self.along[0], self.length[0]));
        let (mut nearest, mut aside, mut outermost) = (R::splat(f32::MAX), R::splat(f32::MIN), R::splat(f32::MIN));
        let seen = [ax, bx, ax];
        for edge in 0..3 {
            let along = self.along[edge];
            let beside = dot(cross(along, self.normal), seen[edge]);
            // Along ca the point is seen from the edge's end.
            let t = dot(along, seen[edge]);
            let t = if edge == 2 { t + self.length[2] } else { t };
            let past = (-t).larger(t - self.length[edge]).larger(zero);
            let square = beside * beside + past * past;
            nearest = square.smaller(nearest);
            outermost = beside.larger(outermost);
            aside = (beside - slack / self.length[edge]).larger(aside);
        }
        let inside = outermost.at_most(zero);
        (gap * gap + R::select(inside, zero, nearest), aside)
    }
}

struct Find<'a, I> {
    search: &'a Search,
    nodes: I,
    found: &'a mut Found,
}

impl<I: Iterator<Item = Sought>> Kernel for Find<'_, I> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        let mut nearest = Nearest::default();
        for sought in self.nodes {
            nearest.count = 0;
            for (group, balls) in self.search.balls.iter().enumerate() {
                let mut reached = within::<R>(balls, &sought);
                while reached != 0 {
                    let block = &self.search.blocks[group * PATCH + reached.trailing_zeros() as usize];
                    reached &= reached - 1;
                    look::<R>(block, &sought, &mut nearest);
                }
            }
            if nearest.count == 0 {
                continue;
            }
            let run = &nearest.kept[..nearest.count];
            let from = self.found.candidates.len();
            self.found.candidates.extend(run.iter().map(|(_, candidate)| *candidate));
            let due = Seeker::due(&self.found.candidates[from..]);
            let end = self.found.candidates.len() as u32;
            self.found.seekers.push(Seeker { node: sought.node, end, due });
        }
    }
}

/// Which of eight balls a node may reach.
#[inline(always)]
fn within<R: Real>(balls: &[[f32; PATCH]; 4], sought: &Sought) -> u32 {
    let reach = R::splat(if sought.outside > sought.inside { sought.outside } else { sought.inside });
    let x = splat::<R>(sought.x);
    let mut bits = 0;
    for from in (0..PATCH).step_by(R::LANES) {
        let centre = [R::load(&balls[0][from..]), R::load(&balls[1][from..]), R::load(&balls[2][from..])];
        let most = R::load(&balls[3][from..]) + reach;
        let d = sub(centre, x);
        bits |= (dot(d, d).at_most(most * most) & R::splat(0.0).at_most(most)).bits() << from;
    }
    bits
}

/// Looks at the triangles of a block; see [`Sought::distance2`](crate::candidates::Sought).
#[inline(always)]
fn look<R: Real>(block: &Block, sought: &Sought, nearest: &mut Nearest) {
    let (outside, inside) = (R::splat(sought.outside), R::splat(sought.inside));
    for from in (0..PATCH).step_by(R::LANES) {
        let ax = sub(splat(sought.x), load(&block.a, from));
        let normal = load::<R>(&block.normal, from);
        let gap = dot(normal, ax);
        let mut fits = gap.at_most(outside) & (-inside).at_most(gap) & R::Mask::from_bits(block.live >> from);
        if sought.normal != ZERO {
            fits = fits & dot(splat(sought.normal), normal).less(R::splat(-FACING));
        }
        if !fits.any() {
            continue;
        }
        let (square, aside) = block.lanes::<R>(from).distance2(ax, gap);
        let most = R::select(R::splat(0.0).less(gap), outside, inside);
        let mut bits = (fits & square.at_most(most * most)).bits();
        let mut numbers = [[0.0; PATCH]; 3];
        store([square, gap, aside], &mut numbers, 0);
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let triangle = block.ids[from + lane];
            nearest.add(numbers[0][lane], Candidate { triangle, front: numbers[1][lane], aside: numbers[2][lane] });
        }
    }
}

/// The nearest candidates so far, by squared distance and id.
#[derive(Default)]
struct Nearest {
    count: usize,
    kept: [(f32, Candidate); KEPT],
}

impl Nearest {
    #[inline(always)]
    fn add(&mut self, square: f32, candidate: Candidate) {
        let before =
            |&(other, ref c): &(f32, Candidate)| other < square || (other == square && c.triangle < candidate.triangle);
        let mut place = self.count;
        while place > 0 && !before(&self.kept[place - 1]) {
            place -= 1;
        }
        if place == KEPT {
            return;
        }
        let last = if self.count < KEPT { self.count } else { KEPT - 1 };
        for i in (place..last).rev() {
            self.kept[i + 1] = self.kept[i];
        }
        self.kept[place] = (square, candidate);
        self.count = last + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::{Triangle, squared_distance};
    use crate::heap::{Random, Shown, cube};
    use crate::vec3::normalized;

    /// The rule, by looking at every triangle: squared distances with ids, nearest first.
    fn brute(sought: &Sought, shown: &Shown<'_>) -> Vec<(f32, u32)> {
        let surface = shown.surface();
        let mut all = Vec::new();
        for (t, nodes) in shown.topology.triangles.iter().enumerate() {
            let corners = nodes.map(|n| surface.x(n));
            let normal = normalized(cross(sub(corners[1], corners[0]), sub(corners[2], corners[0]))).unwrap();
            let gap = dot(normal, sub(sought.x, corners[0]));
            let faces = sought.normal == ZERO || dot(sought.normal, normal) < -FACING;
            let most = if gap > 0.0 { sought.outside } else { sought.inside };
            let square = squared_distance(corners, sought.x);
            if faces && square <= most * most {
                all.push((square, t as u32));
            }
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    #[test]
    fn it_finds_what_looking_at_every_triangle_finds() {
        let topology = cube(3);
        let mut random = Random(3);
        let mut shown = Shown::new(&topology, [0.0; 3], [0.0; 3], 0.05, &mut random);
        shown.show(true, Isa::Scalar);
        let nodes: Vec<Sought> = (0..300)
            .map(|node| {
                let normal = if node % 3 == 0 { ZERO } else { normalized(random.vector(1.0)).unwrap() };
                Sought { node, x: random.vector(0.7), normal, outside: 0.11, inside: 0.23 }
            })
            .collect();
        let mut search = Search::default();
        search.prepare(&shown.surface(), &shown.shell.bounds(), Isa::Scalar);
        let mut found = Found::default();
        search.find(nodes.iter().copied(), &mut found, Isa::Scalar);
        let (mut from, mut seekers, mut seen) = (0, found.seekers.iter(), 0);
        for sought in &nodes {
            let all = brute(sought, &shown);
            if all.is_empty() {
                continue;
            }
            let seeker = seekers.next().unwrap();
            let run = &found.candidates[from..seeker.end as usize];
            from = seeker.end as usize;
            assert_eq!((seeker.node, run.len()), (sought.node, all.len().min(KEPT)));
            for (candidate, (square, _)) in run.iter().zip(&all) {
                let corners = topology.triangles[candidate.triangle as usize].map(|n| shown.surface().x(n));
                assert!((squared_distance(corners, sought.x) - square).abs() < 1e-5);
                let gap = crate::candidates::plane_gap(corners, sought.x);
                assert_eq!(gap.is_some(), candidate.aside <= 0.0);
                assert!(gap.is_none_or(|(gap, ..)| (gap - candidate.front).abs() < 1e-5));
                seen += 1;
            }
        }
        assert!(seekers.next().is_none() && seen > 300, "{seen}");
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut other = Found::default();
            search.prepare(&shown.surface(), &shown.shell.bounds(), isa);
            search.find(nodes.iter().copied(), &mut other, isa);
            assert_eq!(format!("{other:?}"), format!("{found:?}"), "{isa:?}");
        }
    }

    #[test]
    fn a_patch_out_of_the_region_is_left_out() {
        let topology = cube(2);
        let mut shown = Shown::new(&topology, [0.0; 3], [0.0; 3], 0.0, &mut Random(1));
        shown.show(true, Isa::Scalar);
        let mut search = Search::default();
        search.prepare(&shown.surface(), &Triangle::bounds_of(&[[9.0; 3]; 3]), Isa::Scalar);
        assert!(search.blocks.is_empty());
        search.prepare(&shown.surface(), &Aabb { min: [-1.0, 0.49, -1.0], max: [1.0, 2.0, 1.0] }, Isa::Scalar);
        assert!(!search.blocks.is_empty() && search.blocks.len() < topology.patches.len());
    }
}
