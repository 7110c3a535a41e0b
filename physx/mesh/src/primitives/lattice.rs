//! Isosurface stuffing: a round body cut from a body-centred cubic (BCC) lattice.
//!
//! Source: F. Labelle, J. R. Shewchuk, "Isosurface Stuffing: Fast Tetrahedral Meshes with Good Dihedral Angles",
//! SIGGRAPH 2007. Lattice nodes too near to the surface are moved onto it; what remains of each tetrahedron inside the
//! surface is cut into one to three. Cut faces are split by a total order of their points (cuts of long edges first), so
//! neighbours agree without talking to each other.

use std::collections::BTreeMap;

use super::{Solid, limit, smooth};
use crate::error::MeshError;
use crate::math::{V3, add, narrow, orient, scale, sub};
use crate::types::TetMesh;
use crate::{MAX_ELEMENTS, MAX_NODES};

/// How near to a cut, in parts of the edge, a node is moved onto the surface; long and short edges.
/// From table 1 of the paper (the choice with the best dihedral angles).
const SNAP_LONG: f64 = 0.24999;
const SNAP_SHORT: f64 = 0.41189;
/// Part of the exact volume that a mesh must fill to count as the shape asked for.
const MIN_FILLED: f64 = 0.6;

/// Lattice spacings that are tried, in parts of the wanted edge: how the lattice happens to meet the surface decides the
/// worst tetrahedron, and a slightly finer lattice often meets it much better.
const SPACINGS: [f64; 6] = [1.0, 0.96, 0.92, 0.88, 0.84, 0.8];
/// Above this many tetrahedra only the first sound spacing is taken: the choice is then worth less than its time.
const TRY_ALL_BELOW: f64 = 100_000.0;

/// Fills `solid`, which lies within ±`reach` and has `volume`, with tetrahedra of about `edge`.
pub(super) fn fill(reach: V3, edge: f64, solid: &Solid<'_>) -> Result<TetMesh, MeshError> {
    let half = |edge: f64| reach.map(|r| (r / edge).ceil() + 1.0);
    let cells = half(SPACINGS[SPACINGS.len() - 1] * edge).iter().fold(1.0, |n, h| n * 2.0 * h);
    // Twelve tetrahedra and two nodes a cell. A float can hold any count, the casts below cannot.
    limit("tetrahedra", (12.0 * cells) as u64, MAX_ELEMENTS)?;
    limit("nodes", (4.0 * cells) as u64, MAX_NODES)?;
    let mut best: Option<(f64, TetMesh)> = None;
    for spacing in SPACINGS.map(|part| part * edge) {
        let mut lattice = Lattice::new(half(spacing).map(|h| h as i32), spacing, solid);
        lattice.snap(solid);
        let (points, tets) = lattice.cut(solid);
        let (points, tets) = drop_unused(points, tets);
        let points = smooth::improve(points, &tets, solid, spacing);
        let mesh = TetMesh { points: points.into_iter().map(narrow).collect(), tets };
        let altitude = crate::quality(&mesh).min_altitude;
        if is_sound(&mesh, solid.volume) && best.as_ref().is_none_or(|(before, _)| altitude > *before) {
            best = Some((altitude, mesh));
        }
        if 12.0 * cells > TRY_ALL_BELOW && best.is_some() {
            break;
        }
    }
    best.map(|(_, mesh)| mesh).ok_or_else(|| MeshError::BadSize {
        shape: solid.name,
        what: format!("edge {edge} is too coarse to follow the shape"),
        remedy: "use a shorter edge",
    })
}

/// Whether the mesh is one piece with a closed manifold surface that encloses about `volume`.
fn is_sound(mesh: &TetMesh, volume: f64) -> bool {
    let closed = crate::mend::is_closed(&mesh.boundary());
    let whole = crate::mend::tets(mesh.clone()).is_ok_and(|(_, notes)| notes.is_empty());
    closed && whole && mesh.volume() > MIN_FILLED * volume
}

/// The lattice: black nodes at even, red nodes at odd coordinates, in units of half the edge.
struct Lattice {
    /// Coordinates of black nodes run from −2 `half` to 2 `half`.
    half: [i32; 3],
    at: Vec<V3>,
    /// Signed distance, positive inside; exactly 0 for a node on the surface.
    depth: Vec<f64>,
}

impl Lattice {
    fn new(half: [i32; 3], edge: f64, solid: &Solid<'_>) -> Self {
        let mut lattice = Self { half, at: Vec::new(), depth: Vec::new() };
        for colour in 0..2 {
            let last = half.map(|h| h - colour);
            for k in -half[2]..=last[2] {
                for j in -half[1]..=last[1] {
                    for i in -half[0]..=last[0] {
                        let c = [i, j, k].map(|x| 2 * x + colour);
                        debug_assert_eq!(lattice.node(c), Some(lattice.at.len() as u32));
                        let p = c.map(|x| 0.5 * edge * f64::from(x));
                        lattice.at.push(p);
                        lattice.depth.push(-(solid.distance)(p));
                    }
                }
            }
        }
        lattice
    }

