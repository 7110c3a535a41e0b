// What the implicit solves of all bodies of a form share, as gpu/solver/src/implicit.rs writes it, and where a body keeps its vectors.
#pragma once
#include "body.cuh"

struct ImplicitHead {
    // Places of arrays, in words from the start of the form's head.
    // Of each tetrahedron two numbers: 1/(6 V) in 1/m³ and λ V in J.
    u32 elements;
    u32 spring_start;
    u32 spring_other;
    u32 spring_stiffness;
    u32 spring_rest;
    u32 inertia;
    u32 frame;
    // The factor's columns by level: those of a level do not reach each other. For each place in that order the column's node, and the
    // starts of its row's and its column's entries.
    u32 level_start;
    u32 levels;
    u32 column_node;
    u32 row_start;
    u32 column_start;
    // For each entry of a row, by ascending column, the column's node and the entry; for each entry of a column, in its order, the row's
    // node and the entry.
    u32 row_entries;
    u32 column_entries;
    // Blocks of nine by rows: the entries with their signs changed, and the inverse of each column's diagonal.
    u32 blocks;
    u32 inverses;
    float gamma;
    float slack;
    float inverse_total_mass;
    u32 free;
};
static_assert(sizeof(ImplicitHead) == 80, "gpu/solver/src/implicit.rs");

struct Implicit {
    ImplicitHead head;
    const float* elements;
    const u32* spring_start;
    const u32* spring_other;
    const float* spring_stiffness;
    const float* spring_rest;
    const float* inertia;
    const Vec3* frame;
    const u32* words;
};

DEVICE Implicit implicit_of(const Form& form) {
    Implicit implicit;
    const u32* words = form.words;
    implicit.words = words;
    implicit.head = *reinterpret_cast<const ImplicitHead*>(words + form.head.implicit);
    implicit.elements = reinterpret_cast<const float*>(words + implicit.head.elements);
    implicit.spring_start = words + implicit.head.spring_start;
    implicit.spring_other = words + implicit.head.spring_other;
    implicit.spring_stiffness = reinterpret_cast<const float*>(words + implicit.head.spring_stiffness);
    implicit.spring_rest = reinterpret_cast<const float*>(words + implicit.head.spring_rest);
    implicit.inertia = reinterpret_cast<const float*>(words + implicit.head.inertia);
    implicit.frame = reinterpret_cast<const Vec3*>(words + implicit.head.frame);
    return implicit;
}

// A body's vectors, one a node each.
struct Vectors {
    Vec3* begin;
    // The predicted positions.
    Vec3* target;
    Vec3* at;
    Vec3* step;
    Vec3* r;
    Vec3* z;
    Vec3* p;
    Vec3* product;
    // Where steps lead; in the end how far the nodes have moved from the predicted positions.
    Vec3* x;
};

DEVICE Vectors vectors_of(const Form& form, const Body& body) {
    const u32 nodes = form.head.nodes;
    Vectors vectors;
    vectors.begin = body.more;
    vectors.target = body.predicted;
    vectors.at = body.more + nodes;
    vectors.step = body.more + 2 * nodes;
    vectors.r = body.more + 3 * nodes;
    vectors.z = body.more + 4 * nodes;
    vectors.p = body.more + 5 * nodes;
    vectors.product = body.more + 6 * nodes;
    vectors.x = body.x;
    return vectors;
}

// a · b over all nodes, component by component; for all threads. Begins with all nodes in place.
DEVICE float dot_all(const Form& form, const Body& body, const Vec3* a, const Vec3* b) {
    __syncthreads();
    for (u32 k = threadIdx.x; k < 3; k += blockDim.x) {
        float sum = 0.0f;
        for (u32 i = 0; i < form.head.nodes; ++i) {
            sum = fmaf(component(a[i], k), component(b[i], k), sum);
        }
        body.shared[k] = sum;
    }
    __syncthreads();
    const float result = body.shared[0] + body.shared[1] + body.shared[2];
    __syncthreads();
    return result;
}
