//! Values over the sizes: dots with their intervals, and curves beside them.

use plotters::prelude::*;

use super::frame::{Area, BLUE, Chart, Failure, GREEN, ORANGE, Ticks, Words, chart, legend, px, shade, tick};
use crate::analysis::{Analysis, SizeResult};
use crate::fit::{Fit, Law};
use crate::stats::Estimate;

/// Points of a curve.
const SMOOTH: usize = 60;
/// How far an interval is drawn, as a factor on the value.
const DRAWN: f64 = 3.0;

/// Speed-up, the ideal line, and the laws that are fitted to time.
pub(super) fn speed_up<'b>(area: &Area<'b>, analysis: &Analysis) -> Result<(), Failure<'b>> {
    let nodes = &analysis.plan.nodes;
    let base = f64::from(analysis.plan.base());
    let shown = measured(analysis, |size| size.speed_up);
    let bounds = shown.iter().flat_map(|(_, of)| ends(*of)).chain(nodes.iter().map(|&n| f64::from(n)));
    let axes = (Ticks::nodes(nodes), Ticks::powers(bounds));
    let low = axes.1.ends()[0];
    let words = Words { title: "Speed-up", right: analysis.plan.unit.name(), up: "speed-up" };
    let power = |log: &f64| tick(log.exp2());
    let mut chart = chart(area, &words, axes, shade(analysis), [&power, &power])?;
    let [first, last] = [nodes.first(), nodes.last()].map(|n| f64::from(n.copied().unwrap_or(1)).log2());
    line(&mut chart, vec![(first, first), (last, last)], BLACK.mix(0.45), "ideal")?;
    for fit in analysis.time_fits.iter().flatten() {
        // The curve as the dots: over what the smallest size did, times its nodes.
        let start = fit.rate(base) / base;
        let fitted = curve(nodes, |n| fit.rate(n) / start).filter(|(_, log)| *log >= low).collect();
        line(&mut chart, fitted, colour(fit).mix(1.0), fit.law.name())?;
    }
    let allowed = measured(analysis, SizeResult::allowed);
    let allowed = allowed.iter().map(|(nodes, of)| (f64::from(*nodes).log2(), of.value.log2()));
    let ring = ORANGE.stroke_width(px(2));
    chart
        .draw_series(allowed.map(|place| Circle::new(place, px(5), ring)))?
        .label("allowed by CPU seconds")
        .legend(move |(x, y)| Circle::new((x + px(9) as i32, y), px(5), ring));
    let logs = |of: Estimate| [of.value.log2(), ends(of)[0].max(low.exp2()).log2(), ends(of)[1].log2()];
    dots(&mut chart, &shown, logs)?;
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// CPU seconds of a piece of work, over those of the smallest size.
pub(super) fn cpu_ratio<'b>(area: &Area<'b>, analysis: &Analysis) -> Result<(), Failure<'b>> {
    let words =
        Words { title: "CPU seconds of the same work", right: analysis.plan.unit.name(), up: "over the smallest size" };
    let cost = |n: f64, fit: &Fit| n / fit.rate(n);
    let base = f64::from(analysis.plan.base());
    let fitted = analysis.cpu_fit.as_ref().ok();
    ratio(
        area,
        analysis,
        &words,
        |size| size.cpu_ratio,
        fitted.map(|fit| (fit, move |n| cost(n, fit) / cost(base, fit))),
    )
}

/// Speed-up over nodes.
pub(super) fn efficiency<'b>(area: &Area<'b>, analysis: &Analysis) -> Result<(), Failure<'b>> {
    let up = format!("speed-up over {}", analysis.plan.unit.name());
    let words = Words { title: "Efficiency", right: analysis.plan.unit.name(), up: &up };
    let base = f64::from(analysis.plan.base());
    let usl = analysis.time_fits.iter().flatten().find(|fit| fit.law == Law::Usl);
    let per_node = usl.map(|fit| (fit, move |n: f64| fit.rate(n) / n * base / fit.rate(base)));
    ratio(area, analysis, &words, |size| size.efficiency, per_node)
}

