//! What all instances of one mesh share: rest shape, masses, constraint order, surface.

use std::sync::OnceLock;

use crate::colour::colour_order;
use crate::implicit::Factor;
use crate::layout::StateLayout;
use crate::material::Material;
use crate::patches::{Patch, patches};
use crate::solo::Blocks;
use crate::vec3::{Vec3, cross, dot, length, scale, sub};

/// A tetrahedral mesh at rest, as the solver takes it.
#[derive(Clone, Copy, Debug)]
pub struct RestMesh<'a> {
    /// Node positions in metres, body frame.
    pub points: &'a [[f32; 3]],
    /// Positively oriented tetrahedra.
    pub tets: &'a [[u32; 4]],
    /// Outward-facing boundary triangles.
    pub surface: &'a [[u32; 3]],
}

/// Why a mesh cannot be simulated.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TopologyError {
    /// No tetrahedra at all.
    #[error("the mesh has no tetrahedra")]
    Empty,
    /// An index past the end of the points.
    #[error("{what} {index} names node {node}, but the mesh has {nodes} nodes")]
    Index {
        /// "tetrahedron" or "surface triangle".
        what: &'static str,
        /// Its index.
        index: usize,
        /// The node it names.
        node: u32,
        /// Nodes of the mesh.
        nodes: usize,
    },
    /// A tetrahedron of no or negative volume.
    #[error("tetrahedron {index} has volume {volume:e} m³; volumes must be positive: mend the mesh or mesh it coarser")]
    Volume {
        /// Its index in the mesh.
        index: usize,
        /// Its volume.
        volume: f32,
    },
    /// A node that belongs to no tetrahedron would have no mass.
    #[error("node {node} belongs to no tetrahedron")]
    Loose {
        /// Its index in the mesh.
        node: usize,
    },
}

/// One tetrahedron in constraint order.
#[derive(Clone, Copy, Debug)]
pub struct Tet {
    /// Its nodes.
    pub nodes: [u32; 4],
    /// Inverse of the rest edge matrix, by rows: edge i contributes row i to the deformation gradient.
    pub inverse_rest: [[f32; 3]; 3],
    /// Six times the rest volume, m³: the determinant of the rest edge matrix.
    pub volume6: f32,
    /// Compliance of the deviatoric constraint without the time step, `1/(μ V)`, 1/J.
    pub compliance_deviatoric: f32,
    /// Compliance of the volumetric constraint on six times the volume, without the time step, `(6V)²/(λ V)`, m⁶/J.
    pub compliance_volume: f32,
}

/// The shared part of all bodies of one mesh, material and set of pinned nodes.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Sizes of a body's canonical state.
    pub layout: StateLayout,
    /// Its material.
    pub material: Material,
    /// Rest positions in the body frame, in solver order (surface nodes first).
    pub rest: Vec<Vec3>,
    /// Inverse nodal masses, 1/kg; zero where pinned.
    pub inverse_mass: Vec<f32>,
    /// Nodal masses, kg (of pinned nodes as well).
    pub mass: Vec<f32>,
    /// Tetrahedra by colour.
    pub tets: Vec<Tet>,
    /// Start of each colour's run in `tets`, and its end.
    pub colours: Vec<u32>,
    /// Outward boundary triangles, of surface nodes only.
    pub triangles: Vec<[u32; 3]>,
    /// The same in groups that lie close together.
    pub patches: Vec<Patch>,
    /// For each solver node the mesh's node.
    pub mesh_node: Vec<u32>,
    /// Rest value at which the volumetric constraint balances the deviatoric one, `1 + μ/λ`.
    pub gamma: f32,
    /// Smallest altitude of a tetrahedron, m.
    pub altitude_min: f32,
    /// Half of the smallest extent at rest, m: no contact is deeper.
    pub depth_max: f32,
    /// Mean length of the surface triangles' edges, m.
    pub surface_edge: f32,
    /// Whether any node is pinned.
    pub pinned: bool,
    /// Present where substeps are solved implicitly.
    pub(crate) implicit: Option<Factor>,
    blocks: [OnceLock<Blocks>; 2],
}

