//! Rapier's soft bodies: the same tetrahedra, stable Neo-Hookean cells, solved as constraints or by its implicit solver (FEM).
//!
//! Elastic damping is off, as it is off for the others, and so are the substeps that Rapier adds where something falls fast: the
//! substeps that are counted are those that are done.

use rapier3d::prelude::*;

use crate::engine::{Engine, start_of};
use crate::error::BenchError;
use crate::world::{DENSITY, GRAVITY, World, YOUNG};

/// Thickness of the particles, m.
const RADIUS: f32 = 0.01;

/// A world of Rapier's.
pub struct Rapier {
    world: PhysicsWorld,
    bodies: Vec<SoftBodyHandle>,
}

impl Rapier {
    /// The same bodies and planes, with so many substeps.
    pub fn new(world: &World, substeps: u32, implicit: bool) -> Self {
        let mut own = PhysicsWorld::new();
        own.gravity = Vector::new(0.0, -GRAVITY as f32, 0.0);
        own.integration_parameters.dt = world.scene.rule.step;
        own.integration_parameters.num_solver_iterations = substeps as usize;
        own.integration_parameters.soft_bodies.max_extra_substeps = 0;
        for (normal, offset) in world.planes() {
            let (middle, half) = super::slab(normal, offset);
            own.insert(
                RigidBodyBuilder::fixed().translation(vector(middle)),
                ColliderBuilder::cuboid(half[0], half[1], half[2]).friction(0.5),
            );
        }
        let bodies = (0..world.bodies()).map(|body| own.insert_soft_body(builder(world, body, implicit))).collect();
        Self { world: own, bodies }
    }
}

fn vector(p: [f32; 3]) -> Vector {
    Vector::new(p[0], p[1], p[2])
}

fn builder(world: &World, body: u32, implicit: bool) -> SoftBodyBuilder {
    let topology = world.scene.topology(body);
    debug_assert!((f64::from(topology.material.density) - DENSITY).abs() < 1e-3);
    // Rankzero damps all motion of a held body, and of a free one what is not rigid.
    let damping = topology.material.damping;
    let (of_all, of_deformation) = if topology.pinned { (damping, 0.0) } else { (0.0, damping) };
    let material = SoftBodyMaterial {
        young_modulus: YOUNG as f32,
        poisson_ratio: topology.material.poisson,
        elastic_damping_ratio: 0.0,
        deformation_damping: of_deformation,
        ..Default::default()
    };
    let held = topology.inverse_mass.iter().enumerate().filter(|(_, w)| **w == 0.0).map(|(node, _)| node as u32);
    SoftBodyBuilder::new(start_of(&world.scene, body).into_iter().map(vector).collect())
        .cells(topology.tets.iter().map(|tet| tet.nodes).collect())
        .masses(topology.mass.clone())
        .pinned_particles(held)
        .material(material)
        .cell_model(SoftBodyCellModel::NeoHookean)
        .solver(if implicit { SoftBodySolver::Fem } else { SoftBodySolver::Constraints })
        .linear_damping(of_all)
        .particle_radius(RADIUS)
        .can_sleep(false)
}

impl Engine for Rapier {
    fn step(&mut self) -> Result<(), BenchError> {
        self.world.step();
        Ok(())
    }

    fn nodes(&self, body: u32) -> Vec<[f32; 3]> {
        let body = &self.world.soft_bodies[self.bodies[body as usize]];
        (0..body.particles().len()).map(|node| body.particle_position(node)).map(|p| [p.x, p.y, p.z]).collect()
    }
}
