//! The reading half: exactly what the writer writes, and an error for everything else.
//!
//! Invariant V-1: every count that the header claims is compared with the bytes that are there before anything
//! is allocated from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Data, Format, Stamp, columns};
use crate::{FrameError, Mesh};

/// What follows the last array.
pub(super) const TRAILER: &[u8] = b"\n  </AppendedData>\n</VTKFile>\n";

/// Most arrays that a header may list; ours lists ten.
const ARRAYS_MAX: usize = 64;

/// The value of attribute `name`, unescaped.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str, path: &Path) -> Result<String, FrameError> {
    let broken = |e: &dyn std::fmt::Display| FrameError::foreign(path, format!("broken XML: {e}"));
    // The check for duplicates is quadratic in the number of attributes, and the first one serves us.
    for found in tag.attributes().with_checks(false) {
        let found = found.map_err(|e| broken(&e))?;
        if found.key.as_ref() == name.as_bytes() {
            return found.unescape_value().map(|v| v.into_owned()).map_err(|e| broken(&e));
        }
    }
    let element = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    Err(FrameError::foreign(path, format!("<{element}> has no attribute `{name}`")))
}

fn number<T: std::str::FromStr>(text: &str, what: &str, path: &Path) -> Result<T, FrameError> {
    text.trim().parse().map_err(|_| FrameError::foreign(path, format!("{what} is \"{text}\", not a number")))
}

/// What the XML says of one array.
#[derive(Debug)]
struct Described {
    type_name: String,
    components: String,
    offset: usize,
}

/// What the XML says of the file.
#[derive(Debug, Default)]
struct Header {
    data_set: String,
    stamp: Stamp,
    points: usize,
    cells: usize,
    arrays: BTreeMap<String, Described>,
    /// Where the raw block begins, behind its underscore.
    data_start: usize,
}

impl<const N: usize> Mesh<N>
where
    Mesh<N>: Format,
{
    /// Reads a file that [`Mesh::write`] wrote.
    ///
    /// # Errors
    /// [`FrameError::Io`]; [`FrameError::Torn`] where the file ends early; [`FrameError::Foreign`] where another
    /// program wrote it; [`FrameError::Mesh`] where its cells name points that do not exist.
    pub fn read(path: &Path) -> Result<(Stamp, Self), FrameError> {
        let about = fs::metadata(path).map_err(FrameError::io("open the file", path))?;
        if !about.is_file() {
            return Err(FrameError::foreign(path, "not a regular file"));
        }
        let bytes = fs::read(path).map_err(FrameError::io("read the file", path))?;
        Self::parse(&bytes, path)
    }

    /// Reads the content of a file; `path` is for messages only.
    ///
    /// # Errors
    /// As [`Mesh::read`], without [`FrameError::Io`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<(Stamp, Self), FrameError> {
        let header = Header::parse(bytes, path)?;
        let shape = Self::SHAPE;
        if header.data_set != shape.data_set {
            return Err(FrameError::foreign(
                path,
                format!("expected a data set of type {}, found {}", shape.data_set, header.data_set),
            ));
        }
        let block = bytes
            .get(header.data_start..)
            .and_then(|rest| rest.strip_suffix(TRAILER))
            .ok_or_else(|| FrameError::torn(path, "the end of the file is missing"))?;
        // An empty mesh of the right kind knows the names, types and components that each array must have.
        let empty = Self::default();
        for column in columns(&empty) {
            let found = header.array(column.name, path)?;
            let (type_name, components) = (column.data.type_name(), column.components.to_string());
            if found.type_name != type_name || found.components != components {
                return Err(FrameError::foreign(
                    path,
                    format!(
                        "array `{}` is {} × {}, expected {components} × {type_name}",
                        column.name, found.components, found.type_name
                    ),
                ));
            }
        }
        let mesh = header.fill(block, path)?;
        mesh.check()?;
        Ok((header.stamp, mesh))
    }
}

impl Header {
    fn parse(bytes: &[u8], path: &Path) -> Result<Self, FrameError> {
        let mut reader = Reader::from_reader(bytes);
        let mut header = Self::default();
        let mut text_of = None;
        loop {
            let event = reader.read_event().map_err(|e| match e {
                // A tag that never closes, in a file that began as one of ours.
                quick_xml::Error::Syntax(_) if !header.data_set.is_empty() => {
                    FrameError::torn(path, "the header is cut off")
                }
                e => FrameError::foreign(path, format!("broken XML: {e}")),
            })?;
            match event {
                Event::Start(tag) if tag.name().as_ref() == b"AppendedData" => {
                    let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
                    let rest = bytes.get(start..).unwrap_or_default();
                    let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
                    if header.data_set.is_empty() || rest.get(blank) != Some(&b'_') {
                        return Err(FrameError::torn(path, "the arrays are missing"));
                    }
                    header.data_start = start + blank + 1;
                    return Ok(header);
                }
                Event::Start(tag) | Event::Empty(tag) => {
                    text_of = header.open(&tag, path)?;
                }
                Event::Text(text) => {
                    if let Some(name) = text_of.take() {
                        let text = String::from_utf8_lossy(&text).into_owned();
                        header.field(name, &text, path)?;
                    }
                }
                Event::Eof if header.data_set.is_empty() => {
                    return Err(FrameError::foreign(path, "expected <VTKFile>"));
                }
                Event::Eof => return Err(FrameError::torn(path, "the arrays are missing")),
                _ => {}
            }
        }
    }

