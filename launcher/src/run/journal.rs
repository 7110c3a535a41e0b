//! The journal `events.jsonl`: one JSON object a line, in the order in which things happened.
//!
//! Each line has `event`, `step` and `t_s` (seconds since the run started). Lines are written whole and at once, so that a
//! reader that follows the file never sees half of one. Only the master writes; a new one goes on where the former stopped, by the
//! same clock.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::error::RunError;
use super::start::Start;

/// Its name in the run directory.
pub const NAME: &str = "events.jsonl";
/// The event of a committed epoch.
const EPOCH: &str = "epoch";

/// The journal of a run; only the master has one.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// When the run started, seconds since 1970.
    began_unix_s: f64,
    /// The digests of epochs, by step.
    digests: BTreeMap<u64, String>,
}

impl Journal {
    /// Starts the journal in a run directory.
    ///
    /// # Errors
    /// [`RunError::Io`] where the file cannot be made.
    pub fn create(run_dir: &Path, began_unix_s: f64) -> Result<Self, RunError> {
        let path = run_dir.join(NAME);
        // Appended to, also by who has just made it: a former master that does not know yet must not write over a line.
        let open = || {
            File::create(&path)?;
            OpenOptions::new().append(true).open(&path)
        };
        let file = open().map_err(RunError::io("create", &path))?;
        Ok(Self { file, path, began_unix_s, digests: BTreeMap::new() })
    }

    /// The journal of a run that starts now: a new one, or that of the same run directory, where a checkpoint of it is restored.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn begin(start: &Start) -> Result<Self, RunError> {
        match &start.restore {
            Some(restore) if restore.same_run && start.run_dir.join(NAME).exists() => {
                Self::take_over(&start.run_dir, start.began_unix_s)
            }
            _ => Self::create(&start.run_dir, start.began_unix_s),
        }
    }

    /// Goes on with the journal of a former master.
    ///
    /// # Errors
    /// [`RunError::Io`] where the file cannot be read or opened.
    pub fn take_over(run_dir: &Path, began_unix_s: f64) -> Result<Self, RunError> {
        let path = run_dir.join(NAME);
        let text = std::fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
        let mut file = OpenOptions::new().append(true).open(&path).map_err(RunError::io("open", &path))?;
        if !text.is_empty() && !text.ends_with('\n') {
            // The former master died within a line.
            file.write_all(b"\n").map_err(RunError::io("write to", &path))?;
        }
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let epochs = lines.filter(|line| line["event"] == EPOCH);
        let digests = epochs.filter_map(|line| Some((line["step"].as_u64()?, line["digest"].as_str()?.to_owned())));
        Ok(Self { file, path, began_unix_s, digests: digests.collect() })
    }

    /// The digest of the epoch at the end of `step` steps, if it was committed before.
    pub fn digest_at(&self, step: u64) -> Option<&str> {
        self.digests.get(&step).map(String::as_str)
    }

    /// Writes an event; `fields` is a JSON object.
    ///
    /// # Errors
    /// [`RunError::Io`] where the disk refuses.
    pub fn write(&mut self, event: &str, step: u64, fields: Value) -> Result<(), RunError> {
        self.write_at(Instant::now(), event, step, fields)
    }

    /// Writes an event of a moment that has passed.
    ///
    /// # Errors
    /// [`RunError::Io`] where the disk refuses.
    pub fn write_at(&mut self, at: Instant, event: &str, step: u64, fields: Value) -> Result<(), RunError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let t_s = ((now - self.began_unix_s - at.elapsed().as_secs_f64()) * 1e6).round() / 1e6;
        if let (EPOCH, Some(digest)) = (event, fields["digest"].as_str()) {
            self.digests.insert(step, digest.to_owned());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_master_goes_on_after_half_a_line_and_knows_the_digests() {
        let dir = std::env::temp_dir().join(format!("rankzero-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let mut first = Journal::create(&dir, 0.0).expect("a journal");
        first.write(EPOCH, 16, json!({ "digest": "abc" })).expect("written");
        std::fs::write(dir.join(NAME), std::fs::read_to_string(dir.join(NAME)).expect("text") + "{\"event\": \"ep")
            .expect("torn");
        let mut second = Journal::take_over(&dir, 0.0).expect("taken over");
        assert_eq!((second.digest_at(16), second.digest_at(32)), (Some("abc"), None));
        second.write("view", 16, json!({})).expect("written");
        let text = std::fs::read_to_string(dir.join(NAME)).expect("text");
        let whole = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
        assert_eq!((text.lines().count(), whole), (3, 2), "{text}");
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
