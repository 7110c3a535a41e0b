//! A bar for each size, made of parts.

use plotters::prelude::*;

use super::frame::{Area, Failure, Ticks, Words, chart, legend, px, tick};
use crate::analysis::Analysis;

/// Parts of the time whose place and colour are fixed, from below: what computes first, what waits last. Colours tell their lightness
/// apart as well as their hue, and stand on white and on black.
const PARTS: [(&str, RGBColor); 6] = [
    ("solve", RGBColor(0x3b, 0x6f, 0xb6)),
    ("contact", RGBColor(0x6f, 0xb1, 0xe0)),
    ("rigid", RGBColor(0x3f, 0x9e, 0x83)),
    ("halo", RGBColor(0xe0, 0xb0, 0x3f)),
    ("output", RGBColor(0x9a, 0x8f, 0xc0)),
    ("wait", RGBColor(0xd0, 0x69, 0x5a)),
];
/// Of a part that is not among them.
const OTHER: RGBColor = RGBColor(0x8a, 0x8a, 0x8a);

/// The parts that runs tell of, those that are known first.
pub(in crate::report) fn parts(analysis: &Analysis) -> Vec<String> {
    let told = |part: &str| analysis.sizes.iter().any(|size| size.time_split.contains_key(part));
    let known = PARTS.iter().map(|(part, _)| *part).filter(|part| told(part)).map(str::to_owned);
    let mut parts: Vec<String> = known.collect();
    for part in analysis.sizes.iter().flat_map(|size| size.time_split.keys()) {
        if !parts.contains(part) {
            parts.push(part.clone());
        }
    }
    parts
}

/// Shares of the main threads' time.
pub(super) fn time_split<'b>(area: &Area<'b>, analysis: &Analysis) -> Result<(), Failure<'b>> {
    let words = Words {
        title: "Where the time goes",
        right: analysis.plan.unit.name(),
        up: "percent of the main threads' time",
    };
    let names: Vec<String> = analysis.sizes.iter().map(|size| size.nodes.to_string()).collect();
    let name = |place: &f64| names.get(place.round() as usize).cloned().unwrap_or_default();
    let plain = |value: &f64| tick(*value);
    // Room to the right for the legend.
    let axes = (Ticks::places(names.len()).widened(0.45), Ticks::from_zero(104.0));
    let mut chart = chart(area, &words, axes, None, [&name, &plain])?;
    let step = |length: u32| px(length) as i32;
    let mut below = vec![0.0; names.len()];
    for part in parts(analysis) {
        let colour = PARTS.iter().find(|(name, _)| *name == part).map_or(OTHER, |(_, colour)| *colour);
        let shares = analysis.sizes.iter().map(|size| 100.0 * size.time_split.get(&part).copied().unwrap_or(0.0));
        let bars: Vec<Rectangle<(f64, f64)>> = shares
            .zip(&mut below)
            .enumerate()
            .map(|(place, (share, below))| {
                let from = *below;
                *below += share;
                let x = place as f64;
                Rectangle::new([(x - 0.36, from), (x + 0.36, *below)], colour.filled())
            })
            .collect();
        chart.draw_series(bars)?.label(part).legend(move |(x, y)| {
            Rectangle::new([(x + step(3), y - step(5)), (x + step(15), y + step(5))], colour.filled())
        });
    }
    legend(&mut chart, SeriesLabelPosition::MiddleRight)
}
