//! The command line as a person meets it: every mistake is answered by its exit code and a message that names it, and the
//! commands that inform do so.

#[path = "cli/process.rs"]
mod process;
#[path = "cli/rows.rs"]
mod rows;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use process::{Ended, Folder, finish, jobs, rankzero};
use rows::{ARGUMENTS, ENVIRONMENTS, MESHES, OVERRIDES, PICTURES, Row};
use serde_json::Value;

/// A job that takes no time.
const TINY: &str = "\
name: tiny
time: { steps: 2, substeps: 20 }
contact: { exchanges: 4 }
materials: { block: { density_kg_m3: 600, young_pa: 2.0e5, poisson: 0.35 } }
soft_bodies:
  - name: blocks
    shape: { box: { size_m: [0.5, 0.3, 0.5], cells: [3, 2, 3] } }
    material: block
    layout: { stack: { base_m: [0, 0.16, 0], spacing_m: 0.31 } }
    count: 2
environment: { planes: [{ friction: 0.6 }] }
";

/// A tetrahedron whose faces look outwards.
const POINTS: &str = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n";
const FACES: &str = "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";

/// The files that the rows speak of.
struct Stage {
    folder: Folder,
}

impl Stage {
    fn new() -> Self {
        let stage = Stage { folder: Folder::new() };
        stage.write("tiny.yaml", TINY.as_bytes());
        stage.write("empty.yaml", b"");
        stage.write("binary.yaml", b"\xff\xfename: x\n");
        stage.write("file", b"a file, not a folder\n");
        let pinned = "    pinned: [{ box: { min_m: [5, 5, 5], max_m: [6, 6, 6] } }]\nenvironment";
        stage.write("loose.yaml", TINY.replace("environment", pinned).as_bytes());
        stage.write(
            "moved.yaml",
            format!("{TINY}balance: {{ moves: [{{ step: 1, batch: 0, to_rank: 9 }}] }}\n").as_bytes(),
        );
        let whole = format!("{POINTS}{FACES}");
        stage.mesh("cut.obj", b"v 0 0 0\nv 1 0 0\nv 0 1");
        stage.mesh("points.obj", POINTS.as_bytes());
        stage.mesh("nan.obj", whole.replacen("0 0 0", "0 0 nan", 1).as_bytes());
        stage.mesh("open.obj", whole.replace("f 2 3 4\n", "").as_bytes());
        stage.mesh("stl.stl", &[0; 90]);
        fs::create_dir(stage.folder.join("nothing")).expect("own folder");
        stage
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).expect("own folder");
    }

    /// A mesh file, and a job that reads it.
    fn mesh(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        let shape = format!("shape: {{ mesh: {{ file: {name} }} }}");
        let job = TINY.replace("shape: { box: { size_m: [0.5, 0.3, 0.5], cells: [3, 2, 3] } }", &shape);
        let (stem, _) = name.split_once('.').expect("a name with a kind");
        self.write(&format!("{stem}.yaml"), job.as_bytes());
    }

    /// A run with frames, in `run`.
    fn run(self) -> Self {
        let ended = self.say("run @/tiny.yaml --quiet --run-dir @/run --set output.frames.every_steps=2", &[]);
        assert_eq!(ended.code(), 0, "{}", ended.text());
        self
    }

    /// A text in which `@` and `%` are replaced by the folders that they stand for.
    fn text(&self, text: &str) -> String {
        text.replace('@', &self.folder.path().display().to_string()).replace('%', &jobs().display().to_string())
    }

    fn say(&self, arguments: &str, env: &[&str]) -> Ended {
        let mut command = rankzero();
        command.args(arguments.split_whitespace().map(|word| self.text(word)));
        command.envs(env.iter().filter_map(|pair| pair.split_once('=')));
        finish(command.current_dir(self.folder.path()).env("RANKZERO_CACHE_DIR", self.folder.join("cache")))
    }

    /// Makes all mistakes of a table; what is answered otherwise is listed at the end.
    fn check(&self, rows: &[Row]) {
        let mut wrong = Vec::new();
        let launches = |row: &Row| row.say.contains("-n 2") && row.env.is_empty();
        for row in rows.iter().filter(|row| !launches(row) || has_mpirun()) {
            let ended = self.say(row.say, row.env);
            let said = ended.text();
            let missing: Vec<_> = row.told.iter().filter(|words| !said.contains(&self.text(words))).collect();
            let panicked = said.contains("panicked") || said.contains("bug in rankzero");
            if ended.code() != row.code || !missing.is_empty() || panicked {
                let code = format!("exit code {} for {}, not told {missing:?}", ended.code(), row.code);
                wrong.push(format!("{} ({}): {code}\n{said}", row.mistake, row.say));
            }
        }
        assert!(!self.folder.join("never").exists(), "a run that is refused leaves no directory");
        assert!(wrong.is_empty(), "{} of {} answered otherwise:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    /// What a command says that must succeed.
    fn well(&self, arguments: &str) -> String {
        let ended = self.say(arguments, &[]);
        assert_eq!(ended.code(), 0, "{arguments}: {}", ended.text());
        ended.stdout
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.well(arguments)).expect("JSON")
    }
}

