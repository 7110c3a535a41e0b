//! The colliders of a step, as `collider.cuh` has them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{Pod, Zeroable};
use rankzero_soft::Aabb;
use rankzero_soft::candidates::Triangle;
use rankzero_soft::collider::{
    Collider, Geometry, HeightField, MeshSurface, Moving, Shape, SignedDistance, TriangleMesh,
};

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

/// The colliders of a step as kernels take them, `Colliders` of `collider.cuh`: addresses in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct ColliderTable {
    /// Their records.
    pub all: u64,
    /// How many.
    pub count: u64,
    /// What the records refer to.
    pub pool: u64,
    /// What nodes have found of triangle surfaces.
    pub found: u64,
    /// Words of it that each body has.
    pub found_words: u64,
}

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
const MESH: u32 = 7;

/// As `Triangle` of `mesh.cuh`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Face {
    corners: [[f32; 3]; 3],
    normal: [f32; 3],
    low: [f32; 3],
    high: [f32; 3],
    centre: [f32; 3],
    radius: f32,
    padding: [u32; 2],
}
const _: () = assert!(size_of::<Face>() == 96);

impl Face {
    fn new(triangle: &Triangle) -> Self {
        let (Aabb { min: low, max: high }, (centre, radius)) = (*triangle.bounds(), triangle.ball());
        let (corners, normal) = (triangle.corners, triangle.normal());
        Self { corners, normal, low, high, centre, radius, padding: [0; 2] }
    }
}

/// The version of the next pool.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

/// The colliders of a step in words.
///
/// Tables are large and never change, so that they are written down anew only where a step has other colliders than the one before.
#[derive(Clone, Debug, Default)]
pub struct Colliders {
    records: Vec<Record>,
    pool: Vec<u32>,
    /// What the pool was made from.
    pooled: Vec<Collider>,
    /// How many of them are triangle surfaces.
    meshes: u32,
    /// No other pool has it.
    version: u64,
}

impl Colliders {
    /// Writes colliders down, in their order.
    pub fn set(&mut self, colliders: &[Collider]) {
        let same = self.pooled.len() == colliders.len() && self.pooled.iter().zip(colliders).all(|(a, b)| shared(a, b));
        if same {
            for (record, collider) in self.records.iter_mut().zip(colliders) {
                record.place(&collider.geometry);
            }
            return;
        }
        self.records.clear();
        self.pool.clear();
        self.pooled.clear();
        self.meshes = 0;
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
        for collider in colliders {
            let friction = [collider.friction.static_, collider.friction.dynamic];
            let record = Record { friction, ..self.record(&collider.geometry) };
            self.records.push(record);
        }
        self.pooled.extend_from_slice(colliders);
    }

    /// How many of them are triangle surfaces, which nodes look for before a step.
    pub fn meshes(&self) -> usize {
        self.meshes as usize
    }

    /// Another one for each pool; 0 where nothing was set yet.
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

    fn record(&mut self, geometry: &Geometry) -> Record {
        match geometry {
            Geometry::Plane { normal, offset } => {
                Record { kind: PLANE, position: *normal, size: [*offset, 0.0, 0.0], ..Record::default() }
            }
            Geometry::Moving(moving) => self.moving(moving),
            Geometry::HeightField(field) => self.heights(field),
            Geometry::Field(field) => self.field(field),
            Geometry::Mesh(mesh) => self.mesh(mesh),
        }
    }

    fn mesh(&mut self, mesh: &TriangleMesh) -> Record {
        let first = self.pool.len() as u32;
        let MeshSurface { triangles, by_x, widest, thickness } = mesh.surface();
        self.pool.extend([triangles.len() as u32, widest.to_bits(), thickness.to_bits(), 0]);
        for triangle in triangles {
            self.pool.extend_from_slice(bytemuck::cast_slice(&[Face::new(triangle)]));
        }
        self.pool.extend(by_x);
        self.meshes += 1;
        Record { first, count: self.meshes - 1, ..bounded(MESH, mesh.bounds()) }
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
        (Geometry::Mesh(a), Geometry::Mesh(b)) => std::ptr::eq(a.surface().triangles, b.surface().triangles),
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
        kept.set(&step(1.0));
        let version = kept.version();
        kept.set(&step(2.0));
        fresh.set(&step(2.0));
        assert_eq!((kept.version(), kept.records(), kept.pool()), (version, fresh.records(), fresh.pool()));
        // The same numbers elsewhere are another table.
        let other = SignedDistance::new([2; 3], [0.0; 3], 1.0, vec![-1.0; 8]);
        kept.set(&[with(Geometry::Field(other)), with(moving(2.0))]);
        assert!(kept.version() > version && kept.pool() == fresh.pool());
    }

    #[test]
    fn surfaces_are_numbered_and_others_are_other_tables() {
        let mesh = || TriangleMesh::new(&[[0.0; 3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &[[0, 2, 1]], 0.5);
        let (one, other) = (with(Geometry::Mesh(mesh())), with(Geometry::Mesh(mesh())));
        let mut colliders = Colliders::default();
        colliders.set(&[one.clone(), with(moving(0.0)), other.clone()]);
        assert_eq!((colliders.meshes(), colliders.records[0].count, colliders.records[2].count), (2, 0, 1));
        let version = colliders.version();
        colliders.set(&[one.clone(), with(moving(1.0)), other]);
        assert_eq!(colliders.version(), version);
        colliders.set(&[one.clone(), with(moving(1.0)), one]);
        assert!(colliders.version() > version);
        colliders.set(&[]);
        assert_eq!(colliders.meshes(), 0);
    }
}
