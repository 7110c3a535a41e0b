// Looks for the triangles of surfaces that each node of a body may touch in a step. Launched before the step, a block for each body.
#include "end.cuh"

struct Search {
    const u32* form;
    // For each block a place: the first, how many bytes from one to the next, and, if not null, its number.
    const u8* places;
    u64 stride;
    const u32* numbers;
    Colliders colliders;
    Rule rule;
};
static_assert(sizeof(Search) == 144, "gpu/solver/src/meshes.rs");

namespace {

// How far behind a triangle a node is sought that may move by `margin` in the step.
DEVICE float behind(float thickness, float margin) {
    const float least = 0.1f * thickness;
    const float deep = 2.0f * margin > least ? 2.0f * margin : least;
    return deep < thickness ? deep : thickness;
}

DEVICE bool meets(const Triangle& triangle, Vec3 low, Vec3 high) {
    return triangle.low.x <= high.x && low.x <= triangle.high.x && triangle.low.y <= high.y && low.y <= triangle.high.y &&
           triangle.low.z <= high.z && low.z <= triangle.high.z;
}

// Whether a node at `x` may touch a triangle, that has it in front within `outside` or behind within `inside`; the squared distance.
DEVICE bool may_touch(const Triangle& triangle, Vec3 x, float outside, float inside, float& square) {
    const Vec3 away = vec3(triangle.centre.x - x.x, triangle.centre.y - x.y, triangle.centre.z - x.z);
    const float ball = triangle.radius + (outside > inside ? outside : inside);
    if (!(dot(away, away) <= ball * ball)) {
        return false;
    }
    const float gap = dot(triangle.normal, sub(x, triangle.corners[0]));
    if (gap > outside || gap < -inside) {
        return false;
    }
    const float most = gap > 0.0f ? outside : inside;
    square = squared_distance(triangle.corners, x);
    return square <= most * most;
}

// The first triangle by x whose box may reach `least`.
DEVICE u32 first_from(const Mesh* mesh, float least) {
    const Triangle* triangles = triangles_of(mesh);
    const u32* by_x = by_x_of(mesh);
    u32 low = 0, high = mesh->triangles;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        const bool before = triangles[by_x[middle]].low.x < least;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

DEVICE void find(const Mesh* mesh, const Swept& swept, const u32* state, float outside, const Found& found) {
    const Triangle* triangles = triangles_of(mesh);
    const u32* by_x = by_x_of(mesh);
    const float inside = behind(mesh->thickness, outside);
    const Vec3 low = vec3(swept.low.x - inside, swept.low.y - inside, swept.low.z - inside);
    const Vec3 high = vec3(swept.high.x + inside, swept.high.y + inside, swept.high.z + inside);
    const u32 first = first_from(mesh, low.x - mesh->widest);
    for (u32 node = threadIdx.x; node < found.nodes; node += blockDim.x) {
        const Vec3 x = vector_at(state, node);
        Candidate kept[KEPT] = {};
        u32 count = 0;
        for (u32 i = first; i < mesh->triangles; ++i) {
            const Triangle& triangle = triangles[by_x[i]];
            if (!(triangle.low.x <= high.x)) {
                break;
            }
            Candidate candidate = {};
            if (meets(triangle, low, high) && may_touch(triangle, x, outside, inside, candidate.square)) {
                candidate.triangle = by_x[i];
                keep_nearest(kept, count, candidate);
            }
        }
        found.counts[node] = count;
        UNROLL for (u32 k = 0; k < KEPT; ++k) {
            if (k < count) {
                found.triangles[k * found.nodes + node] = kept[k].triangle;
            }
        }
    }
}

}  // namespace

extern "C" __global__ void find_triangles(const Search search) {
    const Form form = form_at(search.form);
    const u32 number = search.numbers == nullptr ? blockIdx.x : search.numbers[blockIdx.x];
    const Place& place = *reinterpret_cast<const Place*>(search.places + search.stride * number);
    const Swept swept = swept_by(*place.reach, search.rule.step);
    const float margin = length(place.reach->velocity) * search.rule.step + place.reach->spread;
    for (u32 i = 0; i < search.colliders.count; ++i) {
        const Collider& collider = search.colliders.all[i];
        if (collider.kind == MESH && reaches(collider, swept)) {
            find(mesh_of(collider, search.colliders), swept, place.from, margin, found_of(collider, search.colliders, form, number));
        }
    }
}
