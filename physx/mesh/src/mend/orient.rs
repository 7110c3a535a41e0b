//! Consistent orientation: neighbours run along their shared edge in opposite directions, and solids are not inside out.

use super::topology::{HalfEdge, Sets, by_edge, half_edges};
use crate::error::MeshError;
use crate::math::{bounds, orient, wide};
use crate::types::SurfaceMesh;

/// Refuses edges with more than two triangles. Returns the half-edges for further use.
pub(super) fn manifold_edges(triangles: &[[u32; 3]]) -> Result<Vec<HalfEdge>, MeshError> {
    let edges = half_edges(triangles);
    if let Some(many) = by_edge(&edges).find(|same| same.len() > 2) {
        let (a, b) = many[0].key;
        return Err(MeshError::NonManifold { element: "triangle", part: "edge", uses: many.len(), points: vec![a, b] });
    }
    Ok(edges)
}

/// Turns triangles so that neighbours agree; the first triangle of each piece stays as it is.
/// Returns how many were turned.
pub(super) fn make_consistent(triangles: &mut [[u32; 3]], edges: &[HalfEdge]) -> Result<usize, MeshError> {
    // neighbours[3 t + corner] = (the triangle across, whether it must be turned relative to t).
    let mut neighbours = vec![None; triangles.len() * 3];
    for pair in by_edge(edges).filter(|same| same.len() == 2) {
        let (a, b) = (pair[0], pair[1]);
        let differ = a.reversed == b.reversed;
        neighbours[a.triangle as usize * 3 + a.corner as usize] = Some((b.triangle, differ));
        neighbours[b.triangle as usize * 3 + b.corner as usize] = Some((a.triangle, differ));
    }
    let mut turned: Vec<Option<bool>> = vec![None; triangles.len()];
    let mut stack = Vec::new();
    for seed in 0..triangles.len() as u32 {
        if turned[seed as usize].is_some() {
            continue;
        }
        stack.push((seed, false));
        while let Some((t, turn)) = stack.pop() {
            match turned[t as usize] {
                Some(before) if before == turn => continue,
                Some(_) => return Err(MeshError::NotOrientable { triangle: t as usize }),
                None => turned[t as usize] = Some(turn),
            }
            let across = neighbours[t as usize * 3..t as usize * 3 + 3].iter().flatten();
            stack.extend(across.map(|&(other, differ)| (other, turn != differ)));
        }
    }
    let mut count = 0;
    for (t, turn) in triangles.iter_mut().zip(turned) {
        if turn == Some(true) {
            t.swap(1, 2);
            count += 1;
        }
    }
    Ok(count)
}

/// What [`outwards`] found and did.
pub(super) struct Pieces {
    /// Closed pieces of the surface.
    pub count: usize,
    /// Pieces that were turned inside out.
    pub turned: usize,
}

/// Turns every piece outwards, except a piece whose box lies within another's: such a one is a cavity and turns inwards.
pub(super) fn outwards(mesh: &mut SurfaceMesh) -> Pieces {
    let mut sets = Sets::new(mesh.points.len());
    for t in &mesh.triangles {
        sets.join(t[0], t[1]);
        sets.join(t[1], t[2]);
    }
    let (labels, count) = sets.label();
    let origin = mesh.points.first().map_or([0.0; 3], |&p| wide(p));
    let mut volumes = vec![0.0; count];
    let mut members: Vec<Vec<[f32; 3]>> = vec![Vec::new(); count];
    for t in &mesh.triangles {
        let corners = t.map(|i| wide(mesh.points[i as usize]));
        volumes[labels[t[0] as usize] as usize] += orient(origin, corners[0], corners[1], corners[2]);
    }
    for (label, &p) in labels.iter().zip(&mesh.points) {
        members[*label as usize].push(p);
    }
    let boxes: Vec<_> = members.iter().map(|points| bounds(points)).collect();
    let within = |inner: usize, outer: usize| match (boxes[inner], boxes[outer]) {
        (Some((a, b)), Some((c, d))) => (0..3).all(|k| c[k] < a[k] && b[k] < d[k]),
        _ => false,
    };
    // Nested pieces alternate: body, cavity, body in the cavity. Many pieces are scan litter: not worth the square.
    let cavity: Vec<bool> =
        (0..count).map(|i| count <= 1024 && (0..count).filter(|&j| j != i && within(i, j)).count() % 2 == 1).collect();
    let turn: Vec<bool> = (0..count).map(|i| volumes[i] != 0.0 && (volumes[i] < 0.0) != cavity[i]).collect();
    for t in &mut mesh.triangles {
        if turn[labels[t[0] as usize] as usize] {
            t.swap(1, 2);
        }
    }
    Pieces { count, turned: turn.iter().filter(|&&turn| turn).count() }
}
