//! The JSON Schema of job files, for editors and other programs.

use serde_json::{Map, Value};

use crate::model::Job;

/// The JSON Schema (draft 2020-12) of a job file, with titles, descriptions and defaults.
///
/// It is stricter and looser than [`crate::parse`] nowhere in names and kinds of values; ranges and references are only checked there.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Job).to_value();
    tidy(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".into(), "rankzero job".into());
        if let Some(Value::Object(definitions)) = root.get_mut("$defs") {
            for (name, definition) in definitions {
                if let Value::Object(definition) = definition {
                    definition.entry("title").or_insert_with(|| words(name).into());
                }
            }
        }
    }
    schema
}

/// `HeightField` as `Height field`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (i, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && i > 0 {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

/// Writes the defaults as a person would, and gives each field its name as title.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            if let Some(default) = map.get_mut("default") {
                shorten(default);
            }
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                title(properties);
            }
            map.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

fn title(properties: &mut Map<String, Value>) {
    for (name, property) in properties {
        if let Value::Object(property) = property {
            property.entry("title").or_insert_with(|| name.as_str().into());
        }
    }
}

/// Replaces every `f32` that was widened by the shortest number that reads back as the same `f32`.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        Value::Number(number) if number.is_f64() => {
            let short = number.as_f64().and_then(|n| (n as f32).to_string().parse::<f64>().ok());
            if let Some(short) = short.and_then(serde_json::Number::from_f64) {
                *number = short;
            }
        }
        _ => {}
    }
}
