//! Paths to values of a job file: `soft_bodies[0].shape.box.size_m[1]`.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// An entry of a map.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// Where a value lies, from the root of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldPath(pub(crate) Vec<Segment>);

impl FieldPath {
    /// This path, one key further.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// This path, one index further.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// Whether this is `other` or one of the values that contain it.
    pub(crate) fn contains(&self, other: &FieldPath) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Reads `soft_bodies[0].count`; `soft_bodies.0.count` means the same.
    pub(crate) fn parse_dotted(text: &str) -> Result<Self, String> {
        let mut path = Self::default();
        for part in text.split('.') {
            let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.is_empty() && rest.is_empty() {
                return Err("has an empty name between dots".into());
            }
            if !name.is_empty() {
                path.0.push(Segment::named(name));
            } else if path.0.is_empty() {
                return Err("must begin with a field's name".into());
            }
            while !rest.is_empty() {
                let index = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
                let Some((digits, tail)) = index else {
                    return Err("has a `[` or `]` without its partner".into());
                };
                let index = digits.trim().parse().map_err(|_| format!("has `[{digits}]`, which is no index"))?;
                path.0.push(Segment::Index(index));
                rest = tail;
            }
        }
        Ok(path)
    }

    /// Reads `soft_bodies__0__count`, the form of environment variables.
    pub(crate) fn parse_underscored(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split("__").collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err("has an empty name between double underscores".into());
        }
        Ok(Self(parts.into_iter().map(Segment::named).collect()))
    }
}

impl Segment {
    /// A number is an index, all else is a key.
    fn named(name: &str) -> Self {
        name.parse().map_or_else(|_| Self::Key(name.to_owned()), Self::Index)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
