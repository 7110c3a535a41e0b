//! Whether a job makes sense: ranges, references, and fields that must agree. Finds everything that is wrong, not only the first, up to a
//! number that a person reads.
//!
//! A job that passes has finite numbers only, names only materials that it has, and fits the bounds below, so that what reads it may
//! size its memory by it.

mod bodies;
mod environment;
mod layout;
mod operation;
mod shape;
mod simulation;
mod slurm;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::fault;
use crate::model::Job;
use crate::path::FieldPath;
use crate::problem::{Origin, Problem};
use crate::typing::{Finding, MAX_FINDINGS};

/// Most bodies of a job, soft and rigid each.
pub const MAX_BODIES: u64 = 1 << 20;
/// Most steps of a job.
pub const MAX_STEPS: u64 = 1_000_000_000;
/// Most substeps of a step, and most exchanges.
pub const MAX_SUBSTEPS: u32 = 1000;
/// Greatest distance from the world's origin, in metres: beyond it an `f32` resolves less than a centimetre.
pub const MAX_COORDINATE_M: f32 = 1.0e5;

impl Job {
    /// Whether the job makes sense. A job from [`crate::load`] or [`crate::parse`] does.
    ///
    /// # Errors
    /// Everything that is wrong, never empty.
    pub fn validate(&self) -> Result<(), Vec<Problem>> {
        let problem = |f: Finding| Problem {
            origin: Origin::Program,
            path: f.path.to_string(),
            message: f.message,
            help: f.help,
        };
        let problems: Vec<Problem> = findings(self).into_iter().map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// Everything that is wrong with a job.
pub(crate) fn findings(job: &Job) -> Vec<Finding> {
    let mut checker = Checker { findings: Vec::new() };
    simulation::check(&mut checker, job);
    bodies::check(&mut checker, job);
    environment::check(&mut checker, &job.environment);
    operation::check(&mut checker, job);
    checker.findings
}

/// Collects what is wrong.
struct Checker {
    findings: Vec<Finding>,
}

impl Checker {
    fn wrong(&mut self, path: FieldPath, message: impl Into<String>) {
        self.push(path, message.into(), None);
    }

    fn wrong_with_help(&mut self, path: FieldPath, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, message.into(), Some(help.into()));
    }

    fn push(&mut self, path: FieldPath, message: String, help: Option<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { path, message, help, at_key: false });
        }
    }

    /// Above 0 and at most `max`. Not-a-number is neither.
    fn positive(&mut self, path: FieldPath, value: f32, max: f32) {
        if !(value > 0.0 && value <= max) {
            self.wrong(path, format!("must be above 0 and at most {max}, is {value}"));
        }
    }

    /// The same where a value is given.
    fn positive_if(&mut self, path: FieldPath, value: Option<f32>, max: f32) {
        if let Some(value) = value {
            self.positive(path, value, max);
        }
    }

    fn within<T: PartialOrd + Display>(&mut self, path: FieldPath, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.wrong(path, format!("must be from {low} to {high}, is {value}"));
        }
    }

    /// The same where a value is given.
    fn within_if<T: PartialOrd + Display>(&mut self, path: FieldPath, value: Option<T>, range: RangeInclusive<T>) {
        if let Some(value) = value {
            self.within(path, value, range);
        }
    }

    /// Every component within ± `max`.
    fn vector(&mut self, path: &FieldPath, vector: [f32; 3], max: f32) {
        for (i, value) in vector.into_iter().enumerate() {
            self.within(path.index(i), value, -max..=max);
        }
    }

    /// Finite, and not of length 0.
    fn direction(&mut self, path: &FieldPath, vector: [f32; 3]) {
        self.vector(path, vector, f32::MAX.sqrt());
        if vector == [0.0; 3] {
            self.wrong_with_help(path.clone(), "must not be of length 0", "write a direction such as [0, 1, 0]");
        }
    }

    /// A box whose corners are in order.
    fn corners(&mut self, path: &FieldPath, min: [f32; 3], max: [f32; 3]) {
        self.vector(&path.key("min_m"), min, MAX_COORDINATE_M);
        self.vector(&path.key("max_m"), max, MAX_COORDINATE_M);
        for axis in 0..3 {
            if min[axis] > max[axis] {
                let message = format!("must not be below `min_m[{axis}]`, {} is below {}", max[axis], min[axis]);
                self.wrong(path.key("max_m").index(axis), message);
            }
        }
    }

    /// A name that is safe in paths, logs and `--set`, and of which there is no other in `seen`.
    fn name(&mut self, path: FieldPath, name: &str, seen: &mut BTreeMap<String, FieldPath>) {
        self.identifier(path.clone(), name);
        match seen.get(name) {
            Some(other) => self.wrong(path, format!("the name `{name}` is taken by `{other}`")),
            None => drop(seen.insert(name.to_owned(), path)),
        }
    }

    /// A name that is safe in paths, logs and `--set`.
    fn identifier(&mut self, path: FieldPath, name: &str) {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            let message = format!("`{}` is no name", crate::node::shorten(name));
            self.wrong_with_help(path, message, "a name has 1 to 64 letters (a-z, A-Z), digits, `-` and `_`");
        }
    }

    /// A name that refers to one of `known`.
    fn reference<'a>(&mut self, path: FieldPath, kind: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) {
        if !known.clone().any(|known| known == name) {
            let message = format!("there is no {kind} `{}`", crate::node::shorten(name));
            self.wrong_with_help(path, message, fault::name_help(name, known, &format!("{kind}s of this job")));
        }
    }
}
