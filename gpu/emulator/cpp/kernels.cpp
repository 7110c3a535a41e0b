// The product's kernels, found by name.
#include "cuda_on_host.hpp"

#include "step.cu"

namespace emulator {

extern Kernel planted(const char* name);

template <typename Parameter, void (*kernel)(Parameter)>
void call(const void* parameter) {
    kernel(*static_cast<const Parameter*>(parameter));
}

Kernel find(const char* name) {
    if (std::strcmp(name, "whole_step") == 0) {
        return call<Step, whole_step>;
    }
    return planted(name);
}

}  // namespace emulator

extern "C" int emulator_run(const char* name, const void* parameter, unsigned blocks, unsigned threads, size_t block_bytes,
                            int order, uint64_t seed) {
    const emulator::Kernel kernel = emulator::find(name);
    if (kernel == nullptr) {
        return -1;
    }
    return static_cast<int>(emulator::run(kernel, parameter, blocks, threads, block_bytes,
                                          static_cast<emulator::Order>(order), seed));
}
