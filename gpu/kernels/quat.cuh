// Rotations as unit quaternions, in the order of operations of physx/soft/src/quat.rs.
#pragma once
#include "vec3.cuh"

struct Quat {
    Vec3 v;
    float w;
};

DEVICE Quat quat(Vec3 v, float w) {
    Quat q;
    q.v = v;
    q.w = w;
    return q;
}

DEVICE Vec3 rotate(Quat q, Vec3 v) {
    const Vec3 t = scale(cross(q.v, v), 2.0f);
    return add(add_scaled(v, t, q.w), cross(q.v, t));
}

DEVICE Vec3 rotate_back(Quat q, Vec3 v) { return rotate(quat(neg(q.v), q.w), v); }

// First b, then a.
DEVICE Quat multiply(Quat a, Quat b) {
    return quat(add_scaled(add_scaled(cross(a.v, b.v), b.v, a.w), a.v, b.w), a.w * b.w - dot(a.v, b.v));
}

DEVICE Quat normalized(Quat q) {
    const float length = sqrtf(q.w * q.w + dot(q.v, q.v));
    if (!(length > 1e-12f)) {
        return quat(zero3(), 1.0f);
    }
    return quat(vec3(q.v.x / length, q.v.y / length, q.v.z / length), q.w / length);
}

// q after turning with angular velocity w (rad/s) for t seconds, to first order.
DEVICE Quat turned(Quat q, Vec3 w, float t) {
    const float half = 0.5f * t;
    const Quat d = multiply(quat(w, 0.0f), q);
    return normalized(quat(add(scale(d.v, half), q.v), d.w * half + q.w));
}
