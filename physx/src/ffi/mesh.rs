//! Cooked collision geometry: convex hulls, height fields, triangle meshes. Each wrapper owns one reference to the
//! PhysX object; shapes made from it hold their own, so the order of dropping does not matter.

use std::ptr::NonNull;

use physx_sys as px;

use super::foundation::{Physics, Report, construction, watch};

/// A cooked convex hull.
#[derive(Debug)]
pub struct ConvexMesh(NonNull<px::PxConvexMesh>);

/// A cooked height field.
#[derive(Debug)]
pub struct HeightField(NonNull<px::PxHeightField>);

/// A cooked triangle mesh.
#[derive(Debug)]
pub struct TriangleMesh {
    mesh: NonNull<px::PxTriangleMesh>,
    /// PhysX reorders triangles: `remap[theirs] = ours`.
    remap: Vec<u32>,
}

/// The points and outward faces of a hull, copied out of PhysX.
#[derive(Debug)]
pub struct HullParts {
    /// `[nx, ny, nz, d]` with `n · x + d ≤ 0` inside.
    pub planes: Vec<[f32; 4]>,
    /// Metres, local frame.
    pub vertices: Vec<[f32; 3]>,
}

impl ConvexMesh {
    /// Cooks the hull of `points`, which the caller has checked to be finite and to span a volume.
    pub fn cook(physics: &Physics, points: &[[f32; 3]]) -> Result<Self, Vec<Report>> {
        let count = u32::try_from(points.len()).map_err(|_| Vec::new())?;
        let _making = construction();
        let (mesh, reports) = watch(|| {
            // SAFETY: `desc` points into `points`, which outlives the call; PhysX copies what it keeps; the
            // parameters and the insertion callback are valid PhysX objects.
            unsafe {
                let params = px::PxCookingParams_new(physics.tolerances());
                let mut desc = px::PxConvexMeshDesc_new();
                desc.points.count = count;
                desc.points.stride = size_of::<[f32; 3]>() as u32;
                desc.points.data = points.as_ptr().cast();
                desc.flags = px::PxConvexFlags::ComputeConvex | px::PxConvexFlags::ShiftVertices;
                px::phys_PxCreateConvexMesh(&params, &desc, physics.insertion(), std::ptr::null_mut())
            }
        });
        NonNull::new(mesh).map(ConvexMesh).ok_or(reports)
    }

