//! One chunk of a packet: planes left out, stored or compressed. See [`super`] for the layout.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::planes::{self, PLANES};
use crate::error::Malformed;

/// Words of a chunk; the last of a packet may be shorter. Twice as many take 1 % fewer bytes where all moves, but a chunk that
/// rests in whole is rarer then, and what is half at rest takes longer by half.
pub(super) const CHUNK_WORDS: usize = 4096;

/// A plane is given to LZ4 where one byte of so many repeats the one before it. By chance one of 256 does.
const WORTHWHILE: usize = 8;

const ZERO: u32 = 0;
const STORED: u32 = 1;
const COMPRESSED: u32 = 2;

/// Memory of an encoder, at most a few chunks.
pub(super) struct Scratch {
    planes: Vec<u8>,
    compressed: Vec<u8>,
    table: CompressTable,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch {
            planes: vec![0; PLANES * CHUNK_WORDS],
            compressed: vec![0; get_maximum_output_size(CHUNK_WORDS)],
            table: CompressTable::small(),
        }
    }

    /// Appends the encoding of up to [`CHUNK_WORDS`] words against `base` of the same length.
    pub(super) fn encode(&mut self, words: &[u32], base: &[u32], out: &mut Vec<u32>) {
        let header = out.len();
        out.push(0);
        if words == base {
            return;
        }
        let n = words.len();
        let planes = &mut self.planes[..PLANES * n];
        let any = planes::split(words, base, planes);
        // Lengths precede the bytes, so that a reader knows all of them before it reads any.
        let mut kinds = 0;
        for (p, plane) in planes.chunks_exact(n).enumerate() {
            if any >> (8 * p) & 0xff != 0 {
                let try_it = planes::repeats(plane) * WORTHWHILE >= n;
                kinds |= if try_it { COMPRESSED } else { STORED } << (2 * p);
                out.extend(try_it.then_some(0));
            }
        }
        let mut length_at = header + 1;
        for (p, plane) in planes.chunks_exact(n).enumerate() {
            match kinds >> (2 * p) & 3 {
                STORED => append(plane, out),
                COMPRESSED => {
                    let length = compress_into_with_table(plane, &mut self.compressed, &mut self.table)
                        .ok()
                        .filter(|&length| length < n);
                    match length {
                        Some(length) => {
                            out[length_at] = length as u32;
                            length_at += 1;
                            append(&self.compressed[..length], out);
                        }
                        None => {
                            kinds ^= (COMPRESSED ^ STORED) << (2 * p);
                            out.remove(length_at);
                            append(plane, out);
                        }
                    }
                }
                _ => {}
            }
        }
        out[header] = kinds;
    }
}

/// Memory of a decoder: one chunk.
#[derive(Clone)]
pub(super) struct Planes(Vec<u8>);

impl Planes {
    pub(super) fn new() -> Planes {
        Planes(vec![0; PLANES * CHUNK_WORDS])
    }

    /// Decodes the chunk at the start of `encoded` into `words`, which hold the base, and returns what follows it.
    /// `chunk` is its number in the packet.
    pub(super) fn decode<'a>(
        &mut self,
        chunk: usize,
        encoded: &'a [u32],
        words: &mut [u32],
    ) -> Result<&'a [u32], Malformed> {
        let bad = |why| Malformed::Chunk { chunk: chunk as u32, why };
        let n = words.len();
        let (&kinds, rest) = encoded.split_first().ok_or(bad("is missing"))?;
        if kinds == 0 {
            return Ok(rest);
        }
        if kinds >> (2 * PLANES) != 0 || kinds & kinds >> 1 & 0x55 != 0 {
            return Err(bad("is of an unknown kind"));
        }
        let compressed = (kinds >> 1 & 0x55).count_ones() as usize;
        let (mut lengths, mut rest) = rest.split_at_checked(compressed).ok_or(bad("ends in its lengths"))?;
        for (p, plane) in self.0[..PLANES * n].chunks_exact_mut(n).enumerate() {
            let kind = kinds >> (2 * p) & 3;
            if kind == ZERO {
                plane.fill(0);
                continue;
            }
            let mut length = n;
            if kind == COMPRESSED
                && let Some((&first, after)) = lengths.split_first()
            {
                (length, lengths) = (first as usize, after);
            }
            let (bytes, after) = rest.split_at_checked(length.div_ceil(4)).ok_or(bad("ends in a plane"))?;
            rest = after;
            let bytes = &bytemuck::cast_slice(bytes)[..length];
            if kind == STORED {
                plane.copy_from_slice(bytes);
            } else if !decompress_into(bytes, plane).is_ok_and(|length| length == n) {
                return Err(bad("does not decompress to its length"));
            }
        }
        planes::join(words, &self.0[..PLANES * n]);
        Ok(rest)
    }
}

/// Appends bytes, padded with zeros to whole words.
fn append(bytes: &[u8], out: &mut Vec<u32>) {
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(4), 0);
    bytemuck::cast_slice_mut(&mut out[at..])[..bytes.len()].copy_from_slice(bytes);
}
