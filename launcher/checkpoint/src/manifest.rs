//! The manifest: what belongs together. JSON, one field a line, for persons as for programs.
//!
//! Its first field is the BLAKE3 hash of the file itself, taken with zeros in place of the hash's digits, so that any change of
//! the file is noticed, were it a blank. Rigid bodies, which all ranks hold alike, are in it as hexadecimal words.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::CheckpointError;
use crate::names;
use crate::part::PartInfo;

/// Version of the format of manifests.
const VERSION: u32 = 1;
/// What every manifest begins with; the hash follows.
const START: &str = "{\n  \"blake3\": \"";
const DIGITS: usize = 64;
/// Larger ones are refused unread.
const MOST_BYTES: u64 = 1 << 32;

/// What a checkpoint consists of, and which state of which job it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The step after which the state was taken.
    pub step: u64,
    /// Name of the job.
    pub job: String,
    /// What the state depends on, hashed by the caller; hexadecimal.
    pub fingerprint: String,
    /// The digest of the state, 64 hexadecimal digits, as [`state_digest`](crate::state_digest) makes it. Where it is given,
    /// the parts must have it.
    pub digest: Option<String>,
    /// When: RFC 3339, UTC; see [`utc_now`](crate::utc_now).
    pub created: String,
    /// Soft bodies; their ids are `0..bodies`.
    pub bodies: u32,
    /// Words of all their states.
    pub words: u64,
    /// States of all rigid bodies, as the caller lays them out.
    pub rigids: Vec<u32>,
    /// The files.
    pub parts: Vec<PartInfo>,
    /// The rank of each batch, when the state was taken.
    pub batch_to_rank: Vec<u32>,
    /// Who ran it then.
    pub view: View,
    /// Version of the program that wrote it.
    pub program: String,
    /// Whatever else the caller wants to find again.
    pub extra: Value,
}

/// The members of a run, at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Number of the view; views are ordered by the first number, then by the second.
    pub term: [u64; 2],
    /// Ranks, ascending.
    pub members: Vec<u32>,
}

/// The file, as `serde` reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(rename = "blake3")]
    _blake3: String,
    #[serde(rename = "version")]
    _version: u32,
    step: u64,
    job: String,
    fingerprint: String,
    digest: Option<String>,
    created: String,
    program: String,
    bodies: u32,
    words: u64,
    view: View,
    parts: Vec<PartInfo>,
    extra: Value,
    batch_to_rank: Vec<u32>,
    rigids: String,
}

impl Manifest {
    /// A manifest of these parts; the caller fills in the other fields.
    pub fn of_parts(step: u64, parts: Vec<PartInfo>) -> Self {
        Self {
            step,
            job: String::new(),
            fingerprint: String::new(),
            digest: None,
            created: crate::utc_now(),
            bodies: parts.iter().fold(0, |sum, part| sum.saturating_add(part.bodies)),
            words: parts.iter().fold(0, |sum, part| sum.saturating_add(part.words)),
            rigids: Vec::new(),
            parts,
            batch_to_rank: Vec::new(),
            view: View::default(),
            program: String::new(),
            extra: Value::Null,
        }
    }

    /// Whether this is a checkpoint of the job with this fingerprint; `path` names it in the error.
    ///
    /// # Errors
    /// [`CheckpointError::JobDiffers`], which says what to do.
    pub fn check_job(&self, fingerprint: &str, path: &Path) -> Result<(), CheckpointError> {
        if self.fingerprint == fingerprint {
            return Ok(());
        }
        let (job, found) = (self.job.clone(), self.fingerprint.clone());
        Err(CheckpointError::JobDiffers { path: path.to_owned(), job, found, expected: fingerprint.to_owned() })
    }

