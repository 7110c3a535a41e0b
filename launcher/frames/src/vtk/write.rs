//! The writing half: a header computed from lengths alone, then the arrays streamed through one buffer.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Column, Data, Format, Section, Stamp, columns};
use crate::{FrameError, Mesh};

/// Size of the stream buffer, bytes.
const BUFFER_BYTES: usize = 1 << 18;

/// Numbers converted at a time.
const CHUNK: usize = 4096;

impl<const N: usize> Mesh<N>
where
    Mesh<N>: Format,
{
    /// Writes the mesh to `path`, which is replaced as a whole or not at all; returns its size in bytes.
    /// Positions that are not finite are written as they are, for they are what one wants to see then.
    ///
    /// # Errors
    /// [`FrameError::Mesh`] where the mesh contradicts itself, [`FrameError::Io`] where the disk refuses.
    pub fn write(&self, path: &Path, stamp: Stamp) -> Result<u64, FrameError> {
        self.check()?;
        save(path, |out| self.write_to(out, stamp))
    }

    /// Writes a mesh that was checked.
    fn write_to(&self, out: &mut impl Write, stamp: Stamp) -> io::Result<()> {
        let columns = columns(self);
        self.write_header(out, &columns, stamp)?;
        out.write_all(b"  <AppendedData encoding=\"raw\">\n_")?;
        for column in &columns {
            out.write_all(&column.data.bytes().to_le_bytes())?;
            write_data(out, column.data)?;
        }
        out.write_all(super::read::TRAILER)
    }

    fn write_header(&self, out: &mut impl Write, columns: &[Column<'_>], stamp: Stamp) -> io::Result<()> {
        let shape = Self::SHAPE;
        let name = shape.data_set;
        writeln!(
            out,
            "<?xml version=\"1.0\"?>\n<VTKFile type=\"{name}\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n  \
             <{name}>\n    <FieldData>\n      \
             <DataArray type=\"Float64\" Name=\"TimeValue\" NumberOfTuples=\"1\" format=\"ascii\">{}</DataArray>\n      \
             <DataArray type=\"UInt64\" Name=\"step\" NumberOfTuples=\"1\" format=\"ascii\">{}</DataArray>\n    </FieldData>\n    \
             <Piece NumberOfPoints=\"{}\" {}=\"{}\"{}>",
            stamp.time_s,
            stamp.step,
            self.point_count(),
            shape.cell_count,
            self.cells.len(),
            shape.no_others,
        )?;
        let mut offset = 0;
        let sections = [
            (Section::PointData, "PointData", " Scalars=\"colour\" Vectors=\"velocity\""),
            (Section::Points, "Points", ""),
            (Section::Cells, shape.cells, ""),
        ];
        for (section, element, attributes) in sections {
            writeln!(out, "      <{element}{attributes}>")?;
            for column in columns.iter().filter(|c| c.section == section) {
                writeln!(
                    out,
                    "        <DataArray type=\"{}\" Name=\"{}\" NumberOfComponents=\"{}\" format=\"appended\" offset=\"{offset}\"/>",
                    column.data.type_name(),
                    column.name,
                    column.components,
                )?;
                offset += 8 + column.data.bytes();
            }
            writeln!(out, "      </{element}>")?;
        }
        writeln!(out, "    </Piece>\n  </{name}>")
    }
}

fn write_data(out: &mut impl Write, data: Data<'_>) -> io::Result<()> {
    match data {
        Data::F32(values) => write_words(out, values.iter().map(|v| v.to_le_bytes())),
        Data::U32(values) | Data::Index(values) => write_words(out, values.iter().map(|v| v.to_le_bytes())),
        Data::U8(values) => out.write_all(values),
        // Below 2³¹ by `Mesh::check`.
        Data::Ends { count, stride } => write_words(out, (1..=count).map(|i| ((i * stride) as u32).to_le_bytes())),
        Data::Same { count, value } => write_words(out, std::iter::repeat_n([value], count)),
    }
}

/// Writes words of `B` bytes in chunks that the compiler can vectorise.
fn write_words<const B: usize>(out: &mut impl Write, mut words: impl Iterator<Item = [u8; B]>) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.clear();
        chunk.extend(words.by_ref().take(CHUNK));
        if chunk.is_empty() {
            return Ok(());
        }
        out.write_all(chunk.as_flattened())?;
    }
}

/// Writes a file beside `path` and renames it there once it is whole; returns its size in bytes. Nothing is
/// left behind on failure. The disk's cache is not flushed: a frame is no checkpoint.
pub(crate) fn save(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<u64, FrameError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // The default of `tempfile` is private to the owner; the umask decides here, as for any other file.
    let mut file = tempfile::Builder::new()
        .prefix(".frame-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(FrameError::io("create a temporary file beside it", path))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file.as_file_mut());
    fill(&mut out).and_then(|()| out.flush()).map_err(FrameError::io("write the file", path))?;
    drop(out);
    let size = file.as_file().metadata().map_err(FrameError::io("read the size of the file", path))?.len();
    file.persist(path).map_err(|e| FrameError::io("rename the finished file", path)(e.error))?;
    Ok(size)
}
