//! Boxes around bodies, and which of them meet.

use crate::vec3::{Vec3, lower, upper};

/// An axis-aligned box, metres, world frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aabb {
    /// Smallest coordinates.
    pub min: Vec3,
    /// Largest coordinates.
    pub max: Vec3,
}

impl Aabb {
    /// The box that contains nothing.
    pub const EMPTY: Aabb = Aabb { min: [f32::MAX; 3], max: [f32::MIN; 3] };

    /// The box with a point added.
    #[inline(always)]
    pub fn with(self, p: Vec3) -> Self {
        Aabb { min: lower(self.min, p), max: upper(self.max, p) }
    }

    /// The box grown by `by` metres on every side.
    #[inline(always)]
    pub fn grown(self, by: f32) -> Self {
        Aabb { min: self.min.map(|c| c - by), max: self.max.map(|c| c + by) }
    }

    /// Whether two boxes share a point.
    #[inline(always)]
    pub fn meets(&self, other: &Aabb) -> bool {
        (0..3).all(|k| self.min[k] <= other.max[k] && other.min[k] <= self.max[k])
    }

    /// Whether a point lies inside or on the border.
    #[inline(always)]
    pub fn holds(&self, p: Vec3) -> bool {
        (0..3).all(|k| self.min[k] <= p[k] && p[k] <= self.max[k])
    }

    /// The common part of two boxes that meet.
    pub fn overlap(&self, other: &Aabb) -> Aabb {
        Aabb { min: upper(self.min, other.min), max: lower(self.max, other.max) }
    }
}

/// Finds which of many boxes meet, by a sweep along x. Keeps its memory, and the last order as a start for the next.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    order: Vec<u32>,
}

impl Sweep {
    /// All pairs `(a, b)`, `a < b`, of boxes that meet, sorted, into `out`, which is cleared first. NaN boxes meet nothing.
    pub fn pairs(&mut self, boxes: &[Aabb], out: &mut Vec<(u32, u32)>) {
        out.clear();
        if self.order.len() != boxes.len() {
            self.order.clear();
            self.order.extend(0..boxes.len() as u32);
        }
        let low = |a: u32| boxes[a as usize].min[0];
        // Ties go by number, so that the result does not depend on the order that the last sweep left.
        self.order.sort_unstable_by(|&a, &b| low(a).total_cmp(&low(b)).then(a.cmp(&b)));
        for (i, &a) in self.order.iter().enumerate() {
            let first = &boxes[a as usize];
            for &b in &self.order[i + 1..] {
                let second = &boxes[b as usize];
                if second.min[0] > first.max[0] {
                    break;
                }
                if first.meets(second) {
                    out.push(if a < b { (a, b) } else { (b, a) });
                }
            }
        }
        out.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_finds_what_brute_force_finds() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 1e6
        };
        let boxes: Vec<Aabb> = (0..120)
            .map(|_| {
                let p = [random(), random(), random()];
                Aabb { min: p, max: p.map(|c| c + 2.0) }
            })
            .collect();
        let mut pairs = Vec::new();
        Sweep::default().pairs(&boxes, &mut pairs);
        let mut expected = Vec::new();
        for a in 0..boxes.len() {
            for b in a + 1..boxes.len() {
                if boxes[a].meets(&boxes[b]) {
                    expected.push((a as u32, b as u32));
                }
            }
        }
        assert!(expected.len() > 50);
        assert_eq!(pairs, expected);
    }
}
