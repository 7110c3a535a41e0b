//! What moves.

use super::*;

const H: f32 = 1.0 / 240.0;

fn loose(young: f32, poisson: f32) -> Motion {
    let topology = mesh([5, 2, 2], [0.5, 0.2, 0.2], material(young, poisson, 1000.0, 0.0), |_| false);
    Motion::new(topology, H, [0.0; 3])
}

fn relative(a: Vec3, b: Vec3) -> f32 {
    length(sub(a, b)) / length(b)
}

/// Implicit Euler alone would leave 43 % of the fast spin after this second.
#[test]
fn a_spinning_body_keeps_its_momenta() {
    for young in [1e5, 1.2e7] {
        for (rate, newton) in [(2.0, 1), (20.0, 1), (20.0, 2)] {
            let mut motion = loose(young, 0.3);
            motion.effort.newton = newton;
            for (x, v) in motion.x.iter().zip(&mut motion.v) {
                let arm = sub(*x, [0.25, 0.1, 0.1]);
                *v = add(cross([0.3 * rate, 0.5 * rate, rate], arm), [1.0, 0.0, 0.0]);
            }
            let before = motion.momenta();
            let energy = motion.energy().0;
            for _ in 0..60 {
                motion.step(4);
            }
            let after = motion.momenta();
            let (linear, angular) = (relative(after.0, before.0), relative(after.1, before.1));
            let kept = motion.energy().0 / energy;
            let iterations = motion.iterations();
            println!(
                "E {young:e}, {rate} rad/s, newton {newton}: linear {linear:.1e}, angular {angular:.1e}, energy {kept:.4}, {iterations:?}"
            );
            assert!(linear < 1e-4 && angular < 2e-4, "{linear} {angular}");
        }
    }
}

#[test]
fn a_falling_body_falls_as_a_point_does() {
    let mut motion = loose(1.2e7, 0.3);
    motion.gravity = [0.0, 0.0, -9.81];
    for _ in 0..30 {
        motion.step(4);
    }
    // Symplectic Euler's own sum, n (n + 1)/2 g h².
    let expected = -0.5 * 120.0 * 121.0 * 9.81 * H * H;
    let fallen = motion.x.iter().zip(&motion.topology.rest).map(|(x, r)| sub(*x, *r));
    for d in fallen {
        assert!((d[2] - expected).abs() < 3e-5 && d[0].abs() < 3e-5 && d[1].abs() < 3e-5, "{d:?} {expected}");
    }
}

#[test]
fn pinned_nodes_stay_to_the_bit() {
    let topology = mesh([4, 2, 2], [0.4, 0.2, 0.2], material(1e6, 0.3, 1000.0, 0.0), |p| p[0] == 0.0 || p[0] == 0.4);
    let mut motion = Motion::new(topology, H, [3.0, 0.0, -9.81]);
    let mut dice = Dice(5);
    for (v, &w) in motion.v.iter_mut().zip(&motion.topology.inverse_mass) {
        *v = if w == 0.0 { [0.0; 3] } else { dice.vector(10.0) };
    }
    for _ in 0..10 {
        motion.step(4);
    }
    for (i, &w) in motion.topology.inverse_mass.iter().enumerate() {
        assert_eq!(w == 0.0, motion.x[i] == motion.topology.rest[i]);
    }
}

/// Flattened, turned inside out, and shaken by more than an element: the energy falls, and the shape returns.
#[test]
fn what_was_crushed_recovers() {
    for young in [1e5, 1.2e7] {
        for poisson in [0.3, 0.47] {
            for harm in ["flattened", "mirrored", "shaken"] {
                let mut motion = loose(young, poisson);
                motion.topology.material.damping = 5.0;
                let mut dice = Dice(11);
                for x in &mut motion.x {
                    match harm {
                        "flattened" => x[0] *= 0.1,
                        "mirrored" => x[2] *= -1.0,
                        _ => *x = add(*x, dice.vector(0.06)),
                    }
                }
                let sum = |m: &Motion| m.energy().0 + m.energy().1;
                let begin = sum(&motion);
                let mut most = begin;
                for _ in 0..120 {
                    motion.step(4);
                    most = most.max(sum(&motion));
                }
                let (end, (mean, worst)) = (motion.strain(), motion.iterations());
                println!(
                    "{harm} E {young:e} nu {poisson}: energy {begin:.2e}, most {most:.2e}; strain {end:.5}, iterations {mean:.2} {worst}"
                );
                assert!(most < 1.05 * begin && end < 0.02, "{harm} {young:e} {poisson}: {begin} {most} {end}");
                assert!(length(motion.momenta().1) < 0.1);
            }
        }
    }
}

/// Contacts come after the solve, as everywhere: a node below the ground is put back onto it.
///
/// Gravity's momentum of a substep then goes in through the lowest layer alone, which a substep therefore ends with pushed in by
/// `g h²` times the body's mass over the layer's, here 1.4 mm; the next solve takes that out again.
#[test]
fn a_stiff_block_falls_to_the_ground_and_rests() {
    let topology = mesh([4, 4, 4], [0.4; 3], material(1.2e7, 0.3, 1000.0, 1.0), |_| false);
    let mut motion = Motion::new(topology, H, [0.0, 0.0, -9.81]);
    for x in &mut motion.x {
        x[2] += 0.1;
    }
    for step in 0..180 {
        for _ in 0..4 {
            motion.step(1);
            for (x, v) in motion.x.iter_mut().zip(&mut motion.v) {
                if x[2] < 0.0 {
                    v[2] -= x[2] / H;
                    x[2] = 0.0;
                }
            }
        }
        // 64 kg that tremble with less than 2 mm/s.
        assert!(step < 90 || motion.energy().0 < 1e-4, "step {step}: {}", motion.energy().0);
    }
    assert!(motion.strain() < 0.02 && motion.iterations().1 <= 4);
}
