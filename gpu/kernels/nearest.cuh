// The nearest triangles that a node may touch: candidates.rs of physx/soft/src.
#pragma once
#include "vec3.cuh"

#define SLACK 0.02f

// At most so many triangles are kept for a node, the nearest ones.
#define KEPT 6

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
