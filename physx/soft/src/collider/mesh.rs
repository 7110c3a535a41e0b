//! A fixed triangle surface.

use std::sync::Arc;

use crate::bounds::Aabb;
use crate::candidates::{Faces, Nearest, Sought, Triangle, plane_gap};
use crate::vec3::{Vec3, ZERO};

/// Triangles in the world frame; the solid lies behind them.
#[derive(Clone, Debug)]
pub struct TriangleMesh {
    triangles: Arc<[Triangle]>,
    /// Triangles by the smallest x of their boxes, for the sweep.
    by_x: Arc<[u32]>,
    widest: f32,
    bounds: Aabb,
    thickness: f32,
}

/// What a [`TriangleMesh`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct MeshSurface<'a> {
    /// Its triangles.
    pub triangles: &'a [Triangle],
    /// Their numbers by the smallest x of their boxes.
    pub by_x: &'a [u32],
    /// The widest of these boxes along x, m.
    pub widest: f32,
    /// How deep behind a triangle something is taken to be in front of another, m.
    pub thickness: f32,
}

impl TriangleMesh {
    /// A mesh of `triangles` over `points` (world frame, counter-clockwise seen from outside).
    ///
    /// A node deeper than `thickness` metres behind a triangle is taken to be on another triangle's outside.
    pub fn new(points: &[Vec3], triangles: &[[u32; 3]], thickness: f32) -> Self {
        let triangles: Vec<Triangle> = triangles.iter().map(|t| Triangle::new(t.map(|n| points[n as usize]))).collect();
        let mut by_x: Vec<u32> = (0..triangles.len() as u32).collect();
        by_x.sort_by(|&a, &b| {
            let low = |t: u32| triangles[t as usize].bounds().min[0];
            low(a).total_cmp(&low(b)).then(a.cmp(&b))
        });
        let widest = triangles.iter().fold(0.0, |w: f32, t| {
            let b = t.bounds();
            if b.max[0] - b.min[0] > w { b.max[0] - b.min[0] } else { w }
        });
        let bounds = points.iter().fold(Aabb::EMPTY, |b, &p| b.with(p));
        Self { triangles: triangles.into(), by_x: by_x.into(), widest, bounds, thickness }
    }

    /// What it is made of.
    pub fn surface(&self) -> MeshSurface<'_> {
        MeshSurface { triangles: &self.triangles, by_x: &self.by_x, widest: self.widest, thickness: self.thickness }
    }

    /// The box of all triangles.
    pub fn bounds(&self) -> Aabb {
        self.bounds
    }

    /// Collects for each of `nodes` the triangles that it may touch, from those near `reach`: it is within `margin` metres in front of
    /// them, or behind them by no more than it may get in a step.
    pub fn candidates(&self, reach: &Aabb, nodes: impl Iterator<Item = Vec3>, margin: f32, out: &mut Nearest) {
        let search = reach.grown(self.behind(margin));
        let first =
            self.by_x.partition_point(|&t| self.triangles[t as usize].bounds().min[0] < search.min[0] - self.widest);
        let mut near: Vec<u32> = self.by_x[first..]
            .iter()
            .copied()
            .take_while(|&t| self.triangles[t as usize].bounds().min[0] <= search.max[0])
            .filter(|&t| self.triangles[t as usize].bounds().meets(&search))
            .collect();
        near.sort_unstable();
        let mut faces = Faces::default();
        near.into_iter().for_each(|t| faces.add(t, self.triangles[t as usize]));
        let inside = self.behind(margin);
        let sought =
            nodes.enumerate().map(|(node, x)| Sought { node: node as u32, x, normal: ZERO, outside: margin, inside });
        out.find(sought, &mut faces);
    }

    /// How far behind a triangle a node is sought that may move by `margin` in a step, m: it gets no deeper within one, and what was
    /// deeper before is more likely in front of another triangle.
    fn behind(&self, margin: f32) -> f32 {
        let (least, most) = (0.1 * self.thickness, self.thickness);
        let deep = if 2.0 * margin > least { 2.0 * margin } else { least };
        if deep < most { deep } else { most }
    }

    /// Depth of `x` behind the nearest of its candidate triangles and that triangle's normal.
    pub fn depth(&self, near: &[u32], x: Vec3) -> Option<(f32, Vec3)> {
        let mut best: Option<(f32, Vec3)> = None;
        for &t in near {
            let triangle = &self.triangles[t as usize];
            let Some((gap, normal, _)) = plane_gap(triangle.corners, x) else {
                continue;
            };
            if -gap > self.thickness {
                continue;
            }
            if best.is_none_or(|(depth, _)| gap.abs() < depth.abs()) {
                best = Some((-gap, normal));
            }
        }
        best
    }
}
