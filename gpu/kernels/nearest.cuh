// The nearest triangles that a node may touch: candidates.rs of physx/soft/src.
#pragma once
#include "vec3.cuh"

#define SLACK 0.02f

// At most so many triangles are kept for a node, the nearest ones.
#define KEPT 6

// Whether the projection of a point falls on a triangle with an area; its distance from the plane, positive outside, and the normal.
DEVICE bool plane_gap(Vec3 a, Vec3 b, Vec3 c, Vec3 x, float& gap, Vec3& normal) {
    const Vec3 ab = sub(b, a), ac = sub(c, a), ax = sub(x, a);
    const Vec3 n = cross(ab, ac);
    const float area = dot(n, n);
    if (!(area > 1e-20f)) {
        return false;
    }
    const float inverse = 1.0f / area;
    // One after the other: NVRTC makes one minimum of comparisons that stand side by side, which the law knows no use for.
    const float wc = dot(cross(ab, ax), n) * inverse;
    if (wc < -SLACK) {
        return false;
    }
    const float wb = dot(cross(ax, ac), n) * inverse;
    if (wb < -SLACK) {
        return false;
    }
    const float wa = 1.0f - wb - wc;
    if (wa < -SLACK) {
        return false;
    }
    normal = scale(n, 1.0f / length(n));
    gap = dot(normal, ax);
    return true;
}

struct Candidate {
    float square;
    u32 triangle;
    float front;
    float aside;
};

DEVICE bool comes_before(const Candidate& a, const Candidate& b) {
    return a.square < b.square || (a.square == b.square && a.triangle < b.triangle);
}

// Adds a candidate to the nearest ones so far, which are sorted by squared distance and id. Unrolled, so that they stay in registers.
DEVICE void keep_nearest(Candidate kept[KEPT], u32& count, Candidate candidate) {
    UNROLL for (u32 k = 0; k < KEPT; ++k) {
        const bool stays = k < count && comes_before(kept[k], candidate);
        const Candidate next = kept[k];
        kept[k] = stays ? next : candidate;
        candidate = stays ? candidate : next;
    }
    count = count < KEPT ? count + 1 : KEPT;
}
