// The end of a body's step, as in physx/soft/src/substep.rs, damping.rs and reach.rs: damping, the quiet count, the reach.
//
// A sum over nodes is added up in the nodes' order, by one thread; several sums go side by side. So they have the bits of the CPU's.
#pragma once
#include "body.cuh"
#include "collider.cuh"

// What every rank knows of a body at a step's start, physx/soft/src/reach.rs, and whether all of the body is finite.
struct Reach {
    Vec3 low;
    Vec3 high;
    Vec3 velocity;
    float spread;
    u32 quiet;
    u32 finite;
};
static_assert(sizeof(Reach) == 48, "gpu/solver/src/lib.rs");

// The box of the body's motion over the coming step.
DEVICE Swept swept_by(const Reach& reach, float step) {
    const Vec3 low = add_scaled(reach.low, reach.velocity, step), high = add_scaled(reach.high, reach.velocity, step);
    const Vec3 least = vec3(smaller(reach.low.x, low.x), smaller(reach.low.y, low.y), smaller(reach.low.z, low.z));
    const Vec3 most = vec3(larger(reach.high.x, low.x), larger(reach.high.y, low.y), larger(reach.high.z, low.z));
    const float by = reach.spread;
    Swept swept;
    swept.low = vec3(smaller(least.x, high.x) - by, smaller(least.y, high.y) - by, smaller(least.z, high.z) - by);
    swept.high = vec3(larger(most.x, high.x) + by, larger(most.y, high.y) + by, larger(most.z, high.z) + by);
    return swept;
}

// Sum number `sum` of six: of mass times position, and of momentum, by components.
DEVICE float linear_sum(const Form& form, const Body& body, u32 sum) {
    const Vec3* vectors = sum < 3 ? body.x : body.v;
    float total = 0.0f;
    for (u32 i = 0; i < form.head.nodes; ++i) {
        total = total + component(vectors[i], sum % 3) * form.mass[i];
    }
    return total;
}

// Sum number `sum` of twelve: of angular momentum by components, and of the inertia's entries by rows.
DEVICE float angular_sum(const Form& form, const Body& body, u32 sum, Vec3 centre, Vec3 velocity) {
    float total = 0.0f;
    for (u32 i = 0; i < form.head.nodes; ++i) {
        const Vec3 arm = sub(body.x[i], centre);
        if (sum < 3) {
            total = total + component(cross(arm, sub(body.v[i], velocity)), sum) * form.mass[i];
        } else {
            const u32 row = (sum - 3) / 3, column = (sum - 3) % 3;
            const float diagonal = row == column ? dot(arm, arm) : 0.0f;
            total = total + (diagonal - component(arm, row) * component(arm, column)) * form.mass[i];
        }
    }
    return total;
}

// Scales velocities relative to the rigid motion; all velocities where nodes are pinned. Begins with all nodes in place.
DEVICE void damp(const Form& form, Body& body, const Rule& rule) {
    if (!(form.head.damping > 0.0f)) {
        return;
    }
    const float keep = 1.0f / (form.head.damping * rule.step + 1.0f);
    if (form.head.pinned) {
        for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
            body.v[i] = scale(body.v[i], keep);
        }
        return;
    }
    float* sums = body.shared;
    for (u32 sum = threadIdx.x; sum < 6; sum += blockDim.x) {
        sums[sum] = linear_sum(form, body, sum);
    }
    __syncthreads();
    const float inverse = 1.0f / form.head.total_mass;
    const Vec3 centre = scale(vec3(sums[0], sums[1], sums[2]), inverse);
    const Vec3 velocity = scale(vec3(sums[3], sums[4], sums[5]), inverse);
    float* more = sums + 6;
    for (u32 sum = threadIdx.x; sum < 12; sum += blockDim.x) {
        more[sum] = angular_sum(form, body, sum, centre, velocity);
    }
    __syncthreads();
    const Vec3 inertia[3] = {vec3(more[3], more[4], more[5]), vec3(more[6], more[7], more[8]),
                             vec3(more[9], more[10], more[11])};
    const Vec3 spin = solve3(inertia, vec3(more[0], more[1], more[2]));
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        const Vec3 rigid = add(velocity, cross(spin, sub(body.x[i], centre)));
        body.v[i] = add_scaled(rigid, sub(body.v[i], rigid), keep);
    }
}

