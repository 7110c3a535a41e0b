// Forces of the stable Neo-Hookean energy and their derivative, operation by operation those of physx/soft/src/implicit/elastic.rs, where
// the method is described.
//
// Springs belong to nodes, and nodes to threads. Tetrahedra add to nodes of others: those of a colour at once, a barrier between colours,
// so that each node gets its sums in the order of the tetrahedra.
#pragma once
#include "implicit_form.cuh"

struct Edges {
    Vec3 e[3];
};

DEVICE Edges edges_of(const Vec3* x, uint4 n) {
    Edges edges;
    edges.e[0] = sub(x[n.y], x[n.x]);
    edges.e[1] = sub(x[n.z], x[n.x]);
    edges.e[2] = sub(x[n.w], x[n.x]);
    return edges;
}

// The derivative of six times the volume by each edge.
DEVICE Edges faces_of(const Edges& edges) {
    Edges faces;
    faces.e[0] = fused_cross(edges.e[1], edges.e[2]);
    faces.e[1] = fused_cross(edges.e[2], edges.e[0]);
    faces.e[2] = fused_cross(edges.e[0], edges.e[1]);
    return faces;
}

DEVICE float pressure(const Implicit& implicit, u32 element, const Edges& edges, const Edges& faces) {
    const float inverse_volume6 = implicit.elements[2 * element], lambda_volume = implicit.elements[2 * element + 1];
    const float excess = fmaf(fused_dot(edges.e[0], faces.e[0]), inverse_volume6, -implicit.head.gamma);
    return excess * (lambda_volume * inverse_volume6);
}

// Adds the forces of the edges to their nodes; node 0 takes the opposite of their sum.
DEVICE void scatter(Vec3* out, uint4 n, const Vec3 force[3]) {
    out[n.x] = sub(out[n.x], add(add(force[0], force[1]), force[2]));
    out[n.y] = add(out[n.y], force[0]);
    out[n.z] = add(out[n.z], force[1]);
    out[n.w] = add(out[n.w], force[2]);
}

// out = M/h² (target − x) + f(x).
DEVICE void residual(const Form& form, const Implicit& implicit, const Vec3* x, const Vec3* target, Vec3* out) {
    __syncthreads();
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        Vec3 sum = scale(sub(target[i], x[i]), implicit.inertia[i]);
        for (u32 s = implicit.spring_start[i]; s < implicit.spring_start[i + 1]; ++s) {
            sum = fused(sub(x[implicit.spring_other[s]], x[i]), implicit.spring_stiffness[s], sum);
        }
        out[i] = sum;
    }
    __syncthreads();
    for (u32 colour = 0; colour < form.head.colours; ++colour) {
        const u32 end = form.colour_starts[colour + 1];
        for (u32 t = form.colour_starts[colour] + threadIdx.x; t < end; t += blockDim.x) {
            const uint4 n = form.tet_nodes[t];
            const Edges edges = edges_of(x, n), faces = faces_of(edges);
            const float stress = -pressure(implicit, t, edges, faces);
            const Vec3 force[3] = {scale(faces.e[0], stress), scale(faces.e[1], stress), scale(faces.e[2], stress)};
            scatter(out, n, force);
        }
        BETWEEN_COLOURS();
    }
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        if (implicit.inertia[i] == 0.0f) {
            out[i] = zero3();
        }
    }
}

// The change of e[a] × e[b], written with the edges and their changes.
DEVICE Vec3 turn(Vec3 e, Vec3 f, Vec3 d, Vec3 c) {
    return vec3(fmaf(e.y, c.z, fmaf(-e.z, c.y, fmaf(d.y, f.z, -(d.z * f.y)))),
                fmaf(e.z, c.x, fmaf(-e.x, c.z, fmaf(d.z, f.x, -(d.x * f.z)))),
                fmaf(e.x, c.y, fmaf(-e.y, c.x, fmaf(d.x, f.y, -(d.y * f.x)))));
}

