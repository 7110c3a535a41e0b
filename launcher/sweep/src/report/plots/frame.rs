//! What all plots have in common: size, colours, axes, the shade behind crowded sizes.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

use crate::analysis::Analysis;
use crate::error::SweepError;
use crate::numbers::short;

/// The backend draws at whole pixels only: a drawing has so many of them for one that is shown, so that slopes are smooth.
const FINE: u32 = 4;
/// Of a plot, as it is drawn.
pub(super) const SIZE: (u32, u32) = (560 * FINE, 400 * FINE);
/// Measurements.
pub(super) const BLUE: RGBColor = RGBColor(0, 0x72, 0xb2);
/// The universal law.
pub(super) const ORANGE: RGBColor = RGBColor(0xc0, 0x4a, 0);
/// The law of the serial share.
pub(super) const GREEN: RGBColor = RGBColor(0, 0x80, 0x5c);
/// Behind crowded sizes.
const SHADE: RGBColor = RGBColor(0xf7, 0xe8, 0xc8);

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;
pub(super) type Chart<'b> = ChartContext<'b, SVGBackend<'b>, Cartesian2d<Ticks, Ticks>>;

/// A drawing on white.
pub(super) fn drawn(
    name: &'static str,
    size: (u32, u32),
    draw: impl for<'a> FnOnce(&Area<'a>) -> Result<(), Failure<'a>>,
) -> Result<String, SweepError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let all = || {
            area.fill(&WHITE)?;
            draw(&area)?;
            area.present()
        };
        all().map_err(|error| SweepError::Plot { name, what: error.to_string() })?;
    }
    let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(svg.replacen(&drawn, &format!("width=\"{}\" height=\"{}\"", size.0 / FINE, size.1 / FINE), 1))
}

/// A length in pixels as they are shown.
pub(super) fn px(length: u32) -> u32 {
    length * FINE
}

/// A font of a height in pixels as they are shown.
pub(super) fn font(height: u32) -> (&'static str, u32) {
    ("sans-serif", px(height))
}

/// A value at a tick: no more digits than it needs.
pub(super) fn tick(value: f64) -> String {
    let text = short(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// An axis from one number to another with ticks where they are wanted.
#[derive(Clone)]
pub(super) struct Ticks {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Ticks {
    /// A linear axis from 0 with ticks at round numbers: 1, 2 or 5 times a power of ten, at most eight of them.
    pub(super) fn from_zero(to: f64) -> Ticks {
        let power = 10f64.powf((to / 8.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| to / step <= 8.0).unwrap_or(to);
        let ticks = (0..=8).map(|i| f64::from(i) * step).filter(|tick| *tick <= to).collect();
        Ticks { from: 0.0, to, ticks }
    }

    /// A logarithmic axis (of base 2) of these numbers of nodes.
    pub(super) fn nodes(nodes: &[u32]) -> Ticks {
        let ticks: Vec<f64> = nodes.iter().map(|&n| f64::from(n).log2()).collect();
        let (from, to) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
        let room = 0.08 * (to - from).max(1.0);
        Ticks { from: from - room, to: to + room, ticks }
    }

    /// A logarithmic axis (of base 2) that holds these values, with ticks at powers of two.
    pub(super) fn powers(values: impl Iterator<Item = f64>) -> Ticks {
        let logs = values.filter(|value| *value > 0.0).map(f64::log2);
        let (from, to) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), log| (a.min(log), b.max(log)));
        let (from, to) = if from <= to { (from.floor(), to.max(from + 0.5) + 0.3) } else { (0.0, 1.0) };
        let ticks = (from as i32..=to as i32).map(f64::from).collect();
        Ticks { from, to, ticks }
    }

    /// Places that are counted from 0, with room around each.
    pub(super) fn places(count: usize) -> Ticks {
        Ticks { from: -0.6, to: count as f64 - 0.4, ticks: (0..count).map(|place| place as f64).collect() }
    }

    /// The same with more room at its end, in shares of its length.
    pub(super) fn widened(self, share: f64) -> Ticks {
        Ticks { to: self.to + share * (self.to - self.from), ..self }
    }

    pub(super) fn ends(&self) -> [f64; 2] {
        [self.from, self.to]
    }
}

impl Ranged for Ticks {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// Words of a plot.
pub(super) struct Words<'w> {
    pub(super) title: &'w str,
    pub(super) right: &'w str,
    pub(super) up: &'w str,
}

/// A chart with its axes; `marks` write the ticks of both. Sizes that are crowded have a shade behind them.
pub(super) fn chart<'b>(
    area: &Area<'b>,
    words: &Words,
    (right, up): (Ticks, Ticks),
    shade: Option<f64>,
    marks: [&dyn Fn(&f64) -> String; 2],
) -> Result<Chart<'b>, Failure<'b>> {
    let ([_, last], [low, high]) = (right.ends(), up.ends());
    let mut chart = ChartBuilder::on(area)
        .caption(words.title, font(18))
        .margin(px(12))
        .x_label_area_size(px(42))
        .y_label_area_size(px(58))
        .build_cartesian_2d(right, up)?;
    if let Some(from) = shade {
        chart.draw_series([Rectangle::new([(from, low), (last, high)], SHADE.filled())])?;
    }
    chart
        .configure_mesh()
        .x_desc(words.right)
        .y_desc(words.up)
        .x_label_formatter(marks[0])
        .y_label_formatter(marks[1])
        .axis_style(BLACK.stroke_width(px(1)))
        .bold_line_style(BLACK.mix(0.2).stroke_width(px(1)))
        .set_all_tick_mark_size(px(4))
        .x_max_light_lines(0)
        .y_max_light_lines(0)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .draw()?;
    if let Some(from) = shade {
        let at = (from + 0.01 * (last - from), high - 0.02 * (high - low));
        chart.draw_series([Text::new("more threads than cores", at, font(12))])?;
    }
    Ok(chart)
}

/// Where the shade begins on an axis of [`Ticks::nodes`]: half way from the last size that has room to the first that has not.
pub(super) fn shade(analysis: &Analysis) -> Option<f64> {
    let log = |nodes: u32| f64::from(nodes).log2();
    let first = analysis.sizes.iter().find(|size| size.crowded)?.nodes;
    let before = analysis.sizes.iter().filter(|size| size.nodes < first).map(|size| log(size.nodes)).next_back();
    let start = Ticks::nodes(&analysis.plan.nodes).ends()[0];
    Some(before.map_or(start, |before| 0.5 * (before + log(first))))
}

/// A legend in the corner that is free.
pub(super) fn legend<'b>(chart: &mut Chart<'b>, position: SeriesLabelPosition) -> Result<(), Failure<'b>> {
    chart
        .configure_series_labels()
        .position(position)
        .margin(px(8))
        .legend_area_size(px(24))
        .border_style(BLACK.mix(0.3).stroke_width(px(1)))
        .background_style(WHITE.mix(0.85))
        .label_font(font(13))
        .draw()
}