// Whether the body was quiet in this step.
DEVICE bool is_quiet(const Form& form, const Body& body, const Rule& rule) {
    __syncthreads();
    for (u32 sum = threadIdx.x; sum < 2; sum += blockDim.x) {
        float energy = 0.0f, fastest = 0.0f;
        for (u32 i = 0; i < form.head.nodes; ++i) {
            const float square = dot(body.v[i], body.v[i]);
            energy = energy + form.mass[i] * square;
            fastest = larger(square, fastest);
        }
        body.shared[sum] = sum == 0 ? energy : fastest;
    }
    __syncthreads();
    return body.shared[0] < rule.quiet_mean2 * form.head.total_mass && body.shared[1] < rule.quiet_each2;
}

// Extent number `extent` of twelve over the surface: least and greatest position, then velocity, by components.
DEVICE float extent_of(const Form& form, const Body& body, u32 extent) {
    const u32 k = extent % 3;
    const bool greatest = extent / 3 % 2 == 1, speed = extent >= 6;
    float most = greatest ? -FLOAT_MAX : FLOAT_MAX;
    for (u32 i = 0; i < form.head.surface; ++i) {
        const float a = component(speed ? body.v[i] : add(body.origin, body.x[i]), k);
        most = greatest ? larger(most, a) : smaller(most, a);
    }
    return most;
}

DEVICE bool is_finite(Vec3 a) { return fabsf(a.x) <= FLOAT_MAX && fabsf(a.y) <= FLOAT_MAX && fabsf(a.z) <= FLOAT_MAX; }

// The body's reach and whether it is finite, for all threads. Begins with all nodes in place.
DEVICE Reach reach_of(const Form& form, const Body& body, const Rule& rule, u32 quiet) {
    float* extents = body.shared;
    for (u32 extent = threadIdx.x; extent < 13; extent += blockDim.x) {
        if (extent < 12) {
            extents[extent] = extent_of(form, body, extent);
        } else {
            bool finite = true;
            for (u32 i = 0; i < form.head.nodes; ++i) {
                finite = finite && is_finite(body.x[i]) && is_finite(body.v[i]);
            }
            extents[extent] = finite ? 1.0f : 0.0f;
        }
    }
    __syncthreads();
    const Vec3 slowest = vec3(extents[6], extents[7], extents[8]), fastest = vec3(extents[9], extents[10], extents[11]);
    const float half = length(scale(sub(fastest, slowest), 0.5f));
    Reach reach;
    reach.low = vec3(extents[0], extents[1], extents[2]);
    reach.high = vec3(extents[3], extents[4], extents[5]);
    reach.velocity = scale(add(slowest, fastest), 0.5f);
    reach.spread = (half + rule.fall) * rule.step + rule.margin;
    reach.quiet = quiet;
    reach.finite = extents[12] != 0.0f;
    return reach;
}

// Ends a step: damps, counts quiet steps, brings a body that falls asleep to rest. `quiet` is the count so far.
DEVICE Reach end_step(const Form& form, Body& body, const Rule& rule, u32 quiet) {
    __syncthreads();
    damp(form, body, rule);
    const u32 count = !is_quiet(form, body, rule) ? 0 : quiet == 0xffffffffu ? quiet : quiet + 1;
    if (count == rule.sleep_steps) {
        for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
            body.v[i] = zero3();
        }
    }
    __syncthreads();
    return reach_of(form, body, rule, count);
}

// Ends a step as above, and gives the body back.
DEVICE void give_body(const Form& form, Body& body, const Rule& rule, u32 quiet, const Place& place) {
    const Reach reach = end_step(form, body, rule, quiet);
    give_state(form, body, reach.quiet, place.out);
    if (place.resident != nullptr) {
        give_state(form, body, reach.quiet, place.resident);
    }
    if (threadIdx.x == 0) {
        *place.reach = reach;
    }
}
