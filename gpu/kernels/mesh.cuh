// Triangle surfaces, solid behind their triangles, in the order of operations of physx/soft/src/collider/mesh.rs and candidates.rs.
//
// At a step's start `find_triangles` of mesh.cu looks for the triangles near each node; in the substeps a node looks at those alone.
#pragma once
#include "nearest.cuh"
#include "shape.cuh"

struct Triangle {
    Vec3 corners[3];
    // Outward unit normal, zero where the triangle has no area; its box; a ball around it.
    Vec3 normal;
    Vec3 low;
    Vec3 high;
    Vec3 centre;
    float radius;
    u32 padding[2];
};
static_assert(sizeof(Triangle) == 96, "gpu/solver/src/collider.rs");

// A surface in the pool: the triangles follow, then their numbers by the smallest x of their boxes.
struct Mesh {
    u32 triangles;
    // The widest box along x, m; and how deep behind a triangle something is taken to be in front of another, m.
    float widest;
    float thickness;
    u32 padding;
};
static_assert(sizeof(Mesh) == 16, "gpu/solver/src/collider.rs");

DEVICE const Triangle* triangles_of(const Mesh* mesh) { return reinterpret_cast<const Triangle*>(mesh + 1); }

DEVICE const u32* by_x_of(const Mesh* mesh) { return reinterpret_cast<const u32*>(triangles_of(mesh) + mesh->triangles); }

// What the nodes of a body have found of a surface: how many triangles each, and these, nearest first, those of rank k one after the other.
struct Found {
    u32* counts;
    u32* triangles;
    u32 nodes;
};

// Words of it.
DEVICE u64 found_words(u32 nodes) { return static_cast<u64>(1 + KEPT) * nodes; }

// Of the surface with this number among the step's.
DEVICE Found found_in(u32* words, u32 nodes, u32 number) {
    Found found;
    found.counts = words + number * found_words(nodes);
    found.triangles = found.counts + nodes;
    found.nodes = nodes;
    return found;
}

// Squared distance of a point from a triangle (Ericson, Real-Time Collision Detection, 5.1.5).
DEVICE float squared_distance(const Vec3 corners[3], Vec3 p) {
    const Vec3 a = corners[0], b = corners[1], c = corners[2];
    const Vec3 ab = sub(b, a), ac = sub(c, a), ap = sub(p, a), bp = sub(p, b), cp = sub(p, c);
    const float d1 = dot(ab, ap), d2 = dot(ac, ap), d3 = dot(ab, bp), d4 = dot(ac, bp), d5 = dot(ab, cp), d6 = dot(ac, cp);
    const float vc = d1 * d4 - d3 * d2, vb = d5 * d2 - d1 * d6, va = d3 * d6 - d5 * d4;
    Vec3 nearest;
    if (d1 <= 0.0f && d2 <= 0.0f) {
        nearest = a;
    } else if (d3 >= 0.0f && d4 <= d3) {
        nearest = b;
    } else if (vc <= 0.0f && d1 >= 0.0f && d3 <= 0.0f) {
        nearest = add_scaled(a, ab, d1 / (d1 - d3));
    } else if (d6 >= 0.0f && d5 <= d6) {
        nearest = c;
    } else if (vb <= 0.0f && d2 >= 0.0f && d6 <= 0.0f) {
        nearest = add_scaled(a, ac, d2 / (d2 - d6));
    } else if (va <= 0.0f && d4 - d3 >= 0.0f && d5 - d6 >= 0.0f) {
        nearest = add_scaled(b, sub(c, b), (d4 - d3) / ((d4 - d3) + (d5 - d6)));
    } else {
        const float inverse = 1.0f / (va + vb + vc);
        nearest = add_scaled(add_scaled(a, ab, vb * inverse), ac, vc * inverse);
    }
    const Vec3 d = sub(p, nearest);
    return dot(d, d);
}

// What a node at `x` touches of the triangles that were found for it.
DEVICE Touch touch_mesh(const Mesh* mesh, const Found& found, u32 node, Vec3 x) {
    const Triangle* triangles = triangles_of(mesh);
    bool any = false;
    Distance best = distance_of(0.0f, zero3());
    for (u32 k = 0; k < found.counts[node]; ++k) {
        const Vec3* const corners = triangles[found.triangles[k * found.nodes + node]].corners;
        Distance one;
        if (!plane_gap(corners[0], corners[1], corners[2], x, one.gap, one.normal) || -one.gap > mesh->thickness) {
            continue;
        }
        if (!any || fabsf(one.gap) < fabsf(best.gap)) {
            best = one;
            any = true;
        }
    }
    return any ? touch_inside(-best.gap, best.normal) : touch_nothing();
}
