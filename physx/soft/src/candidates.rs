//! Which triangles a node may touch in a step.
//!
//! A contact is tested in the *prism* of a triangle: the points whose projection falls on it. A point inside a solid near a
//! convex edge lies in the prism of a face there, so what is inside is always found; of several the least deep counts.

use crate::bounds::Aabb;
use crate::vec3::{Vec3, ZERO, add, add_scaled, cross, dot, length, normalized, scale, sub};

/// At most this many triangles are kept for a node, the nearest ones.
pub const KEPT: usize = 6;

/// How far outside a triangle, in barycentric weight, a projection still counts: neighbours overlap, so no ray slips between.
pub(crate) const SLACK: f32 = 0.02;

/// A triangle faces a node where the cosine between their outward normals is below the negative of this.
pub(crate) const FACING: f32 = 0.1;

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
        Self { bounds: Self::bounds_of(&corners), corners, normal: normalized(normal).unwrap_or(ZERO) }
    }
    /// The box of three corners.
    pub fn bounds_of(corners: &[Vec3; 3]) -> Aabb {
        corners.iter().fold(Aabb::EMPTY, |b, &p| b.with(p))
    }
    /// Its box.
    pub fn bounds(&self) -> &Aabb {
        &self.bounds
    }
    /// Its outward unit normal; zero where it has no area.
    pub fn normal(&self) -> Vec3 {
        self.normal
    }
    /// Centre and radius of a ball around it.
    pub fn ball(&self) -> (Vec3, f32) {
        let Aabb { min, max } = self.bounds;
        let half = scale(sub(max, min), 0.5);
        (add(min, half), length(half))
    }
}

/// A node that looks for triangles.
#[derive(Clone, Copy, Debug)]
pub struct Sought {
    /// Its id.
    pub node: u32,
    /// Where it is.
    pub x: Vec3,
    /// Its outward normal, or zero where it has none. Only triangles that face it count: where two boxes are stacked edge on edge,
    /// nothing but the normals tells a bottom from a side.
    pub normal: Vec3,
    /// How far off a triangle may be that has the node in front, m.
    pub outside: f32,
    /// How far off a triangle may be that has the node behind, m.
    pub inside: f32,
}

impl Sought {
    /// The squared distance of a triangle that the node may touch.
    fn distance2(&self, triangle: &Triangle) -> Option<f32> {
        let gap = dot(triangle.normal, sub(self.x, triangle.corners[0]));
        let faces = self.normal == ZERO || dot(self.normal, triangle.normal) < -FACING;
        if !faces || gap > self.outside || gap < -self.inside {
            return None;
        }
        let most = if gap > 0.0 { self.outside } else { self.inside };
        let d = squared_distance(triangle.corners, self.x);
        (d <= most * most).then_some(d)
    }
}

/// Some triangles of a surface, and balls around them in a form that is searched several at a time.
#[derive(Clone, Debug, Default)]
pub struct Faces {
    triangles: Vec<(u32, Triangle)>,
    /// Coordinates of the balls' centres and their radii.
    balls: [Vec<f32>; 4],
    near: Vec<u8>,
}

impl Faces {
    /// Forgets all triangles.
    pub fn clear(&mut self) {
        self.triangles.clear();
        self.balls.iter_mut().for_each(Vec::clear);
    }

    /// Adds a triangle; ids must ascend.
    pub fn add(&mut self, id: u32, triangle: Triangle) {
        let (centre, radius) = triangle.ball();
        for (balls, number) in self.balls.iter_mut().zip(centre.into_iter().chain([radius])) {
            balls.push(number);
        }
        self.triangles.push((id, triangle));
    }

    /// Calls `f` with each triangle whose ball the node may reach, in order.
    fn each_near(&mut self, sought: &Sought, mut f: impl FnMut(u32, &Triangle)) {
        let reach = if sought.outside > sought.inside { sought.outside } else { sought.inside };
        let [x, y, z, radius] = &self.balls;
        self.near.clear();
        self.near.extend(x.iter().zip(y).zip(z.iter().zip(radius)).map(|((x, y), (z, radius))| {
            let (dx, dy, dz, most) = (x - sought.x[0], y - sought.x[1], z - sought.x[2], radius + reach);
            u8::from(dx * dx + dy * dy + dz * dz <= most * most)
        }));
        for (near, (id, triangle)) in self.near.iter().zip(&self.triangles) {
            if *near != 0 {
                f(*id, triangle);
            }
        }
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
    /// Finds for each of `nodes` (ids ascending) the [`KEPT`] nearest of the faces that it may touch.
    pub fn find(&mut self, nodes: impl Iterator<Item = Sought>, faces: &mut Faces) {
        self.runs.clear();
        self.triangles.clear();
        let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(KEPT + 1);
        for sought in nodes {
            nearest.clear();
            faces.each_near(&sought, |id, triangle| {
                let Some(d) = sought.distance2(triangle) else { return };
                let place = nearest.partition_point(|&(other, _)| other <= d);
                if place < KEPT {
                    nearest.insert(place, (d, id));
                    nearest.truncate(KEPT);
                }
            });
            if !nearest.is_empty() {
                self.triangles.extend(nearest.iter().map(|&(_, id)| id));
                self.runs.push((sought.node, self.triangles.len() as u32));
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
    let unit = scale(n, 1.0 / length(n));
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

    fn faces(triangles: impl Iterator<Item = Triangle>) -> Faces {
        let mut faces = Faces::default();
        triangles.enumerate().for_each(|(id, triangle)| faces.add(id as u32, triangle));
        faces
    }

    fn sought(node: u32, x: Vec3, normal: Vec3) -> Sought {
        Sought { node, x, normal, outside: 0.5, inside: 0.5 }
    }

    #[test]
    fn the_nearest_triangles_are_kept() {
        let layers = (0..20).map(|i| Triangle::new(UP.map(|p| [p[0], p[1] - 0.01 * i as f32, p[2]])));
        let mut nearest = Nearest::default();
        let nodes = [sought(3, [0.1, 0.0, 0.1], ZERO), sought(7, [5.0, 0.0, 0.0], ZERO)];
        nearest.find(nodes.into_iter(), &mut faces(layers));
        assert_eq!(nearest.of(3), &[0, 1, 2, 3, 4, 5]);
        assert!(nearest.of(0).is_empty() && nearest.of(7).is_empty());
        assert_eq!(nearest.iter().count(), 1);
    }

    #[test]
    fn a_triangle_that_looks_the_same_way_or_is_too_far_on_its_side_is_no_candidate() {
        let mut faces = faces([Triangle::new(UP)].into_iter());
        let mut found = |sought: Sought| {
            let mut nearest = Nearest::default();
            nearest.find([sought].into_iter(), &mut faces);
            !nearest.is_empty()
        };
        assert!(!found(sought(0, [0.1, 0.01, 0.1], [0.0, 1.0, 0.0])));
        assert!(found(sought(0, [0.1, 0.01, 0.1], [0.0, -1.0, 0.0])));
        let front = Sought { outside: 0.05, ..sought(0, [0.1, 0.1, 0.1], ZERO) };
        assert!(!found(front));
        assert!(found(Sought { x: [0.1, -0.1, 0.1], ..front }));
    }
}
