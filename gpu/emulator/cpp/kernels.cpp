// The product's kernels, found by name.
#include "cuda_on_host.hpp"

#include "contact.cu"
#include "delta.cu"
#include "implicit.cu"
#include "mesh.cu"
#include "roof.cu"
#include "step.cu"

namespace emulator {

extern const Entry* planted(const char* name);

template <typename Parameter, void (*kernel)(Parameter)>
void call(const void* parameter) {
    kernel(*static_cast<const Parameter*>(parameter));
}

const Entry* find(const char* name) {
    static const Entry all[] = {
        {"whole_step", call<Step, whole_step>, sizeof(Step)},
        {"whole_step_large", call<Step, whole_step_large>, sizeof(Step)},
        {"implicit_step", call<Step, implicit_step>, sizeof(Step)},
        {"implicit_step_large", call<Step, implicit_step_large>, sizeof(Step)},
        {"interval", call<Interval, interval>, sizeof(Interval)},
        {"interval_large", call<Interval, interval_large>, sizeof(Interval)},
        {"implicit_interval", call<Interval, implicit_interval>, sizeof(Interval)},
        {"implicit_interval_large", call<Interval, implicit_interval_large>, sizeof(Interval)},
        {"take_guests", call<Guests, take_guests>, sizeof(Guests)},
        {"find_contacts", call<Contacts, find_contacts>, sizeof(Contacts)},
        {"push_contacts", call<Contacts, push_contacts>, sizeof(Contacts)},
        {"extract_delta", call<Delta, extract_delta>, sizeof(Delta)},
        {"find_triangles", call<Search, find_triangles>, sizeof(Search)},
        {"roof_project", call<Roof, roof_project>, sizeof(Roof)},
        {"roof_copy", call<Roof, roof_copy>, sizeof(Roof)},
    };
    for (const Entry& one : all) {
        if (std::strcmp(name, one.name) == 0) {
            return &one;
        }
    }
    return planted(name);
}

}  // namespace emulator

extern "C" int emulator_run(const char* name, const void* parameter, unsigned blocks, unsigned threads, size_t block_bytes,
                            int order, uint64_t seed) {
    const emulator::Entry* const entry = emulator::find(name);
    if (entry == nullptr) {
        return -1;
    }
    return static_cast<int>(emulator::run(entry->kernel, parameter, blocks, threads, block_bytes,
                                          static_cast<emulator::Order>(order), seed));
}
