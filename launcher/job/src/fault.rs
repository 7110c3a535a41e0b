//! Errors of typing a tree, with what is allowed kept apart from what was found, so that the nearest allowed name can be told.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why a value does not have its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    MissingField {
        field: &'static str,
    },
    UnknownVariant {
        variant: String,
        known: &'static [&'static str],
    },
    /// Another kind of value than allowed.
    Wrong {
        found: String,
        allowed: String,
    },
    Other(String),
}

impl Fault {
    /// What is wrong, and what is allowed.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::UnknownField { field, .. } => format!("unknown field `{field}`"),
            Self::MissingField { field } => format!("the field `{field}` is missing"),
            Self::UnknownVariant { variant, .. } => format!("unknown choice `{variant}`"),
            Self::Wrong { found, allowed } => format!("expected {allowed}, found {found}"),
            Self::Other(message) => message.clone(),
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::UnknownField { field, known } => Some(name_help(field, known.iter().copied(), "allowed here")),
            Self::UnknownVariant { variant, known } => Some(name_help(variant, known.iter().copied(), "allowed here")),
            Self::MissingField { field } => Some(format!("add `{field}: …`")),
            Self::Wrong { found, .. } if found == "nothing" => {
                Some("write the value after the colon, or remove the line".into())
            }
            Self::Wrong { found, allowed } if allowed == "a text" && found.starts_with("the number") => {
                Some("put it in quotes".into())
            }
            Self::Wrong { found, allowed } => {
                // A word near one of the words that are allowed: `atuo` for `auto`.
                let word = found.strip_prefix("the text \"")?.strip_suffix('"')?;
                let near = nearest(word, allowed.split('`').skip(1).step_by(2))?;
                Some(format!("did you mean `{near}`?"))
            }
            Self::Other(_) => None,
        }
    }

    /// The allowed name that was probably meant.
    pub(crate) fn meant(&self) -> Option<&'static str> {
        match self {
            Self::UnknownField { field, known } => nearest(field, known.iter().copied()),
            _ => None,
        }
    }
}

/// The name among `known` that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Comparison costs length times length, and no name is long.
    if name.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let wanted = plain(name);
    let (distance, best) = known
        .map(|candidate| {
            let candidate_plain = plain(candidate);
            // `young` for `young_pa`, `mat` for `material`: the rest was left out.
            let begun = wanted.len() >= 3 && candidate_plain.starts_with(&wanted);
            (if begun { 1 } else { strsim::osa_distance(&wanted, &candidate_plain) }, candidate)
        })
        .min()?;
    (distance <= wanted.chars().count().div_ceil(3)).then_some(best)
}

/// `did you mean …`, where a name is near, and the list of all where it is short enough to read.
pub(crate) fn name_help<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone, what: &str) -> String {
    let list: Vec<String> = known.clone().take(30).map(|known| format!("`{known}`")).collect();
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? {what}: {list}"),
        None => format!("{what}: {list}"),
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn invalid_type(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::Wrong { found: describe(&found), allowed: allowed(expected) }
    }

    fn invalid_value(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::Wrong { found: format!("a list of {found}"), allowed: allowed(expected) }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownVariant { variant: crate::node::shorten(variant), known }
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownField { field: crate::node::shorten(field), known }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField { field }
    }
}

fn describe(found: &Unexpected) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the text {:?}", crate::node::shorten(text)),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        other => other.to_string(),
    }
}

/// What serde expected, in the words of a job file rather than of Rust.
fn allowed(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" => "a whole number, 0 or more".into(),
        "f32" => "a number".into(),
        "a boolean" => "`true` or `false`".into(),
        "a string" | "path string" => "a text".into(),
        "a sequence" => "a list".into(),
        "an array of length 3" => "a list of 3 numbers".into(),
        _ if text.starts_with("struct ") || text == "a map" => "a map of fields".into(),
        _ => text,
    }
}
