//! The calls into Jolt, and nothing else.
//!
//! SAFETY, for every block below: [`System`] holds the only pointers to what it has created, all of them from the library's own
//! constructors and not null; it is neither copied nor sent to another thread; and arrays are handed over together with their length.
#![allow(unsafe_code)]

use oxijolt_sys::*;

/// Object layers: what stands still, and what moves.
const STILL: u32 = 0;
const MOVING: u32 = 1;
const LAYERS: u32 = 2;
/// Jobs of a step, and bytes for what a step computes on its way.
const MAX_JOBS: u32 = 2048;
const SCRATCH_BYTES: u32 = 64 << 20;

/// A soft body's mesh; compliances in m/N for edges, in m⁶/J for six times the volumes.
#[derive(Debug)]
pub struct Mesh {
    /// Nodes at rest, m.
    pub points: Vec<[f32; 3]>,
    /// 1/kg; 0 holds a node.
    pub inverse_mass: Vec<f32>,
    /// Springs and their compliances.
    pub edges: Vec<([u32; 2], f32)>,
    /// Tetrahedra of positive volume and their compliances.
    pub tets: Vec<([u32; 4], f32)>,
    /// Outward triangles of the surface.
    pub triangles: Vec<[u32; 3]>,
}

/// Where a body starts.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of the mesh's origin, m.
    pub position: [f32; 3],
    /// As `x y z w`.
    pub rotation: [f32; 4],
}

/// What all soft bodies are alike in.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Iterations of a step.
    pub iterations: u32,
    /// Thickness of the surface, m.
    pub radius: f32,
    /// Rate at which velocities decay, 1/s.
    pub damping: f32,
}

/// A world of Jolt's, computed by the calling thread.
#[derive(Debug)]
pub struct System {
    system: *mut JPH_PhysicsSystem,
    jobs: *mut JPH_JobSystem,
    scratch: *mut JPH_TempAllocator,
    bodies: Vec<JPH_BodyID>,
}

fn vec3([x, y, z]: [f32; 3]) -> JPH_Vec3 {
    JPH_Vec3 { x, y, z }
}

impl System {
    /// An empty world with room for so many bodies.
    ///
    /// # Errors
    /// In words, where the library refuses.
    pub fn new(bodies: u32) -> Result<Self, &'static str> {
        // SAFETY: see the module. The system takes the three filters over and destroys them.
        unsafe {
            if !JPH_Init() {
                return Err("it does not start");
            }
            let pairs = JPH_ObjectLayerPairFilterTable_Create(LAYERS);
            JPH_ObjectLayerPairFilterTable_EnableCollision(pairs, STILL, MOVING);
            JPH_ObjectLayerPairFilterTable_EnableCollision(pairs, MOVING, MOVING);
            let broad = JPH_BroadPhaseLayerInterfaceTable_Create(LAYERS, LAYERS);
            JPH_BroadPhaseLayerInterfaceTable_MapObjectToBroadPhaseLayer(broad, STILL, 0);
            JPH_BroadPhaseLayerInterfaceTable_MapObjectToBroadPhaseLayer(broad, MOVING, 1);
            let layers = JPH_ObjectVsBroadPhaseLayerFilterTable_Create(broad, LAYERS, pairs, LAYERS);
            let settings = JPH_PhysicsSystemSettings {
                maxBodies: bodies.max(16),
                numBodyMutexes: 0,
                maxBodyPairs: 4 * bodies.max(16),
                maxContactConstraints: 4 * bodies.max(16),
                _padding: 0,
                broadPhaseLayerInterface: broad,
                objectLayerPairFilter: pairs,
                objectVsBroadPhaseLayerFilter: layers,
            };
            let system = JPH_PhysicsSystem_Create(&settings);
            if system.is_null() {
                return Err("it makes no world");
            }
            JPH_PhysicsSystem_SetGravity(system, &vec3([0.0, -crate::world::GRAVITY as f32, 0.0]));
            let jobs = JPH_JobSystemSingleThreaded_Create(MAX_JOBS);
            Ok(Self { system, jobs, scratch: JPH_TempAllocator_Create(SCRATCH_BYTES), bodies: Vec::new() })
        }
    }

    /// Adds a box that never moves: its middle and half extents, m.
    ///
    /// # Errors
    /// As [`System::new`].
    pub fn add_box(&mut self, middle: [f32; 3], half: [f32; 3]) -> Result<(), &'static str> {
        let upright = JPH_Quat { x: 0.0, y: 0.0, z: 0.0, w: 1.0 };
        // SAFETY: see the module. The settings hold a reference to the shape, and so does the body.
        unsafe {
            let shape = JPH_BoxShape_Create(&vec3(half), 0.05).cast::<JPH_Shape>();
            let settings =
                JPH_BodyCreationSettings_Create3(shape, &vec3(middle), &upright, JPH_MotionType_Static, STILL);
            JPH_BodyCreationSettings_SetFriction(settings, 0.5);
            let interface = JPH_PhysicsSystem_GetBodyInterface(self.system);
            let body = JPH_BodyInterface_CreateAndAddBody(interface, settings, JPH_Activation_DontActivate);
            JPH_BodyCreationSettings_Destroy(settings);
            JPH_Shape_Destroy(shape);
            if body == u32::MAX { Err("it has no room for a box") } else { Ok(()) }
        }
    }

    /// Adds soft bodies of one mesh.
    ///
    /// # Errors
    /// As [`System::new`].
    pub fn add_bodies(&mut self, mesh: &Mesh, places: &[Place], kind: Kind) -> Result<(), &'static str> {
        // SAFETY: see the module. Bodies hold references to the shared settings.
        unsafe {
            let shared = shared_settings(mesh);
            let interface = JPH_PhysicsSystem_GetBodyInterface(self.system);
            for place in places {
                let [x, y, z, w] = place.rotation;
                let rotation = JPH_Quat { x, y, z, w };
                let settings = JPH_SoftBodyCreationSettings_Create2(shared, &vec3(place.position), &rotation, MOVING);
                JPH_SoftBodyCreationSettings_SetNumIterations(settings, kind.iterations);
                JPH_SoftBodyCreationSettings_SetAllowSleeping(settings, false);
                JPH_SoftBodyCreationSettings_SetLinearDamping(settings, kind.damping);
                JPH_SoftBodyCreationSettings_SetVertexRadius(settings, kind.radius);
                JPH_SoftBodyCreationSettings_SetFriction(settings, 0.5);
                self.bodies.push(JPH_BodyInterface_CreateAndAddSoftBody(interface, settings, JPH_Activation_Activate));
                JPH_SoftBodyCreationSettings_Destroy(settings);
            }
            JPH_SoftBodySharedSettings_Destroy(shared);
        }
        if self.bodies.contains(&u32::MAX) { Err("it has no room for a soft body") } else { Ok(()) }
    }

    /// Advances everything by `step_s`.
    ///
    /// # Errors
    /// As [`System::new`].
    pub fn step(&mut self, step_s: f32) -> Result<(), &'static str> {
        // SAFETY: see the module.
        let result = unsafe { JPH_PhysicsSystem_Update2(self.system, step_s, 1, self.scratch, self.jobs) };
        if result == JPH_PhysicsUpdateError_None { Ok(()) } else { Err("a table of its is full") }
    }

    /// Where the nodes of the `index`-th soft body are, m.
    pub fn nodes(&self, index: usize, count: usize) -> Vec<[f32; 3]> {
        let mut points = vec![vec3([0.0; 3]); count];
        let mut found = 0;
        // SAFETY: see the module. No step runs meanwhile, so that the body may be read without a lock; one that is not
        // there comes as null, which the library allows.
        unsafe {
            let locks = JPH_PhysicsSystem_GetBodyLockInterfaceNoLock(self.system);
            let mut lock = std::mem::zeroed::<JPH_BodyLockRead>();
            JPH_BodyLockInterface_LockRead(locks, self.bodies[index], &mut lock);
            JPH_Body_GetSoftBodyVertexPositions(lock.body, points.as_mut_ptr(), count as u32, &mut found);
            JPH_BodyLockInterface_UnlockRead(locks, &mut lock);
        }
        points.iter().map(|p| [p.x, p.y, p.z]).collect()
    }
}

