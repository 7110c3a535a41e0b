//! Numbers of a Gmsh file, whether written in ASCII or binary.

use super::Source;
use crate::error::MeshError;

pub(super) const REMEDY: &str = "save it again from Gmsh (Mesh.MshFileVersion 2.2 or 4.1)";

/// How numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Ascii,
    Binary { big_endian: bool },
}

/// A place in the file.
pub(super) struct Cursor<'a> {
    pub source: Source<'a>,
    pub encoding: Encoding,
    at: usize,
    line: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Self { source, encoding: Encoding::Ascii, at: 0, line: 1 }
    }

    pub fn error(&self, what: impl std::fmt::Display) -> MeshError {
        let line = (self.encoding == Encoding::Ascii).then_some(self.line);
        match line {
            Some(_) => self.source.error(line, what, REMEDY),
            None => self.source.error(None, format!("byte {}: {what}", self.at), REMEDY),
        }
    }

    /// Whether only white space is left.
    pub fn at_end(&self) -> bool {
        self.rest().trim_ascii().is_empty()
    }

    fn rest(&self) -> &'a [u8] {
        &self.source.bytes[self.at..]
    }

    fn advance(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, _) = self.rest().split_at(bytes.min(self.rest().len()));
        self.at += taken.len();
        self.line += taken.iter().filter(|&&b| b == b'\n').count();
        taken
    }

    /// The next word of text, also in binary files, whose section names are text.
    pub fn word(&mut self) -> Result<&'a str, MeshError> {
        let blank = self.rest().iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.advance(blank);
        let length = self.rest().iter().take_while(|b| !b.is_ascii_whitespace()).count();
        if length == 0 {
            return Err(self.error("the file ends too early"));
        }
        std::str::from_utf8(self.advance(length)).map_err(|_| self.error("text that is not UTF-8"))
    }

    /// Skips the rest of the line, behind which binary data begin.
    pub fn end_line(&mut self) {
        let length = self.rest().iter().take_while(|&&b| b != b'\n').count();
        self.advance(length + 1);
    }

    /// Expects a section mark.
    pub fn expect(&mut self, mark: &str) -> Result<(), MeshError> {
        let word = self.word()?;
        if word == mark { Ok(()) } else { Err(self.error(format!("expected {mark}, found {word:?}"))) }
    }

    /// Skips to behind `$End<section>`.
    pub fn skip_section(&mut self, section: &str) -> Result<(), MeshError> {
        let end = format!("$End{section}");
        match self.rest().windows(end.len()).position(|window| window == end.as_bytes()) {
            Some(distance) => {
                self.advance(distance + end.len());
                Ok(())
            }
            None => Err(self.error(format!("${section} has no {end}"))),
        }
    }

    fn number<T: std::str::FromStr, const N: usize>(&mut self, from: impl Fn([u8; N]) -> T) -> Result<T, MeshError> {
        match self.encoding {
            Encoding::Ascii => {
                let word = self.word()?;
                word.parse().map_err(|_| self.error(format!("{word:?} is not the number expected here")))
            }
            Encoding::Binary { big_endian } => {
                let mut bytes: [u8; N] =
                    self.advance(N).try_into().map_err(|_| self.error("the file ends too early"))?;
                if big_endian {
                    bytes.reverse();
                }
                Ok(from(bytes))
            }
        }
    }

    pub fn int(&mut self) -> Result<i32, MeshError> {
        self.number(i32::from_le_bytes)
    }

    pub fn size(&mut self) -> Result<u64, MeshError> {
        self.number(u64::from_le_bytes)
    }

    pub fn real(&mut self) -> Result<f64, MeshError> {
        self.number(f64::from_le_bytes)
    }

    /// A count of items that each take at least one byte: more than are left cannot be.
    pub fn count(&self, count: u64, of: &str) -> Result<usize, MeshError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.rest().len() => Ok(count),
            _ => Err(self.error(format!("{count} {of} cannot fit into the {} bytes left", self.rest().len()))),
        }
    }
}
