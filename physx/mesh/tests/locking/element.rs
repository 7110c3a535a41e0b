//! Stiffness of elements, patches of elements and hexahedra at small strains.

use crate::lattice::{Mesh, V3, add, cross, dot, each, length, scale, sub};

/// A stiffness matrix over some nodes.
pub struct Piece {
    pub nodes: Vec<u32>,
    /// `3n × 3n`, row by row; rows by node, then by axis.
    pub k: Vec<f64>,
}

/// Lamé's parameters, Pa.
#[derive(Clone, Copy, Debug)]
pub struct Lame {
    pub lambda: f64,
    pub mu: f64,
}

impl Lame {
    pub fn new(young: f64, poisson: f64) -> Self {
        let lambda = young * poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson));
        Self { lambda, mu: young / (2.0 * (1.0 + poisson)) }
    }

    /// What remains when the solver's volumetric term `(λ + μ)/2 (J − γ)²` is taken out.
    pub fn without_volume(self) -> Self {
        Self { lambda: -self.mu, mu: self.mu }
    }

    /// That term.
    pub fn volume(self) -> Self {
        Self { lambda: self.lambda + self.mu, mu: 0.0 }
    }
}

impl Piece {
    /// Energy `volume × W(Σ uᵢ ⊗ gᵢ)` of an isotropic material, gradients `g` in 1/m.
    pub fn new(gradients: &[(u32, V3)], volume: f64, lame: Lame) -> Self {
        let n = gradients.len();
        let mut piece = Self { nodes: gradients.iter().map(|g| g.0).collect(), k: vec![0.0; 9 * n * n] };
        piece.add(&gradients.iter().map(|g| g.1).collect::<Vec<_>>(), volume, lame);
        piece
    }

    fn add(&mut self, g: &[V3], volume: f64, lame: Lame) {
        let n = g.len();
        for i in 0..n {
            for j in 0..n {
                let shear = lame.mu * dot(g[i], g[j]);
                for a in 0..3 {
                    for b in 0..3 {
                        let own = if a == b { shear } else { 0.0 };
                        let value = lame.lambda * g[i][a] * g[j][b] + lame.mu * g[i][b] * g[j][a] + own;
                        self.k[(3 * i + a) * 3 * n + 3 * j + b] += volume * value;
                    }
                }
            }
        }
    }

    /// Adds the energy `½ Σ_axis k_axis (Σ sᵢ uᵢ,axis)²`.
    fn spring(&mut self, s: &[f64], k: V3) {
        let n = s.len();
        for i in 0..n {
            for j in 0..n {
                for a in 0..3 {
                    self.k[(3 * i + a) * 3 * n + 3 * j + a] += k[a] * s[i] * s[j];
                }
            }
        }
    }
}

/// Volume, smallest altitude and gradients of a linear tetrahedron.
pub fn tet(points: &[V3], nodes: [u32; 4]) -> (f64, f64, [V3; 4]) {
    let p = nodes.map(|n| points[n as usize]);
    let (a, b, c) = (sub(p[1], p[0]), sub(p[2], p[0]), sub(p[3], p[0]));
    let det = dot(a, cross(b, c));
    let g = [cross(b, c), cross(c, a), cross(a, b)].map(|v| scale(v, 1.0 / det));
    let first = scale(add(add(g[0], g[1]), g[2]), -1.0);
    let all = [first, g[0], g[1], g[2]];
    (det / 6.0, all.iter().map(|g| 1.0 / length(*g)).fold(f64::INFINITY, f64::min), all)
}

/// One piece per tetrahedron.
pub fn tets(mesh: &Mesh, lame: Lame) -> Vec<Piece> {
    let piece = |nodes: &[u32; 4]| {
        let (volume, _, g) = tet(&mesh.points, *nodes);
        Piece::new(&std::array::from_fn::<_, 4, _>(|i| (nodes[i], g[i])), volume, lame)
    };
    mesh.tets.iter().map(piece).collect()
}

