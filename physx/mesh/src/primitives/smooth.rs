//! Evening out: nodes are moved, one at a time, to raise the smallest altitude around them.
//!
//! A pattern search per node: it tries the mean of its neighbours and six steps along the axes, and keeps what raises the
//! worst altitude of its tetrahedra. Surface nodes are put back onto the surface after each try. The worst altitude never falls,
//! so positive orientation is kept.

use super::Solid;
use crate::math::{V3, add, min_altitude, narrow, scale};
use crate::types::TetMesh;

/// Altitude, in parts of the edge, above which a node is left alone; an uncut lattice tetrahedron has 0.707.
const GOOD: f64 = 0.6;
/// Rounds over all nodes; the step shrinks from round to round.
const ROUNDS: usize = 24;
/// First step of the pattern search, in parts of the edge, and its factor from round to round.
const STEP: f64 = 0.15;
const SHRINK: f64 = 0.88;

/// Moves `points` of positively oriented `tets` within `solid`; returns them.
pub(super) fn improve(mut points: Vec<V3>, tets: &[[u32; 4]], solid: &Solid<'_>, edge: f64) -> Vec<V3> {
    let around = Around::new(points.len(), tets);
    let surface = surface_nodes(&points, tets);
    let mut step = STEP * edge;
    for _ in 0..ROUNDS {
        let mut moved = false;
        for (node, &on_surface) in surface.iter().enumerate() {
            moved |= move_node(&mut points, node, tets, &around, on_surface.then_some(solid), (step, GOOD * edge));
        }
        if !moved {
            break;
        }
        step *= SHRINK;
    }
    points
}

/// Tetrahedra around each node.
struct Around {
    starts: Vec<u32>,
    tets: Vec<u32>,
}

impl Around {
    fn new(nodes: usize, tets: &[[u32; 4]]) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        tets.iter().flatten().for_each(|&i| starts[i as usize + 1] += 1);
        (0..nodes).for_each(|i| starts[i + 1] += starts[i]);
        let mut next = starts.clone();
        let mut list = vec![0; tets.len() * 4];
        for (t, tet) in (0u32..).zip(tets) {
            for &i in tet {
                list[next[i as usize] as usize] = t;
                next[i as usize] += 1;
            }
        }
        Self { starts, tets: list }
    }

    fn of(&self, node: usize) -> &[u32] {
        &self.tets[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

fn surface_nodes(points: &[V3], tets: &[[u32; 4]]) -> Vec<bool> {
    let mesh = TetMesh { points: points.iter().map(|&p| narrow(p)).collect(), tets: tets.to_vec() };
    let mut surface = vec![false; points.len()];
    mesh.boundary().iter().flatten().for_each(|&i| surface[i as usize] = true);
    surface
}

/// The smallest altitude of the tetrahedra `around`, or any value of at most `floor` once one is found that low.
fn worst(points: &[V3], tets: &[[u32; 4]], around: &[u32], floor: f64) -> f64 {
    let mut least = f64::INFINITY;
    for &t in around {
        let altitude = min_altitude(tets[t as usize].map(|i| points[i as usize]));
        if altitude < least {
            least = altitude;
            if least <= floor {
                break;
            }
        }
    }
    least
}

/// Tries to move one node; `on` is the solid whose surface it has to stay on, for a surface node.
fn move_node(
    points: &mut [V3],
    node: usize,
    tets: &[[u32; 4]],
    around: &Around,
    on: Option<&Solid<'_>>,
    (step, good): (f64, f64),
) -> bool {
    let around = around.of(node);
    let mut best = worst(points, tets, around, f64::NEG_INFINITY);
    if best >= good {
        return false;
    }
    let start = points[node];
    let mut place = start;
    let mut tries = Vec::with_capacity(8);
    let sum = around.iter().flat_map(|&t| tets[t as usize]).fold([0.0; 3], |s, i| add(s, points[i as usize]));
    tries.push(scale(sum, 1.0 / (4 * around.len()) as f64));
    for axis in 0..3 {
        for sign in [1.0, -1.0] {
            let mut p = start;
            p[axis] += sign * step;
            tries.push(p);
        }
    }
    for p in tries {
        points[node] = on.map_or(p, |solid| (solid.nearest)(p));
        let altitude = worst(points, tets, around, best);
        if altitude > best {
            (best, place) = (altitude, points[node]);
        }
    }
    points[node] = place;
    place != start
}