    /// What PhysX cooked.
    pub fn parts(&self) -> HullParts {
        let mesh = self.as_ptr();
        // SAFETY: `mesh` is alive; the vertex array has the length PhysX states and lives as long as the mesh;
        // `PxVec3` is three packed floats; `polygon` is plain data for which zeros are a valid value.
        unsafe {
            let count = px::PxConvexMesh_getNbVertices(mesh) as usize;
            let first = px::PxConvexMesh_getVertices(mesh);
            let vertices = (0..count).map(|i| &*first.add(i)).map(|v| [v.x, v.y, v.z]).collect();
            let mut planes = Vec::new();
            for i in 0..px::PxConvexMesh_getNbPolygons(mesh) {
                let mut polygon: px::PxHullPolygon = std::mem::zeroed();
                if px::PxConvexMesh_getPolygonData(mesh, i, &mut polygon) {
                    planes.push(polygon.mPlane);
                }
            }
            HullParts { planes, vertices }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut px::PxConvexMesh {
        self.0.as_ptr()
    }
}

impl HeightField {
    /// Makes a field of `rows × columns` samples, row after row, every cell split from (r + 1, c) to (r, c + 1).
    ///
    /// # Panics
    /// If the number of samples is not `rows × columns`.
    pub fn new(physics: &Physics, rows: u32, columns: u32, heights: &[i16]) -> Result<Self, Vec<Report>> {
        assert_eq!(heights.len() as u64, u64::from(rows) * u64::from(columns), "one sample a vertex");
        // A clear top bit of the first material byte is PhysX's name for that diagonal.
        let zero = || px::PxBitAndByte { structgen_pad0: [0] };
        let samples: Vec<px::PxHeightFieldSample> = heights
            .iter()
            .map(|&height| px::PxHeightFieldSample { height, materialIndex0: zero(), materialIndex1: zero() })
            .collect();
        let _making = construction();
        let (field, reports) = watch(|| {
            // SAFETY: `desc` points into `samples`, `rows × columns` of them, alive through the call; PhysX copies.
            unsafe {
                let mut desc = px::PxHeightFieldDesc_new();
                desc.nbRows = rows;
                desc.nbColumns = columns;
                desc.format = px::PxHeightFieldFormat::S16Tm;
                desc.samples.stride = size_of::<px::PxHeightFieldSample>() as u32;
                desc.samples.data = samples.as_ptr().cast();
                px::phys_PxCreateHeightField(&desc, physics.insertion())
            }
        });
        NonNull::new(field).map(HeightField).ok_or(reports)
    }

    /// Height, in samples, at a point in grid units: PhysX's own reading of the surface.
    #[cfg(test)]
    pub fn height(&self, row: f32, column: f32) -> f32 {
        // SAFETY: the field is alive, and the call only reads; points outside give 0.
        unsafe { px::PxHeightField_getHeight(self.as_ptr(), row, column) }
    }

    pub(super) fn as_ptr(&self) -> *mut px::PxHeightField {
        self.0.as_ptr()
    }
}

impl TriangleMesh {
    /// Cooks a mesh whose indices the caller has checked against `points`.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn cook(physics: &Physics, points: &[[f32; 3]], triangles: &[[u32; 3]]) -> Result<Self, Vec<Report>> {
        assert!(triangles.iter().flatten().all(|&i| (i as usize) < points.len()), "an index out of range");
        let (Ok(point_count), Ok(count)) = (u32::try_from(points.len()), u32::try_from(triangles.len())) else {
            return Err(Vec::new());
        };
        let _making = construction();
        let (mesh, reports) = watch(|| {
            // SAFETY: `desc` points into `points` and `triangles`, alive through the call, with in-range indices
            // (asserted above); PhysX copies what it keeps.
            unsafe {
                let params = px::PxCookingParams_new(physics.tolerances());
                let mut desc = px::PxTriangleMeshDesc_new();
                desc.points.count = point_count;
                desc.points.stride = size_of::<[f32; 3]>() as u32;
                desc.points.data = points.as_ptr().cast();
                desc.triangles.count = count;
                desc.triangles.stride = size_of::<[u32; 3]>() as u32;
                desc.triangles.data = triangles.as_ptr().cast();
                px::phys_PxCreateTriangleMesh(&params, &desc, physics.insertion(), std::ptr::null_mut())
            }
        });
        let mesh = NonNull::new(mesh).ok_or(reports)?;
        // SAFETY: the mesh is alive; the remap table, where there is one, has one entry a triangle.
        let remap = unsafe {
            let kept = px::PxTriangleMesh_getNbTriangles(mesh.as_ptr());
            let table = px::PxTriangleMesh_getTrianglesRemap(mesh.as_ptr());
            if table.is_null() {
                (0..kept).collect()
            } else {
                std::slice::from_raw_parts(table, kept as usize).to_vec()
            }
        };
        Ok(TriangleMesh { mesh, remap })
    }

    /// Appends to `out` the triangles that meet the box, by their index as given, in no order.
    pub fn overlap(&self, centre: [f32; 3], half: [f32; 3], out: &mut Vec<u32>) {
        let start = out.len();
        let mut room = 256.min(self.remap.len());
        let found = loop {
            out.resize(start + room, 0);
            let mut overflow = false;
            // SAFETY: the mesh is alive and only read; the results go to `room` words behind `start`, which exist;
            // the geometries live on this stack frame.
            let found = unsafe {
                let query = px::PxBoxGeometry_new(half[0], half[1], half[2]);
                let at = px::PxTransform {
                    q: px::PxQuat { x: 0.0, y: 0.0, z: 0.0, w: 1.0 },
                    p: px::PxVec3 { x: centre[0], y: centre[1], z: centre[2] },
                };
                let still = px::PxTransform_new_2(px::PxIDENTITY::PxIdentity);
                let geometry = self.geometry();
                px::PxMeshQuery_findOverlapTriangleMesh(
                    (&raw const query).cast(),
                    &at,
                    &geometry,
                    &still,
                    out.as_mut_ptr().add(start),
                    room as u32,
                    0,
                    &mut overflow,
                    px::PxGeometryQueryFlags::SimdGuard,
                )
            };
            if !overflow || room == self.remap.len() {
                break found as usize;
            }
            room = (room * 4).min(self.remap.len());
        };
        out.truncate(start + found);
        for index in &mut out[start..] {
            *index = self.remap[*index as usize];
        }
    }

    pub(super) fn geometry(&self) -> px::PxTriangleMeshGeometry {
        // SAFETY: the mesh is alive; the geometry is a plain description that borrows it.
        unsafe {
            let scale = px::PxMeshScale_new();
            px::PxTriangleMeshGeometry_new(self.mesh.as_ptr(), &scale, px::PxMeshGeometryFlags::empty())
        }
    }
}

impl Drop for ConvexMesh {
    fn drop(&mut self) {
        let _making = construction();
        // SAFETY: we own one reference, and give it back once.
        unsafe { px::PxConvexMesh_release_mut(self.as_ptr()) }
    }
}

impl Drop for HeightField {
    fn drop(&mut self) {
        let _making = construction();
        // SAFETY: we own one reference, and give it back once.
        unsafe { px::PxHeightField_release_mut(self.as_ptr()) }
    }
}

impl Drop for TriangleMesh {
    fn drop(&mut self) {
        let _making = construction();
        // SAFETY: we own one reference, and give it back once.
        unsafe { px::PxTriangleMesh_release_mut(self.mesh.as_ptr()) }
    }
}

// SAFETY: cooked meshes are immutable; their reference counts are atomic.
unsafe impl Send for ConvexMesh {}
// SAFETY: as above; `&self` methods only read.
unsafe impl Sync for ConvexMesh {}
// SAFETY: as above.
unsafe impl Send for HeightField {}
// SAFETY: as above; `&self` methods only read.
unsafe impl Sync for HeightField {}
// SAFETY: as above.
unsafe impl Send for TriangleMesh {}
// SAFETY: as above; `&self` methods only read.
unsafe impl Sync for TriangleMesh {}
