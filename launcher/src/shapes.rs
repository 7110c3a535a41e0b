//! Triangle surfaces of simple shapes, for pictures.

use rankzero_soft::vec3::{Vec3, cross, dot, scale, sub};

/// Segments around a round shape.
const AROUND: u32 = 24;
/// Rings of a half sphere.
const RINGS: u32 = 7;

/// Points and outward triangles.
pub type Drawn = (Vec<Vec3>, Vec<[u32; 3]>);

/// A box of half extents `half`, with corners of its own for each face so that edges stay sharp.
pub fn cuboid(half: Vec3) -> Drawn {
    let (mut points, mut triangles) = (Vec::new(), Vec::new());
    for axis in 0..3 {
        for side in [-1.0, 1.0] {
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            let first = points.len() as u32;
            for (a, b) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)] {
                let mut p = [0.0; 3];
                (p[axis], p[u], p[v]) = (side * half[axis], a * half[u], b * half[v]);
                points.push(p);
            }
            let quad = if side > 0.0 { [0, 1, 2, 3] } else { [0, 3, 2, 1] };
            triangles.push([first + quad[0], first + quad[1], first + quad[2]]);
            triangles.push([first + quad[0], first + quad[2], first + quad[3]]);
        }
    }
    (points, triangles)
}

/// A capsule along x; a ball where `half_height` is 0.
pub fn capsule(radius: f32, half_height: f32) -> Drawn {
    let mut points = vec![[-half_height - radius, 0.0, 0.0]];
    for ring in 0..2 * RINGS {
        let (end, index) = if ring < RINGS { (-half_height, ring + 1) } else { (half_height, ring - RINGS) };
        let angle = core::f32::consts::FRAC_PI_2 * (index as f32 / RINGS as f32)
            - if ring < RINGS { core::f32::consts::FRAC_PI_2 } else { 0.0 };
        for k in 0..AROUND {
            let turn = core::f32::consts::TAU * k as f32 / AROUND as f32;
            let r = radius * angle.cos();
            points.push([end + radius * angle.sin(), r * turn.cos(), r * turn.sin()]);
        }
    }
    let last = points.len() as u32;
    points.push([half_height + radius, 0.0, 0.0]);
    let at = |ring: u32, k: u32| 1 + ring * AROUND + k % AROUND;
    let mut triangles = Vec::new();
    for k in 0..AROUND {
        triangles.push([0, at(0, k + 1), at(0, k)]);
        for ring in 0..2 * RINGS - 1 {
            triangles.push([at(ring, k), at(ring, k + 1), at(ring + 1, k + 1)]);
            triangles.push([at(ring, k), at(ring + 1, k + 1), at(ring + 1, k)]);
        }
        triangles.push([at(2 * RINGS - 1, k), at(2 * RINGS - 1, k + 1), last]);
    }
    (points, triangles)
}

/// A convex hull: each face plane `[n, d]` with the vertices on it, as a fan around its first.
pub fn convex(planes: &[[f32; 4]], vertices: &[Vec3]) -> Drawn {
    let size = vertices.iter().flatten().fold(0.0, |m: f32, c| m.max(c.abs()));
    let (mut points, mut triangles) = (Vec::new(), Vec::new());
    for plane in planes {
        let normal = [plane[0], plane[1], plane[2]];
        let mut face: Vec<Vec3> =
            vertices.iter().copied().filter(|&v| (dot(normal, v) + plane[3]).abs() < 1e-4 * size).collect();
        if face.len() < 3 {
            continue;
        }
        let sum = face.iter().fold([0.0; 3], |s: Vec3, p| [s[0] + p[0], s[1] + p[1], s[2] + p[2]]);
        let middle = scale(sum, 1.0 / face.len() as f32);
        let u = sub(face[0], middle);
        let v = cross(normal, u);
        let angle = |p: &Vec3| dot(v, sub(*p, middle)).atan2(dot(u, sub(*p, middle)));
        face.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
        let first = points.len() as u32;
        triangles.extend((1..face.len() as u32 - 1).map(|k| [first, first + k, first + k + 1]));
        points.extend(face);
    }
    (points, triangles)
}

/// A terrain: `rows × columns` samples, row-major.
pub fn terrain([rows, columns]: [u32; 2], spacing: [f32; 2], origin: Vec3, heights: &[f32]) -> Drawn {
    let point = |r: u32, c: u32| {
        let y = heights[(r * columns + c) as usize];
        [origin[0] + r as f32 * spacing[0], origin[1] + y, origin[2] + c as f32 * spacing[1]]
    };
    let points = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| point(r, c)).collect();
    let at = |r: u32, c: u32| r * columns + c;
    let cells = (0..rows - 1).flat_map(|r| (0..columns - 1).map(move |c| (r, c)));
    let triangles = cells
        .flat_map(|(r, c)| [[at(r, c), at(r, c + 1), at(r + 1, c)], [at(r + 1, c), at(r, c + 1), at(r + 1, c + 1)]]);
    (points, triangles.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume((points, triangles): &Drawn) -> f32 {
        triangles
            .iter()
            .map(|t| {
                let [a, b, c] = t.map(|i| points[i as usize]);
                dot(a, cross(b, c)) / 6.0
            })
            .sum()
    }

    #[test]
    fn surfaces_face_outwards() {
        assert!((volume(&cuboid([0.5, 1.0, 1.5])) - 6.0).abs() < 1e-5);
        let ball = 4.0 / 3.0 * core::f32::consts::PI;
        assert!((volume(&capsule(1.0, 0.0)) / ball - 1.0).abs() < 0.05);
        assert!((volume(&capsule(1.0, 1.0)) / (ball + core::f32::consts::TAU) - 1.0).abs() < 0.05);
        let planes = [
            [1., 0., 0., -1.],
            [-1., 0., 0., -1.],
            [0., 1., 0., -1.],
            [0., -1., 0., -1.],
            [0., 0., 1., -1.],
            [0., 0., -1., -1.],
        ];
        let (corners, _) = cuboid([1.0; 3]);
        let mut unique = corners.clone();
        unique.sort_by(|a, b| a.partial_cmp(b).unwrap());
        unique.dedup();
        assert!((volume(&convex(&planes, &unique)) - 8.0).abs() < 1e-4);
    }

    #[test]
    fn terrain_faces_up() {
        let (points, triangles) = terrain([3, 4], [1.0, 2.0], [0.0; 3], &[0.0; 12]);
        assert_eq!((points.len(), triangles.len()), (12, 12));
        for t in triangles {
            let [a, b, c] = t.map(|i| points[i as usize]);
            assert!(cross(sub(b, a), sub(c, a))[1] > 0.0);
        }
    }
}
