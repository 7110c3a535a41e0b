// The step of bodies whose elasticity is solved implicitly, whole or by intervals, operation by operation as physx/soft/src/implicit/solve.rs does, where the
// method is described. What holds of a lane there holds of the body here, so that a mask is a condition that all threads share.
#include "implicit_elastic.cuh"
#include "implicit_factor.cuh"
#include "implicit_momentum.cuh"
#include "interval.cuh"
#include "whole.cuh"

// See ITERATIONS, TOLERANCE and SHORTENINGS in solve.rs.
#define ITERATIONS 12
#define TOLERANCE 3e-2f
#define SHORTENINGS 6

// Sets v.at to the predicted positions, or where these hold more energy to those of the begin moved along with the body. Gives the energy.
DEVICE float choose_start(const Form& form, const Implicit& implicit, const Body& body, const Vectors& v) {
    Vec3 along = zero3();
    if (implicit.head.free) {
        // The mean of target − begin, which nobody else needs.
        for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
            v.r[i] = sub(v.target[i], v.begin[i]);
        }
        const Vec3* const fields[3] = {v.r, v.r, v.r};
        Vec3 centres[3];
        means(form, implicit, body, fields, 1, centres);
        along = centres[0];
    }
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        v.at[i] = add(v.begin[i], along);
    }
    float* terms = reinterpret_cast<float*>(v.r);
    const u32 room = 12 * form.head.nodes;
    const float still = energy(form, implicit, body, v.at, v.target, terms, room);
    const float moved = energy(form, implicit, body, v.target, v.target, terms, room);
    const bool take = moved <= still + implicit.head.slack;
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        v.at[i] = choose(take, v.target[i], v.at[i]);
    }
    return take ? moved : still;
}

// Solves for v.step by preconditioned conjugate gradients. Gives residual · step.
DEVICE float newton_step(const Form& form, const Implicit& implicit, const Body& body, const Vectors& v) {
    const u32 nodes = form.head.nodes;
    residual(form, implicit, v.at, v.target, v.r);
    const Turn turn = turn_of(form, implicit, body, v.at);
    precondition(form, implicit, turn, v.r, v.z);
    for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
        v.step[i] = zero3();
        v.p[i] = v.z[i];
    }
    float rz = dot_all(form, body, v.r, v.z);
    const float enough = rz * (TOLERANCE * TOLERANCE);
    float slope = 0.0f;
    bool active = 0.0f < rz;
    for (u32 round = 0; round < ITERATIONS && active; ++round) {
        multiply(form, implicit, v.at, v.p, v.product);
        const float curvature = dot_all(form, body, v.p, v.product);
        const bool convex = 0.0f < curvature;
        float length = rz / curvature;
        if (round == 0) {
            length = convex ? length : 1.0f;
        } else if (!convex) {
            break;
        }
        for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
            v.step[i] = fused(v.p[i], length, v.step[i]);
        }
        slope = fmaf(length, rz, slope);
        if (!convex) {
            break;
        }
        for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
            v.r[i] = fused(v.product[i], -length, v.r[i]);
        }
        precondition(form, implicit, turn, v.r, v.z);
        const float next = dot_all(form, body, v.r, v.z);
        active = enough < next;
        const float share = next / rz;
        rz = next;
        for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
            v.p[i] = fused(v.p[i], share, v.z[i]);
        }
    }
    return slope;
}

// Sets v.x to where v.step leads from v.at, shortened until the energy does not rise.
DEVICE void descend(const Form& form, const Implicit& implicit, const Body& body, const Vectors& v, float before, float slope) {
    const u32 nodes = form.head.nodes, room = 12 * nodes;
    float* terms = reinterpret_cast<float*>(v.r);
    for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
        v.x[i] = add(v.at[i], v.step[i]);
    }
    float reached = energy(form, implicit, body, v.x, v.target, terms, room);
    const float most = before + implicit.head.slack;
    for (u32 round = 1; round <= SHORTENINGS; ++round) {
        if (reached <= most) {
            break;
        }
        // The lowest point of the parabola through what is known of the energy.
        const float lowest = slope / ((reached - before + slope) * 2.0f);
        const float within = smaller(larger(lowest, 0.1f), 0.5f);
        const float shorter = round == SHORTENINGS ? 0.0f : within;
        slope = slope * shorter;
        for (u32 i = threadIdx.x; i < nodes; i += blockDim.x) {
            v.step[i] = scale(v.step[i], shorter);
            v.x[i] = add(v.at[i], v.step[i]);
        }
        reached = energy(form, implicit, body, v.x, v.target, terms, room);
    }
}

namespace {

struct Implicitly {
    // Of a node: position, predicted position, velocity, and those of `Vectors` besides.
    static constexpr u32 VECTORS = 10;

    static __device__ __forceinline__ void begin(const Form& form, Body& body) {
        for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
            body.more[i] = body.x[i];
        }
    }

    static __device__ __forceinline__ void solve(const Form& form, Body& body, const Rule& rule) {
        const Implicit implicit = implicit_of(form);
        const Vectors v = vectors_of(form, body);
        __syncthreads();
        const float before = choose_start(form, implicit, body, v);
        const float slope = newton_step(form, implicit, body, v);
        descend(form, implicit, body, v, before, slope);
        for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
            v.x[i] = add(sub(v.at[i], v.target[i]), v.step[i]);
        }
        if (implicit.head.free) {
            restore_momentum(form, implicit, body, v);
        }
        __syncthreads();
        take_ways(form, body, rule);
    }
};

}  // namespace

extern "C" __global__ void implicit_step(const Step step) {
    BLOCK_MEMORY(memory);
    whole_step_in<Implicitly>(step, memory);
}

extern "C" __global__ void implicit_step_large(const Step step) {
    whole_step_in<Implicitly>(step, step.workspace + blockIdx.x * step.workspace_words);
}

// Registers for two blocks of the largest size at a time.
extern "C" __global__ void __launch_bounds__(256, 2) implicit_interval(const Interval step) {
    BLOCK_MEMORY(memory);
    interval_in<Implicitly>(step, memory);
}

extern "C" __global__ void __launch_bounds__(256, 2) implicit_interval_large(const Interval step) {
    interval_in<Implicitly>(step, step.workspace + blockIdx.x * step.workspace_words);
}
