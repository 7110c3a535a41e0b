//! Depth maps: what a far light sees first, for shadows of the sun and of the sky.

use rayon::prelude::*;

use super::vec3::V3;

/// Rows that one task draws.
const BAND: usize = 128;

/// The part of space that matters: a sphere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Focus {
    pub centre: V3,
    /// m.
    pub radius: f32,
}

/// The heights of the surfaces nearest to a light infinitely far away.
#[derive(Debug)]
pub(super) struct DepthMap {
    /// Unit vector to the light, and the map's axes.
    toward: V3,
    u: V3,
    v: V3,
    centre: V3,
    /// Cells on a side.
    size: usize,
    /// Cells a metre.
    scale: f32,
    /// Height along `toward` from `centre`, m; −∞ where nothing is.
    height: Vec<f32>,
}

/// A position in a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// In cells.
    pub u: f32,
    pub v: f32,
    /// Along the light, m.
    pub height: f32,
}

impl DepthMap {
    /// Draws `tris` as seen along `toward` (unit) into `size`² cells that cover the sphere
    /// `focus`.
    pub fn new<'a, I>(tris: I, toward: V3, focus: &Focus, size: usize) -> Self
    where
        I: IntoParallelIterator<Item = &'a [V3; 3]>,
    {
        let (u, v) = toward.frame();
        let scale = (size - 4) as f32 / (2.0 * focus.radius.max(1e-6));
        let mut map = Self { toward, u, v, centre: focus.centre, size, scale, height: Vec::new() };
        let flat: Vec<[Spot; 3]> = tris.into_par_iter().map(|t| t.map(|p| map.spot(p))).collect();
        let mut height = vec![f32::NEG_INFINITY; size * size];
        height.par_chunks_mut(BAND * size).enumerate().for_each(|(band, rows)| {
            let first = band * BAND;
            let count = rows.len() / size;
            for tri in &flat {
                draw(tri, rows, size, first, count);
            }
        });
        map.height = height;
        map
    }

    /// Size of a cell, m.
    pub fn cell(&self) -> f32 {
        1.0 / self.scale
    }

    /// Where `p` lies in the map.
    pub fn spot(&self, p: V3) -> Spot {
        let d = p - self.centre;
        let half = self.size as f32 * 0.5;
        Spot { u: d.dot(self.u) * self.scale + half, v: d.dot(self.v) * self.scale + half, height: d.dot(self.toward) }
    }

    /// Height of the cell at (`u`, `v`); −∞ outside.
    pub fn at(&self, u: f32, v: f32) -> f32 {
        // Negative numbers and NaN become 0, a cell at the margin, which is never drawn to.
        let (i, j) = (u as usize, v as usize);
        if i < self.size && j < self.size { self.height[j * self.size + i] } else { f32::NEG_INFINITY }
    }
}

/// Draws one triangle into rows `first .. first + count` of a map.
fn draw(tri: &[Spot; 3], rows: &mut [f32], size: usize, first: usize, count: usize) {
    let [a, b, c] = *tri;
    let area = (b.u - a.u) * (c.v - a.v) - (b.v - a.v) * (c.u - a.u);
    let low = a.v.min(b.v).min(c.v) - 0.5;
    let high = a.v.max(b.v).max(c.v) - 0.5;
    // `as` saturates, so that positions outside the map stay outside.
    let begin = (low.ceil().max(0.0) as usize).max(first).max(1);
    let end = ((high.floor() + 1.0).max(0.0) as usize).min(first + count).min(size - 1);
    if begin >= end || area.abs() < 1e-12 {
        return;
    }
    let left = a.u.min(b.u).min(c.u) - 0.5;
    let right = a.u.max(b.u).max(c.u) - 0.5;
    let (i0, i1) = ((left.ceil().max(1.0)) as usize, ((right.floor() + 1.0).max(0.0) as usize).min(size - 1));
    let inverse = 1.0 / area;
    for j in begin..end {
        let y = j as f32 + 0.5;
        let row = &mut rows[(j - first) * size..(j - first + 1) * size];
        for (i, cell) in row.iter_mut().enumerate().take(i1).skip(i0) {
            let x = i as f32 + 0.5;
            let wb = ((x - a.u) * (c.v - a.v) - (y - a.v) * (c.u - a.u)) * inverse;
            let wc = ((b.u - a.u) * (y - a.v) - (b.v - a.v) * (x - a.u)) * inverse;
            if wb >= -1e-4 && wc >= -1e-4 && wb + wc <= 1.0001 {
                let height = a.height + (b.height - a.height) * wb + (c.height - a.height) * wc;
                if height > *cell {
                    *cell = height;
                }
            }
        }
    }
}
