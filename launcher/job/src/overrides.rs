//! Values that go before those of the job file.
//!
//! Order: defaults, then the job file, then environment variables in the order of their names, then `--set` in the order given. A later one
//! goes before an earlier one.

use std::ffi::OsString;

use crate::node::Node;
use crate::path::{FieldPath, Segment};
use crate::problem::{Origin, Problem};
use crate::text;

/// How the environment variables that override a job begin: `RANKZERO_JOB__time__substeps=8`.
pub const ENVIRONMENT_PREFIX: &str = "RANKZERO_JOB__";

/// Values that go before those of the job file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Environment variables as `(name, value)`. Those that do not begin with [`ENVIRONMENT_PREFIX`] are left alone.
    pub environment: Vec<(String, String)>,
    /// Arguments of `--set`, each `path=value`, such as `soft_bodies[0].count=3`. The value is YAML.
    pub set: Vec<String>,
}

impl Overrides {
    /// No overrides.
    pub fn none() -> Self {
        Self::default()
    }

    /// Only these arguments of `--set`.
    pub fn from_set<S: Into<String>>(set: impl IntoIterator<Item = S>) -> Self {
        Self { environment: Vec::new(), set: set.into_iter().map(Into::into).collect() }
    }

    /// The variables of this process's environment that override a job, and these arguments of `--set`.
    ///
    /// Bytes that are not UTF-8 become `U+FFFD`, which no field accepts.
    pub fn from_process<S: Into<String>>(set: impl IntoIterator<Item = S>) -> Self {
        let text = |bytes: OsString| bytes.to_string_lossy().into_owned();
        let environment =
            std::env::vars_os().map(|(name, value)| (text(name), text(value))).filter(|(name, _)| is_ours(name));
        Self { environment: environment.collect(), ..Self::from_set(set) }
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX)
}

/// A value that was overridden, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) path: FieldPath,
    pub(crate) origin: Origin,
}

/// Puts the overrides into the tree, later ones over earlier ones.
///
/// # Errors
/// Every override that has no effect because it cannot be read or leads nowhere.
pub(crate) fn apply(tree: &mut Node, overrides: &Overrides) -> Result<Vec<Applied>, Vec<Problem>> {
    let (mut applied, mut problems) = (Vec::new(), Vec::new());
    for Override { origin, path, value } in all(overrides) {
        let mut refuse = |message, help: Option<&str>| {
            let help = help.map(str::to_owned);
            problems.push(Problem { origin: origin.clone(), path: String::new(), message, help });
        };
        let path = match path {
            Ok(path) => path,
            Err(message) => {
                refuse(message, Some(HELP));
                continue;
            }
        };
        match value.and_then(|value| put(tree, &path, value)) {
            Ok(()) => applied.push(Applied { path, origin }),
            Err(message) => refuse(message, None),
        }
    }
    if problems.is_empty() { Ok(applied) } else { Err(problems) }
}

const HELP: &str =
    "write `--set soft_bodies[0].count=3`, or `RANKZERO_JOB__soft_bodies__0__count=3` in the environment";

/// One override as it was given; path and value may each be unreadable.
struct Override {
    origin: Origin,
    path: Result<FieldPath, String>,
    value: Result<Node, String>,
}

/// All overrides in the order in which they are applied.
fn all(overrides: &Overrides) -> impl Iterator<Item = Override> {
    let mut environment: Vec<_> = overrides.environment.iter().filter(|(name, _)| is_ours(name)).collect();
    environment.sort();
    let environment = environment.into_iter().map(|(name, value)| Override {
        origin: Origin::Environment { variable: format!("{name}={value}") },
        path: FieldPath::parse_underscored(&name[ENVIRONMENT_PREFIX.len()..])
            .map_err(|error| format!("the variable's name {error}")),
        value: read_value(value),
    });
    let set = overrides.set.iter().map(|argument| {
        let (path, value) = match argument.split_once('=') {
            None => (Err("has no `=`; expected `path=value`".into()), ""),
            Some((path, value)) => (FieldPath::parse_dotted(path.trim()), value),
        };
        let path = path.map_err(|error| if argument.contains('=') { format!("the path {error}") } else { error });
        Override { origin: Origin::Set { argument: argument.clone() }, path, value: read_value(value) }
    });
    environment.chain(set)
}

fn read_value(value: &str) -> Result<Node, String> {
    if value.trim().is_empty() {
        return Err("has no value; write `null` to unset, or `\"\"` for an empty text".into());
    }
    let mut node = text::read(value).map_err(|error| format!("the value is {}", error.message))?;
    node.merge().map_err(|_| "the value merges (`<<`) what is no map".to_owned())?;
    Ok(node)
}

/// Puts `value` at `path`, making the maps on the way.
fn put(tree: &mut Node, path: &FieldPath, value: Node) -> Result<(), String> {
    let mut node = tree;
    let mut walked = FieldPath::default();
    for segment in &path.0 {
        if *node == Node::Null || matches!((&*node, segment), (Node::Text(_), Segment::Key(_))) {
            // Nothing, or a bare word such as `auto` or `fixed`: what is set replaces it.
            *node = Node::Map(Default::default());
        }
        node = match (node, segment) {
            (Node::Map(map), Segment::Key(key)) => map.entry(key.clone()).or_insert(Node::Null),
            (Node::Map(map), Segment::Index(index)) => map.entry(index.to_string()).or_insert(Node::Null),
            (Node::List(list), Segment::Index(index)) => {
                let length = list.len();
                list.get_mut(*index).ok_or_else(|| match length {
                    0 => format!("`{walked}` is an empty list"),
                    _ => format!("`{walked}` has the items 0 to {}, not {index}", length - 1),
                })?
            }
            (Node::List(_), Segment::Key(key)) => {
                return Err(format!("`{walked}` is a list: it has numbers, not `{key}`, such as `{walked}[0]`"));
            }
            (other, _) => return Err(format!("`{walked}` is {}, which has no fields", other.describe())),
        };
        walked.0.push(segment.clone());
    }
    *node = value;
    Ok(())
}
