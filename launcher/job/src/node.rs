//! A job file as a tree, before it is typed.
//!
//! The tree is what overrides are applied to and what the types are read from. It knows no tags, anchors or aliases: reading resolves
//! the aliases and refuses the tags. Keys are strings and occur once.

use std::collections::BTreeMap;

use crate::path::{FieldPath, Segment};

/// The key of a YAML merge.
const MERGE: &str = "<<";

/// A value of a job file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

impl Node {
    /// The value's kind and, where it is short, the value, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Unsigned(value) => format!("the number {value}"),
            Self::Signed(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(value) => format!("the text {:?}", shorten(value)),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(_) => "a map".into(),
        }
    }

    /// The value one step further, if there is one. A numeric step also names an entry of a map.
    pub(crate) fn child(&self, segment: &Segment) -> Option<&Node> {
        match (self, segment) {
            (Self::Map(map), Segment::Key(key)) => map.get(key),
            (Self::Map(map), Segment::Index(index)) => map.get(&index.to_string()),
            (Self::List(list), Segment::Index(index)) => list.get(*index),
            _ => None,
        }
    }

    /// The same as [`Node::child`], to change it.
    pub(crate) fn child_mut(&mut self, segment: &Segment) -> Option<&mut Node> {
        match (self, segment) {
            (Self::Map(map), Segment::Key(key)) => map.get_mut(key),
            (Self::Map(map), Segment::Index(index)) => map.get_mut(&index.to_string()),
            (Self::List(list), Segment::Index(index)) => list.get_mut(*index),
            _ => None,
        }
    }

    /// The value at `path`, if there is one.
    pub(crate) fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Node> {
        path.iter().try_fold(self, |node, segment| node.child_mut(segment))
    }

    /// Replaces every `<<` by the entries of the maps that it names; entries of the map itself go first, then those of earlier maps.
    ///
    /// # Errors
    /// The path of the first `<<` whose value is neither a map nor a list of maps.
    pub(crate) fn merge(&mut self) -> Result<(), FieldPath> {
        self.merge_below(&FieldPath::default())
    }

    fn merge_below(&mut self, path: &FieldPath) -> Result<(), FieldPath> {
        match self {
            Self::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    item.merge_below(&path.index(i))?;
                }
            }
            Self::Map(map) => {
                for (key, value) in map.iter_mut() {
                    value.merge_below(&path.key(key))?;
                }
                let sources = match map.remove(MERGE) {
                    None => return Ok(()),
                    Some(Self::List(sources)) => sources,
                    Some(source) => vec![source],
                };
                for source in sources {
                    let Self::Map(source) = source else {
                        return Err(path.key(MERGE));
                    };
                    for (key, value) in source {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the value that stands at `path` after [`Node::merge`] is written in this tree, which is not merged yet. A path that leads
    /// nowhere is cut at the last value that exists; the second result says whether it was.
    pub(crate) fn written_at(&self, path: &FieldPath) -> (FieldPath, bool) {
        let (mut node, mut written) = (self, FieldPath::default());
        for segment in &path.0 {
            let Some(steps) = node.find(segment) else {
                return (written, true);
            };
            for step in steps {
                // `find` has just walked these steps.
                let Some(next) = node.child(&step) else {
                    return (written, true);
                };
                node = next;
                written.0.push(step);
            }
        }
        (written, false)
    }

    /// The steps from this value to its child `segment`, through merges where it is not its own.
    fn find(&self, segment: &Segment) -> Option<Vec<Segment>> {
        if self.child(segment).is_some() {
            return Some(vec![segment.clone()]);
        }
        let merge = Segment::Key(MERGE.into());
        let through = |mut before: Vec<Segment>, source: &Node| {
            before.extend(source.find(segment)?);
            Some(before)
        };
        match self.child(&merge)? {
            Self::List(sources) => sources
                .iter()
                .enumerate()
                .find_map(|(i, source)| through(vec![merge.clone(), Segment::Index(i)], source)),
            source => through(vec![merge], source),
        }
    }
}

/// At most 40 characters of `text`.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
