// What an epoch changes in the copies of states: compared with the copy of before and written over it where it lies, in the host's memory,
// from which RDMA sends it. A block of threads for each piece of a state.
#include "platform.cuh"

// Words that are compared and sent together.
#define GRAIN 64

struct Piece {
    const u32* state;
    u32* copy;
    // For each grain whether it has changed.
    u32* changed;
    u32 words;
    // Whether what is there is of no use for comparison.
    u32 fresh;
};
static_assert(sizeof(Piece) == 32, "gpu/solver/src/delta.rs");

struct Delta {
    const Piece* pieces;
};

extern "C" __global__ void extract_delta(const Delta delta) {
    BLOCK_MEMORY(memory);
    u32* const differs = reinterpret_cast<u32*>(memory);
    const Piece piece = delta.pieces[blockIdx.x];
    const u32 first_of_grain = threadIdx.x / GRAIN * GRAIN;
    for (u32 first = 0; first < piece.words; first += blockDim.x) {
        const u32 word = first + threadIdx.x;
        const bool is_one = word < piece.words;
        const u32 now = is_one ? piece.state[word] : 0;
        differs[threadIdx.x] = is_one && (piece.fresh != 0 || piece.copy[word] != now) ? 1 : 0;
        __syncthreads();
        if (is_one && threadIdx.x == first_of_grain) {
            u32 any = 0;
            for (u32 i = 0; i < GRAIN; ++i) {
                any |= differs[first_of_grain + i];
            }
            differs[first_of_grain] = any;
            piece.changed[word / GRAIN] = any;
        }
        __syncthreads();
        if (is_one && differs[first_of_grain] != 0) {
            piece.copy[word] = now;
        }
        __syncthreads();
    }
}
