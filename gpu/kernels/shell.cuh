// What contact needs to know of one surface, whoever it meets: physx/soft/src/shell.rs, and what search.rs prepares of it.
#pragma once
#include "form.cuh"

// Triangles of a patch, and words of one: how many triangles there are, their ids, their first, second and third corners.
#define PATCH 8
#define PATCH_WORDS (1 + 4 * PATCH)

// The surface of a body as others see it in an interval, and what was worked out about it. It lies in device memory, where whoever
// computes contacts finds it.
struct ShownHead {
    // The box of the surface at the step's first interval.
    Vec3 low;
    Vec3 high;
    // How the surface has moved since the interval before: every node by `shift`, give or take `spread`, m.
    Vec3 shift;
    float spread;
};

// A triangle at the step's first interval.
struct Face {
    Vec3 a;
    Vec3 normal;
    // Unit vectors along the edges ab, bc, ca, and lengths of these.
    Vec3 along[3];
    Vec3 length;
    float area2;
    // Whether it has an area.
    u32 live;
};
static_assert(sizeof(Face) == 80, "gpu/solver/src/coupled/layout.rs");

struct Ball {
    Vec3 centre;
    float radius;
};

struct Shown {
    // Positions and displacements of the surface nodes, as they travel between ranks.
    Vec3* x;
    Vec3* moved;
    // Positions in the interval before.
    Vec3* last;
    ShownHead* head;
    // Outward normals of the nodes at the first interval.
    Vec3* normals;
    Ball* balls;
    Face* faces;
};

DEVICE Shown shown_in(u32* words, u32* shell, const Form& form) {
    const u32 surface = form.head.surface;
    Shown shown;
    shown.x = reinterpret_cast<Vec3*>(words);
    shown.moved = shown.x + surface;
    shown.last = reinterpret_cast<Vec3*>(shell);
    shown.normals = shown.last + surface;
    shown.head = reinterpret_cast<ShownHead*>(shown.normals + surface);
    shown.balls = reinterpret_cast<Ball*>(shown.head + 1);
    shown.faces = reinterpret_cast<Face*>(shown.balls + form.head.patch_count);
    return shown;
}

DEVICE Vec3 lower(Vec3 a, Vec3 b) { return vec3(smaller(a.x, b.x), smaller(a.y, b.y), smaller(a.z, b.z)); }

DEVICE Vec3 upper(Vec3 a, Vec3 b) { return vec3(larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z)); }

// Unit length, or zero where there is none to speak of.
DEVICE Vec3 unit_or_zero(Vec3 a) {
    const float len = length(a);
    return 1e-12f < len ? scale(a, 1.0f / len) : zero3();
}

DEVICE u32 corner_of(const u32* patch, u32 corner, u32 lane) { return patch[1 + (1 + corner) * PATCH + lane]; }

DEVICE Vec3 area_vector(const Shown& shown, const u32* patch, u32 lane) {
    const Vec3 a = shown.x[corner_of(patch, 0, lane)], b = shown.x[corner_of(patch, 1, lane)];
    return cross(sub(b, a), sub(shown.x[corner_of(patch, 2, lane)], a));
}

// The sum of the area vectors of the triangles around a node, in the order of patches, made a unit vector.
DEVICE Vec3 node_normal(const Form& form, const Shown& shown, u32 node) {
    const u32* starts = form.words + form.head.around_starts;
    const u32* around = form.words + form.head.around;
    const u32* patches = form.words + form.head.patches;
    Vec3 sum = zero3();
    for (u32 i = starts[node]; i < starts[node + 1]; ++i) {
        sum = add(sum, area_vector(shown, patches + around[i] / PATCH * PATCH_WORDS, around[i] % PATCH));
    }
    return unit_or_zero(sum);
}

