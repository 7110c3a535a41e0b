//! Falling, resting, sleeping, pushing, being hit.

use super::*;

#[test]
fn free_fall_is_the_symplectic_euler_sum() -> Result<(), RigidError> {
    let mut world = RigidWorld::new(GRAVITY, DT, &[], &[dynamic(Shape::Sphere { radius: 0.5 }, [0.0, 100.0, 0.0])])?;
    let (mut y, mut v) = (100.0f64, 0.0f64);
    for _ in 0..120 {
        world.step()?;
        v += f64::from(GRAVITY[1]) * f64::from(DT);
        y += v * f64::from(DT);
        let state = world.states()[0];
        assert!((f64::from(state.pose.p[1]) - y).abs() < 1e-3, "{} against {y}", state.pose.p[1]);
        assert!((f64::from(state.linear[1]) - v).abs() < 1e-4, "{} against {v}", state.linear[1]);
    }
    Ok(())
}

#[test]
fn a_box_comes_to_rest_on_a_plane_and_sleeps() -> Result<(), RigidError> {
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &[dynamic(cube(0.5), [0.0, 0.8, 0.0])])?;
    steps(&mut world, 300)?;
    let state = world.states()[0];
    assert!((state.pose.p[1] - 0.5).abs() < 5e-3, "{state:?}");
    assert!(state.asleep && state.wake_counter == 0.0, "{state:?}");
    assert_eq!((state.linear, state.angular), ([0.0; 3], [0.0; 3]));
    let before = words(&world);
    steps(&mut world, 10)?;
    assert_eq!(words(&world), before, "a sleeping body does not move a bit");
    Ok(())
}

#[test]
fn a_tilted_plane_off_the_origin_holds_where_it_says() -> Result<(), RigidError> {
    let mut steep = ground();
    // Gravity along the normal, so that the ball stays where it lands: n · x = 2.
    steep.shape = StaticShape::Plane { normal: [3.0, 4.0, 0.0], offset: 10.0 };
    let gravity = [-6.0, -8.0, 0.0];
    let ball = dynamic(Shape::Sphere { radius: 0.25 }, [3.0, 2.0, 1.0]);
    let mut world = RigidWorld::new(gravity, DT, &[steep], &[ball])?;
    steps(&mut world, 240)?;
    let p = world.states()[0].pose.p;
    assert!((0.6 * p[0] + 0.8 * p[1] - 2.25).abs() < 5e-3, "{p:?}");
    Ok(())
}

#[test]
fn a_stack_of_ten_stands_and_sleeps() -> Result<(), RigidError> {
    let boxes: Vec<_> = (0..10).map(|i| dynamic(cube(0.5), [0.0, 0.5 + i as f32, 0.0])).collect();
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &boxes)?;
    steps(&mut world, 600)?;
    for (i, state) in world.states().iter().enumerate() {
        let p = state.pose.p;
        assert!(p[0].abs() < 0.05 && p[2].abs() < 0.05, "box {i} wandered to {p:?}");
        assert!((p[1] - 0.5 - i as f32).abs() < 0.05, "box {i} is at {p:?}");
        assert!(state.asleep, "box {i} rests");
    }
    Ok(())
}

#[test]
fn a_kinematic_goes_to_its_target_and_pushes() -> Result<(), RigidError> {
    let scene = [dynamic(cube(0.5), [0.0, 0.5, 0.0]), kinematic(cube(0.5), [-1.5, 0.5, 0.0])];
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &scene)?;
    for step in 1..=120 {
        let x = -1.5 + step as f32 * 0.02;
        world.set_kinematic_target(1, Pose::at([x, 0.5, 0.0]))?;
        world.step()?;
        assert!((world.states()[1].pose.p[0] - x).abs() < 1e-6);
    }
    let (pushed, pusher) = (world.states()[0], world.states()[1]);
    assert!((pusher.pose.p[0] - 0.9).abs() < 1e-4, "{pusher:?}");
    assert!((pushed.pose.p[0] - 1.9).abs() < 0.05, "{pushed:?}");
    assert!((pusher.linear[0] - 1.2).abs() < 1e-3, "{pusher:?}");
    world.step()?;
    assert_eq!(world.states()[1].pose, pusher.pose, "without a target it stays");
    assert_eq!(world.mass_properties()[1].inv_mass, 0.0);
    Ok(())
}

