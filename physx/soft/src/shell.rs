//! What contact needs to know of one body, whoever it meets: worked out once a body instead of once a pair.
//!
//! At a step's first interval [`Shell::update`] takes the surface's normals and the balls around its [patches](crate::patches); in
//! each interval how far the surface has moved since the one before. All of it is a function of the surfaces shown in the step, so whoever holds those
//! has the same shell.

use crate::bounds::Aabb;
use crate::patches::{PATCH, Patch};
use crate::simd::{Isa, Kernel, MAX_LANES, Real};
use crate::topology::Topology;
use crate::vec3::{Vec3, ZERO, add, cross, dot, length, lower, normalized, scale, sub, upper};

/// How a surface has moved since the interval before: every node by `shift`, give or take `spread` in any direction, m.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Motion {
    /// The middle of the nodes' displacements.
    pub shift: Vec3,
    /// No node's displacement is farther from `shift`.
    pub spread: f32,
}

/// A ball, metres, world frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// Its centre.
    pub centre: Vec3,
    /// Its radius.
    pub radius: f32,
}

impl Ball {
    /// Whether its box meets another box.
    #[inline(always)]
    pub fn meets(&self, region: &Aabb) -> bool {
        let (c, r) = (&self.centre, self.radius);
        (0..3).all(|k| c[k] - r <= region.max[k] && region.min[k] <= c[k] + r)
    }
}

/// What contact needs to know of a body in a step. Its memory is kept from step to step.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// Positions of the surface nodes in the last interval, `[x y z; surface]`.
    last: Vec<f32>,
    bounds: Option<Aabb>,
    /// Outward unit normals of the surface nodes at the first interval, by area; zero where undefined.
    pub normals: Vec<Vec3>,
    balls: Vec<Ball>,
    /// How the surface has moved since the interval before; not at all in the first.
    pub motion: Motion,
}

impl Shell {
    /// Takes up what a body shows in an interval; `first` where it is the step's first.
    ///
    /// `words` are the surface's positions `[x y z; surface]`, followed by anything.
    pub fn update(&mut self, first: bool, words: &[f32], topology: &Topology, isa: Isa) {
        let now = &words[..3 * topology.layout.surface];
        if first {
            self.bounds = Some(isa.run(Extent { now, before: None }));
            self.motion = Motion::default();
            self.normals.clear();
            self.normals.resize(topology.layout.surface, ZERO);
            self.balls.clear();
            let (x, _) = now.as_chunks::<3>();
            let Self { normals, balls, .. } = self;
            eight_lanes(isa).run(Outline { x, patches: &topology.patches, normals, balls });
            for normal in &mut self.normals {
                *normal = normalized(*normal).unwrap_or(ZERO);
            }
        } else {
            let Aabb { min, max } = isa.run(Extent { now, before: Some(&self.last) });
            self.motion = Motion { shift: scale(add(min, max), 0.5), spread: length(scale(sub(max, min), 0.5)) };
        }
        self.last.clear();
        self.last.extend_from_slice(now);
    }

    /// The box of the surface at the first interval.
    pub fn bounds(&self) -> Aabb {
        self.bounds.unwrap_or(Aabb::EMPTY)
    }

    /// Balls around the patches at the first interval.
    pub fn balls(&self) -> &[Ball] {
        &self.balls
    }
}

/// The widest instructions that do not exceed a patch: the bits are the same at any width.
pub(crate) fn eight_lanes(isa: Isa) -> Isa {
    if isa == Isa::Avx512 { Isa::Avx2 } else { isa }
}

/// The box of some points, or of their displacements from where they were `before`.
struct Extent<'a> {
    now: &'a [f32],
    before: Option<&'a [f32]>,
}

impl Kernel for Extent<'_> {
    type Output = Aabb;

    #[inline(always)]
    fn run<R: Real>(self) -> Aabb {
        match self.before {
            Some(before) => extent::<R>(self.now, before, |now, before| now - before, |now, before| now - before),
            None => extent::<R>(self.now, self.now, |now, _| now, |now, _| now),
        }
    }
}

/// Smallest and largest components of `f` of each point; three registers at a time hold a whole number of points.
#[inline(always)]
fn extent<R: Real>(now: &[f32], before: &[f32], f: impl Fn(R, R) -> R, one: impl Fn(f32, f32) -> f32) -> Aabb {
    let (mut low, mut high) = ([R::splat(f32::MAX); 3], [R::splat(f32::MIN); 3]);
    let run = 3 * R::LANES;
    let whole = now.len() / run * run;
    for (now, before) in now[..whole].chunks_exact(run).zip(before[..whole].chunks_exact(run)) {
        for k in 0..3 {
            let (now, before) = (&now[k * R::LANES..], &before[k * R::LANES..]);
            let value = f(R::load(now), R::load(before));
            (low[k], high[k]) = (value.smaller(low[k]), value.larger(high[k]));
        }
    }
    let mut ends = [[0.0; 3 * MAX_LANES]; 2];
    for k in 0..3 {
        low[k].store(&mut ends[0][k * R::LANES..]);
        high[k].store(&mut ends[1][k * R::LANES..]);
    }
    let mut all = Aabb::EMPTY;
    for (low, high) in ends[0][..run].as_chunks::<3>().0.iter().zip(ends[1][..run].as_chunks::<3>().0) {
        all = Aabb { min: lower(*low, all.min), max: upper(*high, all.max) };
    }
    let rest = now[whole..].as_chunks::<3>().0.iter().zip(before[whole..].as_chunks::<3>().0);
    rest.fold(all, |all, (now, before)| all.with(std::array::from_fn(|k| one(now[k], before[k]))))
}

