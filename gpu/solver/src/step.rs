//! The parameter of the kernels of a whole step.

use bytemuck::{Pod, Zeroable};

use crate::collider::ColliderTable;
use crate::rule::Rule;

/// Words of a body's reach as kernels keep it: [`Reach::to_words`](rankzero_soft::reach::Reach::to_words), then whether the body is
/// finite.
pub const NEXT_REACH_WORDS: usize = rankzero_soft::reach::REACH_WORDS + 1;

/// What they take, as `Step` of `whole.cuh`. Pointers are addresses in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Step {
    /// The words of the bodies' form.
    pub form: u64,
    /// For each block a [`Place`](crate::Place).
    pub places: u64,
    /// The colliders.
    pub colliders: ColliderTable,
    /// Where bodies live that are too large for a block's memory; of no meaning to kernels that use the block's.
    pub workspace: u64,
    /// Words of each there.
    pub workspace_words: u64,
    /// What the step asks.
    pub rule: Rule,
}

const _: () = assert!(size_of::<Step>() == 144);
