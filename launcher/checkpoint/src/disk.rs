//! What a store asks of a disk, as a trait, so that tests can break a disk at any moment.
//!
//! A directory entry is durable after [`Disk::sync_dir`], the contents of a file after [`DiskFile::sync`]; nothing else is
//! assumed of a file system but that a rename within a folder is atomic.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A disk, or what stands for one.
pub trait Disk: Debug + Send + Sync {
    /// Makes one folder; its parent must exist.
    ///
    /// # Errors
    /// The system's, `AlreadyExists` among them.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a file for writing that must not exist yet.
    ///
    /// # Errors
    /// The system's, `AlreadyExists` among them.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in its folder, in place of what has that name.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// The system's.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a folder durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// The length of a file in bytes.
    ///
    /// # Errors
    /// The system's.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Bytes that are free for us, where that can be told.
    fn free_bytes(&self, path: &Path) -> Option<u64>;
}

/// An open file.
pub trait DiskFile: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// The system's.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` with what lies at `offset`.
    ///
    /// # Errors
    /// The system's, `UnexpectedEof` among them.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

/// The system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // So answer file systems that keep no order between entries for us to wait for (CIFS, some in user space).
            Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::ENOTSUP)) => Ok(()),
            other => other,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|file| file.len())
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        let disk = nix::sys::statvfs::statvfs(path).ok()?;
        Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }
}

impl DiskFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|file| file.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}
