// The words of CUDA that the kernels use, in C++ for the CPU. To be included before them.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "fibers.hpp"

#define __global__
#define __device__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define UNROLL

#define threadIdx (emulator::self().thread)
#define blockIdx (emulator::self().block)
#define blockDim (emulator::self().block_size)
#define gridDim (emulator::self().grid)
#define __syncthreads() emulator::barrier()
#define BLOCK_MEMORY(name) void* const name = emulator::self().block_memory

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

static inline float __uint_as_float(unsigned bits) {
    float a;
    std::memcpy(&a, &bits, sizeof a);
    return a;
}
static inline unsigned __float_as_uint(float a) {
    unsigned bits;
    std::memcpy(&bits, &a, sizeof bits);
    return bits;
}
static inline int __ffs(int bits) { return __builtin_ffs(bits); }
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
