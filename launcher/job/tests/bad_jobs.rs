//! What a person is told about a job that is wrong: one row per mistake, made in a job that is right.

mod bad;

use bad::{Bad, GOOD};
use rankzero_job::{JobError, Overrides, parse};

/// What is said about a job, one text per problem.
fn complaints(bad: &Bad) -> Vec<String> {
    let text = match bad.edit {
        ("", whole) => whole.to_owned(),
        (from, to) => {
            assert_eq!(GOOD.matches(from).count(), 1, "{}: the edit must fit one place", bad.mistake);
            GOOD.replace(from, to)
        }
    };
    let environment = bad.env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let overrides = Overrides { environment, ..Overrides::from_set(bad.set.iter().copied()) };
    match parse(&text, "bad.yaml", &overrides) {
        Ok(_) => Vec::new(),
        Err(error @ JobError::Read { .. }) => panic!("{}: {error}", bad.mistake),
        Err(JobError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_job_that_the_mistakes_are_made_in_is_right() {
    if let Err(error) = parse(GOOD, "good.yaml", &Overrides::none()) {
        panic!("{error}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_remedy() {
    let mut wrong = Vec::new();
    for bad in bad::all() {
        let told = complaints(bad);
        // In the order of the file, each complaint answers to one expectation, and none is left.
        let right = told.len() == bad.says.len()
            && told.iter().zip(bad.says).all(|(told, says)| told.starts_with("error: ") && told[7..].starts_with(says));
        if !right {
            wrong.push(format!("{}\n  expected {:#?}\n  told {told:#?}", bad.mistake, bad.says));
        }
    }
    assert!(wrong.is_empty(), "{} of the mistakes are told otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(bad::all().count() >= 40);
}
