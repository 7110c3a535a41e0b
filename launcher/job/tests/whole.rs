//! The ready jobs, the way out and back, the fingerprint.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rankzero_job::{Job, JobError, Loaded, Overrides, load, parse};

fn jobs() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs");
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(files.len() >= 5);
    files
}

fn read(file: &Path) -> Loaded {
    load(file, &Overrides::none()).unwrap_or_else(|error| panic!("{error}"))
}

fn with(set: &[&str]) -> Job {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/demo.yaml");
    load(&file, &Overrides::from_set(set.iter().copied())).unwrap_or_else(|error| panic!("{error}")).job
}

fn reread(job: &Job) -> Job {
    let text = job.resolved_yaml();
    parse(&text, "resolved.yaml", &Overrides::none()).unwrap_or_else(|error| panic!("{error}\n{text}")).job
}

#[test]
fn every_ready_job_is_right_and_survives_being_written_and_read() {
    for file in jobs() {
        let loaded = read(&file);
        assert_eq!(reread(&loaded.job), loaded.job, "{}", file.display());
        assert_eq!(reread(&loaded.job).resolved_yaml(), loaded.job.resolved_yaml());
        assert_eq!(reread(&loaded.job).fingerprint(), loaded.job.fingerprint());
    }
}

#[test]
fn the_demo_is_what_it_promises() {
    let job = with(&[]);
    assert!(job.soft_body_count() >= 200);
    assert!(job.rigid_body_count() >= 20);
    assert!(job.soft_bodies.len() >= 3);
    assert_eq!(job.time.step_count(), 360);
}

#[test]
fn the_defaults_of_a_cluster_hold() {
    let job = with(&[]);
    let network = &job.network;
    assert_eq!((network.heartbeat_ms, network.heartbeat_timeout_ms, network.result_timeout_ms), (1000, 5000, 5000));
    assert_eq!((network.sync_interval_ms, network.delta_sync, network.http_port), (100, true, 8080));
    assert_eq!(network.control_ports.to_string(), "9001-9010");
    assert_eq!(job.balance.strategy, rankzero_job::Strategy::LeastLoaded);
    let alerts = &job.metrics.alerts;
    assert!(alerts.worker_failure && alerts.cost);
    assert_eq!((alerts.latency_ms, alerts.failure_rate), (Some(100.0), Some(0.1)));
}

#[test]
fn an_alert_that_was_turned_off_stays_off() {
    let job = with(&["metrics.alerts.latency_ms=null", "metrics.alerts.min_workers=null"]);
    assert_eq!(job.metrics.alerts.latency_ms, None);
    assert_eq!(reread(&job), job);
}

#[test]
fn the_fingerprint_sees_what_determines_the_result_and_nothing_else() {
    let plain = with(&[]).fingerprint();
    let same = [
        "name=other",
        "threads_per_rank=2",
        "network.fabric=tcp",
        "balance.strategy=round-robin",
        "fault_tolerance.replicas=3",
        "metrics.every_s=5",
        "output.frames.geometry=none",
        "cost.per_node_hour=2",
        "slurm={ nodes: 8, modules: [openmpi/4.1], environment: { A: b } }",
        "soft_bodies[0].name=other",
        "soft_bodies[0].priority=9",
        "rigid_bodies[0].colour='#000000'",
        "time={ steps: 360 }",
    ];
    for set in same {
        assert_eq!(with(&[set]).fingerprint(), plain, "{set}");
    }
    let different = [
        "seed=8",
        "gravity_m_s2=[0, -9.8, 0]",
        "time.step_s=0.01",
        "time.duration_s=7",
        "time.substeps=9",
        "contact.margin_m=0.004",
        "sleep.enabled=false",
        "materials.jelly.poisson=0.41",
        "soft_bodies[0].count=69",
        "rigid_bodies[0].friction=0.4",
        "environment.height_field.friction=0.7",
        "batches.bodies=4",
    ];
    for set in different {
        assert_ne!(with(&[set]).fingerprint(), plain, "{set}");
    }
}

#[test]
fn the_fingerprint_of_one_job_is_the_same_everywhere() {
    let job = "{name: a, time: {steps: 1}, rigid_bodies: [{name: b, motion: fixed, shape: {sphere: {radius_m: 0.1}}}]}";
    let job = parse(job, "a.yaml", &Overrides::none()).unwrap_or_else(|error| panic!("{error}")).job;
    let hex: String = job.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "0fc4f4cacf4508e7d0864ba48a9f73175c467b6cc5e871c65a2e56d4ac8d8b63");
}

