"""Times NVIDIA Warp's XPBD solver with the scene of gpu/solver/examples/card.rs. Run by bench/gpu.sh; writes one JSON object a line.

    xpbd.py [--device cuda:0|cpu] [--against FILE] [BODIES...]

`--against FILE` reads what `card time` wrote on the same card, and ends with the ratios of our throughput to the peer's.
Where there is no numpy, no Warp or no such device, one line says so, and the status is 0. It is 1 where bodies do not move as they must.

The same as in card.rs: bodies by themselves, of 4 x 4 x 4 cells of six tetrahedra each (and one large one), in the same order; steps of
1/60 s in 10 substeps, with one pass over the tetrahedra in each; density; no gravity, nothing to touch; all states on the card, positions
and speeds brought to pinned memory after each step, a step's time being the host's, from its start to the end of that copy, with the best
one told; `step_ms_on_card` is a step without the copy. The ten substeps are one CUDA graph, as ours are one kernel.

Not the same: Warp's tetrahedra have two constraints, tr(F'F) - 3 and det F - 1, of one compliance, here 1/mu, and no Lame parameters; ours
are stable Neo-Hookean. Warp solves all constraints side by side and adds up what they do to a node, in any order (Jacobi, atomics); ours go
colour by colour, and each sees what those before did (Gauss-Seidel). Ours damp, test for rest and tell their reach; Warp does not. Our
lattice is a little irregular and at rest; Warp's is regular and starts with small random speeds, as Warp leaves out a constraint that is
met to the bit.
"""

import argparse
import json
import os
import statistics
import sys
import time
from contextlib import redirect_stdout

STEP, SUBSTEPS = 1.0 / 60.0, 10
EDGE, DENSITY, MU = 0.1, 1000.0, 1e5 / 2.6  # Young's modulus 1e5 Pa, Poisson's ratio 0.3
LARGE = 20  # cells a side of the large body
SPEED = 0.1  # the most that a node has at the start, m/s


def say(**fields):
    print(json.dumps(fields), flush=True)


def not_measured(reason):
    say(peer="warp XPBD", outcome="not measured", reason=str(reason))
    sys.exit(0)


try:
    import numpy as np
    import warp as wp

    wp.config.quiet = True
    # Kernels are compiled without what gradients need.
    wp.config.enable_backward = False
    # They are compiled for the very card.
    wp.config.cuda_output = "cubin"
    # It says there that it is deprecated.
    with redirect_stdout(sys.stderr):
        import warp.sim
except (ImportError, OSError) as lacking:
    not_measured(lacking)


def lattice(cells):
    """The nodes of a cube of so many cells a side, and its tetrahedra."""
    sides = range(cells + 1)
    points = EDGE * np.array([(x, y, z) for z in sides for y in sides for x in sides], dtype=np.float32)
    stride = (1, cells + 1, (cells + 1) ** 2)
    # From a cell's first corner along three axes, in each order of them, to its last (Kuhn).
    orders = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]])
    paths = np.zeros((6, 4), dtype=int)
    paths[:, 1:] = np.cumsum(np.array(stride)[orders], axis=1)
    paths[3:] = paths[3:, [0, 1, 3, 2]]
    cell = range(cells)
    first = [z * stride[2] + y * stride[1] + x for z in cell for y in cell for x in cell]
    return points, (np.array(first)[:, None, None] + paths).reshape(-1, 4)


