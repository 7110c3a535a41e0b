//! A scene made up for tests and for the gallery: candy on a rolling height field.

use rankzero_frames::{BodyLook, FrameError, Kind, Surface, candy};

type Shape = (Vec<[f64; 3]>, Vec<[u32; 3]>);

/// Height of the ground at (`x`, `y`), m.
pub fn ground_height(x: f64, y: f64) -> f64 {
    0.55 * libm::sin(0.55 * x + 0.4) * libm::cos(0.48 * y)
        + 0.25 * libm::sin(1.1 * x - 0.7 * y)
        + 0.012 * (x * x + y * y)
}

/// Points and faces of a grid of `nu` × `nv` cells bent by `at`, closed around in `u` (and in `v`) where `wraps`.
fn grid(nu: u32, nv: u32, wraps: [bool; 2], at: impl Fn(f64, f64) -> [f64; 3]) -> Shape {
    let (cu, cv) = (nu + u32::from(!wraps[0]), nv + u32::from(!wraps[1]));
    let mut points = Vec::new();
    for j in 0..cv {
        for i in 0..cu {
            points.push(at(f64::from(i) / f64::from(nu), f64::from(j) / f64::from(nv)));
        }
    }
    let mut faces = Vec::new();
    for j in 0..nv {
        for i in 0..nu {
            let p = |di: u32, dj: u32| (i + di) % cu + (j + dj) % cv * cu;
            faces.push([p(0, 0), p(1, 0), p(1, 1)]);
            faces.push([p(0, 0), p(1, 1), p(0, 1)]);
        }
    }
    (points, faces)
}

/// The ground: `half` m to each side, `cells` cells along each axis.
pub fn ground(half: f64, cells: u32) -> Result<Surface, FrameError> {
    let (points, faces) = grid(cells, cells, [false, false], |u, v| {
        let (x, y) = ((2.0 * u - 1.0) * half, (2.0 * v - 1.0) * half);
        [x, y, ground_height(x, y)]
    });
    let look = BodyLook { kind: Kind::Static, colour: [0xe9, 0xc9, 0x9e], ..BodyLook::default() };
    let mut mesh = Surface::new();
    append(&mut mesh, &look, &points, &faces, [0.0; 3])?;
    Ok(mesh)
}

/// A sphere of radius `r`, flattened by `squash` below.
fn sphere(r: f64, squash: f64) -> Shape {
    grid(16, 10, [true, false], |u, v| {
        let (a, b) = (u * std::f64::consts::TAU, (v - 0.5) * std::f64::consts::PI);
        let z = libm::sin(b);
        let flat = if z < 0.0 { z * (1.0 - squash) } else { z };
        let wide = 1.0 + 0.25 * squash * (1.0 - z * z);
        [r * libm::cos(a) * libm::cos(b) * wide, r * libm::sin(a) * libm::cos(b) * wide, r * flat]
    })
}

fn torus(r: f64, tube: f64) -> Shape {
    grid(20, 10, [true, true], |u, v| {
        let (a, b) = (u * std::f64::consts::TAU, v * std::f64::consts::TAU);
        let w = r + tube * libm::cos(b);
        [w * libm::cos(a), w * libm::sin(a), tube * libm::sin(b)]
    })
}

/// A box of half side `h` with `n` cells a side; `bulge` rounds it.
fn cube(h: f64, n: u32, bulge: f64) -> Shape {
    let (mut points, mut faces): Shape = (Vec::new(), Vec::new());
    for side in 0..6usize {
        let (first, sign) = (points.len() as u32, if side < 3 { 1.0 } else { -1.0 });
        let (face_points, face_faces) = grid(n, n, [false, false], |u, v| {
            let mut p = [0.0; 3];
            p[side % 3] = sign;
            p[(side + 1) % 3] = (2.0 * u - 1.0) * sign;
            p[(side + 2) % 3] = 2.0 * v - 1.0;
            let stretch = 1.0 + bulge * (3.0 - p.iter().map(|x| x * x).sum::<f64>()) / 2.0;
            p.map(|x| x * h * stretch)
        });
        points.extend(face_points);
        faces.extend(face_faces.into_iter().map(|f| f.map(|i| i + first)));
    }
    weld(points, faces)
}

