//! The only place that calls PhysX: owning wrappers whose methods are safe.

pub mod foundation;
pub mod mesh;
pub mod scene;
pub mod sdf;
pub mod shape;
pub mod tet;
