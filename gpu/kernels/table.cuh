// Solids whose depth is looked up in a table, in the order of operations of physx/soft/src/collider/height_field.rs and sdf.rs.
#pragma once
#include "shape.cuh"

// Heights over a grid, which follow: rows along x, columns along z.
struct HeightGrid {
    u32 rows;
    u32 columns;
    float spacing_x;
    float spacing_z;
    Vec3 origin;
};
static_assert(sizeof(HeightGrid) == 28, "gpu/solver/src/collider.rs");

DEVICE Vec3 height_corner(const HeightGrid& grid, const u32* heights, u32 row, u32 column) {
    const float y = __uint_as_float(heights[row * grid.columns + column]);
    return vec3(grid.origin.x + static_cast<float>(row) * grid.spacing_x, grid.origin.y + y,
                grid.origin.z + static_cast<float>(column) * grid.spacing_z);
}

DEVICE Touch touch_heights(const HeightGrid& grid, const u32* heights, Vec3 x) {
    const float u = (x.x - grid.origin.x) / grid.spacing_x;
    const float w = (x.z - grid.origin.z) / grid.spacing_z;
    if (!(u >= 0.0f && w >= 0.0f && u <= static_cast<float>(grid.rows - 1) && w <= static_cast<float>(grid.columns - 1))) {
        return touch_nothing();
    }
    const u32 whole_u = static_cast<u32>(u), whole_w = static_cast<u32>(w);
    const u32 row = whole_u < grid.rows - 2 ? whole_u : grid.rows - 2;
    const u32 column = whole_w < grid.columns - 2 ? whole_w : grid.columns - 2;
    const float fu = u - static_cast<float>(row), fw = w - static_cast<float>(column);
    const u32 far = fu + fw < 1.0f ? 0 : 1;
    const Vec3 a = height_corner(grid, heights, row + 1, column), b = height_corner(grid, heights, row, column + 1);
    const Vec3 c = height_corner(grid, heights, row + far, column + far);
    const Vec3 across = cross(sub(b, a), sub(c, a));
    const float len = length(across);
    if (!(len > 1e-12f)) {
        return touch_nothing();
    }
    const Vec3 normal = scale(across, 1.0f / len);
    const Vec3 up = normal.y < 0.0f ? neg(normal) : normal;
    return touch_inside(dot(up, sub(a, x)), up);
}

// Distances over a grid, x fastest, which follow; after them, a bit each, which blocks of four cells a side have an inside.
struct DistanceGrid {
    u32 size_x;
    u32 size_y;
    u32 blocks_x;
    u32 blocks_y;
    Vec3 origin;
    // Per metre; and metres.
    float cells;
    float spacing;
    // The last sample's place in cells.
    Vec3 last;
};
static_assert(sizeof(DistanceGrid) == 48, "gpu/solver/src/collider.rs");

// The direction to the cell's corner with the greatest distance. A row holds the values at both its ends along x.
DEVICE Vec3 outermost(const float rows[4][2], Vec3 t) {
    u32 best = 0;
    float most = rows[0][0];
    for (u32 corner = 1; corner < 8; ++corner) {
        const float value = rows[corner / 2][corner % 2];
        if (value > most) {
            best = corner;
            most = value;
        }
    }
    const Vec3 place = vec3(static_cast<float>(best & 1), static_cast<float>(best >> 1 & 1), static_cast<float>(best >> 2 & 1));
    const Vec3 way = sub(place, t);
    const float len = length(way);
    return len > 1e-12f ? scale(way, 1.0f / len) : up();
}

DEVICE Touch touch_field(const DistanceGrid& grid, const u32* values, const u32* solid, Vec3 x) {
    const Vec3 u = scale(sub(x, grid.origin), grid.cells);
    if (!(0.0f <= u.x && u.x < grid.last.x && 0.0f <= u.y && u.y < grid.last.y && 0.0f <= u.z && u.z < grid.last.z)) {
        return touch_nothing();
    }
    const u32 i = static_cast<u32>(u.x), j = static_cast<u32>(u.y), k = static_cast<u32>(u.z);
    const u32 block = (k / 4 * grid.blocks_y + j / 4) * grid.blocks_x + i / 4;
    if ((solid[block / 32] >> block % 32 & 1) == 0) {
        return touch_nothing();
    }
    const Vec3 t = vec3(u.x - static_cast<float>(i), u.y - static_cast<float>(j), u.z - static_cast<float>(k));
    // 64 bits, since a grid may have more samples than 32 can number bytes of.
    const u64 row = grid.size_x, layer = row * grid.size_y, first = k * layer + j * row + i;
    const u64 starts[4] = {first, first + row, first + layer, first + layer + row};
    float rows[4][2], along[4], slopes[4];
    for (int r = 0; r < 4; ++r) {
        rows[r][0] = __uint_as_float(values[starts[r]]);
        rows[r][1] = __uint_as_float(values[starts[r] + 1]);
        slopes[r] = rows[r][1] - rows[r][0];
        along[r] = rows[r][0] + slopes[r] * t.x;
    }
    const float lower = along[0] + (along[1] - along[0]) * t.y;
    const float upper = along[2] + (along[3] - along[2]) * t.y;
    const float distance = lower + (upper - lower) * t.z;
    const float near = slopes[0] + (slopes[1] - slopes[0]) * t.y, far = slopes[2] + (slopes[3] - slopes[2]) * t.y;
    const float front = along[1] - along[0], back = along[3] - along[2];
    const Vec3 gradient = vec3(near + (far - near) * t.z, front + (back - front) * t.z, upper - lower);
    const float square = dot(gradient, gradient);
    const float flat = 1e-3f * grid.spacing;
    const Vec3 normal = square > flat * flat ? scale(gradient, 1.0f / sqrtf(square)) : outermost(rows, t);
    return touch_inside(-distance, normal);
}
