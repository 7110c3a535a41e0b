//! Colouring: tetrahedra of one colour share no node, so they may be solved in any order, or at once.

/// Greedy colouring in the order given: each tetrahedron takes the first colour that none of its nodes has yet.
///
/// Returns the tetrahedra's indices sorted by colour (stable within one) and the start of each colour's run, with the
/// total as last entry. The result depends on the mesh alone; the solver's constraint order is this order.
pub fn colour_order(nodes: usize, tets: &[[u32; 4]]) -> (Vec<u32>, Vec<u32>) {
    // A node's used colours as bits; a mesh's colour count is bounded by the tetrahedra around one node and its neighbours.
    let mut used: Vec<Vec<u64>> = vec![Vec::new(); nodes];
    let mut colours: Vec<Vec<u32>> = Vec::new();
    for (t, tet) in tets.iter().enumerate() {
        let colour = first_free(tet.map(|n| used[n as usize].as_slice()));
        if colour == colours.len() {
            colours.push(Vec::new());
        }
        colours[colour].push(t as u32);
        for &n in tet {
            let bits = &mut used[n as usize];
            if bits.len() <= colour / 64 {
                bits.resize(colour / 64 + 1, 0);
            }
            bits[colour / 64] |= 1 << (colour % 64);
        }
    }
    let mut starts = vec![0];
    let mut order = Vec::with_capacity(tets.len());
    for run in colours {
        order.extend(run);
        starts.push(order.len() as u32);
    }
    (order, starts)
}

fn first_free(used: [&[u64]; 4]) -> usize {
    let word = |k: usize| used.iter().fold(0, |acc, bits| acc | bits.get(k).copied().unwrap_or(0));
    let mut k = 0;
    while word(k) == u64::MAX {
        k += 1;
    }
    64 * k + word(k).trailing_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tets_of_a_colour_share_a_node() {
        let tets: Vec<[u32; 4]> = (0..40u32).map(|i| [i % 7, 7 + i % 5, 12 + i % 3, 15 + i % 11]).collect();
        let (order, starts) = colour_order(26, &tets);
        let mut seen = order.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
        for run in starts.windows(2) {
            let mut nodes: Vec<u32> =
                order[run[0] as usize..run[1] as usize].iter().flat_map(|&t| tets[t as usize]).collect();
            nodes.sort_unstable();
            let all = nodes.len();
            nodes.dedup();
            assert_eq!(nodes.len(), all);
        }
    }

    #[test]
    fn more_than_64_colours_are_possible() {
        let tets: Vec<[u32; 4]> = (0..100u32).map(|i| [0, 1 + 3 * i, 2 + 3 * i, 3 + 3 * i]).collect();
        let (_, starts) = colour_order(301, &tets);
        assert_eq!(starts.len(), 101);
    }
}
