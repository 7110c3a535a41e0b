//! From a file to a checked [`Job`].

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::check;
use crate::model::Job;
use crate::node::Node;
use crate::overrides::{self, Applied, Overrides};
use crate::path::FieldPath;
use crate::problem::{JobError, Origin, Problem};
use crate::typing::{self, Finding};
use crate::{locate, text};

/// A job that was read and makes sense, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The job.
    pub job: Job,
    /// The job file's name as it was given.
    pub file: PathBuf,
    /// Fields that were overridden, as `(path, by what)`, in the order in which they were applied.
    pub overridden: Vec<(String, Origin)>,
}

impl Loaded {
    /// The directory that relative paths of the job start from: the job file's.
    pub fn directory(&self) -> &Path {
        match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// A mesh file named in the job, as the program opens it.
    pub fn resolve(&self, file: &Path) -> PathBuf {
        self.directory().join(file)
    }
}

/// Reads a job file, applies the overrides and checks the result.
///
/// # Errors
/// [`JobError::Read`] where the file cannot be read, [`JobError::Invalid`] with everything that is wrong otherwise.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, JobError> {
    let failed = |source| JobError::Read { path: path.to_owned(), source };
    // One byte more than allowed shows that a file is too long, whatever it is: a pipe and /dev/zero have no length.
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(text::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let name = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        let column =
            1 + String::from_utf8_lossy(good.rsplit(|&byte| byte == b'\n').next().unwrap_or_default()).chars().count();
        let origin = Origin::File { file: name.clone(), line: Some(line), column: Some(column) };
        let message = "the file is not UTF-8 text".into();
        JobError::Invalid(vec![Problem { origin, path: String::new(), message, help: None }])
    })?;
    parse(&text, &name, overrides)
}

/// The same as [`load`] for a text at hand; `file` is its name for messages, and where its relative paths start from.
///
/// # Errors
/// [`JobError::Invalid`] with everything that is wrong.
pub fn parse(text: &str, file: &str, overrides: &Overrides) -> Result<Loaded, JobError> {
    let whole = |place: Option<(usize, usize)>, message, help| {
        let origin = Origin::File { file: file.to_owned(), line: place.map(|p| p.0), column: place.map(|p| p.1) };
        JobError::Invalid(vec![Problem { origin, path: String::new(), message, help }])
    };
    let written = text::read(text).map_err(|error| whole(error.place, error.message, error.help))?;
    if !matches!(written, Node::Map(_)) {
        let message = format!("a job is a map of fields, this is {}", written.describe());
        return Err(whole(None, message, Some("a job needs at least `name`, `time` and a body".into())));
    }
    let source = Source { text, file, written: &written, applied: Vec::new() };
    let mut tree = written.clone();
    tree.merge().map_err(|path| {
        let (line, column) = locate::locate(text, &path.0, false).unzip();
        let origin = Origin::File { file: file.to_owned(), line, column };
        let message = "`<<` merges a map or a list of maps, nothing else".into();
        JobError::Invalid(vec![Problem { origin, path: path.to_string(), message, help: None }])
    })?;
    let applied = overrides::apply(&mut tree, overrides).map_err(JobError::Invalid)?;
    let source = Source { applied, ..source };
    let job = typing::typed(&tree).map_err(|findings| source.invalid(findings))?;
    let findings = check::findings(&job);
    if !findings.is_empty() {
        return Err(source.invalid(findings));
    }
    let overridden = source.applied.into_iter().map(|a| (a.path.to_string(), a.origin)).collect();
    Ok(Loaded { job, file: file.into(), overridden })
}

/// What is needed to say where a value came from.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
    /// The text as a tree, before merges.
    written: &'a Node,
    applied: Vec<Applied>,
}

impl Source<'_> {
    fn invalid(&self, findings: Vec<Finding>) -> JobError {
        let mut problems: Vec<Problem> = findings.into_iter().map(|finding| self.problem(finding)).collect();
        problems.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column, .. } => (0, line, column),
            _ => (1, None, None),
        });
        JobError::Invalid(problems)
    }

    fn problem(&self, Finding { path, message, help, at_key }: Finding) -> Problem {
        Problem { origin: self.origin(&path, at_key), path: path.to_string(), message, help }
    }

    /// Where the value at `path`, or the nearest value around it that exists, came from.
    fn origin(&self, path: &FieldPath, at_key: bool) -> Origin {
        if let Some(applied) = self.applied.iter().rev().find(|applied| applied.path.contains(path)) {
            return applied.origin.clone();
        }
        let (written, cut) = self.written.written_at(path);
        let (line, column) = match written.0.is_empty() {
            true => (None, None),
            // The key of what encloses a missing value is easier to see than its content.
            false => locate::locate(self.text, &written.0, at_key || cut).unzip(),
        };
        Origin::File { file: self.file.to_owned(), line, column }
    }
}
