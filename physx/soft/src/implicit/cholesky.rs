//! The preconditioner's factor: `P = L D Lᵀ` in blocks of three, computed in double precision, used in lanes.
//!
//! The factor is the same for all bodies of a mesh, so that each of its entries is read once for all lanes.

use super::block::{Block, ZERO, add_scaled, inverse, product, transposed};
use super::order::minimum_degree;
use crate::simd::Real;

/// `L D Lᵀ` of a symmetric positive definite matrix of 3×3 blocks, `L` with unit blocks on its diagonal.
#[derive(Clone, Debug)]
pub(super) struct Cholesky {
    /// Node of each column, in order of elimination.
    pub node: Vec<u32>,
    /// Start of each column's entries below the diagonal, and the end of the last.
    pub start: Vec<u32>,
    /// Node of each entry's row.
    pub row: Vec<u32>,
    /// Each entry with its sign changed, by rows.
    pub entry: Vec<[f32; 9]>,
    /// Inverse of each diagonal block, by rows; it is symmetric.
    pub inverse: Vec<[f32; 9]>,
}

impl Cholesky {
    /// Factors the matrix of which `rows[i]` holds node `i`'s blocks by column, the diagonal one included. Nodes for which `keep` is
    /// false are left out, as if their unknowns were zero.
    pub fn new(rows: &[Vec<(u32, Block)>], keep: impl Fn(usize) -> bool) -> Self {
        let graph = rows
            .iter()
            .enumerate()
            .map(|(i, row)| row.iter().map(|&(j, _)| j).filter(|&j| j as usize != i).collect::<Vec<u32>>());
        let elimination = minimum_degree(graph.collect(), keep);
        let (order, below) = (&elimination.order, &elimination.below);
        let (columns, diagonals) = factor(rows, order, below);
        let mut start = vec![0];
        start.extend(below.iter().scan(0, |sum, list| {
            *sum += list.len() as u32;
            Some(*sum)
        }));
        Self {
            row: below.iter().flatten().map(|&p| order[p as usize]).collect(),
            entry: columns.iter().flatten().map(|b| std::array::from_fn(|k| -b[k / 3][k % 3] as f32)).collect(),
            inverse: diagonals.iter().map(|b| std::array::from_fn(|k| b[k / 3][k % 3] as f32)).collect(),
            node: elimination.order,
            start,
        }
    }

    /// Replaces `b` by the solution of `P z = b`, in every lane; what `b` holds at nodes left out stays as it is.
    #[inline(always)]
    pub fn solve<R: Real>(&self, b: &mut [[R; 3]]) {
        for (c, &node) in self.node.iter().enumerate() {
            let y = b[node as usize];
            let entries = self.start[c] as usize..self.start[c + 1] as usize;
            for (l, &row) in self.entry[entries.clone()].iter().zip(&self.row[entries]) {
                let to = &mut b[row as usize];
                for k in 0..3 {
                    for j in 0..3 {
                        to[k] = R::splat(l[3 * k + j]).fma(y[j], to[k]);
                    }
                }
            }
        }
        for (c, &node) in self.node.iter().enumerate().rev() {
            let entries = self.start[c] as usize..self.start[c + 1] as usize;
            // Nine sums side by side: three would wait for each other.
            let mut sum = [[R::splat(0.0); 3]; 3];
            for (l, &row) in self.entry[entries.clone()].iter().zip(&self.row[entries]) {
                let from = b[row as usize];
                for j in 0..3 {
                    for k in 0..3 {
                        sum[j][k] = R::splat(l[3 * j + k]).fma(from[j], sum[j][k]);
                    }
                }
            }
            let y = b[node as usize];
            let d = &self.inverse[c];
            for j in 0..3 {
                for k in 0..3 {
                    sum[j][k] = R::splat(d[3 * j + k]).fma(y[j], sum[j][k]);
                }
            }
            for k in 0..3 {
                b[node as usize][k] = (sum[0][k] + sum[1][k]) + sum[2][k];
            }
        }
    }
}

/// Columns of `L` and inverse blocks of `D`, left-looking: each column takes what the earlier ones that reach it have to subtract.
fn factor(rows: &[Vec<(u32, Block)>], order: &[u32], below: &[Vec<u32>]) -> (Vec<Vec<Block>>, Vec<Block>) {
    let n = order.len();
    let mut place = vec![u32::MAX; rows.len()];
    for (p, &node) in order.iter().enumerate() {
        place[node as usize] = p as u32;
    }
    let mut columns: Vec<Vec<Block>> = Vec::with_capacity(n);
    let mut diagonals: Vec<(Block, Block)> = Vec::with_capacity(n);
    // Columns whose next entry to be used lies in this row, with that entry's index.
    let mut waiting: Vec<Vec<(u32, u32)>> = vec![Vec::new(); n];
    let mut work = vec![ZERO; n];
    for j in 0..n {
        for &(node, block) in &rows[order[j] as usize] {
            let p = place[node as usize];
            if p != u32::MAX && p as usize >= j {
                // The block in row `p` and column `j` is the transpose of that in row `j` and column `p`.
                work[p as usize] = transposed(&block);
            }
        }
        for (k, e) in std::mem::take(&mut waiting[j]) {
            let (column, list) = (&columns[k as usize], &below[k as usize]);
            let scaled = product(&diagonals[k as usize].0, &transposed(&column[e as usize]));
            for i in e as usize..list.len() {
                add_scaled(&mut work[list[i] as usize], &product(&column[i], &scaled), -1.0);
            }
            if let Some(&next) = list.get(e as usize + 1) {
                waiting[next as usize].push((k, e + 1));
            }
        }
        let d = std::mem::replace(&mut work[j], ZERO);
        let d_inverse = inverse(&d);
        let take = |&i: &u32| product(&std::mem::replace(&mut work[i as usize], ZERO), &d_inverse);
        columns.push(below[j].iter().map(take).collect());
        diagonals.push((d, d_inverse));
        if let Some(&next) = below[j].first() {
            waiting[next as usize].push((j as u32, 0));
        }
    }
    (columns, diagonals.into_iter().map(|d| d.1).collect())
}
