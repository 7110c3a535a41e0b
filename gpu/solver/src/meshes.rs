//! Triangle surfaces: before a step the nodes look for the triangles that they may touch in it.

use bytemuck::{Pod, Zeroable};
use rankzero_gpu::{BufferId, GpuError, Lane, Shape};

use crate::collider::{ColliderTable, Colliders};
use crate::form::Form;
use crate::kernels::Kernels;
use crate::rule::Rule;

/// Words of what a node finds of a triangle surface, as `Found` of `mesh.cuh`: how many triangles, and six of them.
pub const FOUND_WORDS: usize = 1 + rankzero_soft::candidates::KEPT;
const THREADS: u32 = 128;

/// The parameter of the kernel that looks for triangles, as `Search` of `mesh.cu`. Pointers are addresses in device memory.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Search {
    /// The words of the bodies' form.
    pub form: u64,
    /// The first [`Place`](crate::Place) of bodies.
    pub places: u64,
    /// Bytes from one to the next.
    pub stride: u64,
    /// For each block its body's number among the places, or 0 where that is the block's.
    pub numbers: u64,
    /// The colliders.
    pub colliders: ColliderTable,
    /// What the step asks.
    pub rule: Rule,
}
const _: () = assert!(size_of::<Search>() == 144);

/// What the nodes of a lane's bodies find.
#[derive(Debug)]
pub(crate) struct Meshes {
    found: BufferId,
}

impl Meshes {
    /// Of nobody.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub(crate) fn new(lane: &mut Lane) -> Result<Self, GpuError> {
        Ok(Self { found: lane.add_buffer(0)? })
    }

    /// Words of what a body finds that has up to so many surface nodes.
    pub(crate) fn words_each(meshes: usize, surface: usize) -> usize {
        FOUND_WORDS * meshes * surface
    }

    /// The buffer that has to hold so many words for each body.
    pub(crate) fn buffer(&self) -> BufferId {
        self.found
    }

    /// The colliders of a step as kernels take them: records and pool at these addresses, and `words` for each body of what it finds.
    pub(crate) fn table(
        &self,
        lane: &Lane,
        colliders: &Colliders,
        (all, pool): (u64, u64),
        words: usize,
    ) -> ColliderTable {
        let (count, found) = (colliders.len() as u64, lane.address(self.found));
        ColliderTable { all, count, pool, found, found_words: words as u64 }
    }

    /// Has the bodies of some blocks look for triangles.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    ///
    /// # Safety
    /// The addresses in `search` must lead to memory of the lane, or to such as it shares: a form, as many places as the blocks have, with
    /// states of the form, and colliders in whose table each of them has words to be found.
    pub(crate) unsafe fn look(
        lane: &mut Lane,
        kernels: &Kernels,
        blocks: u32,
        search: &Search,
    ) -> Result<(), GpuError> {
        let shape = Shape { blocks, threads: THREADS, block_bytes: 4 * THREADS };
        // SAFETY: `Search` is what the kernel takes; the rest is the caller's promise.
        unsafe { lane.launch(kernels.find_triangles(), shape, search) }
    }
}

/// Surface nodes of the form that has most.
pub(crate) fn most_surface<'a>(forms: impl Iterator<Item = &'a Form>) -> usize {
    forms.map(Form::surface).max().unwrap_or(0)
}
