//! Fields of boxes and balls against what their distances are.

use rankzero_mesh::{SurfaceMesh, TetMesh, primitives};

use super::*;

/// Half edges of the box.
const HALF: [f32; 3] = [0.5, 0.35, 0.25];

fn boundary(mesh: TetMesh) -> SurfaceMesh {
    SurfaceMesh { triangles: mesh.boundary(), points: mesh.points }
}

fn boxed(half: [f32; 3]) -> SurfaceMesh {
    boundary(primitives::boxed(half.map(|h| 2.0 * h), [1; 3]).expect("a box"))
}

fn cooked(mesh: &SurfaceMesh) -> Result<Sdf, SdfError> {
    cook_sdf(&mesh.points, &mesh.triangles, &Resolution::default())
}

/// A turn about y by the angle of a 3-4-5 triangle, then as much about x.
fn turned([x, y, z]: [f32; 3]) -> [f32; 3] {
    let (x, z) = (0.8 * x + 0.6 * z, 0.8 * z - 0.6 * x);
    [x, 0.8 * y + 0.6 * z, 0.8 * z - 0.6 * y]
}

/// The inverse of [`turned`].
fn back([x, y, z]: [f32; 3]) -> [f32; 3] {
    let (y, z) = (0.8 * y - 0.6 * z, 0.8 * z + 0.6 * y);
    [0.8 * x - 0.6 * z, y, 0.8 * z + 0.6 * x]
}

/// Signed distance from the box, and how many of its planes are within `reach`.
fn from_box(half: [f32; 3], p: [f32; 3], reach: f32) -> (f32, usize) {
    let over: [f32; 3] = std::array::from_fn(|k| p[k].abs() - half[k]);
    let outside = over.map(|o| o.max(0.0));
    let length = outside.iter().map(|o| o * o).sum::<f32>().sqrt();
    let inside = over.iter().fold(f32::MIN, |a, &b| a.max(b)).min(0.0);
    (length + inside, over.iter().filter(|o| o.abs() < reach).count())
}

/// `count` points of a box with these half edges.
fn points(count: usize, half: [f32; 3]) -> Vec<[f32; 3]> {
    let mut seed = 3u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| half.map(|h| h * random())).collect()
}

/// Greatest errors, in spacings, within one spacing of the surface near 1, 2 and 3 planes of the box.
fn box_errors(sdf: &Sdf, into: impl Fn([f32; 3]) -> [f32; 3]) -> [f32; 3] {
    let mut worst = [0.0f32; 3];
    for p in points(1_000_000, HALF.map(|h| h + sdf.spacing)) {
        let (exact, planes) = from_box(HALF, p, 3.0 * sdf.spacing);
        let error = (sdf.at(into(p)) - exact).abs() / sdf.spacing;
        if exact.abs() < sdf.spacing {
            worst[planes - 1] = worst[planes - 1].max(error);
        }
    }
    worst
}

#[test]
fn a_box_is_exact_on_its_faces_and_rounded_at_its_edges() -> Result<(), SdfError> {
    let mesh = boxed(HALF);
    let sdf = cooked(&mesh)?;
    assert!((sdf.spacing - 1.0 / 64.0).abs() < 1e-6 && sdf.dims == [68, 48, 36], "{} {:?}", sdf.spacing, sdf.dims);
    let tilted = SurfaceMesh { points: mesh.points.iter().map(|&p| turned(p)).collect(), ..mesh };
    let tilted = cooked(&tilted)?;
    for (sdf, turned) in [(&sdf, false), (&tilted, true)] {
        let [face, edge, corner] = box_errors(sdf, |p| if turned { self::turned(p) } else { p });
        println!("errors in spacings: faces {face:.4}, edges {edge:.3}, corners {corner:.3}");
        assert!(face < 0.01 && edge < 0.36 && corner < 0.52, "turned {turned}: {face} {edge} {corner}");
        assert!(corner * sdf.spacing < 0.01, "more than 1 % of the longest side");
    }
    Ok(())
}

#[test]
fn the_sign_is_right_at_every_sample() -> Result<(), SdfError> {
    let mesh = boxed(HALF);
    let far = SurfaceMesh {
        points: mesh.points.iter().map(|&p| turned(p).map(|c| 900.0 + 3.0 * c)).collect(),
        triangles: mesh.triangles,
    };
    let sdf = cooked(&far)?;
    let [nx, ny, _] = sdf.dims;
    let mut inside = 0;
    for (i, &value) in sdf.values.iter().enumerate() {
        let at = [i % nx, i / nx % ny, i / (nx * ny)];
        let x: [f32; 3] = std::array::from_fn(|k| (sdf.origin[k] + at[k] as f32 * sdf.spacing - 900.0) / 3.0);
        let exact = 3.0 * from_box(HALF, back(x), 0.0).0;
        // A coordinate of 900 m has a last digit of 0.06 mm.
        assert!((value - exact).abs() < 3e-4, "sample {at:?} is {value}, not {exact}");
        inside += usize::from(value < 0.0);
    }
    let volume = inside as f32 * sdf.spacing.powi(3);
    assert!((volume / (27.0 * 8.0 * HALF.iter().product::<f32>()) - 1.0).abs() < 0.02);
    Ok(())
}

