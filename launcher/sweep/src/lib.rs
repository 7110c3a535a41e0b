//! A sweep: one job on 1, 2, 4, 8 … nodes, several times each, and what that says of how it scales.
//!
//! Bird's view: a [`Plan`] says which [`Point`]s are run, in which order; each that was run leaves a [`Record`], a line of the
//! [`Results`]; an [`Analysis`] makes estimates and [`fit`]s of them; [`text`] and [`report`] show it. This crate starts nothing and knows
//! nothing of ranks: who runs the points is `rankzero`'s business.
//!
//! Invariants:
//! - The order of a plan depends on the plan alone, so that a sweep that was cut off goes on in the order in which it began.
//! - A line of the results is never changed or removed; whole lines before a torn one stay.
//! - Results of another job, build or way of starting never enter an analysis: they have another [`Key`].
#![forbid(unsafe_code)]

mod analysis;
mod error;
pub mod fit;
mod measure;
mod numbers;
mod plan;
mod record;
pub mod report;
mod results;
pub mod stats;
pub mod text;

pub use analysis::{Analysis, Digests, SizeResult};
pub use error::SweepError;
pub use measure::{Measure, Traffic};
pub use plan::{Plan, Point, Scaling, Unit};
pub use record::{Key, Machine, Outcome, Record};
pub use results::{Manifest, Results};
