//! Meshes: the types that the solver and PhysX share, and every way to obtain one.
//!
//! The flow is `read` → [`mend`] → tetrahedra (made by the `rankzero-physx` crate) → [`CookedMesh`], or straight from
//! [`primitives`]. Everything here is plain Rust without `unsafe`, without global state, and without a clock.
//!
//! **Invariants**
//! - *Deterministic*: the same input gives the same bytes on every machine. Only `+ − × ÷ sqrt` touch coordinates;
//!   no iteration over a hash table.
//! - *Bounded*: no reader allocates more than a fixed multiple of its input's size; every count in a file is checked
//!   against the bytes that could carry it.
//! - *Total*: bad input is an error that names the file, the place, what is wrong and what to do; never a panic.
//! - A [`TetMesh`] that leaves [`mend::tets`] or [`primitives`] is positively oriented:
//!   `(p1 − p0) · ((p2 − p0) × (p3 − p0)) > 0` for each tetrahedron.
#![forbid(unsafe_code)]

mod codec;
mod embed;
mod error;
mod math;
pub mod mend;
pub mod primitives;
mod quality;
mod read;
mod transform;
mod types;

pub use codec::CODEC_VERSION;
pub use embed::embed;
pub use error::MeshError;
pub use quality::{Quality, quality};
pub use read::{Format, MAX_FILE_BYTES, MeshFile, parse, read, read_bytes};
pub use types::{CookedMesh, Skin, SurfaceMesh, TetMesh};

/// Most nodes a mesh may have: its state (24 bytes a node, position and velocity) then stays within 4 GiB.
pub const MAX_NODES: usize = (4 << 30) / 24;
/// Most triangles a surface may have, and most tetrahedra a primitive may have.
pub const MAX_ELEMENTS: usize = 64 << 20;
