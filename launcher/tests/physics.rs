//! Physics against theory, for each solver: each test states what is expected, and how near.

mod common;

use common::Run;

/// Makes of each function over a solver's name one test a solver.
macro_rules! for_each_solver {
    ($($test:ident),* $(,)?) => {
        mod xpbd {
            $(#[test] fn $test() { super::$test("xpbd"); })*
        }
        mod implicit {
            $(#[test] fn $test() { super::$test("implicit"); })*
        }
    };
}

for_each_solver!(
    free_fall_is_exact_up_to_the_substep,
    a_hanging_bar_stretches_by_its_weight,
    momentum_of_a_collision_in_free_space_is_kept,
    sliding_starts_at_the_friction_angle,
    volume_is_kept_under_load,
    a_stack_rests_and_sleeps,
    a_soft_body_carries_a_rigid_box,
    a_cantilever_converges_to_beam_theory_under_refinement,
    a_body_rests_on_a_mesh_as_on_a_plane,
    a_body_slides_off_a_tilted_mesh_and_past_its_edge,
);

const JELLY: &str =
    "materials: { jelly: { density_kg_m3: 1000, young_pa: 1.0e5, poisson: 0.3, damping_per_s: 0, friction: 0.5 } }\n";

fn free_fall_is_exact_up_to_the_substep(solver: &str) {
    let mut run = Run::with(
        solver,
        &format!(
            "name: fall\ntime: {{ duration_s: 1, substeps: 10 }}\n{JELLY}\
         soft_bodies: [{{ name: a, shape: {{ box: {{ size_m: [1, 1, 1], cells: [2, 2, 2] }} }}, material: jelly, \
         layout: {{ at: [[3, 10, -7]] }}, velocity_m_s: [1, 0, 0] }}]\n"
        ),
    );
    run.finish();
    let (x, v) = (run.centre(0), run.velocity(0));
    // Semi-implicit Euler: y = y0 − g t (t + h) / 2.
    let (t, h) = (1.0, 1.0 / 600.0);
    assert!((x[1] - (10.0 - 9.81 * t * (t + h) / 2.0)).abs() < 2e-4, "{x:?}");
    assert!((x[0] - 4.0).abs() < 1e-4 && (x[2] + 7.0).abs() < 1e-4, "{x:?}");
    assert!((v[1] + 9.81).abs() < 1e-3 && (v[0] - 1.0).abs() < 1e-4, "{v:?}");
    assert!((run.volume(0) - 1.0).abs() < 1e-4);
}

fn a_hanging_bar_stretches_by_its_weight(solver: &str) {
    // ΔL = ρ g L² / (2 E): 1000 · 9.81 · 4 / (2 · 5e5) = 39 mm on 2 m.
    let mut run = Run::with(
        solver,
        "name: bar\ntime: { duration_s: 12, substeps: auto }\nsleep: { enabled: false }\n\
         materials: { steel: { density_kg_m3: 1000, young_pa: 5.0e5, poisson: 0.3, damping_per_s: 4 } }\n\
         soft_bodies: [{ name: bar, shape: { box: { size_m: [0.25, 2, 0.25], cells: [2, 16, 2] } }, material: steel, \
         pinned: [{ box: { min_m: [-1, 0.999, -1], max_m: [1, 1.1, 1] } }] }]\n",
    );
    run.finish();
    let rest = &run.scene.topology(0).rest;
    let x = run.positions(0);
    let ends: Vec<usize> = (0..x.len()).filter(|&i| rest[i][1] < -0.999).collect();
    let stretch = ends.iter().map(|&i| f64::from(rest[i][1] - x[i][1])).sum::<f64>() / ends.len() as f64;
    println!("stretch {stretch:.5} m, theory 0.03924");
    assert!((stretch - 0.03924).abs() < 0.04 * 0.03924, "{stretch}");
}

fn momentum_of_a_collision_in_free_space_is_kept(solver: &str) {
    // A small fast body meets a large slow one off centre.
    let mut run = Run::with(
        solver,
        &format!(
            "name: hit\ngravity_m_s2: [0, 0, 0]\ntime: {{ duration_s: 1.5 }}\n{JELLY}\
         soft_bodies:\n\
         - {{ name: small, shape: {{ sphere: {{ radius_m: 0.4, edge_m: 0.25 }} }}, material: jelly, layout: {{ at: [[-1, 0.1, 0.05]] }}, velocity_m_s: [4, 0, 0] }}\n\
         - {{ name: large, shape: {{ box: {{ size_m: [1, 1, 1], cells: [3, 3, 3] }} }}, material: jelly, layout: {{ at: [[0.6, 0, 0]] }} }}\n"
        ),
    );
    let total =
        |run: &Run| -> [f64; 3] { std::array::from_fn(|k| (0..2).map(|b| run.mass(b) * run.velocity(b)[k]).sum()) };
    let before = total(&run);
    run.finish();
    let after = total(&run);
    println!("momentum {before:?} -> {after:?}; velocities {:?} {:?}", run.velocity(0), run.velocity(1));
    assert!(run.velocity(1)[0] > 0.3, "they met");
    assert!(run.velocity(0)[0] < run.velocity(1)[0], "and parted");
    for k in 0..3 {
        // What remains is rounding: a position's last digit over a substep, for every node in every substep.
        assert!((after[k] - before[k]).abs() < 3e-4 * before[0], "{before:?} -> {after:?}");
    }
}

fn sliding_starts_at_the_friction_angle(solver: &str) {
    // tan 24° = 0.445 < 0.5 < 0.577 = tan 30°. The damping is that of a real gel: without it a soft block on a rough slope flutters
    // (mode coupling through friction, the squeal of a brake), in the model as in the laboratory.
    for (degrees, slides) in [(24.0f64, false), (30.0, true)] {
        let (s, c) = (degrees.to_radians().sin(), degrees.to_radians().cos());
        let mut run = Run::with(
            solver,
            &format!(
                "name: slope\ntime: {{ duration_s: 2 }}\nsleep: {{ enabled: false }}\n\
             materials: {{ jelly: {{ density_kg_m3: 1000, young_pa: 2.0e5, poisson: 0.3, damping_per_s: 20, friction: 0.5 }} }}\n\
             gravity_m_s2: [{}, {}, 0]\n\
             soft_bodies: [{{ name: a, shape: {{ box: {{ size_m: [1, 0.5, 1], cells: [3, 2, 3] }} }}, material: jelly, layout: {{ at: [[0, 0.251, 0]] }} }}]\n\
             environment: {{ planes: [{{ friction: 0.5 }}] }}\n",
                9.81 * s,
                -9.81 * c
            ),
        );
        run.finish();
        let v = run.velocity(0)[0];
        println!("{degrees}°: {v:.4} m/s, moved {:.4} m", run.centre(0)[0]);
        if slides {
            let expected = 9.81 * (s - 0.5 * c) * 2.0;
            assert!((v - expected).abs() < 0.15 * expected, "{v} against {expected}");
        } else {
            assert!(v.abs() < 1e-3 && run.centre(0)[0] < 0.05, "{v}");
        }
    }
}

fn volume_is_kept_under_load(solver: &str) {
    let mut run = Run::with(
        solver,
        "name: press\ntime: { duration_s: 3 }\n\
         materials: { gum: { density_kg_m3: 1000, young_pa: 5.0e4, poisson: 0.47, damping_per_s: 2 } }\n\
         soft_bodies: [{ name: a, shape: { box: { size_m: [1, 1, 1], cells: [4, 4, 4] } }, material: gum, layout: { at: [[0, 0.51, 0]] } }]\n\
         environment: { planes: [{}] }\n",
    );
    run.finish();
    let volume = run.volume(0);
    let height = 2.0 * run.centre(0)[1];
    println!("volume {volume:.4}, height {height:.4}");
    assert!((volume - 1.0).abs() < 0.03, "{volume}");
    assert!(height < 0.97, "it does sag under its own weight: {height}");
}

fn a_stack_rests_and_sleeps(solver: &str) {
    let mut run = Run::with(
        solver,
        "name: stack\ntime: { duration_s: 10 }\n\
         materials: { jelly: { density_kg_m3: 500, young_pa: 4.0e5, poisson: 0.3, damping_per_s: 10, friction: 0.6 } }\n\
         soft_bodies: [{ name: a, shape: { box: { size_m: [0.5, 0.5, 0.5], cells: [3, 3, 3] } }, material: jelly, count: 3, \
         layout: { stack: { base_m: [0, 0.252, 0], spacing_m: 0.504 } } }]\n\
         environment: { planes: [{ friction: 0.6 }] }\n",
    );
    for second in 0..10 {
        run.steps(60);
        let speed = (0..3)
            .flat_map(|b| run.velocities(b))
            .map(|v| v.iter().map(|c| c * c).sum::<f32>().sqrt())
            .fold(0.0, f32::max);
        let heights: Vec<f64> = (0..3).map(|b| (run.centre(b)[1] * 1e4).round() / 1e4).collect();
        println!("{second} s: fastest node {speed:.4} m/s, asleep {}, heights {heights:?}", run.engine.asleep());
    }
    assert_eq!(run.engine.asleep(), 3);
    for b in 0..3 {
        let x = run.centre(b);
        assert!(x[0].abs() < 0.02 && x[2].abs() < 0.02, "body {b} at {x:?}");
        assert!((x[1] - (0.25 + 0.5 * f64::from(b))).abs() < 0.06, "body {b} at {x:?}");
    }
}

fn a_soft_body_carries_a_rigid_box(solver: &str) {
    let mut run = Run::with(
        solver,
        "name: carry\ntime: { duration_s: 6 }\nsleep: { enabled: false }\n\
         materials: { jelly: { density_kg_m3: 500, young_pa: 1.0e5, poisson: 0.3, damping_per_s: 2, friction: 0.6 } }\n\
         soft_bodies: [{ name: a, shape: { box: { size_m: [1, 0.5, 1], cells: [5, 3, 5] } }, material: jelly, layout: { at: [[0, 0.251, 0]] } }]\n\
         rigid_bodies: [{ name: b, shape: { box: { size_m: [0.5, 0.5, 0.5] } }, motion: { dynamic: { density_kg_m3: 400 } }, \
         layout: { at: [[0, 0.8, 0]] } }]\n\
         environment: { planes: [{ friction: 0.6 }] }\n",
    );
    run.steps(300);
    let mut sum = 0.0;
    for _ in 0..60 {
        let before = run.engine.rigids().states()[0].linear[1];
        run.steps(1);
        sum += f64::from(before);
        let s = &run.engine.rigids().states()[0];
        assert!(s.linear[1].abs() < 0.05, "{s:?}");
    }
    let s = &run.engine.rigids().states()[0];
    println!("rigid {:?} mean v {:.5}; soft centre {:?}", s.pose, sum / 60.0, run.centre(0));
    assert!((s.pose.p[1] - 0.75).abs() < 0.04 && s.pose.p[1] < 0.75, "{:?}", s.pose);
    assert!(s.pose.p[0].abs() < 0.02 && s.pose.p[2].abs() < 0.02);
    // Nothing else holds the box: its acceleration is g plus the contact forces over its mass, and it is at rest.
    assert!((sum / 60.0).abs() < 2e-3);
}

/// Tip deflection of a clamped beam under its own weight: 1 × 0.2 × 0.2 m.
fn cantilever(solver: &str, cells: [u32; 3]) -> f64 {
    let mut run = Run::with(
        solver,
        &format!(
            "name: beam\ntime: {{ duration_s: 3 }}\nsleep: {{ enabled: false }}\n\
         materials: {{ gum: {{ density_kg_m3: 500, young_pa: 4.0e6, poisson: 0.3, damping_per_s: 8 }} }}\n\
         soft_bodies: [{{ name: beam, shape: {{ box: {{ size_m: [1, 0.2, 0.2], cells: {cells:?} }} }}, material: gum, \
         pinned: [{{ box: {{ min_m: [-0.51, -1, -1], max_m: [-0.499, 1, 1] }} }}] }}]\n"
        ),
    );
    run.finish();
    let rest = run.scene.topology(0).rest.clone();
    let x = run.positions(0);
    let tip: Vec<usize> = (0..x.len()).filter(|&i| rest[i][0] > 0.499).collect();
    tip.iter().map(|&i| f64::from(rest[i][1] - x[i][1])).sum::<f64>() / tip.len() as f64
}

fn a_cantilever_converges_to_beam_theory_under_refinement(solver: &str) {
    // w L⁴ / (8 E I) with w = ρ g A: 500 · 9.81 · 0.04 / (8 · 4e6 · 0.2⁴ / 12) = 46.0 mm, plus 3 % of shear.
    let theory = 0.0460;
    let tips = [cantilever(solver, [5, 1, 1]), cantilever(solver, [10, 2, 2]), cantilever(solver, [20, 4, 4])];
    println!("tips {tips:.5?} m, theory {theory}");
    assert!(tips[0] < tips[1] && tips[1] < tips[2], "linear tetrahedra lock less when they are finer: {tips:?}");
    assert!(tips[2] < 1.1 * theory && tips[2] > 0.75 * theory, "{tips:?}");
    assert!((theory - tips[2]).abs() < 0.5 * (theory - tips[1]).abs(), "{tips:?}");
}

/// A file that goes with its owner.
struct Temporary(std::path::PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An OBJ file, called `name`, of a box with these half edges; without its back where it is not to be closed.
fn box_file(name: &str, half: [f32; 3], closed: bool) -> Temporary {
    let sign = |i: usize, k: usize| if i >> k & 1 == 0 { -half[k] } else { half[k] };
    let mut text: String = (0..8).map(|i| format!("v {} {} {}\n", sign(i, 0), sign(i, 1), sign(i, 2))).collect();
    let sides = [[1, 3, 4, 2], [5, 6, 8, 7], [1, 2, 6, 5], [1, 5, 7, 3], [2, 4, 8, 6], [3, 7, 8, 4]];
    for [a, b, c, d] in sides.into_iter().skip(usize::from(!closed)) {
        text += &format!("f {a} {b} {c}\nf {a} {c} {d}\n");
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.obj", std::process::id()));
    std::fs::write(&file, text).expect("a writable folder");
    Temporary(file)
}

fn a_body_rests_on_a_mesh_as_on_a_plane(solver: &str) {
    let closed = box_file(&format!("table-{solver}"), [1.0, 0.5, 1.0], true);
    let open = box_file(&format!("open-{solver}"), [1.0, 0.5, 1.0], false);
    let mesh =
        |file: &Temporary| format!("triangle_meshes: [{{ file: {}, position_m: [0, 0.25, 0] }}]", file.0.display());
    for ground in [mesh(&closed), mesh(&open), "planes: [{ offset_m: 0.75 }]".to_owned()] {
        let mut run = Run::with(
            solver,
            &format!(
                "name: table\ntime: {{ duration_s: 3 }}\nsleep: {{ enabled: false }}\n\
             materials: {{ jelly: {{ density_kg_m3: 1000, young_pa: 2.0e5, poisson: 0.3, damping_per_s: 20, friction: 0.5 }} }}\n\
             soft_bodies: [{{ name: a, shape: {{ box: {{ size_m: [0.5, 0.5, 0.5], cells: [3, 3, 3] }} }}, material: jelly, layout: {{ at: [[0.1, 1.05, -0.2]] }} }}]\n\
             environment: {{ {ground} }}\n"
            ),
        );
        run.finish();
        let lowest = run.positions(0).iter().fold(f32::MAX, |low, x| if x[1] < low { x[1] } else { low });
        let (x, v) = (run.centre(0), run.velocity(0));
        println!("lowest node {lowest}, centre {x:?}, velocity {v:?}");
        assert!((lowest - 0.75).abs() < 1e-3 && v.iter().all(|v| v.abs() < 5e-3), "{lowest} {v:?}");
        assert!((x[0] - 0.1).abs() < 0.01 && (x[1] - 0.996).abs() < 1e-3 && (x[2] + 0.2).abs() < 0.01, "{x:?}");
    }
}

fn a_body_slides_off_a_tilted_mesh_and_past_its_edge(solver: &str) {
    let file = box_file(&format!("slide-{solver}"), [1.0, 0.25, 1.0], true);
    let mut run = Run::with(
        solver,
        &format!(
            "name: slide\ntime: {{ duration_s: 3 }}\n\
         materials: {{ jelly: {{ density_kg_m3: 1000, young_pa: 2.0e5, poisson: 0.3, damping_per_s: 10, friction: 0.1 }} }}\n\
         soft_bodies: [{{ name: a, shape: {{ sphere: {{ radius_m: 0.25, edge_m: 0.15 }} }}, material: jelly, layout: {{ at: [[0, 0.7, 0]] }} }}]\n\
         environment: {{ planes: [{{ offset_m: -2 }}], triangle_meshes: [{{ file: {}, friction: 0.1, rotation: {{ axis: [0, 0, 1], degrees: -30 }} }}] }}\n",
            file.0.display()
        ),
    );
    run.finish();
    let x = run.centre(0);
    println!("centre {x:?}");
    assert!(x[0] > 1.0 && x[1] < -1.0 && x[1] > -1.95, "neither held by the edge nor through: {x:?}");
}
