//! The plots, as SVG. Drawn black on white in few colours, to which the page's style sheet gives dark ones.

mod bars;
mod frame;
mod lines;

use crate::analysis::Analysis;
use crate::error::SweepError;
use frame::{SIZE, drawn};

pub(super) use bars::parts;

/// Speed-up over nodes, both logarithmic, with laws and the ideal line.
pub(super) fn speed_up(analysis: &Analysis) -> Result<String, SweepError> {
    drawn("speed-up", SIZE, |area| lines::speed_up(area, analysis))
}

/// CPU seconds of a piece of work over nodes.
pub(super) fn cpu_ratio(analysis: &Analysis) -> Result<String, SweepError> {
    drawn("CPU ratio", SIZE, |area| lines::cpu_ratio(area, analysis))
}

/// Speed-up over nodes, per node.
pub(super) fn efficiency(analysis: &Analysis) -> Result<String, SweepError> {
    drawn("efficiency", SIZE, |area| lines::efficiency(area, analysis))
}

/// Where the time goes, a bar for each size.
pub(super) fn time_split(analysis: &Analysis) -> Result<String, SweepError> {
    drawn("time split", SIZE, |area| bars::time_split(area, analysis))
}

/// The picture of a sweep: speed-up and CPU ratio beside each other.
pub(super) fn picture(analysis: &Analysis) -> Result<String, SweepError> {
    drawn("scaling", (2 * SIZE.0, SIZE.1), |area| {
        let (left, right) = area.split_horizontally(SIZE.0);
        lines::speed_up(&left, analysis)?;
        lines::cpu_ratio(&right, analysis)
    })
}
