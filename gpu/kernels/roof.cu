// What limits a card, for bench/gpu.sh to compare steps with.
#include "neo_hookean.cuh"

struct Roof {
    const u32* form;
    // What is copied, quads of words, and where the threads write what they come to.
    const uint4* from;
    uint4* to;
    u64 quads;
    u32 rounds;
    float inverse_h2;
};
static_assert(sizeof(Roof) == 40, "gpu/solver/src/roof.rs");

// Projects a tetrahedron again and again with all of it in registers, a body's own rounds aside: a sweep cannot be faster.
extern "C" __global__ void roof_project(const Roof roof) {
    const Form form = form_at(roof.form);
    const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, tet = thread % form.head.tets;
    const Rest rest = rest_of(form, tet, roof.inverse_h2);
    const uint4 nodes = form.tet_nodes[tet];
    const float w[4] = {form.inverse_mass[nodes.x], form.inverse_mass[nodes.y], form.inverse_mass[nodes.z], form.inverse_mass[nodes.w]};
    const Vec3 x[4] = {zero3(), vec3(0.1f, 0.0f, 0.0f), vec3(0.0f, 0.1f, 0.0f), vec3(0.0f, 0.0f, 0.1f)};
    Vec3 moved[4] = {zero3(), zero3(), zero3(), zero3()};
    for (u32 round = 0; round < roof.rounds; ++round) {
        const Vec3 corners[4] = {add(x[0], moved[0]), add(x[1], moved[1]), add(x[2], moved[2]), add(x[3], moved[3])};
        project(rest, corners, w, moved);
    }
    // So that none of it is left out.
    const Vec3 sum = add(add(moved[0], moved[1]), add(moved[2], moved[3]));
    uint4 out;
    out.x = __float_as_uint(sum.x);
    out.y = __float_as_uint(sum.y);
    out.z = __float_as_uint(sum.z);
    out.w = thread;
    roof.to[thread] = out;
}

// Copies: no step is faster than its states are read and written.
extern "C" __global__ void roof_copy(const Roof roof) {
    const u64 all = static_cast<u64>(gridDim.x) * blockDim.x;
    for (u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i < roof.quads; i += all) {
        roof.to[i] = roof.from[i];
    }
}
