//! A rank with a GPU comes to the result of one without; the GPU is an emulated one.

mod common;
#[path = "common/card.rs"]
mod rig;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use common::{Run, Spread, digest, digest_of, scene};
use rankzero::engine::card::CardCrew;
use rankzero::engine::migrate::Move;
use rankzero::scene::Scene;
use rankzero_comm::Rank;
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda, libraries};
use rig::{kernels, on_card, states};

/// Bodies of two forms that fall by themselves, meet, and come to rest; one is pinned.
const JOB: &str = r#"
name: card
time: { steps: 30 }
sleep: { steps: 4 }
materials:
  jelly: { density_kg_m3: 700, young_pa: 6.0e4, poisson: 0.4, damping_per_s: 4, friction: 0.5 }
soft_bodies:
  - name: cubes
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    count: 4
    layout: { at: [[-0.5, 0.25, 0], [-0.5, 0.75, 0.1], [2, 0.5, 0], [4, 0.9, 0]] }
  - name: bars
    shape: { box: { size_m: [0.6, 0.2, 0.2], cells: [3, 1, 1] } }
    material: jelly
    count: 2
    layout: { at: [[6, 0.3, 0], [8, 0.6, 0]] }
rigid_bodies:
  - name: paddle
    shape: { box: { size_m: [0.2, 0.4, 1.0] } }
    motion: { kinematic: { keyframes: [ { time_s: 0 }, { time_s: 1, offset_m: [1, 0, 0] } ] } }
    layout: { at: [[1.5, 0.25, 0]] }
environment: { planes: [{ friction: 0.5 }] }
"#;

fn jobs() -> [Arc<Scene>; 2] {
    ["xpbd", "implicit"].map(|solver| scene(&format!("{JOB}solver: {solver}\n")))
}

#[test]
fn a_run_with_a_card_has_the_bits_of_one_without() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    // An implicit step is long for an emulator.
    for (scene, steps) in jobs().into_iter().zip([30, 10]) {
        let (mut with, mut without) = (on_card(&scene), Run::of(scene.clone()));
        let proofs = cuda.runs();
        for step in 0..steps {
            with.steps(1);
            without.steps(1);
            assert_eq!(states(&with), states(&without), "step {step}");
        }
        assert!(with.engine.card().is_some());
        assert!(cuda.runs() > proofs + 5, "the card has computed something");
    }
}

#[test]
fn bodies_that_fall_on_an_open_mesh_are_the_cards_too() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slope.obj");
    let slope = "v -9 -0.2 -9\nv 9 0.2 -9\nv -9 -0.2 9\nv 9 0.2 9\nf 1 3 2\nf 2 3 4\n";
    std::fs::write(&file, slope).unwrap();
    let ground = format!("triangle_meshes: [{{ file: {}, friction: 0.5 }}]", file.display());
    let scene = scene(&JOB.replace("planes: [{ friction: 0.5 }]", &ground));
    let (mut with, mut without) = (on_card(&scene), Run::of(scene.clone()));
    let proofs = cuda.runs();
    for step in 0..30 {
        with.steps(1);
        without.steps(1);
        assert_eq!(states(&with), states(&without), "step {step}");
    }
    assert!(cuda.runs() > proofs + 60, "a kernel that looks for triangles runs before each that steps");
    assert!(without.velocity(0)[1].abs() < 0.5, "the slope holds the bodies: {:?}", without.velocity(0));
}

#[test]
fn a_card_that_fails_in_mid_run_is_done_without() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = &jobs()[0];
    let mut without = Run::of(scene.clone());
    without.finish();
    // Two kernels prove themselves; what fails then is at first the second form of a step, later the first.
    for good in 0..6 {
        let mut with = on_card(scene);
        cuda.reset(Behaviour { good, ..Behaviour::default() });
        with.finish();
        assert!(with.engine.card().is_none(), "it has failed after {good} kernels");
        assert_eq!(states(&with), states(&without), "{good}");
        cuda.reset(Behaviour::default());
    }
}

#[test]
fn ranks_with_cards_and_ranks_without_have_one_digest_and_batches_move_between_them() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let kernels = kernels();
    let scene = scene(&format!("{JOB}batches: {{ bodies: 1 }}\n"));
    let alone = digest(&scene, &Spread { ranks: 1, ..Default::default() });
    // Rank 2 has no card; a batch goes there from rank 0, and another back.
    let moves = [(8, 0, Rank(2)), (14, 0, Rank(1)), (20, 2, Rank(0))];
    let moves = moves.map(|(step, batch, to)| (step, Move { batch, to })).to_vec();
    let spread = Spread { ranks: 3, owners: Vec::new(), moves };
    let mixed = digest_of(&scene, &spread, move |engine| {
        if engine.rank() != Rank(2) {
            let card = CardCrew::new(kernels.clone(), engine.scene()).unwrap();
            engine.use_card(card).unwrap();
        }
    });
    assert_eq!(mixed, alone);
    assert!(cuda.runs() > 20, "{} kernels", cuda.runs());
}

/// Runs the program on one rank.
fn rankzero(folder: &Path, arguments: &[&str], library_path: Option<&Path>) -> Output {
    let job = folder.join("job.yaml");
    std::fs::write(&job, JOB).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rankzero"));
    command.arg("run").arg(&job).args(["--set", "time.steps=3", "--threads", "1"]).args(arguments);
    command.arg("--run-dir").arg(folder.join("run")).env("RANKZERO_CACHE_DIR", folder.join("cache"));
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    command.output().unwrap()
}

fn digest_in(folder: &Path) -> String {
    let summary = std::fs::read_to_string(folder.join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    summary["digest"].as_str().unwrap().to_owned()
}

#[test]
fn the_program_finds_the_card_compiles_for_it_and_says_so() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let with = rankzero(folders[0].path(), &["--device", "gpu"], Some(libraries()));
    let words = String::from_utf8_lossy(&with.stderr).into_owned() + &String::from_utf8_lossy(&with.stdout);
    assert!(with.status.success() && words.contains("on emulated device and the CPU"), "{words}");
    assert!(!words.contains("computes on the processor"), "{words}");
    assert_eq!(std::fs::read_dir(folders[0].path().join("cache/kernels")).unwrap().count(), 5, "five units are kept");
    let without = rankzero(folders[1].path(), &["--device", "cpu"], Some(libraries()));
    let words = String::from_utf8_lossy(&without.stderr).into_owned() + &String::from_utf8_lossy(&without.stdout);
    assert!(without.status.success() && words.contains("on the CPU ("), "{words}");
    assert_eq!(digest_in(folders[0].path()), digest_in(folders[1].path()));
}

#[test]
fn a_gpu_that_is_asked_for_and_not_there_is_an_error_in_words() {
    // Where there is one, there is nothing to refuse.
    if !Path::new("/dev/nvidiactl").exists() {
        let folder = tempfile::tempdir().unwrap();
        let refused = rankzero(folder.path(), &["--device", "gpu"], None);
        let words = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3), "{words}");
        assert!(words.contains("--device gpu") && words.contains("NVIDIA driver"), "{words}");
    }
}
