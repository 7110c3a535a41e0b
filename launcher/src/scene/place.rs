//! Where the bodies of a group start.

use rankzero_job::{Layout, Rotation};
use rankzero_physx::rigid::Pose;
use rankzero_soft::quat::multiply;

use super::error::SceneError;
use super::random::Random;

/// Attempts to find a free place for one body before the layout is called too small.
const ATTEMPTS: u32 = 1000;

/// The quaternion of an axis and an angle; computed in `f64` by `libm`, the same everywhere.
pub fn quaternion(rotation: &Rotation) -> [f32; 4] {
    let axis = rotation.axis.map(f64::from);
    let len = libm::sqrt(axis.iter().map(|c| c * c).sum());
    if !(len > 0.0) || rotation.degrees == 0.0 {
        return Pose::IDENTITY.q;
    }
    let half = f64::from(rotation.degrees) * core::f64::consts::PI / 360.0;
    let s = libm::sin(half) / len;
    [(axis[0] * s) as f32, (axis[1] * s) as f32, (axis[2] * s) as f32, libm::cos(half) as f32]
}

/// The starting poses of a group of `count` bodies. `stream` keeps groups with one seed apart.
///
/// # Errors
/// [`SceneError`] naming `path`'s layout where random places with the wanted separation run out.
pub fn poses(
    layout: &Layout,
    count: usize,
    rotation: &Rotation,
    (seed, stream): (u64, u64),
    path: &str,
) -> Result<Vec<Pose>, SceneError> {
    let turn = quaternion(rotation);
    let at = |p| Pose { p, q: turn };
    match layout {
        Layout::At(positions) => Ok(positions.iter().take(count).map(|&p| at(p)).collect()),
        Layout::Grid(grid) => Ok((0..count)
            .map(|i| {
                let [nx, _, nz] = grid.cells.map(|c| c as usize);
                // Along x, then z, then up: a count short of the grid leaves the top layer open.
                let cell = [i % nx, i / (nx * nz), (i / nx) % nz];
                at(std::array::from_fn(|k| (cell[k] as f32).mul_add(grid.spacing_m[k], grid.origin_m[k])))
            })
            .collect()),
        Layout::Stack(stack) => Ok((0..count)
            .map(|i| at([stack.base_m[0], (i as f32).mul_add(stack.spacing_m, stack.base_m[1]), stack.base_m[2]]))
            .collect()),
        Layout::Random(random) => {
            let mut stream = Random::new(seed, stream);
            let mut poses: Vec<Pose> = Vec::with_capacity(count);
            for i in 0..count {
                let p = free_place(random, &poses, &mut stream).ok_or_else(|| {
                    SceneError::new(
                        format!("{path}.layout.random"),
                        format!("only {i} of {count} bodies fit the box with {} m between them", random.separation_m),
                    )
                    .help("enlarge min_m..max_m, or lower separation_m or count")
                })?;
                let q = if random.random_rotation { multiply(stream.rotation(), turn) } else { turn };
                poses.push(Pose { p, q });
            }
            Ok(poses)
        }
    }
}

fn free_place(random: &rankzero_job::Random, taken: &[Pose], stream: &mut Random) -> Option<[f32; 3]> {
    let apart = random.separation_m * random.separation_m;
    (0..ATTEMPTS).find_map(|_| {
        let p: [f32; 3] = std::array::from_fn(|k| stream.between(random.min_m[k], random.max_m[k]));
        let free = taken.iter().all(|t| (0..3).map(|k| (t.p[k] - p[k]) * (t.p[k] - p[k])).sum::<f32>() >= apart);
        free.then_some(p)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_job::{Grid, Random as RandomLayout};

    #[test]
    fn grids_fill_layers_from_below() {
        let layout = Layout::Grid(Grid { origin_m: [1.0, 0.0, 0.0], spacing_m: [2.0, 3.0, 4.0], cells: [2, 2, 2] });
        let poses = poses(&layout, 5, &Rotation::default(), (0, 0), "g").unwrap();
        let p: Vec<[f32; 3]> = poses.iter().map(|p| p.p).collect();
        assert_eq!(p, [[1., 0., 0.], [3., 0., 0.], [1., 0., 4.], [3., 0., 4.], [1., 3., 0.]]);
    }

    #[test]
    fn random_places_keep_apart_or_say_that_they_cannot() {
        let random = RandomLayout { min_m: [0.0; 3], max_m: [4.0; 3], separation_m: 1.0, random_rotation: true };
        let layout = Layout::Random(random.clone());
        let some = poses(&layout, 20, &Rotation::default(), (7, 1), "g").unwrap();
        assert_eq!(some, poses(&layout, 20, &Rotation::default(), (7, 1), "g").unwrap());
        assert_ne!(some, poses(&layout, 20, &Rotation::default(), (8, 1), "g").unwrap());
        for (i, a) in some.iter().enumerate() {
            for b in &some[i + 1..] {
                assert!((0..3).map(|k| (a.p[k] - b.p[k]).powi(2)).sum::<f32>() >= 1.0);
            }
        }
        let error = poses(&layout, 5000, &Rotation::default(), (7, 1), "soft_bodies[3]").unwrap_err();
        assert!(error.path == "soft_bodies[3].layout.random" && error.message.contains("of 5000"), "{error}");
    }

    #[test]
    fn a_quarter_turn_about_z_takes_x_to_y() {
        let q = quaternion(&Rotation { axis: [0.0, 0.0, 2.0], degrees: 90.0 });
        let v = rankzero_soft::quat::rotate(q, [1.0, 0.0, 0.0]);
        assert!(v[0].abs() < 1e-6 && (v[1] - 1.0).abs() < 1e-6);
    }
}
