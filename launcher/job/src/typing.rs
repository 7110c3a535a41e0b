//! From the tree to the [`Job`], finding every value that does not have its type, not only the first.
//!
//! Serde stops at the first error. So after each one the tree is mended, a misspelt field renamed or a wrong value taken out, and typed
//! again, until it types or nothing is left. What is missing only because it was taken out is not told.
//! A tree that needed mending never becomes a job.

use serde::de::Deserialize;

use crate::fault::Fault;
use crate::model::Job;
use crate::node::Node;
use crate::path::{FieldPath, Segment};

/// Most problems that are told at once: each costs a pass over the text, and nobody reads more.
pub(crate) const MAX_FINDINGS: usize = 50;

/// A value that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) path: FieldPath,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether the value's key is meant rather than the value.
    pub(crate) at_key: bool,
}

/// Types the tree.
///
/// # Errors
/// All values that do not have their type, never none.
pub(crate) fn typed(tree: &Node) -> Result<Job, Vec<Finding>> {
    let first = match deserialize(tree) {
        Ok(job) => return Ok(job),
        Err(error) => error,
    };
    let mut mender = Mender { tree: tree.clone(), removed: Vec::new(), findings: Vec::new() };
    let mut next = Some(first);
    // Every round takes out or renames a value, so the rounds end even without the bound.
    for _ in 0..4 * MAX_FINDINGS {
        let Some((path, fault)) = next else { break };
        if !mender.take(path, &fault) || mender.findings.len() >= MAX_FINDINGS {
            break;
        }
        next = deserialize(&mender.tree).err();
    }
    Err(mender.findings)
}

fn deserialize(tree: &Node) -> Result<Job, (FieldPath, Fault)> {
    let mut track = serde_path_to_error::Track::new();
    Job::deserialize(serde_path_to_error::Deserializer::new(tree, &mut track)).map_err(|fault| {
        let mut path = FieldPath::default();
        for segment in track.path().iter() {
            match segment {
                serde_path_to_error::Segment::Seq { index } => path.0.push(Segment::Index(*index)),
                serde_path_to_error::Segment::Map { key } => path.0.push(Segment::Key(key.clone())),
                serde_path_to_error::Segment::Enum { variant } => path.0.push(Segment::Key(variant.clone())),
                serde_path_to_error::Segment::Unknown => break,
            }
        }
        (path, fault)
    })
}

struct Mender {
    tree: Node,
    /// What was taken out, by its path in the tree as it was given.
    removed: Vec<FieldPath>,
    findings: Vec<Finding>,
}

impl Mender {
    /// Notes `fault` at `path` of the mended tree, and mends it. Whether anything is left to type.
    fn take(&mut self, mut path: FieldPath, fault: &Fault) -> bool {
        if let Fault::UnknownField { field, .. } = fault {
            if path.0.last() != Some(&Segment::Key(field.clone())) && self.tree.at_mut(&path.key(field).0).is_some() {
                path = path.key(field);
            }
            self.note(self.original(&path), fault, true);
            return self.rename(&path, fault.meant());
        }
        if let Fault::MissingField { field } = fault {
            let missing = self.original(&path).key(field);
            if !self.removed.contains(&missing) {
                self.note(missing, fault, false);
            }
            return self.remove(&path);
        }
        let original = self.original(&path);
        // Where something inside was taken out, this fault is the hole that it left.
        if !self.removed.iter().any(|removed| original.contains(removed)) {
            self.note(original, fault, false);
        }
        self.remove(&path)
    }

    fn note(&mut self, path: FieldPath, fault: &Fault, at_key: bool) {
        self.findings.push(Finding { path, message: fault.message(), help: fault.help(), at_key });
    }

    /// Gives the entry at `path` the name that was meant, or takes it out.
    fn rename(&mut self, path: &FieldPath, meant: Option<&str>) -> bool {
        let Some((Segment::Key(key), parent)) = path.0.split_last() else {
            return false;
        };
        let Some(Node::Map(map)) = self.tree.at_mut(parent) else {
            return false;
        };
        let Some(value) = map.remove(key) else {
            return false;
        };
        if let Some(meant) = meant {
            map.entry(meant.to_owned()).or_insert(value);
        }
        true
    }

    /// Takes out the value at `path`. Whether it was there and is not all.
    fn remove(&mut self, path: &FieldPath) -> bool {
        let original = self.original(path);
        let Some((last, parent)) = path.0.split_last() else {
            return false;
        };
        match (self.tree.at_mut(parent), last) {
            (Some(Node::Map(map)), Segment::Key(key)) if map.contains_key(key) => {
                map.remove(key);
            }
            // An item of a short list of numbers is no item by itself: the list goes.
            (Some(Node::List(list)), Segment::Index(i)) if *i < list.len() => {
                if !matches!(list[*i], Node::Map(_)) {
                    return self.remove(&FieldPath(parent.to_vec()));
                }
                list.remove(*i);
            }
            // The path ends in a variant that is a bare name: the enum goes.
            _ => return self.remove(&FieldPath(parent.to_vec())),
        }
        self.removed.push(original);
        true
    }

    /// The path in the tree as it was given: counts the items that were taken out before it.
    fn original(&self, path: &FieldPath) -> FieldPath {
        let mut original = FieldPath::default();
        for segment in &path.0 {
            let Segment::Index(index) = segment else {
                original.0.push(segment.clone());
                continue;
            };
            let mut gone: Vec<usize> = self.removed.iter().filter_map(|r| index_below(&original, r)).collect();
            gone.sort_unstable();
            let index = gone.iter().fold(*index, |index, gone| index + usize::from(*gone <= index));
            original.0.push(Segment::Index(index));
        }
        original
    }
}

/// The index of the item `path` of the list at `list`.
fn index_below(list: &FieldPath, path: &FieldPath) -> Option<usize> {
    match path.0.split_last() {
        Some((Segment::Index(index), parent)) if parent == list.0 => Some(*index),
        _ => None,
    }
}