#[test]
fn an_impulse_changes_velocity_by_p_over_m_and_spin_by_inertia() -> Result<(), RigidError> {
    let half = [0.5, 1.0, 0.25];
    let mass = 1000.0 * 8.0 * half[0] * half[1] * half[2];
    let mut desc = dynamic(Shape::Box { half }, [0.0; 3]);
    // A quarter turn about z: the body's x axis is the world's y.
    desc.pose.q = [0.0, 0.0, 0.5f32.sqrt(), 0.5f32.sqrt()];
    let mut world = RigidWorld::new([0.0; 3], DT, &[], &[desc])?;
    assert!((world.mass_properties()[0].inv_mass * mass - 1.0).abs() < 1e-5);
    world.apply_impulse(0, [mass, 0.0, -2.0 * mass], [0.0, 10.0, 0.0], true)?;
    let state = world.states()[0];
    assert!((state.linear[0] - 1.0).abs() < 1e-5 && (state.linear[2] + 2.0).abs() < 1e-5, "{state:?}");
    let about_own_x = mass / 3.0 * (half[1] * half[1] + half[2] * half[2]);
    assert!((state.angular[1] * about_own_x / 10.0 - 1.0).abs() < 1e-4, "{state:?}");
    assert!(state.angular[0].abs() < 1e-6 && state.angular[2].abs() < 1e-6, "{state:?}");
    let before = state.pose.p;
    world.step()?;
    assert!((world.states()[0].pose.p[0] - before[0] - DT).abs() < 1e-6, "PhysX moves with it");
    Ok(())
}

#[test]
fn an_impulse_off_the_origin_of_a_hull_turns_it_about_its_centre_of_mass() -> Result<(), RigidError> {
    let corner: Vec<[f32; 3]> =
        (0..8).map(|i| [(i & 1) as f32, ((i >> 1) & 1) as f32, ((i >> 2) & 1) as f32]).collect();
    let mut world = RigidWorld::new([0.0; 3], DT, &[], &[dynamic(Shape::Convex { points: corner }, [0.0; 3])])?;
    let mass = world.mass_properties()[0];
    for axis in 0..3 {
        assert!((mass.mass_pose.p[axis] - 0.5).abs() < 1e-4, "{mass:?}");
        assert!((mass.inv_inertia[axis] * 1000.0 / 6.0 - 1.0).abs() < 1e-3, "{mass:?}");
    }
    world.apply_impulse(0, [0.0; 3], [0.0, 0.0, 100.0], true)?;
    steps(&mut world, 30)?;
    let pose = world.states()[0].pose;
    let (s, c) = (2.0 * pose.q[2] * pose.q[3], 1.0 - 2.0 * pose.q[2] * pose.q[2]);
    let centre = [pose.p[0] + 0.5 * c - 0.5 * s, pose.p[1] + 0.5 * s + 0.5 * c];
    assert!(s > 0.1, "it turned: {pose:?}");
    assert!((centre[0] - 0.5).abs() < 1e-3 && (centre[1] - 0.5).abs() < 1e-3, "{centre:?}");
    Ok(())
}

#[test]
fn a_sleeper_wakes_only_when_asked_to() -> Result<(), RigidError> {
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &[dynamic(cube(0.5), [0.0, 0.5, 0.0])])?;
    steps(&mut world, 120)?;
    assert!(world.states()[0].asleep);
    let asleep = words(&world);
    world.apply_impulse(0, [500.0, 0.0, 0.0], [0.0; 3], false)?;
    assert_eq!(words(&world), asleep, "not woken: the impulse goes into the supports");
    world.apply_impulse(0, [2000.0, 0.0, 0.0], [0.0; 3], true)?;
    let state = world.states()[0];
    assert!(!state.asleep && state.wake_counter > 0.3 && state.linear[0] > 1.9, "{state:?}");
    let rest = state.wake_counter;
    world.step()?;
    let state = world.states()[0];
    world.apply_impulse(0, [1.0, 0.0, 0.0], [0.0; 3], false)?;
    assert!(world.states()[0].wake_counter == state.wake_counter && state.wake_counter <= rest);
    assert!(state.pose.p[0] > 0.01, "{state:?}");
    Ok(())
}

#[test]
fn the_floating_point_environment_survives_physx() -> Result<(), RigidError> {
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &[dynamic(cube(0.5), [0.0, 0.5, 0.0])])?;
    assert_float_environment();
    world.step()?;
    assert_float_environment();
    world.overlap([-1.0; 3], [1.0; 3], &mut Vec::new());
    assert_float_environment();
    let states = world.states().to_vec();
    world.rebuild(&states)?;
    assert_float_environment();
    Ok(())
}
