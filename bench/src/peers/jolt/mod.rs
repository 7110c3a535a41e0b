//! Jolt's soft bodies: a spring along every edge of the same tetrahedra, and a volume constraint in every one.
//!
//! Springs have no Young's modulus. Theirs follow from the energy of an isotropic network: with the volume `V` of an edge (a sixth of
//! each of its tetrahedra) and its length `L`, a stiffness of `15 μ V / L²` gives the shear modulus `μ`, and Lamé's other
//! parameter comes out as `μ` too; the volume constraints add what is missing to `λ`. Jolt's volume constraint is over six times the
//! volume, hence 36 in its compliance `36 V / (λ − μ)`. A mesh of few directions is not isotropic, so that a factor on both compliances
//! remains to be fitted.

mod ffi;

use std::collections::BTreeMap;

use rankzero_soft::Topology;
use rankzero_soft::vec3::{length, sub};

use crate::engine::Engine;
use crate::error::BenchError;
use crate::world::World;

/// Thickness of the surface, m.
const RADIUS: f32 = 0.01;

/// A world of Jolt's.
pub struct Jolt {
    system: ffi::System,
    nodes: Vec<usize>,
    step_s: f32,
}

impl Jolt {
    /// The same bodies and planes, with so many iterations, and springs that are `softness` times as soft.
    pub fn new(world: &World, iterations: u32, softness: f32) -> Result<Self, BenchError> {
        let mut system = ffi::System::new(world.bodies() + world.planes().len() as u32).map_err(failed)?;
        for (normal, offset) in world.planes() {
            let (middle, half) = super::slab(normal, offset);
            system.add_box(middle, half).map_err(failed)?;
        }
        let mesh = mesh(world.scene.topology(0), softness);
        let places =
            world.scene.bodies.iter().map(|plan| ffi::Place { position: plan.position, rotation: plan.rotation });
        let damping = world.scene.topology(0).material.damping;
        let kind = ffi::Kind { iterations, radius: RADIUS, damping };
        system.add_bodies(&mesh, &places.collect::<Vec<_>>(), kind).map_err(failed)?;
        let nodes = (0..world.bodies()).map(|body| world.scene.layout(body).nodes).collect();
        Ok(Self { system, nodes, step_s: world.scene.rule.step })
    }
}

fn failed(what: impl ToString) -> BenchError {
    BenchError::Engine { engine: "Jolt", what: what.to_string() }
}

fn mesh(topology: &Topology, softness: f32) -> ffi::Mesh {
    let (mu, lambda) = topology.material.lame();
    let mut volume_of = BTreeMap::new();
    let mut tets = Vec::new();
    for tet in &topology.tets {
        let volume = tet.volume6 / 6.0;
        tets.push((tet.nodes, softness * 36.0 * volume / (lambda - mu).max(1e-3 * mu)));
        for i in 0..4 {
            for j in i + 1..4 {
                let (a, b) = (tet.nodes[i].min(tet.nodes[j]), tet.nodes[i].max(tet.nodes[j]));
                *volume_of.entry([a, b]).or_insert(0.0) += volume / 6.0;
            }
        }
    }
    let compliance = |edge: [u32; 2], volume: f32| {
        let long = length(sub(topology.rest[edge[0] as usize], topology.rest[edge[1] as usize]));
        softness * long * long / (15.0 * mu * volume)
    };
    ffi::Mesh {
        points: topology.rest.clone(),
        inverse_mass: topology.inverse_mass.clone(),
        edges: volume_of.into_iter().map(|(edge, volume)| (edge, compliance(edge, volume))).collect(),
        tets,
        triangles: topology.triangles.clone(),
    }
}

impl Engine for Jolt {
    fn step(&mut self) -> Result<(), BenchError> {
        self.system.step(self.step_s).map_err(failed)
    }

    fn nodes(&self, body: u32) -> Vec<[f32; 3]> {
        self.system.nodes(body as usize, self.nodes[body as usize])
    }
}
