//! Gmsh MSH 2.2 and 4.1, ASCII and binary.
//!
//! A reader of our own: the crates for it read 4.1 only, keep no line numbers, and allocate whatever a file's counts say.
//! Format: Gmsh reference manual, "MSH file format".

use super::msh_cursor::{Cursor, Encoding};
use super::{MeshFile, Source, fan};
use crate::error::MeshError;
use crate::types::{SurfaceMesh, TetMesh};

const TRIANGLE: i32 = 2;
const QUAD: i32 = 3;
const TET: i32 = 4;
const LINEAR: &str = "mesh with tetrahedra of first order (Gmsh: Mesh.ElementOrder 1, no recombination)";

pub(super) fn parse(source: Source<'_>) -> Result<MeshFile, MeshError> {
    let mut cursor = Cursor::new(source);
    let old = header(&mut cursor)?;
    let mut mesh = Collected::default();
    while !cursor.at_end() {
        let word = cursor.word()?;
        let Some(section) = word.strip_prefix('$') else {
            return Err(cursor.error(format!("expected a section, found {word:?}")));
        };
        match (section, old) {
            ("Nodes", true) => mesh.nodes_2(&mut cursor)?,
            ("Nodes", false) => mesh.nodes_4(&mut cursor)?,
            ("Elements", true) => mesh.elements_2(&mut cursor)?,
            ("Elements", false) => mesh.elements_4(&mut cursor)?,
            (other, _) => {
                cursor.skip_section(other)?;
                continue;
            }
        }
        cursor.expect(&format!("$End{section}"))?;
    }
    mesh.finish(source)
}

/// Reads `$MeshFormat`; true for version 2.2.
fn header(cursor: &mut Cursor<'_>) -> Result<bool, MeshError> {
    cursor.expect("$MeshFormat")?;
    let (version, kind, width) = (cursor.word()?, cursor.int()?, cursor.int()?);
    let old = match version {
        "2.2" | "2.1" | "2" => true,
        "4.1" => false,
        other => return Err(cursor.source.unsupported(format!("MSH version {other}"), super::msh_cursor::REMEDY)),
    };
    if width != 8 {
        return Err(cursor.source.unsupported(format!("a data size of {width} bytes"), super::msh_cursor::REMEDY));
    }
    match kind {
        0 => {}
        1 => {
            cursor.end_line();
            cursor.encoding = Encoding::Binary { big_endian: false };
            match cursor.int()? {
                1 => {}
                0x0100_0000 => cursor.encoding = Encoding::Binary { big_endian: true },
                other => return Err(cursor.error(format!("the byte-order mark is {other}, not 1"))),
            }
        }
        other => return Err(cursor.error(format!("file type {other} is neither 0 (ASCII) nor 1 (binary)"))),
    }
    cursor.expect("$EndMeshFormat")?;
    Ok(old)
}

/// What the sections held; nodes are named by tags until [`Collected::finish`].
#[derive(Default)]
struct Collected {
    points: Vec<[f32; 3]>,
    tags: Vec<(u64, u32)>,
    triangles: Vec<[u64; 3]>,
    quads: Vec<[u64; 4]>,
    tets: Vec<[u64; 4]>,
}

impl Collected {
    fn node(&mut self, cursor: &mut Cursor<'_>, tag: u64) -> Result<(), MeshError> {
        let at = [cursor.real()? as f32, cursor.real()? as f32, cursor.real()? as f32];
        self.tags.push((tag, self.points.len() as u32));
        self.points.push(at);
        Ok(())
    }

    fn nodes_2(&mut self, cursor: &mut Cursor<'_>) -> Result<(), MeshError> {
        let count = text_count(cursor, "nodes")?;
        for _ in 0..count {
            let tag = positive(cursor)?;
            self.node(cursor, tag)?;
        }
        Ok(())
    }

    fn nodes_4(&mut self, cursor: &mut Cursor<'_>) -> Result<(), MeshError> {
        let blocks = block_count(cursor)?;
        for _ in 0..blocks {
            let (dimension, _, parametric) = (cursor.int()?, cursor.int()?, cursor.int()?);
            let count = cursor.size()?;
            let count = cursor.count(count, "nodes")?;
            let mut tags = Vec::new();
            for _ in 0..count {
                tags.push(cursor.size()?);
            }
            for tag in tags {
                self.node(cursor, tag)?;
                let parameters = if parametric == 0 { 0 } else { dimension.clamp(0, 3) };
                for _ in 0..parameters {
                    cursor.real()?;
                }
            }
        }
        Ok(())
    }

    fn elements_2(&mut self, cursor: &mut Cursor<'_>) -> Result<(), MeshError> {
        let count = text_count(cursor, "elements")?;
        let mut done = 0;
        while done < count {
            // ASCII: each element has its own type. Binary: a header announces some of one type.
            let (kind, group, tags) = match cursor.encoding {
                Encoding::Ascii => {
                    positive(cursor)?;
                    (cursor.int()?, 1, cursor.int()?)
                }
                Encoding::Binary { .. } => (cursor.int()?, cursor.int()?, cursor.int()?),
            };
            let (group, tags) = match (usize::try_from(group), usize::try_from(tags)) {
                (Ok(group @ 1..), Ok(tags)) if group <= count - done => (group, tags),
                _ => return Err(cursor.error(format!("{group} elements with {tags} tags make no sense here"))),
            };
            for _ in 0..group {
                if cursor.encoding != Encoding::Ascii {
                    cursor.int()?;
                }
                for _ in 0..tags {
                    cursor.int()?;
                }
                self.element(cursor, kind, positive)?;
            }
            done += group;
        }
        Ok(())
    }

