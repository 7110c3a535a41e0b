//! Overlaps and hulls.

use super::*;

#[test]
fn overlap_finds_all_and_only_what_meets_the_box_in_order() -> Result<(), RigidError> {
    let grid: Vec<_> = (0..400).rev().map(|i| dynamic(cube(0.4), [(i % 20) as f32, 0.0, (i / 20) as f32])).collect();
    let world = RigidWorld::new([0.0; 3], DT, &[ground()], &grid)?;
    let mut found = vec![7, 7];
    for (min, max) in [
        ([-0.1, -0.1, -0.1], [0.1, 0.1, 0.1]),
        ([-1.0, -1.0, -1.0], [30.0, 1.0, 30.0]),
        ([2.5, 0.0, 3.5], [9.5, 0.2, 4.5]),
        ([2.45, 0.0, 2.45], [2.55, 0.2, 2.55]),
        ([0.0, 3.0, 0.0], [20.0, 4.0, 20.0]),
    ] {
        world.overlap(min, max, &mut found);
        let meets = |d: &RigidDesc| (0..3).all(|a| d.pose.p[a] + 0.4 >= min[a] && d.pose.p[a] - 0.4 <= max[a]);
        let wanted: Vec<u32> = (0..400).filter(|&i| meets(&grid[i as usize])).collect();
        assert_eq!(found, wanted, "{min:?} to {max:?}");
    }
    Ok(())
}

#[test]
fn overlap_sees_kinematics_and_sleepers_where_they_are() -> Result<(), RigidError> {
    let scene = [dynamic(cube(0.5), [0.0, 0.5, 0.0]), kinematic(cube(0.5), [5.0, 0.5, 0.0])];
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &scene)?;
    steps(&mut world, 200)?;
    world.set_kinematic_target(1, Pose::at([1.2, 0.5, 0.0]))?;
    world.step()?;
    let mut found = Vec::new();
    world.overlap([-0.1, 0.0, -0.1], [1.0, 1.0, 0.1], &mut found);
    assert_eq!(found, [0, 1]);
    let saved = world.states().to_vec();
    world.rebuild(&saved)?;
    world.overlap([-0.1, 0.0, -0.1], [1.0, 1.0, 0.1], &mut found);
    assert_eq!(found, [0, 1]);
    world.overlap([4.6, 0.0, -0.1], [5.0, 1.0, 0.1], &mut found);
    assert!(found.is_empty());
    Ok(())
}

#[test]
fn overlap_of_nonsense_is_empty() -> Result<(), RigidError> {
    let world = RigidWorld::new(GRAVITY, DT, &[ground()], &[dynamic(cube(0.5), [0.0; 3])])?;
    let mut found = vec![3];
    world.overlap([f32::NAN, 0.0, 0.0], [1.0; 3], &mut found);
    assert!(found.is_empty());
    world.overlap([1.0; 3], [-1.0; 3], &mut found);
    assert!(found.is_empty());
    world.overlap([-1.0; 3], [f32::INFINITY; 3], &mut found);
    assert!(found.is_empty());
    world.overlap([0.1; 3], [0.1; 3], &mut found);
    assert_eq!(found, [0], "a point is a box");
    Ok(())
}

#[test]
fn many_threads_may_ask_at_once() -> Result<(), RigidError> {
    let grid: Vec<_> = (0..400).map(|i| dynamic(cube(0.4), [(i % 20) as f32, 0.0, (i / 20) as f32])).collect();
    let mut world = RigidWorld::new([0.0; 3], DT, &[], &grid)?;
    let ask = |world: &RigidWorld| {
        let mut all = Vec::new();
        let mut found = Vec::new();
        for i in 0..200 {
            let x = (i % 19) as f32;
            world.overlap([x, -1.0, x * 0.5], [x + 3.0, 1.0, x * 0.5 + 4.0], &mut found);
            all.push(found.clone());
        }
        all
    };
    for _ in 0..3 {
        world.step()?;
        let world = &world;
        let answers: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4).map(|_| s.spawn(|| ask(world))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let alone = ask(world);
        assert!(answers.iter().all(|a| a.as_ref().is_ok_and(|a| *a == alone)));
    }
    Ok(())
}

#[test]
fn the_cooked_hull_holds_the_cloud_and_drops_what_is_inside() -> Result<(), RigidError> {
    let mut points: Vec<[f32; 3]> =
        (0..8).map(|i| [(i & 1) as f32 - 0.5, ((i >> 1) & 1) as f32, ((i >> 2) & 1) as f32 * 2.0]).collect();
    points.extend([[0.0, 0.5, 1.0], [0.1, 0.4, 0.7]]);
    let scene = [dynamic(cube(0.5), [9.0; 3]), dynamic(Shape::Convex { points: points.clone() }, [0.0; 3])];
    let world = RigidWorld::new(GRAVITY, DT, &[], &scene)?;
    assert!(world.convex(0).is_none() && world.convex(2).is_none());
    let Some(hull) = world.convex(1) else { return Err(RigidError::Diverged { rigid: 1 }) };
    assert_eq!((hull.vertices.len(), hull.planes.len()), (8, 6));
    for [x, y, z, d] in &hull.planes {
        assert!((x * x + y * y + z * z - 1.0).abs() < 1e-5);
        let highest = points.iter().map(|p| x * p[0] + y * p[1] + z * p[2] + d).fold(f32::MIN, f32::max);
        assert!(highest.abs() < 1e-5, "a face touches the cloud from outside: {highest}");
    }
    Ok(())
}
