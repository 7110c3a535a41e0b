//! Shapes, and the size of the meshes that they make.

use std::path::Path;

use super::Checker;
use crate::fault;
use crate::model::{AutoOr, RigidShape, SoftShape, Tetrahedra};
use crate::path::FieldPath;

/// Largest extent of a body, in metres.
const MAX_SIZE_M: f32 = 1.0e4;
/// Most cells of one procedural mesh, each of five or six tetrahedra.
const MAX_CELLS: f64 = 1.0e6;
/// Files of surfaces, by extension.
pub(super) const SURFACES: &[&str] = &["obj", "ply", "stl"];
/// Files that a soft body may be read from.
const BODIES: &[&str] = &["msh", "obj", "ply", "stl", "vtk", "vtu"];

pub(super) fn soft(c: &mut Checker, at: &FieldPath, shape: &SoftShape) {
    match shape {
        SoftShape::Box(shape) => {
            let at = at.key("box");
            size(c, &at.key("size_m"), shape.size_m);
            match (shape.cells, shape.edge_m) {
                (Some(_), AutoOr::Fixed(_)) => c.wrong(at.key("edge_m"), "`cells` and `edge_m` are both given"),
                (Some(cells), AutoOr::Auto) => self::cells(c, &at.key("cells"), cells),
                (None, _) => edge(c, &at, shape.edge_m, shape.size_m),
            }
        }
        SoftShape::Sphere(shape) => {
            let at = at.key("sphere");
            c.positive(at.key("radius_m"), shape.radius_m, MAX_SIZE_M);
            edge(c, &at, shape.edge_m, [2.0 * shape.radius_m; 3]);
        }
        SoftShape::Torus(shape) => {
            let at = at.key("torus");
            c.positive(at.key("major_m"), shape.major_m, MAX_SIZE_M);
            c.positive(at.key("minor_m"), shape.minor_m, MAX_SIZE_M);
            if shape.minor_m >= shape.major_m {
                let message = format!("must be below `major_m`, {} is not below {}", shape.minor_m, shape.major_m);
                c.wrong(at.key("minor_m"), message);
            }
            let width = 2.0 * shape.minor_m;
            edge(c, &at, shape.edge_m, [width, width, std::f32::consts::TAU * shape.major_m]);
        }
        SoftShape::Capsule(shape) => {
            let at = at.key("capsule");
            capsule(c, &at, shape.radius_m, shape.half_height_m);
            let width = 2.0 * shape.radius_m;
            edge(c, &at, shape.edge_m, [width, width, width + 2.0 * shape.half_height_m]);
        }
        SoftShape::Mesh(mesh) => {
            let at = at.key("mesh");
            file(c, at.key("file"), &mesh.file, BODIES);
            c.positive(at.key("scale"), mesh.scale, 1.0e6);
            if let Tetrahedra::Voxel(voxel) = &mesh.tetrahedra {
                c.within(at.key("tetrahedra").key("voxel").key("resolution"), voxel.resolution, 1..=512);
            }
        }
    }
}

pub(super) fn rigid(c: &mut Checker, at: &FieldPath, shape: &RigidShape) {
    match shape {
        RigidShape::Box(shape) => size(c, &at.key("box").key("size_m"), shape.size_m),
        RigidShape::Sphere(shape) => c.positive(at.key("sphere").key("radius_m"), shape.radius_m, MAX_SIZE_M),
        RigidShape::Capsule(shape) => capsule(c, &at.key("capsule"), shape.radius_m, shape.half_height_m),
        RigidShape::Convex(shape) => {
            file(c, at.key("convex").key("file"), &shape.file, SURFACES);
            c.positive(at.key("convex").key("scale"), shape.scale, 1.0e6);
        }
    }
}

/// A mesh file: its name says which reader takes it.
pub(super) fn file(c: &mut Checker, at: FieldPath, file: &Path, allowed: &[&str]) {
    let extension = file.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if file.as_os_str().is_empty() {
        c.wrong(at, "is empty; expected the path of a mesh");
    } else if file.to_str().is_none() {
        c.wrong(at, format!("`{}` is not UTF-8", file.display()));
    } else if !allowed.contains(&extension.as_str()) {
        let message = format!("`{}` is no kind of mesh that can be read here", file.display());
        c.wrong_with_help(at, message, fault::name_help(&extension, allowed.iter().copied(), "readable"));
    }
}

fn capsule(c: &mut Checker, at: &FieldPath, radius: f32, half_height: f32) {
    c.positive(at.key("radius_m"), radius, MAX_SIZE_M);
    c.positive(at.key("half_height_m"), half_height, MAX_SIZE_M);
}

fn size(c: &mut Checker, at: &FieldPath, size: [f32; 3]) {
    for (i, value) in size.into_iter().enumerate() {
        c.positive(at.index(i), value, MAX_SIZE_M);
    }
}

fn cells(c: &mut Checker, at: &FieldPath, cells: [u32; 3]) {
    for (i, value) in cells.into_iter().enumerate() {
        c.within(at.index(i), value, 1..=1000);
    }
    let total: f64 = cells.into_iter().map(f64::from).product();
    if total > MAX_CELLS {
        c.wrong(at.clone(), format!("makes {total} cells; at most {MAX_CELLS} are meshed"));
    }
}

/// A target edge length that makes neither no mesh nor an endless one.
fn edge(c: &mut Checker, at: &FieldPath, edge: AutoOr<f32>, extents: [f32; 3]) {
    if !extents.iter().all(|&extent| extent > 0.0 && extent.is_finite()) {
        return;
    }
    let thinnest = extents.into_iter().fold(f32::MAX, |a, x| if x < a { x } else { a });
    c.positive_if(at.key("edge_m"), edge.fixed(), thinnest);
    let edge = edge.or(thinnest / 3.0);
    let total: f64 = extents.into_iter().map(|extent| libm::ceil(f64::from(extent / edge))).product();
    if edge > 0.0 && total > MAX_CELLS {
        let message = format!("makes about {total:.2e} cells of this size; at most {MAX_CELLS:e} are meshed");
        c.wrong_with_help(at.key("edge_m"), message, "take a longer edge");
    }
}
