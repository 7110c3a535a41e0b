// A body within a step: the block's working copy of its canonical state.
//
// Positions are relative to an origin near the body, on a grid of quarter metres (physx/soft/src/pack.rs). Nodes belong to threads: node
// i to thread i modulo the block's size, in every loop over nodes. So loops over nodes need no barrier among themselves; those over
// tetrahedra and sums over nodes do.
#pragma once
#include "form.cuh"
#include "rule.cuh"

struct Body {
    Vec3 origin;
    // Positions; while elasticity is solved, which begins and ends at the predicted positions, how far it has moved the nodes from them.
    Vec3* x;
    Vec3* predicted;
    Vec3* v;
    // Further vectors of each node, for solvers that need them.
    Vec3* more;
    float* inverse_mass;
    // For sums and choices over all nodes.
    float* shared;
};

// Words at the end of a body's memory for what the block's threads tell each other.
#define SHARED_WORDS 32

// Lays a body out in memory of so many vectors a node, at least 3, another word a node, and SHARED_WORDS.
DEVICE Body body_in(void* memory, u32 nodes, u32 vectors) {
    Body body;
    body.origin = zero3();
    body.x = static_cast<Vec3*>(memory);
    body.predicted = body.x + nodes;
    body.v = body.predicted + nodes;
    body.more = body.v + nodes;
    body.inverse_mass = reinterpret_cast<float*>(body.x + vectors * nodes);
    body.shared = body.inverse_mass + nodes;
    return body;
}

// The i-th vector of a run x y z x y z …
DEVICE Vec3 vector_at(const u32* words, u32 i) {
    return vec3(__uint_as_float(words[3 * i]), __uint_as_float(words[3 * i + 1]), __uint_as_float(words[3 * i + 2]));
}

DEVICE void set_vector(u32* words, u32 i, Vec3 a) {
    words[3 * i] = __float_as_uint(a.x);
    words[3 * i + 1] = __float_as_uint(a.y);
    words[3 * i + 2] = __float_as_uint(a.z);
}

DEVICE float origin_of(float x) { return floorf(x * 4.0f) * 0.25f; }

struct Reach;

// Where a body is between steps.
struct Place {
    // Its canonical state.
    const u32* from;
    // Where the state goes at the step's end: for the host, in its memory, and, if not null, to stay for the next step.
    u32* out;
    u32* resident;
    Reach* reach;
};
static_assert(sizeof(Place) == 32, "gpu/solver/src/resident.rs");

// Takes a canonical state: positions, velocities, quiet count. Nobody has the body before a barrier: threads take words, not nodes, since the
// state may lie in the host's memory, which is read and written in few pieces only where neighbours take neighbours.
DEVICE void take_state(const Form& form, Body& body, const u32* state) {
    const u32 nodes = form.head.nodes;
    const Vec3 first = vector_at(state, 0);
    body.origin = vec3(origin_of(first.x), origin_of(first.y), origin_of(first.z));
    float* const x = reinterpret_cast<float*>(body.x);
    float* const v = reinterpret_cast<float*>(body.v);
    for (u32 word = threadIdx.x; word < 3 * nodes; word += blockDim.x) {
        x[word] = __uint_as_float(state[word]) - component(body.origin, word % 3);
        v[word] = __uint_as_float(state[3 * nodes + word]);
    }
    for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
        body.inverse_mass[i] = form.inverse_mass[i];
    }
}

// Writes it back, with all nodes in place; by words as well.
DEVICE void give_state(const Form& form, const Body& body, u32 quiet, u32* state) {
    const u32 nodes = form.head.nodes;
    const float* const x = reinterpret_cast<const float*>(body.x);
    const float* const v = reinterpret_cast<const float*>(body.v);
    for (u32 word = threadIdx.x; word < 3 * nodes; word += blockDim.x) {
        state[word] = __float_as_uint(component(body.origin, word % 3) + x[word]);
        state[3 * nodes + word] = __float_as_uint(v[word]);
    }
    if (threadIdx.x == 0) {
        state[6 * nodes] = quiet;
    }
}
