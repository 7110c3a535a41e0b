//! Accuracy for CPU time: what error an engine leaves, and what it costs to leave less.
//!
//! All engines get the same meshes, masses and elastic constants, and are held to what they can all be held to: the motion of a few
//! points, against the truth for that very mesh ([`reference`](super::reference)), which no engine computes. Rankzero's own run with very many
//! substeps would not do: nobody should be the judge in his own case.
//!
//! - **Bars** hang by their upper ends and are let go at once. *Sag*: error of the displacement of the lower end in the second second of a
//!   damped bar; near `ρ g L² / 2E`. Without damping the lower end swings about it with a period near that of the first longitudinal wave,
//!   `4 L sqrt(ρ/E)`. *Period*: error of the mean time between its upward passages of the middle. *Swing*: root mean square of the difference of the
//!   two tracks in the first second, over that of the true one about its mean: mostly damping that nobody asked for; 1 is as wrong as no
//!   swing at all.
//! - **Cubes** fall 0.5 m onto a plane and bounce. *Height*: root mean square of the difference of the mass centres' heights in the first second,
//!   over the 0.5 m.
//!
//! An engine of springs has no Young's modulus: a factor on its compliances is fitted, so that its bar, finely solved, sags as it should.
//! What remains is the error of its solver.

use std::fs;

use super::Bench;
use super::curve::{Curve, Point};
use super::plot::{Panel, accuracy as draw};
use super::reference;
use super::speed::SUBSTEPS;
use crate::clock::Whose;
use crate::engine::{Engine, Ours, on_threads};
use crate::error::BenchError;
use crate::peers::Peer;
use crate::stats::Measured;
use crate::world::{BAR, DENSITY, GRAVITY, RATE, World, YOUNG, bars, cubes};

/// Substeps of rankzero that are tried; fewer are refused on these meshes.
const OURS: [u32; 6] = [5, 7, 10, 20, 40, 80];
/// Those at which springs are fitted.
const FINE: u32 = 64;
/// Damping of the bars whose sag counts, 1/s.
const DAMPING: f64 = 8.0;
/// Height that cubes fall, m.
const FALL: f64 = 0.5;

/// Positions over time of what is looked at, one a step, m.
type Track = Vec<f64>;

/// Something that an engine can be wrong about.
struct Question {
    name: &'static str,
    error: fn(&Track, &Track) -> f64,
}

/// A scene and what is asked of it.
struct Trial {
    world: World,
    /// Weights of body 0's nodes in what is looked at.
    weights: Vec<f64>,
    steps: u64,
    truth: Track,
    questions: &'static [Question],
}

const OF_STILL_BARS: [Question; 1] =
    [Question { name: "bar, sag", error: |track, truth| (late_mean(track) / late_mean(truth) - 1.0).abs() }];
const OF_BARS: [Question; 2] = [
    Question { name: "bar, period", error: |track, truth| (period(track) / period(truth) - 1.0).abs() },
    Question {
        name: "bar, swing",
        error: |track, truth| distance(track, truth) / distance(truth, &vec![mean(truth); truth.len()]),
    },
];
const OF_CUBES: [Question; 1] =
    [Question { name: "cube, height", error: |track, truth| distance(track, truth) / FALL }];

fn mean(track: &[f64]) -> f64 {
    track.iter().sum::<f64>() / track.len() as f64
}

/// Of the last second.
fn late_mean(track: &Track) -> f64 {
    mean(&track[track.len() - RATE as usize..])
}

/// Mean time between upward passages of the mean, steps; NaN where there are fewer than two.
fn period(track: &Track) -> f64 {
    let middle = mean(track);
    let passes = |(step, pair): (usize, &[f64])| {
        let (a, b) = (pair[0] - middle, pair[1] - middle);
        (a < 0.0 && b >= 0.0).then(|| step as f64 + a / (a - b))
    };
    let times: Vec<f64> = track.windows(2).enumerate().filter_map(passes).collect();
    match times.as_slice() {
        [first, .., last] => (last - first) / (times.len() - 1) as f64,
        _ => f64::NAN,
    }
}