/// What gradients are averaged over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Patch {
    /// A quarter of each tetrahedron around a node.
    Node,
    /// A sixth of each tetrahedron around an edge.
    Edge,
    /// The tetrahedra of a cell.
    Cell,
}

/// One piece per patch, of the mean gradient over it. Source: Liu et al., *A node-based smoothed finite element method*, 2009;
/// for tetrahedra Puso and Solberg, *A stabilized nodally integrated tetrahedral*, 2006.
pub fn patches(mesh: &Mesh, over: Patch, lame: Lame) -> Vec<Piece> {
    let mut list: std::collections::BTreeMap<(u32, u32), (f64, std::collections::BTreeMap<u32, V3>)> =
        Default::default();
    for (t, nodes) in mesh.tets.iter().enumerate() {
        let keys: Vec<(u32, u32)> = match over {
            Patch::Node => nodes.iter().map(|n| (*n, 0)).collect(),
            Patch::Edge => pairs().map(|(i, j)| (nodes[i].min(nodes[j]), nodes[i].max(nodes[j]))).collect(),
            Patch::Cell => vec![(mesh.cell_of[t], 0)],
        };
        let (volume, _, g) = tet(&mesh.points, *nodes);
        let part = volume / keys.len() as f64;
        for key in keys {
            let patch = list.entry(key).or_default();
            patch.0 += part;
            for i in 0..4 {
                let sum = patch.1.entry(nodes[i]).or_default();
                *sum = add(*sum, scale(g[i], part));
            }
        }
    }
    let piece = |(volume, sums): &(f64, std::collections::BTreeMap<u32, V3>)| {
        let mean: Vec<_> = sums.iter().map(|(n, g)| (*n, scale(*g, 1.0 / volume))).collect();
        Piece::new(&mean, *volume, lame)
    };
    list.values().map(piece).collect()
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..4).flat_map(|i| (i + 1..4).map(move |j| (i, j)))
}

/// Ten-node tetrahedra on the Kuhn cut of a grid of twice as many cells a side; four quadrature points each.
pub fn tens(cells: [u32; 3], points: &[V3], coarse: &Mesh, lame: Lame) -> Vec<Piece> {
    let inner = (5.0 + 3.0 * 5f64.sqrt()) / 20.0;
    let outer = (5.0 - 5f64.sqrt()) / 20.0;
    let size = points[points.len() - 1];
    let fine = |p: V3| {
        let at = std::array::from_fn(|k| (p[k] / size[k] * f64::from(cells[k])).round() as u32);
        crate::lattice::node(cells, at)
    };
    let piece = |nodes: &[u32; 4]| {
        let (volume, _, g) = tet(&coarse.points, *nodes);
        let p = nodes.map(|n| coarse.points[n as usize]);
        let mut ids: Vec<u32> = p.iter().map(|p| fine(*p)).collect();
        ids.extend(pairs().map(|(i, j)| fine(scale(add(p[i], p[j]), 0.5))));
        let mut piece = Piece { nodes: ids, k: vec![0.0; 900] };
        for q in 0..4 {
            let l: [f64; 4] = std::array::from_fn(|i| if i == q { inner } else { outer });
            let mut at: Vec<V3> = (0..4).map(|i| scale(g[i], 4.0 * l[i] - 1.0)).collect();
            at.extend(pairs().map(|(i, j)| add(scale(g[i], 4.0 * l[j]), scale(g[j], 4.0 * l[i]))));
            piece.add(&at, 0.25 * volume, lame);
        }
        piece
    };
    coarse.tets.iter().map(piece).collect()
}

/// Treatment of a trilinear hexahedron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hex {
    /// Eight quadrature points.
    Full,
    /// Eight for the shape, one for the volume.
    Selective,
    /// One, and springs against the four hourglass modes, `stiffness` in parts of that of pure bending.
    Hourglass { stiffness: f64 },
    /// One, and springs by direction: bending and twisting modes each with their own stiffness.
    Directed,
}