#[test]
fn a_job_with_meshes_can_be_written_elsewhere() {
    let loaded = read(&jobs()[2]);
    assert_eq!(loaded.job.name, "mesh");
    assert_eq!(loaded.job.mesh_files(), [("soft_bodies[0].shape.mesh.file".to_owned(), Path::new("figure.obj"))]);
    let moved = loaded.job.with_files_from(loaded.directory());
    assert_eq!(moved.mesh_files()[0].1, loaded.resolve(Path::new("figure.obj")));
    assert_eq!(moved.fingerprint(), loaded.job.fingerprint());
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let error = load(Path::new("no/such/job.yaml"), &Overrides::none()).map(drop);
    let Err(error @ JobError::Read { .. }) = error else { panic!("{error:?}") };
    assert!(
        error.to_string().starts_with("error: no/such/job.yaml: cannot read the job file: No such file"),
        "{error}"
    );
    assert_eq!(error.problems().len(), 1);
    assert!(matches!(load(Path::new("."), &Overrides::none()), Err(JobError::Read { .. })));
}

#[test]
fn a_file_that_is_no_text_or_without_end_is_refused() {
    let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let file = directory.path().join("job.yaml");
    std::fs::write(&file, b"name: a\ntime: \xff\xfe").unwrap_or_else(|e| panic!("{e}"));
    let told = load(&file, &Overrides::none()).map(drop).map_err(|e| e.to_string());
    assert!(told.as_ref().is_err_and(|t| t.contains("job.yaml:2:7: the file is not UTF-8 text")), "{told:?}");
    let told = load(Path::new("/dev/zero"), &Overrides::none()).map(drop).map_err(|e| e.to_string());
    assert!(told.as_ref().is_err_and(|t| t.contains("at most 4194304 are read")), "{told:?}");
}

#[test]
fn problems_are_told_to_programs_too() {
    let error = parse("name: a\ntime: { steps: 0 }\n", "a.yaml", &Overrides::from_set(["seed=-1"])).map(drop);
    let Err(error) = error else { panic!("it is wrong") };
    let json = serde_json::to_value(error.problems()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(json[0]["source"], "set");
    assert_eq!(json[0]["argument"], "seed=-1");
    assert_eq!(json[0]["path"], "seed");
}

#[test]
fn a_job_with_a_thousand_problems_is_refused_at_once() {
    let positions = "[0, 0, 1e9], ".repeat(1000);
    let job = format!(
        "{{name: a, time: {{steps: 1}}, rigid_bodies: [{{name: b, motion: fixed, shape: {{sphere: {{radius_m: 1}}}}, layout: {{at: [{positions}]}}}}]}}"
    );
    let told = parse(&job, "a.yaml", &Overrides::none()).map(drop).map_err(|e| e.to_string());
    assert!(told.as_ref().is_err_and(|t| t.ends_with("error: the job has 50 problems or more")), "{told:?}");
}

proptest! {
    /// Any float that a job can hold is written so that it reads back the same.
    #[test]
    fn every_float_survives_being_written_and_read(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(value.abs() <= 1000.0);
        let mut job = with(&[]);
        job.gravity_m_s2 = [value, -value, 0.0];
        prop_assert_eq!(reread(&job).gravity_m_s2.map(f32::to_bits), job.gravity_m_s2.map(f32::to_bits));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        drop(parse(&text, "any.yaml", &Overrides::none()));
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "([a-z_]{0,8}|[-:?,{}\\[\\]&*!|>'\"%@`# \n]|<<|name|time|steps|[0-9.e-]{1,5}){0,60}") {
        drop(parse(&text, "any.yaml", &Overrides::none()));
    }

    #[test]
    fn no_override_makes_it_panic(path in "[a-z_.\\[\\]0-9]{0,30}", value in "\\PC{0,20}") {
        let overrides = Overrides {
            environment: vec![(format!("RANKZERO_JOB__{path}"), value.clone())],
            set: vec![format!("{path}={value}"), path],
        };
        drop(parse("name: a\ntime: { steps: 1 }\n", "any.yaml", &overrides));
    }

    /// A ready job with a piece cut out, doubled or replaced.
    #[test]
    fn no_damage_to_a_job_makes_it_panic(from in 0usize..6000, length in 0usize..200, with in "\\PC{0,12}") {
        let text = include_str!("../../../jobs/demo.yaml");
        let cut = |at: usize| text.char_indices().map(|(i, _)| i).nth(at).unwrap_or(text.len());
        let damaged = format!("{}{with}{}", &text[..cut(from)], &text[cut(from + length)..]);
        if let Ok(loaded) = parse(&damaged, "any.yaml", &Overrides::none()) {
            prop_assert_eq!(reread(&loaded.job), loaded.job);
        }
    }
}
