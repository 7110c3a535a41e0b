//! The directory of a sweep: `sweep.json`, what was asked for; `results.jsonl`, a line for each point that was run; a lock.
//!
//! A line is written by one call and brought to the disk before the next point begins. A line without its end, of a sweep that was
//! killed as it wrote, counts as not written, and is cut off before the next one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SweepError;
use crate::plan::{Plan, Point};
use crate::record::{Key, Machine, Outcome, Record};

/// What the directory of a sweep is for, in `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The plan.
    pub plan: Plan,
    /// The key of each size.
    pub keys: BTreeMap<u32, Key>,
    /// What the sweep was last started on.
    pub machine: Machine,
}

impl Manifest {
    /// Reads `sweep.json`.
    ///
    /// # Errors
    /// [`SweepError::Io`] where there is none, [`SweepError::File`] where it makes no sense.
    pub fn read(dir: &Path) -> Result<Manifest, SweepError> {
        let path = dir.join("sweep.json");
        let text = fs::read_to_string(&path).map_err(SweepError::io("read what the sweep is", &path))?;
        let bad = |what: String| SweepError::File {
            path: path.clone(),
            what,
            remedy: "run the sweep again, which writes it anew",
        };
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let plan = manifest.plan.clone().checked().map_err(|error| bad(error.to_string()))?;
        Ok(Manifest { plan, ..manifest })
    }

    /// Writes `sweep.json`, whole or not at all.
    ///
    /// # Errors
    /// [`SweepError::Io`] where the disk refuses.
    pub fn write(&self, dir: &Path) -> Result<(), SweepError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        replace(&dir.join("sweep.json"), &text)
    }

    /// The newest record of a point that may be compared with the others.
    pub fn newest<'r>(&self, records: &'r [Record], point: Point) -> Option<&'r Record> {
        let key = self.keys.get(&point.nodes)?;
        records.iter().rev().find(|record| record.point == point && record.key == *key)
    }

    /// The points that are still to be run, in order: those that never were, and those whose last run failed.
    pub fn to_do(&self, records: &[Record]) -> Vec<Point> {
        let done = |point: &Point| self.newest(records, *point).is_some_and(|record| record.measure().is_some());
        self.plan.points().into_iter().filter(|point| !done(point)).collect()
    }

    /// How many records are of another job, build or way of starting, and so count for nothing here.
    pub fn strangers(&self, records: &[Record]) -> usize {
        records.iter().filter(|record| self.keys.get(&record.point.nodes) != Some(&record.key)).count()
    }

    /// The points whose newest run failed, and why.
    pub fn failures<'r>(&self, records: &'r [Record]) -> Vec<(Point, &'r str)> {
        let failed = |point: Point| match &self.newest(records, point)?.outcome {
            Outcome::Failed { why } => Some((point, why.as_str())),
            Outcome::Done { .. } => None,
        };
        self.plan.points().into_iter().filter_map(failed).collect()
    }
}

/// The results of a sweep, as they lie on disk.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    /// Bytes of whole lines.
    whole: u64,
    records: Vec<Record>,
    /// Held for as long as these results may be written.
    lock: Option<File>,
}

impl Results {
    /// Reads the results in `dir`, for looking at them; none where there is no file.
    ///
    /// # Errors
    /// [`SweepError::Io`], and [`SweepError::Line`] for a whole line that is no result.
    pub fn read(dir: &Path) -> Result<Results, SweepError> {
        let path = dir.join("results.jsonl");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(SweepError::io("read the results", &path))?,
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let lines = bytes[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let read = |(at, line): (usize, &[u8])| {
            let bad = |error: serde_json::Error| SweepError::Line {
                path: path.clone(),
                line: at + 1,
                what: error.to_string(),
            };
            serde_json::from_slice(line).map_err(bad)
        };
        let records = lines.map(read).collect::<Result<_, _>>()?;
        Ok(Results { whole: whole as u64, path, records, lock: None })
    }

    /// The same for adding to them. Makes the directory; nobody else may add at the same time.
    ///
    /// # Errors
    /// As [`Results::read`], and [`SweepError::Busy`] while another process has them.
    pub fn own(dir: &Path) -> Result<Results, SweepError> {
        fs::create_dir_all(dir).map_err(SweepError::io("make the directory", dir))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(SweepError::io("open the lock", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SweepError::Busy { path: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(SweepError::io("lock", &path)(error)),
        }
        Ok(Results { lock: Some(lock), ..Results::read(dir)? })
    }

    /// All records, the newest last.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Adds a record, and returns when it is on the disk.
    ///
    /// # Errors
    /// [`SweepError::Io`] where the disk refuses.
    ///
    /// # Panics
    /// Where these results were opened for reading only.
    pub fn add(&mut self, record: Record) -> Result<(), SweepError> {
        assert!(self.lock.is_some(), "results that are only read");
        let line = serde_json::to_string(&record).unwrap_or_default() + "\n";
        let written = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
            file.set_len(self.whole)?;
            file.seek(SeekFrom::Start(self.whole))?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        written().map_err(SweepError::io("write the results", &self.path))?;
        self.whole += line.len() as u64;
        self.records.push(record);
        Ok(())
    }
}

/// A file with this text, whole or as it was.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), SweepError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, text).map_err(SweepError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(SweepError::io("rename a file to", path))
}
