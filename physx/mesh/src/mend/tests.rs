//! What mending repairs, and what it refuses with which words.

use super::*;
use crate::{SurfaceMesh, TetMesh, primitives};

fn cube() -> SurfaceMesh {
    let mesh = primitives::boxed([1.0; 3], [4; 3]).unwrap();
    let mut cube = SurfaceMesh { points: mesh.points.clone(), triangles: mesh.boundary() };
    compact(&mut cube.points, &mut cube.triangles);
    cube
}

fn moved(mesh: &SurfaceMesh, by: f32) -> SurfaceMesh {
    let mut out = mesh.clone();
    out.translate([by, by * 0.5, by * 0.25]);
    out
}

fn joined(a: &SurfaceMesh, b: &SurfaceMesh) -> SurfaceMesh {
    let base = a.points.len() as u32;
    let mut out = a.clone();
    out.points.extend_from_slice(&b.points);
    out.triangles.extend(b.triangles.iter().map(|t| t.map(|i| i + base)));
    out
}

fn soup(mesh: &SurfaceMesh) -> SurfaceMesh {
    SurfaceMesh {
        points: mesh.triangles.iter().flatten().map(|&i| mesh.points[i as usize]).collect(),
        triangles: (0..mesh.triangles.len() as u32).map(|i| [3 * i, 3 * i + 1, 3 * i + 2]).collect(),
    }
}

fn assert_mends(mesh: SurfaceMesh, volume: f64, note: &str) {
    let (mended, notes) = surface(mesh).unwrap();
    assert!(is_closed(&mended.triangles));
    assert!((mended.volume() - volume).abs() < 1e-5, "volume {}", mended.volume());
    assert!(notes.iter().any(|n| n.contains(note)), "{notes:?} lacks {note:?}");
    assert_eq!(
        surface(mended.clone()).unwrap(),
        (mended, notes.into_iter().filter(|n| n.contains("pieces")).collect())
    );
}

#[test]
fn a_sound_surface_stays_as_it_is() {
    assert_eq!(surface(cube()).unwrap(), (cube(), vec![]));
}

#[test]
fn small_defects_are_mended_and_noted() {
    assert_mends(soup(&cube()), 1.0, "welded");
    let mut inside_out = cube();
    inside_out.triangles.iter_mut().for_each(|t| t.swap(0, 1));
    assert_mends(inside_out, 1.0, "turned 1 inside-out piece");
    let mut mixed = cube();
    mixed.triangles.iter_mut().step_by(3).for_each(|t| t.swap(0, 1));
    assert_mends(mixed, 1.0, "agree with their neighbours");
    let mut holed = cube();
    holed.triangles.drain(10..12);
    assert_mends(holed, 1.0, "closed");
    let mut littered = cube();
    littered.points.push([9.0; 3]);
    littered.triangles.push([1, 1, 2]);
    assert_mends(littered.clone(), 1.0, "unused");
    assert_mends(littered, 1.0, "equal corners");
    let mut doubled = cube();
    doubled.triangles.push(doubled.triangles[3]);
    assert_mends(doubled, 1.0, "doubled");
    assert_mends(joined(&cube(), &moved(&cube(), 3.0)), 2.0, "2 separate pieces");
}

#[test]
fn a_cavity_keeps_its_sign() {
    let mut inner = cube();
    inner.scale(0.5);
    assert_mends(joined(&cube(), &inner), 1.0 - 0.125, "turned 1 inside-out");
}

#[test]
fn a_flat_triangle_is_flipped_away() {
    // Split an edge on one side only: the tip of the flat triangle lies on the longest side of its neighbour.
    let mut mesh = cube();
    let [a, b, c] = mesh.triangles[0];
    let mid = mesh.points.len() as u32;
    let (pa, pb) = (mesh.points[a as usize], mesh.points[b as usize]);
    mesh.points.push(std::array::from_fn(|k| 0.5 * (pa[k] + pb[k])));
    mesh.triangles[0] = [mid, b, c];
    mesh.triangles.push([a, mid, c]);
    // The slit a–mid–b is closed by a flat triangle, as exporters do.
    mesh.triangles.push([a, b, mid]);
    assert_mends(mesh, 1.0, "flipped");
}

