//! The files of a rendezvous: who may read and write them, and how they appear whole.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{DRAFT, KEY_FILE, RendezvousError};

/// The key in hexadecimal, and the end of its line.
const KEY_TEXT_BYTES: usize = 65;

/// Wraps what the system says.
pub fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RendezvousError {
    let path = path.to_owned();
    move |source| RendezvousError::Io { what, path, source }
}

fn private(path: &Path, meta: &Metadata, forbidden: u32) -> Result<(), RendezvousError> {
    let user = nix::unistd::geteuid().as_raw();
    let mode = meta.mode() & 0o777;
    let why = if meta.uid() != user {
        format!("it belongs to user {}, not to {user}", meta.uid())
    } else if mode & forbidden != 0 {
        format!("its mode is {mode:04o}")
    } else {
        return Ok(());
    };
    Err(RendezvousError::NotPrivate { path: path.to_owned(), why })
}

/// Makes the directory, or checks the one that is there; whether it was made.
pub fn make(dir: &Path) -> Result<bool, RendezvousError> {
    let made = match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("make the directory", dir)(error)),
    };
    check_dir(dir)?;
    Ok(made)
}

/// Who can put files there could take part in the run.
fn check_dir(dir: &Path) -> Result<(), RendezvousError> {
    let meta = fs::metadata(dir).map_err(failed("look at", dir))?;
    if !meta.is_dir() {
        return Err(RendezvousError::NotPrivate { path: dir.to_owned(), why: "it is no directory".to_owned() });
    }
    private(dir, &meta, 0o022)
}

/// Draws a key and leaves it in its file, in place of any other.
pub fn draw_key(dir: &Path) -> Result<[u8; 32], RendezvousError> {
    let path = dir.join(KEY_FILE);
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| failed("draw a key for", &path)(io::Error::other(error)))?;
    let draft = dir.join(format!("{DRAFT}{}-key", std::process::id()));
    let text = format!("{}\n", blake3::Hash::from_bytes(key).to_hex());
    write(&draft, text.as_bytes())?;
    fs::rename(&draft, &path).map_err(failed("write", &path))?;
    Ok(key)
}

/// The key, if one is there.
pub fn read_key(dir: &Path) -> Result<Option<[u8; 32]>, RendezvousError> {
    let path = dir.join(KEY_FILE);
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    check_dir(dir)?;
    private(&path, &file.metadata().map_err(failed("look at", &path))?, 0o077)?;
    let mut text = Vec::new();
    file.take(KEY_TEXT_BYTES as u64 + 1).read_to_end(&mut text).map_err(failed("read", &path))?;
    let key = std::str::from_utf8(&text).ok().and_then(|text| blake3::Hash::from_hex(text.trim_end()).ok());
    match key {
        Some(key) => Ok(Some(*key.as_bytes())),
        None => Err(failed("read", &path)(io::Error::new(ErrorKind::InvalidData, "it holds no key of a run"))),
    }
}

/// Not there, or not any more: on a shared file system the name may outlive its file for a moment.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESTALE)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RendezvousError> {
    // A draft of a process that had the same number and ended.
    let _ = fs::remove_file(path);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

/// Lets a file with these bytes appear whole at `place`; `false` where another one is there already.
pub fn put(draft: &Path, place: &Path, bytes: &[u8]) -> Result<bool, RendezvousError> {
    write(draft, bytes)?;
    let linked = fs::hard_link(draft, place);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let _ = fs::remove_file(draft);
            // The answer to the first attempt may have been lost on the way.
            return Ok(fs::read(place).is_ok_and(|there| there == bytes));
        }
        // A file system without links.
        Err(_) => return fs::rename(draft, place).map(|()| true).map_err(failed("write", place)),
    }
    fs::remove_file(draft).map_err(failed("remove", draft))?;
    Ok(true)
}

/// A file of at most `most` bytes.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most {
        return Err(format!("it is longer than {most} bytes"));
    }
    Ok(bytes)
}

/// The names in a directory.
pub fn list(dir: &Path) -> Result<BTreeSet<String>, RendezvousError> {
    let entries = fs::read_dir(dir).map_err(failed("list", dir))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Removes files by their names.
pub fn remove(dir: &Path, which: impl Fn(&str) -> bool) -> Result<(), RendezvousError> {
    for name in list(dir)?.iter().filter(|name| which(name)) {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(failed("remove", &path)(error)),
            _ => {}
        }
    }
    Ok(())
}
