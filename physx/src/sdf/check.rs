//! Checks of the surface before a field is cooked, and of the field afterwards.

use rankzero_mesh::SurfaceMesh;

use super::{Sdf, SdfError};

/// Largest coordinate, m: differences and their squares stay in range.
const MAX_COORDINATE: f32 = 1e9;

/// A checked surface in a frame of its own, where it is about 1 in size: PhysX has absolute tolerances.
pub(super) struct Frame {
    /// The surface there, without points in the same place.
    pub surface: SurfaceMesh,
    /// Its box there.
    pub size: [f32; 3],
    /// The frame's unit, m: a power of two, so that no bit is lost.
    pub unit: f32,
    /// The frame's origin, m.
    origin: [f32; 3],
}

impl Frame {
    /// The field in metres.
    pub fn restore(&self, mut sdf: Sdf) -> Sdf {
        sdf.values.iter_mut().for_each(|v| *v *= self.unit);
        sdf.origin = std::array::from_fn(|k| self.origin[k] + sdf.origin[k] * self.unit);
        sdf.spacing *= self.unit;
        sdf
    }
}

/// The surface in its frame, once it is known to be closed and to have an inside.
pub(super) fn surface(points: &[[f32; 3]], triangles: &[[u32; 3]]) -> Result<Frame, SdfError> {
    if triangles.is_empty() {
        return Err(SdfError::Empty);
    }
    let sound = |&i: &u32| points.get(i as usize).is_some_and(|p| p.iter().all(|x| x.abs() <= MAX_COORDINATE));
    if let Some(triangle) = triangles.iter().position(|t| !t.iter().all(sound)) {
        return Err(SdfError::Broken { triangle });
    }
    let welded = welded(points, triangles);
    if let Some(triangle) = welded.triangles.iter().position(|&t| is_degenerate(&welded, t)) {
        return Err(SdfError::Degenerate { triangle });
    }
    closed(&welded)?;
    let volume = welded.volume();
    let (low, high) = bounds(&welded.points);
    let size: [f32; 3] = std::array::from_fn(|k| high[k] - low[k]);
    let longest = size.into_iter().fold(0.0, |a: f32, b| if a > b { a } else { b });
    // Flat to the last digit or the wrong way round: no inside either way.
    if volume <= 1e-9 * f64::from(longest).powi(3) {
        return Err(SdfError::InsideOut { volume });
    }
    let mut unit = 1.0f32;
    while unit < longest {
        unit *= 2.0;
    }
    while unit > longest {
        unit *= 0.5;
    }
    let into = |p: [f32; 3]| std::array::from_fn(|k| (p[k] - low[k]) / unit);
    let surface = SurfaceMesh { points: welded.points.iter().map(|&p| into(p)).collect(), ..welded };
    Ok(Frame { surface, size: size.map(|s| s / unit), unit, origin: low })
}

/// The mesh with one point a place, and without points that no triangle uses.
fn welded(points: &[[f32; 3]], triangles: &[[u32; 3]]) -> SurfaceMesh {
    // Adding zero makes −0 the same place as 0.
    let place = |i: u32| points[i as usize].map(|x| (x + 0.0).to_bits());
    let mut used: Vec<u32> = triangles.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    used.sort_by_key(|&i| (place(i), i));
    let mut becomes = vec![0; points.len()];
    let mut kept: Vec<[f32; 3]> = Vec::new();
    for same in used.chunk_by(|&a, &b| place(a) == place(b)) {
        same.iter().for_each(|&i| becomes[i as usize] = kept.len() as u32);
        kept.push(points[same[0] as usize]);
    }
    SurfaceMesh { points: kept, triangles: triangles.iter().map(|t| t.map(|i| becomes[i as usize])).collect() }
}

fn is_degenerate(mesh: &SurfaceMesh, triangle: [u32; 3]) -> bool {
    let (doubled_area, longest) = doubled_area(mesh, triangle);
    length(doubled_area) <= 1e-10 * longest
}

/// Twice the area along the normal, and the square of the longer of two edges.
fn doubled_area(mesh: &SurfaceMesh, triangle: [u32; 3]) -> ([f64; 3], f64) {
    let [a, b, c] = triangle.map(|i| mesh.points[i as usize].map(f64::from));
    let edge = |p: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| p[k] - a[k]) };
    let (u, v) = (edge(b), edge(c));
    let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    let square = |p: [f64; 3]| p[0] * p[0] + p[1] * p[1] + p[2] * p[2];
    (cross, if square(u) > square(v) { square(u) } else { square(v) })
}

