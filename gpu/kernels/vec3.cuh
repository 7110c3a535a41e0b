// Numbers and vectors of three of them, in the order of operations of physx/soft/src/vec3.rs and simd/real.rs.
#pragma once
#include "platform.cuh"

// No number is larger, or, with the sign changed, smaller.
#define FLOAT_MAX 3.402823466e+38f

// The same for NaN and −0 as on the CPU, unlike fmaxf.
DEVICE float larger(float a, float b) { return a > b ? a : b; }
DEVICE float smaller(float a, float b) { return a < b ? a : b; }

struct Vec3 {
    float x, y, z;
};

DEVICE Vec3 vec3(float x, float y, float z) {
    Vec3 a;
    a.x = x;
    a.y = y;
    a.z = z;
    return a;
}

DEVICE Vec3 zero3() { return vec3(0.0f, 0.0f, 0.0f); }

DEVICE float component(Vec3 a, u32 k) { return k == 0 ? a.x : k == 1 ? a.y : a.z; }

DEVICE Vec3 add(Vec3 a, Vec3 b) { return vec3(a.x + b.x, a.y + b.y, a.z + b.z); }

DEVICE Vec3 sub(Vec3 a, Vec3 b) { return vec3(a.x - b.x, a.y - b.y, a.z - b.z); }

DEVICE Vec3 neg(Vec3 a) { return vec3(-a.x, -a.y, -a.z); }

DEVICE Vec3 scale(Vec3 a, float s) { return vec3(a.x * s, a.y * s, a.z * s); }

// a + b s, rounded twice.
DEVICE Vec3 add_scaled(Vec3 a, Vec3 b, float s) { return vec3(a.x + b.x * s, a.y + b.y * s, a.z + b.z * s); }

// a s + b, rounded once.
DEVICE Vec3 fused(Vec3 a, float s, Vec3 b) { return vec3(fmaf(a.x, s, b.x), fmaf(a.y, s, b.y), fmaf(a.z, s, b.z)); }

DEVICE float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

DEVICE Vec3 cross(Vec3 a, Vec3 b) {
    return vec3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

DEVICE float fused_dot(Vec3 a, Vec3 b) { return fmaf(a.z, b.z, fmaf(a.y, b.y, a.x * b.x)); }

DEVICE Vec3 fused_cross(Vec3 a, Vec3 b) {
    return vec3(fmaf(a.y, b.z, -(a.z * b.y)), fmaf(a.z, b.x, -(a.x * b.z)), fmaf(a.x, b.y, -(a.y * b.x)));
}

DEVICE float length(Vec3 a) { return sqrtf(dot(a, a)); }

DEVICE Vec3 choose(bool condition, Vec3 then, Vec3 otherwise) {
    return vec3(condition ? then.x : otherwise.x, condition ? then.y : otherwise.y, condition ? then.z : otherwise.z);
}

// Solves the system given by its rows; zero where it is singular to a float.
DEVICE Vec3 solve3(const Vec3 m[3], Vec3 b) {
    const Vec3 c0 = cross(m[1], m[2]);
    const float det = dot(m[0], c0);
    const Vec3 c1 = cross(m[2], m[0]), c2 = cross(m[0], m[1]);
    const float inverse = 1e-30f < fabsf(det) ? 1.0f / det : 0.0f;
    return scale(add(add(scale(c0, b.x), scale(c1, b.y)), scale(c2, b.z)), inverse);
}
