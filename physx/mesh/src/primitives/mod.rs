//! Bodies by formula: box, sphere, torus and capsule, as conforming tetrahedral meshes of even size.
//!
//! A box is a grid of cells cut in five, mirrored from cell to cell. Round bodies are cut from a body-centred cubic lattice,
//! whose tetrahedra are the best that fill space: see `lattice` and `smooth`. All are centred at the origin; torus
//! and capsule have their axis along *y*.

mod lattice;
mod smooth;
#[cfg(test)]
mod tests;

use std::f64::consts::PI;

use crate::error::MeshError;
use crate::math::{V3, length, scale};
use crate::types::TetMesh;
use crate::{MAX_ELEMENTS, MAX_NODES};

/// A box of `size` (metres, full lengths along x, y, z), in `cells` cells of five tetrahedra each.
///
/// The nodes are those of the grid. Neighbouring cells mirror each other. Of the cuts without further nodes this one resists bending
/// least beyond what the material does, and a box of an even number of cells a side bends alike along all axes (`docs/locking.md`).
///
/// # Errors
/// [`MeshError::BadSize`] for a size that is not finite and positive or a count of 0; [`MeshError::TooMany`] above the limits.
pub fn boxed(size: [f32; 3], cells: [u32; 3]) -> Result<TetMesh, MeshError> {
    for (axis, (&side, &count)) in ["x", "y", "z"].iter().zip(size.iter().zip(&cells)) {
        positive("box", &format!("size along {axis}"), side)?;
        if count == 0 {
            let what = format!("0 cells along {axis}");
            return Err(MeshError::BadSize { shape: "box", what, remedy: "use at least 1" });
        }
    }
    let nodes = cells.iter().try_fold(1u64, |n, &c| n.checked_mul(u64::from(c) + 1)).unwrap_or(u64::MAX);
    let tets = cells.iter().try_fold(5u64, |n, &c| n.checked_mul(u64::from(c))).unwrap_or(u64::MAX);
    limit("nodes", nodes, MAX_NODES)?;
    limit("tetrahedra", tets, MAX_ELEMENTS)?;
    let [nx, ny, _] = cells.map(|c| c + 1);
    let node = |[i, j, k]: [u32; 3]| (k * ny + j) * nx + i;
    let at = |i: u32, axis: usize| {
        // Measured from the middle, so that opposite sides are exact mirror images.
        (f64::from(2 * i) - f64::from(cells[axis])) / f64::from(2 * cells[axis]) * f64::from(size[axis])
    };
    let mut mesh = TetMesh { points: Vec::with_capacity(nodes as usize), tets: Vec::with_capacity(tets as usize) };
    for k in 0..=cells[2] {
        for j in 0..=cells[1] {
            mesh.points.extend((0..=cells[0]).map(|i| [at(i, 0) as f32, at(j, 1) as f32, at(k, 2) as f32]));
        }
    }
    for k in 0..cells[2] {
        for j in 0..cells[1] {
            for i in 0..cells[0] {
                mesh.tets.extend(cut_cell([i, j, k]).map(|tet| tet.map(node)));
            }
        }
    }
    Ok(mesh)
}

/// The five tetrahedra of a cell: a regular one between the corners of even parity, and one over each of the others. Corners
/// by number, bit *k* for the high side along axis *k*; positively oriented.
const FIVE: [[usize; 4]; 5] = [[0, 3, 6, 5], [1, 0, 5, 3], [2, 0, 3, 6], [4, 0, 6, 5], [7, 3, 5, 6]];

/// The tetrahedra of the cell at `low`. Cells of odd parity are mirrored along x, so that the diagonals of shared faces agree.
fn cut_cell(low: [u32; 3]) -> [[[u32; 3]; 4]; 5] {
    let odd = (low[0] + low[1] + low[2]) % 2;
    let corner = |number: usize| {
        let number = number as u32 ^ odd;
        [low[0] + (number & 1), low[1] + (number >> 1 & 1), low[2] + (number >> 2)]
    };
    FIVE.map(|mut tet| {
        // The mirror turns it inside out.
        if odd == 1 {
            tet.swap(2, 3);
        }
        tet.map(corner)
    })
}

/// A ball of `radius`, of tetrahedra with edges of about `edge` (both in metres).
///
/// # Errors
/// [`MeshError::BadSize`] for parameters that are not finite and positive, or an edge longer than the radius;
/// [`MeshError::TooMany`] above the limits.
pub fn sphere(radius: f32, edge: f32) -> Result<TetMesh, MeshError> {
    positive("sphere", "radius", radius)?;
    edge_fits("sphere", edge, "radius", radius)?;
    let r = f64::from(radius);
    let volume = 4.0 / 3.0 * PI * r * r * r;
    let solid = Solid { name: "sphere", volume, distance: &|p| length(p) - r, nearest: &|p| onto(p, r) };
    lattice::fill([r; 3], f64::from(edge), &solid)
}

