//! What implicit solves of all bodies of a form share, in the words that `implicit_form.cuh` reads.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::implicit::Parts;

use crate::form::array;

/// The head, as `ImplicitHead` of `implicit_form.cuh`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Head {
    elements: u32,
    spring_start: u32,
    spring_other: u32,
    spring_stiffness: u32,
    spring_rest: u32,
    inertia: u32,
    frame: u32,
    level_start: u32,
    levels: u32,
    column_node: u32,
    row_start: u32,
    column_start: u32,
    row_entries: u32,
    column_entries: u32,
    blocks: u32,
    inverses: u32,
    gamma: f32,
    slack: f32,
    inverse_total_mass: f32,
    free: u32,
}
const _: () = assert!(size_of::<Head>() == 80);

/// Appends all of it to a form's words and gives the place of the head.
pub(crate) fn append(words: &mut Vec<u32>, parts: &Parts<'_>) -> u32 {
    let place = array(words, [0; size_of::<Head>() / 4]) as usize;
    let bits = |numbers: &[f32]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<u32>>();
    let levels = Levels::new(parts);
    let elements: Vec<f32> = parts.elements.iter().flat_map(|e| [e.inverse_volume6, e.lambda_volume]).collect();
    let inverses: Vec<f32> = levels.order.iter().flat_map(|&c| parts.inverse[c as usize]).collect();
    let (row_start, row_entries) = runs(levels.order.iter().map(|&c| &levels.rows[c as usize]));
    let columns: Vec<Vec<[u32; 2]>> = levels.order.iter().map(|&c| column(parts, c as usize)).collect();
    let (column_start, column_entries) = runs(columns.iter());
    let head = Head {
        elements: array(words, bits(&elements)),
        spring_start: array(words, parts.spring_start.iter().copied()),
        spring_other: array(words, parts.spring_other.iter().copied()),
        spring_stiffness: array(words, bits(parts.spring_stiffness)),
        spring_rest: array(words, bits(parts.spring_rest)),
        inertia: array(words, bits(parts.inertia)),
        frame: array(words, bits(parts.frame.as_flattened())),
        levels: (levels.start.len() - 1) as u32,
        level_start: array(words, levels.start),
        column_node: array(words, levels.order.iter().map(|&c| parts.column_node[c as usize])),
        row_start: array(words, row_start),
        column_start: array(words, column_start),
        row_entries: array(words, row_entries),
        column_entries: array(words, column_entries),
        blocks: array(words, bits(parts.entry.as_flattened())),
        inverses: array(words, bits(&inverses)),
        gamma: parts.gamma,
        slack: parts.slack,
        inverse_total_mass: parts.inverse_total_mass,
        free: u32::from(parts.free),
    };
    words[place..place + size_of::<Head>() / 4].copy_from_slice(bytemuck::cast_slice(&[head]));
    place as u32
}

/// The columns of the factor in levels: a column's level is one above the highest of the columns that reach its row.
struct Levels {
    /// Columns by level, those of one level in the order of elimination.
    order: Vec<u32>,
    /// Start of each level's run, and the end of the last.
    start: Vec<u32>,
    /// For each column, (node of another column, entry) of what its row gathers, by ascending column.
    rows: Vec<Vec<[u32; 2]>>,
}

impl Levels {
    fn new(parts: &Parts<'_>) -> Self {
        let count = parts.column_node.len();
        let nodes = parts.inertia.len();
        let mut place = vec![0usize; nodes];
        for (column, &node) in parts.column_node.iter().enumerate() {
            place[node as usize] = column;
        }
        let mut rows = vec![Vec::new(); count];
        let mut level = vec![0usize; count];
        for column in 0..count {
            for [row, entry] in self::column(parts, column) {
                let row = place[row as usize];
                rows[row].push([parts.column_node[column], entry]);
                level[row] = level[row].max(level[column] + 1);
            }
        }
        let levels = level.iter().max().map_or(0, |&highest| highest + 1);
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by_key(|&column| level[column as usize]);
        let start = (0..=levels).map(|l| order.partition_point(|&c| level[c as usize] < l) as u32).collect();
        Self { order, start, rows }
    }
}

/// (Node of the row, entry) of a column's entries, in their order.
fn column(parts: &Parts<'_>, column: usize) -> Vec<[u32; 2]> {
    (parts.column_start[column]..parts.column_start[column + 1]).map(|e| [parts.entry_row[e as usize], e]).collect()
}

/// Lists one after the other: where each starts, with the end of the last, and all of them.
fn runs<'a>(lists: impl Iterator<Item = &'a Vec<[u32; 2]>>) -> (Vec<u32>, Vec<u32>) {
    let (mut start, mut all) = (vec![0], Vec::new());
    for list in lists {
        all.extend(list.as_flattened());
        start.push((all.len() / 2) as u32);
    }
    (start, all)
}
