//! VTK XML files: PolyData (`.vtp`) for surfaces, UnstructuredGrid (`.vtu`) for volumes.
//!
//! The XML header describes each array; the numbers follow it as one raw block, little endian, each array
//! behind its length in bytes as a `UInt64`. Source: VTK User's Guide, "XML File Formats", appended data, raw
//! encoding. One table, [`columns`], says which arrays a file holds, to the writer and to the reader.

mod read;
mod write;

pub(crate) use read::attribute;
pub(crate) use write::save;

use crate::Mesh;

/// When a frame was taken.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stamp {
    /// Steps completed.
    pub step: u64,
    /// Simulated time, s.
    pub time_s: f64,
}

/// How a mesh with cells of one kind is called in VTK.
#[derive(Debug)]
pub struct Shape {
    /// Type of the data set, also the name of its element.
    data_set: &'static str,
    /// Attribute of `<Piece>` that counts the cells.
    cell_count: &'static str,
    /// Further attributes of `<Piece>`.
    no_others: &'static str,
    /// Element that holds the cells.
    cells: &'static str,
    /// VTK's number for the cell type, where the file states it.
    cell_type: Option<u8>,
}

/// Meshes that have a VTK file format.
pub trait Format {
    /// The format.
    const SHAPE: Shape;
}

impl Format for Mesh<3> {
    const SHAPE: Shape = Shape {
        data_set: "PolyData",
        cell_count: "NumberOfPolys",
        no_others: " NumberOfVerts=\"0\" NumberOfLines=\"0\" NumberOfStrips=\"0\"",
        cells: "Polys",
        cell_type: None,
    };
}

impl Format for Mesh<4> {
    const SHAPE: Shape = Shape {
        data_set: "UnstructuredGrid",
        cell_count: "NumberOfCells",
        no_others: "",
        cells: "Cells",
        cell_type: Some(10), // VTK_TETRA
    };
}

/// The element that an array stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    PointData,
    Points,
    Cells,
}

/// The numbers of one array of a mesh.
#[derive(Debug, Clone, Copy)]
enum Data<'a> {
    F32(&'a [f32]),
    U32(&'a [u32]),
    U8(&'a [u8]),
    /// Indices of points; below 2³¹ by [`Mesh::check`].
    Index(&'a [u32]),
    /// The end of each of `count` cells in the list of corners: `stride`, `2·stride`, …
    Ends {
        count: usize,
        stride: usize,
    },
    /// The same byte for each of `count` cells.
    Same {
        count: usize,
        value: u8,
    },
}

impl Data<'_> {
    /// VTK's name of the number type.
    fn type_name(&self) -> &'static str {
        match self {
            Data::F32(_) => "Float32",
            Data::U32(_) => "UInt32",
            Data::U8(_) | Data::Same { .. } => "UInt8",
            Data::Index(_) | Data::Ends { .. } => "Int32",
        }
    }

    /// Size of the array in the file, bytes, without its length word.
    fn bytes(&self) -> u64 {
        let (count, size) = match self {
            Data::F32(v) => (v.len(), 4),
            Data::U32(v) | Data::Index(v) => (v.len(), 4),
            Data::U8(v) => (v.len(), 1),
            Data::Ends { count, .. } => (*count, 4),
            Data::Same { count, .. } => (*count, 1),
        };
        count as u64 * size
    }
}

/// One array of a file.
#[derive(Debug, Clone, Copy)]
struct Column<'a> {
    section: Section,
    name: &'static str,
    components: usize,
    data: Data<'a>,
}

/// The arrays of a file in the order of their data.
fn columns<const N: usize>(mesh: &Mesh<N>) -> Vec<Column<'_>>
where
    Mesh<N>: Format,
{
    let point = |name, components, data| Column { section: Section::PointData, name, components, data };
    let cell = |name, data| Column { section: Section::Cells, name, components: 1, data };
    let count = mesh.cells.len();
    let mut columns = vec![
        point("velocity", 3, Data::F32(&mesh.velocity)),
        point("body", 1, Data::U32(&mesh.body)),
        point("kind", 1, Data::U8(&mesh.kind)),
        point("colour", 3, Data::U8(mesh.colour.as_flattened())),
        point("rank", 1, Data::U32(&mesh.rank)),
        point("batch", 1, Data::U32(&mesh.batch)),
        Column { section: Section::Points, name: "points", components: 3, data: Data::F32(&mesh.points) },
        cell("connectivity", Data::Index(mesh.cells.as_flattened())),
        cell("offsets", Data::Ends { count, stride: N }),
    ];
    if let Some(value) = Mesh::<N>::SHAPE.cell_type {
        columns.push(cell("types", Data::Same { count, value }));
    }
    columns
}
