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

// Marks those of as many triangles by x as the block has threads, from `first` on, whose boxes meet a box: a bit each. Every thread comes here;
// `bits` has a word for each.
DEVICE void mark(const Mesh* mesh, u32 first, Vec3 low, Vec3 high, u32* bits) {
    const u32 i = first + threadIdx.x;
    const Triangle* triangles = triangles_of(mesh);
    const u32* by_x = by_x_of(mesh);
    __syncthreads();
    bits[threadIdx.x] = i < mesh->triangles && triangles[by_x[i]].low.x <= high.x && meets(triangles[by_x[i]], low, high) ? 1 : 0;
    __syncthreads();
    const u32 mine = 32 * threadIdx.x;
    u32 marked = 0;
    for (u32 k = 0; k < 32 && mine + k < blockDim.x; ++k) {
        marked |= bits[mine + k] << k;
    }
    __syncthreads();
    bits[threadIdx.x] = marked;
    __syncthreads();
}

// Every thread comes here. Boxes are looked at by all threads, a triangle each, and what meets the body's by each for its node.
DEVICE void find(const Mesh* mesh, const Swept& swept, const u32* state, float outside, const Found& found, u32* bits) {
    const Triangle* triangles = triangles_of(mesh);
    const u32* by_x = by_x_of(mesh);
    const float inside = behind(mesh->thickness, outside);
    const Vec3 low = vec3(swept.low.x - inside, swept.low.y - inside, swept.low.z - inside);
    const Vec3 high = vec3(swept.high.x + inside, swept.high.y + inside, swept.high.z + inside);
    const u32 from = first_from(mesh, low.x - mesh->widest);
    for (u32 node = threadIdx.x; node - threadIdx.x < found.nodes; node += blockDim.x) {
        const bool is_one = node < found.nodes;
        const Vec3 x = vector_at(state, is_one ? node : 0);
        Candidate kept[KEPT] = {};
        u32 count = 0;
        for (u32 first = from; first < mesh->triangles && triangles[by_x[first]].low.x <= high.x; first += blockDim.x) {
            mark(mesh, first, low, high, bits);
            for (u32 word = 0; is_one && 32 * word < blockDim.x; ++word) {
                for (u32 marked = bits[word]; marked != 0; marked &= marked - 1) {
                    Candidate candidate = {};
                    candidate.triangle = by_x[first + 32 * word + __ffs(static_cast<int>(marked)) - 1];
                    if (may_touch(triangles[candidate.triangle], x, outside, inside, candidate.square)) {
                        keep_nearest(kept, count, candidate);
                    }
                }
            }
        }
        if (!is_one) {
            continue;
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
    BLOCK_MEMORY(memory);
    u32* const bits = reinterpret_cast<u32*>(memory);
    const Form form = form_at(search.form);
    const u32 number = search.numbers == nullptr ? blockIdx.x : search.numbers[blockIdx.x];
    const Place& place = *reinterpret_cast<const Place*>(search.places + search.stride * number);
    const Swept swept = swept_by(*place.reach, search.rule.step);
    const float margin = length(place.reach->velocity) * search.rule.step + place.reach->spread;
    for (u32 i = 0; i < search.colliders.count; ++i) {
        const Collider& collider = search.colliders.all[i];
        if (collider.kind == MESH && reaches(collider, swept)) {
            const Found found = found_of(collider, search.colliders, form, number);
            find(mesh_of(collider, search.colliders), swept, place.from, margin, found, bits);
        }
    }
}
