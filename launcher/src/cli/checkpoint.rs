//! `rankzero checkpoint`: what a run has left to go on from.

use std::io;
use std::path::{Path, PathBuf};

use rankzero_checkpoint::{CheckpointError, Entry, Loaded, State, Store, is_checkpoint, look};
use serde_json::{Value, json};

use super::args::CheckpointCommand;
use super::commands::refuse;

/// Runs the command; returns its exit code.
pub fn checkpoint(command: &CheckpointCommand) -> u8 {
    let done = match command {
        CheckpointCommand::Ls { dir, json } => list(dir, *json),
        CheckpointCommand::Verify { what, json } => verify(what, *json),
        CheckpointCommand::Rm { dir, step, keep, json } => remove(dir, step, *keep, *json),
    };
    done.unwrap_or_else(|error| refuse(&error, exit_code(&error)))
}

/// A place that is not there was named wrongly; everything else is the fault of a file.
fn exit_code(error: &CheckpointError) -> u8 {
    match error {
        CheckpointError::NoSuchStep { .. } | CheckpointError::NoCheckpoint { .. } => 2,
        CheckpointError::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            2
        }
        _ => 1,
    }
}

fn list(dir: &Path, json: bool) -> Result<u8, CheckpointError> {
    let entries = look(dir)?;
    let place = place(dir)?;
    if json {
        let rows: Vec<Value> = entries.iter().map(to_json).collect();
        println!("{:#}", json!({ "directory": place, "checkpoints": rows }));
        return Ok(0);
    }
    if entries.is_empty() {
        println!("no checkpoints in {}", place.display());
        return Ok(0);
    }
    println!("{:>12}  {:<10}  {:<20}  {:>8}  {:>5}  {:>9}", "step", "state", "created", "bodies", "parts", "size");
    for entry in &entries {
        print!("{:>12}  {:<10}", entry.step, entry.state.name());
        match entry.state.manifest() {
            Some(m) => print!("  {:<20}  {:>8}  {:>5}", m.created, m.bodies, m.parts.len()),
            None => print!("  {:<20}  {:>8}  {:>5}", "-", "-", "-"),
        }
        println!("  {:>9}", size(entry.bytes));
    }
    entries.iter().filter_map(|entry| entry.state.error()).for_each(|error| println!("{error}"));
    Ok(0)
}

/// Where the checkpoints are that `dir` stands for.
fn place(dir: &Path) -> Result<PathBuf, CheckpointError> {
    if is_checkpoint(dir) { Ok(dir.to_owned()) } else { Ok(Store::in_place(dir)?.dir().to_owned()) }
}

fn to_json(entry: &Entry) -> Value {
    let mut row = json!({
        "step": entry.step,
        "state": entry.state.name(),
        "folder": entry.folder,
        "bytes": entry.bytes,
    });
    match &entry.state {
        State::Whole(m) => {
            for (field, value) in [
                ("created", json!(m.created)),
                ("job", json!(m.job)),
                ("fingerprint", json!(m.fingerprint)),
                ("digest", json!(m.digest)),
                ("program", json!(m.program)),
                ("bodies", json!(m.bodies)),
                ("words", json!(m.words)),
                ("rigid_words", json!(m.rigids.len())),
                ("parts", json!(m.parts.len())),
                ("view", json!(m.view)),
                ("extra", m.extra.clone()),
            ] {
                row[field] = value;
            }
        }
        State::Unfinished(error) | State::Damaged(error) => row["why"] = json!(error.to_string()),
    }
    row
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 99.95);
    format!("{value:.digits$} {}", units[unit])
}

/// Entries that are to be verified, and whether each was named, so that it must be whole.
fn chosen(what: &[String]) -> Result<Vec<(Entry, bool)>, CheckpointError> {
    let mut groups: Vec<(PathBuf, Vec<u64>)> = Vec::new();
    for word in what {
        match (word.parse::<u64>(), groups.last_mut()) {
            (Ok(step), Some((_, steps))) => steps.push(step),
            (Ok(step), None) => groups.push((".".into(), vec![step])),
            (Err(_), _) => groups.push((word.into(), Vec::new())),
        }
    }
    if groups.is_empty() {
        groups.push((".".into(), Vec::new()));
    }
    let mut chosen = Vec::new();
    for (dir, steps) in groups {
        let entries = look(&dir)?;
        if entries.is_empty() {
            return Err(CheckpointError::NoCheckpoint { dir: place(&dir)?, found: String::new() });
        }
        let there: Vec<u64> = entries.iter().map(|entry| entry.step).collect();
        if let Some(step) = steps.iter().find(|step| !there.contains(step)) {
            return Err(CheckpointError::no_such_step(&place(&dir)?, *step, &there));
        }
        let named = is_checkpoint(&dir) || !steps.is_empty();
        let wanted = |entry: &Entry| steps.is_empty() || steps.contains(&entry.step);
        chosen.extend(entries.into_iter().filter(wanted).map(|entry| (entry, named)));
    }
    Ok(chosen)
}

fn verify(what: &[String], json: bool) -> Result<u8, CheckpointError> {
    let (mut rows, mut bad) = (Vec::new(), false);
    for (mut entry, named) in chosen(what)? {
        if entry.state.manifest().is_some()
            && let Err(error) = Loaded::open(&entry.folder).and_then(|loaded| loaded.verify())
        {
            entry.state = State::Damaged(error);
        }
        // Nothing was promised of one that is unfinished, unless it was asked for.
        bad |= match entry.state {
            State::Whole(_) => false,
            State::Unfinished(_) => named,
            State::Damaged(_) => true,
        };
        if json {
            rows.push(to_json(&entry));
            continue;
        }
        match (entry.state.manifest(), entry.state.error()) {
            (Some(m), _) => {
                let digest = m.digest.as_ref().map(|digest| format!(", digest {digest}")).unwrap_or_default();
                println!("step {}: whole, {} bodies, {}{digest}", m.step, m.bodies, size(entry.bytes));
            }
            (None, error) => println!("step {}: {}", entry.step, error.map(ToString::to_string).unwrap_or_default()),
        }
    }
    if json {
        println!("{:#}", json!({ "checkpoints": rows }));
    }
    Ok(u8::from(bad))
}

fn remove(dir: &Path, steps: &[u64], keep: Option<u32>, json: bool) -> Result<u8, CheckpointError> {
    let store = Store::in_place(dir)?;
    let removed = match keep {
        Some(keep) => {
            let whole = store.list()?.iter().filter(|entry| entry.state.manifest().is_some()).count();
            let removed = store.retain(keep)?;
            if removed.is_empty() && whole > keep as usize {
                return Ok(refuse(
                    &format!("{}: of {whole} checkpoints none verifies, so none is removed", store.dir().display()),
                    1,
                ));
            }
            removed
        }
        None => {
            let there: Vec<u64> = store.list()?.iter().map(|entry| entry.step).collect();
            let mut steps = steps.to_vec();
            steps.sort_unstable();
            steps.dedup();
            // What is not there goes first, and is refused: all or none, as far as names go.
            steps.sort_by_key(|step| there.contains(step));
            steps.iter().try_for_each(|step| store.remove(*step))?;
            steps
        }
    };
    if json {
        println!("{:#}", json!({ "directory": store.dir(), "removed": removed }));
    } else if removed.is_empty() {
        println!("nothing to remove");
    } else {
        removed.iter().for_each(|step| println!("removed step {step}"));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_951, "100 kB")];
        for (bytes, text) in cases.into_iter().chain([(999_600, "1.0 MB"), (u64::MAX, "18446744 TB")]) {
            assert_eq!(size(bytes), text);
        }
    }
}
