//! What is concluded from results whose truth is known.

mod sweeps;

use rankzero_sweep::fit::{Law, Refusal};
use rankzero_sweep::{Analysis, Digests, Outcome, Scaling, SizeResult, text};
use sweeps::{KAPPA, SIGMA, all, manifest, measure, record};

fn size(analysis: &Analysis, nodes: u32) -> &SizeResult {
    analysis.sizes.iter().find(|size| size.nodes == nodes).expect("the size")
}

fn near(found: f64, expected: f64, share: f64) {
    assert!((found / expected - 1.0).abs() < share, "{found}, expected {expected}");
}

#[test]
fn speed_up_and_cpu_ratio_are_those_of_the_law_and_drift_does_not_show() {
    for scaling in [Scaling::Strong, Scaling::Weak] {
        let manifest = manifest(scaling, &[1, 2, 4, 8, 16], 3, 64);
        let analysis = Analysis::of(&manifest, &all(&manifest));
        for nodes in [1, 2, 4, 8, 16] {
            let n = f64::from(nodes);
            let size = size(&analysis, nodes);
            let [speed_up, efficiency, cpu] =
                [size.speed_up, size.efficiency, size.cpu_ratio].map(|e| e.expect("three pairs"));
            near(speed_up.value, Law::Usl.speed_up(n, SIGMA, KAPPA), 0.02);
            near(efficiency.value, Law::Usl.speed_up(n, SIGMA, KAPPA) / n, 0.02);
            near(cpu.value, 1.0 + 0.02 * (n - 1.0), 0.02);
            // The repeats differ by 2 % each; within a repeat nothing of that is left.
            let [low, high] = speed_up.interval.expect("three pairs");
            assert!(high / low < 1.002, "{speed_up:?}");
            assert!(!size.crowded && size.bodies == 240 * scaling.work(nodes) as u64);
        }
        let fits: Vec<_> = analysis.time_fits.iter().map(|fit| fit.as_ref().expect("five sizes")).collect();
        let serial = if scaling == Scaling::Strong { Law::Amdahl } else { Law::Gustafson };
        assert_eq!([fits[0].law, fits[1].law], [serial, Law::Usl]);
        near(fits[1].sigma.value, SIGMA, 0.2);
        near(fits[1].kappa.expect("κ").value, KAPPA, 0.2);
        near(analysis.cpu_fit.as_ref().expect("five sizes").sigma.value, 0.02, 0.3);
        assert!(matches!(analysis.digests, Digests::Equal { .. }));
    }
}

#[test]
fn crowded_sizes_are_shown_and_their_time_is_not_fitted() {
    let manifest = manifest(Scaling::Strong, &[1, 2, 4, 8, 16], 3, 4);
    let analysis = Analysis::of(&manifest, &all(&manifest));
    let crowded: Vec<u32> = analysis.sizes.iter().filter(|size| size.crowded).map(|size| size.nodes).collect();
    assert_eq!(crowded, [8, 16]);
    assert!(analysis.time_fits[0].is_ok(), "Amdahl wants three sizes");
    assert_eq!(analysis.time_fits[1], Err(Refusal::TooFewSizes { law: Law::Usl, have: 3, need: 4 }));
    assert!(analysis.cpu_fit.is_ok(), "CPU seconds count wherever they are spent");
    let table = text::table(&analysis);
    assert!(table.contains("\n   8*") && table.contains("no fit: universal scalability law"), "{table}");
}

#[test]
fn one_digest_that_differs_is_told_whatever_the_rest() {
    let strong = manifest(Scaling::Strong, &[1, 2], 2, 8);
    let mut records = all(&strong);
    let Outcome::Done { measure } = &mut records[2].outcome else { panic!("done") };
    measure.digest = "e".repeat(64);
    let odd = records[2].point.to_string();
    let analysis = Analysis::of(&strong, &records);
    let Digests::Differ { groups } = &analysis.digests else { panic!("{:?}", analysis.digests) };
    assert_eq!(groups.len(), 2);
    assert!(groups.iter().any(|(digest, points)| digest.starts_with("ee") && *points == [odd.clone()]), "{groups:?}");
    assert!(text::table(&analysis).contains("DIFFER"));
    // Sizes of a weak sweep have digests of their own, one each.
    let weak = manifest(Scaling::Weak, &[1, 2], 2, 8);
    let mut records = all(&weak);
    assert!(matches!(Analysis::of(&weak, &records).digests, Digests::Equal { .. }));
    let Outcome::Done { measure } = &mut records[3].outcome else { panic!("done") };
    measure.digest = "e".repeat(64);
    assert!(matches!(Analysis::of(&weak, &records).digests, Digests::Differ { .. }));
}

#[test]
fn without_the_smallest_size_there_is_no_ratio_and_nothing_is_made_up() {
    let manifest = manifest(Scaling::Strong, &[1, 2], 2, 8);
    let records: Vec<_> = all(&manifest).into_iter().filter(|record| record.point.nodes == 2).collect();
    let analysis = Analysis::of(&manifest, &records);
    let size = size(&analysis, 2);
    assert_eq!((size.speed_up, size.cpu_ratio, size.wall_s.runs), (None, None, 2));
    assert_eq!(analysis.missing, 2);
    // A repeat that lacks either side is left out of the ratio.
    let mut records = all(&manifest);
    let gone = records.iter().position(|record| record.point.nodes == 1 && record.point.repeat == 2).expect("there");
    records.remove(gone);
    let analysis = Analysis::of(&manifest, &records);
    let speed_up = analysis.sizes.iter().find(|size| size.nodes == 2).and_then(|size| size.speed_up).expect("one pair");
    assert_eq!((speed_up.runs, speed_up.interval), (1, None));
}

#[test]
fn the_later_result_of_a_point_counts() {
    let manifest = manifest(Scaling::Strong, &[1], 1, 8);
    let point = manifest.plan.points()[0];
    let run = |noise| record(&manifest, point, Outcome::Done { measure: measure(Scaling::Strong, 1, noise) });
    let analysis = Analysis::of(&manifest, &[run(1.0), run(2.0)]);
    near(analysis.sizes[0].wall_s.value, 16.0, 1e-9);
    assert_eq!(analysis.sizes[0].wall_s.runs, 1);
}

#[test]
fn every_line_of_json_is_an_object_that_says_what_it_is() {
    let manifest = manifest(Scaling::Strong, &[1, 2, 4], 2, 8);
    let lines = text::json_lines(&Analysis::of(&manifest, &all(&manifest)));
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["kind"].as_str().expect("a kind").to_owned()
        })
        .collect();
    assert_eq!(kinds, ["sweep", "size", "size", "size", "fit", "fit", "fit"]);
    assert!(lines.contains("\"refused\":\"universal scalability law"), "{lines}");
}
