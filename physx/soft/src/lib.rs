//! The soft-body solver: what happens to one body, or to a pair of bodies, in one step.
//!
//! A body is a tetrahedral mesh of stable Neo-Hookean material, advanced in substeps: by extended position-based dynamics, or, where
//! that would need very many, [implicitly](implicit). Bodies of one mesh go together, one in each lane of a [`Pack`]. Between two
//! exchanges of halos lies an *interval* of one or more substeps, in which every body is independent. In the last of them, after
//! elasticity, the bodies show each other their *surfaces*; from two surfaces [`pair`] computes what contact does to **both**. Whoever
//! owns either body computes the same numbers, so momentum is conserved across ranks without a word between them.
//!
//! Invariants:
//! - **D1** Only `+ − × ÷ sqrt`, explicit fused multiply-add and compare-and-select reach the state.
//! - **D2** No sum crosses lanes; the order of every sum is fixed by ids: tetrahedra in colour order, contacts by (node, triangle),
//!   partners by id.
//! - **D3** Nothing here knows of ranks, threads or batches.
#![deny(unsafe_code)]

pub mod batch;
pub mod bounds;
pub mod candidates;
pub mod collider;
pub mod colour;
pub mod contact;
pub mod damping;
#[cfg(test)]
mod heap;
pub mod implicit;
pub mod layout;
pub mod material;
pub mod neo_hookean;
pub mod pack;
pub mod pair;
pub mod patches;
pub mod quat;
pub mod reach;
pub mod rigid;
pub mod rule;
pub mod search;
pub mod shell;
pub mod simd;
mod solo;
mod substep;
pub mod topology;
pub mod vec3;
pub mod watch;

pub use bounds::Aabb;
pub use layout::StateLayout;
pub use material::{Friction, Material};
pub use pack::Pack;
pub use topology::{RestMesh, Topology, TopologyError};