#[test]
fn bad_surfaces_are_refused_with_the_reason() {
    let broken = |change: &dyn Fn(&mut SurfaceMesh)| {
        let mut mesh = cube();
        change(&mut mesh);
        mesh
    };
    let cases: Vec<(SurfaceMesh, &str)> = vec![
        (SurfaceMesh::default(), "no triangles"),
        (SurfaceMesh { points: vec![], triangles: vec![[0, 1, 2]] }, "no points"),
        (broken(&|m| m.points[7][1] = f32::NAN), "point 7 has a coordinate that is not finite"),
        (broken(&|m| m.points[2][0] = f32::NEG_INFINITY), "point 2"),
        (broken(&|m| m.triangles[5][2] = 999), "triangle 5 refers to point 999, but there are"),
        (broken(&|m| m.triangles.iter_mut().for_each(|t| *t = [t[0]; 3])), "equal corners"),
        (broken(&|m| m.triangles.truncate(80)), "open"),
        (broken(&|m| m.points.iter_mut().for_each(|p| p[2] = 0.0)), "welded"),
        (broken(&|m| m.scale(1e-12)), "vanish"),
        (broken(&|m| m.translate([1e8; 3])), "far from the origin"),
        (broken(&|m| m.scale(1e12)), "1e9"),
        (joined(&cube(), &moved(&cube(), 0.3)), "intersects itself"),
        (
            broken(&|m| {
                m.points.push([3.0; 3]);
                let [a, b, _] = m.triangles[0];
                m.triangles.push([a, b, m.points.len() as u32 - 1]);
            }),
            "3 triangles share the edge",
        ),
        (
            SurfaceMesh { points: vec![[0., 0., 0.], [1., 0., 0.], [0., 1., 0.]], triangles: vec![[0, 1, 2]] },
            "a hole with 3 edges",
        ),
    ];
    for (mesh, expected) in cases {
        let result = surface(mesh);
        let message = match result {
            Err(error) => error.to_string(),
            Ok((mesh, notes)) => panic!("expected {expected:?}, got {} triangles, {notes:?}", mesh.triangles.len()),
        };
        // Squashing the cube flat may fail in several ways; that it fails is the point.
        assert!(message.contains(expected) || expected == "welded", "{message:?} lacks {expected:?}");
    }
}

#[test]
fn a_moebius_band_is_refused() {
    let n = 12u32;
    let mut mesh = SurfaceMesh::default();
    for i in 0..n {
        let angle = std::f64::consts::TAU * f64::from(i) / f64::from(n);
        for side in [-0.3, 0.3] {
            let r = 1.0 + side * libm::cos(angle / 2.0);
            let point = [r * libm::cos(angle), side * libm::sin(angle / 2.0), r * libm::sin(angle)];
            mesh.points.push(point.map(|x| x as f32));
        }
    }
    for i in 0..n {
        let (a, b) = (2 * i, 2 * i + 1);
        let (c, d) = if i + 1 < n { (2 * i + 2, 2 * i + 3) } else { (1, 0) };
        mesh.triangles.extend([[a, b, c], [b, d, c]]);
    }
    assert!(surface(mesh).unwrap_err().to_string().contains("one side only"));
}

/// What the message says, and the change that brings it about.
type Case<'a> = (&'a str, &'a dyn Fn(&mut TetMesh));

#[test]
fn tetrahedra_are_mended_or_refused() {
    let sound = primitives::boxed([1.0; 3], [2; 3]).unwrap();
    let with = |change: &dyn Fn(&mut TetMesh)| {
        let mut mesh = sound.clone();
        change(&mut mesh);
        tets(mesh)
    };
    let repaired: [Case<'_>; 5] = [
        ("turned 40 inverted", &|m| m.tets.iter_mut().for_each(|t| t.swap(0, 1))),
        ("equal corners", &|m| m.tets.push([1, 1, 2, 3])),
        ("doubled", &|m| m.tets.push(m.tets[0])),
        ("unused", &|m| m.points.push([5.0; 3])),
        ("flat tetrahedra on the surface", &|m| {
            let base = m.points.len() as u32;
            m.points.extend([[2.0, 0.0, 0.0], [3.0, 0.0, 0.0], [2.0, 1.0, 0.0], [3.0, 1.0, 0.0]]);
            m.tets.push([base, base + 1, base + 2, base + 3]);
        }),
    ];
    for (note, change) in repaired {
        let (mesh, notes) = with(change).unwrap();
        assert!(notes.iter().any(|n| n.contains(note)), "{notes:?} lacks {note:?}");
        assert!((mesh.volume() - 1.0).abs() < 1e-6);
    }
    let refused: [Case<'_>; 4] = [
        ("no tetrahedra", &|m| m.tets.clear()),
        ("not finite", &|m| m.points[3][0] = f32::NAN),
        ("tetrahedron 4 refers to point 99", &|m| m.tets[4][1] = 99),
        ("share the face", &|m| {
            let [a, b, c, _] = m.tets[0];
            m.points.extend([[0.3, 2.0, 0.1], [0.2, -3.0, 0.2]]);
            let last = m.points.len() as u32;
            m.tets.extend([[a, b, c, last - 1], [a, b, c, last - 2]]);
        }),
    ];
    for (message, change) in refused {
        let error = with(change).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
    }
}
