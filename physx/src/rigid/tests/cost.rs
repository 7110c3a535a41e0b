use super::*;
struct Instant(u64);
fn ns() -> u64 { std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap() }
impl Instant { fn now() -> Self { Instant(ns()) } fn elapsed(&self) -> std::time::Duration { std::time::Duration::from_nanos(ns() - self.0) } }
#[test]
#[ignore]
fn cost() -> Result<(), RigidError> {
    let n = 1000;
    let side = 10;
    let boxes: Vec<_> = (0..n)
        .map(|i| {
            let (x, y, z) = (i % side, i / (side * side), (i / side) % side);
            dynamic(
                cube(0.5),
                [x as f32 * 1.05 + 0.13 * y as f32, 1.0 + y as f32 * 1.2, z as f32 * 1.05 + 0.07 * y as f32],
            )
        })
        .collect();
    let t = Instant::now();
    let mut w = RigidWorld::new(GRAVITY, DT, &[ground()], &boxes)?;
    println!("new {:.3} ms", t.elapsed().as_secs_f64() * 1e3);
    let t = Instant::now();
    steps(&mut w, 100)?;
    println!("1000 boxes: {:.3} ms/step", t.elapsed().as_secs_f64() * 10.0);
    let s = w.states().to_vec();
    let t = Instant::now();
    for _ in 0..20 {
        w.rebuild(&s)?;
    }
    println!("rebuild {:.3} ms", t.elapsed().as_secs_f64() * 50.0);
    w.step()?;
    let mut out = vec![];
    let mut k = 0;
    let t = Instant::now();
    for i in 0..20000 {
        let x = (i % 10) as f32;
        w.overlap([x, 0.0, x * 0.7], [x + 1.1, 1.1, x * 0.7 + 1.1], &mut out);
        k += out.len();
    }
    println!("overlap {:.3} us, {:.1} hits", t.elapsed().as_secs_f64() * 1e6 / 20000.0, k as f64 / 20000.0);
    let t = Instant::now();
    for i in 0..2000 {
        let x = (i % 10) as f32 * 0.1;
        w.overlap([x - 5.0, -1.0, -5.0], [x + 20.0, 20.0, 20.0], &mut out);
        k += out.len();
    }
    println!("overlap all {:.3} us, {} hits", t.elapsed().as_secs_f64() * 1e6 / 2000.0, out.len());
    let t = Instant::now();
    for _ in 0..100 {
        for i in 0..n {
            w.apply_impulse(i, [1e-3; 3], [1e-3; 3], true)?;
        }
    }
    println!("impulse {:.1} ns", t.elapsed().as_secs_f64() * 1e9 / 1e5);
    steps(&mut w, 900)?;
    println!("asleep {}", w.states().iter().filter(|s| s.asleep).count());
    let t = Instant::now();
    steps(&mut w, 100)?;
    println!("late {:.3} ms/step", t.elapsed().as_secs_f64() * 10.0);
    Ok(())
}
