//! Points and triangles measured against each other, many at a time, in lanes.

use crate::candidates::{KEPT, SLACK};
use crate::contact::Contact;
use crate::simd::Real;
use crate::vec3::{Vec3, add_scaled, cross, dot, scale, sub};
use crate::watch::Touch;

/// Points with triangles in a batch: a whole number of registers of any width.
const ROOM: usize = 64;

/// A point of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Index of the seeker.
    pub seeker: u32,
    /// Index of its first candidate.
    pub first: u32,
    /// The end of its run of entries in the batch.
    pub end: u32,
}

/// Some points, each with triangles that it may have entered.
#[derive(Clone, Debug)]
pub struct Batch {
    entries: usize,
    points: usize,
    seen: [Seen; ROOM],
    candidates: [u32; ROOM],
    /// By entry: the point, then the three corners, `[x y z] × 4`.
    given: [[f32; ROOM]; 12],
    /// By entry: gap, aside, unit normal, weights of the second and third corner.
    measured: [[f32; ROOM]; 7],
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            entries: 0,
            points: 0,
            seen: [Seen::default(); ROOM],
            candidates: [0; ROOM],
            given: [[0.0; ROOM]; 12],
            measured: [[0.0; ROOM]; 7],
        }
    }
}

impl Batch {
    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.entries, self.points) = (0, 0);
    }
    /// Entries.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.entries
    }
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
    /// Whether another point with all its candidates finds room.
    #[inline(always)]
    pub fn has_room(&self) -> bool {
        self.entries + KEPT <= ROOM
    }
    /// Adds an entry: candidate `candidate` of a point at `x`.
    #[inline(always)]
    pub fn add(&mut self, candidate: usize, x: Vec3, corners: [Vec3; 3]) {
        let e = self.entries;
        self.entries = e + 1;
        self.candidates[e] = candidate as u32;
        for k in 0..3 {
            self.given[k][e] = x[k];
            self.given[3 + k][e] = corners[0][k];
            self.given[6 + k][e] = corners[1][k];
            self.given[9 + k][e] = corners[2][k];
        }
    }
    /// Ends the entries of seeker `seeker`, whose candidates begin at `first`.
    #[inline(always)]
    pub fn end_of(&mut self, seeker: usize, first: usize) {
        self.seen[self.points] = Seen { seeker: seeker as u32, first: first as u32, end: self.entries as u32 };
        self.points += 1;
    }
    /// The points, in the order in which they came.
    pub fn seen(&self) -> &[Seen] {
        &self.seen[..self.points]
    }
    /// Measures all entries.
    #[inline(always)]
    pub fn measure<R: Real>(&mut self) {
        let Batch { given, measured, entries, .. } = self;
        for from in (0..*entries).step_by(R::LANES) {
            let (x, a) = (load::<R>(&given[0..3], from), load::<R>(&given[3..6], from));
            let (b, c) = (load::<R>(&given[6..9], from), load::<R>(&given[9..12], from));
            let results = measure(x, a, b, c);
            for k in 0..results.len() {
                results[k].store(&mut measured[k][from..]);
            }
        }
    }
    /// The candidate of an entry.
    #[inline(always)]
    pub fn candidate(&self, entry: usize) -> usize {
        self.candidates[entry] as usize
    }
    /// Of an entry: signed distance of the point from the triangle's plane, m, positive outside; and a distance, m, that it is at least
    /// away from the triangle's prism, at most zero inside. Without end for a triangle that has no area.
    #[inline(always)]
    pub fn gap_aside(&self, entry: usize) -> (f32, f32) {
        (self.measured[0][entry], self.measured[1][entry])
    }
    /// An entry's contact: node `node`, displaced by `moved`, with a triangle's `corners`.
    #[inline(always)]
    pub fn touch(&self, entry: usize, node: u32, corners: [u32; 3], moved: Vec3, displacements: &[Vec3]) -> Touch {
        let [gap, _, x, y, z, wb, wc] = &self.measured;
        let weights = [1.0 - wb[entry] - wc[entry], wb[entry], wc[entry]];
        let [i, j, k] = corners;
        let there = scale(displacements[i as usize], weights[0]);
        let there = add_scaled(there, displacements[j as usize], weights[1]);
        let there = add_scaled(there, displacements[k as usize], weights[2]);
        let normal = [x[entry], y[entry], z[entry]];
        let contact = Contact { normal, depth: -gap[entry], slip: sub(moved, there) };
        Touch { node, triangle: corners, weights, contact }
    }
}

#[inline(always)]
fn load<R: Real>(numbers: &[[f32; ROOM]], from: usize) -> Vec3<R> {
    [R::load(&numbers[0][from..]), R::load(&numbers[1][from..]), R::load(&numbers[2][from..])]
}

/// Gap, aside, unit normal, weights of b and c.
#[inline(always)]
fn measure<R: Real>(x: Vec3<R>, a: Vec3<R>, b: Vec3<R>, c: Vec3<R>) -> [R; 7] {
    let (ab, ac, ax, bc) = (sub(b, a), sub(c, a), sub(x, a), sub(c, b));
    let n = cross(ab, ac);
    let square = dot(n, n);
    // Weights, times the square.
    let wc = dot(cross(ab, ax), n);
    let wb = dot(cross(ax, ac), n);
    let wa = square - wb - wc;
    // The edge opposite to the corner of least weight, squared.
    let (of_bc, of_ca, of_ab) = (dot(bc, bc), dot(ac, ac), dot(ab, ab));
    let second = wb.less(wa);
    let (least, edge) = (R::select(second, wb, wa), R::select(second, of_ca, of_bc));
    let third = wc.less(least);
    let (least, edge) = (R::select(third, wc, least), R::select(third, of_ab, edge));
    // The altitude on an edge is twice the area over its length.
    let aside = (-least - R::splat(SLACK) * square) / (square * edge).sqrt();
    let flat = square.at_most(R::splat(1e-20));
    let aside = R::select(flat, R::splat(f32::MAX), aside);
    let (one, inverse) = (R::splat(1.0), R::splat(1.0) / square);
    let unit = scale(n, one / square.sqrt());
    [dot(unit, ax), aside, unit[0], unit[1], unit[2], wb * inverse, wc * inverse]
}
