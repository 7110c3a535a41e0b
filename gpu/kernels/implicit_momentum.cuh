// Keeps a free body's momentum, operation by operation as physx/soft/src/implicit/momentum.rs does.
#pragma once
#include "implicit_form.cuh"

// Centres of mass of up to three fields by node, for all threads. Begins with all nodes in place.
DEVICE void means(const Form& form, const Implicit& implicit, const Body& body, const Vec3* const fields[3], u32 count,
                  Vec3 centres[3]) {
    __syncthreads();
    for (u32 sum = threadIdx.x; sum < 3 * count; sum += blockDim.x) {
        const Vec3* field = sum < 3 ? fields[0] : sum < 6 ? fields[1] : fields[2];
        float total = 0.0f;
        for (u32 i = 0; i < form.head.nodes; ++i) {
            total = fmaf(component(field[i], sum % 3), form.mass[i], total);
        }
        body.shared[sum] = total;
    }
    __syncthreads();
    for (u32 f = 0; f < 3; ++f) {
        const float* total = body.shared + 3 * (f < count ? f : 0);
        centres[f] = scale(vec3(total[0], total[1], total[2]), implicit.head.inverse_total_mass);
    }
    __syncthreads();
}

// Sum number `sum` of thirteen: missing angular momentum by components, the trace, the outer products by rows.
DEVICE float turn_sum(const Form& form, const Vectors& v, u32 sum, Vec3 from, Vec3 centre) {
    float total = 0.0f;
    for (u32 i = 0; i < form.head.nodes; ++i) {
        const Vec3 a = scale(sub(v.begin[i], from), form.mass[i]);
        const Vec3 b = add(sub(v.target[i], centre), v.x[i]);
        if (sum < 3) {
            total = total - component(fused_cross(a, v.x[i]), sum);
        } else if (sum == 3) {
            total = total + fused_dot(a, b);
        } else {
            total = fmaf(component(b, (sum - 4) / 3), component(a, (sum - 4) % 3), total);
        }
    }
    return total;
}

// The rotation vector that gives back the angular momentum, to first order; for all threads.
DEVICE Vec3 missing_turn(const Form& form, const Body& body, const Vectors& v, Vec3 from, Vec3 centre) {
    __syncthreads();
    for (u32 sum = threadIdx.x; sum < 13; sum += blockDim.x) {
        body.shared[sum] = turn_sum(form, v, sum, from, centre);
    }
    __syncthreads();
    const float* s = body.shared;
    const Vec3 missing = vec3(s[0], s[1], s[2]);
    const float trace = s[3];
    const Vec3 m0 = vec3(trace - s[4], -s[5], -s[6]), m1 = vec3(-s[7], trace - s[8], -s[9]),
               m2 = vec3(-s[10], -s[11], trace - s[12]);
    __syncthreads();
    const Vec3 c0 = fused_cross(m1, m2), c1 = fused_cross(m2, m0), c2 = fused_cross(m0, m1);
    const float inverse = 1.0f / fused_dot(m0, c0);
    return scale(fused(c2, missing.z, fused(c1, missing.y, scale(c0, missing.x))), inverse);
}

// Turns target + moved about the centre, by Cayley's map.
DEVICE void rotate_all(const Form& form, const Vectors& v, Vec3 centre, Vec3 turn) {
    const Vec3 half = scale(turn, 0.5f);
    const float share = 2.0f / (1.0f + fused_dot(half, half));
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        const Vec3 first = fused_cross(half, add(sub(v.target[i], centre), v.x[i]));
        const Vec3 both = add(first, fused_cross(half, first));
        v.x[i] = fused(both, share, v.x[i]);
    }
}

// Moves target + moved (v.x) as a rigid body until the way there from the begin has the momenta of the way to the target.
DEVICE void restore_momentum(const Form& form, const Implicit& implicit, const Body& body, const Vectors& v) {
    const Vec3* const fields[3] = {v.x, v.begin, v.target};
    Vec3 centres[3];
    means(form, implicit, body, fields, 3, centres);
    const Vec3 shift = centres[0], from = centres[1], centre = centres[2];
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        v.x[i] = sub(v.x[i], shift);
    }
    for (u32 round = 0; round < 4; ++round) {
        const Vec3 turn = missing_turn(form, body, v, from, centre);
        const float length = sqrtf(fused_dot(turn, turn));
        if (!(length < FLOAT_MAX)) {
            break;
        }
        const float most = 0.5f / length;
        rotate_all(form, v, centre, scale(turn, 1.0f < most ? 1.0f : most));
        if (!(1e-2f < length)) {
            break;
        }
    }
}
