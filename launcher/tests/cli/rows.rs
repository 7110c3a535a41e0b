//! What is said wrongly on the command line or stands wrongly in the environment, and what the program must answer.
//!
//! In arguments and variables `@` stands for the folder of the test, which [`super::Stage`] fills, and `%` for `jobs/`.

/// One mistake and the answer to it.
pub struct Row {
    /// The mistake.
    pub mistake: &'static str,
    /// Arguments, apart by blanks; none has a blank inside.
    pub say: &'static str,
    /// Environment variables, `NAME=value`.
    pub env: &'static [&'static str],
    /// Exit code.
    pub code: i32,
    /// What the message must contain.
    pub told: &'static [&'static str],
}

const fn row(mistake: &'static str, say: &'static str, code: i32, told: &'static [&'static str]) -> Row {
    Row { mistake, say, env: &[], code, told }
}

const fn env(mistake: &'static str, env: &'static [&'static str], code: i32, told: &'static [&'static str]) -> Row {
    Row { mistake, say: "run @/tiny.yaml --run-dir @/never", env, code, told }
}

/// Commands, files and options.
pub const ARGUMENTS: &[Row] = &[
    row("no command", "", 2, &["Usage", "doctor"]),
    row("unknown command", "simulate x.yaml", 2, &["unrecognized subcommand", "simulate"]),
    row("unknown option", "run @/tiny.yaml --fast", 2, &["--fast"]),
    row("no job", "run", 2, &["<JOB>"]),
    row("missing job", "run @/missing.yaml", 2, &["missing.yaml", "cannot read the job file", "No such file"]),
    row("directory as job", "run @", 2, &["cannot read the job file", "Is a directory"]),
    row("empty job", "check @/empty.yaml", 2, &["empty.yaml", "this is nothing"]),
    row("binary job", "check @/binary.yaml", 2, &["binary.yaml:1:1", "not UTF-8"]),
    row("0 ranks", "launch @/tiny.yaml -n 0", 2, &["0 is not in 1.."]),
    row("ranks in words", "launch @/tiny.yaml -n two", 2, &["'two'", "--ranks"]),
    row("0 threads", "run @/tiny.yaml --threads 0", 2, &["--threads", "from 1 to 1024"]),
    row("far too many threads", "run @/tiny.yaml --threads 99999", 2, &["--threads", "from 1 to 1024"]),
    row(
        "run directory below a file",
        "run @/tiny.yaml --run-dir @/file/x",
        3,
        &["@/file/x", "Not a directory", "--run-dir"],
    ),
    row("schema of one job", "check --schema @/tiny.yaml", 2, &["--schema", "cannot be used with"]),
    row("neither job nor schema", "check", 2, &["<JOB>"]),
    row("unknown shell", "completions tcsh", 2, &["tcsh", "bash"]),
    row("missing job on two ranks", "launch @/missing.yaml -n 2", 2, &["missing.yaml", "cannot read the job file"]),
];

/// Overrides.
pub const OVERRIDES: &[Row] = &[
    row("--set without =", "check @/tiny.yaml --set time.substeps", 2, &["--set time.substeps", "no `=`"]),
    row("--set without value", "check @/tiny.yaml --set time.substeps=", 2, &["has no value", "null"]),
    row("--set with half a bracket", "check @/tiny.yaml --set soft_bodies[0.count=3", 2, &["without its partner"]),
    row(
        "--set of a wrong kind",
        "check @/tiny.yaml --set time.substeps=many",
        2,
        &["time.substeps", "`auto` or a number"],
    ),
    row(
        "--set of an unknown field",
        "check @/tiny.yaml --set time.substep=8",
        2,
        &["unknown field", "did you mean `substeps`"],
    ),
    row("--set beyond a list", "check @/tiny.yaml --set soft_bodies[7].count=3", 2, &["items 0 to 0, not 7"]),
    row("--set out of range", "check @/tiny.yaml --set materials.block.poisson=0.7", 2, &["materials.block.poisson"]),
    row(
        "--set of an unknown strategy",
        "check @/tiny.yaml --set balance.strategy=best",
        2,
        &["balance.strategy", "round-robin"],
    ),
    row(
        "too stiff",
        "check @/tiny.yaml --set time.substeps=1 --set contact.exchanges=1 --set solver=xpbd",
        2,
        &["1 substeps are too few", "needs 6", "time.substeps", "set solver to implicit"],
    ),
    row("unknown instructions", "run @/tiny.yaml --isa neon", 2, &["--isa", "none of scalar, fused"]),
    row("--set of an unknown solver", "check @/tiny.yaml --set solver=euler", 2, &["solver", "implicit"]),
    row(
        "exchanges that do not divide",
        "check @/tiny.yaml --set time.substeps=7 --set contact.exchanges=4",
        2,
        &["4 exchanges do not divide the 7 substeps", "divisor"],
    ),
    row("no node in the pinned box", "check @/loose.yaml", 2, &["soft_bodies[0].pinned[0]", "no node"]),
    row(
        "no room",
        "check %/demo.yaml --set soft_bodies[0].layout.random.separation_m=3",
        2,
        &["separation_m", "holds about", "not 70"],
    ),
    row(
        "more bodies than can be",
        "check @/tiny.yaml --set soft_bodies[0].count=4000000000",
        2,
        &["4000000000 bodies", "at most"],
    ),
    row(
        "a move to a missing rank",
        "run @/moved.yaml --run-dir @/never",
        2,
        &["balance.moves[0].to_rank", "1 ranks", "this is 9"],
    ),
    row(
        "a fabric that this machine has not",
        "launch @/tiny.yaml -n 2 --run-dir @/unreached --set network.fabric=verbs --set network.require_rdma=true",
        3,
        &["rank 0 does not reach rank 1", "verbs", "network.fabric"],
    ),
    row(
        "a fabric for one rank",
        "launch @/tiny.yaml -n 2 --run-dir @/never --set network.fabric=local",
        3,
        &["network.fabric", "single rank"],
    ),
];

/// Mesh files.
pub const MESHES: &[Row] = &[
    row(
        "rigid body below PhysX's sizes",
        "check %/demo.yaml --set rigid_bodies[1].shape.sphere.radius_m=1e-7",
        2,
        &["rigid_bodies[1]", "radius"],
    ),
    row(
        "plane without a direction",
        "check %/stack.yaml --set environment.planes[0].normal=[0,1e-20,0]",
        2,
        &["environment"],
    ),
    row("no mesh file", "check %/mesh.yaml", 2, &["soft_bodies[0].shape", "figure.obj", "relative to the directory"]),
    row("mesh cut off", "check @/cut.yaml", 2, &["cut.obj, line 3", "export again"]),
    row("mesh without faces", "check @/points.yaml", 2, &["points.obj", "no faces"]),
    row("mesh with a NaN", "check @/nan.yaml", 2, &["nan.obj", "point 0", "not finite"]),
    row("mesh with a hole", "check @/open.yaml", 2, &["open.obj", "the surface is open"]),
    row(
        "mesh of no known kind",
        "check %/mesh.yaml --set soft_bodies[0].shape.mesh.file=x.xyz",
        2,
        &["x.xyz", "readable: `msh`, `obj`"],
    ),
    row("binary mesh cut off", "check @/stl.yaml", 2, &["stl.stl"]),
];

/// Pictures.
pub const PICTURES: &[Row] = &[
    row("render of nothing", "render @/missing", 1, &["@/missing", "cannot open the run directory"]),
    row("render of an empty folder", "render @/nothing", 1, &["frames.pvd", "no frames"]),
    row("size of one number", "render @/run --size 100", 2, &["--size `100`", "1600x900"]),
    row("size of nothing", "render @/run --size 0x0", 2, &["must be"]),
    row("size of everything", "render @/run --size 99999x99999", 2, &["--size is 99999x99999", "16384"]),
    row("eye of two numbers", "render @/run --eye 1,2", 2, &["--eye `1,2`", "three numbers"]),
    row("eye that is not finite", "render @/run --eye nan,1,2", 2, &["--eye", "finite"]),
    row("eye in its target", "render @/run --eye 1,1,1 --target 1,1,1", 2, &["--eye", "away from --target"]),
    row("field of view", "render @/run --fov 400", 2, &["--fov is 400", "1 to 150"]),
    row("no samples", "render @/run --samples 0", 2, &["--samples is 0", "1 to 4"]),
    row("no speed", "render @/run --all --fps 0", 2, &["--fps is 0"]),
    row("no such frame", "render @/run --frame 3", 1, &["no frame of step 3", "0 and 2"]),
    row("frame in words", "render @/run --frame first", 2, &["--frame `first`", "`last`"]),
    row("frame and all", "render @/run --all --frame 2", 2, &["--all", "--frame"]),
    row("picture into nowhere", "render @/run --size 160x90 --samples 1 --out @/file/x.png", 1, &["@/file"]),
];

/// What launchers and people leave in the environment.
pub const ENVIRONMENTS: &[Row] = &[
    env("a rank without a size", &["OMPI_COMM_WORLD_RANK=0"], 3, &["OMPI_COMM_WORLD_SIZE is missing"]),
    env("a rank in words", &["OMPI_COMM_WORLD_RANK=first"], 3, &["OMPI_COMM_WORLD_RANK is `first`"]),
    env(
        "a rank beyond its size",
        &[
            "OMPI_COMM_WORLD_RANK=3",
            "OMPI_COMM_WORLD_SIZE=2",
            "OMPI_COMM_WORLD_LOCAL_RANK=0",
            "OMPI_COMM_WORLD_LOCAL_SIZE=1",
        ],
        3,
        &["OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE contradict each other"],
    ),
    env(
        "two ranks at once",
        &[
            "OMPI_COMM_WORLD_RANK=0",
            "OMPI_COMM_WORLD_SIZE=2",
            "OMPI_COMM_WORLD_LOCAL_RANK=0",
            "OMPI_COMM_WORLD_LOCAL_SIZE=2",
            "PMIX_RANK=1",
        ],
        3,
        &["PMIX_RANK contradict"],
    ),
    env(
        "variables of an mpirun that is not there",
        &[
            "OMPI_COMM_WORLD_RANK=0",
            "OMPI_COMM_WORLD_SIZE=2",
            "OMPI_COMM_WORLD_LOCAL_RANK=0",
            "OMPI_COMM_WORLD_LOCAL_SIZE=2",
        ],
        3,
        &["2 ranks", "MPI"],
    ),
    Row {
        mistake: "srun without PMI, and without the other tasks",
        // They meet there.
        say: "run @/tiny.yaml --run-dir @/alone",
        env: &[
            "SLURM_JOB_ID=1",
            "SLURM_STEP_ID=0",
            "SLURM_PROCID=0",
            "SLURM_NTASKS=4",
            "SLURM_LOCALID=0",
            "RANKZERO_RENDEZVOUS_TIMEOUT_S=1",
        ],
        code: 4,
        told: &["rank 1, rank 2, rank 3 did not come to"],
    },
    env(
        "a task beyond its step",
        &["SLURM_JOB_ID=1", "SLURM_STEP_ID=0", "SLURM_PROCID=5", "SLURM_NTASKS=1", "SLURM_LOCALID=0"],
        3,
        &["SLURM_PROCID and SLURM_NTASKS contradict each other"],
    ),
    env(
        "half a node list",
        &[
            "SLURM_JOB_ID=1",
            "SLURM_STEP_ID=0",
            "SLURM_PROCID=0",
            "SLURM_NTASKS=1",
            "SLURM_LOCALID=0",
            "SLURM_STEP_NODELIST=n[1-",
        ],
        3,
        &["SLURM_STEP_NODELIST", "partner"],
    ),
    env("a Slurm job in words", &["SLURM_JOB_ID=one"], 3, &["SLURM_JOB_ID is `one`"]),
    env(
        "a variable of an unknown field",
        &["RANKZERO_JOB__time__substep=8"],
        2,
        &["RANKZERO_JOB__time__substep", "did you mean `substeps`"],
    ),
    env("a variable of a wrong kind", &["RANKZERO_JOB__time__steps=soon"], 2, &["RANKZERO_JOB__time__steps=soon"]),
    env("a variable without a value", &["RANKZERO_JOB__seed="], 2, &["RANKZERO_JOB__seed", "no value"]),
    Row {
        mistake: "no mpirun",
        say: "launch @/tiny.yaml -n 2 --via mpi",
        env: &["PATH=/nonexistent"],
        code: 3,
        told: &["no mpirun or mpiexec on PATH", "openmpi-bin", "--via bare"],
    },
];
