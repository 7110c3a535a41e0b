//! Compiled kernels on disk, so that a run starts without the compiler.
//!
//! **Invariants**
//! - An entry's name is the BLAKE3 of everything that determines it: sources, options, architecture, and the versions of compiler and
//!   driver. Its content carries a checksum. So an entry is right, or recognised as wrong and made anew.
//! - Entries appear whole: written under a name of its own, then renamed. Any number of ranks may start at once.
//! - The cache never fails a run; what it has to complain of comes back as words.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::compile::{LAW, Target, Unit};
use crate::report::Version;

/// Larger files are no kernels.
const ENTRY_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the checksum before the image.
const CHECKSUM: usize = blake3::OUT_LEN;

/// What an image is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(blake3::Hash);

impl Key {
    /// The key of a unit compiled for a target by this NVRTC for this driver.
    pub fn new(unit: &Unit<'_>, target: Target, nvrtc: Version, driver: Version) -> Self {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            // Lengths keep the parts apart.
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let files = unit.headers.iter().copied().chain([(unit.name, unit.text)]);
        files.for_each(|(name, text)| {
            part(name.as_bytes());
            part(text.as_bytes());
        });
        LAW.iter().for_each(|option| part(option.as_bytes()));
        [target.to_string(), nvrtc.to_string(), driver.to_string()].iter().for_each(|words| part(words.as_bytes()));
        Self(hash.finalize())
    }
}

/// A directory of images, or none.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    /// A cache in `directory`, which is made when something is kept; none where that is `None`.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// The image of `key`, or what `make` makes, which is then kept. With it come words of complaint, where the cache could not be
    /// read or written.
    ///
    /// # Errors
    /// Only those of `make`.
    pub fn get_or_make<E>(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(Vec<u8>, Option<String>), E> {
        let Some(directory) = &self.directory else { return Ok((make()?, None)) };
        let path = directory.join(format!("{}.kernels", key.0.to_hex()));
        let complaint = match read(&path) {
            Ok(Some(image)) => return Ok((image, None)),
            Ok(None) => None,
            Err(error) => Some(format!("cannot use compiled kernels in {}: {error}; made anew", path.display())),
        };
        let image = make()?;
        let kept = write(directory, &path, &image);
        let lost = kept.err().map(|error| format!("cannot keep compiled kernels in {}: {error}", directory.display()));
        Ok((image, lost.or(complaint)))
    }
}

/// An entry, if it is there.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > ENTRY_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are too many")));
    }
    let mut bytes = fs::read(path)?;
    let torn = || io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong");
    if bytes.len() < CHECKSUM {
        return Err(torn());
    }
    let image = bytes.split_off(CHECKSUM);
    if blake3::hash(&image).as_bytes()[..] == bytes[..] { Ok(Some(image)) } else { Err(torn()) }
}

fn write(directory: &Path, path: &Path, image: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(blake3::hash(image).as_bytes())?;
    file.write_all(image)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Capability;

    const VERSION: Version = Version { major: 12, minor: 8 };

    fn key(text: &str, minor: u32) -> Key {
        let unit = Unit { name: "a.cu", text, headers: &[("b.cuh", "b")] };
        Key::new(&unit, Target::Machine(Capability(9, minor)), VERSION, VERSION)
    }

    fn get(cache: &Cache, key: Key, made: &mut u32) -> (Vec<u8>, Option<String>) {
        let make = || {
            *made += 1;
            Ok::<_, ()>(b"an image".to_vec())
        };
        cache.get_or_make(key, make).unwrap()
    }

    #[test]
    fn what_was_made_is_not_made_again_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().join("kernels")));
        let mut made = 0;
        for _ in 0..2 {
            assert_eq!(get(&cache, key("a", 0), &mut made), (b"an image".to_vec(), None));
        }
        assert_eq!(made, 1);
        get(&cache, key("a other", 0), &mut made);
        get(&cache, key("a", 1), &mut made);
        assert_eq!(made, 3);
    }

    #[test]
    fn names_and_texts_do_not_run_together() {
        let key = |headers: &[(&str, &str)]| {
            let unit = Unit { name: "a.cu", text: "", headers };
            Key::new(&unit, Target::Machine(Capability(9, 0)), VERSION, VERSION)
        };
        assert_ne!(key(&[("ab", "c")]), key(&[("a", "bc")]));
    }

    #[test]
    fn torn_entries_are_made_anew_with_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_owned()));
        let mut made = 0;
        get(&cache, key("a", 0), &mut made);
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for torn in [&whole[..whole.len() - 1], &whole[..3], &flipped[..], &[]] {
            fs::write(&path, torn).unwrap();
            let (image, complaint) = get(&cache, key("a", 0), &mut made);
            assert!(image == b"an image" && complaint.unwrap().contains("checksum"));
            assert_eq!(fs::read(&path).unwrap(), whole, "mended");
        }
        assert_eq!(made, 5);
    }

    #[test]
    fn without_a_place_to_write_kernels_are_made_all_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut made = 0;
        let (_, complaint) = get(&Cache::new(Some(file.path().join("below"))), key("a", 0), &mut made);
        assert!(complaint.is_some() && made == 1);
        assert_eq!(get(&Cache::new(None), key("a", 0), &mut made).1, None);
    }
}