DEVICE void multiply_tet(const Form& form, const Implicit& implicit, u32 t, const Vec3* x, const Vec3* p, Vec3* out) {
    const uint4 n = form.tet_nodes[t];
    const Edges e = edges_of(x, n), d = edges_of(p, n), faces = faces_of(e);
    const float stress = pressure(implicit, t, e, faces);
    const float change = fused_dot(d.e[2], faces.e[2]) + fused_dot(d.e[1], faces.e[1]) + fused_dot(d.e[0], faces.e[0]);
    const float inverse_volume6 = implicit.elements[2 * t];
    const float stiffness = implicit.elements[2 * t + 1] * inverse_volume6 * inverse_volume6;
    const float stiffening = change * stiffness;
    const Vec3 force[3] = {
        fused(faces.e[0], stiffening, scale(turn(e.e[1], e.e[2], d.e[1], d.e[2]), stress)),
        fused(faces.e[1], stiffening, scale(turn(e.e[2], e.e[0], d.e[2], d.e[0]), stress)),
        fused(faces.e[2], stiffening, scale(turn(e.e[0], e.e[1], d.e[0], d.e[1]), stress)),
    };
    scatter(out, n, force);
}

// out = (M/h² + K(x)) p.
DEVICE void multiply(const Form& form, const Implicit& implicit, const Vec3* x, const Vec3* p, Vec3* out) {
    __syncthreads();
    for (u32 i = threadIdx.x; i < form.head.nodes; i += blockDim.x) {
        Vec3 sum = scale(p[i], implicit.inertia[i]);
        for (u32 s = implicit.spring_start[i]; s < implicit.spring_start[i + 1]; ++s) {
            sum = fused(sub(p[i], p[implicit.spring_other[s]]), implicit.spring_stiffness[s], sum);
        }
        out[i] = sum;
    }
    __syncthreads();
    for (u32 colour = 0; colour < form.head.colours; ++colour) {
        const u32 end = form.colour_starts[colour + 1];
        for (u32 t = form.colour_starts[colour] + threadIdx.x; t < end; t += blockDim.x) {
            multiply_tet(form, implicit, t, x, p, out);
        }
        BETWEEN_COLOURS();
    }
}

// What a node and its springs add to the energy.
DEVICE float node_energy(const Implicit& implicit, u32 i, const Vec3* x, const Vec3* target) {
    const Vec3 away = sub(target[i], x[i]);
    float springs = 0.0f;
    for (u32 s = implicit.spring_start[i]; s < implicit.spring_start[i + 1]; ++s) {
        const Vec3 edge = sub(x[implicit.spring_other[s]], x[i]);
        springs = fmaf(fused_dot(edge, edge), implicit.spring_stiffness[s], springs);
    }
    const float elastic = fmaf(springs, 0.25f, -implicit.spring_rest[i]);
    return fmaf(fused_dot(away, away), 0.5f * implicit.inertia[i], elastic);
}

// What a tetrahedron adds per λ V.
DEVICE float tet_energy(const Form& form, const Implicit& implicit, u32 t, const Vec3* x) {
    const Edges edges = edges_of(x, form.tet_nodes[t]);
    const float volume6 = fused_dot(edges.e[0], fused_cross(edges.e[1], edges.e[2]));
    const float growth = fmaf(volume6, implicit.elements[2 * t], -1.0f);
    return growth * fmaf(growth, 0.5f, 1.0f - implicit.head.gamma);
}

// |x − target|² M/(2 h²) + Ψ(x) − Ψ(rest), for all threads. `terms` has room for `room` numbers; threads work out the summands side by
// side, the first adds them up in their order.
DEVICE float energy(const Form& form, const Implicit& implicit, const Body& body, const Vec3* x, const Vec3* target,
                    float* terms, u32 room) {
    float sum = 0.0f;
    const u32 nodes = form.head.nodes, count = nodes + form.head.tets;
    for (u32 first = 0; first < count; first += room) {
        const u32 end = first + room < count ? first + room : count;
        __syncthreads();
        for (u32 term = first + threadIdx.x; term < end; term += blockDim.x) {
            terms[term - first] =
                term < nodes ? node_energy(implicit, term, x, target) : tet_energy(form, implicit, term - nodes, x);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            for (u32 term = first; term < end; ++term) {
                const float value = terms[term - first];
                sum = term < nodes ? sum + value : fmaf(value, implicit.elements[2 * (term - nodes) + 1], sum);
            }
        }
    }
    if (threadIdx.x == 0) {
        body.shared[0] = sum;
    }
    __syncthreads();
    const float result = body.shared[0];
    __syncthreads();
    return result;
}
