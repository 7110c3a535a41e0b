//! The colliders of a step, as `collider.cuh` has them.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::Aabb;
use rankzero_soft::collider::{Collider, Geometry, HeightField, Moving, Shape, SignedDistance};

/// A collider that the kernels do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("collider {index}, a {what}, has no kernel: bodies near it are computed on the CPU")]
pub struct Unsupported {
    /// Its place among the step's colliders.
    pub index: usize,
    /// What it is.
    pub what: &'static str,
}

/// As `Collider` of `collider.cuh`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Record {
    kind: u32,
    first: u32,
    count: u32,
    friction: [f32; 2],
    low: [f32; 3],
    high: [f32; 3],
    position: [f32; 3],
    rotation: [f32; 4],
    linear: [f32; 3],
    angular: [f32; 3],
    size: [f32; 3],
}
const _: () = assert!(size_of::<Record>() == 108);

/// As `Kind` of `collider.cuh`.
const PLANE: u32 = 0;
const BOX: u32 = 1;
const SPHERE: u32 = 2;
const CAPSULE: u32 = 3;
const CONVEX: u32 = 4;
const HEIGHTS: u32 = 5;
const FIELD: u32 = 6;

/// The colliders of a step in words.
#[derive(Clone, Debug, Default)]
pub struct Colliders {
    records: Vec<Record>,
    pool: Vec<u32>,
}

impl Colliders {
    /// Writes colliders down, in their order.
    ///
    /// # Errors
    /// [`Unsupported`] with the first that has no kernel.
    pub fn new(colliders: &[Collider]) -> Result<Self, Unsupported> {
        let mut all = Self::default();
        for (index, collider) in colliders.iter().enumerate() {
            let record = all.record(&collider.geometry).map_err(|what| Unsupported { index, what })?;
            let friction = [collider.friction.static_, collider.friction.dynamic];
            all.records.push(Record { friction, ..record });
        }
        Ok(all)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Their records, one after the other.
    pub fn records(&self) -> &[u8] {
        bytemuck::cast_slice(&self.records)
    }

    /// What the records refer to.
    pub fn pool(&self) -> &[u32] {
        &self.pool
    }

    fn record(&mut self, geometry: &Geometry) -> Result<Record, &'static str> {
        match geometry {
            Geometry::Plane { normal, offset } => {
                Ok(Record { kind: PLANE, position: *normal, size: [*offset, 0.0, 0.0], ..Record::default() })
            }
            Geometry::Moving(moving) => Ok(self.moving(moving)),
            Geometry::HeightField(field) => Ok(self.heights(field)),
            Geometry::Field(field) => Ok(self.field(field)),
            Geometry::Mesh(_) => Err("triangle mesh"),
        }
    }

    fn moving(&mut self, moving: &Moving) -> Record {
        let first = self.pool.len() as u32;
        let (kind, size, count) = match &moving.shape {
            Shape::Box { half } => (BOX, *half, 0),
            Shape::Sphere { radius } => (SPHERE, [*radius, 0.0, 0.0], 0),
            Shape::Capsule { radius, half_height } => (CAPSULE, [*radius, *half_height, 0.0], 0),
            Shape::Convex { planes, .. } => {
                self.pool.extend(planes.as_flattened().iter().map(|c| c.to_bits()));
                (CONVEX, [0.0; 3], planes.len() as u32)
            }
        };
        let (position, linear, angular) = (moving.position, moving.linear, moving.angular);
        let bounded = bounded(kind, moving.bounds());
        Record { first, count, position, rotation: moving.rotation, linear, angular, size, ..bounded }
    }

    fn heights(&mut self, field: &HeightField) -> Record {
        let first = self.pool.len() as u32;
        let grid = field.grid();
        self.pool.extend(grid.samples.map(|n| n as u32));
        self.pool.extend(grid.spacing.iter().chain(&grid.origin).chain(grid.heights).map(|c| c.to_bits()));
        Record { first, ..bounded(HEIGHTS, field.bounds()) }
    }

    fn field(&mut self, field: &SignedDistance) -> Record {
        let first = self.pool.len();
        let grid = field.grid();
        self.pool.extend([grid.samples[0], grid.samples[1], grid.blocks[0], grid.blocks[1]].map(|n| n as u32));
        self.pool.extend(grid.origin.map(f32::to_bits));
        self.pool.extend([grid.cells, grid.spacing].map(f32::to_bits));
        self.pool.extend(grid.last.iter().chain(grid.values).map(|c| c.to_bits()));
        let count = (self.pool.len() - first) as u32;
        let bits = |run: &[bool]| run.iter().enumerate().fold(0, |word, (i, solid)| word | u32::from(*solid) << i);
        self.pool.extend(grid.solid.chunks(32).map(bits));
        Record { first: first as u32, count, ..bounded(FIELD, field.bounds()) }
    }
}

fn bounded(kind: u32, Aabb { min: low, max: high }: Aabb) -> Record {
    Record { kind, low, high, ..Record::default() }
}
