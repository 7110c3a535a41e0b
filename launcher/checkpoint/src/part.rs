//! A part: the bodies that one rank owned, in one file. Little-endian throughout.
//!
//! ```text
//! head     40 bytes   magic `rzckpt\r\n`, version u32, writer u32, step u64, bodies u32, zero u32, words in all u64
//! table    56 a body  id u32, zero u32, words u64, offset in the file u64, BLAKE3 of the words
//! words    4 each     the bodies' words, one body after the other, in the order of the table
//! end      32 bytes   BLAKE3 of head and table
//! ```
//! The table holds a hash of each body, so that the hash of head and table covers the whole file, and the words are hashed once.
//! A body's hash is also its leaf of the run's digest. Ids ascend; bodies lie close to each other; nothing else is in the file.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::{Disk, DiskFile};
use crate::error::CheckpointError;
use crate::names;
use crate::state::{body_hash, in_bytes};

const MAGIC: [u8; 8] = *b"rzckpt\r\n";
/// Version of the format of parts.
pub const VERSION: u32 = 1;
const HEAD: usize = 40;
const ROW: usize = 56;
const END: u64 = 32;
/// Bytes that are gathered before they are written; larger bodies are written from where they lie.
const BUFFER: usize = 1 << 20;

/// What the manifest says of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartInfo {
    /// Name of the file, within the folder of the checkpoint.
    pub file: String,
    /// The rank that wrote it.
    pub writer: u32,
    /// Length of the file.
    pub bytes: u64,
    /// BLAKE3 of head and table, and by them of the whole file; hexadecimal.
    pub blake3: String,
    /// Bodies in it.
    pub bodies: u32,
    /// Their words.
    pub words: u64,
}

/// Where a body lies in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: u32,
    pub words: u64,
    pub offset: u64,
    pub hash: [u8; 32],
}

/// Head and table of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub step: u64,
    pub writer: u32,
    pub rows: Vec<Row>,
    pub hash: blake3::Hash,
    /// Length of the whole file.
    pub bytes: u64,
}

/// A part about to be written: its head and table, and the bodies in the order in which they go into the file.
pub struct Draft<'a> {
    front: Vec<u8>,
    bodies: Vec<(u32, &'a [u32])>,
    hash: blake3::Hash,
    pub info: PartInfo,
}

impl<'a> Draft<'a> {
    /// # Errors
    /// [`CheckpointError::Refused`] where a body is there twice or there is more than a file can hold.
    pub fn new(step: u64, writer: u32, bodies: &[(u32, &'a [u32])]) -> Result<Self, CheckpointError> {
        let mut bodies = bodies.to_vec();
        bodies.sort_by_key(|(id, _)| *id);
        if let Some(pair) = bodies.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(CheckpointError::refused(step, format!("rank {writer} gives body {} twice", pair[0].0)));
        }
        let count = u32::try_from(bodies.len())
            .map_err(|_| CheckpointError::refused(step, format!("rank {writer} gives {} bodies", bodies.len())))?;
        let words: u64 = bodies.iter().map(|(_, words)| words.len() as u64).sum();
        let mut front = Vec::with_capacity(HEAD + ROW * bodies.len());
        front.extend(MAGIC);
        front.extend(VERSION.to_le_bytes());
        front.extend(writer.to_le_bytes());
        front.extend(step.to_le_bytes());
        front.extend(u64::from(count).to_le_bytes());
        front.extend(words.to_le_bytes());
        let mut offset = (HEAD + ROW * bodies.len()) as u64;
        for (id, state) in &bodies {
            front.extend(u64::from(*id).to_le_bytes());
            front.extend((state.len() as u64).to_le_bytes());
            front.extend(offset.to_le_bytes());
            front.extend(body_hash(state).as_bytes());
            offset += 4 * state.len() as u64;
        }
        let hash = blake3::hash(&front);
        let file = names::part(writer, &hash);
        let blake3 = hash.to_hex().to_string();
        let info = PartInfo { file, writer, bytes: offset + END, blake3, bodies: count, words };
        Ok(Self { front, bodies, hash, info })
    }

    /// Writes everything to an empty file.
    pub fn write(&self, file: &mut dyn DiskFile) -> io::Result<()> {
        let mut out = Gathered { file, buffer: Vec::with_capacity(BUFFER) };
        out.put(&self.front)?;
        for (_, words) in &self.bodies {
            let mut result = Ok(());
            in_bytes(words, |bytes| {
                if result.is_ok() {
                    result = out.put(bytes);
                }
            });
            result?;
        }
        out.put(self.hash.as_bytes())?;
        out.flush()
    }
}

/// Small pieces on their way into a file.
struct Gathered<'a> {
    file: &'a mut dyn DiskFile,
    buffer: Vec<u8>,
}

