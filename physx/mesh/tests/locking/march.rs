//! The same bar in motion, by extended position-based dynamics with one coupled solve a substep, as the solver does it.

use crate::lattice::{V3, add, cross, dot, scale, sub};

/// What holds some nodes together.
pub enum Constraint {
    Tet { nodes: [u32; 4], gradients: [V3; 4], volume: f64 },
    Hex { nodes: [u32; 8], edge: V3, hourglass: [f64; 4] },
}

pub struct March<'a> {
    pub mu: f64,
    /// `λ + μ`.
    pub volumetric: f64,
    pub constraints: &'a [Constraint],
    pub mass: &'a [f64],
    pub rest: &'a [V3],
}

fn sign(c: usize, mode: usize) -> f64 {
    if (c & mode).count_ones() % 2 == mode.count_ones() % 2 { 1.0 } else { -1.0 }
}

impl March<'_> {
    /// Positions after `seconds` under gravity along −y, with velocities damped at `rate` 1/s.
    pub fn run(&self, seconds: f64, h: f64, rate: f64) -> Vec<V3> {
        let mut x = self.rest.to_vec();
        let mut v = vec![[0.0; 3]; x.len()];
        let w: Vec<f64> =
            self.mass.iter().zip(self.rest).map(|(m, p)| if p[0] < 1e-9 { 0.0 } else { 1.0 / m }).collect();
        for _ in 0..(seconds / h) as usize {
            let before = x.clone();
            for i in 0..x.len() {
                if w[i] > 0.0 {
                    v[i][1] -= 9.81 * h;
                    x[i] = add(x[i], scale(v[i], h));
                }
            }
            for c in self.constraints {
                match c {
                    Constraint::Tet { nodes, gradients, volume } => self.tet(&mut x, &w, h, nodes, gradients, *volume),
                    Constraint::Hex { nodes, edge, hourglass } => self.hex(&mut x, &w, h, nodes, *edge, hourglass),
                }
            }
            let keep = 1.0 / (1.0 + rate * h);
            for i in 0..x.len() {
                v[i] = scale(sub(x[i], before[i]), keep / h);
            }
        }
        x
    }

    fn tet(&self, x: &mut [V3], w: &[f64], h: f64, nodes: &[u32; 4], g: &[V3; 4], volume: f64) {
        let mut f = [[0.0; 3]; 3];
        for (n, g) in nodes.iter().zip(g) {
            (0..3).for_each(|k| f[k] = add(f[k], scale(x[*n as usize], g[k])));
        }
        let (mut at, mut weight) = ([[0.0; 3]; 4], [0.0; 4]);
        (0..4).for_each(|i| (at[i], weight[i]) = (x[nodes[i] as usize], w[nodes[i] as usize]));
        self.pair(&f, volume, h, &mut at, &weight, |i, k| g[i][k]);
        (0..4).for_each(|i| x[nodes[i] as usize] = at[i]);
    }

    /// Moves nodes against `C_D` and `C_H`; `gradient(i, k)` of node i along rest axis k.
    fn pair(&self, f: &[V3; 3], volume: f64, h: f64, x: &mut [V3], w: &[f64], gradient: impl Fn(usize, usize) -> f64) {
        let norm = (dot(f[0], f[0]) + dot(f[1], f[1]) + dot(f[2], f[2])).sqrt();
        let cof = [cross(f[1], f[2]), cross(f[2], f[0]), cross(f[0], f[1])];
        let along = |m: &[V3; 3], i: usize| (0..3).fold([0.0; 3], |s, k| add(s, scale(m[k], gradient(i, k))));
        let (mut a, mut b, mut c) = (1.0 / (self.mu * volume * h * h), 0.0, 1.0 / (self.volumetric * volume * h * h));
        let g: Vec<V3> = (0..x.len()).map(|i| scale(along(f, i), 1.0 / norm)).collect();
        let q: Vec<V3> = (0..x.len()).map(|i| along(&cof, i)).collect();
        for i in 0..x.len() {
            a += w[i] * dot(g[i], g[i]);
            b += w[i] * dot(g[i], q[i]);
            c += w[i] * dot(q[i], q[i]);
        }
        let error = dot(f[0], cof[0]) - 1.0 - self.mu / self.volumetric;
        let det = a * c - b * b;
        let (d, v) = (-(c * norm - b * error) / det, -(a * error - b * norm) / det);
        for i in 0..x.len() {
            x[i] = add(x[i], scale(add(scale(g[i], d), scale(q[i], v)), w[i]));
        }
    }

    fn hex(&self, x: &mut [V3], w: &[f64], h: f64, nodes: &[u32; 8], edge: V3, hourglass: &[f64; 4]) {
        let (mut at, mut weight) = ([[0.0; 3]; 8], [0.0; 8]);
        (0..8).for_each(|i| (at[i], weight[i]) = (x[nodes[i] as usize], w[nodes[i] as usize]));
        let gradient = |i: usize, k: usize| sign(i, 1 << k) / (4.0 * edge[k]);
        let mut f = [[0.0; 3]; 3];
        (0..8).for_each(|i| (0..3).for_each(|k| f[k] = add(f[k], scale(at[i], gradient(i, k)))));
        self.pair(&f, edge.iter().product(), h, &mut at, &weight, gradient);
        let all: f64 = weight.iter().sum();
        for (mode, k) in [6, 5, 3, 7].into_iter().zip(hourglass) {
            let m = (0..8).fold([0.0; 3], |s, i| add(s, scale(at[i], sign(i, mode) / 8.0)));
            let step = scale(m, -1.0 / (all / 64.0 + 1.0 / (k * h * h)));
            (0..8).for_each(|i| at[i] = add(at[i], scale(step, weight[i] * sign(i, mode) / 8.0)));
        }
        (0..8).for_each(|i| x[nodes[i] as usize] = at[i]);
    }
}
