//! The collection: one order, no doubles, and nothing foreign accepted.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rankzero_frames::{Collection, FrameDir, FrameError, Stamp};

fn stamp(step: u64) -> Stamp {
    Stamp { step, time_s: step as f64 / 60.0 }
}

fn files(collection: &Collection) -> Vec<&str> {
    collection.data_sets().iter().map(|d| d.file.as_str()).collect()
}

#[test]
fn the_order_of_adding_does_not_matter() {
    let (mut a, mut b) = (Collection::default(), Collection::default());
    for step in [0, 60, 120] {
        a.add_frame(stamp(step), &[0, 1], true);
    }
    for step in [120, 0, 60] {
        b.add_frame(stamp(step), &[1, 0, 1], true);
    }
    assert_eq!(a, b);
    assert_eq!(files(&a)[..3], ["static.vtp", "000000.r000.vtp", "000000.r001.vtp"]);
    assert_eq!(a.data_sets()[8].part, 2);
}

#[test]
fn a_frame_computed_again_replaces_its_former_self() {
    let mut collection = Collection::default();
    collection.add_frame(stamp(0), &[0, 1, 2], false);
    collection.add_frame(stamp(60), &[0, 1, 2], false);
    collection.add_frame(stamp(60), &[0, 2], false);
    assert_eq!(files(&collection)[3..], ["000060.r000.vtp", "000060.r002.vtp"]);
    collection.truncate_after(0.5);
    assert_eq!(files(&collection).len(), 3);
}

#[test]
fn times_that_no_player_can_order_are_ignored() {
    let mut collection = Collection::default();
    collection.add_frame(Stamp { step: 1, time_s: f64::NAN }, &[0], true);
    assert_eq!(collection, Collection::default());
}

#[test]
fn a_collection_comes_back_as_written_and_a_missing_one_is_empty() {
    let run = tempfile::tempdir().unwrap();
    let dir = FrameDir::create(run.path()).unwrap();
    assert_eq!(dir.read_collection().unwrap(), Collection::default());
    let mut collection = Collection::default();
    for step in 0..50 {
        collection.add_frame(stamp(step), &[0, 1000], true);
        dir.write_collection(&collection).unwrap();
    }
    assert_eq!(dir.read_collection().unwrap(), collection);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn broken_collections_are_refused_by_name() {
    let good = "<VTKFile type=\"Collection\"><Collection><DataSet timestep=\"0\" part=\"0\" file=\"a\"/></Collection></VTKFile>";
    let parse = |text: &str| Collection::parse(text.as_bytes(), Path::new("x.pvd"));
    assert_eq!(parse(good).unwrap().data_sets().len(), 1);
    for (from, to) in [
        ("timestep=\"0\"", "timestep=\"NaN\""),
        ("timestep=\"0\"", "timestep=\"soon\""),
        ("part=\"0\"", "part=\"-1\""),
        (" file=\"a\"", ""),
        ("\"Collection\"", "\"PolyData\""),
        ("</Collection></VTKFile>", ""),
        ("</Collection>", "</Collector>"),
    ] {
        assert!(good.contains(from));
        let error = parse(&good.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, FrameError::Foreign { .. } | FrameError::Torn { .. }), "{error}");
        assert!(error.to_string().starts_with("x.pvd: "), "{error}");
    }
}

proptest! {
    #[test]
    fn noise_never_panics(text in "(<VTKFile type=\"Collection\">)?[<>/a-zA-Z=\" 0-9&;!-]{0,200}") {
        let _ = Collection::parse(text.as_bytes(), Path::new("x.pvd"));
    }
}
