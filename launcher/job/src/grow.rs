//! The same scene with more bodies: what a sweep runs where the load of a node is to stay the same.
//!
//! Soft bodies are multiplied, and the ground that they lie on grows with them, so that there are as many of them on a square metre as
//! before. Rigid bodies stay as they are: every rank computes all of them, so that multiplying them would measure something else.

use std::path::Path;

use crate::model::{Environment, Grid, HeightField, Job, Layout, Random, Relief};
use crate::problem::{JobError, Origin, Problem};

/// Grid points of a height field along an axis.
const MAX_GRID_POINTS: u32 = 1024;

impl Job {
    /// The job with `factor` times as many soft bodies; `file` is its name for messages. With a factor of 1 it is the job itself.
    ///
    /// - `random` layouts get a box that is larger in x and z (in one of them, or in y, where the others have no extent), around the same
    ///   centre, so that as many bodies as before find room in a piece of it, also with `separation_m`.
    /// - `grid` layouts get more cells in x and z, around the same centre, in the most even pair of whole numbers.
    /// - A height field of a rule (`flat_m`, `hills`) gets more grid points in x and z, around the same centre.
    /// - `at` and `stack` name places one by one, and there is no place for more.
    ///
    /// # Errors
    /// [`JobError::Invalid`] for a layout that cannot grow, and for what the grown job would break, such as the number of bodies.
    pub fn grown(&self, factor: u32, file: &Path) -> Result<Job, JobError> {
        let problem = |path: String, message: String, help: &str| {
            let origin = Origin::File { file: file.display().to_string(), line: None, column: None };
            Problem { origin, path, message, help: Some(help.to_owned()) }
        };
        let mut job = self.clone();
        if factor == 1 {
            return Ok(job);
        }
        let mut problems = Vec::new();
        for (i, group) in job.soft_bodies.iter_mut().enumerate() {
            let count = group.body_count().saturating_mul(u64::from(factor));
            // What is too much for the type is far too much for a job.
            group.count = Some(u32::try_from(count).unwrap_or(u32::MAX));
            match &mut group.layout {
                Layout::Random(random) => spread(random, factor),
                Layout::Grid(grid) => widen(grid, factor),
                Layout::At(_) | Layout::Stack(_) => problems.push(problem(
                    format!("soft_bodies[{i}].layout"),
                    format!("places its bodies one by one, and has none for {factor} times as many"),
                    "give the group a `random` or a `grid` layout, or keep the job the same (`--strong`)",
                )),
            }
        }
        ground(&mut job.environment, factor);
        if !problems.is_empty() {
            return Err(JobError::Invalid(problems));
        }
        job.validate().map_err(|found| {
            let grown = |found: Problem| {
                let origin = Origin::File { file: file.display().to_string(), line: None, column: None };
                Problem { origin, message: format!("{} ({factor} times the bodies)", found.message), ..found }
            };
            JobError::Invalid(found.into_iter().map(grown).collect())
        })?;
        Ok(job)
    }
}

/// A box with room for `factor` times as many bodies. What counts for a separation is the box with half a separation around it
/// ([`crate::check`]), so that is what grows.
fn spread(random: &mut Random, factor: u32) {
    let flat = |axis: usize| random.max_m[axis] <= random.min_m[axis];
    let axes: &[usize] = match [flat(0), flat(2)] {
        [false, false] => &[0, 2],
        [false, true] => &[0],
        [true, false] => &[2],
        [true, true] => &[1],
    };
    let share = if axes.len() == 2 { f64::from(factor).sqrt() } else { f64::from(factor) };
    for &axis in axes {
        let [low, high] = [random.min_m[axis], random.max_m[axis]].map(f64::from);
        let separation = f64::from(random.separation_m);
        let half = 0.5 * (share * (high - low + separation) - separation);
        let middle = 0.5 * (low + high);
        random.min_m[axis] = (middle - half) as f32;
        random.max_m[axis] = (middle + half) as f32;
    }
}

/// A grid with `factor` times as many cells.
fn widen(grid: &mut Grid, factor: u32) {
    let [more_x, more_z] = even_pair(factor);
    for (axis, more) in [(0, more_x), (2, more_z)] {
        let before = grid.cells[axis];
        grid.cells[axis] = before.saturating_mul(more);
        grid.origin_m[axis] -= 0.5 * grid.spacing_m[axis] * (grid.cells[axis] - before) as f32;
    }
}

/// The factors of a number that are nearest to each other, the larger one first.
fn even_pair(factor: u32) -> [u32; 2] {
    let smaller = (1..=factor.isqrt()).rev().find(|small| factor.is_multiple_of(*small)).unwrap_or(1);
    [factor / smaller, smaller]
}

