//! What a run tells of itself in its journal, as far as its supervisor wants to know it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Ending, JOURNAL};

/// Most bytes that are read at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The run goes on without these ranks.
    Lost(Vec<u32>),
    /// A rank has joined, from this host.
    Joined(u32, String),
    /// The run is over.
    Over,
}

/// A reader that follows a journal from where it stands when the run begins.
#[derive(Debug)]
pub struct Story {
    path: PathBuf,
    at: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
}

impl Story {
    /// Of a run directory, from the end of what an earlier run has left.
    pub fn from_now(run_dir: &Path) -> Story {
        let path = run_dir.join(JOURNAL);
        let at = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        Story { path, at, rest: Vec::new() }
    }

    /// What was told since the last call. A journal that cannot be read tells nothing.
    pub fn read_on(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        let Ok(mut file) = File::open(&self.path) else { return told };
        let length = file.metadata().map_or(0, |meta| meta.len());
        if length < self.at {
            // Begun anew: the run starts from the beginning.
            (self.at, self.rest) = (0, Vec::new());
        }
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.at)).is_err() || file.take(CHUNK_BYTES).read_to_end(&mut bytes).is_err() {
            return told;
        }
        self.at += bytes.len() as u64;
        self.rest.extend(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            told.extend(serde_json::from_slice(&line).ok().and_then(|line| read(&line)));
        }
        told
    }
}

fn read(line: &Value) -> Option<Told> {
    let rank = |value: &Value| value.as_u64().and_then(|rank| u32::try_from(rank).ok());
    match line["event"].as_str()? {
        "lost" => Some(Told::Lost(line["ranks"].as_array()?.iter().filter_map(rank).collect())),
        "rank_joined" => Some(Told::Joined(rank(&line["rank"])?, line["host"].as_str()?.to_owned())),
        other => Ending::of(other).map(|_| Told::Over),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_journal_is_followed_line_by_line_from_where_it_stood() {
        let dir = std::env::temp_dir().join(format!("rankzero-story-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("events.jsonl");
        std::fs::write(&path, "{\"event\":\"lost\",\"ranks\":[9]}\n").expect("written");
        let mut story = Story::from_now(&dir);
        let add = |text: &str| {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("there");
            file.write_all(text.as_bytes()).expect("written");
        };
        assert_eq!(story.read_on(), []);
        add("{\"event\":\"lost\",\"ranks\":[1,2],\"how\":[]}\n{\"event\":\"epoch\"}\nnonsense\n{\"event\":\"rank_jo");
        assert_eq!(story.read_on(), [Told::Lost(vec![1, 2])]);
        add("ined\",\"rank\":8,\"host\":\"n4\"}\n{\"event\":\"finished\"}\n");
        assert_eq!(story.read_on(), [Told::Joined(8, "n4".to_owned()), Told::Over]);
        std::fs::write(&path, "{\"event\":\"stopped\"}\n").expect("begun anew");
        assert_eq!(story.read_on(), [Told::Over]);
        std::fs::remove_dir_all(&dir).expect("removed");
        assert_eq!(story.read_on(), []);
    }
}
