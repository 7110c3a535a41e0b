//! Wavefront OBJ, by `tobj`.

use std::io::BufReader;

use super::lines::LineReader;
use super::{MeshFile, Source};
use crate::error::MeshError;
use crate::types::SurfaceMesh;

const REMEDY: &str = "check that line, or export again with triangulated faces";

pub(super) fn parse(source: Source<'_>) -> Result<MeshFile, MeshError> {
    let mut lines = LineReader::new(source.bytes);
    let options =
        tobj::LoadOptions { triangulate: true, ignore_points: true, ignore_lines: true, ..Default::default() };
    // Materials are of no interest, and their files must not be opened.
    let no_materials = |_: &std::path::Path| Err(tobj::LoadError::OpenFileFailed);
    let loaded = source.contain(|| tobj::load_obj_buf(&mut BufReader::new(&mut lines), &options, no_materials))?;
    let (models, _) = loaded.map_err(|error| source.error(Some(lines.line()), error, REMEDY))?;
    let mut mesh = SurfaceMesh::default();
    for model in models {
        let base = mesh.points.len() as u32;
        mesh.points.extend_from_slice(model.mesh.positions.as_chunks::<3>().0);
        let (triangles, odd) = model.mesh.indices.as_chunks::<3>();
        if !odd.is_empty() {
            let what = format!("object {:?} has faces that are no polygons", model.name);
            return Err(source.error(None, what, REMEDY));
        }
        mesh.triangles.extend(triangles.iter().map(|t| t.map(|i| i + base)));
    }
    if mesh.triangles.is_empty() {
        return Err(source.error(None, "no faces", "export the mesh with its faces"));
    }
    Ok(MeshFile::Surface(mesh))
}