def model_of(cells, bodies, device):
    """So many equal bodies. Warp's builder takes minutes for many: it makes one, which is repeated."""
    points, tets = lattice(cells)
    builder = wp.sim.ModelBuilder(gravity=0.0)
    # A radius would have all particles looked through for contacts with each other.
    builder.default_particle_radius = 0.0
    for point in points:
        builder.add_particle(tuple(point), (0.0, 0.0, 0.0), 0.0)
    for tet in tets:
        volume = builder.add_tetrahedron(*(int(node) for node in tet))
        for node in tet:
            builder.particle_mass[node] += DENSITY * volume / 4.0
    model = builder.finalize(device)
    assert model.tet_count == len(tets), "a tetrahedron was left out"
    model.ground = False
    speeds = np.random.default_rng(1).uniform(-SPEED, SPEED, points.shape)
    model.particle_qd = wp.array(speeds, dtype=wp.vec3, device=device)

    def repeat(name, offset=0):
        array = getattr(model, name)
        one = array.numpy()
        many = np.tile(one, (bodies,) + (1,) * (one.ndim - 1))
        if offset:
            many += np.repeat(np.arange(bodies, dtype=one.dtype) * offset, len(one))[:, None]
        setattr(model, name, wp.array(many, dtype=array.dtype, device=device))

    repeat("tet_indices", offset=len(points))
    for name in ("tet_poses", "tet_activations", "tet_materials"):
        repeat(name)
    for name in ("q", "qd", "mass", "inv_mass", "radius", "flags"):
        repeat(f"particle_{name}")
    model.particle_count, model.tet_count = bodies * len(points), bodies * len(tets)
    return model


class Bodies:
    """Bodies on a device and how a step of theirs is done there."""

    def __init__(self, cells, bodies, device):
        self.model = model_of(cells, bodies, device)
        self.device = self.model.device
        self.tets = self.model.tet_count // bodies
        self.solver = wp.sim.XPBDIntegrator(iterations=1, soft_body_relaxation=1.0 / MU)
        self.now, self.next = self.model.state(), self.model.state()
        pinned = self.device.is_cuda
        self.brought = [wp.empty_like(a, device="cpu", pinned=pinned) for a in (self.now.particle_q, self.now.particle_qd)]
        self.graph = None

    def substeps(self):
        for _ in range(SUBSTEPS):
            self.solver.simulate(self.model, self.now, self.next, STEP / SUBSTEPS)
            self.now, self.next = self.next, self.now

    def capture(self):
        """Makes the substeps a graph; Warp takes memory in each of them, which a graph only may from a pool."""
        self.substeps()
        if self.device.is_cuda and wp.is_mempool_enabled(self.device):
            with wp.ScopedCapture(self.device) as capture:
                self.substeps()
            self.graph = capture.graph
        wp.synchronize_device(self.device)

    def restart(self):
        wp.copy(self.now.particle_q, self.model.particle_q)
        wp.copy(self.now.particle_qd, self.model.particle_qd)
        wp.synchronize_device(self.device)

    def step(self):
        if self.graph:
            wp.capture_launch(self.graph)
        else:
            self.substeps()

    def bring(self):
        wp.copy(self.brought[0], self.now.particle_q)
        wp.copy(self.brought[1], self.now.particle_qd)

    def nodes(self):
        """Positions by body, as they were brought last."""
        per_body = self.model.particle_count * self.tets // self.model.tet_count
        return self.brought[0].numpy().reshape(-1, per_body, 3)

    def step_ms(self, brings, seconds=2.0):
        """Times of steps. Each second of theirs begins anew, so that bodies never come to rest."""
        times, began = [], time.perf_counter()
        while time.perf_counter() - began < seconds or len(times) < 2:
            if len(times) % 60 == 0:
                self.restart()
            start = time.perf_counter()
            self.step()
            if brings:
                self.bring()
            wp.synchronize_device(self.device)
            times.append((time.perf_counter() - start) * 1e3)
        return times


def expect(holds, what):
    if not holds:
        sys.exit(f"xpbd: {what}")


