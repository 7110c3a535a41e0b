//! As much of JSON Schema as the job file's schema uses. A keyword that it does not know fails the test.

use serde_json::Value;

/// Why `value` does not fit `schema`, a part of `root`.
pub fn complaint(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let Value::Object(rules) = schema else {
        return (schema != &Value::Bool(true)).then(|| format!("{value} fits nothing"));
    };
    rules.iter().find_map(|(rule, argument)| {
        let fits = |schema: &Value| complaint(root, schema, value).is_none();
        let bad = match rule.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => return None,
            "required" | "properties" | "additionalProperties" => return object(root, rules, rule, argument, value),
            "$ref" => {
                let target = argument.as_str().and_then(|r| root.pointer(r.strip_prefix('#')?));
                let target = target.unwrap_or_else(|| panic!("{argument} leads nowhere"));
                return complaint(root, target, value);
            }
            "anyOf" => !list(argument).iter().any(fits),
            "oneOf" => list(argument).iter().filter(|schema| fits(schema)).count() != 1,
            "type" => !one_or_many(argument).iter().any(|kind| is(value, kind.as_str().unwrap_or_default())),
            "enum" => !list(argument).contains(value),
            "const" => argument != value,
            "minimum" => value.as_f64().is_some_and(|v| v < number(argument)),
            "maximum" => value.as_f64().is_some_and(|v| v > number(argument)),
            "minItems" => value.as_array().is_some_and(|v| (v.len() as f64) < number(argument)),
            "maxItems" => value.as_array().is_some_and(|v| v.len() as f64 > number(argument)),
            "items" => {
                return value.as_array().into_iter().flatten().find_map(|item| complaint(root, argument, item));
            }
            // Only colours have one that matters here.
            "pattern" => value
                .as_str()
                .is_some_and(|v| argument.as_str().is_some_and(|p| p.starts_with("^#") && !v.starts_with('#'))),
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        bad.then(|| format!("{value} breaks {rule}: {argument}"))
    })
}

type Rules = serde_json::Map<String, Value>;

fn object(root: &Value, rules: &Rules, rule: &str, argument: &Value, value: &Value) -> Option<String> {
    let map = value.as_object()?;
    let known = |key: &str| rules.get("properties").and_then(|p| p.get(key));
    match rule {
        "required" => list(argument)
            .iter()
            .find(|key| !map.contains_key(key.as_str().unwrap_or_default()))
            .map(|key| format!("{key} is missing")),
        "properties" => map.iter().find_map(|(key, value)| complaint(root, known(key)?, value)),
        _ => map
            .iter()
            .filter(|(key, _)| known(key).is_none())
            .find_map(|(key, value)| complaint(root, argument, value).map(|why| format!("{key}: {why}"))),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema uses the type `{other}`"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn one_or_many(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}