    /// Number of the node at `c`; `None` outside the lattice.
    fn node(&self, c: [i32; 3]) -> Option<u32> {
        let colour = c[0] & 1;
        let n = |axis: usize| 2 * self.half[axis] + 1 - colour;
        let i: [i32; 3] = std::array::from_fn(|axis| (c[axis] - colour) / 2 + self.half[axis]);
        if (0..3).any(|axis| i[axis] < 0 || i[axis] >= n(axis)) {
            return None;
        }
        let black = self.half.iter().map(|h| 2 * h + 1).product::<i32>() * colour;
        Some((black + (i[2] * n(1) + i[1]) * n(0) + i[0]) as u32)
    }

    /// Moves nodes that are too near to a cut onto the surface.
    fn snap(&mut self, solid: &Solid<'_>) {
        for colour in 0..2 {
            for k in -self.half[2]..=self.half[2] {
                for j in -self.half[1]..=self.half[1] {
                    for i in -self.half[0]..=self.half[0] {
                        let c = [i, j, k].map(|x| 2 * x + colour);
                        if let Some(node) = self.node(c)
                            && self.too_near(node, c)
                        {
                            self.at[node as usize] = (solid.nearest)(self.at[node as usize]);
                            self.depth[node as usize] = 0.0;
                        }
                    }
                }
            }
        }
    }

    fn too_near(&self, node: u32, c: [i32; 3]) -> bool {
        let here = self.depth[node as usize];
        let near = |step: [i32; 3], limit: f64| {
            self.node([c[0] + step[0], c[1] + step[1], c[2] + step[2]]).is_some_and(|other| {
                let there = self.depth[other as usize];
                here * there < 0.0 && here / (here - there) < limit
            })
        };
        let long = [[2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 2], [0, 0, -2]];
        long.iter().any(|&step| near(step, SNAP_LONG))
            || (0..8).any(|m| near([1 - (m & 1) * 2, 1 - (m & 2), 1 - (m & 4) / 2], SNAP_SHORT))
    }

    /// Cuts every lattice tetrahedron at the surface; new points lie on it.
    fn cut(self, solid: &Solid<'_>) -> (Vec<V3>, Vec<[u32; 4]>) {
        let mut cutter = Cutter {
            nodes: self.at.len() as u32,
            black: self.half.iter().map(|h| 2 * h + 1).product::<i32>() as u32,
            cuts: BTreeMap::new(),
            long: Vec::new(),
            tets: Vec::new(),
            lattice: self,
        };
        let half = cutter.lattice.half;
        for k in -half[2]..half[2] {
            for j in -half[1]..half[1] {
                for i in -half[0]..half[0] {
                    (0..3).for_each(|axis| cutter.around([2 * i + 1, 2 * j + 1, 2 * k + 1], axis));
                }
            }
        }
        let mut points = cutter.lattice.at;
        let mut order: Vec<_> = cutter.cuts.iter().map(|(&edge, &id)| (id, edge)).collect();
        order.sort_unstable();
        let depth = &cutter.lattice.depth;
        for (_, (a, b)) in order {
            let (da, db) = (depth[a as usize], depth[b as usize]);
            let (pa, pb) = (points[a as usize], points[b as usize]);
            points.push((solid.nearest)(add(pa, scale(sub(pb, pa), da / (da - db)))));
        }
        (points, cutter.tets)
    }
}

/// Collects what is inside.
struct Cutter {
    lattice: Lattice,
    nodes: u32,
    black: u32,
    /// Cut edge (smaller node first) → number of the new point, counted on from the nodes.
    cuts: BTreeMap<(u32, u32), u32>,
    /// For each new point, whether its edge is a long one.
    long: Vec<bool>,
    tets: Vec<[u32; 4]>,
}

impl Cutter {
    /// The four tetrahedra around the long edge from the red node `c` along `axis`.
    fn around(&mut self, c: [i32; 3], axis: usize) {
        let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
        let step = |along: i32, a: i32, b: i32| {
            let mut out = c;
            out[axis] += along;
            out[u] += a;
            out[v] += b;
            out
        };
        let ring = [(1, 1), (-1, 1), (-1, -1), (1, -1)].map(|(a, b)| self.lattice.node(step(1, a, b)));
        let (Some(low), Some(high)) = (self.lattice.node(c), self.lattice.node(step(2, 0, 0))) else { return };
        for k in 0..4 {
            if let (Some(a), Some(b)) = (ring[k], ring[(k + 1) % 4]) {
                self.clip([low, high, a, b]);
            }
        }
    }

