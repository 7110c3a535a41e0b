//! Properties of the primitives: volume, orientation, conformity, shape, determinism, refusals.

use super::*;
use crate::{SurfaceMesh, quality};

/// Positive tetrahedra, and a closed surface in which every edge has exactly two triangles.
fn assert_sound(name: &str, mesh: &TetMesh) {
    assert!(quality(mesh).min_volume > 0.0, "{name}: inverted tetrahedra");
    let surface = SurfaceMesh { points: mesh.points.clone(), triangles: mesh.boundary() };
    assert!(crate::mend::is_closed(&surface.triangles), "{name}: the surface is not closed");
    assert!((surface.volume() / mesh.volume() - 1.0).abs() < 1e-5, "{name}: boundary does not enclose the body");
    let (mended, notes) = crate::mend::tets(mesh.clone()).unwrap();
    assert!(&mended == mesh && notes.is_empty(), "{name}: needed mending: {notes:?}");
}

#[test]
fn boxes_have_exact_volume_and_the_shape_of_their_cells() {
    for cells in [[1, 1, 1], [2, 3, 4], [8, 1, 5]] {
        let mesh = boxed([1.0, 2.0, 0.5], cells).unwrap();
        assert_sound("box", &mesh);
        assert_eq!(mesh.tets.len() as u32, 5 * cells.iter().product::<u32>());
        assert_eq!(mesh.points.len() as u32, cells.iter().map(|c| c + 1).product::<u32>());
        assert!((mesh.volume() - 1.0).abs() < 1e-6);
        assert_eq!(mesh.bounds(), Some(([-0.5, -1.0, -0.25], [0.5, 1.0, 0.25])));
    }
}

/// The corner tetrahedra of a cube of side a have altitude a/√3, the one between them is regular.
#[test]
fn cubic_cells_are_cut_into_one_regular_tetrahedron_and_four_corners() {
    let shape = quality(&boxed([1.0, 0.5, 0.75], [4, 2, 3]).unwrap());
    assert!((shape.min_altitude - 0.25 / 3f64.sqrt()).abs() < 1e-7);
    let cell = 0.25f64.powi(3);
    assert!((shape.min_volume - cell / 6.0).abs() < 1e-9 && (shape.max_volume - cell / 3.0).abs() < 1e-9);
}

/// Every round body: name, mesh, exact volume, edge.
fn round_bodies() -> Vec<(String, TetMesh, f64, f64)> {
    let mut out = Vec::new();
    for cut in [1.0, 1.3, 2.0, 3.0, 4.3] {
        let edge = 0.5 / cut;
        let ball = 4.0 / 3.0 * PI * 0.125;
        let e = f64::from(edge);
        out.push((format!("sphere 0.5/{cut}"), sphere(0.5, edge).unwrap(), ball, e));
        let volume = ball + PI * 0.25 * 1.5;
        out.push((format!("capsule 0.5+0.75/{cut}"), capsule(0.5, 0.75, edge).unwrap(), volume, e));
        let volume = 2.0 * PI * PI * 1.2 * 0.25;
        if cut > 1.0 {
            out.push((format!("torus 1.2 0.5/{cut}"), torus(1.2, 0.5, edge).unwrap(), volume, e));
        }
    }
    out
}

#[test]
fn round_bodies_are_sound_well_shaped_and_fill_their_volume() {
    for (name, mesh, exact, edge) in round_bodies() {
        assert_sound(&name, &mesh);
        let q = quality(&mesh);
        let deficit = 1.0 - mesh.volume() / exact;
        eprintln!(
            "{name}: {} nodes {} tets, altitude min {:.3} mean {:.3} edges, shape {:.3}, volume −{:.2} %",
            q.nodes,
            q.tets,
            q.min_altitude / edge,
            q.mean_altitude / edge,
            q.min_shape,
            100.0 * deficit
        );
        // A chord of length e on radius r leaves out about (e / r)² / 4 of the volume.
        assert!((0.0..0.05 + 0.4 * (edge / 0.5) * (edge / 0.5)).contains(&deficit), "{name}: volume off by {deficit}");
        assert!(q.min_altitude > 0.2 * edge, "{name}: altitude {} of edge {edge}", q.min_altitude);
    }
}

#[test]
fn primitives_are_deterministic() {
    assert!(sphere(0.5, 0.1).unwrap() == sphere(0.5, 0.1).unwrap());
    assert!(torus(1.0, 0.3, 0.1).unwrap() == torus(1.0, 0.3, 0.1).unwrap());
}

#[test]
fn impossible_sizes_are_refused_with_the_parameter_and_a_remedy() {
    let cases: [(&str, Result<TetMesh, MeshError>); 12] = [
        ("size along y is NaN", boxed([1.0, f32::NAN, 1.0], [1; 3])),
        ("0 cells along z", boxed([1.0; 3], [1, 1, 0])),
        ("over the limit", boxed([1.0; 3], [u32::MAX; 3])),
        ("over the limit", boxed([1.0; 3], [1000; 3])),
        ("radius is -1", sphere(-1.0, 0.1)),
        ("edge is 0", sphere(1.0, 0.0)),
        ("longer than the radius", sphere(1.0, 1.5)),
        ("over the limit", sphere(1e5, 1e-5)),
        ("leaves no hole", torus(0.5, 0.5, 0.1)),
        ("minor radius is inf", torus(0.5, f32::INFINITY, 0.1)),
        ("half height is -0.5", capsule(0.5, -0.5, 0.1)),
        ("edge is NaN", capsule(0.5, 0.5, f32::NAN)),
    ];
    for (expected, result) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}
