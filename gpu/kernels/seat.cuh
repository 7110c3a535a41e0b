// Where contacts find the bodies that they are between, and what a pair of them keeps: gpu/solver/src/coupled/layout.rs.
#pragma once
#include "nearest.cuh"
#include "shell.cuh"

// A body whose surface is shown on the card: computed there, or brought as a guest.
struct Seat {
    const u32* form;
    u32* surface;
    u32* shell;
    // Of its reach at the step's start.
    Vec3 velocity;
    float spread;
};
static_assert(sizeof(Seat) == 40, "gpu/solver/src/coupled/layout.rs");

// Two of them that may touch in the step. The first has the lower id.
struct Pair {
    u32 seats[2];
    // How far they may approach each other, m.
    float margin;
    u32 padding;
    u32* memory;
};
static_assert(sizeof(Pair) == 24, "gpu/solver/src/coupled/layout.rs");

DEVICE Shown shown_at(const Seat& seat, const Form& form) { return shown_in(seat.surface, seat.shell, form); }

// No node.
#define NOBODY 0xffffffffu

// How far the nodes of a body may have approached the triangles of another since the search, m.
struct Clock {
    float plane;
    float prism;
};

struct PairHead {
    Clock clocks[2];
    // Entries of the pushes on either body.
    u32 pushes[2];
};
static_assert(sizeof(PairHead) == 24, "gpu/solver/src/coupled/layout.rs");

// The triangles that a body's nodes watch; arrays by node, candidate `k` of node `i` at `k * nodes + i`.
struct Watch {
    u32 nodes;
    // How many candidates a node has, and when the first of them is to be looked at.
    u32* counts;
    float* due;
    u32* triangles;
    float* front;
    float* aside;
};

// What a node touches: corners of the triangle, by node as above.
struct Touches {
    u32 nodes;
    // Whether a node touches anything, a bit each, and those that do, in their order.
    u32* bits;
    u32* list;
    u32* corners;
    // Weights of the corners, the normal, the slip.
    float* vectors;
    float* depth;
    // The sum of the weights with which the node takes part in contacts of the pair.
    float* shares;
};

// Displacements of a body's surface nodes, in the order in which they are to be added.
struct Pushes {
    u32* nodes;
    Vec3* vectors;
};

struct PairMemory {
    PairHead* head;
    // What nodes of the first watch of the second, and the other way round.
    Watch watches[2];
    Touches touches[2];
    Pushes pushes[2];
};

// Words of a body's part in a pair but for its pushes, and of these; by the surface nodes of the body and of the other.
DEVICE u32 watch_words(u32 own) { return (2 + 3 * KEPT + 16) * own; }

DEVICE u32 push_words(u32 own, u32 other) { return 4 * (own + 3 * other); }

DEVICE Watch watch_in(u32* words, u32 nodes) {
    Watch watch;
    watch.nodes = nodes;
    watch.counts = words;
    watch.due = reinterpret_cast<float*>(words + nodes);
    watch.triangles = words + 2 * nodes;
    watch.front = reinterpret_cast<float*>(words + (2 + KEPT) * nodes);
    watch.aside = reinterpret_cast<float*>(words + (2 + 2 * KEPT) * nodes);
    return watch;
}

DEVICE Touches touches_in(u32* words, u32 nodes) {
    Touches touches;
    touches.nodes = nodes;
    touches.list = words;
    touches.corners = words + nodes;
    touches.vectors = reinterpret_cast<float*>(words + 4 * nodes);
    touches.depth = reinterpret_cast<float*>(words + 13 * nodes);
    touches.shares = reinterpret_cast<float*>(words + 14 * nodes);
    touches.bits = words + 15 * nodes;
    return touches;
}

// The pushes on the first body (`side` 0) or the second of a pair.
DEVICE Pushes pushes_in(u32* memory, u32 first, u32 second, u32 side) {
    const u32 own = side == 0 ? first : second, other = side == 0 ? second : first;
    u32* const words = memory + sizeof(PairHead) / 4 + watch_words(first) + watch_words(second);
    Pushes pushes;
    pushes.nodes = words + (side == 0 ? 0 : push_words(first, second));
    pushes.vectors = reinterpret_cast<Vec3*>(pushes.nodes + own + 3 * other);
    return pushes;
}

DEVICE PairMemory pair_memory(u32* memory, u32 first, u32 second) {
    u32* const words = memory + sizeof(PairHead) / 4;
    PairMemory all;
    all.head = reinterpret_cast<PairHead*>(memory);
    all.watches[0] = watch_in(words, first);
    all.touches[0] = touches_in(words + (2 + 3 * KEPT) * first, first);
    all.watches[1] = watch_in(words + watch_words(first), second);
    all.touches[1] = touches_in(words + watch_words(first) + (2 + 3 * KEPT) * second, second);
    all.pushes[0] = pushes_in(memory, first, second, 0);
    all.pushes[1] = pushes_in(memory, first, second, 1);
    return all;
}
