// Which triangles of another body the nodes of a body may touch in a step: physx/soft/src/search.rs, and `Pair::find` of pair.rs.
#pragma once
#include "nearest.cuh"
#include "seat.cuh"

// See candidates.rs and pair.rs.
#define FACING 0.1f
#define SOUGHT 0.6f

struct Region {
    Vec3 low;
    Vec3 high;
};

DEVICE Region grown(Vec3 low, Vec3 high, float by) {
    Region region;
    region.low = vec3(low.x - by, low.y - by, low.z - by);
    region.high = vec3(high.x + by, high.y + by, high.z + by);
    return region;
}

DEVICE bool holds(const Region& region, Vec3 x) {
    return region.low.x <= x.x && x.x <= region.high.x && region.low.y <= x.y && x.y <= region.high.y &&
           region.low.z <= x.z && x.z <= region.high.z;
}

DEVICE bool meets(const Ball& ball, const Region& region) {
    const Vec3 c = ball.centre;
    const float r = ball.radius;
    return c.x - r <= region.high.x && region.low.x <= c.x + r && c.y - r <= region.high.y && region.low.y <= c.y + r &&
           c.z - r <= region.high.z && region.low.z <= c.z + r;
}

// A node that looks for triangles; see `Sought` of candidates.rs.
struct Sought {
    Vec3 x;
    Vec3 normal;
    float outside;
    float inside;
};

// Squared distance of a point from a triangle, and its distance from the triangle's prism: `Lanes::distance2`.
DEVICE float distance2(const Face& face, Vec3 ax, float gap, float& aside) {
    const float slack = SLACK * face.area2;
    const Vec3 bx = sub(ax, scale(face.along[0], face.length.x));
    float nearest = FLOAT_MAX, outermost = -FLOAT_MAX;
    aside = -FLOAT_MAX;
    for (u32 edge = 0; edge < 3; ++edge) {
        const Vec3 along = face.along[edge], seen = edge == 1 ? bx : ax;
        const float len = component(face.length, edge);
        const float beside = dot(cross(along, face.normal), seen);
        float t = dot(along, seen);
        t = edge == 2 ? t + len : t;
        const float past = larger(larger(-t, t - len), 0.0f);
        nearest = smaller(beside * beside + past * past, nearest);
        outermost = larger(beside, outermost);
        aside = larger(beside - slack / len, aside);
    }
    return gap * gap + (outermost <= 0.0f ? 0.0f : nearest);
}

// Whether a node may touch a triangle.
DEVICE bool may_touch(const Sought& sought, const Face& face, Candidate& candidate) {
    if (!face.live) {
        return false;
    }
    const Vec3 ax = sub(sought.x, face.a);
    const float gap = dot(face.normal, ax);
    if (!(gap <= sought.outside && -sought.inside <= gap)) {
        return false;
    }
    const Vec3 n = sought.normal;
    if (!(n.x == 0.0f && n.y == 0.0f && n.z == 0.0f) && !(dot(n, face.normal) < -FACING)) {
        return false;
    }
    candidate.square = distance2(face, ax, gap, candidate.aside);
    candidate.front = gap;
    const float most = 0.0f < gap ? sought.outside : sought.inside;
    return candidate.square <= most * most;
}

DEVICE bool within_reach(const Ball& ball, const Sought& sought) {
    const float most = ball.radius + larger(sought.outside, sought.inside);
    const Vec3 d = sub(ball.centre, sought.x);
    return dot(d, d) <= most * most && 0.0f <= most;
}

// What a node may touch of a surface, of which only the patches that meet `region` count. Gives how many.
DEVICE u32 search(const Form& form, const Shown& other, const Region& region, const Sought& sought, Candidate kept[KEPT]) {
    const u32* patches = form.words + form.head.patches;
    u32 count = 0;
    for (u32 p = 0; p < form.head.patch_count; ++p) {
        const Ball ball = other.balls[p];
        if (!within_reach(ball, sought) || !meets(ball, region)) {
            continue;
        }
        for (u32 lane = 0; lane < PATCH; ++lane) {
            Candidate candidate;
            if (may_touch(sought, other.faces[p * PATCH + lane], candidate)) {
                candidate.triangle = patches[p * PATCH_WORDS + 1 + lane];
                keep_nearest(kept, count, candidate);
            }
        }
    }
    return count;
}

// When the first of some candidates may be touched: of each the larger of `front` and `aside`.
DEVICE float sooner(float due, float front, float aside) { return smaller(larger(front, aside), due); }

// Finds what one node may touch in the step, and writes it down. Gives whether that is anything.
DEVICE bool find_of_node(const Form& form, const Shown& own, const Seat& seat, const Shown& other, const Region& nodes,
                         const Region& patches, float inside, const Rule& rule, const Watch& watch, u32 node) {
    const float per_second = 1.0f / rule.interval;
    Candidate kept[KEPT] = {};
    u32 count = 0;
    Sought sought;
    sought.x = own.x[node];
    if (holds(nodes, sought.x)) {
        sought.normal = own.normals[node];
        sought.outside = length(sub(scale(own.moved[node], per_second), seat.velocity)) * rule.step + seat.spread;
        sought.inside = inside;
        count = search(form, other, patches, sought, kept);
    }
    watch.counts[node] = count;
    float due = FLOAT_MAX;
    UNROLL for (u32 k = 0; k < KEPT; ++k) {
        if (k < count) {
            const u32 at = k * watch.nodes + node;
            watch.triangles[at] = kept[k].triangle;
            watch.front[at] = kept[k].front;
            watch.aside[at] = kept[k].aside;
            due = sooner(due, kept[k].front, kept[k].aside);
        }
    }
    watch.due[node] = due;
    return count != 0;
}
