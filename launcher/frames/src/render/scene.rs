//! From meshes to the triangles that are drawn.
//!
//! Triangles with a position that is not finite, or without area, are left out. Normals are smooth across
//! edges blunter than [`CREASE_COS`] and sharp across others. Bodies of few triangles are refined by Phong
//! tessellation (Boubekeur and Alexa, "Phong Tessellation", 2008), for the picture only.
//!
//! Invariant S-1: a corner moves under refinement by data that all triangles around it share, so that
//! refinement opens no gap.

use rayon::prelude::*;

use super::vec3::{V3, v3};
use crate::{Kind, Surface};

/// Cosine of the angle between faces from which an edge counts as sharp: 50°.
const CREASE_COS: f32 = 0.643;

/// Triangles that refinement may make of the moving bodies, and how many for each pixel.
const REFINED_MAX: usize = 1_200_000;
const REFINED_PER_PIXEL: f32 = 0.5;

/// Most pieces that an edge is cut into.
const LEVEL_MAX: usize = 4;

/// How far refined points move to the curved surface; 0.75 is the authors' advice.
const ROUNDNESS: f32 = 0.75;

/// One triangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tri {
    pub p: [V3; 3],
    /// Unit normals of the corners.
    pub n: [V3; 3],
    /// sRGB.
    pub colour: [[u8; 3]; 3],
    pub is_static: bool,
    pub is_rigid: bool,
}

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct Scene {
    /// The triangles, moving bodies refined.
    pub tris: Vec<Tri>,
    /// The same before refinement, corners only: enough for diffuse light.
    pub coarse: Vec<[V3; 3]>,
}

impl Scene {
    /// The scene of `pieces` for a picture of `pixels`.
    pub fn new(pieces: &[&Surface], pixels: usize) -> Self {
        let moves = |piece: &&&Surface| piece.kind.iter().any(|&k| k != Kind::Static as u8);
        let moving: usize = pieces.iter().filter(moves).map(|p| p.cells.len()).sum();
        let most = REFINED_MAX.min((pixels as f32 * REFINED_PER_PIXEL) as usize);
        let level = (1..=LEVEL_MAX).rev().find(|l| moving.saturating_mul(l * l) <= most).unwrap_or(1);
        let mut scene = Self { tris: Vec::new(), coarse: Vec::new() };
        for piece in pieces.iter().filter(|p| p.check().is_ok()) {
            let faces = Faces::new(piece);
            let drawn = (0..piece.cells.len()).filter(|&t| faces.normal[t] != V3::ZERO);
            scene.coarse.extend(drawn.map(|t| corners(piece, t)));
            scene.tris.par_extend(
                (0..piece.cells.len())
                    .into_par_iter()
                    .filter(|&t| faces.normal[t] != V3::ZERO)
                    .flat_map_iter(|t| refine(faces.tri(piece, t), faces.tangent(piece, t), level)),
            );
        }
        scene
    }
}

fn corners(piece: &Surface, t: usize) -> [V3; 3] {
    piece.cells[t].map(|i| {
        let i = i as usize * 3;
        v3(piece.points[i], piece.points[i + 1], piece.points[i + 2])
    })
}

/// The faces of a piece and which of them meet at each point.
struct Faces {
    /// Normal times twice the area, m²; zero where a face is not drawn.
    normal: Vec<V3>,
    /// For point `i`, the faces `around[first[i]..first[i + 1]]`.
    first: Vec<u32>,
    around: Vec<u32>,
    /// Unit normal of each point that no sharp edge meets; zero elsewhere.
    smooth: Vec<V3>,
}

