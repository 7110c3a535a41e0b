//! Mending a triangle mesh: every repair in the order in which one enables the next.

use super::orient::{make_consistent, manifold_edges, outwards};
use super::{check_indices, check_points, compact, flat, holes, intersect};
use crate::error::MeshError;
use crate::math::extent;
use crate::types::SurfaceMesh;

/// Most triangles a surface may have before tetrahedra are made from it; PhysX needs about 2 KB a triangle.
const MAX_TRIANGLES: usize = 4 << 20;
/// Smallest volume relative to the cube of the extent; below it a "solid" is a sheet or a thread.
const MIN_VOLUME: f64 = 1e-9;

/// Makes a closed, outward-facing, manifold surface of `mesh`, or says why that cannot be done.
///
/// Repairs, each with a note: equal points welded, triangles with equal corners dropped, doubled triangles dropped,
/// flat triangles flipped away, unused points dropped, holes of at most 512 edges and 10 % of the area closed, triangles
/// turned to agree with their neighbours, the whole turned right side out.
///
/// # Errors
/// Empty input, coordinates that are not finite or out of scale, indices out of range, more than 4 Mi triangles, edges with three
/// or more triangles, one-sided surfaces, large holes, self-intersection, no volume.
pub fn surface(mut mesh: SurfaceMesh) -> Result<(SurfaceMesh, Vec<String>), MeshError> {
    if mesh.triangles.is_empty() {
        return Err(MeshError::Empty { what: "no triangles" });
    }
    if mesh.triangles.len() > MAX_TRIANGLES {
        let count = mesh.triangles.len() as u64;
        return Err(MeshError::TooMany { what: "triangles", count, limit: MAX_TRIANGLES as u64 });
    }
    check_points(&mesh.points)?;
    check_indices("triangle", &mesh.triangles, mesh.points.len())?;
    let mut notes = Vec::new();
    clean(&mut mesh, &mut notes);
    if mesh.triangles.is_empty() {
        return Err(MeshError::Empty { what: "every triangle has equal corners" });
    }
    let edges = manifold_edges(&mesh.triangles)?;
    let turned = make_consistent(&mut mesh.triangles, &edges)?;
    note(&mut notes, turned, "turned N triangle(s) to agree with their neighbours");
    let edges = manifold_edges(&mesh.triangles)?;
    let (filled, added) = holes::fill(&mut mesh, &edges)?;
    if filled > 0 {
        notes.push(format!("closed {filled} hole(s) with {added} triangle(s)"));
        manifold_edges(&mesh.triangles)?;
    }
    let flipped = flat::flip(&mut mesh);
    note(&mut notes, flipped, "flipped an edge of N flat triangle(s)");
    let pieces = outwards(&mut mesh);
    note(&mut notes, pieces.turned, "turned N inside-out piece(s)");
    if pieces.count > 1 {
        notes.push(format!("the surface has {} separate pieces", pieces.count));
    }
    let extent = extent(&mesh.points);
    let volume = mesh.volume();
    if volume <= MIN_VOLUME * extent * extent * extent {
        return Err(MeshError::NoVolume { volume, extent });
    }
    notes.extend(intersect::check(&mesh)?);
    Ok((mesh, notes))
}

/// Welds, drops what carries no shape, and notes it.
fn clean(mesh: &mut SurfaceMesh, notes: &mut Vec<String>) {
    let (merged, unused) = compact(&mut mesh.points, &mut mesh.triangles);
    let before = mesh.triangles.len();
    mesh.triangles.retain(|t| t[0] != t[1] && t[1] != t[2] && t[2] != t[0]);
    let degenerate = before - mesh.triangles.len();
    let doubled = drop_doubled(&mut mesh.triangles);
    let (_, orphaned) = compact(&mut mesh.points, &mut mesh.triangles);
    note(notes, merged, "welded N point(s) with equal coordinates");
    note(notes, degenerate, "dropped N triangle(s) with equal corners");
    note(notes, doubled, "dropped N doubled triangle(s)");
    note(notes, unused + orphaned, "dropped N unused point(s)");
}

/// Keeps the first of triangles with the same three corners, whatever their orientation.
fn drop_doubled(triangles: &mut Vec<[u32; 3]>) -> usize {
    let key = |t: [u32; 3]| {
        let mut key = t;
        key.sort_unstable();
        key
    };
    let mut order: Vec<usize> = (0..triangles.len()).collect();
    order.sort_unstable_by_key(|&i| (key(triangles[i]), i));
    let mut keep = vec![false; triangles.len()];
    order.chunk_by(|&a, &b| key(triangles[a]) == key(triangles[b])).for_each(|same| keep[same[0]] = true);
    let before = triangles.len();
    let mut keep = keep.into_iter();
    triangles.retain(|_| keep.next().unwrap_or(true));
    before - triangles.len()
}

/// Adds a note where there is something to tell; `N` in the text becomes the count.
pub(super) fn note(notes: &mut Vec<String>, count: usize, text: &str) {
    if count > 0 {
        notes.push(text.replacen('N', &count.to_string(), 1));
    }
}
