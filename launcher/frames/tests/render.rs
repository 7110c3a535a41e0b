//! Pictures: deterministic, undisturbed by broken input, and of what was asked for.

mod scene;

use std::fs;
use std::path::{Path, PathBuf};

use rankzero_frames::{
    BodyLook, Camera, Collection, FrameChoice, FrameDir, FrameError, Image, Picture, RenderOptions, Stamp, Surface,
    View, render, render_run,
};

const SMALL: Picture = Picture { width: 96, height: 64, samples: 2 };

fn draw(pieces: &[&Surface], view: &View) -> Image {
    let camera = Camera::framing(pieces, view, SMALL.aspect());
    render(pieces, &camera, &SMALL).unwrap()
}

fn candy_scene() -> (Surface, Surface) {
    (scene::ground(8.0, 30).unwrap(), scene::bodies(20, 0.0).unwrap())
}

/// Share of pixels that differ.
fn difference(a: &Image, b: &Image) -> f64 {
    let differ = a.rgb.chunks(3).zip(b.rgb.chunks(3)).filter(|(x, y)| x != y).count();
    differ as f64 / (a.rgb.len() / 3) as f64
}

#[test]
fn a_scene_gives_the_same_bytes_with_any_number_of_threads() {
    let (ground, bodies) = candy_scene();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| draw(&[&ground, &bodies], &View::default()))
    };
    let (one, three) = (with(1), with(3));
    assert_eq!(one, three);
    // Changes with the renderer's looks; never with the machine.
    assert_eq!(blake3::hash(&one.rgb).to_hex()[..16], *"97aa1521d8102dda");
}

#[test]
fn bodies_and_ground_are_in_the_picture() {
    let (ground, bodies) = candy_scene();
    let view = View { eye: Some([0.0, -20.0, 9.0]), target: Some([0.0, 0.0, 1.0]), ..View::default() };
    let nothing = draw(&[], &view);
    let bare = draw(&[&ground], &view);
    let full = draw(&[&ground, &bodies], &view);
    assert!(difference(&nothing, &bare) > 0.3);
    assert!((0.03..0.6).contains(&difference(&bare, &full)));
}

#[test]
fn an_empty_scene_is_all_sky() {
    let image = draw(&[], &View::default());
    assert_eq!(image.rgb.len(), 96 * 64 * 3);
    let row = |y: usize| &image.rgb[y * 96 * 3..(y + 1) * 96 * 3];
    assert_ne!(row(0), row(63));
    assert_eq!(draw(&[&Surface::new()], &View::default()), image);
}

#[test]
fn triangles_that_are_not_finite_are_left_out() {
    let (ground, bodies) = candy_scene();
    let view = View { eye: Some([0.0, -20.0, 9.0]), target: Some([0.0, 0.0, 1.0]), ..View::default() };
    let mut broken = bodies.clone();
    for bad in [f32::NAN, f32::INFINITY, -f32::MAX] {
        let points = [bad, 0.0, 0.0, 0.0, bad, 0.0, bad, bad, bad];
        broken.append_body(&BodyLook::default(), &points, &[], &[[0, 1, 2]]).unwrap();
    }
    assert_eq!(draw(&[&ground, &broken], &view), draw(&[&ground, &bodies], &view));
    // Nor do they move the camera.
    let aspect = SMALL.aspect();
    let moved = Camera::framing(&[&ground, &broken], &View::default(), aspect);
    assert!(moved.eye.iter().chain(&moved.target).all(|x| x.abs() < 100.0), "{moved:?}");
    let mut all = bodies;
    all.points.fill(f32::NAN);
    assert_eq!(draw(&[&all], &view), draw(&[], &view));
}

#[test]
fn the_camera_frames_the_bodies_and_finds_what_is_up() {
    let (ground, bodies) = candy_scene();
    let camera = Camera::framing(&[&ground, &bodies], &View::default(), 1.5);
    assert_eq!(camera.up, [0.0, 0.0, 1.0]);
    // The same with y upwards.
    let turn = |mesh: &Surface| {
        let mut mesh = mesh.clone();
        for p in mesh.points.chunks_exact_mut(3) {
            (p[0], p[1], p[2]) = (p[1], p[2], p[0]);
        }
        mesh
    };
    let turned = Camera::framing(&[&turn(&ground), &turn(&bodies)], &View::default(), 1.5);
    assert_eq!(turned.up, [0.0, 1.0, 0.0]);
    assert!(turned.eye[1] > turned.target[1]);
}

