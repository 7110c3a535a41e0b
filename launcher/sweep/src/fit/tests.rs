//! Fits against published data and against data whose parameters are known.

use proptest::prelude::*;

use super::*;

fn samples(points: &[(u32, f64)]) -> Vec<Sample> {
    points.iter().map(|&(nodes, rate)| Sample { nodes, rate }).collect()
}

/// The SPEC SDM91 benchmark on a SPARCcenter 2000: virtual users and throughput, the example of Gunther's book and of the R
/// package `usl`.
const SDM91: [(u32, f64); 7] =
    [(1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2)];
/// Throughput of a ray tracer by processors, of the same package.
const RAY_TRACER: [(u32, f64); 11] = [
    (1, 20.0),
    (4, 78.0),
    (8, 130.0),
    (12, 170.0),
    (16, 190.0),
    (20, 200.0),
    (24, 210.0),
    (28, 230.0),
    (32, 260.0),
    (48, 280.0),
    (64, 310.0),
];

fn near(found: f64, expected: f64, share: f64) {
    assert!((found / expected - 1.0).abs() < share, "{found}, expected {expected}");
}

#[test]
fn the_law_is_that_of_the_published_fit() {
    // The fit that the documentation of `usl` 3 prints for SDM91, by absolute errors: α 0.0277285, β 0.0001044, γ 64.9 / 0.7211; its
    // residuals lie between −81.7 and 111.1.
    let rate = |nodes: u32| 64.9 / 0.7211 * Law::Usl.speed_up(f64::from(nodes), 0.0277285, 0.0001044);
    let residuals = SDM91.map(|(nodes, measured)| measured - rate(nodes));
    let (least, most) = residuals.iter().fold((0.0f64, 0.0f64), |(a, b), &r| (a.min(r), b.max(r)));
    assert!((least + 81.7).abs() < 1.0 && (most - 111.1).abs() < 1.0, "{residuals:?}");
}

#[test]
fn published_data_give_the_least_relative_errors() {
    // Computed with exact fractions, by the normal equations of the same problem.
    for (data, [scale, sigma, kappa]) in [
        (&SDM91[..], [68.160_705_215, 0.013_361_254_59, 1.152_025_985e-4]),
        (&RAY_TRACER, [21.746_235_100, 0.056_856_528_42, 3.454_758_405e-6]),
    ] {
        let fit = fit(Law::Usl, &samples(data)).expect("a fit");
        near(fit.scale, scale, 1e-8);
        near(fit.sigma.value, sigma, 1e-8);
        near(fit.kappa.expect("κ").value, kappa, 1e-6);
        // No other parameters nearby do better, by N / X, whose relative errors are made least.
        let sum = |[scale, sigma, kappa]: [f64; 3]| -> f64 {
            let error = |&(n, x): &(u32, f64)| x / (scale * Law::Usl.speed_up(f64::from(n), sigma, kappa)) - 1.0;
            data.iter().map(|point| error(point).powi(2)).sum()
        };
        let best = [fit.scale, fit.sigma.value, fit.kappa.expect("κ").value];
        for i in 0..3 {
            for factor in [0.99, 1.01] {
                let mut other = best;
                other[i] *= factor;
                assert!(sum(other) > sum(best), "{other:?}");
            }
        }
    }
    // What both ways of fitting agree on: the published peak of SDM91 is at 96.5 users.
    let peak = fit(Law::Usl, &samples(&SDM91)).expect("a fit").peak().expect("a peak");
    near(peak, 96.5, 0.05);
}

#[test]
fn known_parameters_come_back_from_data_without_noise() {
    let nodes = [1, 2, 4, 8, 16];
    for (law, sigma, kappa) in [(Law::Amdahl, 0.05, 0.0), (Law::Gustafson, 0.1, 0.0), (Law::Usl, 0.03, 0.002)] {
        let data: Vec<(u32, f64)> =
            nodes.iter().map(|&n| (n, 7.0 * law.speed_up(f64::from(n), sigma, kappa))).collect();
        let fit = fit(law, &samples(&data)).expect("a fit");
        near(fit.scale, 7.0, 1e-9);
        near(fit.sigma.value, sigma, 1e-8);
        assert_eq!(fit.kappa.is_some(), law == Law::Usl);
        if let Some(found) = fit.kappa {
            near(found.value, kappa, 1e-8);
            near(fit.peak().expect("a peak"), ((1.0 - sigma) / kappa).sqrt(), 1e-8);
        }
        assert!(fit.rms < 1e-9 && fit.residuals.iter().all(|(_, residual)| residual.abs() < 1e-9));
    }
}

#[test]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    let mut bits = blake3::Hasher::new().update(b"coverage of fits").finalize_xof();
    let mut normal = || {
        let mut sum = -6.0;
        for _ in 0..12 {
            let mut word = [0; 8];
            bits.fill(&mut word);
            sum += (u64::from_le_bytes(word) >> 11) as f64 / (1u64 << 53) as f64;
        }
        sum
    };
    let (sigma, kappa, trials) = (0.04, 0.003, 1500);
    let mut held = [0; 2];
    for _ in 0..trials {
        let mut run = |nodes: u32| {
            let rate = Law::Usl.speed_up(f64::from(nodes), sigma, kappa) * (1.0 + 0.01 * normal());
            Sample { nodes, rate }
        };
        let data: Vec<Sample> =
            [1, 2, 4, 8, 16].iter().flat_map(|&nodes| [run(nodes), run(nodes), run(nodes)]).collect();
        let fit = fit(Law::Usl, &data).expect("a fit");
        let inside =
            |estimate: Estimate, truth: f64| estimate.interval.is_some_and(|[low, high]| low <= truth && truth <= high);
        held[0] += i32::from(inside(fit.sigma, sigma));
        held[1] += i32::from(inside(fit.kappa.expect("κ"), kappa));
    }
    for held in held {
        let share = f64::from(held) / f64::from(trials);
        assert!((0.92..0.98).contains(&share), "{share}");
    }
}

#[test]
fn too_few_sizes_are_refused_with_the_number_needed() {
    let data = samples(&[(1, 1.0), (1, 1.1), (2, 1.9), (2, 2.0), (4, 3.5)]);
    assert!(fit(Law::Amdahl, &data).is_ok());
    let refusal = fit(Law::Usl, &data).expect_err("three sizes");
    assert_eq!(refusal, Refusal::TooFewSizes { law: Law::Usl, have: 3, need: 4 });
    assert_eq!(refusal.to_string(), "universal scalability law has 3 unknowns and needs 4 sizes; there are 3");
    assert!(fit(Law::Amdahl, &data[..2]).expect_err("one size").to_string().ends_with("there is 1"));
    assert!(fit(Law::Gustafson, &[]).is_err());
}

proptest! {
    #[test]
    fn no_data_make_a_fit_panic_or_lie(points in prop::collection::vec((1u32..70_000, prop::num::f64::ANY), 0..12)) {
        for law in [Law::Amdahl, Law::Gustafson, Law::Usl] {
            if let Ok(fit) = fit(law, &samples(&points)) {
                prop_assert!(fit.scale > 0.0);
                prop_assert!(fit.sigma.value.is_finite());
            }
        }
    }
}
