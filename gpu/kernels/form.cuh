// What all bodies of one mesh, material and set of pinned nodes share: a head, then arrays, as gpu/solver/src/form.rs writes them.
#pragma once
#include "vec3.cuh"

struct FormHead {
    u32 nodes;
    u32 surface;
    u32 tets;
    u32 colours;
    // Where arrays begin, in words from the start of the head; those of quadruples at multiples of four.
    u32 mass;
    u32 inverse_mass;
    u32 colour_starts;
    u32 tet_nodes;
    // Three quadruples for each tetrahedron, in three arrays: the inverse rest matrix by rows, 6 V γ, the two compliances.
    u32 tet_numbers;
    u32 pinned;
    // 1/s
    float damping;
    float friction_static;
    float friction_dynamic;
    // Of all nodes in their order, kg.
    float total_mass;
    // Where the head of the implicit solve lies, 0 where the form is swept.
    u32 implicit;
    // The surface as contacts look at it: corners of its triangles; its patches, PATCH_WORDS each; the triangles around each surface node,
    // as places in patches, from one of the starts to the next.
    u32 triangles;
    u32 patches;
    u32 patch_count;
    u32 around_starts;
    u32 around;
    // How deep a node may be inside and still be pushed out through the nearest face, m.
    float depth_max;
    u32 padding[3];
};
static_assert(sizeof(FormHead) == 96, "gpu/solver/src/form.rs");

struct Form {
    const u32* words;
    FormHead head;
    const float* mass;
    const float* inverse_mass;
    const u32* colour_starts;
    const uint4* tet_nodes;
    const float4* tet_numbers;
};

DEVICE Form form_at(const u32* words) {
    Form form;
    form.words = words;
    form.head = *reinterpret_cast<const FormHead*>(words);
    form.mass = reinterpret_cast<const float*>(words + form.head.mass);
    form.inverse_mass = reinterpret_cast<const float*>(words + form.head.inverse_mass);
    form.colour_starts = words + form.head.colour_starts;
    form.tet_nodes = reinterpret_cast<const uint4*>(words + form.head.tet_nodes);
    form.tet_numbers = reinterpret_cast<const float4*>(words + form.head.tet_numbers);
    return form;
}
