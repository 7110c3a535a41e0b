//! Height fields and triangle meshes.

use super::*;
use crate::ffi::foundation;
use crate::ffi::mesh::HeightField;

fn hills(rows: u32, columns: u32) -> Vec<f32> {
    (0..rows * columns)
        .map(|i| {
            let (r, c) = ((i / columns) as f32, (i % columns) as f32);
            0.3 * (r * 1.7 + c * 0.9) % 1.3 + 0.05 * r
        })
        .collect()
}

/// The documented surface, evaluated from its public description.
fn height_at(s: &HeightSurface, x: f32, z: f32) -> f32 {
    let (u, v) = ((x - s.origin[0]) / s.spacing[0], (z - s.origin[2]) / s.spacing[1]);
    let (r, c) = (u.floor(), v.floor());
    let (u, v) = (u - r, v - c);
    let h = |dr: usize, dc: usize| s.heights[(r as usize + dr) * s.columns as usize + c as usize + dc];
    let (h00, h10, h01, h11) = (h(0, 0), h(1, 0), h(0, 1), h(1, 1));
    let local = if u + v <= 1.0 {
        h00 + u * (h10 - h00) + v * (h01 - h00)
    } else {
        h11 + (1.0 - u) * (h01 - h11) + (1.0 - v) * (h10 - h11)
    };
    s.origin[1] + local
}

fn field(rows: u32, columns: u32, spacing: [f32; 2], origin: [f32; 3]) -> StaticDesc {
    let heights = hills(rows, columns);
    StaticDesc { shape: StaticShape::HeightField { rows, columns, spacing, origin, heights }, material: STONE }
}

#[test]
fn physx_reads_the_same_surface_as_the_description() -> Result<(), RigidError> {
    let (rows, columns) = (7, 5);
    let heights = hills(rows, columns);
    let (surface, samples) = HeightSurface::quantise(Item::Static(0), (rows, columns), [1.0, 1.0], [0.0; 3], &heights)?;
    let physx = foundation::ensure()?;
    let cooked = HeightField::new(physx, rows, columns, &samples)
        .map_err(|_| RigidError::refused(Item::Static(0), "height field", String::new()))?;
    for i in 0..600 {
        let (x, z) = (i as f32 * 0.00999, (i % 40) as f32 * 0.0999);
        let theirs = cooked.height(x, z) * surface.scale + surface.origin[1];
        let ours = height_at(&surface, x, z);
        assert!((theirs - ours).abs() < 1e-4, "at ({x}, {z}): {theirs} against {ours}");
    }
    Ok(())
}

#[test]
fn a_ball_lies_on_the_quantised_surface() -> Result<(), RigidError> {
    let terrain = field(8, 6, [1.5, 2.0], [-3.0, 10.0, 5.0]);
    let probe = RigidWorld::new(GRAVITY, DT, std::slice::from_ref(&terrain), &[])?;
    let Some(surface) = probe.height_surface(0).cloned() else {
        return Err(RigidError::Misuse { item: Item::Static(0), problem: "has no surface" });
    };
    let radius = 0.02;
    // Over the sample points and within cells: let each ball fall for a moment, and see where it first stops.
    for (x, z) in [(0.0, 9.0), (-1.2, 6.1), (-2.0, 7.5), (1.9, 10.2), (3.3, 12.9)] {
        let y = height_at(&surface, x, z) + radius + 0.01;
        let mut ball = dynamic(Shape::Sphere { radius }, [x, y, z]);
        ball.material = Material { static_friction: 5.0, dynamic_friction: 5.0, restitution: 0.0 };
        let rough = StaticDesc { material: ball.material, ..terrain.clone() };
        let mut world = RigidWorld::new(GRAVITY, 1e-3, &[rough], &[ball])?;
        steps(&mut world, 60)?;
        let p = world.states()[0].pose.p;
        let gap = p[1] - height_at(&surface, p[0], p[2]);
        // On a slope the vertical gap is radius / cos; none here is steeper than 60°.
        assert!(gap > radius * 0.98 && gap < radius * 2.0, "at ({x}, {z}) the ball is {gap} above");
    }
    Ok(())
}

#[test]
fn mesh_triangles_are_named_as_given_and_sorted() -> Result<(), RigidError> {
    let n = 40u32;
    let points: Vec<[f32; 3]> = (0..=n).flat_map(|r| (0..=n).map(move |c| [r as f32, 0.0, c as f32])).collect();
    let mut triangles = Vec::new();
    for r in 0..n {
        for c in 0..n {
            let at = |dr: u32, dc: u32| (r + dr) * (n + 1) + c + dc;
            triangles.push([at(0, 0), at(0, 1), at(1, 0)]);
            triangles.push([at(1, 0), at(0, 1), at(1, 1)]);
        }
    }
    let mesh = StaticDesc {
        shape: StaticShape::TriangleMesh { points: points.clone(), triangles: triangles.clone() },
        material: STONE,
    };
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground(), mesh], &[dynamic(cube(0.4), [9.5, 0.5, 9.5])])?;
    let mut found = vec![1];
    world.mesh_triangles(1, [3.1, -0.1, 4.1], [3.2, 0.1, 4.2], &mut found);
    assert_eq!(found, [2 * (3 * n + 4)]);
    world.mesh_triangles(1, [-1.0, -1.0, -1.0], [50.0, 1.0, 50.0], &mut found);
    assert_eq!(found, (0..2 * n * n).collect::<Vec<_>>());
    world.mesh_triangles(1, [0.0, 0.5, 0.0], [50.0, 1.0, 50.0], &mut found);
    assert!(found.is_empty());
    for not_a_mesh in [0, 9] {
        world.mesh_triangles(not_a_mesh, [-9.0; 3], [9.0; 3], &mut found);
        assert!(found.is_empty());
    }
    steps(&mut world, 120)?;
    assert!((world.states()[0].pose.p[1] - 0.4).abs() < 0.01, "the box lies on the mesh: {:?}", world.states());
    Ok(())
}
