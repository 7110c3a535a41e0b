// What a body's nodes must stay out of: physx/soft/src/collider, as gpu/solver/src/collider.rs writes it.
//
// A node meets the colliders in their order. On the CPU all nodes meet one before any meets the next; since a node does not look at
// others, that comes to the same.
#pragma once
#include "body.cuh"
#include "mesh.cuh"
#include "quat.cuh"
#include "shape.cuh"
#include "table.cuh"

enum Kind { PLANE, BOX, SPHERE, CAPSULE, CONVEX, HEIGHTS, FIELD, MESH };

struct Collider {
    u32 kind;
    // In the pool: the planes of a convex solid, `count` of them; a grid's head and values, the latter `count` words long with the head; a
    // triangle surface, which is number `count` of its kind.
    u32 first;
    u32 count;
    float friction_static;
    float friction_dynamic;
    // The box outside of which nothing is touched, but for planes.
    Vec3 low;
    Vec3 high;
    // A plane: its unit normal; else position and rotation at the step's start, velocities over the step.
    Vec3 position;
    Quat rotation;
    Vec3 linear;
    Vec3 angular;
    // A plane: its offset; a box: half extents; else radius, half height.
    Vec3 size;
};
static_assert(sizeof(Collider) == 108, "gpu/solver/src/collider.rs");

struct Colliders {
    const Collider* all;
    u32 count;
    const u32* pool;
    // What nodes have found of triangle surfaces, and how many words each body has of it.
    u32* found;
    u64 found_words;
};

DEVICE const Mesh* mesh_of(const Collider& collider, const Colliders& colliders) {
    return reinterpret_cast<const Mesh*>(colliders.pool + collider.first);
}

// What the nodes of the body with this number have found of a triangle surface.
DEVICE Found found_of(const Collider& collider, const Colliders& colliders, const Form& form, u32 body) {
    return found_in(colliders.found + colliders.found_words * body, form.head.surface, collider.count);
}

// A box of the places that a body may get to within a step.
struct Swept {
    Vec3 low;
    Vec3 high;
};

DEVICE bool reaches(const Collider& collider, const Swept& swept) {
    if (collider.kind == PLANE) {
        const Vec3 normal = collider.position;
        const Vec3 lowest = vec3(normal.x > 0.0f ? swept.low.x : swept.high.x, normal.y > 0.0f ? swept.low.y : swept.high.y,
                                 normal.z > 0.0f ? swept.low.z : swept.high.z);
        return dot(normal, lowest) <= collider.size.x;
    }
    return collider.low.x <= swept.high.x && swept.low.x <= collider.high.x && collider.low.y <= swept.high.y &&
           swept.low.y <= collider.high.y && collider.low.z <= swept.high.z && swept.low.z <= collider.high.z;
}

DEVICE Touch touch_plane(const Collider& plane, Vec3 x) {
    Touch touch;
    touch.depth = plane.size.x - dot(plane.position, x);
    touch.normal = plane.position;
    touch.velocity = zero3();
    return touch;
}

// A rigid body that follows a script, t seconds after the step's start.
DEVICE Touch touch_moving(const Collider& moving, const u32* pool, Vec3 x, float t) {
    const Vec3 centre = add_scaled(moving.position, moving.linear, t);
    const Quat rotation = turned(moving.rotation, moving.angular, t);
    const Vec3 arm = sub(x, centre);
    const Vec3 p = rotate_back(rotation, arm);
    Distance distance;
    switch (moving.kind) {
        case BOX: distance = box_distance(moving.size, p); break;
        case SPHERE: distance = point_distance(p, moving.size.x); break;
        case CAPSULE: distance = capsule_distance(p, moving.size.x, moving.size.y); break;
        default: distance = convex_distance(pool + moving.first, moving.count, p); break;
    }
    Touch touch;
    touch.depth = -distance.gap;
    touch.normal = rotate(rotation, distance.normal);
    touch.velocity = add(moving.linear, cross(moving.angular, arm));
    return touch;
}

DEVICE bool within(Vec3 low, Vec3 high, Vec3 x) {
    return low.x <= x.x && x.x <= high.x && low.y <= x.y && x.y <= high.y && low.z <= x.z && x.z <= high.z;
}

