//! Reads Rust types out of a [`Node`], with messages in the words of a job file.
//!
//! Invariants: a number that reaches a type is finite and fits an `f32`; a list is consumed whole; an enum is its name, or a map of one
//! entry.

use std::collections::btree_map;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::fault::Fault;
use crate::node::Node;

/// `value`, if a job can hold it.
fn finite(value: f64) -> Result<f64, Fault> {
    if value.abs() <= f64::from(f32::MAX) {
        return Ok(value);
    }
    Err(Fault::Wrong { found: format!("{value:e}"), allowed: "a finite number below 3.4e38".into() })
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Unsigned(value) => visitor.visit_u64(*value),
            Node::Signed(value) => visitor.visit_i64(*value),
            Node::Float(value) => visitor.visit_f64(finite(*value)?),
            Node::Text(value) => visitor.visit_borrowed_str(value),
            Node::List(items) => {
                let mut rest = items.iter();
                let value = visitor.visit_seq(Items(&mut rest))?;
                match rest.len() {
                    0 => Ok(value),
                    _ => Err(Fault::invalid_length(items.len(), &"a shorter list")),
                }
            }
            Node::Map(map) => visitor.visit_map(Entries { rest: map.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        let allowed = format!("a list of {len} numbers");
        match self {
            Node::List(items) if items.len() == len => self.deserialize_any(visitor),
            other => Err(Fault::Wrong { found: other.describe(), allowed }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Node::Map(_) => self.deserialize_any(visitor),
            other => Err(Fault::Wrong { found: other.describe(), allowed: "a map of fields".into() }),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Node::Text(name) => visitor.visit_enum(Choice { name, content: None }),
            Node::Map(map) => match map.iter().next() {
                Some((name, content)) if map.len() == 1 => visitor.visit_enum(Choice { name, content: Some(content) }),
                _ => {
                    let names: Vec<&str> = map.keys().take(8).map(String::as_str).collect();
                    let found = match names.as_slice() {
                        [] => "an empty map".into(),
                        names => format!("a map of {} ({})", map.len(), names.join(", ")),
                    };
                    Err(Fault::Wrong { found, allowed: one_of(variants) })
                }
            },
            other => Err(Fault::Wrong { found: other.describe(), allowed: one_of(variants) }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple_struct map identifier
    }
}

fn one_of(variants: &[&str]) -> String {
    format!("exactly one of `{}`", variants.join("`, `"))
}

/// The items of a list.
struct Items<'a, 'de>(&'a mut std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a map.
struct Entries<'de> {
    rest: btree_map::Iter<'de, String, Node>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Fault::custom("a value was asked for before its key")),
        }
    }
}

/// A variant's name, with its content if it stands in a map.
struct Choice<'de> {
    name: &'de str,
    content: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Choice<'de> {
    fn content(&self) -> Result<&'de Node, Fault> {
        self.content.ok_or_else(|| Fault::Wrong {
            found: "its name alone".into(),
            allowed: format!("`{}` with content, `{{{}: …}}`", self.name, self.name),
        })
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None | Some(Node::Null) => Ok(()),
            Some(other) => Err(Fault::Wrong { found: other.describe(), allowed: format!("`{}` alone", self.name) }),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.content()?.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        match self.content()? {
            map @ Node::Map(_) => map.deserialize_struct("", fields, visitor),
            other => Err(Fault::invalid_type(Unexpected::Other(&other.describe()), &"a map of fields")),
        }
    }
}
