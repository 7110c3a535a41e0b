//! Mesh files: OBJ, STL, PLY, Gmsh MSH, VTK and VTU.
//!
//! Everything is read from memory by [`parse`]; [`read`] only adds the file. What comes out is what the file says, in its
//! order: [`crate::mend`] judges and repairs it.
//! **Invariant:** memory stays within a fixed multiple of the input: a count in a file is compared with the bytes that are
//! left before anything is allocated for it.

mod lines;
mod msh;
mod msh_cursor;
mod obj;
mod ply;
mod stl;
#[cfg(test)]
mod tests;
mod vtk;

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::MeshError;
use crate::types::{SurfaceMesh, TetMesh};

/// Largest mesh file that is read: 4 GiB.
pub const MAX_FILE_BYTES: u64 = 4 << 30;

/// What a mesh file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum MeshFile {
    /// Triangles.
    Surface(SurfaceMesh),
    /// Tetrahedra.
    Tet(TetMesh),
}

/// A mesh format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Wavefront OBJ: faces become triangles; everything but positions is skipped.
    Obj,
    /// Stereolithography, ASCII or binary; equal corners are welded.
    Stl,
    /// Stanford polygon format, ASCII or binary of either endianness.
    Ply,
    /// Gmsh MSH 2.2 or 4.1, ASCII or binary: tetrahedra where there are any, else triangles.
    Msh,
    /// VTK legacy, ASCII or binary: tetrahedra or triangles of an unstructured grid, triangles of polygonal data.
    Vtk,
    /// VTK XML unstructured grid: tetrahedra where there are any, else triangles.
    Vtu,
}

impl Format {
    /// The format that the extension of `path` names, in either case.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "obj" => Some(Self::Obj),
            "stl" => Some(Self::Stl),
            "ply" => Some(Self::Ply),
            "msh" => Some(Self::Msh),
            "vtk" => Some(Self::Vtk),
            "vtu" => Some(Self::Vtu),
            _ => None,
        }
    }
}

/// Reads the mesh file at `path`; its extension names the format.
///
/// # Errors
/// Those of [`read_bytes`] and [`parse`].
pub fn read(path: &Path) -> Result<MeshFile, MeshError> {
    let (bytes, format) = read_bytes(path)?;
    parse(&bytes, format, &path.display().to_string())
}

/// Reads the bytes of the mesh file at `path`, and the format that its extension names.
///
/// # Errors
/// [`MeshError::UnknownFormat`], [`MeshError::Io`]; a file over the limit is cut one byte past it, which [`parse`] refuses.
pub fn read_bytes(path: &Path) -> Result<(Vec<u8>, Format), MeshError> {
    let format = Format::of(path).ok_or_else(|| MeshError::UnknownFormat { name: path.display().to_string() })?;
    let io = |source| MeshError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    // One byte over the limit tells a file that is too large, also where its size is not known beforehand.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    Ok((bytes, format))
}

/// Reads a mesh from `bytes`. `name` appears in messages only.
///
/// # Errors
/// [`MeshError::Parse`] with the line where the format has lines, [`MeshError::Unsupported`] with a way around.
pub fn parse(bytes: &[u8], format: Format, name: &str) -> Result<MeshFile, MeshError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let bytes = bytes.len() as u64;
        return Err(MeshError::FileTooLarge { name: name.to_owned(), bytes, limit: MAX_FILE_BYTES });
    }
    let source = Source { bytes, name };
    match format {
        Format::Obj => obj::parse(source),
        Format::Stl => stl::parse(source),
        Format::Ply => ply::parse(source),
        Format::Msh => msh::parse(source),
        Format::Vtk => vtk::parse_legacy(source),
        Format::Vtu => vtk::parse_xml(source),
    }
}

/// The input of a reader.
#[derive(Clone, Copy)]
struct Source<'a> {
    bytes: &'a [u8],
    name: &'a str,
}

impl Source<'_> {
    fn error(&self, line: Option<usize>, what: impl std::fmt::Display, remedy: &'static str) -> MeshError {
        // Some libraries quote the input, which may be a line of megabytes.
        let what = what.to_string();
        let what = what.char_indices().nth(300).map_or(what.as_str(), |(end, _)| &what[..end]);
        MeshError::Parse { name: self.name.to_owned(), line, what: what.trim().replace('\n', " "), remedy }
    }

    fn unsupported(&self, what: impl std::fmt::Display, remedy: &'static str) -> MeshError {
        MeshError::Unsupported { name: self.name.to_owned(), what: what.to_string(), remedy }
    }

    /// Runs a library's parser that is known to panic on some malformed input (slices, `unwrap` and checked arithmetic
    /// inside it), and turns such a panic into an error. The parser works on its own values only, so nothing of ours can be
    /// left half changed. The panic hook still prints its line.
    fn contain<T>(&self, parser: impl FnOnce() -> T) -> Result<T, MeshError> {
        catch_unwind(AssertUnwindSafe(parser))
            .map_err(|_| self.error(None, "the file is malformed in a way that its parser cannot describe", REEXPORT))
    }
}

const REEXPORT: &str = "export the file again, or convert it with another program (such as meshio)";

/// Appends a polygon as a fan of triangles.
fn fan(polygon: &[u32], triangles: &mut Vec<[u32; 3]>) {
    triangles.extend(polygon.windows(2).skip(1).map(|pair| [polygon[0], pair[0], pair[1]]));
}
