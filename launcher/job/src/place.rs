//! Where each body of a group starts: layouts turned into poses.
//!
//! Invariants: a pose depends on the job alone (its seed, the group's place in its list, the body's place in the group); only
//! `+ − × ÷ sqrt` and `libm` in `f64` take part.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

use crate::model::{Job, Layout, Random, Rotation};
use crate::random::SplitMix;

/// How often a random body that lands too near another is thrown again.
const MAX_THROWS: u32 = 10_000;
/// Streams of random numbers: groups of soft bodies count up from here, those of rigid ones from [`RIGID_STREAM`].
const SOFT_STREAM: u64 = 0;
const RIGID_STREAM: u64 = 1 << 32;

/// The initial pose of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Position of the body's local origin, in metres.
    pub position_m: [f32; 3],
    /// Orientation as a unit quaternion x, y, z, w: turns body coordinates into world coordinates.
    pub rotation: [f32; 4],
}

/// A random layout that has no room for all of its bodies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{group}` has room for {placed} bodies only, not {count}: enlarge the box of its layout, or lower `separation_m` or `count`"
)]
pub struct NoRoom {
    /// The group's name.
    pub group: String,
    /// How many bodies found a place.
    pub placed: u64,
    /// How many there should be.
    pub count: u64,
}

impl Job {
    /// Initial poses of the soft bodies of group `group` of `soft_bodies`, one per body.
    ///
    /// # Errors
    /// [`NoRoom`] where a random layout is too small for its `separation_m`.
    pub fn soft_placements(&self, group: usize) -> Result<Vec<Placement>, NoRoom> {
        let Some(bodies) = self.soft_bodies.get(group) else { return Ok(Vec::new()) };
        let random = SplitMix::new(self.seed, SOFT_STREAM + group as u64);
        place(&bodies.name, &bodies.layout, bodies.body_count(), bodies.rotation, random)
    }

    /// Initial poses of the rigid bodies of group `group` of `rigid_bodies`, one per body.
    ///
    /// # Errors
    /// [`NoRoom`] where a random layout is too small for its `separation_m`.
    pub fn rigid_placements(&self, group: usize) -> Result<Vec<Placement>, NoRoom> {
        let Some(bodies) = self.rigid_bodies.get(group) else { return Ok(Vec::new()) };
        let random = SplitMix::new(self.seed, RIGID_STREAM + group as u64);
        place(&bodies.name, &bodies.layout, bodies.body_count(), bodies.rotation, random)
    }
}

impl Rotation {
    /// The same turn as a unit quaternion x, y, z, w. No turn where the axis has no length.
    pub fn quaternion(self) -> [f32; 4] {
        self.exact().map(|part| part as f32)
    }

    fn exact(self) -> [f64; 4] {
        let [x, y, z] = self.axis.map(f64::from);
        let length = (x * x + y * y + z * z).sqrt();
        if length == 0.0 || self.degrees == 0.0 {
            return [0.0, 0.0, 0.0, 1.0];
        }
        let half = f64::from(self.degrees) * (PI / 360.0);
        let sine = libm::sin(half) / length;
        [x * sine, y * sine, z * sine, libm::cos(half)]
    }
}

fn place(
    group: &str,
    layout: &Layout,
    count: u64,
    rotation: Rotation,
    random: SplitMix,
) -> Result<Vec<Placement>, NoRoom> {
    let own = rotation.exact();
    let facing = |position_m| Placement { position_m, rotation: own.map(|part| part as f32) };
    let placements: Vec<Placement> = match layout {
        Layout::At(positions) => positions.iter().copied().map(facing).take(count as usize).collect(),
        Layout::Grid(grid) => {
            let [nx, _, nz] = grid.cells.map(u64::from);
            let at = |i: u64| [i % nx, i / (nx * nz), (i / nx) % nz];
            let step = |axis: usize, i: u64| grid.origin_m[axis] + grid.spacing_m[axis] * i as f32;
            let position = |[x, y, z]: [u64; 3]| [step(0, x), step(1, y), step(2, z)];
            (0..if nx * nz == 0 { 0 } else { count }).map(|i| facing(position(at(i)))).collect()
        }
        Layout::Stack(stack) => {
            let [x, y, z] = stack.base_m;
            (0..count).map(|i| facing([x, y + stack.spacing_m * i as f32, z])).collect()
        }
        Layout::Random(layout) => scatter(layout, count, own, random),
    };
    match placements.len() as u64 {
        placed if placed < count => Err(NoRoom { group: group.to_owned(), placed, count }),
        _ => Ok(placements),
    }
}

/// Throws bodies into the box one by one; those nearer to an earlier one than the separation are thrown again. Stops at the first that
/// finds no place.
fn scatter(layout: &Random, count: u64, own: [f64; 4], mut random: SplitMix) -> Vec<Placement> {
    let separation = f64::from(layout.separation_m);
    // One cell holds at most one body per dimension and separation, so only its neighbours need a look.
    let mut cells: BTreeMap<[i64; 3], Vec<[f64; 3]>> = BTreeMap::new();
    let cell = |p: [f64; 3]| p.map(|x| libm::floor(x / separation) as i64);
    let mut placements = Vec::new();
    'bodies: for _ in 0..count {
        for _ in 0..MAX_THROWS {
            let mut position_m = [0.0; 3];
            for (axis, x) in position_m.iter_mut().enumerate() {
                *x = random.between(f64::from(layout.min_m[axis]), f64::from(layout.max_m[axis])) as f32;
            }
            let position = position_m.map(f64::from);
            if separation > 0.0 {
                if near(&cells, cell(position), position, separation) {
                    continue;
                }
                cells.entry(cell(position)).or_default().push(position);
            }
            let turn = if layout.random_rotation { product(any_rotation(&mut random), own) } else { own };
            placements.push(Placement { position_m, rotation: turn.map(|part| part as f32) });
            continue 'bodies;
        }
        break;
    }
    placements
}

/// Whether a body stands nearer than `separation`.
fn near(cells: &BTreeMap<[i64; 3], Vec<[f64; 3]>>, cell: [i64; 3], p: [f64; 3], separation: f64) -> bool {
    // A tiny separation makes cells beyond what an i64 counts; saturated, they still only cost comparisons.
    let beside = |axis: usize, step: i64| cell[axis].saturating_add(step - 1);
    let neighbours = (0..27).map(|i| [beside(0, i % 3), beside(1, i / 3 % 3), beside(2, i / 9)]);
    neighbours.filter_map(|neighbour| cells.get(&neighbour)).flatten().any(|q| {
        let [x, y, z] = [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
        x * x + y * y + z * z < separation * separation
    })
}

/// A uniformly random rotation (Shoemake 1992, "Uniform random rotations").
fn any_rotation(random: &mut SplitMix) -> [f64; 4] {
    let u = random.unit();
    let (a, b) = (TAU * random.unit(), TAU * random.unit());
    let (low, high) = ((1.0 - u).sqrt(), u.sqrt());
    [low * libm::sin(a), low * libm::cos(a), high * libm::sin(b), high * libm::cos(b)]
}

/// The rotation `b`, then `a`.
fn product([ax, ay, az, aw]: [f64; 4], [bx, by, bz, bw]: [f64; 4]) -> [f64; 4] {
    [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ]
}
