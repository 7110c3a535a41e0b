// Contacts between bodies: what was brought from elsewhere, what may touch in a step, what touches in an interval.
#include "pair.cuh"

// Surfaces of bodies that are computed elsewhere: a block each.
struct Guests {
    // For each block a seat, and where in `words` its surface begins.
    const u32* blocks;
    const u32* places;
    const Seat* seats;
    const u32* words;
    // Whether this is the step's first interval.
    u32 first;
    u32 padding;
};
static_assert(sizeof(Guests) == 40, "gpu/solver/src/coupled/layout.rs");

extern "C" __global__ void take_guests(const Guests guests) {
    BLOCK_MEMORY(memory);
    const Seat seat = guests.seats[guests.blocks[blockIdx.x]];
    const Form form = form_at(seat.form);
    const Shown shown = shown_at(seat, form);
    const u32* words = guests.words + guests.places[blockIdx.x];
    const u32 surface = form.head.surface;
    for (u32 i = threadIdx.x; i < surface; i += blockDim.x) {
        shown.last[i] = shown.x[i];
        shown.x[i] = vector_at(words, i);
        shown.moved[i] = vector_at(words + 3 * surface, i);
    }
    __syncthreads();
    update_shell(form, shown, guests.first != 0, reinterpret_cast<float*>(memory));
}

// Pairs of bodies: a block each.
struct Contacts {
    const Pair* pairs;
    const Seat* seats;
    // For each pair whether the two may touch in the step.
    u32* near;
    Rule rule;
};
static_assert(sizeof(Contacts) == 96, "gpu/solver/src/coupled/layout.rs");

namespace {

// Two bodies that may touch.
struct Both {
    Pair pair;
    Seat seats[2];
    Form forms[2];
    Shown shown[2];
};

}  // namespace

DEVICE Both both_of(const Contacts& contacts) {
    Both both;
    both.pair = contacts.pairs[blockIdx.x];
    UNROLL for (u32 side = 0; side < 2; ++side) {
        both.seats[side] = contacts.seats[both.pair.seats[side]];
        both.forms[side] = form_at(both.seats[side].form);
        both.shown[side] = shown_at(both.seats[side], both.forms[side]);
    }
    return both;
}

extern "C" __global__ void find_contacts(const Contacts contacts) {
    BLOCK_MEMORY(memory);
    const Both both = both_of(contacts);
    const PairMemory all = pair_memory(both.pair.memory, both.forms[0].head.surface, both.forms[1].head.surface);
    const float margin = both.pair.margin;
    const Region a = grown(both.shown[0].head->low, both.shown[0].head->high, margin);
    const Region b = grown(both.shown[1].head->low, both.shown[1].head->high, margin);
    Region nodes;
    nodes.low = upper(a.low, b.low);
    nodes.high = lower(a.high, b.high);
    bool any = false;
    UNROLL for (u32 side = 0; side < 2; ++side) {
        const Form& other = both.forms[1 - side];
        const float inside = larger(SOUGHT * other.head.depth_max, margin);
        const Region patches = grown(nodes.low, nodes.high, inside);
        for (u32 i = threadIdx.x; i < both.forms[side].head.surface; i += blockDim.x) {
            const bool found = find_of_node(other, both.shown[side], both.seats[1 - side], both.shown[1 - side], nodes, patches, inside,
                                            contacts.rule, all.watches[side], i);
            any = any || found;
        }
    }
    // By thread, since all may find something at once.
    u32* found = reinterpret_cast<u32*>(memory);
    found[threadIdx.x] = any ? 1u : 0u;
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 near = 0;
        for (u32 i = 0; i < blockDim.x; ++i) {
            near |= found[i];
        }
        contacts.near[blockIdx.x] = near;
        *all.head = PairHead{};
    }
}

extern "C" __global__ void push_contacts(const Contacts contacts) {
    if (contacts.near[blockIdx.x] == 0) {
        return;
    }
    const Both both = both_of(contacts);
    const PairMemory all = pair_memory(both.pair.memory, both.forms[0].head.surface, both.forms[1].head.surface);
    push_pair(both.forms, both.shown, all, contacts.rule);
}
