//! The soft-body solver on CUDA: the kernels, and the solver's data as they take them.
//!
//! The kernels (`gpu/kernels`) do what [`rankzero_soft`] does on the CPU, operation by operation, so that a body's bits do not depend on
//! where it is computed. A body is a block of threads: its state is read once, lives in the block's memory through the step, and is
//! written once. Threads share the tetrahedra of a colour; a barrier lies between colours.
//!
//! Invariants:
//! - **G1** Only `+ − × ÷ sqrt`, `fmaf` where the CPU has `mul_add`, and choices between two values reach the state; nothing is
//!   contracted, approximated or flushed to zero.
//! - **G2** A sum over nodes is added up by one thread, in the nodes' order.
//! - **G3** Two threads write to one place only with a barrier in between.
#![deny(unsafe_code)]

mod collider;
#[allow(unsafe_code)]
mod coupled;
#[allow(unsafe_code)]
mod delta;
mod ended;
mod form;
mod host;
mod implicit;
mod kernels;
#[allow(unsafe_code)]
mod meshes;
mod pool;
mod resident;
#[allow(unsafe_code)]
pub mod roof;
mod rule;
mod source;
mod step;
#[allow(unsafe_code)]
mod troop;

pub use collider::{ColliderTable, Colliders};
pub use coupled::{Actor, Cast, Coupled, Meeting, PushedBy};
pub use delta::{Deltas, GRAIN, Renewal};
pub use ended::{Ended, Outcome};
pub use form::Form;
pub use host::HostStates;
pub use kernels::Kernels;
pub use meshes::{FOUND_WORDS, Search};
pub use resident::{Home, Place, Residents};
pub use rule::Rule;
pub use source::{HEADERS, Source, UNITS};
pub use step::{NEXT_REACH_WORDS, Step};
pub use troop::{Entrant, Troop};
