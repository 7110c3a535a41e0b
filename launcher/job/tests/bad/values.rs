//! Mistakes of meaning: ranges, references, fields that must agree.

use super::{Bad, file, set};

pub const TABLE: &[Bad] = &[
    file("no substeps", "substeps: 8", "substeps: 0", &["bad.yaml:2:31: time.substeps: must be from 1 to 1000, is 0"]),
    file(
        "too many substeps",
        "substeps: 8",
        "substeps: 4000",
        &["bad.yaml:2:31: time.substeps: must be from 1 to 1000, is 4000"],
    ),
    file(
        "more exchanges than substeps",
        "name: demo",
        "name: demo\ncontact: { exchanges: 9 }",
        &["bad.yaml:2:23: contact.exchanges: must not exceed `time.substeps`, 9 is above 8"],
    ),
    file(
        "a step of no length",
        "steps: 100,",
        "steps: 100, step_s: 0,",
        &["bad.yaml:2:29: time.step_s: must be above 0 and at most 1, is 0"],
    ),
    file(
        "steps and a duration",
        "steps: 100,",
        "steps: 100, duration_s: 2,",
        &[
            "bad.yaml:2:33: time.duration_s: `steps` and `duration_s` are both given\n  help: remove one; on the command line, `--set time.steps=null` does",
        ],
    ),
    file(
        "neither steps nor a duration",
        "steps: 100,",
        "",
        &[
            "bad.yaml:2:7: time: neither `steps` nor `duration_s` is given\n  help: add `steps: 600` or `duration_s: 10`",
        ],
    ),
    file(
        "a duration shorter than a step",
        "steps: 100,",
        "duration_s: 0.001,",
        &["bad.yaml:2:21: time.duration_s: is shorter than half a step of 0.016666668 s"],
    ),
    file(
        "no density",
        "density_kg_m3: 1000",
        "density_kg_m3: 0",
        &["bad.yaml:4:28: materials.rubber.density_kg_m3: must be above 0 and at most 100000, is 0"],
    ),
    file(
        "a negative stiffness",
        "young_pa: 1.0e5",
        "young_pa: -1.0e5",
        &["bad.yaml:4:44: materials.rubber.young_pa: must be above 0 and at most 1000000000000, is -100000"],
    ),
    file(
        "an incompressible material",
        "poisson: 0.4",
        "poisson: 0.5",
        &[
            "bad.yaml:4:60: materials.rubber.poisson: must be from 0 to 0.49, is 0.5\n  help: for a nearly incompressible material take 0.49; linear tetrahedra lock above it",
        ],
    ),
    file(
        "sliding above static friction",
        "friction: 0.5",
        "friction: { static: 0.3, dynamic: 0.4 }",
        &["bad.yaml:4:99: materials.rubber.friction.dynamic: must not exceed `static`, 0.4 is above 0.3"],
    ),
    file(
        "half a friction",
        "friction: 0.5",
        "friction: { static: 0.3 }",
        &["bad.yaml:4:65: materials.rubber.friction.dynamic: the field `dynamic` is missing\n  help: add `dynamic: …`"],
    ),
    file(
        "a misspelt material",
        "material: rubber",
        "material: ruber",
        &[
            "bad.yaml:8:15: soft_bodies[0].material: there is no material `ruber`\n  help: did you mean `rubber`? materials of this job: `rubber`",
        ],
    ),
    file(
        "a material unlike any",
        "material: rubber",
        "material: steel",
        &[
            "bad.yaml:8:15: soft_bodies[0].material: there is no material `steel`\n  help: materials of this job: `rubber`",
        ],
    ),
    file(
        "a flat box",
        "[1, 1, 1]",
        "[1, 0, 1]",
        &["bad.yaml:7:33: soft_bodies[0].shape.box.size_m[1]: must be above 0 and at most 10000, is 0"],
    ),
    file(
        "cells and an edge",
        "[1, 1, 1]",
        "[1, 1, 1], cells: [2, 2, 2], edge_m: 0.1",
        &["bad.yaml:7:66: soft_bodies[0].shape.box.edge_m: `cells` and `edge_m` are both given"],
    ),
    file(
        "an edge that makes a billion cells",
        "[1, 1, 1]",
        "[1, 1, 1], edge_m: 0.001",
        &[
            "bad.yaml:7:48: soft_bodies[0].shape.box.edge_m: makes about 1.00e9 cells of this size; at most 1e6 are meshed\n  help: take a longer edge",
        ],
    ),
    file(
        "a torus without a hole",
        "box: { size_m: [1, 1, 1] }",
        "torus: { major_m: 0.2, minor_m: 0.3 }",
        &["bad.yaml:7:46: soft_bodies[0].shape.torus.minor_m: must be below `major_m`, 0.3 is not below 0.2"],
    ),
    file(
        "a mesh of no known kind",
        "box: { size_m: [1, 1, 1] }",
        "mesh: { file: cow.obk }",
        &[
            "bad.yaml:7:28: soft_bodies[0].shape.mesh.file: `cow.obk` is no kind of mesh that can be read here\n  help: did you mean `obj`? readable: `msh`, `obj`, `ply`, `stl`, `vtk`, `vtu`",
        ],
    ),
    file(
        "no voxels",
        "box: { size_m: [1, 1, 1] }",
        "mesh: { file: cow.obj, tetrahedra: { voxel: { resolution: 0 } } }",
        &["bad.yaml:7:72: soft_bodies[0].shape.mesh.tetrahedra.voxel.resolution: must be from 1 to 512, is 0"],
    ),
    file(
        "more bodies than places",
        "count: 2",
        "count: 3",
        &[
            "bad.yaml:9:12: soft_bodies[0].count: 3 bodies do not fit a layout of 2\n  help: leave `count` out to fill the layout, or make the layout larger",
        ],
    ),
    file(
        "no bodies in a group",
        "count: 2",
        "count: 0",
        &["bad.yaml:9:12: soft_bodies[0].count: must be at least 1, is 0"],
    ),
    set(
        "millions of bodies",
        &["soft_bodies[0].count=null", "soft_bodies[0].layout.grid.cells=[1000, 1000, 1000]"],
        &["bad.yaml:6:3: soft_bodies: makes 1000000000 bodies; at most 1048576 are simulated"],
    ),
    file(
        "no room for random bodies",
        "grid: { spacing_m: [2, 2, 2], cells: [2, 1, 1] }",
        "random: { min_m: [0, 0, 0], max_m: [1, 1, 1], separation_m: 3 }",
        &[
            "bad.yaml:10:75: soft_bodies[0].layout.random.separation_m: a box of this size holds about 1 bodies this far apart, not 2\n  help: enlarge the box, or lower `separation_m` or `count`",
        ],
    ),
    file(
        "a box inside out",
        "count: 2",
        "pinned: [{ box: { min_m: [0, 1, 0], max_m: [1, 0, 1] } }]",
        &["bad.yaml:9:52: soft_bodies[0].pinned[0].box.max_m[1]: must not be below `min_m[1]`, 0 is below 1"],
    ),
    file(
        "an axis of no length",
        "count: 2",
        "rotation: { axis: [0, 0, 0], degrees: 90 }",
        &[
            "bad.yaml:9:23: soft_bodies[0].rotation.axis: must not be of length 0\n  help: write a direction such as [0, 1, 0]",
        ],
    ),
    file(
        "two groups of one name",
        "name: stone",
        "name: cubes",
        &["bad.yaml:12:11: rigid_bodies[0].name: the name `cubes` is taken by `soft_bodies[0].name`"],
    ),
    file(
        "a name with a slash",
        "name: demo",
        "name: ../demo",
        &[
            "bad.yaml:1:7: name: `../demo` is no name\n  help: a name has 1 to 64 letters (a-z, A-Z), digits, `-` and `_`",
        ],
    ),
    file(
        "a script without keyframes",
        "dynamic: { density_kg_m3: 500 }",
        "kinematic: { keyframes: [] }",
        &[
            "bad.yaml:14:39: rigid_bodies[0].motion.kinematic.keyframes: is an empty list; expected at least one keyframe\n  help: for a body that never moves write `motion: fixed`",
        ],
    ),
    file(
        "keyframes out of order",
        "dynamic: { density_kg_m3: 500 }",
        "kinematic: { keyframes: [{ time_s: 1 }, { time_s: 1 }] }",
        &[
            "bad.yaml:14:65: rigid_bodies[0].motion.kinematic.keyframes[1].time_s: must be later than the keyframe before, 1 is not after 1",
        ],
    ),
    file(
        "a velocity of a scripted body",
        "motion: { dynamic: { density_kg_m3: 500 } }",
        "motion: fixed\n    velocity_m_s: [1, 0, 0]",
        &[
            "bad.yaml:15:19: rigid_bodies[0].velocity_m_s: only dynamic bodies have an initial velocity\n  help: remove it, or make the motion `dynamic`",
        ],
    ),
    file(
        "too few heights",
        "planes: [{ offset_m: 0 }]",
        "height_field: { rows: 2, columns: 3, spacing_m: 1, relief: { heights_m: [0, 0, 0] } }",
        &["bad.yaml:17:75: environment.height_field.relief.heights_m: has 3 heights; 2 rows of 3 columns need 6"],
    ),
    file(
        "hills narrower than the grid",
        "planes: [{ offset_m: 0 }]",
        "height_field: { rows: 9, columns: 9, spacing_m: 1, relief: { hills: { amplitude_m: 1, wavelength_m: 1 } } }",
        &[
            "bad.yaml:17:103: environment.height_field.relief.hills.wavelength_m: must be at least twice `spacing_m`, 1 is below 2\n  help: a grid cannot hold hills narrower than two cells",
        ],
    ),
    file(
        "a plane without direction",
        "offset_m: 0",
        "normal: [0, 0, 0]",
        &[
            "bad.yaml:17:22: environment.planes[0].normal: must not be of length 0\n  help: write a direction such as [0, 1, 0]",
        ],
    ),
    file(
        "a timeout below the heartbeat",
        "name: demo",
        "name: demo\nnetwork: { heartbeat_ms: 2000, heartbeat_timeout_ms: 1500 }",
        &[
            "bad.yaml:2:54: network.heartbeat_timeout_ms: must be above `heartbeat_ms`, 1500 is not above 2000\n  help: several times the heartbeat, so that one lost message is no failure",
        ],
    ),
    file(
        "one port for two purposes",
        "name: demo",
        "name: demo\nnetwork: { http_port: 9003 }",
        &["bad.yaml:2:23: network.http_port: port 9003 is one of `control_ports` 9001-9010"],
    ),
    file(
        "RDMA required of TCP",
        "name: demo",
        "name: demo\nnetwork: { fabric: tcp, require_rdma: true }",
        &[
            "bad.yaml:2:39: network.require_rdma: the chosen `fabric` is not RDMA\n  help: set `fabric: auto` or `fabric: verbs`",
        ],
    ),
    file(
        "encryption of a path that has none",
        "name: demo",
        "name: demo\nnetwork: { fabric: mpi, tls: all }",
        &[
            "bad.yaml:2:30: network.tls: the chosen `fabric` is not encrypted\n  help: set `fabric` to `auto`, `shm` or `tcp` and leave `require_rdma` out, or set `tls: control`",
        ],
    ),
    file(
        "encryption of RDMA",
        "name: demo",
        "name: demo\nnetwork: { require_rdma: true, tls: all }",
        &[
            "bad.yaml:2:37: network.tls: RDMA is required, and not encrypted\n  help: set `fabric` to `auto`, `shm` or `tcp` and leave `require_rdma` out, or set `tls: control`",
        ],
    ),
    file(
        "a move after the end",
        "name: demo",
        "name: demo\nbalance: { moves: [{ step: 100, batch: 0, to_rank: 1 }] }",
        &["bad.yaml:2:28: balance.moves[0].step: the job ends after step 99, this is 100"],
    ),
    file(
        "a move of no batch",
        "name: demo",
        "name: demo\nbalance: { moves: [{ step: 5, batch: 2, to_rank: 1 }] }",
        &["bad.yaml:2:38: balance.moves[0].batch: there are at most 2 batches, from 0; this is 2"],
    ),
    file(
        "four replicas",
        "name: demo",
        "name: demo\nfault_tolerance: { replicas: 4 }",
        &["bad.yaml:2:30: fault_tolerance.replicas: must be from 0 to 3, is 4"],
    ),
    file(
        "an alert beyond all",
        "name: demo",
        "name: demo\nmetrics: { alerts: { failure_rate: 10 } }",
        &["bad.yaml:2:36: metrics.alerts.failure_rate: must be from 0 to 1, is 10"],
    ),
    file(
        "frames by steps and by time",
        "name: demo",
        "name: demo\noutput: { frames: { every_s: 1, every_steps: 2 } }",
        &["bad.yaml:2:30: output.frames.every_s: `every_steps` and `every_s` are both given\n  help: remove one"],
    ),
    file(
        "a budget without prices",
        "name: demo",
        "name: demo\ncost: { threshold: 5 }",
        &[
            "bad.yaml:2:20: cost.threshold: is never reached, since nodes cost nothing\n  help: set `cost.per_node_hour` to the price of a node",
        ],
    ),
    file(
        "no bodies at all",
        "",
        "name: empty\ntime: { steps: 1 }\n",
        &["bad.yaml: the job has no bodies\n  help: add a group to `soft_bodies` or `rigid_bodies`"],
    ),
    file(
        "several mistakes of meaning",
        "steps: 100, substeps: 8",
        "steps: 0, substeps: 0, step_s: 2",
        &[
            "bad.yaml:2:16: time.steps: must be from 1 to 1000000000, is 0",
            "bad.yaml:2:29: time.substeps: must be from 1 to 1000, is 0",
            "bad.yaml:2:40: time.step_s: must be above 0 and at most 1, is 2",
        ],
    ),
    set(
        "a wrong value on the command line",
        &["soft_bodies[0].shape.box.size_m[1]=-1"],
        &[
            "--set soft_bodies[0].shape.box.size_m[1]=-1: soft_bodies[0].shape.box.size_m[1]: must be above 0 and at most 10000, is -1",
        ],
    ),
    set(
        "a conflict made on the command line",
        &["time.duration_s=3"],
        &[
            "--set time.duration_s=3: time.duration_s: `steps` and `duration_s` are both given\n  help: remove one; on the command line, `--set time.steps=null` does",
        ],
    ),
    set(
        "the last of two overrides",
        &["time.substeps=4", "time.substeps=0"],
        &["--set time.substeps=0: time.substeps: must be from 1 to 1000, is 0"],
    ),
];
