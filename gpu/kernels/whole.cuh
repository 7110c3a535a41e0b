// The whole step of bodies that touch nothing that moves freely: a block each.
//
// A body's state is read once and written once; in between it lives in the block's memory, or, where that is too small, in a workspace.
#pragma once
#include "collider.cuh"
#include "end.cuh"
#include "substep.cuh"

struct Step {
    const u32* form;
    // For each block.
    const Place* places;
    Colliders colliders;
    // Where bodies live that are too large for a block's memory, and how many words each has there, a multiple of four.
    u32* workspace;
    u64 workspace_words;
    Rule rule;
};

static_assert(sizeof(Step) == 144, "gpu/solver/src/step.rs");

// A step of the body of this block in `memory`, its elasticity solved by `Solver`.
template <typename Solver>
static __device__ __forceinline__ void whole_step_in(const Step& step, void* memory) {
    const Form form = form_at(step.form);
    const Rule& rule = step.rule;
    Body body = body_in(memory, form.head.nodes, Solver::VECTORS);
    const Near near = {blockIdx.x, reinterpret_cast<u32*>(body.shared + SHARED_WORDS)};

    const Place place = step.places[blockIdx.x];
    take_state(form, body, place.from);
    const u32 quiet = place.from[6 * form.head.nodes];
    gather_near(step.colliders, swept_by(*place.reach, rule.step), near);
    __syncthreads();

    for (u32 s = 0; s < rule.substeps; ++s) {
        Solver::begin(form, body);
        predict(form, body, rule);
        Solver::solve(form, body, rule);
        collide(form, body, step.colliders, near, rule.h * static_cast<float>(s) + rule.h, rule);
        velocities(form, body, rule);
    }

    give_body(form, body, rule, quiet, place);
}
