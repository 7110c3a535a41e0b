//! PhysX's cooking of signed distance fields behind a safe function.

use physx_sys as px;

use super::foundation::{Physics, Report, construction, watch};

/// A dense field as PhysX cooked it.
#[derive(Debug)]
pub struct Dense {
    /// Samples along x, y, z.
    pub dims: [u32; 3],
    /// Position of sample (0, 0, 0), in units of the mesh.
    pub origin: [f32; 3],
    /// Distance between samples, in units of the mesh.
    pub spacing: f32,
    /// Distances, negative inside: `[z][y][x]`, x fastest.
    pub values: Vec<f32>,
}

/// Cooks the field of a closed mesh with samples `spacing` apart, which the caller has checked to be few enough.
///
/// PhysX works on this thread alone: with more, the distances of a batch would start from another batch's last triangle.
///
/// # Panics
/// If an index is out of range.
pub fn cook(
    physics: &Physics,
    points: &[[f32; 3]],
    triangles: &[[u32; 3]],
    spacing: f32,
) -> Result<Dense, Vec<Report>> {
    assert!(triangles.iter().flatten().all(|&i| (i as usize) < points.len()), "an index out of range");
    let (Ok(point_count), Ok(count)) = (u32::try_from(points.len()), u32::try_from(triangles.len())) else {
        return Err(Vec::new());
    };
    let _making = construction();
    let (field, reports) = watch(|| {
        // SAFETY: `desc` points into `points` and `triangles`, alive through the call, with in-range indices (asserted above), and
        // at `sdf`, which PhysX completes with what it chose and which outlives the call; the field PhysX states the size of
        // lives as long as the mesh, of which we give back our one reference after copying.
        unsafe {
            let params = px::PxCookingParams_new(physics.tolerances());
            let mut sdf = px::PxSDFDesc_new();
            sdf.spacing = spacing;
            sdf.subgridSize = 0;
            sdf.numThreadsForSdfConstruction = 1;
            let mut desc = px::PxTriangleMeshDesc_new();
            desc.points.count = point_count;
            desc.points.stride = size_of::<[f32; 3]>() as u32;
            desc.points.data = points.as_ptr().cast();
            desc.triangles.count = count;
            desc.triangles.stride = size_of::<[u32; 3]>() as u32;
            desc.triangles.data = triangles.as_ptr().cast();
            desc.sdfDesc = &raw mut sdf;
            let mesh = px::phys_PxCreateTriangleMesh(&params, &desc, physics.insertion(), std::ptr::null_mut());
            if mesh.is_null() {
                return None;
            }
            let field = read(mesh, &sdf);
            px::PxTriangleMesh_release_mut(mesh);
            field
        }
    });
    field.ok_or(reports)
}

/// Copies the field out of a mesh; `None` where it has none.
///
/// # Safety
/// `mesh` must be alive, and cooked with `sdf`.
unsafe fn read(mesh: *const px::PxTriangleMesh, sdf: &px::PxSDFDesc) -> Option<Dense> {
    let mut dims = [0u32; 3];
    let [nx, ny, nz] = &mut dims;
    // SAFETY: the mesh is alive; a dense field holds nx × ny × nz numbers.
    let values = unsafe {
        px::PxTriangleMesh_getSDFDimensions(mesh, nx, ny, nz);
        let field = px::PxTriangleMesh_getSDF(mesh);
        let count = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n as usize))?;
        if field.is_null() || count == 0 {
            return None;
        }
        std::slice::from_raw_parts(field, count).to_vec()
    };
    // PhysX samples at the middles of its cells, and names the corner of the first.
    let half = 0.5 * sdf.spacing;
    let origin = [sdf.meshLower.x + half, sdf.meshLower.y + half, sdf.meshLower.z + half];
    Some(Dense { dims, origin, spacing: sdf.spacing, values })
}
