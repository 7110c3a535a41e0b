//! The canonical state of a body: a flat run of 32-bit words, the same in the owner's segment, in a replica, in a
//! checkpoint and under the digest.
//!
//! ```text
//! word 0                 3n             6n        6n + 1
//!      | positions x y z | velocities    | quiet |
//! ```
//! Surface nodes come first, in positions and velocities alike.

use std::ops::Range;

/// Sizes of a body's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLayout {
    /// All nodes, n.
    pub nodes: usize,
    /// Nodes on the surface, the first of the n.
    pub surface: usize,
}

impl StateLayout {
    /// Words of the whole state.
    pub fn words(&self) -> usize {
        self.quiet() + 1
    }
    /// Positions, metres, world frame.
    pub fn positions(&self) -> Range<usize> {
        0..3 * self.nodes
    }
    /// Velocities, m/s.
    pub fn velocities(&self) -> Range<usize> {
        3 * self.nodes..6 * self.nodes
    }
    /// Steps that the body has been quiet for, an unsigned integer.
    pub fn quiet(&self) -> usize {
        6 * self.nodes
    }
    /// Words of a halo: surface positions, then their displacements.
    pub fn halo_words(&self) -> usize {
        6 * self.surface
    }
}