impl Faces {
    fn new(piece: &Surface) -> Self {
        let face_normal = |t: usize| {
            let [a, b, c] = corners(piece, t);
            let n = (b - a).cross(c - a);
            // Beyond 1e9 m, squares of squares overflow.
            let usable = [a, b, c].iter().all(|p| p.is_finite() && p.dot(*p) < 1e18) && n.length() > 1e-20;
            if usable { n } else { V3::ZERO }
        };
        let normal: Vec<V3> = (0..piece.cells.len()).into_par_iter().map(face_normal).collect();
        let mut first = vec![0u32; piece.point_count() + 1];
        for corner in piece.cells.as_flattened() {
            first[*corner as usize + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        let mut next = first.clone();
        let mut around = vec![0u32; piece.cells.len() * 3];
        for (t, cell) in (0u32..).zip(&piece.cells) {
            for &corner in cell {
                let slot = &mut next[corner as usize];
                around[*slot as usize] = t;
                *slot += 1;
            }
        }
        let mut faces = Self { normal, first, around, smooth: Vec::new() };
        faces.smooth = (0..piece.point_count()).into_par_iter().map(|i| faces.smooth_normal(i)).collect();
        faces
    }

    fn around(&self, point: usize) -> &[u32] {
        &self.around[self.first[point] as usize..self.first[point + 1] as usize]
    }

    fn smooth_normal(&self, point: usize) -> V3 {
        let faces = self.around(point);
        let sum = faces.iter().fold(V3::ZERO, |sum, &t| sum + self.normal[t as usize]);
        let mean = sum.unit_or(V3::ZERO);
        // Half the crease angle off the mean, about: cos(25°).
        let blunt = faces.iter().all(|&t| {
            let n = self.normal[t as usize];
            n == V3::ZERO || n.dot(mean) > 0.85 * n.length()
        });
        if blunt { mean } else { V3::ZERO }
    }

    /// Triangle `t` with the normals of its corners.
    fn tri(&self, piece: &Surface, t: usize) -> Tri {
        let own = self.normal[t].unit_or(v3(0.0, 0.0, 1.0));
        let corner_normal = |i: u32| {
            let near = self.around(i as usize).iter().map(|&f| self.normal[f as usize]);
            near.filter(|n| n.dot(own) > CREASE_COS * n.length()).fold(V3::ZERO, |sum, n| sum + n).unit_or(own)
        };
        let kind = piece.kind[piece.cells[t][0] as usize];
        Tri {
            p: corners(piece, t),
            n: piece.cells[t].map(corner_normal),
            colour: piece.cells[t].map(|i| piece.colour[i as usize]),
            is_static: kind == Kind::Static as u8,
            is_rigid: kind == Kind::Rigid as u8,
        }
    }

    /// The normals of the planes that refinement bends triangle `t` to; zero for "leave it flat".
    fn tangent(&self, piece: &Surface, t: usize) -> [V3; 3] {
        piece.cells[t].map(|i| self.smooth[i as usize])
    }
}

/// Cuts `tri` into `level²` triangles on the curved surface that `tangent` describes.
fn refine(tri: Tri, tangent: [V3; 3], level: usize) -> impl Iterator<Item = Tri> {
    let flat =
        tangent.iter().zip(&tri.n).all(|(t, n)| *t == V3::ZERO || t.dot(tri.n[0]) > 0.9999 && n.dot(tri.n[0]) > 0.9999);
    let level = if tri.is_static || flat && tri.is_rigid { 1 } else { level };
    let corner = move |i: usize, j: usize| {
        let (b, c) = (i as f32 / level as f32, j as f32 / level as f32);
        blend(&tri, tangent, [1.0 - b - c, b, c])
    };
    (0..level).flat_map(move |i| (0..level - i).map(move |j| (i, j))).flat_map(move |(i, j)| {
        let (a, b, c) = (corner(i, j), corner(i + 1, j), corner(i, j + 1));
        let other = (i + j + 2 <= level).then(|| [b, corner(i + 1, j + 1), c]);
        std::iter::once([a, b, c]).chain(other).map(move |k| Tri {
            p: k.map(|c| c.0),
            n: k.map(|c| c.1),
            colour: k.map(|c| c.2),
            ..tri
        })
    })
}

/// Position, normal and colour at barycentric coordinates `w`.
fn blend(tri: &Tri, tangent: [V3; 3], w: [f32; 3]) -> (V3, V3, [u8; 3]) {
    // A corner is taken as it is, so that rounding moves nothing.
    if let Some(k) = w.iter().position(|&x| x == 1.0) {
        return (tri.p[k], tri.n[k], tri.colour[k]);
    }
    let sum = |v: [V3; 3]| v[0] * w[0] + v[1] * w[1] + v[2] * w[2];
    let flat = sum(tri.p);
    let mut curved = V3::ZERO;
    for k in 0..3 {
        let n = tangent[k];
        curved += (flat - n * (flat - tri.p[k]).dot(n)) * w[k];
    }
    let normal = sum(tri.n).unit_or(tri.n[0]);
    let channel = |c: usize| (0..3).map(|k| f32::from(tri.colour[k][c]) * w[k]).sum::<f32>();
    // Saturates at 0 and 255.
    let colour = [0, 1, 2].map(|c| (channel(c) + 0.5) as u8);
    (flat.mix(curved, ROUNDNESS), normal, colour)
}
