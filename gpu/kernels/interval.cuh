// An interval of bodies that touch others: a block each. Contacts between them are computed in between, by contact.cu.
//
// A body lives in its block's memory within an interval, and in device memory between intervals: `advance` and `settle` of
// physx/soft/src/substep.rs. Launched once for each interval and once more for the end of the step.
#pragma once
#include "collider.cuh"
#include "end.cuh"
#include "seat.cuh"
#include "substep.cuh"

// A body that is computed interval by interval.
struct Mover {
    Place place;
    // Where its surface goes for others, in even and in odd exchanges; null where nobody else looks at it.
    u32* halo[2];
    // Where its working copy is kept: origin, quiet count, positions, predicted positions, velocities.
    u32* kept;
    // Its place among the seats; what pushes it, from entry `pushers` on: twice the number of a pair, and 1 where the body is its second.
    u32 seat;
    u32 pushers;
    u32 pusher_count;
    u32 padding;
};
static_assert(sizeof(Mover) == 72, "gpu/solver/src/coupled/layout.rs");

struct Interval {
    const u32* form;
    // For each block a mover.
    const u32* blocks;
    const Mover* movers;
    const Seat* seats;
    const Pair* pairs;
    const u32* pushers;
    // What the host has each mover pushed by after its pairs, or null: for each the words at which its entries begin and end; an entry is a node
    // and a vector.
    const u32* given;
    Colliders colliders;
    // As in `Step`.
    u32* workspace;
    u64 workspace_words;
    Rule rule;
    // The interval that begins; past the last one the step ends. Whether the exchange of the first one is odd.
    u32 interval;
    u32 odd;
};
static_assert(sizeof(Interval) == 192, "gpu/solver/src/coupled/layout.rs");

struct Kept {
    u32* head;
    Vec3* x;
    Vec3* predicted;
    Vec3* v;
};

DEVICE Kept kept_in(u32* words, u32 nodes) {
    Kept kept;
    kept.head = words;
    kept.x = reinterpret_cast<Vec3*>(words + 4);
    kept.predicted = kept.x + nodes;
    kept.v = kept.predicted + nodes;
    return kept;
}

DEVICE void keep(const Form& form, const Body& body, u32 quiet, const Kept& kept) {
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        kept.x[i] = body.x[i];
        kept.predicted[i] = body.predicted[i];
        kept.v[i] = body.v[i];
    }
    if (threadIdx.x == 0) {
        set_vector(kept.head, 0, body.origin);
        kept.head[3] = quiet;
    }
}

DEVICE void take_kept(const Form& form, Body& body, const Kept& kept) {
    body.origin = vector_at(kept.head, 0);
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        body.x[i] = kept.x[i];
        body.predicted[i] = kept.predicted[i];
        body.v[i] = kept.v[i];
        body.inverse_mass[i] = form.inverse_mass[i];
    }
}

// What contacts do to one node in the interval that ends, in the order of those who push and of their pushes.
DEVICE Vec3 correction_of(const Interval& step, const Mover& mover, u32 node) {
    Vec3 sum = zero3();
    for (u32 i = 0; i < mover.pusher_count; ++i) {
        const u32 pusher = step.pushers[mover.pushers + i];
        const Pair pair = step.pairs[pusher / 2];
        const u32 count = reinterpret_cast<const PairHead*>(pair.memory)->pushes[pusher % 2];
        if (count == 0) {
            continue;
        }
        const u32 first = reinterpret_cast<const FormHead*>(step.seats[pair.seats[0]].form)->surface;
        const u32 second = reinterpret_cast<const FormHead*>(step.seats[pair.seats[1]].form)->surface;
        const Pushes pushes = pushes_in(pair.memory, first, second, pusher % 2);
        for (u32 k = 0; k < count; ++k) {
            if (pushes.nodes[k] == node) {
                sum = add(sum, pushes.vectors[k]);
            }
        }
    }
    if (step.given != nullptr) {
        const u32 number = step.blocks[blockIdx.x];
        for (u32 at = step.given[2 * number]; at < step.given[2 * number + 1]; at += 4) {
            if (step.given[at] == node) {
                sum = add(sum, vector_at(step.given + at + 1, 0));
            }
        }
    }
    return sum;
}

