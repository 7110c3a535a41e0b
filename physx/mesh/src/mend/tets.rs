//! Mending a tetrahedral mesh: orientation, and what carries no volume.

use super::surface::note;
use super::topology::Sets;
use super::{check_indices, check_points, compact};
use crate::MAX_ELEMENTS;
use crate::error::MeshError;
use crate::math::{length, orient, sub};
use crate::types::TetMesh;

/// A tetrahedron is flat where its volume is below this fraction of the cube of its longest edge
/// (a regular one has 0.118): there single precision no longer knows which way it turns.
const FLAT: f64 = 1e-6;

/// Makes a positively oriented mesh without unused nodes of `mesh`, or says why that cannot be done.
///
/// Repairs, each with a note: equal points welded, tetrahedra with equal corners and doubled ones dropped, inverted ones
/// turned, flat ones on the surface dropped, unused points dropped. Separate pieces are noted.
///
/// # Errors
/// Empty input, coordinates that are not finite or out of scale, indices out of range, too many elements, flat tetrahedra inside
/// the mesh, faces with three or more tetrahedra.
pub fn tets(mut mesh: TetMesh) -> Result<(TetMesh, Vec<String>), MeshError> {
    if mesh.tets.is_empty() {
        return Err(MeshError::Empty { what: "no tetrahedra" });
    }
    if mesh.tets.len() > MAX_ELEMENTS {
        let count = mesh.tets.len() as u64;
        return Err(MeshError::TooMany { what: "tetrahedra", count, limit: MAX_ELEMENTS as u64 });
    }
    check_points(&mesh.points)?;
    check_indices("tetrahedron", &mesh.tets, mesh.points.len())?;
    let mut notes = Vec::new();
    let (merged, unused) = compact(&mut mesh.points, &mut mesh.tets);
    note(&mut notes, merged, "welded N point(s) with equal coordinates");
    let before = mesh.tets.len();
    mesh.tets.retain(|t| (0..4).all(|i| (i + 1..4).all(|j| t[i] != t[j])));
    note(&mut notes, before - mesh.tets.len(), "dropped N tetrahedra with equal corners");
    note(&mut notes, drop_doubled(&mut mesh.tets), "dropped N doubled tetrahedra");
    note(&mut notes, turn_inverted(&mut mesh), "turned N inverted tetrahedra");
    let peeled = peel_flat(&mut mesh)?;
    note(&mut notes, peeled, "dropped N flat tetrahedra on the surface");
    if mesh.tets.is_empty() {
        return Err(MeshError::Empty { what: "every tetrahedron is flat or has equal corners" });
    }
    check_faces(&mesh.tets)?;
    let (_, orphaned) = compact(&mut mesh.points, &mut mesh.tets);
    note(&mut notes, unused + orphaned, "dropped N unused point(s)");
    let mut sets = Sets::new(mesh.points.len());
    mesh.tets.iter().for_each(|t| t[1..].iter().for_each(|&i| sets.join(t[0], i)));
    let pieces = sets.label().1;
    if pieces > 1 {
        notes.push(format!("the mesh has {pieces} separate pieces, which will move apart"));
    }
    Ok((mesh, notes))
}

fn sorted<const N: usize>(mut key: [u32; N]) -> [u32; N] {
    key.sort_unstable();
    key
}

fn drop_doubled(tets: &mut Vec<[u32; 4]>) -> usize {
    let mut order: Vec<usize> = (0..tets.len()).collect();
    order.sort_unstable_by_key(|&i| (sorted(tets[i]), i));
    let mut keep = vec![false; tets.len()];
    order.chunk_by(|&a, &b| sorted(tets[a]) == sorted(tets[b])).for_each(|same| keep[same[0]] = true);
    let before = tets.len();
    let mut keep = keep.into_iter();
    tets.retain(|_| keep.next().unwrap_or(true));
    before - tets.len()
}

fn turn_inverted(mesh: &mut TetMesh) -> usize {
    let inverted: Vec<usize> = (0..mesh.tets.len())
        .filter(|&i| mesh.corners(i).is_some_and(|[a, b, c, d]| orient(a, b, c, d) < 0.0))
        .collect();
    inverted.iter().for_each(|&i| mesh.tets[i].swap(2, 3));
    inverted.len()
}

/// Drops flat tetrahedra that have a free face, round by round as they come to lie free.
fn peel_flat(mesh: &mut TetMesh) -> Result<usize, MeshError> {
    let before = mesh.tets.len();
    loop {
        let flat: Vec<bool> = (0..mesh.tets.len()).map(|i| is_flat(mesh, i)).collect();
        let Some(first) = flat.iter().position(|&flat| flat) else { return Ok(before - mesh.tets.len()) };
        let mut faces: Vec<([u32; 3], u32)> = (0..)
            .zip(&mesh.tets)
            .flat_map(|(i, &[a, b, c, d])| [[b, c, d], [a, c, d], [a, b, d], [a, b, c]].map(|f| (sorted(f), i)))
            .collect();
        faces.sort_unstable();
        let mut drop = vec![false; mesh.tets.len()];
        let free = faces.chunk_by(|x, y| x.0 == y.0).filter(|same| same.len() == 1);
        free.map(|same| same[0].1 as usize).filter(|&i| flat[i]).for_each(|i| drop[i] = true);
        if !drop.contains(&true) {
            let (volume, edge) = measure(mesh, first);
            return Err(MeshError::FlatTet { tet: first, volume, edge });
        }
        let mut drop = drop.into_iter();
        mesh.tets.retain(|_| !drop.next().unwrap_or(false));
    }
}

fn is_flat(mesh: &TetMesh, tet: usize) -> bool {
    let (volume, edge) = measure(mesh, tet);
    volume <= FLAT * edge * edge * edge
}

/// Signed volume and longest edge.
fn measure(mesh: &TetMesh, tet: usize) -> (f64, f64) {
    let Some(p) = mesh.corners(tet) else { return (0.0, 0.0) };
    let edges = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    let longest = edges.iter().map(|&(i, j)| length(sub(p[j], p[i]))).fold(0.0, f64::max);
    (orient(p[0], p[1], p[2], p[3]) / 6.0, longest)
}

fn check_faces(tets: &[[u32; 4]]) -> Result<(), MeshError> {
    let mut faces: Vec<[u32; 3]> =
        tets.iter().flat_map(|&[a, b, c, d]| [[b, c, d], [a, c, d], [a, b, d], [a, b, c]].map(sorted)).collect();
    faces.sort_unstable();
    match faces.chunk_by(|a, b| a == b).find(|same| same.len() > 2) {
        Some(many) => Err(MeshError::NonManifold {
            element: "tetrahedron",
            part: "face",
            uses: many.len(),
            points: many[0].to_vec(),
        }),
        None => Ok(()),
    }
}