/// What all bodies of a mesh share.
///
/// # Safety
/// [`JPH_Init`] must have been called. The caller gives the result back.
unsafe fn shared_settings(mesh: &Mesh) -> *mut JPH_SoftBodySharedSettings {
    let vertex = |(point, inverse): (&[f32; 3], &f32)| JPH_SoftVertex {
        position: vec3(*point),
        velocity: vec3([0.0; 3]),
        invMass: *inverse,
    };
    let vertices: Vec<JPH_SoftVertex> = mesh.points.iter().zip(&mesh.inverse_mass).map(vertex).collect();
    let face = |t: &[u32; 3]| JPH_SoftFace { vertex1: t[0], vertex2: t[1], vertex3: t[2], materialIndex: 0 };
    let faces: Vec<JPH_SoftFace> = mesh.triangles.iter().map(face).collect();
    // SAFETY: see the module. Indices of edges, tetrahedra and triangles are those of the vertices.
    unsafe {
        let shared = JPH_SoftBodySharedSettings_Create();
        JPH_SoftBodySharedSettings_AddVertices(shared, vertices.as_ptr(), vertices.len() as u32);
        JPH_SoftBodySharedSettings_AddFaces(shared, faces.as_ptr(), faces.len() as u32);
        for &([a, b], compliance) in &mesh.edges {
            JPH_SoftBodySharedSettings_AddEdgeConstraint(shared, a, b, compliance);
        }
        for &([a, b, c, d], compliance) in &mesh.tets {
            JPH_SoftBodySharedSettings_AddVolumeConstraint(shared, a, b, c, d, compliance);
        }
        JPH_SoftBodySharedSettings_CalculateEdgeLengths(shared);
        JPH_SoftBodySharedSettings_CalculateVolumeConstraintVolumes(shared);
        JPH_SoftBodySharedSettings_Optimize(shared);
        shared
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // SAFETY: see the module; nothing uses the pointers afterwards. The system destroys its bodies and filters.
        unsafe {
            JPH_PhysicsSystem_Destroy(self.system);
            JPH_TempAllocator_Destroy(self.scratch);
            JPH_JobSystem_Destroy(self.jobs);
        }
    }
}
