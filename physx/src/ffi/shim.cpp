// A C interface to PxTetMaker, which physx-sys links but does not bind.
//
// Contract with tet.rs: inputs are valid for their counts and all indices are in range (PhysX does not check).
// Nothing is thrown across. On RZ_OK `out` owns two malloc'ed arrays, freed by rz_tet_free; otherwise it is zero.
// A foundation must exist: PxArray allocates through it.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "PxPhysicsAPI.h"
#include "extensions/PxTetMakerExt.h"

using namespace physx;

namespace {

enum Status : int32_t { RZ_OK = 0, RZ_REFUSED = 1, RZ_EMPTY = 2, RZ_NO_MEMORY = 3, RZ_EXCEPTION = 4 };

struct Tets {
    float* points;
    uint32_t* tets;
    uint32_t point_count;
    uint32_t tet_count;
};

PxBoundedData bounded(const void* data, uint32_t count, uint32_t stride) {
    PxBoundedData out;
    out.data = data;
    out.count = count;
    out.stride = stride;
    return out;
}

Status hand_out(const PxArray<PxVec3>& points, const PxArray<PxU32>& tets, Tets* out) {
    static_assert(sizeof(PxVec3) == 12, "PxVec3 is three floats");
    if (points.size() == 0 || tets.size() < 4) {
        return RZ_EMPTY;
    }
    float* p = static_cast<float*>(std::malloc(size_t(points.size()) * 12));
    uint32_t* t = static_cast<uint32_t*>(std::malloc(size_t(tets.size()) * 4));
    if (!p || !t) {
        std::free(p);
        std::free(t);
        return RZ_NO_MEMORY;
    }
    std::memcpy(p, points.begin(), size_t(points.size()) * 12);
    std::memcpy(t, tets.begin(), size_t(tets.size()) * 4);
    *out = Tets{p, t, points.size(), tets.size() / 4};
    return RZ_OK;
}

Status conforming(const PxBoundedData& points, const PxBoundedData& triangles, Tets* out) {
    PxSimpleTriangleMesh mesh;
    mesh.points = points;
    mesh.triangles = triangles;
    PxArray<PxVec3> out_points;
    PxArray<PxU32> out_tets;
    // The caller has validated more strictly than PhysX does; its own check has absolute thresholds.
    if (!PxTetMaker::createConformingTetrahedronMesh(mesh, out_points, out_tets, false, 0.0f)) {
        return RZ_REFUSED;
    }
    return hand_out(out_points, out_tets, out);
}

Status voxel(const PxBoundedData& points, const PxBoundedData& tets, uint32_t resolution, Tets* out) {
    PxTetrahedronMeshDesc mesh;
    mesh.points = points;
    mesh.tetrahedrons = tets;
    PxArray<PxVec3> out_points;
    PxArray<PxU32> out_tets;
    // Declared optional, but PhysX 5.1.3 writes to it unasked.
    PxArray<PxI32> places;
    places.resize(points.count, -1);
    if (!PxTetMaker::createVoxelTetrahedronMesh(mesh, resolution, out_points, out_tets, places.begin())) {
        return RZ_REFUSED;
    }
    return hand_out(out_points, out_tets, out);
}

template <typename Make>
int32_t guarded(Tets* out, Make make) noexcept {
    std::memset(out, 0, sizeof *out);
    try {
        return make();
    } catch (...) {
        return RZ_EXCEPTION;
    }
}

} // namespace

extern "C" {

int32_t rz_tet_conforming(const float* points, uint32_t point_count, const uint32_t* triangles,
                          uint32_t triangle_count, Tets* out) noexcept {
    return guarded(out, [&] {
        return conforming(bounded(points, point_count, 12), bounded(triangles, triangle_count, 12), out);
    });
}

int32_t rz_tet_voxel(const float* points, uint32_t point_count, const uint32_t* tets, uint32_t tet_count,
                     uint32_t resolution, Tets* out) noexcept {
    return guarded(out, [&] {
        return voxel(bounded(points, point_count, 12), bounded(tets, tet_count, 16), resolution, out);
    });
}

void rz_tet_free(Tets* out) noexcept {
    std::free(out->points);
    std::free(out->tets);
    std::memset(out, 0, sizeof *out);
}

} // extern "C"
