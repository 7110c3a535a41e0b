//! Flat triangles: three different corners on one line ("caps", with one corner on the opposite side).
//! They have no normal and break a tetrahedral mesher. Flipping their longest side gives the corner to the neighbour.

use std::collections::BTreeSet;

use super::topology::half_edges;
use crate::math::{V3, double_area, length, sub, wide};
use crate::types::SurfaceMesh;

/// A triangle is flat where its altitude over the longest side is below this fraction of that side.
const FLAT: f64 = 1e-7;
/// Rounds of flips: a fan of flat triangles needs one a triangle.
const MAX_ROUNDS: usize = 16;

/// Flips flat triangles of a closed surface away; returns how many. One that cannot be flipped stays, for the mesher to judge.
pub(super) fn flip(mesh: &mut SurfaceMesh) -> usize {
    let mut flipped = 0;
    for _ in 0..MAX_ROUNDS {
        let flat: Vec<usize> = (0..mesh.triangles.len()).filter(|&t| longest_if_flat(mesh, t).is_some()).collect();
        if flat.is_empty() {
            break;
        }
        let done = flip_round(mesh, &flat);
        if done == 0 {
            break;
        }
        flipped += done;
    }
    flipped
}

/// The corner from which the longest side starts, for a flat triangle.
fn longest_if_flat(mesh: &SurfaceMesh, triangle: usize) -> Option<usize> {
    let p: [V3; 3] = mesh.triangles[triangle].map(|i| wide(mesh.points[i as usize]));
    let side = |i: usize| length(sub(p[(i + 1) % 3], p[i]));
    let sides = [side(0), side(1), side(2)];
    let longest = (0..3).fold(0, |best, i| if sides[i] > sides[best] { i } else { best });
    let flat = double_area(p[0], p[1], p[2]) <= FLAT * sides[longest] * sides[longest];
    flat.then_some(longest)
}

/// Flips what can be flipped without touching a triangle or making an edge twice.
fn flip_round(mesh: &mut SurfaceMesh, flat: &[usize]) -> usize {
    let edges = half_edges(&mesh.triangles);
    let group = |a: u32, b: u32| {
        let key = (a.min(b), a.max(b));
        let start = edges.partition_point(|e| e.key < key);
        let end = edges.partition_point(|e| e.key <= key);
        &edges[start..end]
    };
    let mut touched = vec![false; mesh.triangles.len()];
    let mut made = BTreeSet::new();
    let mut flips = 0;
    for &t in flat {
        let Some(corner) = longest_if_flat(mesh, t) else { continue };
        let triangle = mesh.triangles[t];
        let (a, b, tip) = (triangle[corner], triangle[(corner + 1) % 3], triangle[(corner + 2) % 3]);
        let Some(other) = group(a, b).iter().map(|e| e.triangle as usize).find(|&o| o != t) else { continue };
        let Some(&far) = mesh.triangles[other].iter().find(|&&i| i != a && i != b) else { continue };
        let key = (tip.min(far), tip.max(far));
        if touched[t] || touched[other] || far == tip || !group(tip, far).is_empty() || made.contains(&key) {
            continue;
        }
        mesh.triangles[t] = [tip, a, far];
        mesh.triangles[other] = [tip, far, b];
        (touched[t], touched[other]) = (true, true);
        made.insert(key);
        flips += 1;
    }
    flips
}