fn distance(a: &Track, b: &Track) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Where the weighted nodes of body 0 are after each step, relative to where they start, and the CPU seconds of the steps.
fn track(engine: &mut dyn Engine, weights: &[f64], steps: u64) -> Result<(Track, f64), BenchError> {
    let total: f64 = weights.iter().sum();
    let height = |nodes: &[[f32; 3]]| nodes.iter().zip(weights).map(|(p, w)| f64::from(p[1]) * w).sum::<f64>() / total;
    let start = height(&engine.nodes(0));
    let (mut track, mut cpu_s) = (Vec::new(), 0.0);
    for _ in 0..steps {
        let (done, taken) = Whose::Thread.time(|| engine.step());
        done?;
        cpu_s += taken.cpu_s;
        track.push(height(&engine.nodes(0)) - start);
    }
    Ok((track, cpu_s))
}

impl Trial {
    fn new(world: World, questions: &'static [Question], lowest: bool, seconds: u64) -> Self {
        let topology = world.scene.topology(0).clone();
        let bottom = topology.rest.iter().map(|p| p[1]).fold(f32::INFINITY, f32::min) + 1e-4;
        let weight =
            |(p, m): (&[f32; 3], &f32)| if lowest { f64::from(u8::from(p[1] < bottom)) } else { f64::from(*m) };
        let weights: Vec<f64> = topology.rest.iter().zip(&topology.mass).map(weight).collect();
        let steps = seconds * RATE;
        let truth = reference::track(&world, &weights, steps, 1);
        Self { world, weights, steps, truth, questions }
    }

    /// What `make` leaves with each of `substeps`: for each question a curve. Ends after the first that takes longer than `budget_s`.
    fn curves(
        &self,
        name: &'static str,
        substeps: &[u32],
        budget_s: f64,
        make: &dyn Fn(u32) -> Result<Box<dyn Engine>, BenchError>,
    ) -> Result<Vec<Curve>, BenchError> {
        let mut curves: Vec<Curve> = self.questions.iter().map(|_| Curve { name, points: Vec::new() }).collect();
        for &substeps in substeps {
            let (track, cpu_s) = track(&mut *make(substeps)?, &self.weights, self.steps)?;
            let seconds = f64::from(self.world.bodies()) * self.steps as f64 / RATE as f64;
            let cost = 1e3 * cpu_s / seconds;
            for (question, curve) in self.questions.iter().zip(&mut curves) {
                let error = (question.error)(&track, &self.truth);
                if error.is_finite() {
                    curve.points.push(Point { substeps, cost, error });
                }
            }
            if cpu_s > budget_s {
                break;
            }
        }
        Ok(curves)
    }

    /// The curves of all engines, rankzero's first: by engine, then by question.
    fn round(&self, peers: &[Peer], budget_s: f64) -> Result<Vec<Vec<Curve>>, BenchError> {
        let ours = |substeps| Ok(Box::new(Ours::of(&self.world, substeps)?) as Box<dyn Engine>);
        let mut all = vec![self.curves("rankzero", &OURS, f64::INFINITY, &ours)?];
        for peer in peers {
            let theirs = |substeps| peer.make(&self.world, substeps);
            all.push(self.curves(peer.name, peer.substeps, budget_s, &theirs)?);
        }
        Ok(all)
    }
}

/// Curves of all engines, the plot of them, and rows at equal cost and at equal error.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    let (repeats, budget) = (bench.repeats().min(3), 0.5 * bench.budget_s());
    let side = if bench.quick { 3 } else { 6 };
    let mut peers = bench.peers.clone();
    let (trials, fits, rounds) = on_threads(1, || {
        let trials = [
            Trial::new(bars(side, DAMPING)?, &OF_STILL_BARS, true, 2),
            Trial::new(bars(side, 0.0)?, &OF_BARS, true, 1),
            Trial::new(cubes(side)?, &OF_CUBES, false, 1),
        ];
        let fits = fit(&mut peers, &trials[0])?;
        let round = |_| trials.iter().map(|trial| trial.round(&peers, budget)).collect::<Result<Vec<_>, _>>();
        let rounds = (0..repeats).map(round).collect::<Result<Vec<_>, _>>()?;
        Ok((trials, fits, rounds))
    })?;
    of_the_truth(bench, &trials);
    for (name, factor) in fits {
        bench.report.alone(&format!("{name}, factor on compliances, fitted"), "", &[factor]);
    }
    let mut panels = Vec::new();
    for (trial, of) in trials.iter().enumerate() {
        for (index, question) in of.questions.iter().enumerate() {
            let curves: Vec<Vec<&Curve>> =
                rounds.iter().map(|round| round[trial].iter().map(|engine| &engine[index]).collect()).collect();
            rows(bench, question.name, &curves);
            panels.push(Panel { title: question.name, curves: curves[0].iter().map(|&c| c.clone()).collect() });
        }
    }
    let (file, text) = (bench.folder.join("accuracy.json"), serde_json::to_string_pretty(&panels).unwrap_or_default());
    fs::write(&file, text + "\n").map_err(BenchError::io("write", &file))?;
    draw(&bench.folder.join("accuracy.svg"), &panels)
}

