//! The colliders of a step, as `collider.cuh` has them.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::Aabb;
use rankzero_soft::collider::{Collider, Geometry, HeightField, Moving, Shape, SignedDistance};

/// A collider that the kernels do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("collider {index}, a {what}, has no kernel: all bodies are computed on the CPU")]
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

/// Words of a collider's record.
pub(crate) const RECORD_WORDS: usize = size_of::<Record>() / 4;

/// As `Kind` of `collider.cuh`.
const PLANE: u32 = 0;
const BOX: u32 = 1;
const SPHERE: u32 = 2;
const CAPSULE: u32 = 3;
const CONVEX: u32 = 4;
const HEIGHTS: u32 = 5;
const FIELD: u32 = 6;

/// The colliders of a step in words.
///
/// Tables are large and never change, so that they are written down anew only where a step has other colliders than the one before.
#[derive(Clone, Debug, Default)]
pub struct Colliders {
    records: Vec<Record>,
    pool: Vec<u32>,
    /// What the pool was made from.
    pooled: Vec<Collider>,
    /// The first of them that has no kernel.
    unsupported: Option<Unsupported>,
    /// Counts how often the pool was made.
    version: u64,
}

impl Colliders {
    /// Writes colliders down, in their order.
    ///
    /// # Errors
    /// [`Unsupported`] with the first that has no kernel; then there are none.
    pub fn set(&mut self, colliders: &[Collider]) -> Result<(), Unsupported> {
        let same = self.pooled.len() == colliders.len() && self.pooled.iter().zip(colliders).all(|(a, b)| shared(a, b));
        if same {
            for (record, collider) in self.records.iter_mut().zip(colliders) {
                record.place(&collider.geometry);
            }
            return self.unsupported.map_or(Ok(()), Err);
        }
        self.unsupported = None;
        self.records.clear();
        self.pool.clear();
        self.pooled.clear();
        self.version += 1;
        for (index, collider) in colliders.iter().enumerate() {
            match self.record(&collider.geometry) {
                Ok(record) => {
                    let friction = [collider.friction.static_, collider.friction.dynamic];
                    self.records.push(Record { friction, ..record });
                }
                Err(what) => {
                    self.records.clear();
                    self.unsupported = Some(Unsupported { index, what });
                    break;
                }
            }
        }
        self.pooled.extend_from_slice(colliders);
        self.unsupported.map_or(Ok(()), Err)
    }

    /// Changes whenever the pool does.
    pub fn version(&self) -> u64 {
        self.version
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
        let mut record = Record { kind, first, count, size, ..Record::default() };
        record.place_moving(moving);
        record
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

impl Record {
    /// Takes what changes from step to step.
    fn place(&mut self, geometry: &Geometry) {
        if let Geometry::Moving(moving) = geometry {
            self.place_moving(moving);
        }
    }

    fn place_moving(&mut self, moving: &Moving) {
        let Aabb { min, max } = moving.bounds();
        (self.low, self.high) = (min, max);
        (self.position, self.rotation) = (moving.position, moving.rotation);
        (self.linear, self.angular) = (moving.linear, moving.angular);
    }
}

/// Whether two colliders differ in nothing but what [`Record::place`] takes.
fn shared(a: &Collider, b: &Collider) -> bool {
    let same = match (&a.geometry, &b.geometry) {
        (Geometry::Plane { normal, offset }, Geometry::Plane { normal: n, offset: o }) => normal == n && offset == o,
        (Geometry::Moving(a), Geometry::Moving(b)) => a.shape == b.shape,
        // A clone shares the samples; both live, so that the place tells them apart.
        (Geometry::HeightField(a), Geometry::HeightField(b)) => std::ptr::eq(a.grid().heights, b.grid().heights),
        (Geometry::Field(a), Geometry::Field(b)) => std::ptr::eq(a.grid().values, b.grid().values),
        // Neither has a kernel.
        (Geometry::Mesh(_), Geometry::Mesh(_)) => true,
        _ => false,
    };
    same && a.friction == b.friction
}

fn bounded(kind: u32, Aabb { min: low, max: high }: Aabb) -> Record {
    Record { kind, low, high, ..Record::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_soft::Friction;

    fn moving(x: f32) -> Geometry {
        let shape = Shape::Convex { planes: vec![[0.0, 1.0, 0.0, -1.0]].into(), radius: 2.0 };
        let rotation = [0.0, 0.0, 0.0, 1.0];
        Geometry::Moving(Moving {
            shape,
            position: [x, 0.0, 0.0],
            rotation,
            linear: [x; 3],
            angular: [0.0; 3],
            step: 0.1,
        })
    }

    fn with(geometry: Geometry) -> Collider {
        Collider { geometry, friction: Friction { static_: 0.5, dynamic: 0.4 } }
    }

    #[test]
    fn tables_are_written_once_and_what_moves_each_step() {
        let field = SignedDistance::new([2; 3], [0.0; 3], 1.0, vec![-1.0; 8]);
        let step = |x| [with(Geometry::Field(field.clone())), with(moving(x))];
        let (mut kept, mut fresh) = (Colliders::default(), Colliders::default());
        kept.set(&step(1.0)).unwrap();
        let version = kept.version();
        kept.set(&step(2.0)).unwrap();
        fresh.set(&step(2.0)).unwrap();
        assert_eq!((kept.version(), kept.records(), kept.pool()), (version, fresh.records(), fresh.pool()));
        // The same numbers elsewhere are another table.
        let other = SignedDistance::new([2; 3], [0.0; 3], 1.0, vec![-1.0; 8]);
        kept.set(&[with(Geometry::Field(other)), with(moving(2.0))]).unwrap();
        assert!(kept.version() > version && kept.pool() == fresh.pool());
    }

    #[test]
    fn a_collider_without_kernel_is_named() {
        let mesh = rankzero_soft::collider::TriangleMesh::new(&[[0.0; 3]], &[], 1.0);
        let mut colliders = Colliders::default();
        let scene = [with(moving(0.0)), with(Geometry::Mesh(mesh))];
        let unsupported = colliders.set(&scene).unwrap_err();
        assert_eq!(unsupported, Unsupported { index: 1, what: "triangle mesh" });
        assert!(colliders.is_empty());
        // The next step finds that without writing anything down again.
        let version = colliders.version();
        assert_eq!(colliders.set(&scene), Err(unsupported));
        assert_eq!(colliders.version(), version);
        colliders.set(&[with(moving(0.0))]).unwrap();
        assert_eq!(colliders.len(), 1);
    }
}
