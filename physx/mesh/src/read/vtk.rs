//! VTK legacy files and VTU, by `vtkio`, whose parsers panic on some malformed input and are contained.

use std::collections::BTreeSet;

use vtkio::model::{CellType, Cells, DataSet, IOBuffer, Piece, VertexNumbers, Vtk};

use super::{MeshFile, REEXPORT, Source, fan};
use crate::error::MeshError;
use crate::types::{SurfaceMesh, TetMesh};

pub(super) fn parse_legacy(source: Source<'_>) -> Result<MeshFile, MeshError> {
    if !source.bytes.trim_ascii_start().starts_with(b"# vtk DataFile") {
        return Err(source.error(Some(1), "a VTK file begins with \"# vtk DataFile Version\"", REEXPORT));
    }
    // Binary legacy files are big-endian by definition.
    let parsed = source.contain(|| Vtk::parse_legacy_be(source.bytes).map_err(|e| e.to_string()))?;
    collect(source, parsed.map_err(|error| source.error(None, error, REEXPORT))?)
}

pub(super) fn parse_xml(source: Source<'_>) -> Result<MeshFile, MeshError> {
    let parsed = source.contain(|| Vtk::parse_xml(source.bytes).map_err(|e| e.to_string()))?;
    collect(source, parsed.map_err(|error| source.error(None, error, REEXPORT))?)
}

/// Points and cells of all pieces.
#[derive(Default)]
struct Collected {
    points: Vec<[f32; 3]>,
    tets: Vec<[u32; 4]>,
    triangles: Vec<[u32; 3]>,
    other: BTreeSet<String>,
}

fn collect(source: Source<'_>, file: Vtk) -> Result<MeshFile, MeshError> {
    let mut all = Collected::default();
    match file.data {
        DataSet::UnstructuredGrid { pieces, .. } => {
            for piece in pieces {
                let piece = inline(source, piece)?;
                let base = all.add_points(source, piece.points)?;
                all.add_cells(source, piece.cells, base)?;
            }
        }
        DataSet::PolyData { pieces, .. } => {
            for piece in pieces {
                let piece = inline(source, piece)?;
                let base = all.add_points(source, piece.points)?;
                for polygon in piece.polys.map(|polygons| cells_of(source, polygons)).transpose()?.unwrap_or_default() {
                    fan(&shifted(source, &polygon, base)?, &mut all.triangles);
                }
            }
        }
        _ => {
            let remedy = "save it as an unstructured grid (ParaView: Append Datasets filter)";
            return Err(source.unsupported("a data set other than an unstructured grid or polygons", remedy));
        }
    }
    all.finish(source)
}

fn inline<P>(source: Source<'_>, piece: Piece<P>) -> Result<P, MeshError> {
    match piece {
        Piece::Inline(piece) => Ok(*piece),
        _ => Err(source.unsupported("a data set spread over several files", "save it as one file")),
    }
}

impl Collected {
    /// Adds the points of a piece; returns the number of the first.
    fn add_points(&mut self, source: Source<'_>, points: IOBuffer) -> Result<u32, MeshError> {
        let base = u32::try_from(self.points.len()).map_err(|_| source.error(None, "over 4 Gi points", REEXPORT))?;
        let values: Vec<f32> = match points {
            IOBuffer::F32(values) => values,
            IOBuffer::F64(values) => values.into_iter().map(|x| x as f32).collect(),
            other => other.cast_into::<f32>().unwrap_or_default(),
        };
        let (rows, odd) = values.as_chunks::<3>();
        if !odd.is_empty() {
            return Err(source.error(None, "the number of coordinates is no multiple of 3", REEXPORT));
        }
        self.points.extend_from_slice(rows);
        Ok(base)
    }

    fn add_cells(&mut self, source: Source<'_>, cells: Cells, base: u32) -> Result<(), MeshError> {
        let lists = cells_of(source, cells.cell_verts)?;
        if lists.len() != cells.types.len() {
            let what = format!("{} cells have {} types", lists.len(), cells.types.len());
            return Err(source.error(None, what, REEXPORT));
        }
        for (cell, kind) in lists.iter().zip(cells.types) {
            let corners = shifted(source, cell, base)?;
            match (kind, corners.as_slice()) {
                (CellType::Tetra, &[a, b, c, d]) => self.tets.push([a, b, c, d]),
                (CellType::Triangle, &[a, b, c]) => self.triangles.push([a, b, c]),
                (CellType::Quad | CellType::Polygon, polygon) => fan(polygon, &mut self.triangles),
                (CellType::Vertex | CellType::PolyVertex | CellType::Line | CellType::PolyLine, _) => {}
                (CellType::Tetra | CellType::Triangle, _) => {
                    let what = format!("a {kind:?} cell with {} points", corners.len());
                    return Err(source.error(None, what, REEXPORT));
                }
                _ => {
                    self.other.insert(format!("{kind:?}"));
                }
            }
        }
        Ok(())
    }

    fn finish(self, source: Source<'_>) -> Result<MeshFile, MeshError> {
        if !self.other.is_empty() {
            let kinds = self.other.into_iter().collect::<Vec<_>>().join(", ");
            let remedy = "split the cells into tetrahedra (ParaView: Tetrahedralize filter)";
            return Err(source.unsupported(format!("cells of type {kinds}"), remedy));
        }
        if !self.tets.is_empty() {
            return Ok(MeshFile::Tet(TetMesh { points: self.points, tets: self.tets }));
        }
        if self.triangles.is_empty() {
            return Err(source.error(None, "neither tetrahedra nor triangles", "save the volume mesh, not its points"));
        }
        Ok(MeshFile::Surface(SurfaceMesh { points: self.points, triangles: self.triangles }))
    }
}

/// Corner lists of the cells, with lengths checked against the data.
fn cells_of(source: Source<'_>, cells: VertexNumbers) -> Result<Vec<Vec<u64>>, MeshError> {
    let torn = || source.error(None, "the cell list does not match its own lengths", REEXPORT);
    let mut out = Vec::new();
    match cells {
        VertexNumbers::Legacy { vertices, .. } => {
            let mut rest = vertices.as_slice();
            while let Some((&count, tail)) = rest.split_first() {
                let (cell, tail) = tail.split_at_checked(count as usize).ok_or_else(torn)?;
                out.push(cell.iter().map(|&i| u64::from(i)).collect());
                rest = tail;
            }
        }
        VertexNumbers::XML { connectivity, offsets } => {
            let mut start = 0;
            // Version 5 legacy files write a leading zero, XML files do not.
            for end in offsets.into_iter().skip_while(|&offset| offset == 0) {
                let end = usize::try_from(end).map_err(|_| torn())?;
                out.push(connectivity.get(start..end).ok_or_else(torn)?.to_vec());
                start = end;
            }
        }
    }
    Ok(out)
}

/// Corner numbers of a piece as numbers of the whole.
fn shifted(source: Source<'_>, cell: &[u64], base: u32) -> Result<Vec<u32>, MeshError> {
    cell.iter()
        .map(|&corner| u32::try_from(corner).ok().and_then(|corner| corner.checked_add(base)))
        .collect::<Option<_>>()
        .ok_or_else(|| source.error(None, "a cell refers to a point beyond 4 Gi", REEXPORT))
}