/// One piece per cell. Source: D. Flanagan, T. Belytschko, *A uniform strain hexahedron and quadrilateral with orthogonal
/// hourglass control*, 1981; directed stiffness after T. Belytschko, L. Bindeman, *Assumed strain stabilization of the eight
/// node hexahedral element*, 1993.
pub fn hexes(size: V3, cells: [u32; 3], how: Hex, lame: Lame) -> Vec<Piece> {
    let edge: V3 = std::array::from_fn(|k| size[k] / f64::from(cells[k]));
    let volume: f64 = edge.iter().product();
    let gradient = |at: V3| -> [V3; 8] {
        std::array::from_fn(|c| {
            std::array::from_fn(|k| {
                let (u, v) = ((k + 1) % 3, (k + 2) % 3);
                0.25 * sign(c, k) * (1.0 + sign(c, u) * at[u]) * (1.0 + sign(c, v) * at[v]) / edge[k]
            })
        })
    };
    let gauss = 1.0 / 3f64.sqrt();
    let spread = if how == Hex::Selective { lame.without_volume() } else { lame };
    let mut model = Piece { nodes: vec![0; 8], k: vec![0.0; 576] };
    match how {
        Hex::Full | Hex::Selective => {
            for q in 0..8 {
                model.add(&gradient([0, 1, 2].map(|k| sign(q, k) * gauss)), volume / 8.0, spread);
            }
            if how == Hex::Selective {
                model.add(&gradient([0.0; 3]), volume, lame.volume());
            }
        }
        Hex::Hourglass { .. } | Hex::Directed => {
            model.add(&gradient([0.0; 3]), volume, lame);
            hourglass(&mut model, edge, volume, how, lame);
        }
    }
    let piece = |low| Piece { nodes: crate::lattice::corners(cells, low).to_vec(), k: model.k.clone() };
    each(cells).map(piece).collect()
}

/// Springs on the modes `ηζ, ζξ, ξη, ξηζ`; mean energies of the modes' own strains without the parasitic shear.
fn hourglass(model: &mut Piece, edge: V3, volume: f64, how: Hex, lame: Lame) {
    for (number, mode) in MODES.into_iter().enumerate() {
        let s: Vec<f64> =
            (0..8).map(|c| (0..3).filter(|k| mode >> k & 1 == 1).map(|k| sign(c, k)).product::<f64>() / 8.0).collect();
        model.spring(&s, scale(hourglass_stiffness(edge, how, lame)[number], volume));
    }
}

/// The hourglass modes, bit k for a factor that changes sign along axis k.
pub const MODES: [usize; 4] = [6, 5, 3, 7];

fn sign(c: usize, k: usize) -> f64 {
    if c >> k & 1 == 1 { 1.0 } else { -1.0 }
}

/// Stiffness of each mode along each axis, Pa/m².
pub fn hourglass_stiffness(edge: V3, how: Hex, lame: Lame) -> [V3; 4] {
    let young = lame.mu * (3.0 * lame.lambda + 2.0 * lame.mu) / (lame.lambda + lame.mu);
    let inverse = edge.map(|e| 4.0 / (e * e));
    let least = inverse.iter().fold(f64::INFINITY, |m, x| m.min(*x));
    let bend = |axis: usize| young / 3.0 * inverse[axis];
    std::array::from_fn(|mode| {
        if mode == 3 {
            return [young / 9.0 * least; 3];
        }
        let (u, v) = ((mode + 1) % 3, (mode + 2) % 3);
        match how {
            Hex::Hourglass { stiffness } => [stiffness * bend(u).min(bend(v)); 3],
            _ => std::array::from_fn(|k| if k == mode { lame.mu / 6.0 * (inverse[u] + inverse[v]) } else { bend(k) }),
        }
    })
}
