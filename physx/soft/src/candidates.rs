//! Which triangles a node may touch in a step.
//!
//! A contact is tested in the *prism* of a triangle: the points whose projection falls on it. A point inside a solid near a
//! convex edge lies in the prism of a face there, so what is inside is always found; of several the least deep counts.

use crate::bounds::Aabb;
use crate::vec3::{Vec3, ZERO, add_scaled, cross, dot, length, normalized, sub};

/// At most this many triangles are kept for a node, the nearest ones.
pub const KEPT: usize = 6;

/// How far outside a triangle, in barycentric weight, a projection still counts: neighbours overlap, so no ray slips between.
const SLACK: f32 = 0.02;

/// A triangle faces a node where the cosine between their outward normals is below the negative of this.
const FACING: f32 = 0.1;

/// A triangle of a surface, world frame.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// Its corners, counter-clockwise seen from outside.
    pub corners: [Vec3; 3],
    bounds: Aabb,
    /// Outward unit normal; zero where the triangle has no area.
    normal: Vec3,
}

impl Triangle {
    /// A triangle and its box.
    pub fn new(corners: [Vec3; 3]) -> Self {
        let normal = cross(sub(corners[1], corners[0]), sub(corners[2], corners[0]));
        let bounds = corners.iter().fold(Aabb::EMPTY, |b, &p| b.with(p));
        Self { corners, bounds, normal: normalized(normal).unwrap_or(ZERO) }
    }
    /// Its box.
    pub fn bounds(&self) -> &Aabb {
        &self.bounds
    }
}

/// For some nodes of a surface the triangles that they may touch, nearest first.
#[derive(Clone, Debug, Default)]
pub struct Nearest {
    /// Node and the end of its run in `triangles`, by ascending node.
    runs: Vec<(u32, u32)>,
    triangles: Vec<u32>,
}

impl Nearest {
    /// Finds for each of `nodes` (id ascending, position, outward normal or zero) the [`KEPT`] nearest of `triangles` (ids ascending) within `distance` metres
    /// that face the node. Where two boxes are stacked edge on edge, only the normals tell a bottom from a side.
    pub fn find(
        &mut self,
        nodes: impl Iterator<Item = (u32, Vec3, Vec3)>,
        triangles: &[(u32, Triangle)],
        distance: f32,
    ) {
        self.runs.clear();
        self.triangles.clear();
        let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(KEPT + 1);
        for (node, x, normal) in nodes {
            nearest.clear();
            for (id, triangle) in triangles {
                if !triangle.bounds.grown(distance).holds(x) {
                    continue;
                }
                if normal != ZERO && dot(normal, triangle.normal) >= -FACING {
                    continue;
                }
                let d = squared_distance(triangle.corners, x);
                if d <= distance * distance {
                    let place = nearest.partition_point(|&(other, _)| other <= d);
                    if place < KEPT {
                        nearest.insert(place, (d, *id));
                        nearest.truncate(KEPT);
                    }
                }
            }
            if !nearest.is_empty() {
                self.triangles.extend(nearest.iter().map(|&(_, id)| id));
                self.runs.push((node, self.triangles.len() as u32));
            }
        }
    }

    /// The candidates of node `node`.
    pub fn of(&self, node: usize) -> &[u32] {
        match self.runs.binary_search_by_key(&(node as u32), |&(n, _)| n) {
            Ok(run) => self.run(run).1,
            Err(_) => &[],
        }
    }

    /// The nodes that have candidates, ascending, with those.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        (0..self.runs.len()).map(|run| self.run(run))
    }

    fn run(&self, run: usize) -> (u32, &[u32]) {
        let start = if run == 0 { 0 } else { self.runs[run - 1].1 };
        (self.runs[run].0, &self.triangles[start as usize..self.runs[run].1 as usize])
    }

    /// Whether no node has a candidate.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// Signed distance of `x` from the triangle's plane (positive outside), its normal and the barycentric weights of the
/// projection; `None` where the projection misses the triangle or the triangle has no area.
#[inline]
pub fn plane_gap([a, b, c]: [Vec3; 3], x: Vec3) -> Option<(f32, Vec3, Vec3)> {
    let (ab, ac, ax) = (sub(b, a), sub(c, a), sub(x, a));
    let n = cross(ab, ac);
    let area = dot(n, n);
    if !(area > 1e-20) {
        return None;
    }
    let inverse = 1.0 / area;
    let wc = dot(cross(ab, ax), n) * inverse;
    let wb = dot(cross(ax, ac), n) * inverse;
    let wa = 1.0 - wb - wc;
    if wa < -SLACK || wb < -SLACK || wc < -SLACK {
        return None;
    }
    let unit = crate::vec3::scale(n, 1.0 / length(n));
    Some((dot(unit, ax), unit, [wa, wb, wc]))
}

