//! Cooking of real meshes and of bad ones, and the cache under attack.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rankzero_mesh::{MeshFile, Quality, primitives, quality, read};

use super::*;

fn hull(mesh: &TetMesh) -> SurfaceMesh {
    mend::surface(SurfaceMesh { points: mesh.points.clone(), triangles: mesh.boundary() }).unwrap().0
}

fn ball() -> SurfaceMesh {
    hull(&primitives::sphere(0.5, 0.15).unwrap())
}

/// Every skin point is where its weights put it.
fn assert_rides(cooked: &CookedMesh, surface: &SurfaceMesh) {
    let skin = cooked.skin.as_ref().unwrap();
    assert_eq!(skin.embedding.len(), surface.points.len());
    let extent = quality(&cooked.tets).max_edge as f32;
    for ((tet, weights), p) in skin.embedding.iter().zip(&surface.points) {
        for (axis, at) in p.iter().enumerate() {
            let corner = |k: usize| cooked.tets.points[cooked.tets.tets[*tet as usize][k] as usize][axis];
            let x: f32 = (0..4).map(|k| weights[k] * corner(k)).sum();
            assert!((x - at).abs() < 1e-3 * extent, "{x} is not {at}");
        }
        assert!(weights.iter().all(|w| *w > -0.01), "a point outside its voxels: {weights:?}");
    }
}

#[test]
fn a_box_and_a_ball_cook_both_ways_and_keep_their_volume() {
    for surface in [hull(&primitives::boxed([1.0; 3], [3; 3]).unwrap()), ball()] {
        let exact = surface.volume();
        let cooked = cook_surface(surface.clone(), Tetrahedralizer::Conforming).unwrap();
        assert!((cooked.tets.volume() / exact - 1.0).abs() < 1e-4);
        assert!(cooked.skin.is_none());
        let cooked = cook_surface(surface.clone(), Tetrahedralizer::Voxel { resolution: 8 }).unwrap();
        assert!(cooked.tets.volume() >= exact * 0.999);
        assert_rides(&cooked, &surface);
    }
}

/// The folder with the test meshes; `None`, loudly, where there is none.
fn meshes() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/meshes");
    let folder = std::env::var_os("RANKZERO_TEST_MESHES").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no test meshes in {}; set RANKZERO_TEST_MESHES", folder.display());
    None
}

fn load(path: &Path) -> SurfaceMesh {
    match read(path).unwrap() {
        MeshFile::Surface(mesh) => mesh,
        MeshFile::Tet(_) => panic!("expected a surface"),
    }
}

fn show(name: &str, q: &Quality, since: Instant) {
    eprintln!(
        "{name}: {} nodes {} tets, altitude min {:.2e} mean {:.2e}, shape {:.1e}, {:.0} ms",
        q.nodes,
        q.tets,
        q.min_altitude,
        q.mean_altitude,
        q.min_shape,
        since.elapsed().as_secs_f64() * 1e3
    );
}

#[test]
fn spot_cooks_both_ways_and_twice_to_the_same_bytes() {
    let Some(folder) = meshes() else { return };
    let surface = load(&folder.join("spot.obj"));
    for how in [
        Tetrahedralizer::Conforming,
        Tetrahedralizer::Voxel { resolution: 10 },
        Tetrahedralizer::Voxel { resolution: 30 },
    ] {
        let start = Instant::now();
        let cooked = cook_surface(surface.clone(), how).unwrap();
        show(&format!("spot {how} {:?}", cooked.notes), &quality(&cooked.tets), start);
        assert_eq!(cooked.to_bytes(), cook_surface(surface.clone(), how).unwrap().to_bytes());
        if how != Tetrahedralizer::Conforming {
            assert_rides(&cooked, &mend::surface(surface.clone()).unwrap().0);
        }
    }
}

#[test]
fn the_bunny_is_mended_or_refused_in_clear_words() {
    let Some(folder) = meshes() else { return };
    let start = Instant::now();
    match cook_surface(load(&folder.join("stanford-bunny.obj")), Tetrahedralizer::Voxel { resolution: 20 }) {
        Ok(cooked) => {
            show(&format!("bunny {:?}", cooked.notes), &quality(&cooked.tets), start);
            assert!(!cooked.notes.is_empty(), "the bunny has holes");
        }
        Err(error) => eprintln!("bunny refused after {:.0} ms: {error}", start.elapsed().as_secs_f64() * 1e3),
    }
}

#[test]
fn bad_requests_are_refused_before_physx_sees_them() {
    let flat = SurfaceMesh { points: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], triangles: vec![[0, 1, 2]] };
    let message = cook_surface(flat, Tetrahedralizer::Conforming).unwrap_err().to_string();
    assert!(message.contains("open"), "{message}");
    for resolution in [0, 257, u32::MAX] {
        let message = cook_surface(ball(), Tetrahedralizer::Voxel { resolution }).unwrap_err().to_string();
        assert!(message.contains("resolution") && message.contains("try"), "{message}");
    }
    assert!(cook_tets(TetMesh::default()).unwrap_err().to_string().contains("no tetrahedra"));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut surface = ball();
        surface.points[3][1] = bad;
        assert!(cook_surface(surface, Tetrahedralizer::Conforming).is_err());
    }
}