    /// Bytes of all parts.
    pub fn part_bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// What in it contradicts itself.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !hex(&self.fingerprint) {
            return Some(format!("the fingerprint `{}` is not hexadecimal", self.fingerprint));
        }
        if let Some(digest) = self.digest.as_ref().filter(|digest| digest.len() != DIGITS || !hex(digest)) {
            return Some(format!("the digest `{digest}` does not have {DIGITS} hexadecimal digits"));
        }
        if let Some(part) = self.parts.iter().find(|part| !names::is_part(&part.file)) {
            return Some(format!("`{}` is no name of a part", part.file));
        }
        let bodies: u64 = self.parts.iter().map(|part| u64::from(part.bodies)).sum();
        if bodies != u64::from(self.bodies) {
            return Some(format!("its parts hold {bodies} bodies, not {}", self.bodies));
        }
        let words = self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.words));
        if words != Some(self.words) {
            return Some(format!("its parts do not hold {} words", self.words));
        }
        let mut files: Vec<&str> = self.parts.iter().map(|part| part.file.as_str()).collect();
        files.sort_unstable();
        files.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| format!("it names {} twice", pair[0]))
    }

    /// The file.
    pub(crate) fn to_text(&self) -> Result<String, serde_json::Error> {
        let list = |items: &[PartInfo]| -> Result<String, serde_json::Error> {
            let rows: Result<Vec<String>, _> = items.iter().map(serde_json::to_string).collect();
            let rows = rows?;
            Ok(if rows.is_empty() { "[]".to_owned() } else { format!("[\n    {}\n  ]", rows.join(",\n    ")) })
        };
        let rigids: String = self.rigids.iter().map(|word| format!("{word:08x}")).collect();
        let fields = [
            ("version", VERSION.to_string()),
            ("step", self.step.to_string()),
            ("job", serde_json::to_string(&self.job)?),
            ("fingerprint", serde_json::to_string(&self.fingerprint)?),
            ("digest", serde_json::to_string(&self.digest)?),
            ("created", serde_json::to_string(&self.created)?),
            ("program", serde_json::to_string(&self.program)?),
            ("bodies", self.bodies.to_string()),
            ("words", self.words.to_string()),
            ("view", serde_json::to_string(&self.view)?),
            ("parts", list(&self.parts)?),
            ("extra", serde_json::to_string(&self.extra)?),
            ("batch_to_rank", serde_json::to_string(&self.batch_to_rank)?),
            ("rigids", format!("\"{rigids}\"")),
        ];
        let lines: Vec<String> = fields.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
        let rest = format!("\",\n{}\n}}\n", lines.join(",\n"));
        Ok(format!("{START}{}{rest}", hash_around(rest.as_bytes())))
    }

    /// Reads the file at `path`, whose contents are `bytes`.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] or [`CheckpointError::Version`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let damaged = |what: String| CheckpointError::damaged(path, what);
        let (found, rest) = bytes
            .strip_prefix(START.as_bytes())
            .and_then(|rest| rest.split_at_checked(DIGITS))
            .ok_or_else(|| damaged("it does not begin with the hash of a manifest".into()))?;
        if found != hash_around(rest).as_bytes() {
            return Err(damaged("it does not have the hash that it begins with: altered by hand, or cut off".into()));
        }
        let json = |error: serde_json::Error| damaged(format!("not a manifest: {error}"));
        // The version first: what else there is may be otherwise in another one.
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(found) => return Err(CheckpointError::Version { path: path.to_owned(), found, known: VERSION }),
            None => return Err(damaged("it does not say its version".into())),
        }
        let text: Text = serde_json::from_value(value).map_err(json)?;
        let rigids = words_of(&text.rigids).ok_or_else(|| damaged("`rigids` is not a row of words".into()))?;
        let manifest = Self {
            step: text.step,
            job: text.job,
            fingerprint: text.fingerprint,
            digest: text.digest,
            created: text.created,
            bodies: text.bodies,
            words: text.words,
            rigids,
            parts: text.parts,
            batch_to_rank: text.batch_to_rank,
            view: text.view,
            program: text.program,
            extra: text.extra,
        };
        manifest.contradiction().map_or(Ok(manifest), |what| Err(damaged(what)))
    }
}

/// The hash of a manifest that goes on with `rest` after the hash's digits.
fn hash_around(rest: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(START.as_bytes()).update(&[b'0'; DIGITS]).update(rest);
    hasher.finalize().to_hex().to_string()
}

fn words_of(hex: &str) -> Option<Vec<u32>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(8) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks_exact(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()).collect()
}

