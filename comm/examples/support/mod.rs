//! What the programs that measure share: figures for people or, with `--json`, for programs, and offers as text.
#![allow(dead_code)]

use std::error::Error;

/// What may go wrong with a measurement.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Prints figures as they come.
///
/// With `--json` a figure is an object on a line of its own, `{"name", "unit", "samples"}`; where something was measured in
/// turns with it, also `"peer"` and `"of_peer"`, of as many samples.
#[derive(Clone, Copy)]
pub struct Figures {
    json: bool,
}

impl Figures {
    /// In the form that the command line asks for, and the other arguments.
    pub fn from_args() -> (Figures, Vec<String>) {
        let (json, others): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg == "--json");
        (Figures { json: !json.is_empty() }, others)
    }

    /// Words for people alone.
    pub fn say(self, words: &str) {
        if !self.json {
            println!("{words}");
        }
    }

    /// A figure that stands for itself.
    pub fn alone(self, name: &str, unit: &str, samples: &[f64]) {
        if self.json {
            println!(r#"{{"name":"{name}","unit":"{unit}","samples":{}}}"#, array(samples.iter().copied()));
        } else {
            let [low, median, high] = spread(samples.iter().copied());
            println!("{name:<44} {median:10.2} {unit:<8} ({low:.2} to {high:.2})");
        }
    }

    /// A figure beside a peer's, measured in turns.
    pub fn paired(self, name: &str, unit: &str, pairs: &[(f64, f64)], peer: &str) {
        let (ours, theirs) = (pairs.iter().map(|pair| pair.0), pairs.iter().map(|pair| pair.1));
        if self.json {
            let (ours, theirs) = (array(ours), array(theirs));
            println!(r#"{{"name":"{name}","unit":"{unit}","samples":{ours},"peer":"{peer}","of_peer":{theirs}}}"#);
            return;
        }
        // What a machine would show that nobody else uses.
        let best = |values: &mut dyn Iterator<Item = f64>| {
            if unit.ends_with("/s") { values.fold(0.0, f64::max) } else { values.fold(f64::INFINITY, f64::min) }
        };
        let quickest = best(&mut ours.clone()) / best(&mut theirs.clone());
        let [_, ours, _] = spread(ours);
        let [_, theirs, _] = spread(theirs);
        let [low, ratio, high] = spread(pairs.iter().map(|(ours, theirs)| ours / theirs));
        println!(
            "{name:<44} {ours:10.2} {unit:<8} {peer} {theirs:.2}, ratio {ratio:.2} ({low:.2} to {high:.2}), of the best {quickest:.2}"
        );
    }
}

fn array(values: impl Iterator<Item = f64>) -> String {
    let texts: Vec<String> = values.map(|value| format!("{value:e}")).collect();
    format!("[{}]", texts.join(","))
}

/// 10th percentile, median, 90th.
pub fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [last / 10, last / 2, (last * 9).div_ceil(10)].map(|at| sorted.get(at).copied().unwrap_or(f64::NAN))
}

/// `8 B`, `64 KiB`, `8 MiB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// An offer on a line.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An offer from a line.
pub fn bytes(line: &str) -> Outcome<Vec<u8>> {
    let pairs = line.trim().as_bytes().chunks(2);
    pairs.map(|two| Ok(u8::from_str_radix(std::str::from_utf8(two)?, 16)?)).collect()
}
