//! The binary form of a [`CookedMesh`], for the cache and the wire.
//!
//! Little-endian throughout: magic (8 bytes) · version u32 · flags u32 (bit 0: has a skin) · five counts u64 (points, tets,
//! skin triangles, skin points, notes) · points · tets · skin triangles · skin tets · skin weights · notes (u32 length,
//! UTF-8) · BLAKE3 of all before it (32 bytes).
//! **Invariant:** decoding checks the checksum and the exact length before it allocates anything, so that a torn or
//! hostile file costs no memory; afterwards every index is checked against what it points into.

use crate::error::MeshError;
use crate::types::{CookedMesh, Skin, TetMesh};

/// Version of the binary form; a decoder refuses every other.
pub const CODEC_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"RZCOOKED";
const HEADER: usize = 8 + 4 + 4 + 5 * 8;
const CHECKSUM: usize = blake3::OUT_LEN;
const HAS_SKIN: u32 = 1;

impl CookedMesh {
    /// Serializes the mesh; the same mesh always gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let none = Skin::default();
        let skin = self.skin.as_ref().unwrap_or(&none);
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&CODEC_VERSION.to_le_bytes());
        out.extend_from_slice(&if self.skin.is_some() { HAS_SKIN } else { 0 }.to_le_bytes());
        let counts = [
            self.tets.points.len(),
            self.tets.tets.len(),
            skin.triangles.len(),
            skin.embedding.len(),
            self.notes.len(),
        ];
        counts.iter().for_each(|&n| out.extend_from_slice(&(n as u64).to_le_bytes()));
        let mut words = |word: [u8; 4]| out.extend_from_slice(&word);
        self.tets.points.iter().flatten().for_each(|x| words(x.to_le_bytes()));
        self.tets.tets.iter().flatten().for_each(|i| words(i.to_le_bytes()));
        skin.triangles.iter().flatten().for_each(|i| words(i.to_le_bytes()));
        skin.embedding.iter().for_each(|(tet, _)| words(tet.to_le_bytes()));
        skin.embedding.iter().flat_map(|(_, weights)| weights).for_each(|x| words(x.to_le_bytes()));
        for note in &self.notes {
            out.extend_from_slice(&(note.len() as u32).to_le_bytes());
            out.extend_from_slice(note.as_bytes());
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Reads what [`CookedMesh::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`MeshError::Corrupt`] for anything else: another version, a torn or altered file, an index out of range, a
    /// coordinate that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MeshError> {
        let corrupt = |what: &str| MeshError::Corrupt { what: what.to_owned() };
        if bytes.len() < HEADER + CHECKSUM || bytes[..8] != MAGIC {
            return Err(corrupt("no cooked-mesh header"));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        let mut input = Input { rest: &body[8..] };
        let version = input.word()?;
        if version != CODEC_VERSION {
            return Err(corrupt(&format!("version {version}, but this program reads version {CODEC_VERSION}")));
        }
        if blake3::hash(body).as_bytes() != checksum {
            return Err(corrupt("its checksum does not match"));
        }
        let flags = input.word()?;
        let [points, tets, triangles, embedded, notes] =
            [input.count()?, input.count()?, input.count()?, input.count()?, input.count()?];
        let tets = TetMesh { points: input.floats(points)?, tets: input.indices(tets)? };
        let skin = Skin { triangles: input.indices(triangles)?, embedding: input.embedding(embedded)? };
        let mesh = Self { tets, skin: (flags == HAS_SKIN).then_some(skin), notes: input.notes(notes)? };
        if !input.rest.is_empty() || flags > HAS_SKIN || (flags == 0 && triangles + embedded > 0) {
            return Err(corrupt("its counts do not match its length"));
        }
        check(&mesh)?;
        Ok(mesh)
    }
}

/// Checks every index and number, so that users of a decoded mesh may index without looking.
fn check(mesh: &CookedMesh) -> Result<(), MeshError> {
    let corrupt = |what: &str| Err(MeshError::Corrupt { what: what.to_owned() });
    let points = mesh.tets.points.len();
    if !mesh.tets.points.iter().flatten().all(|x| x.is_finite()) {
        return corrupt("a coordinate is not finite");
    }
    if !mesh.tets.tets.iter().flatten().all(|&i| (i as usize) < points) {
        return corrupt("a tetrahedron refers to a missing node");
    }
    let Some(skin) = &mesh.skin else { return Ok(()) };
    if !skin.triangles.iter().flatten().all(|&i| (i as usize) < skin.embedding.len()) {
        return corrupt("a skin triangle refers to a missing point");
    }
    let sound = |(tet, weights): &(u32, [f32; 4])| {
        (*tet as usize) < mesh.tets.tets.len() && weights.iter().all(|w| w.is_finite())
    };
    if !skin.embedding.iter().all(sound) {
        return corrupt("a skin point is embedded in nothing");
    }
    Ok(())
}

/// What is left to decode.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Takes `count` items of `size` bytes; fails before anything is allocated.
    fn take(&mut self, count: usize, size: usize) -> Result<&'a [u8], MeshError> {
        let (taken, rest) = count
            .checked_mul(size)
            .and_then(|bytes| self.rest.split_at_checked(bytes))
            .ok_or_else(|| MeshError::Corrupt { what: "it ends too early".to_owned() })?;
        self.rest = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, MeshError> {
        Ok(words(self.take(1, 4)?).next().unwrap_or_default())
    }

    fn count(&mut self) -> Result<usize, MeshError> {
        let bytes: [u8; 8] = self.take(1, 8)?.try_into().unwrap_or([u8::MAX; 8]);
        usize::try_from(u64::from_le_bytes(bytes))
            .map_err(|_| MeshError::Corrupt { what: "a count overflows".to_owned() })
    }

    fn floats<const N: usize>(&mut self, count: usize) -> Result<Vec<[f32; N]>, MeshError> {
        Ok(self.indices::<N>(count)?.into_iter().map(|row| row.map(f32::from_bits)).collect())
    }

    fn indices<const N: usize>(&mut self, count: usize) -> Result<Vec<[u32; N]>, MeshError> {
        let rows = self.take(count, 4 * N)?.chunks_exact(4 * N);
        Ok(rows
            .map(|row| {
                let mut out = [0; N];
                out.iter_mut().zip(words(row)).for_each(|(to, from)| *to = from);
                out
            })
            .collect())
    }

    fn embedding(&mut self, count: usize) -> Result<Vec<(u32, [f32; 4])>, MeshError> {
        let tets = self.indices::<1>(count)?;
        let weights = self.floats::<4>(count)?;
        Ok(tets.into_iter().map(|[tet]| tet).zip(weights).collect())
    }

    fn notes(&mut self, count: usize) -> Result<Vec<String>, MeshError> {
        let mut notes = Vec::new();
        for _ in 0..count {
            let length = self.word()? as usize;
            let text = std::str::from_utf8(self.take(length, 1)?)
                .map_err(|_| MeshError::Corrupt { what: "a note is not UTF-8".to_owned() })?;
            notes.push(text.to_owned());
        }
        Ok(notes)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh() -> CookedMesh {
        CookedMesh {
            tets: TetMesh {
                points: vec![[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.]],
                tets: vec![[0, 1, 2, 3]],
            },
            skin: Some(Skin { triangles: vec![[0, 1, 2]], embedding: vec![(0, [0.25; 4]); 3] }),
            notes: vec!["välded 3 points".to_owned(), String::new()],
        }
    }

    fn sealed(mut body: Vec<u8>) -> Vec<u8> {
        body.truncate(body.len() - CHECKSUM);
        let checksum = blake3::hash(&body);
        body.extend_from_slice(checksum.as_bytes());
        body
    }

    #[test]
    fn bytes_survive_a_round_trip() {
        for mesh in [mesh(), CookedMesh { skin: None, ..mesh() }, CookedMesh::default()] {
            assert_eq!(CookedMesh::from_bytes(&mesh.to_bytes()).unwrap(), mesh);
            assert_eq!(mesh.to_bytes(), mesh.to_bytes());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let bytes = mesh().to_bytes();
        for i in 0..bytes.len() {
            assert!(CookedMesh::from_bytes(&bytes[..i]).is_err(), "cut at {i}");
            let mut bad = bytes.clone();
            bad[i] ^= 1 << (i % 8);
            assert!(CookedMesh::from_bytes(&bad).is_err(), "flipped byte {i}");
        }
    }

    #[test]
    fn huge_counts_under_a_valid_checksum_are_refused_without_allocating() {
        for field in 0..5 {
            let mut bytes = mesh().to_bytes();
            bytes[16 + 8 * field..24 + 8 * field].copy_from_slice(&u64::MAX.to_le_bytes());
            assert!(CookedMesh::from_bytes(&sealed(bytes)).is_err(), "count {field}");
        }
    }

    #[test]
    fn indices_out_of_range_under_a_valid_checksum_are_refused() {
        let mut bad = mesh();
        bad.tets.tets[0][2] = 9;
        assert!(CookedMesh::from_bytes(&bad.to_bytes()).unwrap_err().to_string().contains("missing node"));
        let mut bad = mesh();
        bad.tets.points[0][2] = f32::NAN;
        assert!(CookedMesh::from_bytes(&bad.to_bytes()).unwrap_err().to_string().contains("not finite"));
        let mut bad = mesh();
        if let Some(skin) = &mut bad.skin {
            skin.embedding[1].0 = 7;
        }
        assert!(CookedMesh::from_bytes(&bad.to_bytes()).is_err());
    }
}
