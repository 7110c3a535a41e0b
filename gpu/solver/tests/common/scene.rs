//! Random bodies and surroundings.

use std::collections::BTreeMap;
use std::sync::Arc;

use rankzero_soft::collider::{Collider, Geometry, HeightField, Moving, Shape, SignedDistance, TriangleMesh};
use rankzero_soft::reach::Reach;
use rankzero_soft::rule::{SleepRule, StepRule};
use rankzero_soft::{Friction, Material, RestMesh, Topology};

use super::random::Random;

/// Bodies of one topology and what they meet.
pub struct Scene {
    pub topology: Arc<Topology>,
    pub rule: StepRule,
    pub colliders: Vec<Collider>,
    /// Canonical states.
    pub states: Vec<Vec<u32>>,
}

impl Scene {
    /// A scene by its seed: `bodies` bodies of up to `cells` cells a side, whose elasticity is swept.
    pub fn new(seed: u64, bodies: usize, cells: u64) -> Self {
        Self::of(seed, bodies, cells, false)
    }

    /// The same, their elasticity solved implicitly.
    pub fn implicit(seed: u64, bodies: usize, cells: u64) -> Self {
        Self::of(seed, bodies, cells, true)
    }

    /// A cube of so many cells a side, at rest in the air, in steps of so many substeps.
    pub fn cube(cells: u32, substeps: u32, implicit: bool) -> Self {
        let mut random = Random(1);
        let (points, tets) = lattice(&mut random, [cells; 3]);
        let surface = boundary(&tets);
        let friction = Friction { static_: 0.5, dynamic: 0.4 };
        let material = Material { density: 1000.0, young: 1e5, poisson: 0.3, damping: 0.1, friction };
        let mesh = RestMesh { points: &points, tets: &tets, surface: &surface };
        let mut topology = Topology::new(mesh, material, |_| false).unwrap();
        let rule = StepRule { step: 1.0 / 60.0, substeps, per_interval: substeps, ..rule(&mut random) };
        if implicit {
            topology.solve_implicitly(rule.substep());
        }
        let states = vec![at_rest(&topology)];
        Scene { topology: Arc::new(topology), rule, colliders: Vec::new(), states }
    }

    fn of(seed: u64, bodies: usize, cells: u64, implicit: bool) -> Self {
        let mut random = Random(seed);
        let mut topology = topology(&mut random, cells);
        let rule = rule(&mut random);
        if implicit {
            topology.solve_implicitly(rule.substep());
        }
        let topology = Arc::new(topology);
        let colliders = (0..random.below(5)).map(|_| collider(&mut random, rule.step)).collect();
        let states = (0..bodies).map(|_| state(&mut random, &topology)).collect();
        Scene { topology, rule, colliders, states }
    }

    /// The bodies' reaches at the start.
    pub fn reaches(&self) -> Vec<Reach> {
        self.states.iter().map(|state| Reach::of_state(state, self.topology.layout, &self.rule)).collect()
    }
}

fn rule(random: &mut Random) -> StepRule {
    let substeps = 1 + random.below(6) as u32;
    StepRule {
        step: random.within(0.002, 0.02),
        substeps,
        per_interval: substeps,
        gravity: if random.once_in(3) { [0.0; 3] } else { [random.within(-1.0, 1.0), -9.81, 0.0] },
        margin: random.within(0.0, 0.05),
        recovery_speed_max: random.within(0.5, 4.0),
        sleep: SleepRule { speed: random.within(0.001, 0.5), steps: 1 + random.below(4) as u32 },
    }
}

fn friction(random: &mut Random) -> Friction {
    let static_ = random.within(0.0, 1.0);
    Friction { static_, dynamic: static_ * random.within(0.3, 1.0) }
}

