//! What a rigid world promises, proved on small scenes.

mod motion;
mod queries;
mod refusals;
mod resume;
mod terrain;

use super::*;

const GRAVITY: [f32; 3] = [0.0, -9.81, 0.0];
const DT: f32 = 1.0 / 60.0;
const STONE: Material = Material { static_friction: 0.6, dynamic_friction: 0.5, restitution: 0.0 };

fn dynamic(shape: Shape, p: [f32; 3]) -> RigidDesc {
    let motion = Motion::Dynamic { density: 1000.0, linear: [0.0; 3], angular: [0.0; 3] };
    RigidDesc { shape, pose: Pose::at(p), motion, material: STONE }
}

fn kinematic(shape: Shape, p: [f32; 3]) -> RigidDesc {
    RigidDesc { shape, pose: Pose::at(p), motion: Motion::Kinematic, material: STONE }
}

fn cube(half: f32) -> Shape {
    Shape::Box { half: [half; 3] }
}

fn ground() -> StaticDesc {
    StaticDesc { shape: StaticShape::Plane { normal: [0.0, 1.0, 0.0], offset: 0.0 }, material: STONE }
}

fn steps(world: &mut RigidWorld, n: usize) -> Result<(), RigidError> {
    (0..n).try_for_each(|_| world.step())
}

fn words(world: &RigidWorld) -> Vec<[u32; RigidState::WORDS]> {
    world.states().iter().map(RigidState::to_words).collect()
}
