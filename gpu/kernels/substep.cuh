// One substep of a body, as in physx/soft/src/substep.rs: predict, elasticity, colliders, velocities.
#pragma once
#include "body.cuh"
#include "neo_hookean.cuh"

DEVICE void predict(const Form& form, Body& body, const Rule& rule) {
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        Vec3 x = body.x[i];
        if (body.inverse_mass[i] != 0.0f) {
            const Vec3 v = add_scaled(body.v[i], rule.gravity, rule.h);
            body.v[i] = v;
            x = add_scaled(x, v, rule.h);
        }
        body.predicted[i] = x;
    }
}

// Projects one tetrahedron: `moved` is how far the nodes have come from their predicted positions.
DEVICE void project_tet(const Form& form, Body& body, Vec3* moved, u32 tet, float inverse_h2) {
    const uint4 n = form.tet_nodes[tet];
    const u32 nodes[4] = {n.x, n.y, n.z, n.w};
    Vec3 ways[4], corners[4];
    float w[4];
    for (int i = 0; i < 4; ++i) {
        w[i] = body.inverse_mass[nodes[i]];
        ways[i] = moved[nodes[i]];
        corners[i] = add(body.predicted[nodes[i]], ways[i]);
    }
    project(rest_of(form, tet, inverse_h2), corners, w, ways);
    for (int i = 0; i < 4; ++i) {
        moved[nodes[i]] = ways[i];
    }
}

// Moves the nodes from their predicted positions by what `body.x` holds, and gives the velocities their share of it.
DEVICE void take_ways(const Form& form, Body& body, const Rule& rule) {
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        const Vec3 way = body.x[i];
        body.v[i] = add_scaled(body.v[i], way, rule.inverse_h);
        body.predicted[i] = add(body.predicted[i], way);
        body.x[i] = body.predicted[i];
    }
}

// Sweeps over all tetrahedra in colour order; those of a colour at once.
DEVICE void elastic(const Form& form, Body& body, const Rule& rule) {
    // Until the sweep is over nobody asks for positions.
    Vec3* moved = body.x;
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        moved[i] = zero3();
    }
    __syncthreads();
    u32 first = form.colour_starts[0];
    for (u32 colour = 0; colour < form.head.colours; ++colour) {
        const u32 end = form.colour_starts[colour + 1];
        for (u32 tet = first + threadIdx.x; tet < end; tet += blockDim.x) {
            project_tet(form, body, moved, tet, rule.inverse_h2);
        }
        first = end;
        BETWEEN_COLOURS();
    }
    take_ways(form, body, rule);
}

// Adds what colliders and contacts did after elasticity.
DEVICE void velocities(const Form& form, Body& body, const Rule& rule) {
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        body.v[i] = add_scaled(body.v[i], sub(body.x[i], body.predicted[i]), rule.inverse_h);
    }
}
