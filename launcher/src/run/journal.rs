//! The journal `events.jsonl`: one JSON object a line, in the order in which things happened.
//!
//! Each line has `event`, `step` and `t_s` (seconds since the run started). Lines are written whole and at once, so that a
//! reader that follows the file never sees half of one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::error::RunError;

/// The journal of a run; only rank 0 has one.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    start: Instant,
}

impl Journal {
    /// Starts the journal in a run directory.
    ///
    /// # Errors
    /// [`RunError::Io`] where the file cannot be made.
    pub fn create(run_dir: &Path, start: Instant) -> Result<Self, RunError> {
        let path = run_dir.join("events.jsonl");
        let file = File::create(&path).map_err(RunError::io("create", &path))?;
        Ok(Self { file, path, start })
    }

    /// Writes an event; `fields` is a JSON object.
    ///
    /// # Errors
    /// [`RunError::Io`] where the disk refuses.
    pub fn write(&mut self, event: &str, step: u64, fields: Value) -> Result<(), RunError> {
        let t_s = (self.start.elapsed().as_secs_f64() * 1e6).round() / 1e6;
        let mut line = Map::from_iter([
            ("event".to_owned(), json!(event)),
            ("step".to_owned(), json!(step)),
            ("t_s".to_owned(), json!(t_s)),
        ]);
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let text = format!("{}\n", Value::Object(line));
        self.file.write_all(text.as_bytes()).map_err(RunError::io("write to", &self.path))
    }
}
