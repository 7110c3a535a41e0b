//! Small linear static problems: a bar clamped at x = 0.

use crate::element::Piece;
use crate::lattice::{V3, length, sub};

/// A bar along x with its loads.
pub struct Bar {
    pub points: Vec<V3>,
    /// Lumped mass of each node, kg.
    pub mass: Vec<f64>,
    /// Part of the area of the free end that belongs to each node, m².
    pub end: Vec<f64>,
}

/// What the free end does.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Mean deflection along y under gravity along y, m.
    pub y: f64,
    /// Along z under gravity along z, m.
    pub z: f64,
    /// Along z under gravity along y, m: 0 for a bar as symmetric as its section.
    pub across: f64,
    /// Twist under a torque of 1 N m at the free end, rad.
    pub twist: f64,
}

const GRAVITY: f64 = 9.81;

impl Bar {
    pub fn answer(&self, pieces: &[Piece]) -> Answer {
        let area: f64 = self.end.iter().sum();
        let size = self.points.iter().fold([0.0; 3], |m: V3, p| std::array::from_fn(|k| m[k].max(p[k])));
        let arm = |p: V3| [0.0, p[1] - 0.5 * size[1], p[2] - 0.5 * size[2]];
        let polar: f64 = self.points.iter().zip(&self.end).map(|(p, w)| w * length(arm(*p)).powi(2)).sum();
        let around = |p: V3| [0.0, -arm(p)[2], arm(p)[1]];
        let loads = [
            self.mass.iter().map(|m| [0.0, -GRAVITY * m, 0.0]).collect(),
            self.mass.iter().map(|m| [0.0, 0.0, -GRAVITY * m]).collect(),
            self.points.iter().zip(&self.end).map(|(p, w)| around(*p).map(|x| x * w / polar)).collect::<Vec<V3>>(),
        ];
        let moved = solve(&self.points, pieces, &loads);
        let mean =
            |load: usize, axis: usize| -moved[load].iter().zip(&self.end).map(|(u, w)| u[axis] * w).sum::<f64>() / area;
        let twist = |(i, u): (usize, &V3)| crate::lattice::dot(around(self.points[i]), *u) * self.end[i] / polar;
        Answer { y: mean(0, 1), z: mean(1, 2), across: mean(0, 2), twist: moved[2].iter().enumerate().map(twist).sum() }
    }
}

/// Displacements under each load; nodes at x = 0 are held. Cholesky of the band that the order along x leaves.
fn solve(points: &[V3], pieces: &[Piece], loads: &[Vec<V3>]) -> Vec<Vec<V3>> {
    let mut order: Vec<usize> = (0..points.len()).filter(|&i| points[i][0] > 1e-9).collect();
    order.sort_by(|&a, &b| points[a][0].total_cmp(&points[b][0]).then(a.cmp(&b)));
    let mut row = vec![usize::MAX; points.len()];
    order.iter().enumerate().for_each(|(r, &n)| row[n] = r);
    let free = |p: &Piece| -> Vec<(usize, usize)> {
        p.nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| row[**n as usize] != usize::MAX)
            .map(|(i, n)| (i, row[*n as usize]))
            .collect()
    };
    let reach = |p: &Piece| {
        let rows = free(p);
        let low = rows.iter().map(|r| r.1).min().unwrap_or(0);
        rows.iter().map(|r| r.1 - low).max().unwrap_or(0)
    };
    let width = 3 * pieces.iter().map(reach).max().unwrap_or(0) + 3;
    let n = 3 * order.len();
    // Row r holds columns r + 1 − width to r.
    let mut band = vec![0.0; n * width];
    for piece in pieces {
        let size = 3 * piece.nodes.len();
        for (i, r) in free(piece) {
            for (j, c) in free(piece) {
                for (a, b) in (0..9).map(|ab| (ab / 3, ab % 3)) {
                    let (r, c) = (3 * r + a, 3 * c + b);
                    if c <= r {
                        band[r * width + width - 1 - (r - c)] += piece.k[(3 * i + a) * size + 3 * j + b];
                    }
                }
            }
        }
    }
    factor(&mut band, n, width);
    let one = |load: &Vec<V3>| {
        let mut x: Vec<f64> = order.iter().flat_map(|&i| load[i]).collect();
        substitute(&band, width, &mut x);
        let mut out = vec![[0.0; 3]; points.len()];
        order.iter().enumerate().for_each(|(r, &i)| out[i] = [x[3 * r], x[3 * r + 1], x[3 * r + 2]]);
        out
    };
    loads.iter().map(one).collect()
}

