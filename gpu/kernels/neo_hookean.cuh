// The elastic constraint of one tetrahedron, operation by operation that of physx/soft/src/neo_hookean.rs, where its source is named.
#pragma once
#include "form.cuh"

struct Rest {
    // By rows, 1/m.
    Vec3 inverse[3];
    float balance6;
    float alpha_deviatoric;
    float alpha_volume;
};

DEVICE Rest rest_of(const Form& form, u32 tet, float inverse_h2) {
    const u32 tets = form.head.tets;
    const float4 a = form.tet_numbers[tet], b = form.tet_numbers[tets + tet], c = form.tet_numbers[2 * tets + tet];
    Rest rest;
    rest.inverse[0] = vec3(a.x, a.y, a.z);
    rest.inverse[1] = vec3(a.w, b.x, b.y);
    rest.inverse[2] = vec3(b.z, b.w, c.x);
    rest.balance6 = c.y;
    rest.alpha_deviatoric = c.z * inverse_h2;
    rest.alpha_volume = c.w * inverse_h2;
    return rest;
}

// a₀ c₀ + a₁ c₁ + a₂ c₂, fused from the first to the last.
DEVICE Vec3 combine(const Vec3 a[3], float c0, float c1, float c2) {
    return fused(a[2], c2, fused(a[1], c1, scale(a[0], c0)));
}

// start + Σ wᵢ aᵢ · bᵢ.
DEVICE float weighted(const Vec3 a[4], const Vec3 b[4], const float w[4], float start) {
    const float first = fmaf(fused_dot(a[1], b[1]), w[1], fmaf(fused_dot(a[0], b[0]), w[0], start));
    return fmaf(fused_dot(a[3], b[3]), w[3], fmaf(fused_dot(a[2], b[2]), w[2], first));
}

// Moves four nodes at `x` towards the balance of the tetrahedron's energy: adds the way to `moved`.
DEVICE void project(const Rest& rest, const Vec3 x[4], const float w[4], Vec3 moved[4]) {
    const Vec3 edges[3] = {sub(x[1], x[0]), sub(x[2], x[0]), sub(x[3], x[0])};
    const Vec3* d = rest.inverse;
    const Vec3 f[3] = {combine(edges, d[0].x, d[1].x, d[2].x), combine(edges, d[0].y, d[1].y, d[2].y),
                       combine(edges, d[0].z, d[1].z, d[2].z)};
    const float square = larger(fused_dot(f[0], f[0]) + fused_dot(f[1], f[1]) + fused_dot(f[2], f[2]), 1e-12f);
    Vec3 g[4], q[4];
    for (int i = 0; i < 3; ++i) {
        g[i + 1] = combine(f, d[i].x, d[i].y, d[i].z);
    }
    g[0] = neg(add(add(g[1], g[2]), g[3]));
    q[1] = fused_cross(edges[1], edges[2]);
    q[2] = fused_cross(edges[2], edges[0]);
    q[3] = fused_cross(edges[0], edges[1]);
    q[0] = neg(add(add(q[1], q[2]), q[3]));
    const float volume_error = fused_dot(edges[0], q[1]) - rest.balance6;

    const float a = weighted(g, g, w, rest.alpha_deviatoric * square);
    const float c = weighted(q, q, w, rest.alpha_volume);
    const float b = weighted(g, q, w, 0.0f);
    const float inverse_det = 1.0f / (a * c - b * b);
    const float deviatoric_step = -((c * square - b * volume_error) * inverse_det);
    const float volume_step = -((a * volume_error - b * square) * inverse_det);
    for (int i = 0; i < 4; ++i) {
        moved[i] = fused(fused(q[i], volume_step, scale(g[i], deviatoric_step)), w[i], moved[i]);
    }
}