// Ends interval `interval`.
DEVICE void settle(const Interval& step, const Mover& mover, const Form& form, Body& body, const Near& near, u32 interval) {
    const Rule& rule = step.rule;
    const float t = rule.interval * static_cast<float>(interval) + rule.interval;
    // A correction undoes what an interval did, not what a substep did.
    const float share = 1.0f - 1.0f / static_cast<float>(rule.per_interval);
    for (u32 i = threadIdx.x; i < form.head.surface; i += blockDim.x) {
        const Vec3 correction = correction_of(step, mover, i);
        body.x[i] = add(body.x[i], correction);
        if (body.inverse_mass[i] != 0.0f) {
            stay_out(form, body, step.colliders, near, i, t, rule);
        }
        body.predicted[i] = add_scaled(body.predicted[i], correction, share);
    }
    velocities(form, body, rule);
}

// Shows the surface as it is before contacts are resolved, and how far it moves in an interval at the present speed.
DEVICE void show(const Form& form, const Body& body, const Rule& rule, const Shown& shown) {
    const float substeps = static_cast<float>(rule.per_interval);
    for (u32 i = threadIdx.x; i < form.head.surface; i += blockDim.x) {
        shown.last[i] = shown.x[i];
        shown.x[i] = add(body.origin, body.x[i]);
        shown.moved[i] = scale(add_scaled(sub(body.x[i], body.predicted[i]), body.v[i], rule.h), substeps);
    }
}

// Copies a surface to where others look at it, in the host's memory: by words, as in `give_state`.
DEVICE void show_others(const Form& form, const u32* surface, u32* halo) {
    if (halo == nullptr) {
        return;
    }
    for (u32 word = threadIdx.x; word < 6 * form.head.surface; word += blockDim.x) {
        halo[word] = surface[word];
    }
}

// Ends the interval before, if there is one, and begins the next, or ends the step.
template <typename Solver>
static __device__ __forceinline__ void interval_in(const Interval& step, void* memory) {
    const Form form = form_at(step.form);
    const Rule& rule = step.rule;
    const Mover mover = step.movers[step.blocks[blockIdx.x]];
    Body body = body_in(memory, form.head.nodes, Solver::VECTORS);
    const Near near = {step.blocks[blockIdx.x], reinterpret_cast<u32*>(body.shared + SHARED_WORDS)};
    const Kept kept = kept_in(mover.kept, form.head.nodes);
    gather_near(step.colliders, swept_by(*mover.place.reach, rule.step), near);
    u32 quiet;
    if (step.interval == 0) {
        take_state(form, body, mover.place.from);
        quiet = mover.place.from[6 * form.head.nodes];
        __syncthreads();
    } else {
        take_kept(form, body, kept);
        quiet = kept.head[3];
        __syncthreads();
        settle(step, mover, form, body, near, step.interval - 1);
    }
    const u32 first = step.interval * rule.per_interval, end = first + rule.per_interval;
    if (first >= rule.substeps) {
        give_body(form, body, rule, quiet, mover.place);
        return;
    }
    for (u32 s = first; s < end; ++s) {
        Solver::begin(form, body);
        predict(form, body, rule);
        Solver::solve(form, body, rule);
        if (s + 1 < end) {
            collide(form, body, step.colliders, near, rule.h * static_cast<float>(s) + rule.h, rule);
            velocities(form, body, rule);
        }
    }
    const Shown shown = shown_at(step.seats[mover.seat], form);
    show(form, body, rule, shown);
    keep(form, body, quiet, kept);
    __syncthreads();
    // Chosen, not indexed: what is indexed at run time has to lie in memory.
    u32* const halo = (step.interval + step.odd) % 2 == 0 ? mover.halo[0] : mover.halo[1];
    show_others(form, step.seats[mover.seat].surface, halo);
    update_shell(form, shown, step.interval == 0, body.shared);
}
