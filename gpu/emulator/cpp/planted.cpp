// Kernels with mistakes in them, which tests of the emulator expect it to show.
#include "cuda_on_host.hpp"

// The product's steps without the barrier between colours.
#define BETWEEN_COLOURS()
#define whole_step whole_step_without_barriers
#define whole_step_large whole_step_large_without_barriers
#define implicit_step implicit_step_without_barriers
#define implicit_step_large implicit_step_large_without_barriers
#define interval interval_without_barriers
#define interval_large interval_large_without_barriers
#define implicit_interval implicit_interval_without_barriers
#define implicit_interval_large implicit_interval_large_without_barriers
#include "implicit.cu"
#include "step.cu"
#undef whole_step
#undef whole_step_large
#undef implicit_step
#undef implicit_step_large
#undef implicit_interval_large
#undef implicit_interval
#undef interval_large
#undef interval

namespace {

struct Numbers {
    u32* out;
};

// Each thread takes its neighbour's number, which may not be there yet.
void neighbour_without_barrier(const Numbers numbers) {
    BLOCK_MEMORY(memory);
    u32* shared = static_cast<u32*>(memory);
    shared[threadIdx.x] = threadIdx.x;
    numbers.out[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

void neighbour(const Numbers numbers) {
    BLOCK_MEMORY(memory);
    u32* shared = static_cast<u32*>(memory);
    shared[threadIdx.x] = threadIdx.x;
    __syncthreads();
    numbers.out[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

// Half of the threads never come to the barrier.
void divergent_barrier(const Numbers numbers) {
    if (threadIdx.x % 2 == 0) {
        __syncthreads();
    }
    numbers.out[threadIdx.x] = 1;
}

void outside(const Numbers numbers) {
    BLOCK_MEMORY(memory);
    static_cast<u32*>(memory)[blockDim.x] = 1;
    numbers.out[threadIdx.x] = 1;
}

template <typename Parameter, void (*kernel)(Parameter)>
void call(const void* parameter) {
    kernel(*static_cast<const Parameter*>(parameter));
}

}  // namespace

namespace emulator {

const Entry* planted(const char* name) {
    static const Entry all[] = {
        {"whole_step_without_barriers", call<Step, whole_step_without_barriers>, sizeof(Step)},
        {"implicit_step_without_barriers", call<Step, implicit_step_without_barriers>, sizeof(Step)},
        {"neighbour", call<Numbers, neighbour>, sizeof(Numbers)},
        {"neighbour_without_barrier", call<Numbers, neighbour_without_barrier>, sizeof(Numbers)},
        {"divergent_barrier", call<Numbers, divergent_barrier>, sizeof(Numbers)},
        {"outside", call<Numbers, outside>, sizeof(Numbers)},
    };
    for (const Entry& one : all) {
        if (std::strcmp(name, one.name) == 0) {
            return &one;
        }
    }
    return nullptr;
}

}  // namespace emulator
