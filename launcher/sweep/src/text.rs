//! The results as text: a table for the terminal, and lines of JSON.

use serde_json::{Value, json};

use crate::analysis::{Analysis, Digests, SizeResult};
use crate::fit::{Fit, Refusal};
use crate::numbers::{bytes, estimate, estimate_percent, or_dash, percent, short};
use crate::plan::Unit;

/// Heads of the table; `n` of a size stands for its nodes or ranks.
const HEADS: [&str; 9] =
    ["ranks", "runs", "wall s", "steps/s", "speed-up", "efficiency", "CPU s", "CPU ratio", "sent a step"];

/// What a person wants to see when a sweep has ended.
pub fn table(analysis: &Analysis) -> String {
    let plan = &analysis.plan;
    let mut rows = vec![[vec![plan.unit.name().to_owned()], HEADS.map(str::to_owned).to_vec()].concat()];
    rows.extend(analysis.sizes.iter().map(row));
    // Ranks are told once.
    if plan.unit == Unit::Ranks {
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    let mut text =
        format!("{}: {} scaling, {} of {} runs\n", plan.name, plan.scaling.name(), done(analysis), all(analysis));
    text += &aligned(&rows);
    if analysis.is_crowded() {
        text +=
            "* more threads than hardware threads: time says how cores are shared, CPU ratio what more ranks cost\n";
    }
    if let Some(share) = analysis.disturbed {
        text += &format!("note     {}\n", disturbed_line(share));
    }
    text += &analysis.time_fits.iter().map(|fit| format!("time     {}\n", fit_line(fit))).collect::<String>();
    text += &format!("CPU      {}\n", fit_line(&analysis.cpu_fit));
    text += &format!("digests  {}\n", digests_line(&analysis.digests));
    for (point, why) in &analysis.failures {
        text += &format!("FAILED   {point}: {}\n", why.lines().next().unwrap_or_default());
    }
    text
}

fn all(analysis: &Analysis) -> usize {
    analysis.plan.nodes.len() * analysis.plan.repeats as usize
}

fn done(analysis: &Analysis) -> usize {
    all(analysis) - analysis.missing
}

fn row(size: &SizeResult) -> Vec<String> {
    vec![
        format!("{}{}", size.nodes, if size.crowded { "*" } else { "" }),
        size.ranks.to_string(),
        size.wall_s.runs.to_string(),
        estimate(size.wall_s),
        short(size.steps_per_s.value),
        or_dash(size.speed_up, estimate),
        or_dash(size.efficiency, estimate_percent),
        short(size.cpu_s.value),
        or_dash(size.cpu_ratio, estimate),
        bytes(size.bytes_per_step.values().sum()),
    ]
}

/// Columns as wide as what stands in them, to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

/// A fit in one line, or why there is none.
pub(crate) fn fit_line(fit: &Result<Fit, Refusal>) -> String {
    match fit {
        Err(refusal) => format!("no fit: {refusal}"),
        Ok(fit) => {
            let kappa = fit.kappa.map(|kappa| format!(", κ {}", estimate(kappa))).unwrap_or_default();
            let peak = fit.peak().map(|peak| format!(", most at {}", short(peak))).unwrap_or_default();
            let rms = percent(fit.rms);
            format!("{}: σ {}{kappa}{peak}; residuals {rms}", fit.law.name(), estimate(fit.sigma))
        }
    }
}

/// That others used the machine, in one line.
pub(crate) fn disturbed_line(share: f64) -> String {
    format!(
        "a rank alone had a core for {} of its time: other programs used the machine, so trust CPU seconds more than time",
        percent(share)
    )
}

/// Whether results agree, in one line.
pub(crate) fn digests_line(digests: &Digests) -> String {
    match digests {
        Digests::Nothing => "nothing to compare".to_owned(),
        Digests::Equal { what } => format!("equal ({what})"),
        Digests::Differ { groups } => {
            let group = |(digest, points): &(String, Vec<String>)| format!("{digest} of {}", points.join(" "));
            format!("DIFFER: {}", groups.iter().map(group).collect::<Vec<_>>().join("; "))
        }
    }
}

/// The same as JSON, an object a line: one for the sweep, one for each size, one for each fit.
pub fn json_lines(analysis: &Analysis) -> String {
    let mut lines = vec![json!({
        "kind": "sweep", "plan": analysis.plan, "machine": analysis.machine, "digests": analysis.digests,
        "failures": analysis.failures, "missing": analysis.missing,
    })];
    let tagged = |kind: &str, value: Value| {
        let mut line = json!({ "kind": kind });
        if let (Value::Object(line), Value::Object(value)) = (&mut line, value) {
            line.extend(value);
        }
        line
    };
    let value = |size: &SizeResult| serde_json::to_value(size).unwrap_or_default();
    lines.extend(analysis.sizes.iter().map(|size| tagged("size", value(size))));
    let fits = analysis.time_fits.iter().map(|fit| ("time", fit)).chain([("cpu", &analysis.cpu_fit)]);
    lines.extend(fits.map(|(of, fit)| match fit {
        Ok(fit) => tagged("fit", json!({ "of": of, "peak": fit.peak(), "fit": fit })),
        Err(refusal) => tagged("fit", json!({ "of": of, "refused": refusal.to_string() })),
    }));
    lines.iter().map(|line| format!("{line}\n")).collect()
}
