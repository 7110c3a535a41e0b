//! The elastic constraints of a single body: lanes across constraints of a colour, which share no node.

use std::ops::Range;

use crate::neo_hookean::{Rest, project};
use crate::simd::{Aligned, MAX_LANES, Real};
use crate::substep::elastic_one;
use crate::topology::{Tet, Topology};
use crate::vec3::{Vec3, add};

/// Numbers of a block: nine of the inverse rest matrix, `6 V γ`, two compliances, four inverse masses; each for all lanes.
const ROWS: usize = 16;

/// So many tetrahedra that are left over in a colour are solved one by one: a block takes the time of about two and a half.
const SINGLES_MAX: usize = 2;

/// The tetrahedra of a topology in blocks of as many as a register has lanes, all of one colour.
///
/// What a colour lacks to whole blocks is filled up with tetrahedra of no stiffness on a node of no mass past the last, or solved
/// one by one where it is little.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    numbers: Aligned,
    /// Four runs of a node for each lane, a block.
    nodes: Vec<u32>,
    /// By colour: how many blocks, then which tetrahedra one by one.
    colours: Vec<(usize, Range<usize>)>,
}

impl Blocks {
    /// Cuts the tetrahedra of a topology into blocks of `lanes`.
    pub(crate) fn new(topology: &Topology, lanes: usize) -> Self {
        let colour = |run: &[u32]| {
            let (first, end) = (run[0] as usize, run[1] as usize);
            let rest = (end - first) % lanes;
            let singles = if rest <= SINGLES_MAX { rest } else { 0 };
            ((end - singles - first).div_ceil(lanes), end - singles..end)
        };
        let colours: Vec<(usize, Range<usize>)> = topology.colours.windows(2).map(colour).collect();
        let count: usize = colours.iter().map(|(blocks, _)| blocks).sum();
        let mut blocks =
            Self { numbers: Aligned::default(), nodes: vec![topology.layout.nodes as u32; 4 * lanes * count], colours };
        blocks.numbers.resize(ROWS * lanes * count);
        let numbers = blocks.numbers.as_mut_slice();
        numbers.fill(0.0);
        let starts = topology.colours.iter().map(|&start| start as usize);
        let runs = starts.zip(&blocks.colours).map(|(start, (_, singles))| &topology.tets[start..singles.start]);
        for (block, tets) in runs.flat_map(|tets| tets.chunks(lanes)).enumerate() {
            let numbers = &mut numbers[ROWS * lanes * block..][..ROWS * lanes];
            // The compliances of those that fill up are not zero, lest they divide by it.
            numbers[10 * lanes..12 * lanes].fill(1.0);
            let nodes = &mut blocks.nodes[4 * lanes * block..][..4 * lanes];
            for (lane, tet) in tets.iter().enumerate() {
                for (row, number) in rows(topology, tet).into_iter().enumerate() {
                    numbers[row * lanes + lane] = number;
                }
                for (i, node) in tet.nodes.into_iter().enumerate() {
                    nodes[i * lanes + lane] = node;
                }
            }
        }
        blocks
    }
}

fn rows(topology: &Topology, tet: &Tet) -> [f32; ROWS] {
    let mut rows = [0.0; ROWS];
    rows[..9].copy_from_slice(tet.inverse_rest.as_flattened());
    rows[9..12].copy_from_slice(&[tet.volume6 * topology.gamma, tet.compliance_deviatoric, tet.compliance_volume]);
    rows[12..].copy_from_slice(&tet.nodes.map(|n| topology.inverse_mass[n as usize]));
    rows
}

/// Projects all tetrahedra in colour order: `from` is where the body's nodes started in m, `moved` how far they have come; both hold one
/// more.
#[inline(always)]
pub(crate) fn elastic<W: Real>(topology: &Topology, from: &[Vec3], moved: &mut [Vec3], inverse_h2: f32) {
    let blocks = topology.blocks(W::LANES);
    let mut numbers = blocks.numbers.as_slice().chunks_exact(ROWS * W::LANES);
    let mut nodes = blocks.nodes.chunks_exact(4 * W::LANES);
    for (count, singles) in &blocks.colours {
        for _ in 0..*count {
            if let (Some(numbers), Some(nodes)) = (numbers.next(), nodes.next()) {
                block::<W>(numbers, nodes, from, moved, inverse_h2);
            }
        }
        for tet in &topology.tets[singles.clone()] {
            elastic_one(topology, tet, from, moved, inverse_h2);
        }
    }
}

/// Projects the tetrahedra of a block.
#[inline(always)]
fn block<W: Real>(numbers: &[f32], nodes: &[u32], from: &[Vec3], moved: &mut [Vec3], inverse_h2: f32) {
    let mut row = [W::splat(0.0); ROWS];
    for i in 0..ROWS {
        row[i] = W::load(&numbers[i * W::LANES..]);
    }
    let inverse_h2 = W::splat(inverse_h2);
    let rest = Rest {
        inverse: [[row[0], row[1], row[2]], [row[3], row[4], row[5]], [row[6], row[7], row[8]]],
        balance6: row[9],
        alpha_deviatoric: row[10] * inverse_h2,
        alpha_volume: row[11] * inverse_h2,
    };
    let (mut corners, mut ways) = ([[W::splat(0.0); 3]; 4], [[W::splat(0.0); 3]; 4]);
    for i in 0..4 {
        let nodes = &nodes[i * W::LANES..(i + 1) * W::LANES];
        ways[i] = W::gather(moved, nodes);
        corners[i] = add(W::gather(from, nodes), ways[i]);
    }
    project(&rest, &corners, [row[12], row[13], row[14], row[15]], &mut ways);
    for i in 0..4 {
        scatter(&ways[i], &nodes[i * W::LANES..(i + 1) * W::LANES], moved);
    }
}

#[inline(always)]
fn scatter<W: Real>(corner: &Vec3<W>, nodes: &[u32], x: &mut [Vec3]) {
    let mut words = [[0.0; MAX_LANES]; 3];
    for k in 0..3 {
        corner[k].store(&mut words[k]);
    }
    for (lane, &node) in nodes.iter().enumerate() {
        x[node as usize] = [words[0][lane], words[1][lane], words[2][lane]];
    }
}
