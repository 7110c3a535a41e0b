//! Measurements: `cargo test --release -p rankzero-soft implicit -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

use super::*;

/// Times of the parts of a solve, in the widest lanes.
struct Parts<'a>(&'a Topology, &'a Factor, f32);

impl Kernel for Parts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        let Parts(topology, factor, h) = self;
        let n = topology.rest.len();
        let zero = R::splat(0.0);
        // A macro: what is called through a closure would not be compiled for the instructions.
        macro_rules! time {
            ($name:expr, $run:expr) => {
                let mut best = f64::MAX;
                for _ in 0..300 {
                    let start = Instant::now();
                    $run;
                    best = best.min(start.elapsed().as_nanos() as f64);
                }
                println!("  {}: {:.2} ns per tet", $name, best / (topology.tets.len() * R::LANES) as f64);
            };
        }
        let mut scratch = vec![[zero; 3]; SCRATCH * n];
        let mut moved = vec![[zero; 3]; n];
        // Each lane is stretched differently, and falls.
        let stretch = R::from_lanes(|l| 1.0 + 1e-3 * l as f32);
        let begin: Vec<[R; 3]> =
            topology.rest.iter().map(|x| [R::splat(x[0]) * stretch, R::splat(x[1]), R::splat(x[2])]).collect();
        let (mut x, mut out) = (begin.clone(), begin.clone());
        time!("product", factor.elastic.multiply(&begin, &x, &mut out));
        time!("residual", factor.elastic.residual(&begin, &x, &mut out));
        time!("energy", out[0][0] = factor.elastic.energy(&begin, &x));
        let turn = factor.rotation(&begin);
        time!("preconditioner", factor.precondition(&turn, &x, &mut out));
        time!("momenta", factor.momentum.restore(&begin, &begin, &mut out));
        let mut work = Work::default();
        time!("solve", {
            for i in 0..n {
                let fall = if topology.inverse_mass[i] == 0.0 { 0.0 } else { -9.81 * h * h };
                x[i] = [begin[i][0], begin[i][1], begin[i][2] + R::splat(fall)];
            }
            work = solve(factor, &Effort::default(), &begin, &mut x, &mut moved, &mut scratch);
        });
        println!("  {work:?}");
    }
}

#[test]
#[ignore = "measures time"]
fn times() {
    for cells in [[4, 4, 4], [20, 4, 4], [10, 10, 10], [16, 16, 16]] {
        let pinned = cells[0] == 20;
        let size = cells.map(|c| c as f32 * 0.05);
        let topology = mesh(cells, size, material(1.2e7, 0.3, 1000.0, 0.0), |p| pinned && p[0] == 0.0);
        let start = Instant::now();
        let factor = Factor::new(&topology, 1.0 / 240.0);
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!(
            "{cells:?}: {} nodes, {} tets, {} blocks in {ms:.1} ms",
            topology.rest.len(),
            topology.tets.len(),
            factor.blocks()
        );
        Isa::best().run(Parts(&topology, &factor, 1.0 / 240.0));
    }
}

/// How many iterations bodies of all kinds need.
#[test]
#[ignore = "measures only"]
fn iterations() {
    for young in [1e5, 1.2e7] {
        for poisson in [0.3, 0.47] {
            for cells in [[10, 2, 2], [20, 4, 4]] {
                for tolerance in [1e-1, 3e-2, 1e-2, 1e-3] {
                    let material = material(young, poisson, 1000.0, 2.0);
                    let topology = mesh(cells, [1.0, 0.2, 0.2], material, |p| p[0] == 0.0);
                    let mut motion = Motion::new(topology, 1.0 / 240.0, [0.0, 0.0, -9.81]);
                    motion.effort.tolerance = tolerance;
                    for _ in 0..120 {
                        motion.step(4);
                    }
                    let tip = motion.node([1.0, 0.1, 0.1]);
                    let sag = (motion.topology.rest[tip][2] - motion.x[tip][2]) * 1e3;
                    let iterations = motion.iterations();
                    println!(
                        "E {young:e} nu {poisson} {cells:?} tolerance {tolerance}: {iterations:?}, sag {sag:.3} mm"
                    );
                }
            }
        }
    }
}

/// How fast a clamped bar's first bending vibration dies from the time step alone.
#[test]
#[ignore = "measures only"]
fn vibration() {
    for young in [1.2e7f32, 1e6] {
        for rate in [240.0f32, 600.0, 2400.0] {
            for newton in [1, 2] {
                let topology = mesh([10, 2, 2], [1.0, 0.2, 0.2], material(young, 0.3, 500.0, 0.0), |p| p[0] == 0.0);
                let mut motion = Motion::new(topology, 1.0 / rate, [0.0; 3]);
                motion.effort.newton = newton;
                for (v, x) in motion.v.iter_mut().zip(&motion.topology.rest) {
                    v[2] = 2.0 * x[0] * x[0];
                }
                let tip = motion.node([1.0, 0.1, 0.1]);
                let begin = motion.energy().0;
                let (mut turns, mut line, mut last) = (0, String::new(), motion.x[tip][2]);
                for second in 1..=8 {
                    for _ in 0..(rate / 8.0) as u32 {
                        motion.step(1);
                        let now = motion.x[tip][2];
                        turns += u32::from((now - 0.1) * (last - 0.1) < 0.0);
                        last = now;
                    }
                    let (kinetic, elastic) = motion.energy();
                    line += &format!(" {:.3}@{:.3}", (kinetic + elastic) / begin, second as f32 / 8.0);
                }
                println!("E {young:e} 1/{rate} newton {newton}: {turns} zeros in 1 s, energy{line}");
            }
        }
    }
}
