// The preconditioner, physx/soft/src/implicit/factor.rs and cholesky.rs: the factor of the system at rest, turned with the body.
//
// The CPU goes through the columns one by one. Here those of a level go side by side, as none of them reaches another. Forwards a row
// gathers what columns before it give, in their order, so that its sums are the CPU's.
#pragma once
#include "implicit_form.cuh"

// to + B from, by columns of B.
DEVICE Vec3 add_block(const float* b, Vec3 from, Vec3 to) {
    return vec3(fmaf(b[2], from.z, fmaf(b[1], from.y, fmaf(b[0], from.x, to.x))),
                fmaf(b[5], from.z, fmaf(b[4], from.y, fmaf(b[3], from.x, to.y))),
                fmaf(b[8], from.z, fmaf(b[7], from.y, fmaf(b[6], from.x, to.z))));
}

struct Sums {
    Vec3 s[3];
};

// Adds Bᵀ from, each row of B to a sum of its own.
DEVICE void add_transposed(const float* b, Vec3 from, Sums& sums) {
    sums.s[0] = fused(vec3(b[0], b[1], b[2]), from.x, sums.s[0]);
    sums.s[1] = fused(vec3(b[3], b[4], b[5]), from.y, sums.s[1]);
    sums.s[2] = fused(vec3(b[6], b[7], b[8]), from.z, sums.s[2]);
}

DEVICE void forward_row(const Implicit& implicit, u32 place, Vec3* b) {
    const u32* words = implicit.words;
    const u32* start = words + implicit.head.row_start + place;
    const u32* entries = words + implicit.head.row_entries;
    const float* blocks = reinterpret_cast<const float*>(words + implicit.head.blocks);
    const u32 node = words[implicit.head.column_node + place];
    Vec3 to = b[node];
    for (u32 e = start[0]; e < start[1]; ++e) {
        to = add_block(blocks + 9 * entries[2 * e + 1], b[entries[2 * e]], to);
    }
    b[node] = to;
}

DEVICE void backward_column(const Implicit& implicit, u32 place, Vec3* b) {
    const u32* words = implicit.words;
    const u32* start = words + implicit.head.column_start + place;
    const u32* entries = words + implicit.head.column_entries;
    const float* blocks = reinterpret_cast<const float*>(words + implicit.head.blocks);
    const float* inverses = reinterpret_cast<const float*>(words + implicit.head.inverses);
    const u32 node = words[implicit.head.column_node + place];
    Sums sums;
    sums.s[0] = sums.s[1] = sums.s[2] = zero3();
    for (u32 e = start[0]; e < start[1]; ++e) {
        add_transposed(blocks + 9 * entries[2 * e + 1], b[entries[2 * e]], sums);
    }
    add_transposed(inverses + 9 * place, b[node], sums);
    b[node] = add(add(sums.s[0], sums.s[1]), sums.s[2]);
}

// Replaces b by the solution of P z = b. Begins and ends with all nodes in place.
DEVICE void solve_factor(const Implicit& implicit, Vec3* b) {
    const u32* level_start = implicit.words + implicit.head.level_start;
    for (u32 level = 0; level < implicit.head.levels; ++level) {
        for (u32 place = level_start[level] + threadIdx.x; place < level_start[level + 1]; place += blockDim.x) {
            forward_row(implicit, place, b);
        }
        __syncthreads();
    }
    for (u32 level = implicit.head.levels; level > 0; --level) {
        for (u32 place = level_start[level - 1] + threadIdx.x; place < level_start[level]; place += blockDim.x) {
            backward_column(implicit, place, b);
        }
        __syncthreads();
    }
}

struct Turn {
    Vec3 column[3];
};

// The turn of a body at x, for all threads. Begins with all nodes in place.
DEVICE Turn turn_of(const Form& form, const Implicit& implicit, const Body& body, const Vec3* x) {
    __syncthreads();
    for (u32 entry = threadIdx.x; entry < 6; entry += blockDim.x) {
        float sum = 0.0f;
        for (u32 i = 0; i < form.head.nodes; ++i) {
            sum = fmaf(component(x[i], entry % 3), component(implicit.frame[i], entry / 3), sum);
        }
        body.shared[entry] = sum;
    }
    __syncthreads();
    const Vec3 f0 = vec3(body.shared[0], body.shared[1], body.shared[2]);
    const Vec3 f1 = vec3(body.shared[3], body.shared[4], body.shared[5]);
    __syncthreads();
    const float length0 = sqrtf(fused_dot(f0, f0));
    const Vec3 first = scale(f0, 1.0f / length0);
    const Vec3 rest = sub(f1, scale(first, fused_dot(first, f1)));
    const float length1 = sqrtf(fused_dot(rest, rest));
    const Vec3 second = scale(rest, 1.0f / length1);
    const bool fits = 1e-3f < length0 && 1e-3f < length1;
    Turn turn;
    turn.column[0] = choose(fits, first, vec3(1.0f, 0.0f, 0.0f));
    turn.column[1] = choose(fits, second, vec3(0.0f, 1.0f, 0.0f));
    turn.column[2] = choose(fits, fused_cross(first, second), vec3(0.0f, 0.0f, 1.0f));
    return turn;
}

// z = P⁻¹ r for a body turned by q; zero at pinned nodes. Each thread's nodes of r need be in place.
DEVICE void precondition(const Form& form, const Implicit& implicit, const Turn& q, const Vec3* r, Vec3* z) {
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        const Vec3 turned = vec3(fused_dot(q.column[0], r[i]), fused_dot(q.column[1], r[i]), fused_dot(q.column[2], r[i]));
        z[i] = implicit.inertia[i] == 0.0f ? zero3() : turned;
    }
    __syncthreads();
    solve_factor(implicit, z);
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        z[i] = fused(q.column[2], z[i].z, fused(q.column[1], z[i].y, scale(q.column[0], z[i].x)));
    }
}
