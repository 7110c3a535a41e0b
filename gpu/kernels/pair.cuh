// What the contacts of two bodies do to them in an interval: `Pair::push` of physx/soft/src/pair.rs, and contact.rs.
#pragma once
#include "collider.cuh"
#include "watch.cuh"

// See contact.rs.
#define RELAXATION 0.5f

// Friction between two bodies, and the depth that was there before and is taken back in an interval, m.
struct Law {
    float friction_static;
    float friction_dynamic;
    float most;
};

// What a contact does to the node's body, kg·m: `Law::push`. Only where 0 < w.
DEVICE Vec3 push_of(const Law& law, Vec3 normal, float depth, Vec3 slip, float w) {
    const float along = dot(slip, normal);
    const float out = RELAXATION * recoverable(depth, -along, law.most) / w;
    const Vec3 slide = add_scaled(slip, normal, -along);
    const float len = length(slide);
    const float holding = len / w;
    const float tangential = holding <= law.friction_static * out ? holding : law.friction_dynamic * out;
    const Vec3 push = scale(normal, out);
    return 0.0f < len ? add(push, scale(slide, -tangential / len)) : push;
}

// Looks at all nodes of one body, and lists those that touch, in their order. Gives how many, to all threads.
DEVICE u32 look_all(const Form& form, const Shown& own, const Shown& other, Clock clock, const Watch& watch, const Touches& touches) {
    for (u32 i = threadIdx.x; i < touches.nodes; i += blockDim.x) {
        touches.list[i] = look(form, own, other, clock, watch, touches, i) ? 1u : 0u;
    }
    __syncthreads();
    const u32 words = (touches.nodes + 31) / 32;
    for (u32 word = threadIdx.x; word < words; word += blockDim.x) {
        u32 bits = 0;
        for (u32 i = 0; i < 32 && 32 * word + i < touches.nodes; ++i) {
            bits |= touches.list[32 * word + i] << i;
        }
        touches.bits[word] = bits;
    }
    __syncthreads();
    u32 before = 0;
    for (u32 word = 0; word < words; ++word) {
        const u32 bits = touches.bits[word];
        for (u32 i = threadIdx.x; i < 32; i += blockDim.x) {
            if (bits >> i & 1) {
                touches.list[before + __popc(bits & ((1u << i) - 1))] = 32 * word + i;
            }
        }
        before += __popc(bits);
    }
    __syncthreads();
    return before;
}

// The sum of the weights with which a node takes part: as one that touches, and as a corner of what the other's nodes touch. `first` tells
// which of these come first.
DEVICE float share_of(const Touches& own, const Touches& other, u32 other_hits, bool first, u32 node) {
    const bool touches = own.bits[node / 32] >> (node % 32) & 1;
    float share = touches && first ? 1.0f : 0.0f;
    for (u32 hit = 0; hit < other_hits; ++hit) {
        const u32 from = other.list[hit];
        for (u32 k = 0; k < 3; ++k) {
            if (other.corners[k * other.nodes + from] == node) {
                share = share + fabsf(other.vectors[k * other.nodes + from]);
            }
        }
    }
    return touches && !first ? share + 1.0f : share;
}

// What one hit does, to the node's body from entry `own_at` on and to the triangle's from `other_at` on.
DEVICE void resolve(const Touches& own, const Touches& other, const float* own_inverse, const float* other_inverse, const Law& law,
                    u32 node, const Pushes& to_own, u32 own_at, const Pushes& to_other, u32 other_at) {
    const u32 n = own.nodes;
    const Vec3 weights = float3_at(own.vectors, n, node), normal = float3_at(own.vectors + 3 * n, n, node);
    const Vec3 slip = float3_at(own.vectors + 6 * n, n, node);
    u32 corners[3];
    float inverse[3], of_corner[3];
    for (u32 k = 0; k < 3; ++k) {
        corners[k] = own.corners[k * n + node];
        inverse[k] = other_inverse[corners[k]];
        // A corner's mass is split in proportion to the weights, so its square of the weight meets a share of 1/weight.
        of_corner[k] = fabsf(component(weights, k)) * (other.shares[corners[k]] * inverse[k]);
    }
    const float w = own.shares[node] * own_inverse[node] + (of_corner[0] + of_corner[1] + of_corner[2]);
    const bool moves = 0.0f < w;
    const Vec3 push = moves ? push_of(law, normal, own.depth[node], slip, w) : zero3();
    to_own.nodes[own_at] = moves ? node : NOBODY;
    to_own.vectors[own_at] = scale(push, own_inverse[node]);
    for (u32 k = 0; k < 3; ++k) {
        to_other.nodes[other_at + k] = moves ? corners[k] : NOBODY;
        to_other.vectors[other_at + k] = scale(push, -component(weights, k) * inverse[k]);
    }
}

// The pushes of an interval, by a block.
DEVICE void push_pair(const Form forms[2], const Shown shown[2], const PairMemory& memory, const Rule& rule) {
    const Clock clocks[2] = {advanced(memory.head->clocks[0], *shown[0].head, *shown[1].head),
                             advanced(memory.head->clocks[1], *shown[1].head, *shown[0].head)};
    const u32 hits[2] = {look_all(forms[1], shown[0], shown[1], clocks[0], memory.watches[0], memory.touches[0]),
                         look_all(forms[0], shown[1], shown[0], clocks[1], memory.watches[1], memory.touches[1])};
    const Touches &a = memory.touches[0], &b = memory.touches[1];
    if (hits[0] + hits[1] != 0) {
        for (u32 i = threadIdx.x; i < a.nodes; i += blockDim.x) {
            a.shares[i] = share_of(a, b, hits[1], true, i);
        }
        for (u32 i = threadIdx.x; i < b.nodes; i += blockDim.x) {
            b.shares[i] = share_of(b, a, hits[0], false, i);
        }
        __syncthreads();
        Law law;
        law.friction_static = sqrtf(forms[0].head.friction_static * forms[1].head.friction_static);
        law.friction_dynamic = sqrtf(forms[0].head.friction_dynamic * forms[1].head.friction_dynamic);
        law.most = rule.contact_recovery_max;
        for (u32 i = threadIdx.x; i < hits[0]; i += blockDim.x) {
            resolve(a, b, forms[0].inverse_mass, forms[1].inverse_mass, law, a.list[i], memory.pushes[0], i, memory.pushes[1], 3 * i);
        }
        for (u32 i = threadIdx.x; i < hits[1]; i += blockDim.x) {
            resolve(b, a, forms[1].inverse_mass, forms[0].inverse_mass, law, b.list[i], memory.pushes[1], 3 * hits[0] + i,
                    memory.pushes[0], hits[0] + 3 * i);
        }
    }
    if (threadIdx.x == 0) {
        memory.head->clocks[0] = clocks[0];
        memory.head->clocks[1] = clocks[1];
        memory.head->pushes[0] = hits[0] + 3 * hits[1];
        memory.head->pushes[1] = hits[1] + 3 * hits[0];
    }
}
