//! Cooking: from a surface or tetrahedra as the user has them to a [`CookedMesh`] that the solver takes.
//!
//! A surface is mended, filled with tetrahedra by PhysX, and the result is checked against the surface's volume: PhysX's mesher
//! reports little, and a mesh that lost a leg would simulate happily. The outcome is a function of the input alone.

mod cache;
#[cfg(test)]
mod tests;

pub use cache::{Cache, CacheKey};

use rankzero_mesh::{CookedMesh, MeshError, Skin, SurfaceMesh, TetMesh, embed, mend};

use crate::ffi::tet::{self, TetError};

/// How a surface is filled with tetrahedra.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tetrahedralizer {
    /// Tetrahedra whose boundary is the surface itself: as many as the surface is fine, of uneven shape.
    Conforming,
    /// An even lattice that covers the surface, which rides along as a skin: few, well-shaped tetrahedra.
    Voxel {
        /// Voxels along the longest side of the bounding box, 1 to 256.
        resolution: u32,
    },
}

/// Why a mesh could not be cooked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CookError {
    /// The input cannot be mended.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// PhysX made no tetrahedra.
    #[error("making {how} tetrahedra failed: {reason}; {}", how.remedy())]
    Tetrahedra {
        /// The method that was asked for.
        how: Tetrahedralizer,
        /// What went wrong, in PhysX's words where it has any.
        reason: String,
    },
    /// The tetrahedra cannot be simulated.
    #[error("the {how} tetrahedra are unusable: {source}; {}", how.remedy())]
    Unusable {
        /// The method that was asked for.
        how: Tetrahedralizer,
        /// What is wrong with them.
        source: MeshError,
    },
    /// The tetrahedra do not fill the surface.
    #[error("the {how} tetrahedra fill {tets:e} of a surface that encloses {surface:e}; {}", how.remedy())]
    Volume {
        /// The method that was asked for.
        how: Tetrahedralizer,
        /// Volume of the tetrahedra, in units of the mesh.
        tets: f64,
        /// Volume enclosed by the mended surface.
        surface: f64,
    },
}

impl std::fmt::Display for Tetrahedralizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conforming => f.write_str("conforming"),
            Self::Voxel { resolution } => write!(f, "voxel (resolution {resolution})"),
        }
    }
}

impl Tetrahedralizer {
    /// What to try when this method failed.
    fn remedy(self) -> &'static str {
        match self {
            Self::Conforming => "try the voxel method, which tolerates uneven triangles, or remesh the surface evenly",
            Self::Voxel { .. } => "try a higher resolution, or the conforming method",
        }
    }
}

/// Relative difference of volume that a conforming mesh may have: slivers at the surface that were dropped.
const CONFORMING_TOLERANCE: f64 = 0.02;
/// A voxel mesh covers the surface with whole voxels: at least this part of its volume, and at most all voxels it touches.
const VOXEL_LEAST: f64 = 0.5;

/// Mends `surface` and fills it with tetrahedra. For [`Tetrahedralizer::Voxel`] the surface becomes the skin.
///
/// # Errors
/// [`CookError`] with the reason, and the other method as a remedy where that may help.
pub fn cook_surface(surface: SurfaceMesh, how: Tetrahedralizer) -> Result<CookedMesh, CookError> {
    let (surface, mut notes) = mend::surface(surface)?;
    let failed = |error: TetError| CookError::Tetrahedra { how, reason: error.to_string() };
    let mut tets = tet::conforming(&surface).map_err(failed)?;
    if let Tetrahedralizer::Voxel { resolution } = how {
        // PhysX needs a positive volume everywhere to tell inside from outside, not a good shape: no mending here.
        tets = tet::voxel(&tets, resolution).map_err(failed)?;
    }
    let (tets, repairs) = mend::tets(tets).map_err(|source| CookError::Unusable { how, source })?;
    notes.extend(repairs);
    check_volume(&tets, &surface, how)?;
    let skin = match how {
        Tetrahedralizer::Conforming => None,
        Tetrahedralizer::Voxel { .. } => {
            let embedding = embed(&surface.points, &tets).map_err(|source| CookError::Unusable { how, source })?;
            Some(Skin { triangles: surface.triangles, embedding })
        }
    };
    Ok(CookedMesh { tets, skin, notes })
}

/// Mends tetrahedra that the user made elsewhere.
///
/// # Errors
/// [`CookError::Mesh`] where they cannot be mended.
pub fn cook_tets(tets: TetMesh) -> Result<CookedMesh, CookError> {
    let (tets, notes) = mend::tets(tets)?;
    Ok(CookedMesh { tets, skin: None, notes })
}

fn check_volume(mesh: &TetMesh, surface: &SurfaceMesh, how: Tetrahedralizer) -> Result<(), CookError> {
    let (tets, surface) = (mesh.volume(), surface.volume());
    let sound = match how {
        Tetrahedralizer::Conforming => (tets / surface - 1.0).abs() <= CONFORMING_TOLERANCE,
        Tetrahedralizer::Voxel { .. } => tets >= VOXEL_LEAST * surface,
    };
    if sound { Ok(()) } else { Err(CookError::Volume { how, tets, surface }) }
}
