//! Start-up of a job with a mesh: with nothing in the cache of cooked meshes, and with everything in it.

use std::fmt::Write;

use super::file;
use crate::error::BenchError;
use crate::program::{Program, Run, folder};
use crate::report::Report;

const REPEATS: usize = 5;
/// Rings of the sphere from pole to pole, and points of each.
const RINGS: u32 = 48;
const POINTS: u32 = 96;

const JOB: &str = "name: start
time: { steps: 1 }
materials: { rubber: { density_kg_m3: 900, young_pa: 1.0e5, poisson: 0.4 } }
soft_bodies:
  - name: ball
    shape: { mesh: { file: sphere.obj, tetrahedra: { voxel: { resolution: 16 } } } }
    material: rubber
output: { frames: { geometry: none } }
";

/// Seconds from the start of the process to the first step.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let folder = folder()?;
    file(folder.path(), "sphere.obj", &sphere())?;
    let job = file(folder.path(), "start.yaml", JOB)?;
    let mut pairs = Vec::new();
    for repeat in 0..REPEATS {
        let cache = folder.path().join(format!("cache-{repeat}"));
        let run = Run { job: &job, ranks: 1, set: &[], cache: &cache };
        let (cold, warm) = (program.run(&run)?.start_s, program.run(&run)?.start_s);
        pairs.push((warm, cold));
    }
    report.paired("start, warm mesh cache", "s", &pairs, "cold");
    Ok(())
}

/// A sphere of radius 0.5 m as OBJ text, closed, faces outwards.
fn sphere() -> String {
    let mut text = String::from("v 0 0.5 0\nv 0 -0.5 0\n");
    // Writing to a text cannot fail.
    let mut line = |args: std::fmt::Arguments| _ = text.write_fmt(args);
    for ring in 1..RINGS {
        let (sin, cos) = (std::f64::consts::PI * f64::from(ring) / f64::from(RINGS)).sin_cos();
        for point in 0..POINTS {
            let (z, x) = (std::f64::consts::TAU * f64::from(point) / f64::from(POINTS)).sin_cos();
            line(format_args!("v {:.6} {:.6} {:.6}\n", 0.5 * sin * x, 0.5 * cos, 0.5 * sin * z));
        }
    }
    let at = |ring: u32, point: u32| 3 + (ring - 1) * POINTS + point % POINTS;
    for point in 0..POINTS {
        line(format_args!("f 1 {} {}\n", at(1, point + 1), at(1, point)));
        line(format_args!("f 2 {} {}\n", at(RINGS - 1, point), at(RINGS - 1, point + 1)));
        for ring in 1..RINGS - 1 {
            let (a, b) = (at(ring, point), at(ring, point + 1));
            let (c, d) = (at(ring + 1, point + 1), at(ring + 1, point));
            line(format_args!("f {a} {b} {c}\nf {a} {c} {d}\n"));
        }
    }
    text
}