/// A torus about the *y* axis: `major` from its centre to the middle of the tube, `minor` the tube's radius, of
/// tetrahedra with edges of about `edge` (metres).
///
/// # Errors
/// [`MeshError::BadSize`] for parameters that are not finite and positive, a tube that closes the hole to less than an
/// edge, or an edge longer than `minor`; [`MeshError::TooMany`] above the limits.
pub fn torus(major: f32, minor: f32, edge: f32) -> Result<TetMesh, MeshError> {
    positive("torus", "major radius", major)?;
    positive("torus", "minor radius", minor)?;
    edge_fits("torus", edge, "minor radius", minor)?;
    if 2.0 * (major - minor) < edge {
        let what = format!("major radius {major} leaves no hole around minor radius {minor} at edge {edge}");
        return Err(MeshError::BadSize { shape: "torus", what, remedy: "use a larger major radius or a shorter edge" });
    }
    let (big, small) = (f64::from(major), f64::from(minor));
    let ring = |p: V3| {
        let away = (p[0] * p[0] + p[2] * p[2]).sqrt();
        // On the axis every point of the ring is nearest.
        if away > 0.0 { [p[0] / away * big, 0.0, p[2] / away * big] } else { [big, 0.0, 0.0] }
    };
    let relative = |p: V3| crate::math::sub(p, ring(p));
    let solid = Solid {
        name: "torus",
        volume: 2.0 * PI * PI * big * small * small,
        distance: &|p| length(relative(p)) - small,
        nearest: &|p| crate::math::add(ring(p), onto(relative(p), small)),
    };
    lattice::fill([big + small, small, big + small], f64::from(edge), &solid)
}

/// A capsule along *y*: a cylinder of `radius` from −`half_height` to `half_height`, closed by half balls, of tetrahedra with edges of
/// about `edge` (metres). A `half_height` of 0 gives a ball.
///
/// # Errors
/// [`MeshError::BadSize`] for a radius or edge that is not finite and positive, a negative half height, or an edge longer than the
/// radius; [`MeshError::TooMany`] above the limits.
pub fn capsule(radius: f32, half_height: f32, edge: f32) -> Result<TetMesh, MeshError> {
    positive("capsule", "radius", radius)?;
    edge_fits("capsule", edge, "radius", radius)?;
    if half_height != 0.0 {
        positive("capsule", "half height", half_height)?;
    }
    let (r, h) = (f64::from(radius), f64::from(half_height));
    let axis = |p: V3| [0.0, p[1].clamp(-h, h), 0.0];
    let relative = |p: V3| crate::math::sub(p, axis(p));
    let solid = Solid {
        name: "capsule",
        volume: PI * r * r * (4.0 / 3.0 * r + 2.0 * h),
        distance: &|p| length(relative(p)) - r,
        nearest: &|p| crate::math::add(axis(p), onto(relative(p), r)),
    };
    lattice::fill([r, h + r, r], f64::from(edge), &solid)
}

/// A solid body by formula.
struct Solid<'a> {
    /// For messages.
    name: &'static str,
    /// Exact volume, to recognise a mesh that misses part of the shape.
    volume: f64,
    /// Signed distance from its surface, negative inside.
    distance: &'a dyn Fn(V3) -> f64,
    /// The nearest point of its surface.
    nearest: &'a dyn Fn(V3) -> V3,
}

/// `p` scaled to length `radius`; along *x* for the zero vector.
fn onto(p: V3, radius: f64) -> V3 {
    let far = length(p);
    if far > 0.0 { scale(p, radius / far) } else { [radius, 0.0, 0.0] }
}

fn positive(shape: &'static str, name: &str, value: f32) -> Result<(), MeshError> {
    // Squares and cubes of sizes must stay within single precision.
    if value.is_finite() && (1e-6..=1e6).contains(&value) {
        return Ok(());
    }
    let remedy = "use a finite length from 1e-6 to 1e6 metres";
    Err(MeshError::BadSize { shape, what: format!("{name} is {value}"), remedy })
}

fn edge_fits(shape: &'static str, edge: f32, name: &str, radius: f32) -> Result<(), MeshError> {
    positive(shape, "edge", edge)?;
    if edge <= radius {
        return Ok(());
    }
    let what = format!("edge {edge} is longer than the {name} {radius}");
    Err(MeshError::BadSize { shape, what, remedy: "use a shorter edge: a round body needs two across" })
}

fn limit(what: &'static str, count: u64, limit: usize) -> Result<(), MeshError> {
    let limit = limit as u64;
    if count <= limit { Ok(()) } else { Err(MeshError::TooMany { what, count, limit }) }
}
