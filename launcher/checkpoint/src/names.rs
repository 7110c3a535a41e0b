//! Names of files and folders. What is not named like this is not ours, and is neither read nor removed.

use std::path::{Path, PathBuf};

/// The manifest of a checkpoint.
pub const MANIFEST: &str = "manifest.json";
/// The folder of checkpoints in a run directory, unless the job says otherwise.
pub const CHECKPOINTS: &str = "checkpoints";
/// End of the name of a part.
const PART_END: &str = ".rzc";
/// End of the name of a file that is being written; it also begins with a dot.
const TEMPORARY_END: &str = ".new";

/// The folder of a step.
pub fn folder(dir: &Path, step: u64) -> PathBuf {
    dir.join(format!("step-{step:012}"))
}

/// The step whose folder has this name.
pub fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?;
    let step = digits.parse().ok()?;
    // One step, one name: no signs, no other number of zeros.
    (format!("{step:012}") == digits).then_some(step)
}

/// The name of a part: who wrote it, and the start of its hash.
pub fn part(writer: u32, hash: &blake3::Hash) -> String {
    format!("part-{writer:05}-{}{PART_END}", &hash.to_hex()[..16])
}

/// Whether a file of this name may be a part. It holds no separator, so that a forged manifest cannot lead out of the folder.
pub fn is_part(name: &str) -> bool {
    let middle = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(PART_END));
    middle.and_then(|middle| middle.split_once('-')).is_some_and(|(writer, hash)| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        writer.len() >= 5 && writer.bytes().all(|b| b.is_ascii_digit()) && hash.len() == 16 && hash.bytes().all(hex)
    })
}

/// The name under which something is written, until it is whole: `attempt` tells apart those who write at once.
pub fn temporary(what: &str, process: u32, attempt: u32) -> String {
    format!(".{what}.{process}-{attempt}{TEMPORARY_END}")
}

/// Whether this is, or was, being written.
pub fn is_temporary(name: &str) -> bool {
    (name.starts_with(".part-") || name.starts_with(".manifest.")) && name.ends_with(TEMPORARY_END)
}

/// Whether a store writes files of this name into the folder of a step.
pub fn is_ours(name: &str) -> bool {
    name == MANIFEST || is_part(name) || is_temporary(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_name() {
        for step in [0, 16, 999_999_999_999, 1_000_000_000_000, u64::MAX] {
            let path = folder(Path::new("x"), step);
            assert_eq!(step_of(&path.file_name().unwrap_or_default().to_string_lossy()), Some(step));
        }
        for name in ["step-16", "step-+00000000016", "step-0000000000016", "step-", "step-0000000000x6", "steps"] {
            assert_eq!(step_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_part_never_leads_out_of_its_folder() {
        assert!(is_part(&part(3, &blake3::hash(b"x"))) && is_part(&part(u32::MAX, &blake3::hash(b""))));
        for name in
            ["../part-00003-0123456789abcdef.rzc", "part-00003/-123456789abcdef.rzc", "part-00003-.rzc", "part-"]
        {
            assert!(!is_part(name), "{name}");
        }
        assert!(is_temporary(&temporary("part-00003", 7, 0)) && is_temporary(&temporary("manifest", 7, 1)));
        assert!(!is_ours("notes.txt") && !is_ours(".nfs0001"));
    }
}