#[test]
fn cameras_and_sizes_without_sense_are_refused() {
    let good = Camera::framing(&[], &View::default(), 1.0);
    let cameras = [
        Camera { eye: [f32::NAN; 3], ..good },
        Camera { target: [1e30, 0.0, 0.0], ..good },
        Camera { eye: good.target, ..good },
        Camera { fov_deg: 0.0, ..good },
        Camera { up: [0.0; 3], ..good },
        Camera { eye: [0.0, 0.0, 9.0], target: [0.0; 3], up: [0.0, 0.0, 1.0], ..good },
    ];
    for camera in cameras {
        assert!(matches!(render(&[], &camera, &SMALL), Err(FrameError::Option { .. })), "{camera:?}");
    }
    for (width, height, samples) in [(0, 100, 1), (100, 100_000, 1), (100, 100, 0), (100, 100, 9)] {
        let picture = Picture { width, height, samples };
        assert!(matches!(render(&[], &good, &picture), Err(FrameError::Option { .. })), "{picture:?}");
    }
}

#[test]
fn a_camera_inside_the_ground_still_draws() {
    let (ground, bodies) = candy_scene();
    let view =
        View { eye: Some([0.0, 0.0, 0.2]), target: Some([3.0, 1.0, 0.0]), fov_deg: Some(90.0), ..View::default() };
    assert_eq!(draw(&[&ground, &bodies], &view).rgb.len(), 96 * 64 * 3);
}

/// A run with frames of steps 0, 10 and 20, on two ranks.
fn run_of_three(folder: &Path) -> PathBuf {
    let dir = FrameDir::create(folder).unwrap();
    dir.write_static(&scene::ground(8.0, 20).unwrap()).unwrap();
    let mut collection = Collection::default();
    for step in [0, 10, 20] {
        let stamp = Stamp { step, time_s: step as f64 * 0.05 };
        dir.write_surface(stamp, 0, &scene::bodies(8, stamp.time_s).unwrap()).unwrap();
        dir.write_surface(stamp, 1, &Surface::new()).unwrap();
        collection.add_frame(stamp, &[0, 1], true);
    }
    dir.write_collection(&collection).unwrap();
    folder.to_owned()
}

fn options(frame: FrameChoice) -> RenderOptions {
    RenderOptions { frame, picture: Picture { samples: 1, ..SMALL }, ..RenderOptions::default() }
}

/// Width, height and number of frames of a PNG.
fn about(path: &Path) -> (u32, u32, u32) {
    let reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let info = reader.info();
    (info.width, info.height, info.animation_control.map_or(1, |a| a.num_frames))
}

#[test]
fn a_run_is_drawn_as_one_picture_as_a_series_and_as_an_animation() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_three(folder.path());
    let last = render_run(&run, &options(FrameChoice::Last)).unwrap();
    assert_eq!(last, [run.join("frame-000020.png")]);
    assert_eq!(about(&last[0]), (96, 64, 1));
    let out = Some(run.join("made/first.png"));
    let first = render_run(&run, &RenderOptions { out, ..options(FrameChoice::Step(0)) }).unwrap();
    assert_ne!(fs::read(&first[0]).unwrap(), fs::read(&last[0]).unwrap());
    let animation = render_run(&run, &options(FrameChoice::All)).unwrap();
    assert_eq!(about(&animation[0]), (96, 64, 3));
    let out = Some(run.join("series"));
    let series = render_run(&run, &RenderOptions { out, ..options(FrameChoice::All) }).unwrap();
    let names: Vec<_> = series.iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["000000.png", "000010.png", "000020.png"]);
}

#[test]
fn a_run_without_the_frame_asked_for_says_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let message = |options: &RenderOptions| render_run(folder.path(), options).unwrap_err().to_string();
    assert!(message(&options(FrameChoice::Last)).contains("no frames"));
    let run = run_of_three(folder.path());
    let error = message(&options(FrameChoice::Step(7)));
    assert!(error.ends_with("no frame of step 7; there are 3 frames: 0, 10, … 20"), "{error}");
    assert!(message(&RenderOptions { fps: 0, ..options(FrameChoice::All) }).contains("--fps"));
    let part = run.join("frames/000020.r001.vtp");
    fs::write(&part, &fs::read(&part).unwrap()[..700]).unwrap();
    let error = message(&options(FrameChoice::All));
    assert!(error.contains("000020.r001.vtp: torn frame"), "{error}");
    assert!(!run.join("animation.png").exists());
    fs::remove_file(&part).unwrap();
    assert!(message(&options(FrameChoice::Last)).contains("000020.r001.vtp: cannot open the file"));
}

#[test]
fn a_missing_run_is_named() {
    let error = render_run(Path::new("/no/such/run"), &RenderOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/run: cannot open the run directory"), "{error}");
}