/// Reads the manifest in a folder; `None` where there is none.
///
/// # Errors
/// As [`Manifest::from_bytes`], and [`CheckpointError::Io`].
pub fn read(disk: &dyn crate::disk::Disk, folder: &Path) -> Result<Option<Manifest>, CheckpointError> {
    let path = folder.join(names::MANIFEST);
    let io = || CheckpointError::io("read the manifest", &path);
    let file = match disk.open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io())?,
    };
    let length = file.size().map_err(io())?;
    let size = usize::try_from(length).ok().filter(|_| length <= MOST_BYTES);
    let size =
        size.ok_or_else(|| CheckpointError::damaged(&path, format!("{length} bytes are too many for a manifest")))?;
    let mut bytes = vec![0; size];
    file.read_at(&mut bytes, 0).map_err(io())?;
    Manifest::from_bytes(&bytes, &path).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let hash = blake3::hash(b"x");
        let part = |writer| PartInfo {
            file: names::part(writer, &hash),
            writer,
            bytes: 172,
            blake3: hash.to_hex().to_string(),
            bodies: 2,
            words: 11,
        };
        let mut manifest = Manifest::of_parts(1234, vec![part(0), part(7)]);
        manifest.job = "two \"blocks\"\u{7}".into();
        manifest.fingerprint = "0af1".into();
        manifest.rigids = vec![0, 0xdead_beef, u32::MAX];
        manifest.batch_to_rank = vec![0, 0, 7];
        manifest.view = View { term: [3, 1], members: vec![0, 7] };
        manifest.extra = serde_json::json!({ "moves": [1.5, null], "word": "\n" });
        manifest
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let text = example().to_text().expect("plain values");
        let path = Path::new("manifest.json");
        assert_eq!(Manifest::from_bytes(text.as_bytes(), path).expect("just made"), example());
        serde_json::from_str::<Value>(&text).expect("JSON");
        let empty = Manifest::of_parts(0, Vec::new());
        let text = empty.to_text().expect("plain values");
        assert_eq!(Manifest::from_bytes(text.as_bytes(), path).expect("just made"), empty);
    }

    #[test]
    fn another_version_says_which_rankzero_to_take() {
        let text = example().to_text().expect("plain values");
        let rest = text[START.len() + DIGITS..].replacen("\"version\": 1", "\"version\": 9, \"news\": []", 1);
        let text = format!("{START}{}{rest}", hash_around(rest.as_bytes()));
        let error = Manifest::from_bytes(text.as_bytes(), Path::new("x/manifest.json")).expect_err("not ours");
        assert!(matches!(error, CheckpointError::Version { found: 9, known: 1, .. }));
        assert!(error.to_string().contains("restore with the rankzero that wrote it"), "{error}");
    }

    #[test]
    fn a_forged_manifest_is_refused_for_what_it_says() {
        let text = example().to_text().expect("plain values");
        let file = example().parts[0].file.clone();
        for (from, to, told) in [
            ("\"bodies\": 4", "\"bodies\": 5", "hold 4 bodies, not 5"),
            ("\"words\": 22", "\"words\": 18446744073709551615", "do not hold"),
            ("\"step\": 1234", "\"step\": -1", "not a manifest"),
            ("\"step\": 1234", "\"step\": 1234, \"more\": 1", "unknown field"),
            (file.as_str(), "../../etc/passwd", "no name of a part"),
            ("part-00007", "part-00000", "twice"),
            ("\"0af1\"", "\"ÄÖ\"", "not hexadecimal"),
            ("deadbeef", "deadbee", "`rigids`"),
            ("deadbeef", "+eadbeef", "`rigids`"),
            ("\"version\": 1", "\"version\": \"1\"", "version"),
        ] {
            let rest = text[START.len() + DIGITS..].replacen(from, to, 1);
            assert!(!text.ends_with(&rest), "{from} is in the file");
            let forged = format!("{START}{}{rest}", hash_around(rest.as_bytes()));
            let error = Manifest::from_bytes(forged.as_bytes(), Path::new("x")).expect_err("forged").to_string();
            assert!(error.contains(told), "{to}: {error}");
        }
    }

    #[test]
    fn another_job_is_told_with_a_remedy() {
        example().check_job("0af1", Path::new("x")).expect("the same job");
        let error = example().check_job("ffff", Path::new("x/manifest.json")).expect_err("another job").to_string();
        assert!(["0af1", "ffff", "two \"blocks\"", "start anew"].iter().all(|words| error.contains(words)), "{error}");
    }
}