/// Shapes that are hard on a mesher: PhysX may fail on them, in words, but must neither crash nor return rubbish.
#[test]
fn hard_shapes_are_cooked_or_refused() {
    let shaped = |change: &dyn Fn([f32; 3]) -> [f32; 3]| {
        let mut surface = ball();
        surface.points.iter_mut().for_each(|p| *p = change(*p));
        surface
    };
    let joined = |mut a: SurfaceMesh, b: SurfaceMesh| {
        let base = a.points.len() as u32;
        a.points.extend(b.points);
        a.triangles.extend(b.triangles.iter().map(|t| t.map(|i| i + base)));
        a
    };
    let torus = |edge| hull(&primitives::torus(1.0, 0.3, edge).unwrap());
    let cases: Vec<(&str, SurfaceMesh)> = vec![
        ("tiny", shaped(&|p| p.map(|x| x * 1e-4))),
        ("huge", shaped(&|p| p.map(|x| x * 1e5))),
        ("needle", shaped(&|[x, y, z]| [x * 100.0, y, z])),
        ("pancake", shaped(&|[x, y, z]| [x, y * 1e-3, z])),
        ("far away", shaped(&|p| p.map(|x| x + 5000.0))),
        ("spiky", shaped(&|p| p.map(|x| x * if p[0] > 0.3 { 4.0 } else { 1.0 }))),
        ("torus", torus(0.2)),
        ("two pieces", joined(ball(), shaped(&|[x, y, z]| [x + 3.0, y, z]))),
        ("linked", joined(torus(0.2), shaped(&|[x, y, z]| [x + 1.0, y * 0.4, z * 0.4]))),
        ("cavity", joined(ball(), shaped(&|p| p.map(|x| x * 0.5)))),
        ("coarse", hull(&primitives::boxed([1.0; 3], [1; 3]).unwrap())),
    ];
    for (name, surface) in cases {
        for how in [
            Tetrahedralizer::Conforming,
            Tetrahedralizer::Voxel { resolution: 1 },
            Tetrahedralizer::Voxel { resolution: 9 },
        ] {
            match cook_surface(surface.clone(), how) {
                Ok(cooked) => {
                    let exact = mend::surface(surface.clone()).unwrap().0.volume();
                    assert!(cooked.tets.volume() > 0.85 * exact, "{name}, {how}: part of it is lost");
                    assert!(quality(&cooked.tets).min_volume > 0.0);
                    eprintln!("{name}, {how}: {} tets {:?}", cooked.tets.tets.len(), cooked.notes);
                }
                Err(error) => {
                    assert!(error.to_string().contains("; "), "no remedy: {error}");
                    eprintln!("{name}, {how}: {error}");
                }
            }
        }
    }
}

fn small() -> CookedMesh {
    cook_tets(primitives::boxed([1.0; 3], [1; 3]).unwrap()).unwrap()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_cache_cooks_once_and_keys_everything_that_matters() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("made/on/demand"));
    let key = CacheKey::new(b"input", None, b"scale 1");
    let cooked = AtomicUsize::new(0);
    let cook = || -> Result<_, CookError> {
        cooked.fetch_add(1, Ordering::Relaxed);
        Ok(small())
    };
    for _ in 0..3 {
        assert_eq!(cache.get_or_cook(key, cook).unwrap(), small());
    }
    assert_eq!(cooked.load(Ordering::Relaxed), 1);
    let voxel = |resolution| Some(Tetrahedralizer::Voxel { resolution });
    let keys = [
        CacheKey::new(b"input", None, b"scale 1"),
        CacheKey::new(b"input2", None, b"scale 1"),
        CacheKey::new(b"input", None, b"scale 2"),
        CacheKey::new(b"inputs", None, b"cale 1"),
        CacheKey::new(b"input", Some(Tetrahedralizer::Conforming), b"scale 1"),
        CacheKey::new(b"input", voxel(1), b"scale 1"),
        CacheKey::new(b"input", voxel(2), b"scale 1"),
    ];
    for (i, a) in keys.iter().enumerate() {
        assert!(keys[..i].iter().all(|b| a != b));
    }
    assert_eq!(Cache::disabled().get_or_cook(key, cook).unwrap(), small());
    assert_eq!(cooked.load(Ordering::Relaxed), 2);
    let failed: Result<CookedMesh, &str> = cache.get_or_cook(keys[1], || Err("no"));
    assert_eq!(failed, Err("no"));
}

#[test]
fn torn_and_altered_entries_are_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path());
    let key = CacheKey::new(b"x", None, b"");
    let fresh = || -> Result<_, CookError> { Ok(small()) };
    cache.get_or_cook(key, fresh).unwrap();
    let path = entries(directory.path()).remove(0);
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [Vec::new(), good[..good.len() / 2].to_vec(), flipped, b"something else".to_vec()] {
        std::fs::write(&path, bad).unwrap();
        let mut rebuilt = false;
        let mesh: Result<_, CookError> = cache.get_or_cook(key, || {
            rebuilt = true;
            Ok(small())
        });
        assert_eq!(mesh.unwrap(), small());
        assert!(rebuilt);
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }
}

#[test]
fn many_at_once_agree_and_leave_one_entry() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for round in 0..8u8 {
                    let key = CacheKey::new(&[round], None, b"");
                    let mesh: Result<_, CookError> = cache.get_or_cook(key, || Ok(small()));
                    assert_eq!(mesh.unwrap(), small());
                }
            });
        }
    });
    let left = entries(directory.path());
    assert_eq!(left.len(), 8, "{left:?}");
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_but_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    // A file where the directory should be fails for every user; mode bits would not stop root. /proc takes no files.
    for bad in [file.join("cache"), file, PathBuf::from("/proc/rankzero")] {
        let mesh: Result<_, CookError> = Cache::new(bad).get_or_cook(CacheKey::new(b"x", None, b""), || Ok(small()));
        assert_eq!(mesh.unwrap(), small());
    }
}
