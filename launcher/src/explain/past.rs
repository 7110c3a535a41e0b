//! What a run said of its paths, from its journal: those of rank 0, and what changed later.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::groups::groups;
use super::text::group_text;
use crate::run::paths::Way;

/// Why a run directory explains nothing.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// It is no run directory.
    #[error(
        "{} is neither a job file nor a run directory: it has no events.jsonl ({source})", .dir.display()
    )]
    NoRun {
        /// The directory.
        dir: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The journal ends before the paths were found.
    #[error("{} tells nothing of paths: the run ended before its ranks had found them", .0.display())]
    NoPaths(PathBuf),
}

impl PastError {
    /// 2 for what is no run directory, 1 for a journal without paths.
    pub fn exit_code(&self) -> u8 {
        match self {
            PastError::NoRun { .. } => 2,
            PastError::NoPaths(_) => 1,
        }
    }
}

/// Explains the run in `dir`, for people or as JSON.
///
/// # Errors
/// [`PastError`].
pub fn past(dir: &Path, as_json: bool) -> Result<String, PastError> {
    let path = dir.join(crate::run::JOURNAL);
    let text = std::fs::read(&path).map_err(|source| PastError::NoRun { dir: dir.to_owned(), source })?;
    let text = String::from_utf8_lossy(&text);
    // The last line of a run that was killed may be a half; what is no event tells nothing.
    let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let Some(fabric) = events.iter().find(|event| event["event"] == "fabric") else {
        return Err(PastError::NoPaths(path));
    };
    let ways: Vec<Way> = serde_json::from_value(fabric["paths"].clone()).unwrap_or_default();
    let of_kind = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
    let changes: Vec<&Value> = of_kind("rung_changed").collect();
    let warnings: Vec<&str> = of_kind("warning").filter_map(|event| event["warning"].as_str()).collect();
    if as_json {
        let report = json!({
            "run": dir, "launcher": fabric["launcher"], "paths_of_rank_0": ways, "changes": changes, "warnings": warnings,
        });
        return Ok(format!("{report:#}\n"));
    }
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let hosts: Vec<String> = of_kind("rank_started").map(|event| word(&event["host"])).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut out = format!(
        "{}: {} ranks, started by {}; rank 0 reaches its peers over {}\n",
        dir.display(),
        hosts.len(),
        word(&fabric["launcher"]),
        word(&fabric["fabric"])
    );
    for group in groups([(0, ways.as_slice())].into_iter()) {
        out += &format!("\n{}", group_text(&group, &names));
    }
    if !changes.is_empty() {
        out += "\nchanges\n";
    }
    for change in changes {
        let cause = change["cause"].as_str().unwrap_or("a better one is back");
        out += &format!(
            "  step {}: rank {} by {} instead of {}: {cause}\n",
            change["step"],
            change["peer"],
            word(&change["to"]),
            word(&change["from"])
        );
    }
    warnings.iter().for_each(|warning| out += &format!("\nwarning: {warning}\n"));
    Ok(out)
}