/// How the truth compares with the formulae of a slender bar, and how much it changes with twice the integration step.
fn of_the_truth(bench: &mut Bench, trials: &[Trial]) {
    let report = &mut bench.report;
    let sag = DENSITY * GRAVITY * BAR * BAR / (2.0 * YOUNG);
    report.against("bar, true sag", "m", &[-late_mean(&trials[0].truth)], "ρ g L²/2E", sag);
    let wave = 4.0 * BAR * (DENSITY / YOUNG).sqrt();
    report.against("bar, true period", "s", &[period(&trials[1].truth) / RATE as f64], "4 L sqrt(ρ/E)", wave);
    for trial in trials {
        let coarser = reference::track(&trial.world, &trial.weights, trial.steps, 2);
        for question in trial.questions {
            let change = (question.error)(&coarser, &trial.truth);
            report.alone(&format!("{}, error of the truth itself", question.name), "", &[change]);
        }
    }
}

/// Fits the compliances of the engines that have springs: the sag is proportional to them.
fn fit(peers: &mut [Peer], trial: &Trial) -> Result<Vec<(&'static str, f64)>, BenchError> {
    let one = bars(1, DAMPING)?;
    let mut fits = Vec::new();
    for peer in peers.iter_mut().filter(|peer| peer.fitted) {
        for _ in 0..4 {
            let found = late_mean(&track(&mut *peer.make(&one, FINE)?, &trial.weights, trial.steps)?.0);
            peer.softness *= (late_mean(&trial.truth) / found) as f32;
        }
        fits.push((peer.name, f64::from(peer.softness)));
    }
    Ok(fits)
}

/// The rows of a question; `curves` by repeat, then by engine.
fn rows(bench: &mut Bench, name: &str, curves: &[Vec<&Curve>]) {
    let report = &mut bench.report;
    let ten = |curve: &Curve| curve.points.iter().copied().find(|point| point.substeps == SUBSTEPS);
    let mine: Vec<Point> = curves.iter().filter_map(|round| ten(round[0])).collect();
    let Some(first) = mine.first().copied() else { return };
    if curves[0].len() == 1 {
        report.alone(
            &format!("{name}, error, {SUBSTEPS} substeps"),
            "",
            &mine.iter().map(|p| p.error).collect::<Vec<_>>(),
        );
    }
    for engine in 1..curves[0].len() {
        let theirs = |round: usize| curves[round][engine];
        let peer = theirs(0).name;
        let errors = mine.iter().enumerate().filter_map(|(i, p)| Some((p.error, theirs(i).error_at(p.cost)?)));
        let errors: Vec<(f64, f64)> = errors.collect();
        if errors.is_empty() {
            continue;
        }
        let place = if theirs(0).covers(first.cost) { "" } else { ", nearest point" };
        report.paired(&format!("{name}, error at equal cost"), "", &errors, &format!("{peer}{place}"));
        let costs = mine.iter().enumerate().filter_map(|(i, p)| Some((p.cost, theirs(i).cost_of(p.error)?)));
        let costs: Vec<(f64, f64)> = costs.collect();
        let title = format!("{name}, cost at equal error");
        if costs.is_empty() {
            let own = Measured::of(mine.iter().map(|p| p.cost));
            let least = theirs(0).points.iter().map(|p| p.error).fold(f64::INFINITY, f64::min);
            let peer = format!("{peer}: never, error {} at least", crate::report::short(least));
            report.beside_none(&title, "ms", own, &peer);
        } else {
            report.paired(&title, "ms", &costs, peer);
        }
    }
}
