//! Stanford polygon format, by `ply-rs-bw`.

use std::io::Cursor;

use ply_rs_bw::parser::{ParseError, Parser, Reader};
use ply_rs_bw::ply::{Encoding, Header, PropertyAccess, PropertyAccessResult};

use super::{MeshFile, Source, fan};
use crate::error::MeshError;
use crate::types::SurfaceMesh;

const REMEDY: &str = "check that place, or export again as binary PLY";

/// One vertex or face; the library fills it in. Properties of no interest are dropped at once.
#[derive(Default)]
struct Row {
    at: [f32; 3],
    corners: Vec<u32>,
    /// A corner that no index can be: negative or beyond 32 bits.
    bad: Option<i64>,
}

impl Row {
    fn coordinate(&mut self, key: &str, value: f32) -> PropertyAccessResult {
        match ["x", "y", "z"].iter().position(|name| *name == key) {
            Some(axis) => self.at[axis] = value,
            None => return PropertyAccessResult::Ignored,
        }
        PropertyAccessResult::Set
    }

    fn corners(&mut self, key: &str, values: impl Iterator<Item = i64>) -> PropertyAccessResult {
        if key != "vertex_indices" && key != "vertex_index" {
            return PropertyAccessResult::Ignored;
        }
        for value in values {
            match u32::try_from(value) {
                Ok(index) => self.corners.push(index),
                Err(_) => self.bad = Some(value),
            }
        }
        PropertyAccessResult::Set
    }
}

macro_rules! lists {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(&mut self, key: &str, values: Vec<$type>) -> PropertyAccessResult {
            self.corners(key, values.into_iter().map(i64::from))
        })*
    };
}

impl PropertyAccess for Row {
    fn new() -> Self {
        Self::default()
    }

    fn set_float(&mut self, key: &str, value: f32) -> PropertyAccessResult {
        self.coordinate(key, value)
    }

    fn set_double(&mut self, key: &str, value: f64) -> PropertyAccessResult {
        self.coordinate(key, value as f32)
    }

    lists!(
        set_list_char: i8,
        set_list_uchar: u8,
        set_list_short: i16,
        set_list_ushort: u16,
        set_list_int: i32,
        set_list_uint: u32
    );
}

pub(super) fn parse(source: Source<'_>) -> Result<MeshFile, MeshError> {
    let failed = |error: ParseError| source.error(error.line(), &error, REMEDY);
    let parser = Parser::<Row>::new();
    let mut reader = Reader::new(Cursor::new(source.bytes));
    let header = source.contain(|| parser.read_header(&mut reader))?.map_err(failed)?;
    check(source, &header)?;
    let mut mesh = SurfaceMesh::default();
    for (name, element) in &header.elements {
        let rows =
            source.contain(|| parser.read_payload_for_element(&mut reader, element, &header))?.map_err(failed)?;
        match name.as_str() {
            "vertex" => mesh.points.extend(rows.iter().map(|row| row.at)),
            "face" => {
                for (i, row) in rows.iter().enumerate() {
                    if let Some(bad) = row.bad {
                        return Err(source.error(None, format!("face {i} refers to vertex {bad}"), REMEDY));
                    }
                    fan(&row.corners, &mut mesh.triangles);
                }
            }
            _ => {}
        }
    }
    if mesh.triangles.is_empty() {
        return Err(source.error(None, "no faces", "export a mesh, not a point cloud"));
    }
    Ok(MeshFile::Surface(mesh))
}

/// Refuses headers that promise more than the file can hold, before anything is allocated for them.
fn check(source: Source<'_>, header: &Header) -> Result<(), MeshError> {
    for (name, element) in &header.elements {
        // In every encoding an element takes at least one byte; one without properties would take none, for ever.
        if element.count > source.bytes.len() || (element.properties.is_empty() && element.count > 0) {
            let what = format!("{} elements \"{name}\" cannot fit into {} bytes", element.count, source.bytes.len());
            return Err(source.error(None, what, "the file is cut off or its header is wrong: export it again"));
        }
    }
    let vertex = header.elements.get("vertex");
    let has = |key: &str| vertex.is_some_and(|element| element.properties.contains_key(key));
    if !(has("x") && has("y") && has("z")) {
        let encoding = match header.encoding {
            Encoding::Ascii => "ASCII",
            _ => "binary",
        };
        let what = format!("this {encoding} PLY has no \"vertex\" element with x, y and z");
        return Err(source.error(None, what, "export the mesh with positions"));
    }
    Ok(())
}