/// A ratio whose ideal is 1, over the sizes, and a curve fitted to it.
fn ratio<'b>(
    area: &Area<'b>,
    analysis: &Analysis,
    words: &Words,
    value: fn(&SizeResult) -> Option<Estimate>,
    fitted: Option<(&Fit, impl Fn(f64) -> f64)>,
) -> Result<(), Failure<'b>> {
    let nodes = &analysis.plan.nodes;
    let shown = measured(analysis, value);
    let top = shown.iter().map(|(_, of)| ends(*of)[1]).fold(1.0, f64::max);
    let axes = (Ticks::nodes(nodes), Ticks::from_zero(1.12 * top));
    let top = axes.1.ends()[1];
    let power = |log: &f64| tick(log.exp2());
    let plain = |value: &f64| tick(*value);
    let mut chart = chart(area, words, axes, shade(analysis), [&power, &plain])?;
    let [first, last] = Ticks::nodes(nodes).ends();
    line(&mut chart, vec![(first, 1.0), (last, 1.0)], BLACK.mix(0.45), "ideal")?;
    if let Some((fit, at)) = fitted {
        let points =
            curve(nodes, at).map(|(log, value)| (log, value.exp2())).filter(|(_, value)| (0.0..=top).contains(value));
        line(&mut chart, points.collect(), colour(fit).mix(1.0), fit.law.name())?;
    }
    dots(&mut chart, &shown, |of| [of.value, ends(of)[0], ends(of)[1]])?;
    legend(&mut chart, SeriesLabelPosition::LowerLeft)
}

fn measured(analysis: &Analysis, value: fn(&SizeResult) -> Option<Estimate>) -> Vec<(u32, Estimate)> {
    analysis.sizes.iter().filter_map(|size| Some((size.nodes, value(size)?))).collect()
}

/// The interval as it is drawn: that of two runs may reach anywhere, and the plot is about the values.
fn ends(of: Estimate) -> [f64; 2] {
    let [low, high] = of.interval.unwrap_or([of.value; 2]);
    [low.max(of.value / DRAWN), high.min(of.value * DRAWN)]
}

fn colour(fit: &Fit) -> RGBColor {
    if fit.law == Law::Usl { ORANGE } else { GREEN }
}

/// A function of nodes, from the smallest to the largest size, as logarithms of base 2; only where it is positive.
fn curve(nodes: &[u32], of: impl Fn(f64) -> f64) -> impl Iterator<Item = (f64, f64)> {
    let [first, last] = [nodes.first(), nodes.last()].map(|n| f64::from(n.copied().unwrap_or(1)).log2());
    let at = move |i: usize| {
        let log = first + (last - first) * i as f64 / SMOOTH as f64;
        (log, of(log.exp2()).log2())
    };
    (0..=SMOOTH).map(at).filter(|(_, value)| value.is_finite())
}

fn line<'b>(chart: &mut Chart<'b>, points: Vec<(f64, f64)>, colour: RGBAColor, name: &str) -> Result<(), Failure<'b>> {
    let style = colour.stroke_width(px(2));
    chart
        .draw_series(LineSeries::new(points, style))?
        .label(name)
        .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + px(18) as i32, y)], style));
    Ok(())
}

/// Measured values with their intervals; `places` gives value, lower and upper end on the axis.
fn dots<'b>(
    chart: &mut Chart<'b>,
    shown: &[(u32, Estimate)],
    places: impl Fn(Estimate) -> [f64; 3],
) -> Result<(), Failure<'b>> {
    let at: Vec<(f64, [f64; 3])> = shown.iter().map(|(nodes, of)| (f64::from(*nodes).log2(), places(*of))).collect();
    let style = BLUE.stroke_width(px(2));
    for &(x, [_, low, high]) in &at {
        chart.draw_series([PathElement::new(vec![(x, low), (x, high)], style)])?;
    }
    chart
        .draw_series(at.iter().map(|&(x, [value, ..])| Circle::new((x, value), px(4), BLUE.filled())))?
        .label("measured")
        .legend(|(x, y)| Circle::new((x + px(9) as i32, y), px(4), BLUE.filled()));
    Ok(())
}
