#[path = "../tests/common/mod.rs"]
mod common;
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let every: u64 = std::env::args().nth(2).map_or(60, |a| a.parse().unwrap());
    let mut run = common::Run::new(&text);
    println!(
        "substeps {} intervals {} bodies {} tets {}",
        run.scene.rule.substeps,
        run.scene.rule.intervals(),
        run.scene.bodies.len(),
        run.scene.tets()
    );
    let t = std::time::Instant::now();
    while run.engine.steps_done() < run.scene.steps {
        run.steps(every.min(run.scene.steps - run.engine.steps_done()));
        let n = run.scene.bodies.len().min(4) as u32;
        let speed = (0..n)
            .map(|b| run.velocities(b).iter().map(|v| v.iter().map(|c| c * c).sum::<f32>().sqrt()).fold(0.0, f32::max))
            .collect::<Vec<_>>();
        let c: Vec<[f64; 3]> = (0..n).map(|b| run.centre(b).map(|c| (c * 1e4).round() / 1e4)).collect();
        let low: Vec<f32> = (0..n).map(|b| run.positions(b).iter().map(|p| p[1]).fold(f32::MAX, f32::min)).collect();
        println!(
            "{:5} {:.2}s fastest {speed:.3?} asleep {} centre {c:?} low {low:.4?} p {:.3?}",
            run.engine.steps_done(),
            t.elapsed().as_secs_f64(),
            run.engine.asleep(),
            (0..3).map(|k| (0..n).map(|b| run.mass(b) * run.velocity(b)[k]).sum::<f64>()).collect::<Vec<_>>()
        );
    }
    println!("{:?}", run.engine.time);
}
