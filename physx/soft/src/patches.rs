//! Patches: the triangles of a surface in groups of eight that lie close together and look the same way.
//!
//! They are worked out once, from the mesh at rest. A search tests the ball around a patch before its triangles, and then all eight
//! in lanes.

use crate::vec3::{Vec3, add, cross, lower, normalized, scale, sub, upper};

/// Triangles of a patch.
pub const PATCH: usize = 8;

/// Some triangles of a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The triangles' ids, ascending. Past [`Patch::count`] the last one is repeated.
    pub ids: [u32; PATCH],
    /// Their nodes: `nodes[corner][triangle]`.
    pub nodes: [[u32; PATCH]; 3],
    /// How many triangles there are.
    pub count: usize,
}

/// How much a difference of outward normals counts against a difference of places, in widths of the mesh.
const TURN: f32 = 0.5;

/// Divides the triangles of a surface into patches, by halving them across the widest of place and outward normal.
pub fn patches(points: &[Vec3], triangles: &[[u32; 3]]) -> Vec<Patch> {
    let corners = |t: &[u32; 3]| t.map(|n| points[n as usize]);
    let low = points.iter().fold([f32::MAX; 3], |m, &p| lower(m, p));
    let high = points.iter().fold([f32::MIN; 3], |m, &p| upper(m, p));
    let width = sub(high, low).into_iter().fold(0.0, |m, e| if e > m { e } else { m });
    let keys: Vec<[f32; 6]> = triangles
        .iter()
        .map(|t| {
            let [a, b, c] = corners(t);
            let middle = scale(add(add(a, b), c), 1.0 / 3.0);
            let normal = normalized(cross(sub(b, a), sub(c, a))).unwrap_or_default();
            let turn = scale(normal, TURN * width);
            [middle[0], middle[1], middle[2], turn[0], turn[1], turn[2]]
        })
        .collect();
    let mut ids: Vec<u32> = (0..triangles.len() as u32).collect();
    let mut out = Vec::with_capacity(ids.len().div_ceil(PATCH));
    halve(&mut ids, &keys, triangles, &mut out);
    out
}

fn halve(ids: &mut [u32], keys: &[[f32; 6]], triangles: &[[u32; 3]], out: &mut Vec<Patch>) {
    if ids.len() <= PATCH {
        if !ids.is_empty() {
            ids.sort_unstable();
            out.push(patch(ids, triangles));
        }
        return;
    }
    let extent = |axis: usize| {
        let ends = ids.iter().map(|&t| keys[t as usize][axis]);
        let (low, high) = ends.fold((f32::MAX, f32::MIN), |(low, high), k| {
            (if k < low { k } else { low }, if k > high { k } else { high })
        });
        high - low
    };
    let mut widest = 0;
    for axis in 1..6 {
        if extent(axis) > extent(widest) {
            widest = axis;
        }
    }
    let key = |t: u32| keys[t as usize][widest];
    ids.sort_unstable_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
    let (left, right) = ids.split_at_mut(ids.len().div_ceil(PATCH) / 2 * PATCH);
    halve(left, keys, triangles, out);
    halve(right, keys, triangles, out);
}

fn patch(ids: &[u32], triangles: &[[u32; 3]]) -> Patch {
    let id = |i: usize| ids[if i < ids.len() { i } else { ids.len() - 1 }];
    let ids_padded = std::array::from_fn(id);
    let nodes = std::array::from_fn(|corner| ids_padded.map(|t: u32| triangles[t as usize][corner]));
    Patch { ids: ids_padded, nodes, count: ids.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_triangle_is_in_one_patch_and_patches_are_small() {
        // A strip of 21 triangles along x.
        let points: Vec<Vec3> = (0..23).map(|i| [0.5 * i as f32, (i % 2) as f32, 0.0]).collect();
        let triangles: Vec<[u32; 3]> = (0..21).rev().map(|i| [i, i + 1 + i % 2, i + 2 - i % 2]).collect();
        let patches = patches(&points, &triangles);
        assert_eq!(patches.len(), 3);
        let mut all: Vec<u32> = patches.iter().flat_map(|p| p.ids[..p.count].iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..21).collect::<Vec<u32>>());
        for p in &patches {
            for (i, t) in p.ids.iter().enumerate() {
                assert_eq!(p.nodes.map(|corner| corner[i]), triangles[*t as usize]);
            }
            let xs = p.nodes.iter().flatten().map(|&n| points[n as usize][0]);
            let (low, high) = xs.fold((f32::MAX, f32::MIN), |(l, h), x| (l.min(x), h.max(x)));
            assert!(high - low <= 12.0 * 0.5 + 1.0, "{low} {high}");
        }
    }
}
