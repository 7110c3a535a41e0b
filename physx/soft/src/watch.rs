//! Which of the triangles found for a step have to be looked at in an interval.
//!
//! A node cannot touch a triangle before it has come as much nearer as it was away when last looked at, and surfaces tell how fast
//! they approach each other at most: [`Motion`]. So each candidate has a time on a clock that counts metres of approach, and is not
//! looked at before (conservative advancement: Mirtich, *Impulse-based Dynamic Simulation of Rigid Body Systems*, 1996, section 2.3).

use crate::batch::Batch;
use crate::candidates::plane_gap;
use crate::contact::Contact;
use crate::pair::{Surface, depth_max};
use crate::search::{Candidate, Found, Seeker};
use crate::shell::Motion;
use crate::simd::Real;
use crate::vec3::{Vec3, length, sub};

/// How far the nodes of a body may have approached the triangles of another since the search, m.
///
/// A point of a triangle is where its corners' weights put it, so relative to the middle of the motion it goes no farther than its
/// corners, but for what the slack of a prism adds. A node thus stays in front of a triangle's plane until it has come as much nearer
/// as it was in front. A prism turns with its triangle, besides: by no more than twice what the corners move over its width, at a depth
/// of a few tenths of that width; what is deeper and comes in from the side may be seen an interval late.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// Towards planes.
    plane: f32,
    /// Towards prisms; no less.
    prism: f32,
}

impl Clock {
    #[inline(always)]
    fn advance(&mut self, own: Motion, other: Motion) {
        // A little more, for what rounding takes from the sums.
        let apart = 1.001 * (length(sub(own.shift, other.shift)) + own.spread);
        self.plane += apart + 1.1 * other.spread;
        self.prism += apart + 2.0 * other.spread;
    }
}

impl Clock {
    /// Whether a point at `x` is in front of one of those candidates that it cannot have got behind, and less than `depth` away from it.
    #[inline(always)]
    fn in_front(self, candidates: &mut [Candidate], other: &Surface<'_>, x: Vec3, depth: f32) -> bool {
        let mut found = false;
        for c in candidates {
            if c.front > self.plane && c.front - self.plane < depth && c.aside <= self.prism {
                let corners = other.topology.triangles[c.triangle as usize].map(|n| other.x(n));
                if let Some((gap, ..)) = plane_gap(corners, x) {
                    c.front = self.plane + gap;
                    found |= gap.abs() < depth;
                }
            }
        }
        found
    }
}

/// A node inside a body.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// The node.
    pub node: u32,
    /// Corners of the triangle that it is to leave through.
    pub triangle: [u32; 3],
    /// Weights of the corners where it is.
    pub weights: Vec3,
    /// Normal, depth and slip; the node is A's.
    pub contact: Contact,
}

/// The nodes of one body that watch triangles of another.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    found: Found,
    clock: Clock,
}

impl Watch {
    /// Sets the clock to zero and gives room for what a search finds.
    pub fn restart(&mut self) -> &mut Found {
        self.clock = Clock::default();
        &mut self.found
    }

    /// The nodes with the triangles that they watch.
    #[cfg(test)]
    pub(crate) fn candidates(&self) -> Vec<(u32, Vec<u32>)> {
        let mut from = 0;
        let runs = self.found.seekers.iter().map(|seeker| {
            let run = from..seeker.end as usize;
            from = run.end;
            (seeker.node, self.found.candidates[run].iter().map(|c| c.triangle).collect())
        });
        runs.collect()
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.found.seekers.is_empty()
    }

    /// Adds the nodes of `own` that are inside `other` to `out`, by ascending node. Both shells have been updated with the interval.
    /// `batch` is memory to work in.
    #[inline(always)]
    pub fn look<R: Real>(&mut self, own: &Surface<'_>, other: &Surface<'_>, batch: &mut Batch, out: &mut Vec<Touch>) {
        self.clock.advance(own.shell.motion, other.shell.motion);
        let Clock { plane, prism } = self.clock;
        let (positions, corners, triangles) = (own.positions(), other.positions(), &other.topology.triangles[..]);
        batch.clear();
        let mut from = 0;
        for index in 0..self.found.seekers.len() {
            let seeker = self.found.seekers[index];
            let (first, run) = (from, from..seeker.end as usize);
            from = run.end;
            if seeker.due > prism {
                continue;
            }
            if !batch.has_room() {
                self.measure::<R>(batch, own, other, out);
            }
            let x = positions[seeker.node as usize];
            let before = batch.len();
            for (candidate, c) in (first..).zip(&self.found.candidates[run]) {
                if c.front <= plane && c.aside <= prism {
                    let [i, j, k] = triangles[c.triangle as usize];
                    batch.add(candidate, x, [corners[i as usize], corners[j as usize], corners[k as usize]]);
                }
            }
            if batch.len() > before {
                batch.end_of(index, first);
            }
        }
        self.measure::<R>(batch, own, other, out);
    }

    /// Measures a batch, sets when its candidates are to be looked at again, adds what touches, and empties the batch.
    #[inline(always)]
    fn measure<R: Real>(&mut self, batch: &mut Batch, own: &Surface<'_>, other: &Surface<'_>, out: &mut Vec<Touch>) {
        if batch.is_empty() {
            return;
        }
        batch.measure::<R>();
        let Found { seekers, candidates } = &mut self.found;
        let deepest = depth_max(other.topology);
        let mut from = 0;
        for seen in batch.seen() {
            let (mut least, mut best) = (f32::MAX, None);
            for entry in from..seen.end as usize {
                let candidate = &mut candidates[batch.candidate(entry)];
                let (gap, aside) = batch.gap_aside(entry);
                if !(aside <= 0.0) {
                    candidate.aside = self.clock.prism + aside;
                    continue;
                }
                candidate.front = self.clock.plane + gap;
                if gap.abs() < least && -gap <= deepest {
                    (least, best) = (gap.abs(), Some((entry, candidate.triangle)));
                }
            }
            from = seen.end as usize;
            let seeker = &mut seekers[seen.seeker as usize];
            let candidates = &mut candidates[seen.first as usize..seeker.end as usize];
            // A point outside the nearest triangle is outside, though it may lie behind a farther one.
            if let Some((entry, triangle)) = best
                && batch.gap_aside(entry).0 < 0.0
            {
                let x = own.positions()[seeker.node as usize];
                if !self.clock.in_front(candidates, other, x, least) {
                    let corners = other.topology.triangles[triangle as usize];
                    let moved = own.displacements()[seeker.node as usize];
                    out.push(batch.touch(entry, seeker.node, corners, moved, other.displacements()));
                }
            }
            seeker.due = Seeker::due(candidates);
        }
        batch.clear();
    }
}
