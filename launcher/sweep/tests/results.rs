//! Results on disk: nothing that was finished is lost or counted twice, whatever the writer died of.

mod sweeps;

use std::fs;

use rankzero_sweep::{Key, Manifest, Outcome, Results, Scaling, SweepError};
use sweeps::{done, manifest, record};

fn add(dir: &std::path::Path, manifest: &Manifest, count: usize) {
    let mut results = Results::own(dir).expect("own directory");
    for point in manifest.plan.points().into_iter().take(count) {
        results.add(done(manifest, point)).expect("written");
    }
}

#[test]
fn what_was_written_is_read_and_the_rest_is_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = manifest(Scaling::Strong, &[1, 2, 4], 2, 8);
    manifest.write(dir.path()).expect("written");
    assert_eq!(Manifest::read(dir.path()).expect("read"), manifest);
    add(dir.path(), &manifest, 4);
    let results = Results::read(dir.path()).expect("results");
    let points = manifest.plan.points();
    assert_eq!(results.records().iter().map(|record| record.point).collect::<Vec<_>>(), points[..4]);
    assert_eq!(results.records()[1], done(&manifest, points[1]));
    assert_eq!(manifest.to_do(results.records()), points[4..]);
}

#[test]
fn a_line_that_was_torn_at_any_byte_costs_that_line_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = manifest(Scaling::Strong, &[1, 2], 2, 8);
    add(dir.path(), &manifest, 2);
    let file = dir.path().join("results.jsonl");
    let whole = fs::read(&file).expect("a file");
    let second = whole.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    for cut in (second..whole.len()).step_by(37).chain([whole.len() - 1]) {
        fs::write(&file, &whole[..cut]).expect("cut");
        let points = manifest.plan.points();
        let mut results = Results::own(dir.path()).expect("results");
        assert_eq!(manifest.to_do(results.records()), points[1..], "cut at {cut}");
        results.add(done(&manifest, points[1])).expect("written");
        drop(results);
        assert_eq!(fs::read(&file).expect("a file"), whole, "cut at {cut}");
    }
}

#[test]
fn a_failed_point_is_run_again_and_its_later_result_counts() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = manifest(Scaling::Strong, &[1, 2], 1, 8);
    let points = manifest.plan.points();
    let mut results = Results::own(dir.path()).expect("own directory");
    results.add(record(&manifest, points[0], Outcome::Failed { why: "no memory".to_owned() })).expect("written");
    assert_eq!(manifest.to_do(results.records()), points);
    assert_eq!(manifest.failures(results.records()), [(points[0], "no memory")]);
    results.add(done(&manifest, points[0])).expect("written");
    assert_eq!(manifest.to_do(results.records()), points[1..]);
    assert_eq!(manifest.failures(results.records()), []);
}

#[test]
fn results_of_another_job_are_kept_and_not_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut manifest = manifest(Scaling::Strong, &[1, 2], 1, 8);
    add(dir.path(), &manifest, 2);
    manifest.keys.insert(2, Key::of(&["another job"]));
    let results = Results::read(dir.path()).expect("results");
    assert_eq!(manifest.strangers(results.records()), 1);
    let to_do: Vec<u32> = manifest.to_do(results.records()).iter().map(|point| point.nodes).collect();
    assert_eq!(to_do, [2]);
}

#[test]
fn two_sweeps_in_one_directory_do_not_mix() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Results::own(dir.path()).expect("own directory");
    let error = Results::own(dir.path()).expect_err("taken");
    assert!(matches!(error, SweepError::Busy { .. }) && error.to_string().contains("--dir"), "{error}");
    Results::read(dir.path()).expect("anybody may look");
    drop(first);
    Results::own(dir.path()).expect("free again");
}

#[test]
fn a_foreign_line_is_named_by_file_and_number() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = manifest(Scaling::Strong, &[1, 2], 1, 8);
    add(dir.path(), &manifest, 1);
    let file = dir.path().join("results.jsonl");
    let mut text = fs::read_to_string(&file).expect("a file");
    text += "{\"nodes\": 1}\n";
    fs::write(&file, text).expect("written");
    let error = Results::read(dir.path()).expect_err("a foreign line").to_string();
    assert!(error.contains("results.jsonl:2: ") && error.contains("remove the line"), "{error}");
    fs::write(dir.path().join("sweep.json"), "{}").expect("written");
    let error = Manifest::read(dir.path()).expect_err("no manifest").to_string();
    assert!(error.contains("sweep.json") && error.contains("run the sweep again"), "{error}");
}