    fn elements_4(&mut self, cursor: &mut Cursor<'_>) -> Result<(), MeshError> {
        let blocks = block_count(cursor)?;
        for _ in 0..blocks {
            let (_, _, kind) = (cursor.int()?, cursor.int()?, cursor.int()?);
            let count = cursor.size()?;
            for _ in 0..cursor.count(count, "elements")? {
                cursor.size()?;
                self.element(cursor, kind, |cursor| cursor.size())?;
            }
        }
        Ok(())
    }

    fn element(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: i32,
        tag: impl Fn(&mut Cursor<'_>) -> Result<u64, MeshError>,
    ) -> Result<(), MeshError> {
        match kind {
            TRIANGLE => self.triangles.push([tag(cursor)?, tag(cursor)?, tag(cursor)?]),
            QUAD => self.quads.push([tag(cursor)?, tag(cursor)?, tag(cursor)?, tag(cursor)?]),
            TET => self.tets.push([tag(cursor)?, tag(cursor)?, tag(cursor)?, tag(cursor)?]),
            // Points, and lines of first and second order, bound the mesh and carry nothing.
            1 | 8 | 15 => {
                for _ in 0..[2, 3, 1][usize::from(kind > 1) + usize::from(kind > 8)] {
                    tag(cursor)?;
                }
            }
            5 => return Err(cursor.source.unsupported("a hexahedron", LINEAR)),
            6 => return Err(cursor.source.unsupported("a prism", LINEAR)),
            7 => return Err(cursor.source.unsupported("a pyramid", LINEAR)),
            9..=14 | 16..=93 => {
                return Err(cursor.source.unsupported(format!("an element of higher order (type {kind})"), LINEAR));
            }
            _ => return Err(cursor.error(format!("element type {kind} does not exist"))),
        }
        Ok(())
    }

    /// Replaces tags by indices.
    fn finish(mut self, source: Source<'_>) -> Result<MeshFile, MeshError> {
        let remedy = super::msh_cursor::REMEDY;
        self.tags.sort_unstable();
        if let Some(twice) = self.tags.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(source.error(None, format!("node {} is defined twice", twice[0].0), remedy));
        }
        let tags = &self.tags;
        let index = |tag: u64| match tags.binary_search_by_key(&tag, |node| node.0) {
            Ok(at) => Ok(tags[at].1),
            Err(_) => Err(source.error(None, format!("an element refers to node {tag}, which is not defined"), remedy)),
        };
        if !self.tets.is_empty() {
            let tets: Result<_, _> = self.tets.iter().map(|t| resolve(*t, index)).collect();
            return Ok(MeshFile::Tet(TetMesh { points: self.points, tets: tets? }));
        }
        let triangles: Result<Vec<_>, _> = self.triangles.iter().map(|t| resolve(*t, index)).collect();
        let mut triangles = triangles?;
        for quad in &self.quads {
            fan(&resolve(*quad, index)?, &mut triangles);
        }
        if triangles.is_empty() {
            return Err(source.error(None, "neither tetrahedra nor triangles", "mesh the volume in Gmsh (Mesh > 3D)"));
        }
        Ok(MeshFile::Surface(SurfaceMesh { points: self.points, triangles }))
    }
}

fn resolve<const N: usize>(
    tags: [u64; N],
    index: impl Fn(u64) -> Result<u32, MeshError>,
) -> Result<[u32; N], MeshError> {
    let mut out = [0; N];
    for (to, tag) in out.iter_mut().zip(tags) {
        *to = index(tag)?;
    }
    Ok(out)
}

/// A tag of version 2.2.
fn positive(cursor: &mut Cursor<'_>) -> Result<u64, MeshError> {
    let tag = cursor.int()?;
    u64::try_from(tag).map_err(|_| cursor.error(format!("tag {tag} is negative")))
}

/// A count on a line of its own, which is text in binary files too.
fn text_count(cursor: &mut Cursor<'_>, of: &str) -> Result<usize, MeshError> {
    let word = cursor.word()?;
    let count = word.parse().map_err(|_| cursor.error(format!("{word:?} is no count of {of}")))?;
    let count = cursor.count(count, of)?;
    cursor.end_line();
    Ok(count)
}

/// The head of a section of version 4.1: blocks, entries, smallest and largest tag.
fn block_count(cursor: &mut Cursor<'_>) -> Result<usize, MeshError> {
    if cursor.encoding != Encoding::Ascii {
        cursor.end_line();
    }
    let blocks = cursor.size()?;
    for _ in 0..3 {
        cursor.size()?;
    }
    cursor.count(blocks, "blocks")
}