fn has_mpirun() -> bool {
    let found = std::process::Command::new("mpirun").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: mpirun is not installed, so launches are NOT TESTED here");
    }
    found
}

#[test]
fn mistakes_in_arguments_are_told() {
    Stage::new().check(ARGUMENTS);
}

#[test]
fn mistakes_in_overrides_are_told() {
    Stage::new().check(OVERRIDES);
}

#[test]
fn mistakes_in_meshes_are_told() {
    Stage::new().check(MESHES);
}

#[test]
fn mistakes_about_pictures_are_told() {
    Stage::new().run().check(PICTURES);
}

#[test]
fn mistakes_in_the_environment_are_told() {
    Stage::new().check(ENVIRONMENTS);
}

#[test]
fn a_run_directory_without_permission_is_told() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: root may write everywhere, so permissions are NOT TESTED here");
        return;
    }
    let stage = Stage::new();
    let nothing = stage.folder.join("nothing");
    fs::set_permissions(&nothing, fs::Permissions::from_mode(0o555)).expect("own folder");
    let ended = stage.say("run @/tiny.yaml --run-dir @/nothing/x", &[]);
    assert_eq!(ended.code(), 3, "{}", ended.text());
    assert!(ended.stderr.contains("Permission denied"), "{}", ended.text());
}

#[test]
fn a_check_says_what_would_run() {
    let stage = Stage::new();
    let json = stage.json("check @/tiny.yaml --json");
    for (field, value) in
        [("bodies", 2), ("steps", 2), ("substeps", 20), ("exchanges", 4), ("tets", 180), ("batches", 2)]
    {
        assert_eq!(json[field], value, "{field}");
    }
    let overridden = stage.well("check @/tiny.yaml --set soft_bodies[0].count=5");
    assert!(
        overridden.contains("5 soft bodies") && overridden.contains("soft_bodies[0].count comes from --set"),
        "{overridden}"
    );
    let ended = stage.say("check @/tiny.yaml --json --set time.substep=3", &[]);
    let problems: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code(), &problems["problems"][0]["path"]), (2, &"time.substep".into()));
    let resolved = stage.well("check @/tiny.yaml --resolved");
    stage.write("resolved.yaml", resolved.as_bytes());
    assert_eq!(stage.json("check @/resolved.yaml --json"), json, "the resolved job is the same job");
}

#[test]
fn the_schema_is_json_and_knows_the_fields() {
    let schema = Stage::new().json("check --schema");
    assert!(schema["$schema"].is_string());
    for field in
        ["name", "time", "materials", "soft_bodies", "rigid_bodies", "environment", "network", "balance", "output"]
    {
        assert!(schema["properties"][field].is_object(), "{field}");
    }
}

#[test]
fn completions_manual_and_doctor_inform() {
    let stage = Stage::new();
    let completions = stage.well("completions bash");
    assert!(completions.contains("complete") && completions.contains("launch"));
    let manual = stage.well("man");
    assert!(manual.contains(".TH rankzero") && manual.contains("Exit codes"));
    assert!(stage.well("--version").starts_with("rankzero "));
    // The doctor's own exit code says whether something is lacking.
    let doctor = stage.say("doctor --json", &[]);
    assert!([0, 3].contains(&doctor.code()), "{}", doctor.text());
    let report: Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    for name in ["MPI", "RDMA", "GPUs", "topology", "ports"] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {report}"));
        assert!(check["status"].is_string() && check["found"].is_string(), "{check}");
    }
}

#[test]
fn a_dry_run_prints_the_command_and_runs_nothing() {
    let stage = Stage::new();
    let one = stage.well("launch @/tiny.yaml --dry-run --run-dir @/never");
    assert_eq!(one, stage.text("rankzero run @/tiny.yaml --run-dir @/never\n"));
    if has_mpirun() {
        let three = stage.well("launch @/tiny.yaml -n 3 --dry-run --run-dir @/never --set time.steps=4");
        let end = stage.text(" run @/tiny.yaml --set time.steps=4 --run-dir @/never\n");
        assert!(three.contains("-n 3 ") && three.ends_with(&end), "{three}");
    }
    assert!(!stage.folder.join("never").exists());
}

#[test]
fn pictures_of_any_size_are_drawn() {
    let stage = Stage::new().run();
    for size in ["16x16", "64x64", "320x180"] {
        let out = stage.well(&format!("render @/run --size {size} --samples 1 --out @/picture-{size}.png"));
        let bytes = fs::read(out.trim()).expect("a picture");
        assert!(bytes.starts_with(b"\x89PNG"), "{size}");
    }
    stage.well("render @/run --size 160x90 --samples 1 --frame 0 --up 0,0,1");
    assert!(stage.folder.join("run/frame-000000.png").is_file());
    stage.well("render @/run --size 160x90 --samples 1 --all");
    assert!(stage.folder.join("run/animation.png").is_file());
    assert_eq!(stage.well("render @/run --size 160x90 --samples 1 --all --out @/nothing/").lines().count(), 2);
}
