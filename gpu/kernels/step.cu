// The step of bodies whose elasticity is swept, whole or by intervals.
#include "interval.cuh"
#include "whole.cuh"

namespace {

struct Sweeps {
    // Vectors of a node: position, predicted position, velocity.
    static constexpr u32 VECTORS = 3;
    static __device__ __forceinline__ void begin(const Form&, Body&) {}
    static __device__ __forceinline__ void solve(const Form& form, Body& body, const Rule& rule) { elastic(form, body, rule); }
};

}  // namespace

extern "C" __global__ void whole_step(const Step step) {
    BLOCK_MEMORY(memory);
    whole_step_in<Sweeps>(step, memory);
}

extern "C" __global__ void whole_step_large(const Step step) {
    whole_step_in<Sweeps>(step, step.workspace + blockIdx.x * step.workspace_words);
}

extern "C" __global__ void interval(const Interval step) {
    BLOCK_MEMORY(memory);
    interval_in<Sweeps>(step, memory);
}

extern "C" __global__ void interval_large(const Interval step) {
    interval_in<Sweeps>(step, step.workspace + blockIdx.x * step.workspace_words);
}
