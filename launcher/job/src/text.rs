//! From YAML text to a [`Node`], within bounds of size, depth and expansion.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

use crate::node::{Node, shorten};

/// Longest text that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Most values that a text may expand to through its aliases.
pub(crate) const MAX_VALUES: usize = 1 << 20;
/// Deepest nesting of brackets that reaches the YAML parser, whose time grows with length times depth. It refuses nesting above 128
/// itself; more than that is let through here, because this count does not know quotes.
const MAX_BRACKETS: usize = 512;

/// What is wrong with a text, and where: line and column from 1, where known.
#[derive(Debug)]
pub(crate) struct TextError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) place: Option<(usize, usize)>,
}

impl TextError {
    fn at(place: Option<(usize, usize)>, message: impl Into<String>, help: Option<&str>) -> Self {
        Self { message: message.into(), help: help.map(str::to_owned), place }
    }
}

/// Reads one YAML document.
pub(crate) fn read(text: &str) -> Result<Node, TextError> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(TextError::at(None, message, Some("put large data into mesh files")));
    }
    if let Some(line) = too_deep(text) {
        return Err(TextError::at(Some((line, 1)), "brackets are nested too deeply", None));
    }
    let reader = Reader { values: Cell::new(0), complaint: RefCell::new(None) };
    reader.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let place = error.location().map(|l| (l.line(), l.column()));
        if let Some(message) = reader.complaint.take() {
            return TextError::at(place, message, None);
        }
        explain(&error.to_string(), place)
    })
}

/// A YAML parser's message without the place, which is told apart.
fn explain(message: &str, place: Option<(usize, usize)>) -> TextError {
    let suffix = place.map_or_else(String::new, |(line, column)| format!(" at line {line} column {column}"));
    let message = message.replacen(&suffix, "", usize::from(!suffix.is_empty()));
    let help = if message.contains("cannot start any token") {
        "indent with spaces, not tabs, and quote text that begins with a special character"
    } else if message.contains("mapping values are not allowed") {
        "a text that contains `: ` needs quotes; entries of one map begin in one column"
    } else if message.contains("more than one document") {
        "one file holds one job: remove the `---` between them"
    } else if message.contains("repetition limit") || message.contains("recursion limit") {
        "use fewer aliases inside aliases, and less nesting"
    } else {
        return TextError::at(place, format!("not valid YAML: {message}"), None);
    };
    TextError::at(place, format!("not valid YAML: {message}"), Some(help))
}

/// The line at which brackets first nest deeper than [`MAX_BRACKETS`].
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (i, line) in text.lines().enumerate() {
        let code = line.split(" #").next().unwrap_or(line);
        for byte in code.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_BRACKETS {
                return Some(i + 1);
            }
        }
    }
    None
}

/// Reads any value into a [`Node`], counting values.
struct Reader {
    values: Cell<usize>,
    /// What this reader, rather than the parser, found wrong.
    complaint: RefCell<Option<String>>,
}

impl Reader {
    fn complain<E: de::Error>(&self, message: String) -> E {
        *self.complaint.borrow_mut() = Some(message);
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for &Reader {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return Err(
                self.complain(format!("the file holds more than {MAX_VALUES} values once its aliases are expanded"))
            );
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    /// A document without content.
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Signed(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key_seed(NewKey { reader: self, map: &map })? {
            let value = entries.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Node::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(self.complain("YAML tags (`!…`) have no meaning in a job file".into()))
    }
}

/// Reads a key that the map does not have yet. The error is raised here so that it is located at the key.
struct NewKey<'a> {
    reader: &'a Reader,
    map: &'a BTreeMap<String, Node>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name as the key of a map")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.map.contains_key(key) {
            return Err(self.reader.complain(format!("`{}` is given a second time", shorten(key))));
        }
        Ok(key.to_owned())
    }
}