// A solid whose depth is looked up.
DEVICE Touch touch_table(const Collider& table, const u32* pool, Vec3 x) {
    if (!within(table.low, table.high, x)) {
        return touch_nothing();
    }
    const u32* words = pool + table.first;
    if (table.kind == HEIGHTS) {
        return touch_heights(*reinterpret_cast<const HeightGrid*>(words), words + sizeof(HeightGrid) / 4, x);
    }
    return touch_field(*reinterpret_cast<const DistanceGrid*>(words), words + sizeof(DistanceGrid) / 4, words + table.count, x);
}

// What a body has near it in a step: its number, and the colliders that it may reach, a bit each.
struct Near {
    u32 body;
    u32* bits;
};

DEVICE Touch touch(const Form& form, const Collider& collider, const Colliders& colliders, u32 body, u32 node, Vec3 x, float t) {
    switch (collider.kind) {
        case PLANE: return touch_plane(collider, x);
        case HEIGHTS:
        case FIELD: return touch_table(collider, colliders.pool, x);
        case MESH: return touch_mesh(mesh_of(collider, colliders), found_of(collider, colliders, form, body), node, x);
        default: return touch_moving(collider, colliders.pool, x, t);
    }
}

// How much of a depth is taken back at once: what was gained in the time at hand, and `most` of what was there before.
DEVICE float recoverable(float depth, float gained, float most) { return smaller(depth, larger(gained, 0.0f) + most); }

// Moves a node at `x`, at `before` when the substep began, to the surface, and takes back sliding: all of it while friction holds, else
// the dynamic share.
DEVICE Vec3 push_out(Vec3 x, Vec3 before, const Touch& touch, float friction_static, float friction_dynamic, const Rule& rule) {
    const Vec3 carried = scale(touch.velocity, rule.h);
    const Vec3 approach = sub(sub(x, before), carried);
    const float depth = recoverable(touch.depth, -dot(approach, touch.normal), rule.recovery_max);
    const Vec3 out = add_scaled(x, touch.normal, depth);
    const Vec3 motion = sub(sub(out, before), carried);
    const Vec3 slide = sub(motion, scale(touch.normal, dot(motion, touch.normal)));
    const float len = length(slide);
    const float back = len <= friction_static * depth ? 1.0f : friction_dynamic * depth / len;
    return sub(out, scale(slide, back));
}

// Marks the colliders that a body may reach in the step. Every thread takes some words.
DEVICE void gather_near(const Colliders& colliders, const Swept& swept, const Near& near) {
    for (u32 word = threadIdx.x; 32 * word < colliders.count; word += blockDim.x) {
        u32 bits = 0;
        for (u32 i = 0; i < 32 && 32 * word + i < colliders.count; ++i) {
            bits |= reaches(colliders.all[32 * word + i], swept) ? 1u << i : 0u;
        }
        near.bits[word] = bits;
    }
}

// Keeps one surface node out of the colliders near the body, t seconds after the step's start.
DEVICE void stay_out(const Form& form, Body& body, const Colliders& colliders, const Near& near, u32 node, float t, const Rule& rule) {
    for (u32 word = 0; 32 * word < colliders.count; ++word) {
        for (u32 bits = near.bits[word]; bits != 0; bits &= bits - 1) {
            const Collider& collider = colliders.all[32 * word + __ffs(static_cast<int>(bits)) - 1];
            const Vec3 x = add(body.origin, body.x[node]);
            const Touch met = touch(form, collider, colliders, near.body, node, x, t);
            if (!(0.0f < met.depth)) {
                continue;
            }
            const Vec3 start = add_scaled(body.predicted[node], body.v[node], -rule.h);
            const float friction_static = sqrtf(collider.friction_static * form.head.friction_static);
            const float friction_dynamic = sqrtf(collider.friction_dynamic * form.head.friction_dynamic);
            const Vec3 out =
                push_out(x, add(body.origin, start), met, friction_static, friction_dynamic, rule);
            body.x[node] = sub(out, body.origin);
        }
    }
}

DEVICE void collide(const Form& form, Body& body, const Colliders& colliders, const Near& near, float t, const Rule& rule) {
    for (u32 i = threadIdx.x; i < form.head.surface; i += blockDim.x) {
        if (body.inverse_mass[i] != 0.0f) {
            stay_out(form, body, colliders, near, i, t, rule);
        }
    }
}
