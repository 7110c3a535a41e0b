//! The schema describes exactly the jobs that are accepted: checked with the ready jobs, with what they resolve to, and with mistakes.

mod small_schema;

use rankzero_job::{Overrides, load, parse, schema};
use serde_json::Value;
use small_schema::complaint;

fn as_json(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}

fn ready_jobs() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs");
    let names = ["demo", "hanging-bar", "mesh", "stack", "two-blocks"];
    names.iter().map(|name| format!("{directory}/{name}.yaml")).collect()
}

#[test]
fn the_schema_accepts_every_ready_job_as_written_and_as_resolved() {
    let schema = schema();
    for file in ready_jobs() {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(complaint(&schema, &schema, &as_json(&text)), None, "{file}");
        let loaded = load(file.as_ref(), &Overrides::none()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(complaint(&schema, &schema, &as_json(&loaded.job.resolved_yaml())), None, "{file}");
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = schema();
    let good = "{name: a, time: {steps: 5}, rigid_bodies: [{name: b, motion: fixed, shape: {sphere: {radius_m: 1}}}]}";
    assert_eq!(complaint(&schema, &schema, &as_json(good)), None);
    let edits = [
        ("name: a", "nmae: a"),
        ("name: a", "name: 5"),
        ("steps: 5", "steps: -5"),
        ("steps: 5", "steps: 5, substeps: atuo"),
        ("motion: fixed", "motion: fxied"),
        ("sphere:", "sphre:"),
        ("{radius_m: 1}", "{}"),
        ("name: b", "name: b, friction: {static: 1}"),
        ("name: b", "name: b, velocity_m_s: [1, 2]"),
        ("name: b", "name: b, colour: red"),
        ("name: a", "name: a, balance: {strategy: fair}"),
    ];
    for (from, to) in edits {
        let bad = good.replacen(from, to, 1);
        assert!(parse(&bad, "bad.yaml", &Overrides::none()).is_err(), "{bad}");
        assert!(complaint(&schema, &schema, &as_json(&bad)).is_some(), "{bad}");
    }
}

/// Editors show these.
#[test]
fn every_field_has_a_title_and_a_description() {
    let schema = schema();
    let mut poor = Vec::new();
    let empty = serde_json::Map::new();
    let definitions = schema["$defs"].as_object().unwrap_or(&empty);
    for (name, definition) in definitions.iter().map(|(n, d)| (n.as_str(), d)).chain([("Job", &schema)]) {
        for (field, property) in definition["properties"].as_object().unwrap_or(&empty) {
            if property["title"] != field.as_str() || property["description"].as_str().is_none_or(str::is_empty) {
                poor.push(format!("{name}.{field}"));
            }
        }
    }
    assert_eq!(poor, Vec::<String>::new());
    assert!(definitions.len() > 30);
    assert_eq!(schema["properties"]["network"]["default"]["heartbeat_ms"], 1000);
    assert_eq!(schema["$defs"]["Contact"]["properties"]["margin_m"]["default"], 0.005);
}
