//! Determinism: rebuilds, resumes, runs side by side.

use super::*;

/// A heap of every shape, falling into disorder.
fn heap() -> Vec<RigidDesc> {
    let wedge = vec![[-0.4, -0.3, -0.3], [0.4, -0.3, -0.3], [0.4, -0.3, 0.3], [-0.4, -0.3, 0.3], [0.0, 0.5, 0.1]];
    (0..60)
        .map(|i| {
            let shape = match i % 4 {
                0 => cube(0.4),
                1 => Shape::Sphere { radius: 0.4 },
                2 => Shape::Capsule { radius: 0.25, half_height: 0.3 },
                _ => Shape::Convex { points: wedge.clone() },
            };
            let (x, y, z) = (i % 4, i / 16, (i / 4) % 4);
            let p = [x as f32 * 0.9 + y as f32 * 0.13, 0.6 + y as f32, z as f32 * 0.9 + y as f32 * 0.07];
            let mut desc = dynamic(shape, p);
            desc.pose.q = [0.1, 0.02 * i as f32, 0.3, 1.0];
            desc
        })
        .collect()
}

#[test]
fn both_sides_of_a_rebuild_go_on_with_equal_bits() -> Result<(), RigidError> {
    let mut run = RigidWorld::new(GRAVITY, DT, &[ground()], &heap())?;
    for round in 0..4 {
        steps(&mut run, 40)?;
        let saved = run.states().to_vec();
        run.rebuild(&saved)?;
        assert_eq!(words(&run), saved.iter().map(RigidState::to_words).collect::<Vec<_>>());

        let mut restored = RigidWorld::new(GRAVITY, DT, &[ground()], &heap())?;
        let through_words: Vec<_> = saved.iter().map(|s| RigidState::from_words(&s.to_words())).collect();
        restored.rebuild(&through_words)?;
        // A second rebuild from the same states must change nothing.
        restored.rebuild(&through_words)?;
        for step in 0..40 {
            run.step()?;
            restored.step()?;
            assert_eq!(words(&run), words(&restored), "round {round}, step {step}");
        }
    }
    Ok(())
}

#[test]
fn sleepers_stay_asleep_through_a_rebuild() -> Result<(), RigidError> {
    let boxes: Vec<_> = (0..3).map(|i| dynamic(cube(0.5), [0.0, 0.5 + i as f32, 0.0])).collect();
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &boxes)?;
    steps(&mut world, 400)?;
    assert!(world.states().iter().all(|s| s.asleep));
    let saved = world.states().to_vec();
    world.rebuild(&saved)?;
    let before = words(&world);
    steps(&mut world, 20)?;
    assert_eq!(words(&world), before);
    Ok(())
}

#[test]
fn a_rebuild_takes_kinematics_and_their_pending_targets_along() -> Result<(), RigidError> {
    let scene = [dynamic(cube(0.5), [0.0, 0.5, 0.0]), kinematic(cube(0.5), [-1.2, 0.5, 0.0])];
    let mut run = RigidWorld::new(GRAVITY, DT, &[ground()], &scene)?;
    let mut other = RigidWorld::new(GRAVITY, DT, &[ground()], &scene)?;
    let target = |step: usize| Pose::at([-1.2 + step as f32 * 0.02, 0.5, 0.0]);
    for step in 1..=60 {
        run.set_kinematic_target(1, target(step))?;
        if step % 20 == 0 {
            let saved = run.states().to_vec();
            run.rebuild(&saved)?;
            other.rebuild(&saved)?;
            other.set_kinematic_target(1, target(step))?;
        }
        run.step()?;
        if step >= 20 {
            if step % 20 != 0 {
                other.set_kinematic_target(1, target(step))?;
            }
            other.step()?;
            assert_eq!(words(&run), words(&other), "step {step}");
        }
    }
    assert!(run.states()[0].pose.p[0] > 0.5);
    Ok(())
}

#[test]
fn equal_worlds_on_different_threads_have_equal_bits() -> Result<(), RigidError> {
    let run = || -> Result<_, RigidError> {
        let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &heap())?;
        steps(&mut world, 120)?;
        Ok(words(&world))
    };
    let alone = run()?;
    let all: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..3).map(|_| s.spawn(run)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    for one in all {
        assert!(matches!(one, Ok(Ok(w)) if w == alone));
    }
    Ok(())
}

#[test]
fn an_island_does_not_notice_its_company() -> Result<(), RigidError> {
    let near = heap();
    let mut both = near.clone();
    both.extend(heap().into_iter().map(|mut d| {
        d.pose.p[0] += 64.0;
        d
    }));
    let mut alone = RigidWorld::new(GRAVITY, DT, &[ground()], &near)?;
    let mut world = RigidWorld::new(GRAVITY, DT, &[ground()], &both)?;
    steps(&mut alone, 60)?;
    steps(&mut world, 60)?;
    assert_eq!(words(&alone)[..], words(&world)[..near.len()]);
    Ok(())
}

#[test]
fn states_survive_the_trip_through_words() {
    let state = RigidState {
        pose: Pose { p: [1.0, -0.0, f32::MIN_POSITIVE / 2.0], q: [0.1, -0.2, 0.3, 0.9] },
        linear: [1e-30, 2.0, 3.0],
        angular: [-4.0, 5.0, f32::MAX],
        wake_counter: 0.25,
        asleep: true,
    };
    assert_eq!(RigidState::from_words(&state.to_words()).to_words(), state.to_words());
}
