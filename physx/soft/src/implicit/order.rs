//! The order in which a sparse symmetric matrix is eliminated.

/// The elimination of a graph's nodes: where the factor has entries.
pub(super) struct Elimination {
    /// Nodes, the first to be eliminated first.
    pub order: Vec<u32>,
    /// For each of `order`, its neighbours that are still there when it goes, by their places in `order`.
    pub below: Vec<Vec<u32>>,
}

/// Eliminates the nodes one by one, always one that has the fewest neighbours left (the smallest id among those): minimum degree
/// (Tinney and Walker, *Direct Solutions of Sparse Network Equations by Optimally Ordered Triangular Factorization*, 1967).
///
/// `neighbours[i]` lists the nodes that node `i` shares an entry with, without `i`; nodes for which `keep` is false take no part.
pub(super) fn minimum_degree(mut neighbours: Vec<Vec<u32>>, keep: impl Fn(usize) -> bool) -> Elimination {
    let mut left: Vec<u32> = (0..neighbours.len() as u32).filter(|&i| keep(i as usize)).collect();
    for list in &mut neighbours {
        list.retain(|&n| keep(n as usize));
    }
    let (mut order, mut below) = (Vec::with_capacity(left.len()), Vec::with_capacity(left.len()));
    let mut seen = vec![u32::MAX; neighbours.len()];
    while let Some((at, _)) = left.iter().enumerate().min_by_key(|&(_, &n)| (neighbours[n as usize].len(), n)) {
        let node = left.swap_remove(at);
        let around = std::mem::take(&mut neighbours[node as usize]);
        for &a in &around {
            join(&mut neighbours[a as usize], &around, a, node, &mut seen);
        }
        order.push(node);
        below.push(around);
    }
    let mut place = vec![0; seen.len()];
    for (p, &node) in order.iter().enumerate() {
        place[node as usize] = p as u32;
    }
    for list in &mut below {
        list.iter_mut().for_each(|n| *n = place[*n as usize]);
        list.sort_unstable();
    }
    Elimination { order, below }
}

/// Adds to the neighbours of `a` those of a node that goes, `gone`.
fn join(list: &mut Vec<u32>, around: &[u32], a: u32, gone: u32, seen: &mut [u32]) {
    list.retain(|&n| n != gone);
    for &n in list.iter() {
        seen[n as usize] = a;
    }
    list.extend(around.iter().filter(|&&n| n != a && seen[n as usize] != a));
    // Marks of this node must not be taken for those of a later round.
    list.iter().for_each(|&n| seen[n as usize] = u32::MAX);
}
