//! The rankzero job file: types, reading, overrides, validation, schema.
//!
//! The way of a job: text → tree ([`serde_yaml`], within bounds) → merges → overrides → types → checks. Each stage tells everything
//! that is wrong with its input, with file, line, column, the field's path and what is allowed, and the next stage sees only input without
//! fault.
//!
//! Invariants:
//! - No text makes this crate panic, recurse without bound, or take memory out of proportion to the text.
//! - What [`load`] and [`parse`] return passes [`Job::validate`].
//! - [`Job::resolved_yaml`] parses back to the same [`Job`].
//! - [`Job::fingerprint`] depends on what determines the result, and on nothing else.
//!
//! ```
//! let text = "
//! name: drop
//! time: { duration_s: 2 }
//! materials: { jelly: { young_pa: 5.0e4 } }
//! soft_bodies:
//!   - { name: ball, shape: { sphere: { radius_m: 0.5 } }, material: jelly, layout: { at: [[0, 2, 0]] } }
//! environment: { planes: [{}] }
//! ";
//! let loaded = rankzero_job::parse(text, "drop.yaml", &rankzero_job::Overrides::from_set(["time.substeps=8"]))?;
//! assert_eq!(loaded.job.time.step_count(), 120);
//! # Ok::<(), rankzero_job::JobError>(())
//! ```
#![forbid(unsafe_code)]

mod check;
mod fault;
mod grow;
mod heights;
mod load;
mod locate;
mod model;
mod node;
mod overrides;
mod path;
mod place;
mod problem;
mod random;
mod resolved;
mod schema;
mod text;
mod typed_node;
mod typing;

pub use check::{MAX_BODIES, MAX_COORDINATE_M, MAX_STEPS, MAX_SUBSTEPS};
pub use load::{Loaded, load, parse};
pub use model::*;
pub use overrides::{ENVIRONMENT_PREFIX, Overrides};
pub use place::{NoRoom, Placement};
pub use problem::{JobError, Origin, Problem};
pub use schema::schema;