/// Joins points of the same position.
fn weld(points: Vec<[f64; 3]>, faces: Vec<[u32; 3]>) -> Shape {
    let mut unique: Vec<[f64; 3]> = Vec::new();
    let same = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-9);
    let mut names = Vec::new();
    for p in &points {
        let found = unique.iter().position(|q| same(p, q)).unwrap_or_else(|| {
            unique.push(*p);
            unique.len() - 1
        });
        names.push(found as u32);
    }
    let faces = faces.iter().map(|f| f.map(|i| names[i as usize])).collect();
    (unique, faces)
}

fn append(
    mesh: &mut Surface,
    look: &BodyLook,
    points: &[[f64; 3]],
    faces: &[[u32; 3]],
    at: [f64; 3],
) -> Result<(), FrameError> {
    let flat: Vec<f32> = points.iter().flat_map(|p| (0..3).map(|k| (p[k] + at[k]) as f32)).collect();
    let velocity: Vec<f32> = flat.iter().map(|x| 0.1 * x).collect();
    mesh.append_body(look, &flat, &velocity, faces)
}

fn turned((points, faces): Shape, [a, b]: [f64; 2]) -> Shape {
    let ((sa, ca), (sb, cb)) = (libm::sincos(a), libm::sincos(b));
    let turn = |p: &[f64; 3]| {
        let (x, y, z) = (p[0] * ca - p[1] * sa, p[0] * sa + p[1] * ca, p[2]);
        [x, y * cb - z * sb, y * sb + z * cb]
    };
    (points.iter().map(turn).collect(), faces)
}

/// `count` bodies, those with the lower numbers at rest, the others in the air and `fall` m lower than at first.
pub fn bodies(count: u32, fall: f64) -> Result<Surface, FrameError> {
    let mut state = 12345u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) as f64) / f64::from(1u32 << 31)
    };
    let mut mesh = Surface::new();
    let mut placed: Vec<[f64; 4]> = Vec::new();
    let mut id = 0;
    while id < count {
        let r = 0.30 + 0.16 * random();
        let (x, y) = ((random() - 0.5) * 8.4, (random() - 0.5) * 8.4);
        let resting = id * 5 < count * 3;
        let up = if resting { r * 0.86 } else { 1.3 + 4.5 * random() };
        let z = ground_height(x, y) + up - if resting { 0.0 } else { fall.min(up - r) };
        let (a, b, sort) = (6.3 * random(), if resting { 0.3 } else { 6.3 } * random(), random());
        let free = |p: &[f64; 4]| (x - p[0]).powi(2) + (y - p[1]).powi(2) + (z - p[2]).powi(2) > (r + p[3]).powi(2);
        if !placed.iter().all(free) {
            continue;
        }
        placed.push([x, y, z, r]);
        let squash = if resting { 0.25 } else { 0.0 };
        let (shape, kind) = match (sort * 10.0) as u32 {
            0..=3 => (sphere(r, squash), Kind::Soft),
            4..=6 => (torus(r * 0.72, r * 0.34), Kind::Soft),
            7 | 8 => (cube(r * 0.72, 4, 0.12), Kind::Soft),
            _ => (cube(r * 0.66, 2, 0.0), Kind::Rigid),
        };
        let (points, faces) = turned(shape, [a, b]);
        let colour = if kind == Kind::Rigid { [0x55, 0x5b, 0x66] } else { candy(id) };
        let look = BodyLook { body: id, kind, colour, rank: id % 4, batch: id / 8 };
        append(&mut mesh, &look, &points, &faces, [x, y, z])?;
        id += 1;
    }
    Ok(mesh)
}
