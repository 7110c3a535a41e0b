//! Closed surfaces as OBJ texts, for jobs with meshes.

use std::f64::consts::{PI, TAU};
use std::fmt::Write;

/// Rings from pole to pole, and points of each.
const RINGS: u32 = 48;
const POINTS: u32 = 96;

/// A surface around the origin, faces outwards; `radius` gives its distance in m in the direction of a unit vector.
pub fn obj(radius: impl Fn([f64; 3]) -> f64) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let mut line = |args: std::fmt::Arguments| _ = text.write_fmt(args);
    let mut vertex = |direction: [f64; 3]| {
        let [x, y, z] = direction.map(|c| c * radius(direction));
        line(format_args!("v {x:.6} {y:.6} {z:.6}\n"));
    };
    vertex([0.0, 1.0, 0.0]);
    vertex([0.0, -1.0, 0.0]);
    for ring in 1..RINGS {
        let (sin, cos) = (PI * f64::from(ring) / f64::from(RINGS)).sin_cos();
        for point in 0..POINTS {
            let (z, x) = (TAU * f64::from(point) / f64::from(POINTS)).sin_cos();
            vertex([sin * x, cos, sin * z]);
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

/// A figure of four lobes and a waist, about 1 m across: no two parts of it are alike.
pub fn figure() -> String {
    obj(|[x, y, z]| 0.36 + 0.1 * (2.0 * x * x - 2.0 * z * z) + 0.06 * y + 0.12 * (y * y - 0.3) + 0.05 * x * y)
}
