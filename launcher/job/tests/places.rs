//! Where bodies start, and how high the ground is.

use rankzero_job::{Job, Overrides, load};

fn demo(set: &[&str]) -> Job {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/demo.yaml");
    load(file.as_ref(), &Overrides::from_set(set.iter().copied())).unwrap_or_else(|error| panic!("{error}")).job
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum::<f32>().sqrt()
}

#[test]
fn every_body_of_the_demo_has_a_place_of_its_own() {
    let job = demo(&[]);
    let mut all = Vec::new();
    for (i, group) in job.soft_bodies.iter().enumerate() {
        let places = job.soft_placements(i).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(places.len() as u64, group.body_count());
        all.extend(places.into_iter().map(|p| p.position_m));
    }
    for (i, group) in job.rigid_bodies.iter().enumerate() {
        assert_eq!(job.rigid_placements(i).map(|p| p.len() as u64), Ok(group.body_count()));
    }
    for (i, &a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|&b| distance(a, b) > 0.4), "body {i}");
    }
}

#[test]
fn places_depend_on_the_seed_and_the_group_alone() {
    let job = demo(&[]);
    assert_eq!(job.soft_placements(0), demo(&["soft_bodies[1].count=5", "threads_per_rank=3"]).soft_placements(0));
    assert_ne!(job.soft_placements(0), demo(&["seed=8"]).soft_placements(0));
    let fewer = demo(&["soft_bodies[0].count=9"]).soft_placements(0).unwrap_or_else(|e| panic!("{e}"));
    assert!(job.soft_placements(0).is_ok_and(|all| all.starts_with(&fewer)));
}

#[test]
fn rotations_are_of_unit_length() {
    let job = demo(&[]);
    for place in job.soft_placements(0).into_iter().flatten().chain(job.rigid_placements(0).into_iter().flatten()) {
        let length: f32 = place.rotation.iter().map(|q| q * q).sum();
        assert!((length - 1.0).abs() < 1e-6);
    }
}

#[test]
fn grids_fill_along_x_then_z_then_y() {
    let set = ["rigid_bodies[0].layout={grid: {spacing_m: [1, 2, 3], cells: [2, 2, 2]}}"];
    let places = demo(&set).rigid_placements(0).unwrap_or_else(|e| panic!("{e}"));
    let positions: Vec<[f32; 3]> = places.iter().map(|p| p.position_m).collect();
    assert_eq!(positions[..5], [[0., 0., 0.], [1., 0., 0.], [0., 0., 3.], [1., 0., 3.], [0., 2., 0.]]);
}

#[test]
fn a_box_that_is_too_small_says_so() {
    let mut job = demo(&[]);
    if let rankzero_job::Layout::Random(random) = &mut job.soft_bodies[0].layout {
        random.max_m = random.min_m;
    }
    let told = job.soft_placements(0).map_err(|e| e.to_string());
    assert!(told.as_ref().is_err_and(|t| t.starts_with("`cubes` has room for 1 bodies only, not 70")), "{told:?}");
}

#[test]
fn hills_stay_within_their_amplitude_and_the_bowl_rises_to_its_rim() {
    let ground = |hills: &str| {
        let size = "environment.height_field={rows: 65, columns: 65, spacing_m: 0.14, relief: {hills: ";
        demo(&[&format!("{size}{hills}}}}}")])
    };
    let job = ground("{amplitude_m: 0.18, wavelength_m: 1.5, bowl_m: 0, seed: 3}");
    let field = job.environment.height_field.unwrap_or_else(|| panic!("the demo has a ground"));
    let heights = field.heights_m();
    assert_eq!(heights.len(), 65 * 65);
    assert!(heights.iter().all(|h| h.abs() <= 0.18));
    assert!(heights.iter().any(|h| h.abs() > 0.05));
    let field = ground("{amplitude_m: 0, wavelength_m: 2, bowl_m: 1.5}")
        .environment
        .height_field
        .unwrap_or_else(|| panic!("the demo has a ground"));
    let heights = field.heights_m();
    assert_eq!((heights[32 * 65 + 32], heights[32 * 65], heights[32]), (0.0, 1.5, 1.5));
    assert_eq!(field.corner_m(), [-32.0 * 0.14, 0.0, -32.0 * 0.14]);
}