fn factor(band: &mut [f64], n: usize, width: usize) {
    for r in 0..n {
        let first = (r + 1).saturating_sub(width);
        let (above, own) = band.split_at_mut(r * width);
        for c in first..=r {
            let from = first.max((c + 1).saturating_sub(width));
            let left = from + width - 1 - r;
            let sum: f64 = if c == r {
                own[left..width - 1].iter().map(|x| x * x).sum()
            } else {
                let other = &above[c * width + from + width - 1 - c..c * width + width - 1];
                own[left..left + other.len()].iter().zip(other).map(|(x, y)| x * y).sum()
            };
            let at = c + width - 1 - r;
            own[at] = if c == r {
                assert!(own[at] > sum, "not positive definite at row {r}");
                (own[at] - sum).sqrt()
            } else {
                (own[at] - sum) / above[c * width + width - 1]
            };
        }
    }
}

fn substitute(band: &[f64], width: usize, x: &mut [f64]) {
    let n = x.len();
    for r in 0..n {
        let first = (r + 1).saturating_sub(width);
        let own = &band[r * width..(r + 1) * width];
        let sum: f64 = (first..r).map(|c| own[c + width - 1 - r] * x[c]).sum();
        x[r] = (x[r] - sum) / own[width - 1];
    }
    for r in (0..n).rev() {
        let first = (r + 1).saturating_sub(width);
        let own = &band[r * width..(r + 1) * width];
        x[r] /= own[width - 1];
        let value = x[r];
        (first..r).for_each(|c| x[c] -= own[c + width - 1 - r] * value);
    }
}

/// Largest angular frequency of the unclamped bar, 1/s, by power iteration on `M⁻¹ K`.
pub fn fastest(pieces: &[Piece], mass: &[f64]) -> f64 {
    let mut x: Vec<f64> = (0..3 * mass.len()).map(|i| ((i * 7919 + 13) % 101) as f64 / 101.0 - 0.5).collect();
    let mut square = 0.0;
    for _ in 0..150 {
        let mut y = vec![0.0; x.len()];
        for p in pieces {
            let size = 3 * p.nodes.len();
            for i in 0..size {
                let row = &p.k[i * size..(i + 1) * size];
                let sum: f64 = row.iter().enumerate().map(|(j, k)| k * x[3 * p.nodes[j / 3] as usize + j % 3]).sum();
                y[3 * p.nodes[i / 3] as usize + i % 3] += sum;
            }
        }
        y.iter_mut().enumerate().for_each(|(i, y)| *y /= mass[i / 3]);
        square = y.iter().map(|y| y * y).sum::<f64>().sqrt();
        x = y.iter().map(|y| y / square).collect();
    }
    square.sqrt()
}

/// Grid nodes' parts of the end area, by distance to their neighbours' middles.
pub fn end_areas(points: &[V3], triangles: &[[u32; 3]]) -> Vec<f64> {
    let last = points.iter().fold(0.0, |m: f64, p| m.max(p[0]));
    let mut out = vec![0.0; points.len()];
    for t in triangles {
        let p = t.map(|n| points[n as usize]);
        if p.iter().all(|p| p[0] > last - 1e-9) {
            let area = 0.5 * length(crate::lattice::cross(sub(p[1], p[0]), sub(p[2], p[0])));
            t.iter().for_each(|n| out[*n as usize] += area / 3.0);
        }
    }
    out
}
