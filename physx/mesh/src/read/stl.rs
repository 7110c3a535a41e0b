//! Stereolithography; ASCII by `stl_io`. Corners are written out per triangle, so equal ones are welded here.

use std::io::{self, Read, Seek, SeekFrom};

use super::lines::LineReader;
use super::{MeshFile, Source};
use crate::error::MeshError;
use crate::types::SurfaceMesh;

const HEADER: usize = 84;
const FACET: usize = 50;
const REMEDY: &str = "check that line, or export again as binary STL";

pub(super) fn parse(source: Source<'_>) -> Result<MeshFile, MeshError> {
    let bytes = source.bytes;
    let count = bytes.get(80..HEADER).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let exact = count.is_some_and(|n| HEADER + n * FACET == bytes.len());
    let corners = if exact || !bytes.trim_ascii_start().starts_with(b"solid") {
        // Some binary files begin with "solid" as well: the length decides.
        binary(source, count)?
    } else {
        ascii(source)?
    };
    if corners.is_empty() {
        return Err(source.error(None, "no triangles", "export the mesh with its faces"));
    }
    let triangles = (0..corners.len() as u32).map(|i| [3 * i, 3 * i + 1, 3 * i + 2]).collect();
    let mut mesh = SurfaceMesh { points: corners.into_iter().flatten().collect(), triangles };
    crate::mend::weld(&mut mesh);
    Ok(MeshFile::Surface(mesh))
}

fn binary(source: Source<'_>, count: Option<usize>) -> Result<Vec<[[f32; 3]; 3]>, MeshError> {
    let remedy = "the file is cut off or no STL: copy or export it again";
    let count = count.ok_or_else(|| source.error(None, "shorter than the 84 bytes of an STL header", remedy))?;
    if HEADER + count * FACET > source.bytes.len() {
        let what =
            format!("{count} triangles need {} bytes, but there are {}", HEADER + count * FACET, source.bytes.len());
        return Err(source.error(None, what, remedy));
    }
    let vertex = |b: &[u8]| [0, 4, 8].map(|i| f32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]));
    // Normal (12 bytes), three corners, attributes (2 bytes). Read here: the library takes any file for ASCII whose
    // free-text header begins with "solid ".
    let facets = source.bytes[HEADER..].chunks_exact(FACET).take(count);
    Ok(facets.map(|f| [vertex(&f[12..]), vertex(&f[24..]), vertex(&f[36..])]).collect())
}

fn ascii(source: Source<'_>) -> Result<Vec<[[f32; 3]; 3]>, MeshError> {
    let mut corners = Vec::new();
    let mut lines = LineReader::new(source.bytes);
    // A file may hold several solids; the library stops after the first.
    while !lines.rest().trim_ascii().is_empty() {
        let mut solids = Vec::new();
        let start = first_line(&mut lines);
        if !start.trim_ascii_start().starts_with(b"solid") {
            if start.trim_ascii().is_empty() {
                continue;
            }
            return Err(source.error(Some(lines.line()), "expected \"solid\"", REMEDY));
        }
        let mut solid = Solid { begun: false, lines: &mut lines };
        let read = stl_io::create_stl_reader(&mut solid).and_then(|facets| {
            for facet in facets {
                solids.push(facet?.vertices.map(|v| v.0));
            }
            Ok(())
        });
        read.map_err(|error| source.error(Some(lines.line()), error, REMEDY))?;
        corners.append(&mut solids);
    }
    Ok(corners)
}

/// The body of a solid behind a first line that the library accepts: it insists on a space after "solid", which nameless
/// solids lack. The library looks at the first line, seeks back to it, and then reads on.
struct Solid<'r, 'a> {
    begun: bool,
    lines: &'r mut LineReader<'a>,
}

impl Read for Solid<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.begun {
            return self.lines.read(buffer);
        }
        self.begun = true;
        (&b"solid \n"[..]).read(buffer)
    }
}

impl Seek for Solid<'_, '_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        self.begun = false;
        Ok(0)
    }
}

/// Takes one line.
fn first_line(lines: &mut LineReader<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = lines.read(&mut buffer) {
        out.extend_from_slice(&buffer[..n]);
        if buffer[n - 1] == b'\n' {
            break;
        }
    }
    out
}