fn topology(random: &mut Random, cells: u64) -> Topology {
    let sides = [1 + random.below(cells), 1 + random.below(cells), 1 + random.below(cells)].map(|n| n as u32);
    let (points, tets) = lattice(random, sides);
    let surface = boundary(&tets);
    let material = Material {
        density: random.within(200.0, 2000.0),
        young: random.within(1e4, 1e6),
        poisson: random.within(0.0, 0.45),
        damping: if random.once_in(2) { random.within(0.1, 3.0) } else { 0.0 },
        friction: friction(random),
    };
    let pinned: Vec<bool> = if random.once_in(3) { points.iter().map(|_| random.once_in(9)).collect() } else { vec![] };
    let mesh = RestMesh { points: &points, tets: &tets, surface: &surface };
    Topology::new(mesh, material, |node| pinned.get(node).copied().unwrap_or(false)).unwrap()
}

/// A box of cells, six tetrahedra each, its nodes shifted a little.
fn lattice(random: &mut Random, sides: [u32; 3]) -> (Vec<[f32; 3]>, Vec<[u32; 4]>) {
    let edge = random.within(0.08, 0.2);
    let node = |at: [u32; 3]| (at[2] * (sides[1] + 1) + at[1]) * (sides[0] + 1) + at[0];
    let (mut points, mut tets) = (Vec::new(), Vec::new());
    for z in 0..=sides[2] {
        for y in 0..=sides[1] {
            for x in 0..=sides[0] {
                let shift = random.vector(-0.15, 0.15);
                points.push([0, 1, 2].map(|k| edge * ([x, y, z][k] as f32 + shift[k])));
            }
        }
    }
    // From a cell's first corner along three axes, in each order of them, to its last (Kuhn).
    let orders = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]];
    for z in 0..sides[2] {
        for y in 0..sides[1] {
            for x in 0..sides[0] {
                for (i, order) in orders.iter().enumerate() {
                    let mut at = [x, y, z];
                    let mut tet = [node(at); 4];
                    for (corner, &axis) in order.iter().enumerate() {
                        at[axis] += 1;
                        tet[corner + 1] = node(at);
                    }
                    if i >= 3 {
                        tet.swap(2, 3);
                    }
                    tets.push(tet);
                }
            }
        }
    }
    (points, tets)
}

/// The faces of one tetrahedron only, outward.
fn boundary(tets: &[[u32; 4]]) -> Vec<[u32; 3]> {
    let mut faces: BTreeMap<[u32; 3], Option<[u32; 3]>> = BTreeMap::new();
    for t in tets {
        for face in [[t[0], t[2], t[1]], [t[0], t[1], t[3]], [t[0], t[3], t[2]], [t[1], t[2], t[3]]] {
            let mut key = face;
            key.sort_unstable();
            faces.entry(key).and_modify(|face| *face = None).or_insert(Some(face));
        }
    }
    faces.into_values().flatten().collect()
}

fn collider(random: &mut Random, step: f32) -> Collider {
    let kind = random.below(7);
    let geometry = if kind == 0 {
        let spacing = [random.within(0.1, 0.3), random.within(0.1, 0.3)];
        let heights = (0..5 * 6).map(|_| random.within(-0.3, 0.1)).collect();
        Geometry::HeightField(HeightField::new([5, 6], spacing, [-0.5, 0.0, -0.5], heights))
    } else if kind == 1 {
        Geometry::Field(field(random))
    } else if kind == 6 {
        Geometry::Mesh(terrain(random))
    } else if kind < 4 {
        let tilt = random.within(-0.4, 0.4);
        let length = (1.0 + tilt * tilt).sqrt();
        Geometry::Plane { normal: [tilt / length, 1.0 / length, 0.0], offset: random.within(-0.1, 0.05) }
    } else {
        let length = |a: [f32; 4]| a.iter().map(|c| c * c).sum::<f32>().sqrt();
        let turn: [f32; 4] = std::array::from_fn(|_| random.within(-1.0, 1.0));
        Geometry::Moving(Moving {
            shape: shape(random),
            position: random.vector(-0.5, 0.5),
            rotation: turn.map(|c| c / length(turn)),
            linear: random.vector(-2.0, 2.0),
            angular: random.vector(-5.0, 5.0),
            step,
        })
    };
    Collider { geometry, friction: friction(random) }
}