/// Squared distance of a point from a triangle (Ericson, *Real-Time Collision Detection*, 5.1.5).
pub fn squared_distance([a, b, c]: [Vec3; 3], p: Vec3) -> f32 {
    let (ab, ac, ap) = (sub(b, a), sub(c, a), sub(p, a));
    let to = |q: Vec3| {
        let d = sub(p, q);
        dot(d, d)
    };
    let (d1, d2) = (dot(ab, ap), dot(ac, ap));
    if d1 <= 0.0 && d2 <= 0.0 {
        return to(a);
    }
    let bp = sub(p, b);
    let (d3, d4) = (dot(ab, bp), dot(ac, bp));
    if d3 >= 0.0 && d4 <= d3 {
        return to(b);
    }
    let vc = d1 * d4 - d3 * d2;
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 {
        return to(add_scaled(a, ab, d1 / (d1 - d3)));
    }
    let cp = sub(p, c);
    let (d5, d6) = (dot(ab, cp), dot(ac, cp));
    if d6 >= 0.0 && d5 <= d6 {
        return to(c);
    }
    let vb = d5 * d2 - d1 * d6;
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 {
        return to(add_scaled(a, ac, d2 / (d2 - d6)));
    }
    let va = d3 * d6 - d5 * d4;
    if va <= 0.0 && d4 - d3 >= 0.0 && d5 - d6 >= 0.0 {
        return to(add_scaled(b, sub(c, b), (d4 - d3) / ((d4 - d3) + (d5 - d6))));
    }
    let inverse = 1.0 / (va + vb + vc);
    to(add_scaled(add_scaled(a, ab, vb * inverse), ac, vc * inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: [Vec3; 3] = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];

    #[test]
    fn gap_is_signed_and_limited_to_the_prism() {
        let (gap, normal, w) = plane_gap(UP, [0.25, -0.1, 0.25]).unwrap();
        assert!((gap + 0.1).abs() < 1e-6 && normal == [0.0, 1.0, 0.0]);
        assert!((w[0] - 0.5).abs() < 1e-6 && (w[1] - 0.25).abs() < 1e-6);
        assert!(plane_gap(UP, [0.9, 0.0, 0.9]).is_none());
        assert!(plane_gap([[0.0; 3]; 3], [0.0; 3]).is_none());
    }

    #[test]
    fn distance_covers_faces_edges_and_corners() {
        for (p, d) in
            [([0.2, 2.0, 0.2], 4.0), ([-3.0, 0.0, -4.0], 25.0), ([0.5, 0.0, -2.0], 4.0), ([2.0, 0.0, 0.0], 1.0)]
        {
            assert!((squared_distance(UP, p) - d).abs() < 1e-5);
        }
    }

    #[test]
    fn the_nearest_triangles_are_kept() {
        let triangles: Vec<(u32, Triangle)> =
            (0..20).map(|i| (i, Triangle::new(UP.map(|p| [p[0], p[1] - 0.01 * i as f32, p[2]])))).collect();
        let mut nearest = Nearest::default();
        nearest.find([(3, [0.1, 0.0, 0.1], ZERO), (7, [5.0, 0.0, 0.0], ZERO)].into_iter(), &triangles, 0.5);
        assert_eq!(nearest.of(3), &[0, 1, 2, 3, 4, 5]);
        assert!(nearest.of(0).is_empty() && nearest.of(7).is_empty());
        assert_eq!(nearest.iter().count(), 1);
    }

    #[test]
    fn a_triangle_that_looks_the_same_way_as_the_node_is_no_candidate() {
        let triangles = [(0, Triangle::new(UP))];
        let mut nearest = Nearest::default();
        let node = |normal| [(0, [0.1, 0.01, 0.1], normal)].into_iter();
        nearest.find(node([0.0, 1.0, 0.0]), &triangles, 0.5);
        assert!(nearest.is_empty());
        nearest.find(node([0.0, -1.0, 0.0]), &triangles, 0.5);
        assert!(!nearest.is_empty());
    }
}
