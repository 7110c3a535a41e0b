//! Which value goes before which, and where a value is found.

use rankzero_job::{AutoOr, Loaded, Origin, Overrides, parse};

const JOB: &str = "\
name: demo
time: { steps: 10 }
materials: { m: { young_pa: 1.0e5 } }
soft_bodies:
  - &first
    name: a
    shape: { sphere: { radius_m: 1 } }
    material: m
  - { <<: *first, name: b }
";

fn load(environment: &[(&str, &str)], set: &[&str]) -> Loaded {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let overrides = Overrides { environment, ..Overrides::from_set(set.iter().copied()) };
    parse(JOB, "job.yaml", &overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn complaint(text: &str, set: &[&str]) -> String {
    match parse(text, "job.yaml", &Overrides::from_set(set.iter().copied())) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_default_yields_to_the_file_to_the_environment_to_the_command_line() {
    let seed = ("RANKZERO_JOB__seed", "2");
    assert_eq!(load(&[], &[]).job.seed, 0);
    assert_eq!(load(&[], &[]).job.time.step_count(), 10);
    assert_eq!(load(&[seed], &[]).job.seed, 2);
    assert_eq!(load(&[seed], &["seed=3"]).job.seed, 3);
    assert_eq!(load(&[seed], &["seed=3", "seed=4"]).job.seed, 4);
    assert_eq!(load(&[("RANKZERO_JOB__time__steps", "7")], &[]).job.time.step_count(), 7);
}

#[test]
fn variables_are_applied_by_name_and_others_left_alone() {
    let variables = [
        ("RANKZERO_JOB__time__substeps", "5"),
        ("RANKZERO_JOB__time", "{ steps: 3, substeps: 4 }"),
        ("RANKZERO_JOBS__seed", "x"),
        ("PATH", "x"),
    ];
    let loaded = load(&variables, &[]);
    assert_eq!((loaded.job.time.step_count(), loaded.job.time.substeps), (3, AutoOr::Fixed(5)));
    let names: Vec<&str> = loaded.overridden.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["time", "time.substeps"]);
    let variable = "RANKZERO_JOB__time__substeps=5".to_owned();
    assert_eq!(loaded.overridden[1].1, Origin::Environment { variable });
}

#[test]
fn a_value_is_yaml_and_makes_the_sections_on_its_way() {
    let set = [
        "contact.exchanges=2",
        "soft_bodies[1].layout={at: [[0, 1, 2], [3, 4, 5]]}",
        "time.steps=null",
        "time.duration_s=1",
    ];
    let job = load(&[], &set).job;
    assert_eq!(job.contact.exchanges, AutoOr::Fixed(2));
    assert_eq!(job.soft_body_count(), 3);
    assert_eq!(job.time.step_count(), 60);
}

#[test]
fn an_override_of_what_was_merged_changes_one_place() {
    let job = load(&[], &["soft_bodies.0.shape.sphere.radius_m=2"]).job;
    assert_ne!(job.soft_bodies[0].shape, job.soft_bodies[1].shape);
    assert_eq!(job.soft_bodies[1].name, "b");
}

#[test]
fn a_value_that_was_merged_is_found_where_it_is_written() {
    let text = JOB.replace("material: m", "material: n");
    let told = complaint(&text, &[]);
    assert!(told.contains("job.yaml:8:15: soft_bodies[0].material: there is no material `n`"), "{told}");
    assert!(told.contains("job.yaml:8:15: soft_bodies[1].material: there is no material `n`"), "{told}");
}

#[test]
fn a_value_in_a_list_of_merges_is_found_in_the_map_that_won() {
    let text = "
name: demo
time:
  <<: [{ steps: 0 }, { steps: 5, substeps: 2000 }]
rigid_bodies: [{ name: a, shape: { sphere: { radius_m: 1 } }, motion: fixed }]
";
    let told = complaint(text, &[]);
    assert!(told.contains("job.yaml:4:17: time.steps: must be from 1"), "{told}");
    assert!(told.contains("job.yaml:4:44: time.substeps: must be from 1"), "{told}");
}

#[test]
fn what_an_override_leaves_out_is_told_of_the_override() {
    let told = complaint(JOB, &["soft_bodies[0]={name: a}"]);
    assert!(
        told.contains("error: --set soft_bodies[0]={name: a}: soft_bodies[0].shape: the field `shape` is missing"),
        "{told}"
    );
}