/// An open surface of triangles over a grid, some of them without an area.
fn terrain(random: &mut Random) -> TriangleMesh {
    let (sides, edge) = (2 + random.below(7) as u32, random.within(0.1, 0.4));
    let node = |x: u32, z: u32| z * (sides + 1) + x;
    let mut points = Vec::new();
    for z in 0..=sides {
        for x in 0..=sides {
            points.push([edge * x as f32 - 1.0, random.within(-0.3, 0.1), edge * z as f32 - 1.0]);
        }
    }
    let mut triangles = Vec::new();
    for (x, z) in (0..sides).flat_map(|z| (0..sides).map(move |x| (x, z))) {
        let [a, b, c, d] = [node(x, z), node(x + 1, z), node(x, z + 1), node(x + 1, z + 1)];
        triangles.extend([[a, c, b], if random.once_in(9) { [b, b, d] } else { [b, c, d] }]);
    }
    TriangleMesh::new(&points, &triangles, random.within(0.003, 0.2))
}

/// A ball by its distances, some of them wrong, and a layer where they do not grow.
fn field(random: &mut Random) -> SignedDistance {
    let (dims, spacing, origin) = ([9, 10, 11], 0.1, random.vector(-0.6, -0.3));
    let radius = random.within(0.2, 0.4);
    let flat = random.below(11) as usize;
    let mut values = Vec::new();
    for z in 0..dims[2] {
        for y in 0..dims[1] {
            for x in 0..dims[0] {
                let arm = [x, y, z].map(|n| (n as f32 - 4.5) * spacing);
                let length = (arm[0] * arm[0] + arm[1] * arm[1] + arm[2] * arm[2]).sqrt();
                values.push(if z == flat { -0.05 } else { length - radius + random.within(-0.01, 0.01) });
            }
        }
    }
    SignedDistance::new(dims, origin, spacing, values)
}

fn shape(random: &mut Random) -> Shape {
    match random.below(4) {
        0 => Shape::Box { half: random.vector(0.05, 0.3) },
        1 => Shape::Sphere { radius: random.within(0.05, 0.3) },
        2 => Shape::Capsule { radius: random.within(0.05, 0.2), half_height: random.within(0.0, 0.3) },
        _ => {
            let half = random.vector(0.05, 0.3);
            let mut planes = vec![];
            for k in 0..3 {
                for sign in [-1.0, 1.0] {
                    let mut plane = [0.0, 0.0, 0.0, -half[k]];
                    plane[k] = sign;
                    planes.push(plane);
                }
            }
            planes.push([0.6, 0.8, 0.0, -0.2]);
            Shape::Convex { planes: planes.into(), radius: 0.6 }
        }
    }
}

fn at_rest(topology: &Topology) -> Vec<u32> {
    let positions = topology.rest.iter().flatten().map(|x| x.to_bits());
    let mut words: Vec<u32> = positions.collect();
    words.resize(topology.layout.words(), 0);
    words
}

fn state(random: &mut Random, topology: &Topology) -> Vec<u32> {
    // Some are calm, some are blown to pieces.
    let calm = random.once_in(3);
    let (place, most) = (random.vector(-0.4, 0.3), if calm { 0.0 } else { 2.0 });
    let speed = random.vector(-most, most);
    let wild = if random.once_in(8) {
        3e19
    } else if calm {
        1e-3
    } else {
        1.0
    };
    thrown(random, topology, place, speed, wild)
}

/// The rest shape at a place, with a speed that is another at each node, by up to `wild` m/s, and quiet for up to two steps.
pub fn thrown(random: &mut Random, topology: &Topology, place: [f32; 3], speed: [f32; 3], wild: f32) -> Vec<u32> {
    let mut words: Vec<u32> = Vec::new();
    for x in &topology.rest {
        words.extend((0..3).map(|k| (place[k] + x[k]).to_bits()));
    }
    for _ in &topology.rest {
        words.extend((0..3).map(|k| (speed[k] + random.within(-1.0, 1.0) * wild).to_bits()));
    }
    words.push(random.below(3) as u32);
    words
}