impl Topology {
    /// Prepares a mesh: surface nodes first, tetrahedra by colour, masses lumped by quarters of each tetrahedron.
    ///
    /// `pinned[i]` holds mesh node `i` in place.
    ///
    /// # Errors
    /// [`TopologyError`] where the mesh is empty, names nodes that are not there, holds a tetrahedron of no volume, or a
    /// node outside all tetrahedra.
    pub fn new(mesh: RestMesh<'_>, material: Material, pinned: impl Fn(usize) -> bool) -> Result<Self, TopologyError> {
        check_indices(&mesh)?;
        let (mesh_node, solver_node, surface) = surface_first(&mesh);
        let rest: Vec<Vec3> = mesh_node.iter().map(|&n| mesh.points[n as usize]).collect();
        let tets: Vec<[u32; 4]> = mesh.tets.iter().map(|t| t.map(|n| solver_node[n as usize])).collect();
        let triangles: Vec<[u32; 3]> = mesh.surface.iter().map(|t| t.map(|n| solver_node[n as usize])).collect();
        let (order, colours) = colour_order(rest.len(), &tets);

        let (mu, lambda) = material.neo_hookean();
        let mut mass = vec![0.0; rest.len()];
        let mut solved = Vec::with_capacity(tets.len());
        let mut altitude_min = f32::MAX;
        for &t in &order {
            let nodes = tets[t as usize];
            let (tet, volume, altitude) = rest_tet(nodes, &rest, mu, lambda);
            if !(volume > 0.0 && tet.inverse_rest.iter().flatten().all(|c| c.is_finite())) {
                return Err(TopologyError::Volume { index: t as usize, volume });
            }
            altitude_min = if altitude < altitude_min { altitude } else { altitude_min };
            for n in nodes {
                mass[n as usize] += 0.25 * material.density * volume;
            }
            solved.push(tet);
        }
        if let Some(node) = mass.iter().position(|&m| m == 0.0) {
            return Err(TopologyError::Loose { node: mesh_node[node] as usize });
        }
        let held: Vec<bool> = mesh_node.iter().map(|&n| pinned(n as usize)).collect();
        let inverse_mass = mass.iter().zip(&held).map(|(&m, &h)| if h { 0.0 } else { 1.0 / m }).collect();
        let surface_edge = mean_edge(&rest, &triangles);
        Ok(Self {
            layout: StateLayout { nodes: rest.len(), surface },
            material,
            depth_max: 0.5 * smallest_extent(&rest),
            pinned: held.contains(&true),
            inverse_mass,
            mass,
            tets: solved,
            colours,
            patches: patches(&rest, &triangles),
            rest,
            triangles,
            mesh_node,
            gamma: 1.0 + mu / lambda,
            altitude_min,
            surface_edge,
            implicit: None,
            blocks: Default::default(),
        })
    }

    /// Solves substeps of `h` seconds implicitly from now on ([`implicit`](crate::implicit)), instead of by a sweep over constraints.
    pub fn solve_implicitly(&mut self, h: f32) {
        self.implicit = Some(Factor::new(self, h));
    }

    /// Whether substeps are solved implicitly.
    pub fn is_implicit(&self) -> bool {
        self.implicit.is_some()
    }

    /// What the implicit solve of substeps works with, where they are solved so.
    pub fn factor(&self) -> Option<&Factor> {
        self.implicit.as_ref()
    }

    /// The tetrahedra in blocks for registers of 8 or of 16 lanes; cut when first asked for.
    pub(crate) fn blocks(&self, lanes: usize) -> &Blocks {
        self.blocks[usize::from(lanes > 8)].get_or_init(|| Blocks::new(self, lanes))
    }

    /// Bytes of one body's canonical state.
    pub fn state_bytes(&self) -> usize {
        4 * self.layout.words()
    }
}

fn check_indices(mesh: &RestMesh<'_>) -> Result<(), TopologyError> {
    if mesh.tets.is_empty() {
        return Err(TopologyError::Empty);
    }
    let nodes = mesh.points.len();
    let bad = |what, index, list: &[u32]| {
        let node = list.iter().copied().find(|&n| n as usize >= nodes)?;
        Some(TopologyError::Index { what, index, node, nodes })
    };
    let tets = mesh.tets.iter().enumerate().find_map(|(i, t)| bad("tetrahedron", i, t));
    let triangles = mesh.surface.iter().enumerate().find_map(|(i, t)| bad("surface triangle", i, t));
    tets.or(triangles).map_or(Ok(()), Err)
}

