//! From a job file to the scene that all ranks share.
//!
//! [`Assets`] holds what has to be read or cooked: rank 0 loads it and gives it to the others as bytes, so that all ranks hold
//! the same meshes whatever their disks and processors. [`build`] makes the [`Scene`] out of job and assets: arithmetic only.

mod assets;
mod batches;
mod build;
mod error;
mod plan;
mod rigid;
mod solver;

pub use assets::Assets;
pub use build::{build, groups};
pub use error::SceneError;
pub use plan::{BodyPlan, DrawnSkin, Form, RigidPlan, Scene, Script};
