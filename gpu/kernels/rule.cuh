// What a step asks of every body, as gpu/solver/src/rule.rs computes it from the solver's StepRule.
#pragma once
#include "vec3.cuh"

struct Rule {
    // Lengths of a step and of a substep, s, and what follows from the latter.
    float step;
    float h;
    float inverse_h;
    float inverse_h2;
    u32 substeps;
    u32 per_interval;
    // m/s²
    Vec3 gravity;
    // What gravity may add to a speed over a step, twice, m/s; and the distance at which things count as near, m.
    float fall;
    float margin;
    // What is taken back of a depth that was there before, in a substep, m.
    float recovery_max;
    // Squares of the speeds below which a body is quiet: of the mean, of each node, m²/s².
    float quiet_mean2;
    float quiet_each2;
    u32 sleep_steps;
    // Length of an interval, s, and what contacts of two bodies take back in it of a depth that was there before, m.
    float interval;
    float contact_recovery_max;
    u32 padding;
};
static_assert(sizeof(Rule) == 72, "gpu/solver/src/rule.rs");