/// Numbers the surface nodes before the inner ones, each group in mesh order:
/// (mesh node of each solver node, solver node of each mesh node, surface nodes).
fn surface_first(mesh: &RestMesh<'_>) -> (Vec<u32>, Vec<u32>, usize) {
    let mut outside = vec![false; mesh.points.len()];
    for n in mesh.surface.iter().flatten() {
        outside[*n as usize] = true;
    }
    let ids = 0..mesh.points.len() as u32;
    let mut mesh_node: Vec<u32> = ids.clone().filter(|&n| outside[n as usize]).collect();
    let surface = mesh_node.len();
    mesh_node.extend(ids.filter(|&n| !outside[n as usize]));
    let mut solver_node = vec![0; mesh_node.len()];
    for (s, &m) in mesh_node.iter().enumerate() {
        solver_node[m as usize] = s as u32;
    }
    (mesh_node, solver_node, surface)
}

/// The tetrahedron with its rest quantities, its volume (m³) and its smallest altitude (m).
fn rest_tet(nodes: [u32; 4], rest: &[Vec3], mu: f32, lambda: f32) -> (Tet, f32, f32) {
    let x = nodes.map(|n| rest[n as usize]);
    let (a, b, c) = (sub(x[1], x[0]), sub(x[2], x[0]), sub(x[3], x[0]));
    // The rows of the inverse of the matrix whose columns are a, b, c; opposite faces have twice these areas.
    let (ra, rb, rc) = (cross(b, c), cross(c, a), cross(a, b));
    let det = dot(a, ra);
    let inverse_rest = [ra, rb, rc].map(|r| scale(r, 1.0 / det));
    let volume = det / 6.0;
    let opposite = cross(sub(x[2], x[1]), sub(x[3], x[1]));
    let largest = [ra, rb, rc, opposite].map(length).into_iter().fold(0.0, |m: f32, l| if l > m { l } else { m });
    let tet = Tet {
        nodes,
        inverse_rest,
        volume6: det,
        compliance_deviatoric: 1.0 / (mu * volume),
        compliance_volume: 6.0 * det / lambda,
    };
    (tet, volume, det / largest)
}

fn smallest_extent(points: &[Vec3]) -> f32 {
    let low = points.iter().fold([f32::MAX; 3], |m, &p| crate::vec3::lower(m, p));
    let high = points.iter().fold([f32::MIN; 3], |m, &p| crate::vec3::upper(m, p));
    sub(high, low).into_iter().fold(f32::MAX, |m, e| if e < m { e } else { m })
}

fn mean_edge(points: &[Vec3], triangles: &[[u32; 3]]) -> f32 {
    let edge = |a: u32, b: u32| length(sub(points[a as usize], points[b as usize]));
    let sum: f32 = triangles.iter().map(|t| edge(t[0], t[1]) + edge(t[1], t[2]) + edge(t[2], t[0])).sum();
    if triangles.is_empty() { 0.0 } else { sum / (3 * triangles.len()) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::material::Friction;

    fn jelly() -> Material {
        let friction = Friction { static_: 0.5, dynamic: 0.4 };
        Material { density: 1000.0, young: 1e5, poisson: 0.3, damping: 0.0, friction }
    }

    const POINTS: [[f32; 3]; 4] = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    #[test]
    fn a_single_tet_has_its_mass_altitude_and_inverse() {
        let mesh =
            RestMesh { points: &POINTS, tets: &[[0, 1, 2, 3]], surface: &[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]] };
        let topology = Topology::new(mesh, jelly(), |n| n == 3).unwrap();
        assert_eq!(topology.layout, StateLayout { nodes: 4, surface: 4 });
        assert!((topology.mass.iter().sum::<f32>() - 1000.0 / 6.0).abs() < 1e-3);
        assert_eq!(topology.inverse_mass[3], 0.0);
        assert!((topology.altitude_min - 1.0 / 3f32.sqrt()).abs() < 1e-6);
        assert_eq!(topology.tets[0].inverse_rest, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    }

    #[test]
    fn bad_meshes_are_refused_with_the_offender() {
        let refuse = |points: &[[f32; 3]], tets: &[[u32; 4]]| {
            Topology::new(RestMesh { points, tets, surface: &[] }, jelly(), |_| false).unwrap_err().to_string()
        };
        assert!(refuse(&POINTS, &[]).contains("no tetrahedra"));
        assert!(refuse(&POINTS, &[[0, 1, 2, 4]]).contains("names node 4"));
        assert!(refuse(&POINTS, &[[0, 1, 3, 2]]).contains("volume"));
        assert!(
            refuse(&[POINTS[0], POINTS[1], POINTS[2], POINTS[3], [2.0; 3]], &[[0, 1, 2, 3]]).contains("node 4 belongs")
        );
    }
}