    /// Takes in an opening tag; returns the field whose text follows, if it is one.
    fn open(&mut self, tag: &BytesStart<'_>, path: &Path) -> Result<Option<&'static str>, FrameError> {
        let get = |name: &str| attribute(tag, name, path);
        match tag.name().as_ref() {
            b"VTKFile" => {
                let (order, width) = (get("byte_order")?, get("header_type")?);
                if (order.as_str(), width.as_str()) != ("LittleEndian", "UInt64") {
                    return Err(FrameError::foreign(path, format!("byte order {order}, header type {width}")));
                }
                self.data_set = get("type")?;
            }
            b"Piece" => {
                let cells = if self.data_set == Mesh::<3>::SHAPE.data_set {
                    Mesh::<3>::SHAPE.cell_count
                } else {
                    Mesh::<4>::SHAPE.cell_count
                };
                self.points = number(&get("NumberOfPoints")?, "NumberOfPoints", path)?;
                self.cells = number(&get(cells)?, cells, path)?;
            }
            b"DataArray" => {
                let name = get("Name")?;
                match name.as_str() {
                    "TimeValue" => return Ok(Some("TimeValue")),
                    "step" => return Ok(Some("step")),
                    _ if self.arrays.len() == ARRAYS_MAX => {
                        return Err(FrameError::foreign(path, format!("more than {ARRAYS_MAX} arrays")));
                    }
                    _ => {}
                }
                let offset = number(&get("offset")?, "offset", path)?;
                let described = Described { type_name: get("type")?, components: get("NumberOfComponents")?, offset };
                self.arrays.insert(name, described);
            }
            _ => {}
        }
        Ok(None)
    }

    fn field(&mut self, name: &str, text: &str, path: &Path) -> Result<(), FrameError> {
        match name {
            "TimeValue" => self.stamp.time_s = number(text, name, path)?,
            _ => self.stamp.step = number(text, name, path)?,
        }
        Ok(())
    }

    fn array(&self, name: &str, path: &Path) -> Result<&Described, FrameError> {
        self.arrays.get(name).ok_or_else(|| FrameError::foreign(path, format!("array `{name}` is missing")))
    }

    /// The bytes of array `name`, which must hold `count` words of `B` bytes each.
    fn words<'a, const B: usize>(
        &self,
        block: &'a [u8],
        name: &str,
        count: usize,
        path: &Path,
    ) -> Result<&'a [[u8; B]], FrameError> {
        let torn = |what: &str| FrameError::torn(path, format!("array `{name}` {what}"));
        let rest = block.get(self.array(name, path)?.offset..).ok_or_else(|| torn("lies beyond the end"))?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| torn("has no length"))?;
        let bytes = count.checked_mul(B).ok_or_else(|| torn("is impossibly long"))?;
        if u64::from_le_bytes(*length) != bytes as u64 {
            return Err(torn(&format!("claims {} bytes, expected {bytes}", u64::from_le_bytes(*length))));
        }
        let data = rest.get(..bytes).ok_or_else(|| torn("is cut off"))?;
        Ok(data.as_chunks::<B>().0)
    }

    /// Builds the mesh from the raw block.
    fn fill<const N: usize>(&self, block: &[u8], path: &Path) -> Result<Mesh<N>, FrameError>
    where
        Mesh<N>: Format,
    {
        let three = |count: usize, what: &str| {
            count.checked_mul(3).ok_or_else(|| FrameError::torn(path, format!("{what} is {count}")))
        };
        let scalars = three(self.points, "NumberOfPoints")?;
        let f32s = |name| -> Result<Vec<f32>, FrameError> {
            let words = self.words::<4>(block, name, scalars, path)?;
            Ok(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
        };
        let u32s = |name, count| -> Result<Vec<u32>, FrameError> {
            let words = self.words::<4>(block, name, count, path)?;
            Ok(words.iter().map(|w| u32::from_le_bytes(*w)).collect())
        };
        let corners =
            self.cells.checked_mul(N).ok_or_else(|| FrameError::torn(path, format!("{} cells", self.cells)))?;
        let mesh = Mesh {
            points: f32s("points")?,
            velocity: f32s("velocity")?,
            cells: u32s("connectivity", corners)?.as_chunks::<N>().0.to_vec(),
            body: u32s("body", self.points)?,
            kind: self.words::<1>(block, "kind", self.points, path)?.as_flattened().to_vec(),
            colour: self.words::<3>(block, "colour", self.points, path)?.to_vec(),
            rank: u32s("rank", self.points)?,
            batch: u32s("batch", self.points)?,
        };
        self.check_cells(block, &mesh, path)?;
        Ok(mesh)
    }

    /// Checks the arrays that carry nothing new: where each cell ends, and of what type it is.
    fn check_cells<const N: usize>(&self, block: &[u8], mesh: &Mesh<N>, path: &Path) -> Result<(), FrameError>
    where
        Mesh<N>: Format,
    {
        for column in columns(mesh) {
            let whole = match column.data {
                Data::Ends { count, stride } => {
                    let found = self.words::<4>(block, column.name, count, path)?;
                    found.iter().zip(1..).all(|(w, i)| u32::from_le_bytes(*w) as usize == i * stride)
                }
                Data::Same { count, value } => {
                    let found = self.words::<1>(block, column.name, count, path)?;
                    found.iter().all(|w| w[0] == value)
                }
                _ => true,
            };
            if !whole {
                return Err(FrameError::foreign(path, format!("array `{}` has cells of another type", column.name)));
            }
        }
        Ok(())
    }
}
