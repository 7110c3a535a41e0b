//! Line numbers for parsers that keep none.

use std::io::{self, Read};

/// Hands out its input one line a call, so that a buffered reader above it never reads ahead: when the parser stops, the number
/// of lines handed out is the line at which it stopped.
pub(super) struct LineReader<'a> {
    rest: &'a [u8],
    line: usize,
    fresh: bool,
}

impl<'a> LineReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, line: 0, fresh: true }
    }

    /// The line handed out last, counted from 1.
    pub fn line(&self) -> usize {
        self.line.max(1)
    }

    /// What has not been handed out.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let window = &self.rest[..self.rest.len().min(buffer.len())];
        let end = window.iter().position(|&b| b == b'\n').map_or(window.len(), |i| i + 1);
        if end == 0 {
            return Ok(0);
        }
        self.line += usize::from(self.fresh);
        self.fresh = window[end - 1] == b'\n';
        buffer[..end].copy_from_slice(&window[..end]);
        self.rest = &self.rest[end..];
        Ok(end)
    }
}