def check(device):
    """A body falls on a plane: it falls as it must, is squeezed there, and stays above it."""
    bodies, height, gravity = Bodies(4, 1, device), 0.5, 9.81
    model, side = bodies.model, 4 * EDGE
    model.gravity = wp.vec3(0.0, -gravity, 0.0)
    model.ground, model.ground_plane = True, wp.array([0.0, 1.0, 0.0, 0.0], dtype=float, device=device)
    model.particle_qd.zero_()
    lifted = model.particle_q.numpy() + np.array([0.0, height, 0.0], dtype=np.float32)
    model.particle_q = wp.array(lifted, dtype=wp.vec3, device=device)
    bodies.capture()
    bodies.restart()
    least, fallen, low = side, None, height
    for step in range(1, 61):
        bodies.step()
        bodies.bring()
        wp.synchronize_device(bodies.device)
        y = bodies.nodes()[0, :, 1]
        expect(np.isfinite(bodies.nodes()).all(), f"after {step} steps a position is not finite")
        least, low = min(least, float(y.max() - y.min())), min(low, float(y.min()))
        if step == 15:
            fallen = float(lifted[:, 1].mean() - y.mean())
    must = gravity * (15 * STEP) ** 2 / 2
    expect(abs(fallen / must - 1) < 0.02, f"in free fall the body fell {fallen} m, not {must} m")
    expect(low > -EDGE / 4, f"a node came to {low} m, below the plane")
    expect(0.1 < least / side < 0.99, f"on the plane the height went from {side} m to no less than {least} m")
    return {"fallen_m": round(fallen, 4), "squeezed_to": round(least / side, 4)}


def measure(peer, cells, count, device):
    bodies = Bodies(cells, count, device)
    bodies.capture()
    kept = bodies.step_ms(brings=False)
    times = bodies.step_ms(brings=True)
    start = bodies.model.particle_q.numpy().reshape(bodies.nodes().shape)
    expect(np.isfinite(bodies.nodes()).all(), "a position is not finite")
    moved = bodies.nodes() - start
    bent = np.abs(moved - moved.mean(axis=1, keepdims=True)).max(axis=(1, 2))
    expect((bent > 1e-4).all(), f"a body was deformed by {bent.min()} m only")
    rate = count * bodies.tets * SUBSTEPS * 1e3
    row = {
        "peer": peer,
        "bodies": count,
        "tets": bodies.tets,
        "substeps": SUBSTEPS,
        "step_ms": round(min(times), 4),
        "step_ms_median": round(statistics.median(times), 4),
        "step_ms_max": round(max(times), 4),
        "steps": len(times),
        "step_ms_on_card": round(min(kept), 4),
        "tet_substeps_per_s": float(f"{rate / min(times):.4e}"),
        "tet_substeps_per_s_on_card": float(f"{rate / min(kept):.4e}"),
        "graph": bodies.graph is not None,
    }
    say(**row)
    return row


def ratios(ours, rows):
    """Our throughput over the peer's, of cases that both have."""
    with open(ours, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    rates = {(line["bodies"], line["tets"]): line["tet_substeps_per_s"] for line in lines
             if line.get("solver") == "xpbd" and "pairs" not in line}
    for row in rows:
        our_rate = rates.get((row["bodies"], row["tets"]))
        if our_rate:
            yield {
                "bodies": row["bodies"],
                "tets": row["tets"],
                "ratio": float(f"{our_rate / row['tet_substeps_per_s']:.3g}"),
                "ratio_to_on_card": float(f"{our_rate / row['tet_substeps_per_s_on_card']:.3g}"),
            }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--against")
    parser.add_argument("bodies", nargs="*", type=int)
    arguments = parser.parse_args()
    wp.init()
    try:
        device = wp.get_device(arguments.device)
    except (ValueError, RuntimeError) as lacking:
        not_measured(lacking)
    peer = f"warp {wp.config.version} XPBD"
    say(peer=peer, device=device.name, check=check(device))
    counts = arguments.bodies or [1, 10, 100, 1000, 10_000, 100_000]
    cases = [(4, count) for count in counts]
    if max(counts) >= 1000:
        cases.append((LARGE, 1))
    rows = [measure(peer, cells, count, device) for cells, count in cases]
    if arguments.against and os.path.exists(arguments.against):
        say(peer=peer, ratios_of_tet_substeps_per_s=list(ratios(arguments.against, rows)))


if __name__ == "__main__":
    main()
