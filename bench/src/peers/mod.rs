//! The engines that rankzero is compared with, in the same process, on the same meshes.
//!
//! They come with the feature `peers`; without it the suite measures rankzero alone.

#[cfg(feature = "peers")]
mod jolt;
#[cfg(feature = "peers")]
mod rapier;

use crate::engine::Engine;
use crate::error::BenchError;
use crate::world::World;

/// Builds a world in an engine, with so many substeps and a factor on compliances.
type Make = fn(&World, u32, f32) -> Result<Box<dyn Engine>, BenchError>;

/// Another engine.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name and version.
    pub name: &'static str,
    /// Substeps of a step that it is tried with where accuracy is measured.
    pub substeps: &'static [u32],
    /// Whether a substep is one pass over the tetrahedra, so that passes per second say something.
    pub passes: bool,
    /// Whether its soft bodies meet each other.
    pub meets: bool,
    /// Whether it has no Young's modulus, so that [`Peer::softness`] is to be fitted.
    pub fitted: bool,
    /// Factor on the compliance of its springs.
    pub softness: f32,
    make: Make,
}

impl Peer {
    /// A world in this engine, with so many substeps (Jolt: iterations, which are substeps there).
    ///
    /// # Errors
    /// [`BenchError::Engine`] where the engine refuses it.
    pub fn make(&self, world: &World, substeps: u32) -> Result<Box<dyn Engine>, BenchError> {
        (self.make)(world, substeps, self.softness)
    }
}

/// All of them, the fastest first.
pub fn all() -> Vec<Peer> {
    #[cfg(feature = "peers")]
    return vec![
        Peer {
            name: "Jolt 5.6",
            substeps: &[1, 2, 4, 8, 16, 32, 64],
            passes: true,
            meets: false,
            fitted: true,
            softness: 1.0,
            make: |world, substeps, softness| Ok(Box::new(jolt::Jolt::new(world, substeps, softness)?)),
        },
        Peer {
            name: "rapier 0.36",
            substeps: &[1, 2, 4, 8, 16],
            passes: true,
            meets: true,
            fitted: false,
            softness: 1.0,
            make: |world, substeps, _| Ok(Box::new(rapier::Rapier::new(world, substeps, false))),
        },
        Peer {
            name: "rapier 0.36 FEM",
            substeps: &[1, 2, 4, 8, 16],
            passes: false,
            meets: true,
            fitted: false,
            softness: 1.0,
            make: |world, substeps, _| Ok(Box::new(rapier::Rapier::new(world, substeps, true))),
        },
    ];
    #[cfg(not(feature = "peers"))]
    Vec::new()
}

/// A plane as a box thick enough that nothing falls through: its middle and its half extents, m. Only planes across an axis.
#[cfg(feature = "peers")]
fn slab(normal: [f32; 3], offset: f32) -> ([f32; 3], [f32; 3]) {
    let across = normal.map(|n| n.abs() > 0.5);
    let middle = normal.map(|n| n * (offset - 1.0));
    (middle, across.map(|across| if across { 1.0 } else { 200.0 }))
}