/// The ground grows in x and z, where it is made by a rule.
fn ground(environment: &mut Environment, factor: u32) {
    let Some(field) = environment.height_field.as_mut() else { return };
    if matches!(field.relief, Relief::HeightsM(_)) {
        return;
    }
    let more = |points: u32| {
        let cells = f64::from(points.saturating_sub(1)) * f64::from(factor).sqrt();
        (cells.ceil() as u32).saturating_add(1).min(MAX_GRID_POINTS)
    };
    let (rows, columns) = (more(field.rows), more(field.columns));
    if let Some(origin) = field.origin_m.as_mut() {
        let back = |more: u32, before: u32| 0.5 * field.spacing_m * more.saturating_sub(before) as f32;
        origin[0] -= back(columns, field.columns);
        origin[2] -= back(rows, field.rows);
    }
    *field = HeightField { rows, columns, ..field.clone() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, parse};

    fn job(layout: &str, more: &str) -> Job {
        let text = format!(
            "name: grow
time: {{ steps: 1 }}
materials: {{ jelly: {{ young_pa: 5.0e4 }} }}
soft_bodies:
  - {{ name: balls, shape: {{ sphere: {{ radius_m: 0.1 }} }}, material: jelly, count: 12, layout: {{ {layout} }} }}
{more}"
        );
        parse(&text, "grow.yaml", &Overrides::none()).unwrap_or_else(|error| panic!("{error}")).job
    }

    fn grown(job: &Job, factor: u32) -> Result<Job, JobError> {
        job.grown(factor, Path::new("grow.yaml"))
    }

    #[test]
    fn a_random_box_keeps_its_centre_and_finds_room_for_all() {
        // As tight as a job may be: nothing may be lost by growing.
        let job = job("random: { min_m: [0, 1, -1], max_m: [1, 2, 1], separation_m: 0.5 }", "");
        for factor in [1, 2, 3, 8, 100] {
            let grown = grown(&job, factor).expect("grown");
            assert_eq!(grown.soft_body_count(), 12 * u64::from(factor));
            let Layout::Random(random) = &grown.soft_bodies[0].layout else { panic!("still random") };
            assert!(
                (random.min_m[0] + random.max_m[0] - 1.0).abs() < 1e-4
                    && (random.min_m[2] + random.max_m[2]).abs() < 1e-4
            );
            assert_eq!((random.min_m[1], random.max_m[1]), (1.0, 2.0));
            let room = (random.max_m[0] - random.min_m[0] + 0.5) * (random.max_m[2] - random.min_m[2] + 0.5);
            assert!((room / (1.5 * 2.5) - factor as f32).abs() < 1e-3 * factor as f32);
            assert_eq!(grown.soft_placements(0).expect("room").len(), 12 * factor as usize);
        }
        assert_eq!(grown(&job, 1).expect("the job"), job);
    }

    #[test]
    fn a_box_without_width_grows_where_it_has_extent() {
        let line = grown(&job("random: { min_m: [0, 0, 0], max_m: [2, 0, 0] }", ""), 3).expect("grown");
        let Layout::Random(random) = &line.soft_bodies[0].layout else { panic!("random") };
        assert_eq!((random.min_m, random.max_m), ([-2.0, 0.0, 0.0], [4.0, 0.0, 0.0]));
        let column = grown(&job("random: { min_m: [0, 0, 0], max_m: [0, 2, 0] }", ""), 3).expect("grown");
        let Layout::Random(random) = &column.soft_bodies[0].layout else { panic!("random") };
        assert_eq!((random.min_m[1], random.max_m[1]), (-2.0, 4.0));
    }

    #[test]
    fn a_grid_stays_around_its_centre() {
        let job = job("grid: { origin_m: [-1, 1, -0.5], spacing_m: [1, 1, 0.5], cells: [3, 2, 3] }", "");
        let grown = grown(&job, 6).expect("grown");
        let Layout::Grid(grid) = &grown.soft_bodies[0].layout else { panic!("still a grid") };
        assert_eq!((grid.cells, grid.origin_m), ([9, 2, 6], [-4.0, 1.0, -1.25]));
        assert_eq!(grown.soft_body_count(), 72);
        assert_eq!([1, 2, 7, 8, 12, 36].map(even_pair), [[1, 1], [2, 1], [7, 1], [4, 2], [4, 3], [6, 6]]);
    }

    #[test]
    fn the_ground_grows_under_them_and_rigid_bodies_stay() {
        let more = "rigid_bodies: [{ name: box, shape: { box: { size_m: [1, 1, 1] } }, motion: fixed }]
environment: { height_field: { rows: 11, columns: 21, spacing_m: 0.5, origin_m: [-5, 0, -2.5], relief: { flat_m: 0 } } }
";
        let job = job("random: { min_m: [0, 1, 0], max_m: [1, 1, 1] }", more);
        let grown = grown(&job, 4).expect("grown");
        let field = grown.environment.height_field.expect("a field");
        assert_eq!((field.rows, field.columns, field.origin_m), (21, 41, Some([-10.0, 0.0, -5.0])));
        assert_eq!(grown.rigid_bodies, job.rigid_bodies);
    }

    #[test]
    fn what_cannot_grow_is_named_with_the_remedy() {
        let error = grown(&job("stack: { spacing_m: 1 }", ""), 2).expect_err("a stack").to_string();
        assert!(error.contains("grow.yaml: soft_bodies[0].layout: ") && error.contains("--strong"), "{error}");
        let job = job("random: { min_m: [0, 1, 0], max_m: [1, 1, 1] }", "");
        assert!(grown(&job, u32::MAX).expect_err("too many").to_string().contains("times the bodies"));
    }

    #[test]
    fn the_demo_can_grow() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../jobs/demo.yaml");
        let job = crate::load(&file, &Overrides::none()).unwrap_or_else(|error| panic!("{error}")).job;
        for factor in [2, 4, 8] {
            let grown = job.grown(factor, &file).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(grown.soft_body_count(), 240 * u64::from(factor));
            assert!((0..4).all(|group| grown.soft_placements(group).is_ok()));
        }
    }
}