impl Gathered<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() > BUFFER {
            return self.file.write_all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Opens a part and reads its head, its table and its end; the words stay where they are.
///
/// # Errors
/// [`CheckpointError::Damaged`], [`CheckpointError::Version`] or [`CheckpointError::Io`].
pub fn open(disk: &dyn Disk, path: &Path) -> Result<(Box<dyn DiskFile>, Table), CheckpointError> {
    let io = || CheckpointError::io("read the part", path);
    let file = disk.open(path).map_err(io())?;
    let bytes = file.size().map_err(io())?;
    let least = HEAD as u64 + END;
    if bytes < least {
        return Err(CheckpointError::damaged(path, format!("{bytes} bytes long, and no part is shorter than {least}")));
    }
    let mut front = vec![0; HEAD];
    file.read_at(&mut front, 0).map_err(io())?;
    let bodies = head(&front, path)?;
    // Before memory is taken for it: is there room for such a table in the file?
    let room = (bytes - least) / ROW as u64;
    let rows = usize::try_from(bodies.min(room)).unwrap_or(usize::MAX);
    if bodies > room {
        let what = format!("a table of {bodies} bodies does not fit into {bytes} bytes");
        return Err(CheckpointError::damaged(path, what));
    }
    front.resize(HEAD + ROW * rows, 0);
    file.read_at(&mut front[HEAD..], HEAD as u64).map_err(io())?;
    let mut end = [0; END as usize];
    file.read_at(&mut end, bytes - END).map_err(io())?;
    let table = table(&front, end, bytes).map_err(|what| CheckpointError::damaged(path, what))?;
    Ok((file, table))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// Checks what a part begins with; returns the number of bodies that it speaks of.
fn head(head: &[u8], path: &Path) -> Result<u64, CheckpointError> {
    if head[..8] != MAGIC {
        return Err(CheckpointError::damaged(path, "it does not begin as a part of a checkpoint does"));
    }
    match u32_at(head, 8) {
        VERSION => Ok(u64_at(head, 24)),
        found => Err(CheckpointError::Version { path: path.to_owned(), found: found.into(), known: VERSION }),
    }
}

/// Reads head and table of a file that ends with `end` and is `bytes` long.
fn table(front: &[u8], end: [u8; 32], bytes: u64) -> Result<Table, String> {
    let hash = blake3::hash(front);
    if hash != end {
        return Err(
            "head and table do not have the hash at the end of the file: altered, cut off or written in part".into()
        );
    }
    // From here on only a forged file can be wrong.
    let mut offset = front.len() as u64;
    let mut sum = 0u64;
    let mut rows: Vec<Row> = Vec::with_capacity((front.len() - HEAD) / ROW);
    for row in front[HEAD..].chunks_exact(ROW) {
        let id = u32::try_from(u64_at(row, 0)).map_err(|_| "a body's id has more than 32 bits")?;
        let words = u64_at(row, 8);
        if rows.last().is_some_and(|last| last.id >= id) {
            return Err(format!("body {id} is not in its place in the table"));
        }
        if u64_at(row, 16) != offset {
            return Err(format!("body {id} does not lie where the one before it ends"));
        }
        let after = words.checked_mul(4).and_then(|length| offset.checked_add(length));
        let after = after.filter(|after| *after <= bytes - END);
        let next = after.ok_or_else(|| format!("body {id} of {words} words reaches beyond the end of the file"))?;
        let hash = std::array::from_fn(|i| row[24 + i]);
        rows.push(Row { id, words, offset, hash });
        sum += words;
        offset = next;
    }
    if u64_at(front, 32) != sum || offset != bytes - END {
        return Err("the table's bodies do not fill the file".into());
    }
    Ok(Table { step: u64_at(front, 16), writer: u32_at(front, 12), rows, hash, bytes })
}

impl Table {
    /// What the manifest must say of this part.
    pub fn info(&self) -> PartInfo {
        PartInfo {
            file: names::part(self.writer, &self.hash),
            writer: self.writer,
            bytes: self.bytes,
            blake3: self.hash.to_hex().to_string(),
            bodies: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
            words: self.rows.iter().map(|row| row.words).sum(),
        }
    }
}
