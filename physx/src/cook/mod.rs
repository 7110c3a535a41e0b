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
    #[error(
        "the {how} tetrahedra fill {tets:e} of a surface that encloses {surface:e}: PhysX keeps one connected piece and \
         loses thin parts; cook separate pieces each by itself, or {}",
        how.remedy()
    )]
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

/// Part of the surface's volume that the tetrahedra between it and the voxels must fill: what they miss gets no voxels.
const INNER_LEAST: f64 = 0.85;
/// A voxel mesh covers the surface with whole voxels: about its volume at the least, and no limit above.
const VOXEL_LEAST: f64 = 0.85;
/// Part of the surface's volume that a conforming mesh must fill: it may lack slivers at the surface.
const CONFORMING_LEAST: f64 = 0.98;

/// Mends `surface` and fills it with tetrahedra. For [`Tetrahedralizer::Voxel`] the surface becomes the skin.
///
/// # Errors
/// [`CookError`] with the reason, and the other method as a remedy where that may help.
pub fn cook_surface(surface: SurfaceMesh, how: Tetrahedralizer) -> Result<CookedMesh, CookError> {
    let (surface, mut notes) = mend::surface(surface)?;
    let failed = |error: TetError| CookError::Tetrahedra { how, reason: error.to_string() };
    let unusable = |source| CookError::Unusable { how, source };
    let inner = tet::conforming(&surface).map_err(failed)?;
    let Tetrahedralizer::Voxel { resolution } = how else {
        let (tets, repairs) = mend::tets(inner).map_err(unusable)?;
        notes.extend(repairs);
        check_volume(CONFORMING_LEAST, &tets, &surface, how)?;
        return Ok(CookedMesh { tets, skin: None, notes });
    };
    // PhysX voxelises tetrahedra, not surfaces: it needs to know what is inside, whatever the shape of the tetrahedra.
    check_volume(INNER_LEAST, &inner, &surface, how)?;
    let lattice = tet::voxel(&inner, resolution).map_err(failed)?;
    // Where it took a thin or flat part of `inner` for separate, it doubles voxels that share nodes with both neighbours.
    // Mending welds them into one: without that, three tetrahedra meet in a face.
    let (tets, repairs) = mend::tets(lattice).map_err(unusable)?;
    notes.extend(repairs);
    check_volume(VOXEL_LEAST, &tets, &surface, how)?;
    let embedding = embed(&surface.points, &tets).map_err(unusable)?;
    let skin = Some(Skin { triangles: surface.triangles, embedding });
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

/// Refuses tetrahedra that fill less than `least` of what the surface encloses. More than all of it is the voxels' nature,
/// and for conforming ones only rounding: their surface is the given one.
fn check_volume(least: f64, mesh: &TetMesh, surface: &SurfaceMesh, how: Tetrahedralizer) -> Result<(), CookError> {
    let (tets, surface) = (mesh.volume(), surface.volume());
    let too_full = how == Tetrahedralizer::Conforming && tets > surface * (2.0 - least);
    if tets >= least * surface && !too_full {
        return Ok(());
    }
    Err(CookError::Volume { how, tets, surface })
}
