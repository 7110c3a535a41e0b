// Which of the triangles found for a step have to be looked at in an interval, and what is touched: physx/soft/src/watch.rs and batch.rs.
#pragma once
#include "search.cuh"

DEVICE Clock advanced(Clock clock, const ShownHead& own, const ShownHead& other) {
    const float apart = 1.001f * (length(sub(own.shift, other.shift)) + own.spread);
    clock.plane = clock.plane + (apart + 1.1f * other.spread);
    clock.prism = clock.prism + (apart + 2.0f * other.spread);
    return clock;
}

// A point measured against a triangle: `measure` of batch.rs.
struct Measured {
    // Signed distance from the plane, positive outside, and a distance that the point is at least away from the prism, m.
    float gap;
    float aside;
    Vec3 normal;
    // Weights of the second and third corner.
    float wb;
    float wc;
};

DEVICE Measured measure(Vec3 x, Vec3 a, Vec3 b, Vec3 c) {
    const Vec3 ab = sub(b, a), ac = sub(c, a), ax = sub(x, a), bc = sub(c, b);
    const Vec3 n = cross(ab, ac);
    const float square = dot(n, n);
    const float wc = dot(cross(ab, ax), n);
    const float wb = dot(cross(ax, ac), n);
    const float wa = square - wb - wc;
    const float of_bc = dot(bc, bc), of_ca = dot(ac, ac), of_ab = dot(ab, ab);
    const bool second = wb < wa;
    float least = second ? wb : wa, edge = second ? of_ca : of_bc;
    const bool third = wc < least;
    least = third ? wc : least;
    edge = third ? of_ab : edge;
    const float aside = (-least - SLACK * square) / sqrtf(square * edge);
    const float inverse = 1.0f / square;
    Measured measured;
    measured.normal = scale(n, 1.0f / sqrtf(square));
    measured.gap = dot(measured.normal, ax);
    measured.aside = square <= 1e-20f ? FLOAT_MAX : aside;
    measured.wb = wb * inverse;
    measured.wc = wc * inverse;
    return measured;
}

// Whether a point at `x` is in front of one of those candidates that it cannot have got behind, and less than `depth` away from it.
DEVICE bool in_front(const Watch& watch, u32 node, Clock clock, const u32* triangles, const Shown& other, Vec3 x, float depth) {
    bool found = false;
    for (u32 k = 0; k < watch.counts[node]; ++k) {
        const u32 at = k * watch.nodes + node;
        const float front = watch.front[at];
        if (clock.plane < front && front - clock.plane < depth && watch.aside[at] <= clock.prism) {
            const u32* corners = triangles + 3 * watch.triangles[at];
            float gap;
            Vec3 normal;
            if (plane_gap(other.x[corners[0]], other.x[corners[1]], other.x[corners[2]], x, gap, normal)) {
                watch.front[at] = clock.plane + gap;
                found = found || fabsf(gap) < depth;
            }
        }
    }
    return found;
}

DEVICE void set_float3(float* at, u32 nodes, u32 node, Vec3 a) {
    at[node] = a.x;
    at[nodes + node] = a.y;
    at[2 * nodes + node] = a.z;
}

DEVICE Vec3 float3_at(const float* at, u32 nodes, u32 node) { return vec3(at[node], at[nodes + node], at[2 * nodes + node]); }

// Looks at the candidates of one node that may be touched by now. Gives whether it is inside, and writes down of what.
DEVICE bool look(const Form& form, const Shown& own, const Shown& other, Clock clock, const Watch& watch, const Touches& touches,
                 u32 node) {
    const u32 count = watch.counts[node];
    if (count == 0 || clock.prism < watch.due[node]) {
        return false;
    }
    const u32* triangles = form.words + form.head.triangles;
    const Vec3 x = own.x[node];
    Measured best = {};
    u32 best_triangle = NOBODY;
    float least = FLOAT_MAX;
    bool looked = false;
    for (u32 k = 0; k < count; ++k) {
        const u32 at = k * watch.nodes + node;
        if (!(watch.front[at] <= clock.plane && watch.aside[at] <= clock.prism)) {
            continue;
        }
        looked = true;
        const u32 triangle = watch.triangles[at];
        const u32* corners = triangles + 3 * triangle;
        const Measured measured = measure(x, other.x[corners[0]], other.x[corners[1]], other.x[corners[2]]);
        if (!(measured.aside <= 0.0f)) {
            watch.aside[at] = clock.prism + measured.aside;
            continue;
        }
        watch.front[at] = clock.plane + measured.gap;
        if (fabsf(measured.gap) < least && -measured.gap <= form.head.depth_max) {
            least = fabsf(measured.gap);
            best = measured;
            best_triangle = triangle;
        }
    }
    if (!looked) {
        return false;
    }
    bool touched = false;
    // A point outside the nearest triangle is outside, though it may lie behind a farther one.
    if (best_triangle != NOBODY && best.gap < 0.0f && !in_front(watch, node, clock, triangles, other, x, least)) {
        touched = true;
        const u32* corners = triangles + 3 * best_triangle;
        const Vec3 weights = vec3(1.0f - best.wb - best.wc, best.wb, best.wc);
        Vec3 there = scale(other.moved[corners[0]], weights.x);
        there = add_scaled(there, other.moved[corners[1]], weights.y);
        there = add_scaled(there, other.moved[corners[2]], weights.z);
        const u32 n = touches.nodes;
        for (u32 k = 0; k < 3; ++k) {
            touches.corners[k * n + node] = corners[k];
        }
        set_float3(touches.vectors, n, node, weights);
        set_float3(touches.vectors + 3 * n, n, node, best.normal);
        set_float3(touches.vectors + 6 * n, n, node, sub(own.moved[node], there));
        touches.depth[node] = -best.gap;
    }
    float due = FLOAT_MAX;
    for (u32 k = 0; k < count; ++k) {
        due = sooner(due, watch.front[k * watch.nodes + node], watch.aside[k * watch.nodes + node]);
    }
    watch.due[node] = due;
    return touched;
}
