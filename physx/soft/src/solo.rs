//! The elastic constraints of a single body: lanes across constraints of a colour, which share no node.

use crate::neo_hookean::{Rest, project};
use crate::simd::Real;
use crate::substep::elastic_one;
use crate::topology::{Tet, Topology};
use crate::vec3::Vec3;

/// Projects all tetrahedra in colour order; `x` are the body's positions, m.
#[inline(always)]
pub(crate) fn elastic<W: Real>(topology: &Topology, x: &mut [Vec3], inverse_h2: f32) {
    for run in topology.colours.windows(2) {
        let tets = &topology.tets[run[0] as usize..run[1] as usize];
        let mut chunks = tets.chunks_exact(W::LANES);
        for chunk in &mut chunks {
            several::<W>(topology, chunk, x, inverse_h2);
        }
        for tet in chunks.remainder() {
            elastic_one::<f32>(topology, tet, x, inverse_h2);
        }
    }
}

#[inline(always)]
fn several<W: Real>(topology: &Topology, tets: &[Tet], x: &mut [Vec3], inverse_h2: f32) {
    let node = |i: usize, l: usize| tets[l].nodes[i] as usize;
    let zero = W::splat(0.0);
    let mut rest = Rest {
        inverse: [[zero; 3]; 3],
        inverse_volume6: W::from_lanes(|l| tets[l].inverse_volume6),
        alpha_deviatoric: W::from_lanes(|l| tets[l].compliance_deviatoric * inverse_h2),
        alpha_volume: W::from_lanes(|l| tets[l].compliance_volume * inverse_h2),
        gamma: W::splat(topology.gamma),
    };
    for i in 0..3 {
        for j in 0..3 {
            rest.inverse[i][j] = W::from_lanes(|l| tets[l].inverse_rest[i][j]);
        }
    }
    let (mut corners, mut w): ([Vec3<W>; 4], [W; 4]) = ([[zero; 3]; 4], [zero; 4]);
    for i in 0..4 {
        w[i] = W::from_lanes(|l| topology.inverse_mass[node(i, l)]);
        for k in 0..3 {
            corners[i][k] = W::from_lanes(|l| x[node(i, l)][k]);
        }
    }
    project(&rest, &mut corners, w);
    for (i, corner) in corners.iter().enumerate() {
        let mut words = [[0.0; crate::simd::MAX_LANES]; 3];
        for k in 0..3 {
            corner[k].store(&mut words[k]);
        }
        for l in 0..W::LANES {
            x[node(i, l)] = [words[0][l], words[1][l], words[2][l]];
        }
    }
}