fn length(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

/// Every edge must be run along once in each direction.
fn closed(mesh: &SurfaceMesh) -> Result<(), SdfError> {
    let mut edges: Vec<(u32, u32, bool)> = Vec::with_capacity(3 * mesh.triangles.len());
    for t in &mesh.triangles {
        for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
            edges.push((a.min(b), a.max(b), a > b));
        }
    }
    edges.sort_unstable();
    let ends = |e: &(u32, u32, bool)| (e.0, e.1);
    let mut bad = edges.chunk_by(|a, b| ends(a) == ends(b)).filter(|same| same.len() != 2 || same[0].2 == same[1].2);
    let Some(first) = bad.next() else { return Ok(()) };
    let [from, to] = [first[0].0, first[0].1].map(|i| mesh.points[i as usize]);
    Err(SdfError::Open { count: 1 + bad.count(), from, to, triangles: first.len() })
}

fn bounds(points: &[[f32; 3]]) -> ([f32; 3], [f32; 3]) {
    points.iter().fold(([f32::MAX; 3], [f32::MIN; 3]), |(low, high), p| {
        (std::array::from_fn(|k| low[k].min(p[k])), std::array::from_fn(|k| high[k].max(p[k])))
    })
}

/// The mean length of the triangles' edges.
pub(super) fn mean_edge(mesh: &SurfaceMesh) -> f32 {
    let edges = mesh.triangles.iter().flat_map(|t| [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])]);
    let between = |(a, b): (u32, u32)| {
        let (a, b) = (mesh.points[a as usize], mesh.points[b as usize]);
        length(std::array::from_fn(|k| f64::from(b[k]) - f64::from(a[k])))
    };
    (edges.map(between).sum::<f64>() / (3 * mesh.triangles.len()) as f64) as f32
}

/// A distance field (in the frame of [`Frame`]) is outside at its border, and changes by no more than the distance from sample to sample.
pub(super) fn field(sdf: &Sdf) -> Result<(), SdfError> {
    let [nx, ny, nz] = sdf.dims;
    if sdf.dims.iter().any(|&n| n < 2) || sdf.values.len() != nx * ny * nz {
        return Err(SdfError::Unsound { what: "has another size than it says" });
    }
    // PhysX's distances from large triangles are off by some 1e-5 of the mesh's size, which is between 1 and 2 here.
    let most = 1.01 * sdf.spacing + 1e-4;
    let steps = [1, nx, nx * ny];
    for (i, &value) in sdf.values.iter().enumerate() {
        let at = [i % nx, i / nx % ny, i / (nx * ny)];
        let border = (0..3).any(|k| at[k] == 0 || at[k] + 1 == sdf.dims[k]);
        if !value.is_finite() || (border && value <= 0.0) {
            return Err(SdfError::Unsound { what: "has an inside without end" });
        }
        let torn = |k: usize| at[k] + 1 < sdf.dims[k] && (sdf.values[i + steps[k]] - value).abs() > most;
        if (0..3).any(torn) {
            return Err(SdfError::Unsound { what: "changes its sign away from the surface" });
        }
    }
    Ok(())
}

/// The share of the surface, by area, behind which the field has no inside within a spacing, sampled about once every two spacings.
pub(super) fn lost(sdf: &Sdf, mesh: &SurfaceMesh) -> f64 {
    let (mut lost, mut all) = (0.0, 0.0);
    for &t in &mesh.triangles {
        let (normal, longest) = doubled_area(mesh, t);
        let area = length(normal);
        let inwards = normal.map(|c| (c / area) as f32 * -0.25 * sdf.spacing);
        let parts = (0.5 * longest.sqrt() as f32 / sdf.spacing) as usize + 1;
        let (mut missed, mut count) = (0, 0);
        for i in 0..parts {
            for j in 0..parts - i {
                count += 1;
                missed += usize::from(!has_inside(sdf, between(mesh, t, [i, j], parts), inwards));
            }
        }
        all += area;
        lost += area * f64::from(missed as f32 / count as f32);
    }
    lost / all
}

/// The middle of part (i, j) of a triangle whose edges are cut into `parts`.
fn between(mesh: &SurfaceMesh, triangle: [u32; 3], at: [usize; 2], parts: usize) -> [f32; 3] {
    let [a, b, c] = triangle.map(|i| mesh.points[i as usize]);
    let [u, v] = at.map(|i| (i as f32 + 1.0 / 3.0) / parts as f32);
    std::array::from_fn(|k| a[k] + (b[k] - a[k]) * u + (c[k] - a[k]) * v)
}

/// Whether one to four steps from a point of the surface are inside by more than rounding.
fn has_inside(sdf: &Sdf, from: [f32; 3], step: [f32; 3]) -> bool {
    let behind = |steps: f32| sdf.at(std::array::from_fn(|k| from[k] + steps * step[k]));
    [1.0, 2.0, 3.0, 4.0].into_iter().any(|steps| behind(steps) < -0.0625 * sdf.spacing)
}
