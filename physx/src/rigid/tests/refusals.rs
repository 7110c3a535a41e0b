//! Bad input comes back as an error that names the item and the field; nothing panics.

use super::*;

const NAN: f32 = f32::NAN;

/// The words of the error, or an empty string if there was none.
fn refusal(statics: &[StaticDesc], rigids: &[RigidDesc]) -> String {
    RigidWorld::new(GRAVITY, DT, statics, rigids).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn bad_rigids_are_named() {
    let with = |change: &dyn Fn(&mut RigidDesc)| {
        let mut bad = dynamic(cube(0.5), [0.0; 3]);
        change(&mut bad);
        refusal(&[], &[dynamic(cube(0.5), [0.0; 3]), bad])
    };
    let shape = |shape: Shape| with(&|d| d.shape = shape.clone());
    let motion = |density, linear, angular| with(&|d| d.motion = Motion::Dynamic { density, linear, angular });
    let material =
        |s, d, r| with(&|desc| desc.material = Material { static_friction: s, dynamic_friction: d, restitution: r });
    let convex = |points: &[[f32; 3]]| shape(Shape::Convex { points: points.to_vec() });
    let line: Vec<_> = (0..9).map(|i| [i as f32, i as f32 * 2.0, 0.5]).collect();
    let sheet: Vec<_> = (0..16).map(|i| [(i % 4) as f32, (i / 4) as f32, (i % 4) as f32 * 0.5]).collect();
    let table = [
        ("half", shape(Shape::Box { half: [1.0, 0.0, 1.0] })),
        ("half", shape(Shape::Box { half: [1.0, -1.0, 1.0] })),
        ("half", shape(Shape::Box { half: [NAN, 1.0, 1.0] })),
        ("radius", shape(Shape::Sphere { radius: f32::INFINITY })),
        ("radius", shape(Shape::Capsule { radius: 0.0, half_height: 1.0 })),
        ("half_height", shape(Shape::Capsule { radius: 1.0, half_height: -1.0 })),
        ("points are 3", convex(&[[0.0; 3]; 3])),
        ("points all lie in one place", convex(&[[1.0; 3]; 9])),
        ("points lie on one line", convex(&line)),
        ("points lie in one plane", convex(&sheet)),
        ("points", convex(&[[0.0; 3], [NAN, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])),
        ("pose.p", with(&|d| d.pose.p[1] = NAN)),
        ("pose.p", with(&|d| d.pose.p[1] = 1e9)),
        ("pose.q", with(&|d| d.pose.q = [0.0; 4])),
        ("pose.q", with(&|d| d.pose.q[3] = f32::INFINITY)),
        ("density", motion(0.0, [0.0; 3], [0.0; 3])),
        ("density", motion(-1.0, [0.0; 3], [0.0; 3])),
        ("density", motion(NAN, [0.0; 3], [0.0; 3])),
        ("linear", motion(1.0, [NAN, 0.0, 0.0], [0.0; 3])),
        ("angular", motion(1.0, [0.0; 3], [0.0, f32::NEG_INFINITY, 0.0])),
        ("static_friction", material(-0.1, 0.5, 0.5)),
        ("dynamic_friction", material(0.5, NAN, 0.5)),
        ("restitution", material(0.5, 0.5, 1.5)),
    ];
    for (field, said) in table {
        assert!(said.starts_with("rigid 1: ") && said.contains(field), "wanted {field}, got: {said:?}");
    }
}

#[test]
fn bad_statics_are_named() {
    let with = |shape: StaticShape| refusal(&[ground(), StaticDesc { shape, material: STONE }], &[]);
    let plane = |normal, offset| with(StaticShape::Plane { normal, offset });
    let field = |rows, columns, spacing, heights: Vec<f32>| {
        with(StaticShape::HeightField { rows, columns, spacing, origin: [0.0; 3], heights })
    };
    let mesh = |points: &[[f32; 3]], triangles: &[[u32; 3]]| {
        with(StaticShape::TriangleMesh { points: points.to_vec(), triangles: triangles.to_vec() })
    };
    let corner = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    let table = [
        ("normal", plane([0.0; 3], 1.0)),
        ("normal", plane([NAN, 1.0, 0.0], 1.0)),
        ("offset", plane([0.0, 1.0, 0.0], f32::INFINITY)),
        ("rows, columns", field(1, 4, [1.0; 2], vec![0.0; 4])),
        ("heights has 5", field(2, 2, [1.0; 2], vec![0.0; 5])),
        ("heights [2]", field(2, 2, [1.0; 2], vec![0.0, 0.0, NAN, 0.0])),
        ("spacing", field(2, 2, [0.0, 1.0], vec![0.0; 4])),
        ("rows, columns", field(u32::MAX, u32::MAX, [1.0; 2], vec![])),
        ("triangles is empty", mesh(&corner, &[])),
        ("triangles [1] names point 3", mesh(&corner, &[[0, 2, 1], [0, 1, 3]])),
        ("triangles [0] [0, 1, 1] has no area", mesh(&corner, &[[0, 1, 1]])),
        ("points", mesh(&[[NAN; 3]; 3], &[[0, 1, 2]])),
    ];
    for (field, said) in table {
        assert!(said.starts_with("static 1: ") && said.contains(field), "wanted {field}, got: {said:?}");
    }
}

#[test]
fn a_bad_world_is_refused() {
    for (gravity, dt, field) in
        [([NAN; 3], DT, "gravity"), (GRAVITY, 0.0, "dt"), (GRAVITY, -1.0, "dt"), (GRAVITY, NAN, "dt")]
    {
        let said = RigidWorld::new(gravity, dt, &[], &[]).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(field), "{said}");
    }
}

#[test]
fn bad_calls_leave_the_world_as_it_was() -> Result<(), RigidError> {
    let scene = [dynamic(cube(0.5), [0.0, 3.0, 0.0]), kinematic(cube(0.5), [5.0, 0.5, 0.0])];
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &scene)?;
    let before = words(&world);
    let good = world.states().to_vec();
    let mut bad_states = vec![good[..1].to_vec()];
    for change in [
        (|s: &mut RigidState| s.pose.p[0] = NAN) as fn(&mut RigidState),
        |s| s.pose.q = [0.0, 0.0, 0.0, 2.0],
        |s| s.linear[2] = f32::INFINITY,
        |s| s.angular[2] = NAN,
        |s| s.wake_counter = -1.0,
    ] {
        let mut states = good.clone();
        change(&mut states[1]);
        bad_states.push(states);
    }
    for states in &bad_states {
        assert!(matches!(world.rebuild(states), Err(RigidError::Invalid { .. })));
    }
    assert!(world.set_kinematic_target(0, Pose::IDENTITY).is_err());
    assert!(world.set_kinematic_target(2, Pose::IDENTITY).is_err());
    assert!(world.set_kinematic_target(1, Pose::at([NAN; 3])).is_err());
    assert!(world.apply_impulse(1, [1.0; 3], [0.0; 3], true).is_err());
    assert!(world.apply_impulse(2, [1.0; 3], [0.0; 3], true).is_err());
    assert!(world.apply_impulse(0, [NAN; 3], [0.0; 3], true).is_err());
    assert!(world.apply_impulse(0, [0.0; 3], [f32::INFINITY, 0.0, 0.0], true).is_err());
    assert_eq!(words(&world), before);
    world.step()
}

#[test]
fn quaternions_are_normalised() -> Result<(), RigidError> {
    let mut desc = dynamic(cube(0.5), [0.0; 3]);
    desc.pose.q = [0.0, 3.0, 0.0, 4.0];
    let world = RigidWorld::new(GRAVITY, DT, &[], &[desc])?;
    assert_eq!(world.states()[0].pose.q, [0.0, 0.6, 0.0, 0.8]);
    Ok(())
}

#[test]
fn an_empty_world_steps() -> Result<(), RigidError> {
    let mut world = RigidWorld::new(GRAVITY, DT, &[], &[])?;
    world.step()?;
    world.rebuild(&[])?;
    assert!(world.is_empty() && world.states().is_empty());
    Ok(())
}