    fn clip(&mut self, tet: [u32; 4]) {
        let depth = tet.map(|i| self.lattice.depth[i as usize]);
        let inside = depth.iter().filter(|&&d| d > 0.0).count();
        let outside = depth.iter().filter(|&&d| d < 0.0).count();
        match (inside, outside) {
            (0, _) => {}
            (_, 0) => self.tets.push(tet),
            (1, _) => {
                let corner = (0..4).find(|&i| depth[i] > 0.0).unwrap_or(0);
                let kept = std::array::from_fn(|i| if depth[i] < 0.0 { self.cut(tet[corner], tet[i]) } else { tet[i] });
                self.tets.push(kept);
            }
            _ => self.clip_prism(tet, depth),
        }
    }

    /// Two or three corners inside: what remains is a prism, or a pyramid, which is a prism with one side collapsed.
    fn clip_prism(&mut self, tet: [u32; 4], depth: [f64; 4]) {
        let mut order = [0usize, 1, 2, 3];
        let class = |d: f64| if d > 0.0 { 0 } else { 1 + i32::from(d < 0.0) };
        order.sort_by_key(|&i| class(depth[i]));
        // Sorting by an odd permutation would turn the tetrahedron inside out; the first two are both inside.
        let odd = (0..4).flat_map(|i| (0..i).map(move |j| (j, i))).filter(|&(j, i)| order[j] > order[i]).count() % 2;
        order.swap(0, odd);
        let [a, b, c, d] = order.map(|i| tet[i]);
        let at = |i: usize| depth[order[i]];
        let prism = if at(2) > 0.0 {
            [a, b, c, self.cut(a, d), self.cut(b, d), self.cut(c, d)]
        } else if at(2) < 0.0 {
            [a, self.cut(a, c), self.cut(a, d), b, self.cut(b, c), self.cut(b, d)]
        } else {
            [a, c, self.cut(a, d), b, c, self.cut(b, d)]
        };
        let pieces = self.split(prism);
        self.tets.extend(pieces.into_iter().filter(|t| (0..4).all(|i| (i + 1..4).all(|j| t[i] != t[j]))));
    }

    /// Three tetrahedra of a prism `(p0, p1, p2, q0, q1, q2)`: each side is split from its point of lowest rank.
    /// Source: J. Dompierre et al., "How to subdivide pyramids, prisms and hexahedra into tetrahedra" (1999).
    fn split(&self, prism: [u32; 6]) -> [[u32; 4]; 3] {
        let long = |v: u32| v.checked_sub(self.nodes).is_some_and(|cut| self.long[cut as usize]);
        let rank = |v: u32| (!long(v), v);
        let lowest = (0..6).min_by_key(|&i| rank(prism[i])).unwrap_or(0);
        let [mut p, mut q] = [[prism[0], prism[1], prism[2]], [prism[3], prism[4], prism[5]]];
        if lowest >= 3 {
            (p, q) = ([q[0], q[2], q[1]], [p[0], p[2], p[1]]);
        }
        let first = (0..3).find(|&i| p[i] == prism[lowest]).unwrap_or(0);
        p.rotate_left(first);
        q.rotate_left(first);
        let far = [p[1], q[2], p[2], q[1]];
        let from = (0..4).min_by_key(|&i| rank(far[i])).unwrap_or(0);
        let (one, two) = if from < 2 {
            ([p[0], p[1], p[2], q[2]], [p[0], p[1], q[2], q[1]])
        } else {
            ([p[0], p[1], p[2], q[1]], [p[0], p[2], q[2], q[1]])
        };
        [one, two, [p[0], q[1], q[2], q[0]]]
    }

    /// The point where the edge is cut; made on first use.
    fn cut(&mut self, a: u32, b: u32) -> u32 {
        let next = self.nodes + self.long.len() as u32;
        let long = (a < self.black) == (b < self.black);
        *self.cuts.entry((a.min(b), a.max(b))).or_insert_with(|| {
            self.long.push(long);
            next
        })
    }
}

/// Keeps the points that tetrahedra use, in their order.
fn drop_unused(points: Vec<V3>, mut tets: Vec<[u32; 4]>) -> (Vec<V3>, Vec<[u32; 4]>) {
    let mut place = vec![u32::MAX; points.len()];
    tets.iter().flatten().for_each(|&i| place[i as usize] = 0);
    let mut kept = Vec::new();
    for (slot, p) in place.iter_mut().zip(points) {
        if *slot == 0 {
            *slot = kept.len() as u32;
            kept.push(p);
        }
    }
    tets.iter_mut().flatten().for_each(|i| *i = place[*i as usize]);
    debug_assert!(tets.iter().all(|t| {
        let [a, b, c, d] = t.map(|i| kept[i as usize]);
        orient(a, b, c, d) > 0.0
    }));
    (kept, tets)
}
