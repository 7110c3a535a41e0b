//! Rigid bodies: PhysX steps them, and answers which of them are near a soft body.
//!
//! The idea: a [`RigidWorld`] holds the *canonical state* of its bodies itself, and PhysX is a machine that maps the
//! state before a step to the state after it. PhysX also keeps history that cannot be read (contact caches, sleep
//! filters), so a world resumed from states alone would drift. [`RigidWorld::rebuild`] therefore tears the PhysX
//! scene down and builds it again from states in index order: a run that rebuilds at step *n* and a run restored
//! from the states of step *n* go on with equal bits.
//!
//! Invariants: bodies enter PhysX in index order; states are never changed by anything but a step, an impulse or a
//! rebuild; what a rebuild was given is what [`RigidWorld::states`] returns, to the bit; nothing here depends on the
//! number of threads. Bits agree among machines of one CPU vendor (PhysX uses `rcpps` and `rsqrtps`).

#![forbid(unsafe_code)]

mod build;
mod error;
mod height;
mod impulse;
mod types;
mod validate;
mod world;

#[cfg(test)]
mod tests;

pub use crate::ffi::foundation::{StartError, assert_float_environment, pin_float_environment};
pub use error::{Item, RigidError};
pub use height::HeightSurface;
pub use types::{MassProperties, Material, Motion, Pose, RigidDesc, RigidState, Shape, StaticDesc, StaticShape};
pub use world::{ConvexHull, RigidWorld};