/// Coordinates of a patch's corners: `[corner][axis][triangle]`.
pub(crate) type Corners = [[[f32; PATCH]; 3]; 3];

/// Collects the corners of a patch.
#[inline(always)]
pub(crate) fn corners(patch: &Patch, x: &[Vec3]) -> Corners {
    let mut out = [[[0.0; PATCH]; 3]; 3];
    for (out, nodes) in out.iter_mut().zip(&patch.nodes) {
        for lane in 0..PATCH {
            let p = x[nodes[lane] as usize];
            (out[0][lane], out[1][lane], out[2][lane]) = (p[0], p[1], p[2]);
        }
    }
    out
}

/// Reads the numbers of the lanes from `from` on.
#[inline(always)]
pub(crate) fn load<R: Real>(numbers: &[[f32; PATCH]; 3], from: usize) -> Vec3<R> {
    [R::load(&numbers[0][from..]), R::load(&numbers[1][from..]), R::load(&numbers[2][from..])]
}

/// The corners of the triangles from `from` on.
#[inline(always)]
pub(crate) fn triangle<R: Real>(corners: &Corners, from: usize) -> (Vec3<R>, Vec3<R>, Vec3<R>) {
    (load(&corners[0], from), load(&corners[1], from), load(&corners[2], from))
}

/// The same point in all lanes.
#[inline(always)]
pub(crate) fn splat<R: Real>(p: Vec3) -> Vec3<R> {
    [R::splat(p[0]), R::splat(p[1]), R::splat(p[2])]
}

/// Sums the area vectors of the triangles in their nodes, and lays balls around the patches.
struct Outline<'a> {
    x: &'a [Vec3],
    patches: &'a [Patch],
    normals: &'a mut [Vec3],
    balls: &'a mut Vec<Ball>,
}

impl Kernel for Outline<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        for patch in self.patches {
            let corners = corners(patch, self.x);
            let mut area = [[0.0; PATCH]; 3];
            for from in (0..PATCH).step_by(R::LANES) {
                let (a, b, c) = triangle::<R>(&corners, from);
                let n = cross(sub(b, a), sub(c, a));
                for k in 0..3 {
                    n[k].store(&mut area[k][from..]);
                }
            }
            for lane in 0..patch.count {
                let area = [area[0][lane], area[1][lane], area[2][lane]];
                for nodes in &patch.nodes {
                    let normal = &mut self.normals[nodes[lane] as usize];
                    *normal = add(*normal, area);
                }
            }
            self.balls.push(ball::<R>(&corners));
        }
    }
}

/// A ball around the corners of a patch: about the middle of their box.
#[inline(always)]
fn ball<R: Real>(corners: &Corners) -> Ball {
    let mut centre = [0.0; 3];
    for k in 0..3 {
        let (mut low, mut high) = (corners[0][k], corners[0][k]);
        for corner in &corners[1..] {
            for from in (0..PATCH).step_by(R::LANES) {
                let value = R::load(&corner[k][from..]);
                value.smaller(R::load(&low[from..])).store(&mut low[from..]);
                value.larger(R::load(&high[from..])).store(&mut high[from..]);
            }
        }
        let (mut least, mut most) = (low[0], high[0]);
        for lane in 1..PATCH {
            least = if low[lane] < least { low[lane] } else { least };
            most = if high[lane] > most { high[lane] } else { most };
        }
        centre[k] = 0.5 * (least + most);
    }
    let middle = splat::<R>(centre);
    let mut farthest = [0.0; PATCH];
    for corner in corners {
        for from in (0..PATCH).step_by(R::LANES) {
            let arm = sub(load::<R>(corner, from), middle);
            dot(arm, arm).larger(R::load(&farthest[from..])).store(&mut farthest[from..]);
        }
    }
    // A little more than the farthest corner, for what rounding takes.
    let mut square = 0.0;
    for d in farthest {
        square = if d > square { d } else { square };
    }
    Ball { centre, radius: 1.0001 * square.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{Random, Shown, cube};

    #[test]
    fn balls_hold_their_patches_and_normals_look_outward_at_any_width() {
        let topology = cube(3);
        let mut one = Shown::new(&topology, [5.0, 0.0, 0.0], [0.0; 3], 0.0, &mut Random(1));
        one.show(true, Isa::Scalar);
        for (patch, ball) in topology.patches.iter().zip(one.shell.balls()) {
            for &n in patch.nodes.iter().flatten() {
                assert!(length(sub(one.surface().x(n), ball.centre)) <= ball.radius);
            }
        }
        for (normal, rest) in one.shell.normals.iter().zip(&topology.rest) {
            assert!(dot(*normal, *rest) > 0.4, "{normal:?} at {rest:?}");
        }
        assert_eq!(one.shell.bounds(), Aabb { min: [4.5, -0.5, -0.5], max: [5.5, 0.5, 0.5] });
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut other = Shown { topology: &topology, words: one.words.clone(), shell: Shell::default() };
            other.show(true, isa);
            assert_eq!(format!("{:?}", other.shell), format!("{:?}", one.shell), "{isa:?}");
        }
    }

    #[test]
    fn motion_holds_every_nodes_displacement() {
        let topology = cube(2);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut shown = Shown::new(&topology, [0.0; 3], [3.0, 1.0, 0.0], 0.5, &mut Random(7));
            shown.show(true, isa);
            assert_eq!(shown.shell.motion, Motion::default());
            shown.advance();
            shown.show(false, isa);
            let Motion { shift, spread } = shown.shell.motion;
            assert!(spread > 0.0);
            for moved in shown.surface().displacements() {
                assert!(length(sub(*moved, shift)) <= spread + 1e-6);
            }
        }
    }
}