// A ball around the corners of a patch, about the middle of their box; a little larger, for what rounding takes.
DEVICE Ball ball_of(const Shown& shown, const u32* patch) {
    Vec3 low = shown.x[corner_of(patch, 0, 0)], high = low;
    for (u32 i = 1; i < 3 * PATCH; ++i) {
        const Vec3 x = shown.x[corner_of(patch, i / PATCH, i % PATCH)];
        low = lower(x, low);
        high = upper(x, high);
    }
    Ball ball;
    ball.centre = scale(add(low, high), 0.5f);
    float farthest = 0.0f;
    for (u32 i = 0; i < 3 * PATCH; ++i) {
        const Vec3 arm = sub(shown.x[corner_of(patch, i / PATCH, i % PATCH)], ball.centre);
        farthest = larger(dot(arm, arm), farthest);
    }
    ball.radius = 1.0001f * sqrtf(farthest);
    return ball;
}

DEVICE Face face_of(const Shown& shown, const u32* patch, u32 lane) {
    const Vec3 a = shown.x[corner_of(patch, 0, lane)], b = shown.x[corner_of(patch, 1, lane)];
    const Vec3 c = shown.x[corner_of(patch, 2, lane)];
    const Vec3 n = cross(sub(b, a), sub(c, a));
    Face face;
    face.a = a;
    face.area2 = length(n);
    face.live = 1e-10f < face.area2 && lane < patch[0];
    face.normal = scale(n, 1.0f / face.area2);
    const Vec3 ab = sub(b, a), bc = sub(c, b), ca = sub(a, c);
    face.length = vec3(length(ab), length(bc), length(ca));
    face.along[0] = scale(ab, 1.0f / face.length.x);
    face.along[1] = scale(bc, 1.0f / face.length.y);
    face.along[2] = scale(ca, 1.0f / face.length.z);
    return face;
}

// How many threads share an extent.
#define EXTENT_PARTS 5

// Component `extent % 3` of the least or, from 3 on, the greatest of the positions, or of how far the nodes have moved; of every
// EXTENT_PARTS-th node from `part` on.
DEVICE float surface_extent(const Form& form, const Shown& shown, bool first, u32 extent, u32 part) {
    const u32 k = extent % 3;
    float most = extent < 3 ? FLOAT_MAX : -FLOAT_MAX;
    for (u32 i = part; i < form.head.surface; i += EXTENT_PARTS) {
        const float x = component(shown.x[i], k);
        const float a = first ? x : x - component(shown.last[i], k);
        most = extent < 3 ? smaller(a, most) : larger(a, most);
    }
    return most;
}

// The extremes of what the threads have found. Their order does not matter, but for the sign of a zero, which nobody asks for.
DEVICE float whole_extent(const float* extents, u32 extent) {
    float most = extents[extent];
    for (u32 part = 1; part < EXTENT_PARTS; ++part) {
        const float a = extents[6 * part + extent];
        most = extent < 3 ? smaller(a, most) : larger(a, most);
    }
    return most;
}

// Works out what contact needs of a surface that all threads see; `extents` is memory of 6 EXTENT_PARTS words of the block.
DEVICE void update_shell(const Form& form, const Shown& shown, bool first, float* extents) {
    for (u32 i = threadIdx.x; i < 6 * EXTENT_PARTS; i += blockDim.x) {
        extents[i] = surface_extent(form, shown, first, i % 6, i / 6);
    }
    if (first) {
        const u32* patches = form.words + form.head.patches;
        for (u32 i = threadIdx.x; i < form.head.surface; i += blockDim.x) {
            shown.normals[i] = node_normal(form, shown, i);
        }
        for (u32 i = threadIdx.x; i < form.head.patch_count; i += blockDim.x) {
            shown.balls[i] = ball_of(shown, patches + i * PATCH_WORDS);
        }
        for (u32 i = threadIdx.x; i < PATCH * form.head.patch_count; i += blockDim.x) {
            shown.faces[i] = face_of(shown, patches + i / PATCH * PATCH_WORDS, i % PATCH);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        const Vec3 low = vec3(whole_extent(extents, 0), whole_extent(extents, 1), whole_extent(extents, 2));
        const Vec3 high = vec3(whole_extent(extents, 3), whole_extent(extents, 4), whole_extent(extents, 5));
        ShownHead head = *shown.head;
        if (first) {
            head.low = low;
            head.high = high;
        }
        head.shift = first ? zero3() : scale(add(low, high), 0.5f);
        head.spread = first ? 0.0f : length(scale(sub(high, low), 0.5f));
        *shown.head = head;
    }
}
