//! The on-disk cache of cooked meshes: a mesh is cooked once per input and parameters, not once per rank and run.
//!
//! **Invariants**
//! - An entry's name is the BLAKE3 of everything that determines its content; its content carries a checksum of its own. So an
//!   entry is either right or recognised as wrong, and then rebuilt.
//! - Entries appear whole: written under a name that no other writer uses, synced, then renamed. Any number of processes may
//!   start at once; each at worst cooks for itself, and the last rename wins with the same bytes.
//! - The cache never fails a run: a directory that cannot be read or written costs a warning and the time to cook.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process};

use rankzero_mesh::{CODEC_VERSION, CookedMesh};

use super::Tetrahedralizer;

/// Changes whenever cooking gives other results for the same input.
const COOK_VERSION: u32 = 1;
/// Largest entry that is read back: a mesh of the most nodes allowed, with its tetrahedra.
const MAX_ENTRY_BYTES: u64 = 8 << 30;
/// Extension of an entry.
const EXTENSION: &str = "rzmesh";

/// What an entry is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheKey(blake3::Hash);

impl CacheKey {
    /// The key of `input` (the bytes of the mesh file) cooked with `parameters`, which must contain whatever else determines
    /// the result: the method, the scale, the file's format.
    pub fn new(input: &[u8], how: Option<Tetrahedralizer>, parameters: &[u8]) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(b"rankzero cooked mesh");
        hash.update(&CODEC_VERSION.to_le_bytes());
        hash.update(&COOK_VERSION.to_le_bytes());
        let (method, resolution) = match how {
            None => (0u8, 0),
            Some(Tetrahedralizer::Conforming) => (1, 0),
            Some(Tetrahedralizer::Voxel { resolution }) => (2, resolution),
        };
        hash.update(&[method]);
        hash.update(&resolution.to_le_bytes());
        // Lengths keep the two byte strings apart.
        for part in [parameters, input] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize())
    }
}

/// A directory of cooked meshes.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    /// A cache in `directory`, which is made on the first write.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()) }
    }

    /// No cache: every mesh is cooked.
    pub fn disabled() -> Self {
        Self { directory: None }
    }

    /// `$RANKZERO_CACHE_DIR`, else `$XDG_CACHE_HOME/rankzero`, else `$HOME/.cache/rankzero`; `None` where none is set to
    /// an absolute path.
    pub fn default_dir() -> Option<PathBuf> {
        let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        variable("RANKZERO_CACHE_DIR")
            .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("rankzero")))
            .or_else(|| variable("HOME").map(|path| path.join(".cache").join("rankzero")))
    }

    /// The entry of `key`, or what `cook` makes, which is then stored.
    ///
    /// # Errors
    /// Only those of `cook`; trouble with the cache itself is a warning.
    pub fn get_or_cook<E>(&self, key: CacheKey, cook: impl FnOnce() -> Result<CookedMesh, E>) -> Result<CookedMesh, E> {
        let Some(directory) = &self.directory else { return cook() };
        let path = directory.join(key.0.to_hex().as_str()).with_extension(EXTENSION);
        if let Some(mesh) = load(&path) {
            return Ok(mesh);
        }
        let mesh = cook()?;
        if let Err(error) = store(directory, &path, &mesh.to_bytes()) {
            tracing::warn!(
                "cannot keep a cooked mesh in {}: {error}; it will be cooked again next time \
                 (set RANKZERO_CACHE_DIR to a writable directory)",
                directory.display()
            );
        }
        Ok(mesh)
    }
}

/// Reads an entry; `None`, with a warning unless it is merely absent, where it cannot be used.
fn load(path: &Path) -> Option<CookedMesh> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("cannot read cached mesh {}: {error}; cooking it again", path.display());
            return None;
        }
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_ENTRY_BYTES).read_to_end(&mut bytes);
    let decoded =
        read.map_err(|e| e.to_string()).and_then(|_| CookedMesh::from_bytes(&bytes).map_err(|e| e.to_string()));
    decoded.inspect_err(|error| tracing::warn!("cached mesh {}: {error}; cooking it again", path.display())).ok()
}

/// Writes an entry so that readers see all of it or nothing.
fn store(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(directory)?;
    // Process ids repeat among the nodes that share the directory; `create_new` catches that, and the next serial is tried.
    for _ in 0..1000 {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{serial}.tmp", process::id()));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // Best effort: what cannot be written often cannot be removed either, and the first error tells more.
            let _ = fs::remove_file(&temporary);
        }
        return written;
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free temporary name"))
}
