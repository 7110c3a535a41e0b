// Threads of a block as fibers of one thread of the system, run one by one from barrier to barrier.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

struct Index {
    unsigned x, y, z;
};

// What a thread of a kernel knows of itself.
struct Self {
    Index thread, block, block_size, grid;
    void* block_memory;
};

// The thread that runs.
Self& self();

// Lets the others come to the barrier as well.
void barrier();

// A kernel with its parameter, a single structure.
using Kernel = void (*)(const void* parameter);

// A kernel by its name, and the size of its parameter.
struct Entry {
    const char* name;
    Kernel kernel;
    size_t parameter_bytes;
};

// Null where there is none of that name.
const Entry* find(const char* name);

// In which order the threads of a block run between two barriers.
enum class Order : int { ascending, descending, shuffled };

// What became of a launch.
enum class Outcome : int { done, no_memory, barrier_not_reached, outside_block_memory };

// Runs a kernel. Block memory is filled with NaN first, and so is what lies beyond its end, which must still be there afterwards.
Outcome run(Kernel kernel, const void* parameter, unsigned blocks, unsigned threads, size_t block_bytes, Order order,
            uint64_t seed);

}  // namespace emulator
