//! PhysX's tetrahedral mesher behind safe functions.
//!
//! PhysX trusts its input, so the counts and indices are checked here, whatever the caller did before. Results are copied into
//! Rust's memory and freed on the side that allocated them. Calls are serialised: the mesher is not documented as reentrant.

use std::ffi::c_int;
use std::ptr::null_mut;

use rankzero_mesh::{SurfaceMesh, TetMesh};

use super::foundation::{self, Report, StartError};

/// Why no tetrahedra came out.
#[derive(Debug, thiserror::Error)]
pub enum TetError {
    /// PhysX itself could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The input breaks a precondition of PhysX.
    #[error("the input has {0}")]
    Input(&'static str),
    /// PhysX gave up.
    #[error("PhysX {what}{}", foundation::failures(reports))]
    Failed {
        /// In which way.
        what: &'static str,
        /// What PhysX printed meanwhile.
        reports: Vec<Report>,
    },
}

/// Mirrors `Tets` in shim.cpp.
#[repr(C)]
struct Raw {
    points: *mut f32,
    tets: *mut u32,
    point_count: u32,
    tet_count: u32,
}

unsafe extern "C" {
    fn rz_tet_conforming(
        points: *const f32,
        point_count: u32,
        triangles: *const u32,
        triangle_count: u32,
        out: *mut Raw,
    ) -> c_int;
    fn rz_tet_voxel(
        points: *const f32,
        point_count: u32,
        tets: *const u32,
        tet_count: u32,
        resolution: u32,
        out: *mut Raw,
    ) -> c_int;
    fn rz_tet_free(out: *mut Raw);
}

/// Largest element count: PhysX multiplies counts by up to 64 in 32-bit arithmetic.
const MAX_COUNT: usize = 1 << 24;
/// Voxels along the longest side: PhysX numbers them in 32 bits, and their table must fit in memory.
pub const MAX_RESOLUTION: u32 = 256;

/// Tetrahedra whose surface is `surface`, with more nodes inside where PhysX needs them.
pub fn conforming(surface: &SurfaceMesh) -> Result<TetMesh, TetError> {
    let (points, triangles) = checked(&surface.points, &surface.triangles)?;
    call(|out| {
        // SAFETY: both arrays live through the call and hold as many elements as told (`[f32; 3]` and `[u32; 3]` have
        // no padding); indices were checked; `out` is writable; the foundation exists (`call` ensured it).
        unsafe {
            rz_tet_conforming(surface.points.as_ptr().cast(), points, surface.triangles.as_ptr().cast(), triangles, out)
        }
    })
}

/// A lattice of even tetrahedra that covers `mesh`, with `resolution` voxels along its longest side.
pub fn voxel(mesh: &TetMesh, resolution: u32) -> Result<TetMesh, TetError> {
    if !(1..=MAX_RESOLUTION).contains(&resolution) {
        return Err(TetError::Input("a voxel resolution outside 1 to 256"));
    }
    let (points, tets) = checked(&mesh.points, &mesh.tets)?;
    call(|out| {
        let (at, corners) = (mesh.points.as_ptr().cast(), mesh.tets.as_ptr().cast());
        // SAFETY: as in `conforming`, with four indices an element.
        unsafe { rz_tet_voxel(at, points, corners, tets, resolution, out) }
    })
}

/// The counts as PhysX wants them, once every index and coordinate is known to be sound.
fn checked<const N: usize>(points: &[[f32; 3]], elements: &[[u32; N]]) -> Result<(u32, u32), TetError> {
    if points.is_empty() || elements.is_empty() {
        return Err(TetError::Input("no points or no elements"));
    }
    if points.len() > MAX_COUNT || elements.len() > MAX_COUNT {
        return Err(TetError::Input("more than 16 Mi points or elements"));
    }
    if !elements.iter().flatten().all(|&i| (i as usize) < points.len()) {
        return Err(TetError::Input("an index out of range"));
    }
    if !points.iter().flatten().all(|x| x.is_finite()) {
        return Err(TetError::Input("a coordinate that is not finite"));
    }
    Ok((points.len() as u32, elements.len() as u32))
}

fn call(make: impl FnOnce(&mut Raw) -> c_int) -> Result<TetMesh, TetError> {
    foundation::ensure()?;
    let _alone = foundation::construction();
    let mut raw = Raw { points: null_mut(), tets: null_mut(), point_count: 0, tet_count: 0 };
    let (status, reports) = foundation::watch(|| make(&mut raw));
    let what = match status {
        0 => return Ok(copy(raw)),
        1 => "refused the mesh",
        2 => "found no tetrahedra",
        3 => "ran out of memory",
        _ => "threw an exception",
    };
    Err(TetError::Failed { what, reports })
}

/// Copies the result into our memory and gives PhysX's back.
fn copy(mut raw: Raw) -> TetMesh {
    let rows = |count: u32, width: usize| count as usize * width;
    // SAFETY: status 0 promises two arrays of these lengths, aligned by malloc, which nobody else touches before the free.
    let (points, tets) = unsafe {
        (
            std::slice::from_raw_parts(raw.points, rows(raw.point_count, 3)),
            std::slice::from_raw_parts(raw.tets, rows(raw.tet_count, 4)),
        )
    };
    let mesh = TetMesh { points: points.as_chunks::<3>().0.to_vec(), tets: tets.as_chunks::<4>().0.to_vec() };
    // SAFETY: `raw` owns both arrays, and no slice of them is used from here on.
    unsafe { rz_tet_free(&mut raw) };
    mesh
}
