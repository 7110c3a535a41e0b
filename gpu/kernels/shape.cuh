// Convex solids by their signed distance, in the order of operations of physx/soft/src/collider/shape.rs.
#pragma once
#include "vec3.cuh"

// Depth below the surface (m, not positive where there is no contact), outward normal, velocity of the surface (m/s).
struct Touch {
    float depth;
    Vec3 normal;
    Vec3 velocity;
};

// Depth and normal; depth −1 where there is none.
DEVICE Touch touch_nothing() {
    Touch touch;
    touch.depth = -1.0f;
    touch.normal = zero3();
    touch.velocity = zero3();
    return touch;
}

// What was found, where it is inside.
DEVICE Touch touch_inside(float depth, Vec3 normal) {
    Touch touch = touch_nothing();
    if (depth > 0.0f) {
        touch.depth = depth;
        touch.normal = normal;
    }
    return touch;
}

struct Distance {
    float gap;
    Vec3 normal;
};

// The normal where there is none.
DEVICE Vec3 up() { return vec3(0.0f, 1.0f, 0.0f); }

DEVICE Distance distance_of(float gap, Vec3 normal) {
    Distance distance;
    distance.gap = gap;
    distance.normal = normal;
    return distance;
}

DEVICE Distance point_distance(Vec3 p, float radius) {
    const float len = length(p);
    return distance_of(len - radius, choose(1e-9f < len, scale(p, 1.0f / len), up()));
}

DEVICE Distance capsule_distance(Vec3 p, float radius, float half_height) {
    const float on_axis = smaller(larger(p.x, -half_height), half_height);
    return point_distance(vec3(p.x - on_axis, p.y, p.z), radius);
}

DEVICE Distance box_distance(Vec3 half, Vec3 p) {
    const Vec3 sign = vec3(p.x < 0.0f ? -1.0f : 1.0f, p.y < 0.0f ? -1.0f : 1.0f, p.z < 0.0f ? -1.0f : 1.0f);
    const Vec3 over = vec3(fabsf(p.x) - half.x, fabsf(p.y) - half.y, fabsf(p.z) - half.z);
    const Vec3 outside = vec3(larger(over.x, 0.0f), larger(over.y, 0.0f), larger(over.z, 0.0f));
    const float len = length(outside);
    // Inside, the nearest face counts; of equally near ones the first.
    const bool y = over.x < over.y, z = larger(over.x, over.y) < over.z;
    const float deepest = larger(larger(over.x, over.y), over.z);
    const Vec3 face = vec3(y || z ? 0.0f : sign.x, y && !z ? sign.y : 0.0f, z ? sign.z : 0.0f);
    const Vec3 away = vec3(sign.x * outside.x / len, sign.y * outside.y / len, sign.z * outside.z / len);
    const bool out = 0.0f < len;
    return distance_of(out ? len : deepest, choose(out, away, face));
}

// Of half-spaces n · x + d ≤ 0, four words each.
DEVICE Distance convex_distance(const u32* words, u32 count, Vec3 p) {
    Distance best = distance_of(-FLOAT_MAX, up());
    for (u32 i = 0; i < count; ++i) {
        const Vec3 normal = vec3(__uint_as_float(words[4 * i]), __uint_as_float(words[4 * i + 1]),
                                 __uint_as_float(words[4 * i + 2]));
        const float d = dot(normal, p) + __uint_as_float(words[4 * i + 3]);
        if (best.gap < d) {
            best = distance_of(d, normal);
        }
    }
    return best;
}