#[test]
fn a_ball_is_round_whatever_its_size() -> Result<(), SdfError> {
    let ball = boundary(primitives::sphere(0.5, 0.04).expect("a ball"));
    let coarse = Resolution { along: 32.0, along_most: 32.0, ..Resolution::default() };
    for scale in [1e-3, 1.0, 40.0] {
        let points: Vec<[f32; 3]> = ball.points.iter().map(|p| p.map(|x| x * scale)).collect();
        let sdf = cook_sdf(&points, &ball.triangles, &coarse)?;
        let radius = 0.5 * scale;
        // The triangles lie below the sphere by the square of their edge over 8 radii, at most.
        let sagitta = 0.05f32.powi(2) / 4.0 * scale;
        for p in self::points(20_000, [0.51 * scale; 3]) {
            let length = p.iter().map(|x| x * x).sum::<f32>().sqrt();
            let error = sdf.at(p) - (length - radius);
            if length > 0.3 * scale && length < 0.51 * scale {
                assert!(error > -0.05 * sdf.spacing && error < sagitta + 0.05 * sdf.spacing, "{p:?}: {error}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_field_is_the_same_every_time_and_on_every_thread() -> Result<(), SdfError> {
    let torus = boundary(primitives::torus(0.4, 0.15, 0.05).expect("a torus"));
    let bits = |sdf: Sdf| {
        (sdf.dims, sdf.origin.map(f32::to_bits), sdf.values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let first = bits(cooked(&torus)?);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..3).map(|_| s.spawn(|| cooked(&torus).map(bits))).collect();
        for thread in threads {
            assert!(thread.join().expect("a thread")? == first);
        }
        Ok(())
    })
}

#[test]
fn a_hollow_is_outside() -> Result<(), SdfError> {
    let (outer, inner) = (boxed([0.5; 3]), boxed([0.3; 3]));
    let count = outer.points.len() as u32;
    let inwards = inner.triangles.iter().map(|t| [t[0] + count, t[2] + count, t[1] + count]);
    let shell = SurfaceMesh {
        points: outer.points.iter().chain(&inner.points).copied().collect(),
        triangles: outer.triangles.iter().copied().chain(inwards).collect(),
    };
    let sdf = cooked(&shell)?;
    assert!(sdf.at([0.0; 3]) > 0.25 && sdf.at([0.4, 0.0, 0.1]) < -0.08 && sdf.at([0.0, 0.55, 0.0]) > 0.0);
    Ok(())
}

#[test]
fn thin_walls_are_resolved_or_refused() -> Result<(), SdfError> {
    let plate = boxed([0.5, 0.5, 0.01]);
    let sdf = cooked(&plate)?;
    assert!(sdf.at([0.1, 0.2, 0.0]) < -0.008, "{}", sdf.at([0.1, 0.2, 0.0]));
    assert!(sdf.values.len() <= Resolution::default().samples);
    let tilted: Vec<[f32; 3]> = plate.points.iter().map(|&p| turned(p)).collect();
    let coarse = Resolution { samples: 20_000, ..Resolution::default() };
    let said = cook_sdf(&tilted, &plate.triangles, &coarse).map(|sdf| sdf.dims).unwrap_err();
    assert!(matches!(said, SdfError::Thin { share, .. } if share > 0.1), "{said}");
    // Its box is thick, it is not: the spacing is halved until it shows.
    let fine = Resolution { samples: 8 << 20, ..Resolution::default() };
    let sdf = cook_sdf(&tilted, &plate.triangles, &fine)?;
    for p in [[0.1, 0.2, 0.0], [-0.4, 0.3, 0.0], [0.0; 3]] {
        assert!(sdf.at(turned(p)) < -0.003, "{p:?}: {}", sdf.at(turned(p)));
    }
    Ok(())
}

#[test]
fn what_has_no_inside_is_refused_with_the_reason() {
    let mesh = boxed(HALF);
    let said = |change: &dyn Fn(&mut SurfaceMesh)| {
        let mut mesh = mesh.clone();
        change(&mut mesh);
        cooked(&mesh).err().map(|e| e.to_string()).unwrap_or_default()
    };
    for (said, wanted) in [
        (said(&|m| m.triangles.clear()), "has no triangles"),
        (said(&|m| m.triangles[3][1] = 99), "triangle 3 has a corner that is missing"),
        (said(&|m| m.points[0][0] = f32::NAN), "a corner that is missing, not finite"),
        (said(&|m| m.triangles[5][1] = m.triangles[5][0]), "triangle 5 has no area"),
        (said(&|m| _ = m.triangles.pop()), "3 edges do not lie between exactly two triangles"),
        (said(&|m| m.triangles[2].swap(0, 1)), "3 edges do not lie between exactly two triangles"),
        (said(&|m| m.triangles.iter_mut().for_each(|t| t.swap(0, 1))), "turn its triangles"),
    ] {
        assert!(said.contains(wanted), "wanted {wanted}, got: {said:?}");
    }
    // As in STL files: every triangle has corners of its own.
    let corners = mesh.triangles.iter().flatten().map(|&i| mesh.points[i as usize]).collect();
    let triangles = (0..mesh.triangles.len() as u32).map(|t| [3 * t, 3 * t + 1, 3 * t + 2]).collect();
    assert!(cooked(&SurfaceMesh { points: corners, triangles }).is_ok());
}
